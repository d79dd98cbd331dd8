#include "core/sha256.h"

#include <stdio.h>
#include <string.h>

#include "core/util.h"

/* FIPS 180-4, 4.2.2. */
static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t value, unsigned int by)
{
	return value >> by | value << (32 - by);
}

/* 6.2.2, steps 1 to 4. */
static void digest_block(struct sha256 *sha, const uint8_t *block)
{
	uint32_t w[64];
	uint32_t s[8];

	for (size_t i = 0; i < 16; i++)
		w[i] = (uint32_t)block[i * 4] << 24 |
		       (uint32_t)block[i * 4 + 1] << 16 |
		       (uint32_t)block[i * 4 + 2] << 8 | block[i * 4 + 3];
	for (size_t i = 16; i < 64; i++) {
		uint32_t a = w[i - 15];
		uint32_t b = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] +
		       (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
		       (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
	memcpy(s, sha->state, sizeof(s));
	for (size_t i = 0; i < 64; i++) {
		uint32_t one = s[7] + constants[i] + w[i] +
			       (rotate(s[4], 6) ^ rotate(s[4], 11) ^
				rotate(s[4], 25)) +
			       ((s[4] & s[5]) ^ (~s[4] & s[6]));
		uint32_t two = (rotate(s[0], 2) ^ rotate(s[0], 13) ^
				rotate(s[0], 22)) +
			       ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));

		memmove(s + 1, s, 7 * sizeof(*s));
		s[4] += one;
		s[0] = one + two;
	}
	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		sha->state[i] += s[i];
}

void sha256_begin(struct sha256 *sha)
{
	/* 5.3.3 */
	*sha = (struct sha256){
		.state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 },
	};
}

void sha256_add(struct sha256 *sha, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len) {
		size_t used = sha->bytes % sizeof(sha->block);
		size_t n = sizeof(sha->block) - used;

		if (n > len)
			n = len;
		memcpy(sha->block + used, at, n);
		sha->bytes += n;
		at += n;
		len -= n;
		if (used + n == sizeof(sha->block))
			digest_block(sha, sha->block);
	}
}

/* 5.1.1: a bit, zeros, and the length in bits. */
void sha256_end(struct sha256 *sha, char hex[SHA256_HEX])
{
	static const uint8_t pad[64] = { 0x80 };
	uint64_t bits = sha->bytes * 8;
	size_t used = sha->bytes % sizeof(sha->block);
	uint8_t length[8];

	for (size_t i = 0; i < sizeof(length); i++)
		length[i] = (uint8_t)(bits >> (56 - 8 * i));
	sha256_add(sha, pad, (used < 56 ? 56 : 120) - used);
	sha256_add(sha, length, sizeof(length));
	for (size_t i = 0; i < ARRAY_SIZE(sha->state); i++)
		snprintf(hex + i * 8, 9, "%08x", sha->state[i]);
}
