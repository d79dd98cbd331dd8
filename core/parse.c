#include "core/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "core/util.h"

struct unit {
	const char *suffix;
	uint64_t factor;
};

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* Reads digits of @base; *@ret_rest is the first character behind them. */
static int parse_digits(const char *text, unsigned int base,
			const char **ret_rest, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *p = text;

	for (; (unsigned int)digit_value(*p) < base; p++) {
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit_value(*p), &value))
			return -ERANGE;
	}
	if (p == text)
		return -EINVAL;
	*ret_rest = p;
	*ret_value = value;
	return 0;
}

int parse_u64(const char *text, uint64_t *ret_value)
{
	unsigned int base = 10;
	const char *rest;
	uint64_t value;
	int rc;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	rc = parse_digits(text, base, &rest, &value);
	if (rc)
		return rc;
	if (*rest)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int parse_with_unit(const char *text, const struct unit *units,
			   uint64_t default_factor, uint64_t *ret_value)
{
	uint64_t factor = default_factor;
	const char *rest;
	uint64_t value;
	int rc;

	rc = parse_digits(text, 10, &rest, &value);
	if (rc)
		return rc;
	if (*rest) {
		while (units->suffix && strcasecmp(units->suffix, rest) != 0)
			units++;
		if (!units->suffix)
			return -EINVAL;
		factor = units->factor;
	}
	if (__builtin_mul_overflow(value, factor, &value))
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int parse_size(const char *text, uint64_t default_unit, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{ "B", 1 },	{ "K", KIB },	     { "KiB", KIB },
		{ "M", MIB },	{ "MiB", MIB },	     { "G", GIB },
		{ "GiB", GIB }, { "T", GIB * 1024 }, { "TiB", GIB * 1024 },
		{ NULL, 0 },
	};

	return parse_with_unit(text, units, default_unit, ret_bytes);
}

int parse_duration_ms(const char *text, uint64_t *ret_ms)
{
	static const struct unit units[] = {
		{ "ms", 1 },	       { "s", 1000 },
		{ "m", 60 * 1000ULL }, { "h", 3600 * 1000ULL },
		{ NULL, 0 },
	};

	return parse_with_unit(text, units, 1000, ret_ms);
}

int parse_bool(const char *text, int *ret_value)
{
	static const char *const yes[] = { "on", "yes", "true", "1" };
	static const char *const no[] = { "off", "no", "false", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (!strcmp(text, yes[i])) {
			*ret_value = 1;
			return 0;
		}
		if (!strcmp(text, no[i])) {
			*ret_value = 0;
			return 0;
		}
	}
	return -EINVAL;
}
