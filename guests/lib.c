/*
 * What start.S calls and every guest uses; see guest.h.
 */
#include "guest.h"

/* boot_params (Linux Documentation/arch/x86/zero-page.rst). */
#define ZERO_PAGE_EXT_CMDLINE_PTR 0x0c8
#define ZERO_PAGE_RSDP		  0x070
#define ZERO_PAGE_E820_COUNT	  0x1e8
#define ZERO_PAGE_SETUP_DATA	  0x250
#define ZERO_PAGE_CMDLINE_PTR	  0x228
#define ZERO_PAGE_E820_TABLE	  0x2d0
#define E820_ENTRY_SIZE		  20

#define SETUP_DTB 2

/* hvm_start_info (Xen public/arch-x86/hvm/start_info.h). */
#define PVH_MAGIC	   0x336ec578u
#define PVH_VERSION	   4
#define PVH_CMDLINE	   24
#define PVH_RSDP	   32
#define PVH_MEMMAP	   40
#define PVH_MEMMAP_ENTRIES 48
#define PVH_ENTRY_SIZE	   24

#define SERIAL_FCR	0x3fa
#define SERIAL_LSR	0x3fd
#define SERIAL_LSR_DR	0x01
#define SERIAL_LSR_THRE 0x20
#define SERIAL_FIFO	16

#define SURVIVED_CYCLES 4000000000ULL

#define PAGE_PRESENT_RW_LARGE 0x83
#define LARGE_PAGE	      0x200000ULL

struct guest_info guest;

extern uint64_t idt[256][2];
extern uint64_t window_directory[512];
extern const char exception_stubs[];

static uint32_t field32(uint64_t base, unsigned int offset)
{
	uint32_t value;

	copy(&value, (const void *)(base + offset), sizeof(value));
	return value;
}

static uint64_t field64(uint64_t base, unsigned int offset)
{
	uint64_t value;

	copy(&value, (const void *)(base + offset), sizeof(value));
	return value;
}

_Noreturn void halt(void)
{
	while (in_user_mode())
		__asm__ volatile("pause");
	for (;;)
		__asm__ volatile("cli; hlt");
}

_Noreturn void guest_exit(uint8_t value)
{
	outb(PORT_DEBUG_EXIT, value);
	halt();
}

_Noreturn void pass(void)
{
	guest_exit(EXIT_VALUE_PASS);
}

_Noreturn void fail(const char *what)
{
	print("FAIL: ");
	print(what);
	print("\n");
	guest_exit(EXIT_VALUE_FAIL);
}

_Noreturn void fail_hex(const char *what, uint64_t value)
{
	print("FAIL: ");
	print(what);
	print(" ");
	print_hex(value);
	print("\n");
	guest_exit(EXIT_VALUE_FAIL);
}

_Noreturn void survived(void)
{
	uint64_t start = rdtsc();

	while (rdtsc() - start < SURVIVED_CYCLES)
		__asm__ volatile("pause");
	guest_exit(EXIT_VALUE_SURVIVED);
}

_Noreturn void guest_exception(uint64_t vector, uint64_t word0, uint64_t word1,
			       uint64_t cr2)
{
	print("FAIL: exception ");
	print_dec(vector);
	print(", frame ");
	print_hex(word0);
	print(" ");
	print_hex(word1);
	print(", cr2 ");
	print_hex(cr2);
	print("\n");
	guest_exit(EXIT_VALUE_EXCEPTION);
}

/*
 * With the FIFOs on, an empty transmit holding register means that 16 bytes fit
 * (16550 data sheet, line status register bit 5).
 */
void serial_write(const char *data, size_t len)
{
	while (len > 0) {
		size_t chunk = len < SERIAL_FIFO ? len : SERIAL_FIFO;
		size_t count = chunk;

		while (!(inb(SERIAL_LSR) & SERIAL_LSR_THRE))
			;
		__asm__ volatile("rep outsb"
				 : "+S"(data), "+c"(count)
				 : "d"((uint16_t)PORT_SERIAL)
				 : "memory");
		len -= chunk;
	}
}

int serial_getc(void)
{
	while (!(inb(SERIAL_LSR) & SERIAL_LSR_DR))
		;
	return inb(PORT_SERIAL);
}

size_t str_len(const char *text)
{
	size_t len = 0;

	while (text[len] != '\0')
		len++;
	return len;
}

bool str_equal_n(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

void print(const char *text)
{
	serial_write(text, str_len(text));
}

void print_hex(uint64_t value)
{
	char text[18];
	unsigned int at = sizeof(text);

	do {
		text[--at] = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value != 0);
	text[--at] = 'x';
	text[--at] = '0';
	serial_write(text + at, sizeof(text) - at);
}

void print_dec(uint64_t value)
{
	char text[20];
	unsigned int at = sizeof(text);

	do {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	serial_write(text + at, sizeof(text) - at);
}

static const char *next_word(const char *text)
{
	while (*text != '\0' && *text != ' ')
		text++;
	while (*text == ' ')
		text++;
	return text;
}

const char *cmdline_value(const char *name)
{
	size_t len = str_len(name);

	for (const char *w = guest.cmdline; *w != '\0'; w = next_word(w))
		if (str_equal_n(w, name, len) && w[len] == '=')
			return w + len + 1;
	return NULL;
}

bool cmdline_has(const char *word)
{
	size_t len = str_len(word);

	for (const char *w = guest.cmdline; *w != '\0'; w = next_word(w))
		if (str_equal_n(w, word, len) &&
		    (w[len] == '\0' || w[len] == ' '))
			return true;
	return false;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return 16;
}

uint64_t parse_u64(const char **text)
{
	const char *at = *text;
	uint64_t value = 0;
	int base = 10;

	if (at[0] == '0' && at[1] == 'x') {
		base = 16;
		at += 2;
	}
	for (; digit_value(*at) < base; at++)
		value = value * (uint64_t)base + (uint64_t)digit_value(*at);
	*text = at;
	return value;
}

uint64_t cmdline_u64(const char *name, uint64_t fallback)
{
	const char *value = cmdline_value(name);

	return value == NULL ? fallback : parse_u64(&value);
}

void *map_window(uint64_t gpa)
{
	window_directory[0] = (gpa & ~(LARGE_PAGE - 1)) | PAGE_PRESENT_RW_LARGE;
	__asm__ volatile("invlpg (%0)" : : "r"(WINDOW_BASE) : "memory");
	return (void *)(WINDOW_BASE + (gpa & (LARGE_PAGE - 1)));
}

/* A 64-bit interrupt gate (SDM vol. 3, 6.14.1). */
void idt_set(unsigned int vector, void (*handler)(void))
{
	uint64_t at = (uint64_t)handler;

	idt[vector][0] = (at & 0xffff) | (uint64_t)SELECTOR_CODE << 16 |
			 0x8eULL << 40 | (at >> 16 & 0xffff) << 48;
	idt[vector][1] = at >> 32;
}

bool is_wanted(const char *name)
{
	const char *only = cmdline_value("only");
	size_t len = str_len(name);

	return only == NULL || (str_equal_n(only, name, len) &&
				(only[len] == '\0' || only[len] == ' '));
}

_Noreturn void run_cases(const struct guest_case *cases, size_t count)
{
	const char *only = cmdline_value("only");
	unsigned int wrong = 0, done = 0;

	for (size_t i = 0; i < count; i++) {
		size_t len = str_len(cases[i].name);
		const char *what;

		if (only != NULL && (!str_equal_n(only, cases[i].name, len) ||
				     (only[len] != '\0' && only[len] != ' ')))
			continue;
		what = cases[i].run(cases[i].arg);
		print(what == NULL ? "ok " : "not ok ");
		print(cases[i].name);
		print(what == NULL ? "" : ": ");
		print(what == NULL ? "" : what);
		print("\n");
		wrong += what != NULL;
		done++;
	}
	check(done > 0, "there is no such case");
	guest_exit(wrong == 0 ? EXIT_VALUE_PASS : EXIT_VALUE_FAIL);
}

static void take_cmdline(uint64_t gpa)
{
	size_t len;

	if (gpa == 0)
		return;
	len = str_len((const char *)gpa);
	if (len > CMDLINE_MAX - 1)
		len = CMDLINE_MAX - 1;
	copy(guest.cmdline, (const void *)gpa, len);
}

static void take_ranges(uint64_t gpa, unsigned int count, unsigned int size)
{
	if (count > MEMMAP_MAX)
		count = MEMMAP_MAX;
	for (unsigned int i = 0; i < count; i++) {
		uint64_t entry = gpa + (uint64_t)i * size;

		guest.ranges[i].start = field64(entry, 0);
		guest.ranges[i].size = field64(entry, 8);
		guest.ranges[i].type = field32(entry, 16);
	}
	guest.range_count = count;
}

/* struct setup_data: next, type, length, data. */
static uint64_t find_setup_dtb(uint64_t node)
{
	for (unsigned int i = 0; node != 0 && i < 16; i++) {
		if (field32(node, 8) == SETUP_DTB)
			return node + 16;
		node = field64(node, 0);
	}
	return 0;
}

static void take_zero_page(uint64_t zp)
{
	guest.zero_page = zp;
	guest.rsdp = field64(zp, ZERO_PAGE_RSDP);
	take_cmdline(field32(zp, ZERO_PAGE_CMDLINE_PTR) |
		     (uint64_t)field32(zp, ZERO_PAGE_EXT_CMDLINE_PTR) << 32);
	take_ranges(zp + ZERO_PAGE_E820_TABLE,
		    field32(zp, ZERO_PAGE_E820_COUNT) & 0xff, E820_ENTRY_SIZE);
	if (guest.fdt == 0)
		guest.fdt = find_setup_dtb(field64(zp, ZERO_PAGE_SETUP_DATA));
}

static void take_pvh(uint64_t info)
{
	guest.pvh = true;
	if (field32(info, 0) != PVH_MAGIC)
		fail_hex("start_info has the wrong magic number",
			 field32(info, 0));
	guest.rsdp = field64(info, PVH_RSDP);
	take_cmdline(field64(info, PVH_CMDLINE));
	if (field32(info, PVH_VERSION) >= 1)
		take_ranges(field64(info, PVH_MEMMAP),
			    field32(info, PVH_MEMMAP_ENTRIES), PVH_ENTRY_SIZE);
}

_Noreturn void guest_start(uint64_t pvh_info, uint64_t zero_page, uint64_t fdt)
{
	outb(SERIAL_FCR, 0x07);
	for (unsigned int i = 0; i < 32; i++)
		idt_set(i, (void (*)(void))(exception_stubs + i * 16));
	guest.fdt = fdt;
	if (pvh_info != 0)
		take_pvh(pvh_info);
	else if (zero_page != 0)
		take_zero_page(zero_page);
	guest_main();
	pass();
}
