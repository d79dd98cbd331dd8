/*
 * Checks CPUID bits: each word LEAF:SUBLEAF:REGISTER:BIT=VALUE of the command
 * line, numbers decimal or 0x, REGISTER eax to edx, VALUE 0 or 1. For example
 * 7:0:ebx:5=0 wants AVX2 absent.
 */
#include "guest.h"

static uint32_t register_named(struct cpuid_regs r, const char *name)
{
	switch (name[1]) {
	case 'a':
		return r.eax;
	case 'b':
		return r.ebx;
	case 'c':
		return r.ecx;
	case 'd':
		return r.edx;
	default:
		fail("cpuid: a register is not one of eax, ebx, ecx, edx");
	}
}

static void expect(char c, const char **at)
{
	if (**at != c)
		fail("cpuid: a word is not LEAF:SUBLEAF:REGISTER:BIT=VALUE");
	++*at;
}

static void check_word(const char **at)
{
	const char *word = *at;
	uint32_t leaf, subleaf, value;
	uint64_t bit, want;
	const char *name;

	leaf = (uint32_t)parse_u64(at);
	expect(':', at);
	subleaf = (uint32_t)parse_u64(at);
	expect(':', at);
	name = *at;
	expect('e', at);
	while (**at != ':' && **at != '\0')
		++*at;
	expect(':', at);
	bit = parse_u64(at);
	expect('=', at);
	want = parse_u64(at);
	value = register_named(cpuid(leaf, subleaf), name);
	if ((value >> (bit & 31) & 1) != want) {
		print("FAIL: not so: ");
		serial_write(word, (size_t)(*at - word));
		print(", the register is ");
		print_hex(value);
		print("\n");
		guest_exit(EXIT_VALUE_FAIL);
	}
}

void guest_main(void)
{
	const char *at = guest.cmdline;
	unsigned int words = 0;

	while (*at != '\0') {
		if (*at == ' ') {
			at++;
			continue;
		}
		check_word(&at);
		words++;
	}
	check(words > 0, "cpuid: nothing to check on the command line");
	print("cpuid: ");
	print_dec(words);
	print(" bits as asked\n");
}
