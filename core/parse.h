/*
 * Strict parsing of the numbers and sizes that users write. The whole string
 * must be consumed; nothing is clamped. Return 0, -EINVAL (not a number) or
 * -ERANGE (does not fit); the output is untouched on failure. Any thread.
 */
#ifndef CORE_PARSE_H
#define CORE_PARSE_H

#include <stdint.h>

/* Decimal, or hexadecimal behind 0x. No sign, no white space. */
int parse_u64(const char *text, uint64_t *ret_value);

/*
 * A size in bytes: a decimal number with an optional suffix K, M, G or T
 * (powers of 1024; "KiB" and the like are accepted too). Without a suffix the
 * number counts @default_unit bytes.
 */
int parse_size(const char *text, uint64_t default_unit, uint64_t *ret_bytes);

/*
 * A duration in milliseconds: a decimal number with a suffix ms, s, m or h;
 * without a suffix, seconds.
 */
int parse_duration_ms(const char *text, uint64_t *ret_ms);

/* "on", "yes", "true", "1" and their opposites; ret_value is 0 or 1. */
int parse_bool(const char *text, int *ret_value);

#endif
