/*
 * Whether two programs for seccomp(2) answer the same, found out by running
 * both (Linux Documentation/networking/filter.rst) with what they may tell
 * apart. Only loads of words, AND, jumps that compare with a constant, and
 * returns of a constant are known.
 *
 * Any thread; nothing allocates.
 */
#ifndef SANDBOX_FILTER_SAME_H
#define SANDBOX_FILTER_SAME_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_MOST 4096 /* BPF_MAXINSNS */

/* Words of struct seccomp_data. */
#define FILTER_NUMBER 0
#define FILTER_ARCH   1
#define FILTER_WORDS  16

/* In order and each once after filter_values_sort. */
struct filter_values {
	size_t count;
	uint32_t value[3 * FILTER_MOST + 8];
};

/* What a program compares with. */
struct filter_inputs {
	struct filter_values numbers;
	struct filter_values archs;
	struct filter_values others; /* for the address and the arguments */
	unsigned int words; /* bit N: word N is looked at */
};

struct filter_code {
	const struct sock_filter *code; /* borrowed */
	size_t len;
};

/* @value and its neighbours; there is room for each instruction's and 0. */
void filter_values_add(struct filter_values *values, uint32_t value);
void filter_values_sort(struct filter_values *values);

/* How many instructions the jump leaves out when the accumulator is @a. */
uint32_t filter_jump(const struct sock_filter *jump, uint32_t a);

/* Whether both answer the same to each number of each architecture in @inputs
 * and, where they look at more than that, to many contents of the rest. */
bool filter_same(const struct filter_code *one, const struct filter_code *two,
		 const struct filter_inputs *inputs);

#endif
