/*
 * Bytes that look random and follow from a seed alone, for runs that are to
 * repeat. Nobody may count on them for a secret. What a seed gives stays the
 * same in later versions.
 *
 * The generator is SplitMix64 (Steele, Lea and Flood, "Fast Splittable
 * Pseudorandom Number Generators", OOPSLA 2014). The caller serialises.
 */
#ifndef CORE_SEEDED_H
#define CORE_SEEDED_H

#include <stddef.h>
#include <stdint.h>

struct seeded {
	uint64_t start;
	uint64_t offset; /* of the next byte */
};

/* Streams of different names have nothing in common. */
void seeded_init(struct seeded *seeded, uint64_t seed, const char *stream);

/* The next bytes, the same ones however they are asked for. */
void seeded_fill(struct seeded *seeded, void *to, size_t len);

#endif
