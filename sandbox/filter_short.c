/*
 * What libseccomp writes looks at the architecture, then searches the number of
 * the call, and for a few numbers at the arguments. Here:
 *
 *  1. analyse() follows all paths and notes what the accumulator holds at each
 *     instruction. What it does not know, it refuses.
 *  2. copy_blocks() takes over what looks at arguments; tests of single bits of
 *     one word become one.
 *  3. For each architecture, find() follows the program with a number until it
 *     returns or loads an argument: that place is the number's outcome. Numbers
 *     in a row with one outcome are a run, and search() writes a search among
 *     the runs.
 *  4. The same search is written among the architectures.
 *  5. filter_same() runs both programs.
 *
 * The new program is written from its end to its beginning, since jumps only go
 * forward: where they go is known when they are written. Conditional ones reach
 * 255 instructions far (Linux Documentation/networking/filter.rst).
 */
#include "sandbox/filter_short.h"

#include <string.h>

#include "core/util.h"
#include "sandbox/filter_same.h"

#define REACH 254 /* one is for an instruction that may come between */

/* How many comparisons with one number follow each other in a search. */
#define IN_A_ROW 3

/* How many pairs of a number and an architecture are tried. */
#define MOST_TRIED (1U << 17)

/* What the accumulator holds, and several where paths meet. */
enum {
	NOTHING = 1,
	NUMBER = 2,
	ARCH = 4,
	OTHER = 8, /* a word of an argument or of the address */
};

#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define AND  (BPF_ALU | BPF_AND | BPF_K)
#define RET  (BPF_RET | BPF_K)

/* From @first up to the next run's. */
struct run {
	uint32_t first;
	unsigned int place;
};

struct runs {
	size_t count;
	struct run run[3 * FILTER_MOST + 8];
};

/*
 * A place is something to jump to: an instruction of the old program by its
 * number, or, from FILTER_MOST on, something that is new. Its label is where
 * the new program has it; 0 when it has not.
 */
struct shortening {
	const struct sock_filter *old; /* borrowed */
	unsigned int len;
	unsigned char holds[FILTER_MOST];
	unsigned int means[FILTER_MOST];
	bool copied[FILTER_MOST];
	struct filter_inputs inputs;
	struct runs numbers;
	struct runs archs;
	unsigned int label[2 * FILTER_MOST + 1];
	unsigned int places;
	struct sock_filter code[FILTER_MOST]; /* from @at on */
	unsigned int at;
	bool failed;
};

static unsigned char loaded(const struct sock_filter *load)
{
	switch (load->k / 4) {
	case FILTER_NUMBER:
		return NUMBER;
	case FILTER_ARCH:
		return ARCH;
	default:
		return OTHER;
	}
}

/* Notes a comparison; false where it is of no use. */
static bool note(struct filter_inputs *inputs, const struct sock_filter *test,
		 unsigned char holds)
{
	bool bits = test->code == AND || BPF_OP(test->code) == BPF_JSET;

	if (holds == OTHER)
		filter_values_add(&inputs->others, test->k);
	else if (holds == NUMBER && !bits)
		filter_values_add(&inputs->numbers, test->k);
	else if (holds == ARCH && !bits)
		filter_values_add(&inputs->archs, test->k);
	else
		return false;
	return true;
}

/* False when the program ends without a return. */
static bool flow(struct shortening *s, size_t to, unsigned char holds)
{
	if (to >= s->len)
		return false;
	s->holds[to] |= holds;
	return true;
}

static bool analyse_one(struct shortening *s, size_t at)
{
	const struct sock_filter *i = &s->old[at];
	unsigned char holds = s->holds[at];

	switch (i->code) {
	case LOAD:
		if (i->k % 4 || i->k / 4 >= FILTER_WORDS)
			return false;
		/* A block that looked at arguments is only copied. */
		if (holds & OTHER && loaded(i) != OTHER)
			return false;
		s->inputs.words |= 1U << i->k / 4;
		return flow(s, at + 1, loaded(i));
	case AND:
		return note(&s->inputs, i, holds) && flow(s, at + 1, holds);
	case BPF_JMP | BPF_JEQ | BPF_K:
	case BPF_JMP | BPF_JGT | BPF_K:
	case BPF_JMP | BPF_JGE | BPF_K:
	case BPF_JMP | BPF_JSET | BPF_K:
		return note(&s->inputs, i, holds) &&
		       flow(s, at + 1 + i->jt, holds) &&
		       flow(s, at + 1 + i->jf, holds);
	case BPF_JMP | BPF_JA:
		return flow(s, at + 1 + (size_t)i->k, holds);
	case RET:
		return true;
	default:
		return false;
	}
}

/* Notes the place that each one means: where jumps lead to, and one for all
 * returns of a value. */
static void resolve(struct shortening *s)
{
	for (unsigned int at = s->len; at-- > 0;) {
		const struct sock_filter *i = &s->old[at];
		unsigned int first = 0;

		s->means[at] = at;
		if (i->code == (BPF_JMP | BPF_JA) && s->holds[at]) {
			s->means[at] = s->means[at + 1 + i->k];
		} else if (i->code == RET) {
			while (s->old[first].code != RET ||
			       s->old[first].k != i->k)
				first++;
			s->means[at] = first;
		}
	}
}

/* Several tests of one word, a bit each, that lead to one place as soon as one
 * holds, and together to another. */
struct bits {
	uint32_t mask;
	uint32_t none; /* what the word is in @mask where no test holds */
	unsigned int yes;
	unsigned int no;
};

/* Whether there is more than one such test from @at on: that is how a profile
 * has to say of 32 bits that they are not equal to a value. */
static bool join_bits(const struct shortening *s, unsigned int at,
		      struct bits *bits)
{
	uint32_t word = s->old[at].k;
	unsigned int count;

	*bits = (struct bits){ .mask = 0 };
	for (count = 0; at + 2 < s->len; count++) {
		const struct sock_filter *i = &s->old[at];
		uint32_t bit = i[1].k;

		if (i[0].code != LOAD || i[0].k != word || i[1].code != AND ||
		    i[2].code != (BPF_JMP | BPF_JEQ | BPF_K))
			break;
		if (!is_power_of_two(bit) || i[2].k & ~bit ||
		    bits->mask & bit ||
		    (count && bits->yes != s->means[at + 3 + i[2].jt]))
			break;
		bits->mask |= bit;
		bits->none |= bit & ~i[2].k;
		bits->yes = s->means[at + 3 + i[2].jt];
		bits->no = s->means[at + 3 + i[2].jf];
		at = bits->no;
	}
	return count > 1;
}

/* Marks what looks at arguments and cannot be left out. */
static void mark_blocks(struct shortening *s)
{
	for (unsigned int at = 0; at < s->len; at++) {
		const struct sock_filter *i = &s->old[at];
		bool load = i->code == LOAD && loaded(i) == OTHER;
		struct bits bits;

		if (load && s->holds[at] & ~OTHER)
			s->copied[at] = true;
		if (!s->copied[at] || i->code == RET)
			continue;
		if (load && join_bits(s, at, &bits)) {
			filter_values_add(&s->inputs.others, bits.none);
			s->copied[bits.yes] = true;
			s->copied[bits.no] = true;
		} else if (BPF_CLASS(i->code) == BPF_JMP) {
			s->copied[s->means[at + 1 + i->jt]] = true;
			s->copied[s->means[at + 1 + i->jf]] = true;
		} else {
			s->copied[s->means[at + 1]] = true;
		}
	}
}

static bool analyse(struct shortening *s)
{
	struct filter_inputs *inputs = &s->inputs;
	const uint32_t x32 = 0x40000000; /* __X32_SYSCALL_BIT */

	/* Jumps go forward: all that leads to an instruction came before. */
	s->holds[0] = NOTHING;
	for (size_t at = 0; at < s->len; at++)
		if (s->holds[at] && !analyse_one(s, at))
			return false;
	resolve(s);
	mark_blocks(s);
	filter_values_add(&inputs->numbers, 0);
	filter_values_add(&inputs->numbers, x32);
	filter_values_add(&inputs->archs, 0);
	filter_values_add(&inputs->others, 0);
	filter_values_sort(&inputs->numbers);
	filter_values_sort(&inputs->archs);
	filter_values_sort(&inputs->others);
	return inputs->numbers.count * inputs->archs.count <= MOST_TRIED;
}

/* Before all that is written; returns where. */
static unsigned int put(struct shortening *s, unsigned short code,
			unsigned int jt, unsigned int jf, uint32_t k)
{
	/* Label 0 means that there is none. */
	if (s->at <= 1 || jt > UINT8_MAX || jf > UINT8_MAX)
		s->failed = true;
	else
		s->code[--s->at] = (struct sock_filter){ code,
							 (unsigned char)jt,
							 (unsigned char)jf, k };
	return s->at;
}

static unsigned int new_place(struct shortening *s)
{
	if (s->places == ARRAY_SIZE(s->label)) {
		s->failed = true;
		return FILTER_MOST;
	}
	s->label[s->places] = s->at;
	return s->places++;
}

/* Writes the place, or a jump to it, unless it is within @reach. */
static void come_near(struct shortening *s, unsigned int place,
		      unsigned int reach)
{
	unsigned int label = s->label[place];

	if (label && label - s->at <= reach)
		return;
	if (place < s->len && s->old[place].code == RET)
		s->label[place] = put(s, RET, 0, 0, s->old[place].k);
	else if (label)
		s->label[place] = put(s, BPF_JMP | BPF_JA, 0, 0, label - s->at);
	else
		s->failed = true;
}

static void put_test(struct shortening *s, unsigned short code, uint32_t k,
		     unsigned int yes, unsigned int no)
{
	come_near(s, yes, REACH);
	come_near(s, no, REACH);
	put(s, code, s->label[yes] - s->at, s->label[no] - s->at, k);
}

/* Writes what looks at arguments, from the last such instruction on. */
static void copy_blocks(struct shortening *s)
{
	for (unsigned int at = s->len; at-- > 0 && !s->failed;) {
		const struct sock_filter *i = &s->old[at];
		struct bits bits;

		if (!s->copied[at] || i->code == RET)
			continue;
		if (i->code == LOAD && join_bits(s, at, &bits)) {
			put_test(s, BPF_JMP | BPF_JEQ | BPF_K, bits.none,
				 bits.no, bits.yes);
			put(s, AND, 0, 0, bits.mask);
			put(s, LOAD, 0, 0, i->k);
		} else if (BPF_CLASS(i->code) == BPF_JMP) {
			put_test(s, i->code, i->k, s->means[at + 1 + i->jt],
				 s->means[at + 1 + i->jf]);
		} else {
			come_near(s, s->means[at + 1], 0);
			put(s, i->code, 0, 0, i->k);
		}
		s->label[at] = s->at;
	}
}

/* Where the program returns or looks at an argument. */
static unsigned int find(struct shortening *s, uint32_t arch, uint32_t number)
{
	const struct sock_filter *old = s->old;
	uint32_t a = 0;

	for (unsigned int at = 0; at < s->len; at++) {
		if (BPF_CLASS(old[at].code) == BPF_JMP)
			at += filter_jump(&old[at], a);
		else if (old[at].code == RET || loaded(&old[at]) == OTHER)
			return s->means[at];
		else
			a = loaded(&old[at]) == ARCH ? arch : number;
	}
	s->failed = true;
	return 0;
}

static void add_run(struct runs *runs, uint32_t first, unsigned int place)
{
	if (runs->count && runs->run[runs->count - 1].place == place)
		return;
	runs->run[runs->count++] = (struct run){ first, place };
}

/* How many runs from @first on are either at @place or single numbers, of
 * which no more than IN_A_ROW are taken. */
static size_t covers(const struct runs *runs, size_t first, unsigned int place)
{
	const struct run *run = runs->run;
	unsigned int single = 0;
	size_t i;

	for (i = first; i < runs->count; i++) {
		if (run[i].place == place)
			continue;
		if (i + 1 == runs->count ||
		    run[i + 1].first - run[i].first > 1 || single == IN_A_ROW)
			break;
		single++;
	}
	return i - first;
}

/* Writes a search for the accumulator, from its leaves to its root, and returns
 * the place of that. Uses the runs up. */
static unsigned int search(struct shortening *s, struct runs *runs)
{
	struct run *run = runs->run;
	size_t count = 0;

	for (size_t i = 0, n; i < runs->count; i += n) {
		struct run leaf = run[i];

		n = covers(runs, i, leaf.place);
		if (i + 1 < runs->count &&
		    covers(runs, i, run[i + 1].place) > n) {
			leaf.place = run[i + 1].place;
			n = covers(runs, i, leaf.place);
		}
		for (size_t j = i, rest = leaf.place; j < i + n; j++) {
			if (run[j].place == rest)
				continue;
			put_test(s, BPF_JMP | BPF_JEQ | BPF_K, run[j].first,
				 run[j].place, leaf.place);
			leaf.place = new_place(s);
		}
		run[count++] = leaf;
	}
	for (size_t half; count > 1; count = half) {
		half = (count + 1) / 2;
		for (size_t i = 0; i < half; i++) {
			struct run node = run[i * 2];

			if (i * 2 + 1 < count) {
				put_test(s, BPF_JMP | BPF_JGE | BPF_K,
					 run[i * 2 + 1].first,
					 run[i * 2 + 1].place, node.place);
				node.place = new_place(s);
			}
			run[i] = node;
		}
	}
	return run[0].place;
}

/* Writes a search behind a load of the word, if there is anything to search. */
static unsigned int load_and_search(struct shortening *s, struct runs *runs,
				    uint32_t word)
{
	unsigned int place = search(s, runs);

	if (place < FILTER_MOST)
		return place;
	come_near(s, place, 0);
	put(s, LOAD, 0, 0, word * 4);
	return new_place(s);
}

static void write_all(struct shortening *s)
{
	const struct filter_values *archs = &s->inputs.archs;
	const struct filter_values *numbers = &s->inputs.numbers;
	unsigned int place;

	copy_blocks(s);
	for (size_t i = 0; i < archs->count && !s->failed; i++) {
		s->numbers.count = 0;
		for (size_t n = 0; n < numbers->count; n++)
			add_run(&s->numbers, numbers->value[n],
				find(s, archs->value[i], numbers->value[n]));
		place = load_and_search(s, &s->numbers, FILTER_NUMBER);
		add_run(&s->archs, archs->value[i], place);
	}
	place = load_and_search(s, &s->archs, FILTER_ARCH);
	come_near(s, place, 0);
}

size_t filter_shorten(struct sock_filter *code, size_t len)
{
	autofree struct shortening *s = NULL;
	struct filter_code old = { code, len };
	struct filter_code new;

	if (!len || len > FILTER_MOST)
		return len;
	s = calloc(1, sizeof(*s));
	if (!s)
		return len;
	s->old = code;
	s->len = (unsigned int)len;
	s->places = FILTER_MOST;
	s->at = FILTER_MOST;
	if (!analyse(s))
		return len;
	write_all(s);
	new = (struct filter_code){ s->code + s->at, FILTER_MOST - s->at };
	if (s->failed || new.len >= len || !filter_same(&old, &new, &s->inputs))
		return len;
	memcpy(code, new.code, new.len * sizeof(*code));
	return new.len;
}
