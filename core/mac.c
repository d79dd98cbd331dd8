#include "core/mac.h"

#include <errno.h>
#include <string.h>

#include "core/bytes.h"
#include "core/fnv.h"

/* Bits of the first octet (IEEE 802, 8.2). */
#define MULTICAST 0x01
#define LOCAL	  0x02

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_parse(const char *text, uint8_t ret_mac[MAC_BYTES], struct err *err)
{
	static const uint8_t zero[MAC_BYTES];
	uint8_t mac[MAC_BYTES];
	const char *at = text;

	for (unsigned int i = 0; i < MAC_BYTES; i++, at += 3) {
		int high = hex_digit(at[0]);
		int low = high < 0 ? -1 : hex_digit(at[1]);

		if (low < 0 || (i < MAC_BYTES - 1 ?
					at[2] != text[2] ||
						(at[2] != ':' && at[2] != '-') :
					at[2] != '\0'))
			return err_set(err, EINVAL,
				       "\"%s\" is no MAC address such as "
				       "02:00:00:12:34:56",
				       text);
		mac[i] = (uint8_t)(high << 4 | low);
	}
	if (mac[0] & MULTICAST)
		return err_set(err, EINVAL,
			       "the MAC address %s is a multicast address: its "
			       "first octet must be even",
			       text);
	if (!memcmp(mac, zero, MAC_BYTES))
		return err_set(err, EINVAL,
			       "the MAC address %s is no station's", text);
	memcpy(ret_mac, mac, MAC_BYTES);
	return 0;
}

/*
 * FNV-1a with its halves folded. The first octet is ours, so that
 * the address is neither a vendor's nor a group's.
 */
void mac_default(const char *name, unsigned int index,
		 uint8_t ret_mac[MAC_BYTES])
{
	uint8_t number[sizeof(uint32_t)];
	/* With its end: a byte that is in no name. */
	uint64_t hash = fnv1a_add(FNV1A_START, name, strlen(name) + 1);

	store_le32(number, index);
	hash = fnv1a_add(hash, number, sizeof(number));
	hash ^= hash >> 40;
	ret_mac[0] = LOCAL;
	for (unsigned int i = 1; i < MAC_BYTES; i++)
		ret_mac[i] = (uint8_t)(hash >> (8 * (i - 1)));
}
