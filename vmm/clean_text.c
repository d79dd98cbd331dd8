#include "vmm/clean_text.h"

#include <stdint.h>
#include <string.h>

#include "core/util.h"

/* Bytes that the character whose first byte is @lead goes on for; -1: no first
 * byte (The Unicode Standard, table 3-7). */
static int trailing_bytes(uint8_t lead)
{
	if (lead >= 0xc2 && lead <= 0xdf)
		return 1;
	if (lead >= 0xe0 && lead <= 0xef)
		return 2;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 3;
	return -1;
}

/* What the second byte's value may not be, behind some first ones: overlong
 * forms, surrogates, and above U+10FFFF. */
static bool second_is_valid(uint8_t lead, uint8_t second)
{
	switch (lead) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second <= 0x9f;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second <= 0x8f;
	default:
		return true;
	}
}

int utf8_character(const uint8_t *c, size_t len)
{
	int trailing = trailing_bytes(c[0]);

	if (c[0] < 0x80)
		return 1;
	for (int i = 1; i <= trailing; i++) {
		if ((size_t)i == len)
			return -1;
		if ((c[i] & 0xc0) != 0x80 ||
		    (i == 1 && !second_is_valid(c[0], c[1])))
			return 0;
	}
	/* U+FFFE and U+FFFF */
	if (c[0] == 0xef && c[1] == 0xbf && c[2] >= 0xbe)
		return 0;
	return trailing < 1 ? 0 : trailing + 1;
}

static bool is_kept(uint8_t byte)
{
	return byte == '\t' || byte == '\n' || (byte >= ' ' && byte != 0x7f);
}

char *clean_text(const char *text)
{
	const uint8_t *from = (const uint8_t *)text;
	char *copy = malloc(3 * strlen(text) + 1);
	char *to = copy;

	if (!copy)
		return NULL;
	while (*from) {
		/* The text's end continues nothing. */
		size_t len = (size_t)utf8_character(from, SIZE_MAX);

		if (*from < 0x80 && !is_kept(*from)) {
			from++;
			continue;
		}
		memcpy(to, len ? (const char *)from : UTF8_REPLACEMENT,
		       len ? len : 3);
		to += len ? len : 3;
		from += len ? len : 1;
	}
	*to = '\0';
	return copy;
}
