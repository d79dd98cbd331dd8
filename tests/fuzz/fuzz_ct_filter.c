/*
 * Programs for seccomp(2) made of any bytes: shortened, they answer the same,
 * and what cannot be shortened is as it was.
 */
#include <stdlib.h>

#include "sandbox/filter_short.h"
#include "tests/unit/filter_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* A constant of the program or its neighbour, chosen by a fixed sequence. */
static uint32_t choose(const struct sock_filter *code, size_t len,
		       uint64_t *random)
{
	uint32_t word;

	*random = *random * 6364136223846793005U + 1442695040888963407U;
	word = (uint32_t)(*random >> 32);
	return code[word / 4 % len].k + word % 4 - 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes = { data, size };
	struct sock_filter old[MADE_MOST];
	struct sock_filter code[MADE_MOST];
	size_t old_len = make_program(&bytes, old);
	uint64_t random = size;
	size_t len;

	memcpy(code, old, old_len * sizeof(*old));
	len = filter_shorten(code, old_len);
	require(len < old_len || !memcmp(code, old, old_len * sizeof(*old)));
	for (unsigned int i = 0; len < old_len && i < 500; i++) {
		uint32_t words[sizeof(struct seccomp_data) / 4];
		struct seccomp_data call;
		uint32_t wanted, answer;

		for (size_t n = 0; n < sizeof(words) / 4; n++)
			words[n] = choose(old, old_len, &random);
		if (i % 8)
			words[1] = AUDIT_ARCH_X86_64;
		memcpy(&call, words, sizeof(call));
		require(machine_run(old, old_len, &call, &wanted) &&
			machine_run(code, len, &call, &answer) &&
			wanted == answer);
	}
	return 0;
}
