/*
 * FNV-1a of 64 bits: a number for a name, where nobody gains by a second name
 * that has the same one. Any thread.
 *
 * Source: draft-eastlake-fnv (the hash of Fowler, Noll and Vo), 2.
 */
#ifndef CORE_FNV_H
#define CORE_FNV_H

#include <stddef.h>
#include <stdint.h>

/* What the first piece is added to. */
#define FNV1A_START UINT64_C(0xcbf29ce484222325)

/* @hash with @len more bytes behind those that it is of. */
static inline uint64_t fnv1a_add(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

#endif
