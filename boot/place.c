#include "boot/place.h"

#include <errno.h>
#include <inttypes.h>

#include "boot/bda.h"
#include "boot/layout.h"
#include "boot/platform.h"
#include "core/util.h"

/* A list is in ascending order. */
struct range {
	gpa_t start;
	gpa_t end; /* 0 ends a list */
	const char *what;
};

#define BIOS_DATA                                        \
	{                                                \
		BDA_START, BDA_END, "the BIOS data area" \
	}
#define PC_MEMORY                                       \
	{                                               \
		PLATFORM_EBDA_START, PLATFORM_BIOS_END, \
			"what a PC has below 1 MiB"     \
	}
#define TABLES                                                           \
	{                                                                \
		LAYOUT_GDT, LAYOUT_PVH, "the descriptor and page tables" \
	}

static const struct range high[] = {
	{ 0, LAYOUT_KERNEL_MIN, "boot tables" },
	{ 0, 0, NULL },
};

static const struct range multiboot[] = {
	BIOS_DATA,
	{ LAYOUT_GDT, LAYOUT_PAGE_TABLES, "the descriptor table" },
	{ LAYOUT_MULTIBOOT, LAYOUT_MULTIBOOT + LAYOUT_MULTIBOOT_SIZE,
	  "the multiboot information" },
	PC_MEMORY,
	{ 0, 0, NULL },
};

static const struct range flat[] = {
	BIOS_DATA,
	TABLES,
	{ LAYOUT_CMDLINE, LAYOUT_CMDLINE + LAYOUT_CMDLINE_SIZE,
	  "the command line" },
	{ LAYOUT_FDT, LAYOUT_FDT + LAYOUT_FDT_SIZE, "the device tree" },
	{ LAYOUT_STACK_TOP - 64 * KIB, LAYOUT_STACK_TOP, "the stack" },
	PC_MEMORY,
	{ 0, 0, NULL },
};

static const struct range real[] = { BIOS_DATA, PC_MEMORY, { 0, 0, NULL } };

static const struct range *const lists[] = {
	[PLACE_HIGH] = high,
	[PLACE_MULTIBOOT] = multiboot,
	[PLACE_FLAT] = flat,
	[PLACE_REAL] = real,
};

int place_check(enum place_rules rules, gpa_t gpa, uint64_t size_bytes,
		const char *path, const char *what, struct err *err)
{
	for (const struct range *range = lists[rules]; range->end; range++) {
		if (gpa >= range->end || gpa + size_bytes <= range->start)
			continue;
		if (rules == PLACE_HIGH)
			return err_set(err, EINVAL,
				       "%s has %s at 0x%" PRIx64
				       ", below 1 MiB where boot tables lie; "
				       "link it at 1 MiB or above",
				       path, what, gpa);
		return err_set(err, EINVAL,
			       "%s has %s at 0x%" PRIx64
			       " that lies over %s at 0x%" PRIx64
			       " to 0x%" PRIx64 "; choose another address",
			       path, what, gpa, range->what, range->start,
			       range->end - 1);
	}
	return 0;
}

static gpa_t find_lowest(const struct range *list,
			 const struct place_wish *wish)
{
	gpa_t at = align_up(wish->within.start, wish->align);

	for (const struct range *range = list; range->end; range++) {
		if (at < range->end && at + wish->size_bytes > range->start)
			at = align_up(range->end, wish->align);
	}
	return at;
}

/* 0 where it would lie below 0, too. */
static gpa_t below(gpa_t end, const struct place_wish *wish)
{
	return end < wish->size_bytes ?
		       0 :
		       align_down(end - wish->size_bytes, wish->align);
}

static gpa_t find_highest(const struct range *list,
			  const struct place_wish *wish)
{
	gpa_t at = below(wish->within.end, wish);
	size_t count = 0;

	while (list[count].end)
		count++;
	while (count--) {
		if (at < list[count].end &&
		    at + wish->size_bytes > list[count].start)
			at = below(list[count].start, wish);
	}
	return at;
}

bool place_find(enum place_rules rules, const struct place_wish *wish,
		gpa_t *ret_gpa)
{
	const struct range *list = lists[rules];
	gpa_t at;

	if (wish->size_bytes > wish->within.end)
		return false;
	at = wish->highest ? find_highest(list, wish) : find_lowest(list, wish);
	if (at < wish->within.start ||
	    at > wish->within.end - wish->size_bytes ||
	    place_check(rules, at, wish->size_bytes, "", "", NULL))
		return false;
	*ret_gpa = at;
	return true;
}
