/* SHA-256 (FIPS 180-4), for digests of images. No secrets go through it. Any
 * thread, each with a structure of its own. */
#ifndef CORE_SHA256_H
#define CORE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX 65 /* with its end */

struct sha256 {
	uint32_t state[8];
	uint64_t bytes;
	uint8_t block[64];
};

void sha256_begin(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const void *data, size_t len);

/* In small letters. The structure is used up. */
void sha256_end(struct sha256 *sha, char hex[SHA256_HEX]);

#endif
