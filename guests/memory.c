/*
 * Walks the memory map: writes and reads back at both edges and in the middle
 * of every RAM range, above 4 GiB too, and finds all ones in the holes beside
 * them. "total=BYTES" on the command line is the RAM there should be, within
 * 1 MiB for what tables and the BIOS area take; "holes=skip" leaves the holes
 * alone.
 */
#include "guest.h"

#define MIB	     0x100000ULL
#define LOW_END	     MIB
#define FOUR_GIB     0x100000000ULL
#define PATTERN	     0x5a17c0de0ddba11ULL
#define OWN_START    MIB
#define OWN_SIZE     MIB
#define TABLE_MARGIN MIB

static bool is_own(uint64_t gpa)
{
	return gpa >= OWN_START && gpa < OWN_START + OWN_SIZE;
}

static uint64_t *word_at(uint64_t gpa)
{
	return gpa < FOUR_GIB ? (uint64_t *)gpa : map_window(gpa);
}

/* Two values, so that memory stuck at either of them does not pass. */
static void probe_ram(uint64_t gpa)
{
	uint64_t *word = word_at(gpa);
	uint64_t old;

	if (is_own(gpa))
		return;
	old = mmio_read64(word);
	mmio_write64(word, PATTERN ^ gpa);
	if (mmio_read64(word) != (PATTERN ^ gpa))
		fail_hex("RAM does not keep what was written at", gpa);
	mmio_write64(word, ~(PATTERN ^ gpa));
	if (mmio_read64(word) != ~(PATTERN ^ gpa))
		fail_hex("RAM does not keep what was written at", gpa);
	mmio_write64(word, old);
}

/*
 * Different pages of RAM must be different memory: the end of each range
 * keeps its own address while all others are written.
 */
static void probe_distinct(bool write)
{
	for (unsigned int i = 0; i < guest.range_count; i++) {
		const struct mem_range *r = &guest.ranges[i];
		uint64_t last = r->start + r->size - 8;
		uint64_t *word = word_at(last);

		if (r->type != E820_RAM || r->start < LOW_END)
			continue;
		if (write)
			mmio_write64(word, last);
		else if (mmio_read64(word) != last)
			fail_hex("two RAM ranges share memory, seen at", last);
	}
}

static bool is_described(uint64_t gpa)
{
	for (unsigned int i = 0; i < guest.range_count; i++)
		if (gpa - guest.ranges[i].start < guest.ranges[i].size)
			return true;
	return false;
}

static void probe_hole(uint64_t gpa)
{
	if (gpa < LOW_END || is_described(gpa))
		return;
	if (mmio_read64(word_at(gpa)) != UINT64_MAX)
		fail_hex("a hole does not read as all ones at", gpa);
	print("memory: hole at ");
	print_hex(gpa);
	print("\n");
}

static void check_total(uint64_t total)
{
	uint64_t want = cmdline_u64("total", 0);

	if (want != 0 && (total > want || total + TABLE_MARGIN < want))
		fail_hex("the RAM ranges do not add up to the total, but to",
			 total);
}

void guest_main(void)
{
	bool holes = !cmdline_has("holes=skip");
	uint64_t total = 0;

	check(guest.range_count > 0, "the monitor gave no memory map");
	for (unsigned int i = 0; i < guest.range_count; i++) {
		const struct mem_range *r = &guest.ranges[i];

		if (r->type != E820_RAM)
			continue;
		print("memory: RAM ");
		print_hex(r->start);
		print(" size ");
		print_hex(r->size);
		print("\n");
		if (r->size < 8)
			fail_hex("a RAM range is empty at", r->start);
		if (r->start >= LOW_END) {
			probe_ram(r->start);
			probe_ram(r->start + r->size / 2 / 8 * 8);
		}
		probe_ram(r->start + r->size - 8);
		if (holes)
			probe_hole(r->start + r->size);
		if (holes && r->start >= FOUR_GIB)
			probe_hole(FOUR_GIB - 8);
		total += r->size;
	}
	probe_distinct(true);
	probe_distinct(false);
	check_total(total);
	print("memory: total ");
	print_hex(total);
	print("\n");
}
