/*
 * Starts every other processor that the MADT lists by INIT and SIPI (SDM
 * vol. 3, 9.4.4) and checks that each came up once, under the APIC id it was
 * called by, in CPUID leaf 1 and, where there is one, in leaf 11 too. "cpus=N"
 * on the command line is how many there should be; without ACPI they have the
 * ids 0 to N-1.
 */
#include "guest.h"

#define LAPIC_ID       0x020
#define LAPIC_SVR      0x0f0
#define LAPIC_ICR_LOW  0x300
#define LAPIC_ICR_HIGH 0x310

#define SVR_ENABLE  0x1ff
#define ICR_PENDING 0x1000
#define ICR_INIT    0x4500
#define ICR_STARTUP 0x4600

#define MADT_FIRST_ENTRY 44
#define MADT_LOCAL_APIC	 0
#define MADT_ENABLED	 1

#define MAX_IDS 255

/* From smp_ap.S: what the processors run, and what they leave behind. */
#define AP_PAGE 0x8000u
extern const char ap_code[], ap_code_end[];

struct ap_page {
	uint8_t code[256];
	uint16_t started; /* counted by lock inc */
	uint8_t pad[254];
	uint8_t seen[256]; /* by initial APIC id: how often */
	uint8_t extended[256]; /* by initial APIC id: id of leaf 11 */
};

static struct ap_page *const page = (struct ap_page *)AP_PAGE;
static uint8_t ids[MAX_IDS];
static unsigned int id_count;

static void ids_from_madt(const uint8_t *madt)
{
	uint32_t len, at = MADT_FIRST_ENTRY;

	copy(&len, madt + 4, sizeof(len));
	while (at + 8 <= len) {
		if (madt[at] == MADT_LOCAL_APIC &&
		    (madt[at + 4] & MADT_ENABLED) && id_count < MAX_IDS)
			ids[id_count++] = madt[at + 3];
		check(madt[at + 1] >= 2, "the MADT has an entry of no length");
		at += madt[at + 1];
	}
}

static void ids_counted(uint64_t count)
{
	check(count > 0 && count <= MAX_IDS,
	      "no MADT, and no sane cpus=N on the command line");
	while (id_count < count) {
		ids[id_count] = (uint8_t)id_count;
		id_count++;
	}
}

static void send(uint8_t id, uint32_t command)
{
	mmio_write32(LAPIC_BASE + LAPIC_ICR_HIGH, (uint32_t)id << 24);
	mmio_write32(LAPIC_BASE + LAPIC_ICR_LOW, command);
	while (mmio_read32(LAPIC_BASE + LAPIC_ICR_LOW) & ICR_PENDING)
		;
}

static void start_all(uint8_t self)
{
	for (unsigned int i = 0; i < id_count; i++)
		if (ids[i] != self)
			send(ids[i], ICR_INIT);
	for (unsigned int i = 0; i < id_count; i++)
		if (ids[i] != self)
			send(ids[i], ICR_STARTUP | AP_PAGE >> 12);
}

static void wait_for_all(void)
{
	uint64_t start = rdtsc();

	while (*(volatile uint16_t *)&page->started < id_count - 1) {
		if (rdtsc() - start < 20000000000ULL)
			continue;
		print("smp: started ");
		print_dec(page->started);
		print(" of ");
		print_dec(id_count - 1);
		print("\n");
		fail("not all processors came up");
	}
}

static void check_seen(uint8_t self)
{
	bool leaf_11 = cpuid(0, 0).eax >= 11;

	for (unsigned int i = 0; i < id_count; i++) {
		uint8_t id = ids[i];

		if (id == self)
			continue;
		if (page->seen[id] != 1)
			fail_hex("not exactly one processor has the APIC id",
				 id);
		if (leaf_11 && page->extended[id] != id)
			fail_hex("CPUID leaf 11 has another id on processor",
				 id);
	}
}

void guest_main(void)
{
	const uint8_t *madt = acpi_table("APIC");
	uint8_t self;

	if (madt != NULL)
		ids_from_madt(madt);
	else
		ids_counted(cmdline_u64("cpus", 0));
	check(id_count == cmdline_u64("cpus", id_count),
	      "the MADT lists another number of processors");
	mmio_write32(LAPIC_BASE + LAPIC_SVR, SVR_ENABLE);
	self = (uint8_t)(mmio_read32(LAPIC_BASE + LAPIC_ID) >> 24);
	copy(page->code, ap_code, (size_t)(ap_code_end - ap_code));
	__asm__ volatile("rep stosb"
			 : "=D"((int){ 0 }), "=c"((int){ 0 })
			 : "0"(&page->started),
			   "1"(sizeof(*page) - sizeof(page->code)), "a"(0)
			 : "memory");
	start_all(self);
	wait_for_all();
	check_seen(self);
	print("smp: ");
	print_dec(id_count);
	print(" processors\n");
}
