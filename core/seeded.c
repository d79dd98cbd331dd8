#include "core/seeded.h"

#define GOLDEN 0x9e3779b97f4a7c15ULL

static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

void seeded_init(struct seeded *seeded, uint64_t seed, const char *stream)
{
	uint64_t start = mix(seed + GOLDEN);

	for (; *stream; stream++)
		start = mix(start + GOLDEN + (uint8_t)*stream);
	*seeded = (struct seeded){ .start = start };
}

void seeded_fill(struct seeded *seeded, void *to, size_t len)
{
	uint8_t *bytes = to;

	for (size_t i = 0; i < len; i++) {
		uint64_t word = seeded->offset / 8;
		unsigned int shift = 8 * (unsigned int)(seeded->offset % 8);

		bytes[i] = (uint8_t)(mix(seeded->start + (word + 1) * GOLDEN) >>
				     shift);
		seeded->offset++;
	}
}
