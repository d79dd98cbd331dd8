/*
 * What the tiny guests share: the way in (start.S), the serial port, the
 * command line, the memory map, ACPI look-up, and the way out.
 *
 * A guest is one file with one guest_main() and shows one behaviour. It ends by
 * writing to the debug-exit port, so its exit status under QEMU's
 * isa-debug-exit, and under hull, is (value << 1) | 1.
 *
 * Kernel-mode instructions cost about 2 microseconds each on a host whose KVM
 * emulates them, and some cannot be emulated there (cmpxchg16b, xsave, popcnt,
 * int3, fwait, fences, SSE): the code is compiled for general registers only
 * and keeps loops short.
 */
#ifndef GUESTS_GUEST_H
#define GUESTS_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exit_value.h"

#define PORT_SERIAL  0x3f8
#define PORT_PVPANIC 0x505

#define SELECTOR_CODE	   0x10
#define SELECTOR_USER_DATA 0x23
#define SELECTOR_USER_CODE 0x2b
#define SELECTOR_TSS	   0x30

#define LAPIC_BASE  0xfee00000u
#define IOAPIC_BASE 0xfec00000u

/* Where pages above 4 GiB become visible; see map_window. */
#define WINDOW_BASE 0x100000000ULL

#define CMDLINE_MAX 2048
#define MEMMAP_MAX  64

#define E820_RAM 1

/* As both boot_params.e820_table and the PVH memory map have it. */
struct mem_range {
	uint64_t start;
	uint64_t size;
	uint32_t type;
};

/* What the monitor handed over, copied: low memory may be overwritten. */
struct guest_info {
	bool pvh; /* entered at the 32-bit PVH entry */
	uint64_t zero_page; /* gpa, 0 under PVH */
	uint64_t fdt; /* gpa, 0 when there is none */
	uint64_t rsdp; /* gpa told by the monitor, 0 when not told */
	unsigned int range_count;
	struct mem_range ranges[MEMMAP_MAX];
	char cmdline[CMDLINE_MAX];
};

extern struct guest_info guest;

/* Each guest's own. Returning is the same as pass(). */
void guest_main(void);

/* From start.S: exactly one of @pvh_info and @zero_page is not 0. */
_Noreturn void guest_start(uint64_t pvh_info, uint64_t zero_page, uint64_t fdt);
_Noreturn void guest_exception(uint64_t vector, uint64_t word0, uint64_t word1,
			       uint64_t cr2);

/* The way out. fail() prints "FAIL: " and @what first. */
_Noreturn void guest_exit(uint8_t value);
_Noreturn void pass(void);
_Noreturn void fail(const char *what);
_Noreturn void fail_hex(const char *what, uint64_t value);

/*
 * The VM should be over but is not. Waits a second or two first: the monitor
 * may end it from another thread.
 */
_Noreturn void survived(void);

static inline void check(bool ok, const char *what)
{
	if (!ok)
		fail(what);
}

/* Stops for ever with interrupts off. */
_Noreturn void halt(void);

/*
 * From here on the guest runs at CPL 3, where code is native on a KVM that
 * emulates kernel mode. All of memory and all ports stay within reach, so that
 * there is no way back and no need for one (lib_user.c).
 */
void user_mode(void);

static inline bool in_user_mode(void)
{
	uint16_t cs;

	__asm__("movw %%cs, %0" : "=r"(cs));
	return cs & 3;
}

/*
 * A guest of several checks: each prints "ok NAME" or "not ok NAME: " and what
 * was wrong, which run() returns, NULL when nothing was. "only=NAME" on the
 * command line leaves out all others. Ends the guest.
 */
struct guest_case {
	const char *name;
	const char *(*run)(uint64_t arg);
	uint64_t arg;
};

bool is_wanted(const char *name);
_Noreturn void run_cases(const struct guest_case *cases, size_t count);

/* The serial port; 16 bytes go out per look at the line status register. */
void serial_write(const char *data, size_t len);
int serial_getc(void); /* waits */
void print(const char *text);
void print_hex(uint64_t value);
void print_dec(uint64_t value);

/* The value of "name=value" on the command line, or NULL; ends at a space. */
const char *cmdline_value(const char *name);
bool cmdline_has(const char *word);

/* Decimal, or hex after 0x; *@text is left behind the last digit. */
uint64_t parse_u64(const char **text);
uint64_t cmdline_u64(const char *name, uint64_t fallback);

size_t str_len(const char *text);
bool str_equal_n(const char *a, const char *b, size_t len);

/* A 2 MiB page around @gpa, made visible in the window; any @gpa. */
void *map_window(uint64_t gpa);

/* Gate @vector to @handler, interrupts off on entry. Vectors to 255. */
void idt_set(unsigned int vector, void (*handler)(void));

/* The interrupt handler for vector IRQ_VECTOR: counts, ends the interrupt. */
#define IRQ_VECTOR 0x40
extern uint32_t irq_count;
void irq_entry(void);

/*
 * kvmclock (lib_kvmclock.c), where CPUID offers it: started in kernel mode,
 * read in either mode. Nanoseconds that go on as the TSC does.
 */
bool kvmclock_offered(void);
void kvmclock_start(void);
void kvmclock_stop(void);
uint64_t kvmclock_ns(void);

/* ACPI (lib_acpi.c): NULL when not found or a checksum is wrong. */
struct acpi_gas {
	uint8_t space; /* 0 memory, 1 port (ACPI 6.4, 5.2.3.2) */
	uint8_t width;
	uint8_t offset;
	uint8_t access;
	uint64_t address;
} __attribute__((packed));

const uint8_t *acpi_rsdp(void);
const uint8_t *acpi_table(const char *signature);
const uint8_t *acpi_dsdt(void);
unsigned int acpi_table_count(const uint8_t *rsdp);
const uint8_t *acpi_table_at(const uint8_t *rsdp, unsigned int index);
bool acpi_sum_ok(const uint8_t *table, size_t len);
void acpi_gas_write8(const struct acpi_gas *gas, uint8_t value);

static inline void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

/*
 * Device and memory accesses of exactly the width named, by one plain move:
 * the compiler may not merge, widen or drop them.
 */
static inline uint32_t mmio_read32(uint64_t gpa)
{
	uint32_t value;

	__asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(gpa) : "memory");
	return value;
}

static inline void mmio_write32(uint64_t gpa, uint32_t value)
{
	__asm__ volatile("movl %0, (%1)" : : "r"(value), "r"(gpa) : "memory");
}

static inline uint8_t mmio_read8(uint64_t gpa)
{
	uint8_t value;

	__asm__ volatile("movb (%1), %0" : "=q"(value) : "r"(gpa) : "memory");
	return value;
}

static inline void mmio_write8(uint64_t gpa, uint8_t value)
{
	__asm__ volatile("movb %0, (%1)" : : "q"(value), "r"(gpa) : "memory");
}

static inline uint16_t mmio_read16(uint64_t gpa)
{
	uint16_t value;

	__asm__ volatile("movw (%1), %0" : "=r"(value) : "r"(gpa) : "memory");
	return value;
}

static inline void mmio_write16(uint64_t gpa, uint16_t value)
{
	__asm__ volatile("movw %0, (%1)" : : "r"(value), "r"(gpa) : "memory");
}

static inline uint64_t mmio_read64(const void *at)
{
	uint64_t value;

	__asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(at) : "memory");
	return value;
}

static inline void mmio_write64(void *at, uint64_t value)
{
	__asm__ volatile("movq %0, (%1)" : : "r"(value), "r"(at) : "memory");
}

static inline void outl(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return ((uint64_t)high << 32) | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value),
			   "d"((uint32_t)(value >> 32))
			 : "memory");
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return ((uint64_t)high << 32) | low;
}

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline void fill(void *to, uint8_t value, size_t len)
{
	__asm__ volatile("rep stosb"
			 : "+D"(to), "+c"(len)
			 : "a"(value)
			 : "memory");
}

static inline void copy(void *to, const void *from, size_t len)
{
	__asm__ volatile("rep movsb"
			 : "+D"(to), "+S"(from), "+c"(len)
			 :
			 : "memory");
}

#endif
