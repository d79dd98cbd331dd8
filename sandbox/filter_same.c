#include "sandbox/filter_same.h"

#include <stdlib.h>
#include <string.h>

#include "core/util.h"

/* How often all words are chosen at once, as one comparison of 64 bits needs
 * two of them. */
#define MIXED 512

void filter_values_add(struct filter_values *values, uint32_t value)
{
	values->value[values->count++] = value - 1;
	values->value[values->count++] = value;
	values->value[values->count++] = value + 1;
}

static int compare(const void *one, const void *two)
{
	uint32_t a = *(const uint32_t *)one;
	uint32_t b = *(const uint32_t *)two;

	return a < b ? -1 : a > b;
}

void filter_values_sort(struct filter_values *values)
{
	size_t count = 0;

	qsort(values->value, values->count, sizeof(values->value[0]), compare);
	for (size_t i = 0; i < values->count; i++)
		if (!count || values->value[count - 1] != values->value[i])
			values->value[count++] = values->value[i];
	values->count = count;
}

uint32_t filter_jump(const struct sock_filter *jump, uint32_t a)
{
	bool holds = false;

	switch (BPF_OP(jump->code)) {
	case BPF_JA:
		return jump->k;
	case BPF_JEQ:
		holds = a == jump->k;
		break;
	case BPF_JGT:
		holds = a > jump->k;
		break;
	case BPF_JGE:
		holds = a >= jump->k;
		break;
	case BPF_JSET:
		holds = a & jump->k;
		break;
	}
	return holds ? jump->jt : jump->jf;
}

struct outcome {
	uint32_t answer;
	unsigned int asked; /* behind the first load of an argument; or 0 */
};

/* False when the program leaves what is known here. */
static bool run(const struct filter_code *program, const uint32_t *data,
		struct outcome *outcome)
{
	uint32_t a = 0;

	outcome->asked = 0;
	for (unsigned int at = 0; at < program->len; at++) {
		const struct sock_filter *i = &program->code[at];

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			if (i->k / 4 >= FILTER_WORDS)
				return false;
			a = data[i->k / 4];
			if (i->k / 4 > FILTER_ARCH && !outcome->asked)
				outcome->asked = at + 1;
			else if (i->k / 4 <= FILTER_ARCH && outcome->asked)
				return false;
			break;
		case BPF_ALU:
			a &= i->k;
			break;
		case BPF_JMP:
			at += filter_jump(i, a);
			break;
		case BPF_RET:
			outcome->answer = i->k;
			return true;
		default:
			return false;
		}
	}
	return false;
}

struct comparison {
	const struct filter_code *one; /* borrowed, as the others */
	const struct filter_code *two;
	const struct filter_inputs *inputs;
	uint32_t data[FILTER_WORDS];
	/* Where the second one asks first when the first one does there. */
	unsigned int asked[FILTER_MOST + 1];
};

static void fill(struct comparison *c, uint32_t value)
{
	for (unsigned int word = FILTER_ARCH + 1; word < FILTER_WORDS; word++)
		c->data[word] = value;
}

static bool agree(const struct comparison *c)
{
	struct outcome one, two;

	return run(c->one, c->data, &one) && run(c->two, c->data, &two) &&
	       one.answer == two.answer;
}

/* Each word that is looked at has each value while the others are full or
 * empty; then all have one chosen by a fixed sequence (Knuth's MMIX). */
static bool agree_on_words(struct comparison *c)
{
	const struct filter_values *values = &c->inputs->others;
	uint64_t random = 1;
	bool same = true;

	for (unsigned int n = 4; n < FILTER_WORDS * 2; n++) {
		if (!(c->inputs->words & 1U << n / 2))
			continue;
		for (size_t i = 0; same && i < values->count; i++) {
			fill(c, n % 2 ? UINT32_MAX : 0);
			c->data[n / 2] = values->value[i];
			same = agree(c);
		}
	}
	for (unsigned int n = 0; same && n < MIXED; n++) {
		for (unsigned int word = 2; word < FILTER_WORDS; word++) {
			random = random * 6364136223846793005U +
				 1442695040888963407U;
			c->data[word] =
				values->value[(random >> 32) % values->count];
		}
		same = agree(c);
	}
	return same;
}

/* What follows a load of an argument does not depend on what came before: two
 * places in the programs are compared once. */
static bool agree_on_call(struct comparison *c)
{
	struct outcome one, two;

	fill(c, 0);
	if (!run(c->one, c->data, &one) || !run(c->two, c->data, &two) ||
	    one.answer != two.answer)
		return false;
	if (!one.asked || !two.asked)
		return one.asked == two.asked;
	if (c->asked[one.asked] == two.asked)
		return true;
	c->asked[one.asked] = two.asked;
	return agree_on_words(c);
}

bool filter_same(const struct filter_code *one, const struct filter_code *two,
		 const struct filter_inputs *inputs)
{
	struct comparison c = { .one = one, .two = two, .inputs = inputs };

	if (one->len > FILTER_MOST)
		return false;
	for (size_t i = 0; i < inputs->archs.count; i++) {
		for (size_t n = 0; n < inputs->numbers.count; n++) {
			c.data[FILTER_NUMBER] = inputs->numbers.value[n];
			c.data[FILTER_ARCH] = inputs->archs.value[i];
			if (!agree_on_call(&c))
				return false;
		}
	}
	return true;
}
