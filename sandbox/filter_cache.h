/*
 * Kept programs of filter.c. The folder is ours alone; even so a program is
 * taken only when the file holds, byte for byte, the profile it was made of.
 */
#ifndef SANDBOX_FILTER_CACHE_H
#define SANDBOX_FILTER_CACHE_H

#include "sandbox/filter.h"

/* All that the program depends on, in one row of bytes. */
struct filter_key {
	char *text; /* owned */
	size_t len;
};

int filter_key_make(struct filter_key *ret_key,
		    const struct filter_profile *profile, struct err *err);

/* True when it was there; the code is the caller's. */
bool filter_cache_get(int cache, const struct filter_key *key,
		      struct filter_program *program);

/* A failure leaves nothing behind and is not told. */
void filter_cache_put(int cache, const struct filter_key *key,
		      const struct filter_program *program);

#endif
