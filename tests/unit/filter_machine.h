/*
 * A small machine of our own for programs of seccomp(2) (Linux
 * Documentation/networking/filter.rst), and programs made of any bytes.
 */
#ifndef TESTS_UNIT_FILTER_MACHINE_H
#define TESTS_UNIT_FILTER_MACHINE_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MADE_MOST 250 /* conditional jumps reach all of it */

/* Whether the jump's test holds. */
static inline bool machine_test(const struct sock_filter *i, uint32_t a)
{
	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		return a == i->k;
	case BPF_JGT:
		return a > i->k;
	case BPF_JGE:
		return a >= i->k;
	default:
		return a & i->k;
	}
}

/* False when it meets what it does not know, or the end. */
static inline bool machine_run(const struct sock_filter *code, size_t len,
			       const struct seccomp_data *data, uint32_t *ret)
{
	uint32_t a = 0;

	for (size_t at = 0; at < len; at++) {
		const struct sock_filter *i = &code[at];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k + sizeof(a) > sizeof(*data))
				return false;
			memcpy(&a, (const char *)data + i->k, sizeof(a));
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			at += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			at += machine_test(i, a) ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			*ret = i->k;
			return true;
		default:
			return false;
		}
	}
	return false;
}

/* Bytes to be used up; zeroes behind them. */
struct bytes {
	const uint8_t *data;
	size_t left;
};

static inline uint8_t take(struct bytes *bytes)
{
	if (!bytes->left)
		return 0;
	bytes->left--;
	return *bytes->data++;
}

static inline void make_test(struct bytes *bytes, struct sock_filter *test,
			     bool bits)
{
	static const unsigned short tests[] = { BPF_JEQ, BPF_JGT, BPF_JGE,
						BPF_JSET };

	test->code = BPF_JMP | BPF_K | tests[take(bytes) % (bits ? 4 : 3)];
	test->k = take(bytes);
	if (test->k & 0x80)
		test->k ^= 0x40000080;
}

/*
 * A program of the shape that libseccomp gives them: the architecture, a number
 * of tests of the number, blocks that look at arguments, four returns. The
 * first byte may say that one instruction is anything.
 */
static inline size_t make_program(struct bytes *bytes, struct sock_filter *code)
{
	const unsigned int odd = take(bytes);
	const unsigned int first = 3 + take(bytes) % 100; /* block */
	const unsigned int blocks = take(bytes) % 48;
	const unsigned int returns = first + blocks * 3;
	const unsigned int len = returns + 4;
	unsigned int to[2];

	memset(code, 0, len * sizeof(*code));
	code[0] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	code[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
					       AUDIT_ARCH_X86_64, 0,
					       (uint8_t)(returns - 2));
	code[2].code = BPF_LD | BPF_W | BPF_ABS;
	for (unsigned int at = 3; at < returns; at++) {
		bool block = at >= first;

		if (block) {
			code[at] = (struct sock_filter)BPF_STMT(
				BPF_LD | BPF_W | BPF_ABS,
				8 + take(bytes) % 14 * 4U);
			code[at + 1] = (struct sock_filter)BPF_STMT(
				BPF_ALU | BPF_AND | BPF_K,
				1U << take(bytes) % 32);
			if (code[at + 1].k > 1 << 30)
				code[at + 1].k = UINT32_MAX;
			at += 2;
		}
		make_test(bytes, &code[at], block);
		if (block && take(bytes) % 2)
			code[at].k &= code[at - 1].k;
		for (unsigned int n = 0; n < 2; n++) {
			unsigned int room = returns + 3 - at;

			/* Near ones for long paths, far ones for all else. */
			to[n] = at + 1 + take(bytes) % (n ? room : 3);
			if (to[n] > first && to[n] < returns)
				to[n] -= (to[n] - first) % 3;
			if (to[n] <= at)
				to[n] = returns + n;
		}
		code[at].jt = (uint8_t)(to[0] - at - 1);
		code[at].jf = (uint8_t)(to[1] - at - 1);
	}
	for (unsigned int n = 0; n < 4; n++)
		code[returns + n] = (struct sock_filter)BPF_STMT(
			BPF_RET | BPF_K,
			n < 3 ? SECCOMP_RET_ERRNO | n : SECCOMP_RET_ALLOW);
	if (odd % 4 == 3) {
		code[odd % len].code = take(bytes);
		code[odd % len].k = take(bytes);
	}
	return len;
}

#endif
