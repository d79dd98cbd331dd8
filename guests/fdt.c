/*
 * Reads the flattened device tree that was handed over (Devicetree
 * Specification 0.4, chapter 5): the header, then /chosen bootargs, which must
 * be the command line, and counts the nodes whose name starts with "cpu@" and
 * "virtio_mmio@".
 */
#include "guest.h"

#define FDT_MAGIC     0xd00dfeedu
#define FDT_TOTALSIZE 4
#define FDT_STRUCT    8
#define FDT_STRINGS   12
#define FDT_VERSION   20
#define FDT_LAST_COMP 24

#define FDT_BEGIN_NODE 1
#define FDT_END_NODE   2
#define FDT_PROP       3
#define FDT_NOP	       4
#define FDT_END	       9

struct walk {
	const uint8_t *base;
	uint32_t at;
	uint32_t total;
	unsigned int depth;
	bool in_chosen;
	const char *bootargs;
	unsigned int cpus;
	unsigned int virtio;
};

static uint32_t be32(const uint8_t *base, uint32_t offset)
{
	uint32_t value;

	copy(&value, base + offset, sizeof(value));
	return __builtin_bswap32(value);
}

static bool starts_with(const char *name, const char *with)
{
	return str_equal_n(name, with, str_len(with));
}

static void begin_node(struct walk *w)
{
	const char *name = (const char *)w->base + w->at;

	w->depth++;
	if (w->depth == 2)
		w->in_chosen = starts_with(name, "chosen") && name[6] == '\0';
	if (starts_with(name, "cpu@"))
		w->cpus++;
	if (starts_with(name, "virtio_mmio@"))
		w->virtio++;
	w->at += (uint32_t)(str_len(name) + 4) & ~3u;
}

static void property(struct walk *w)
{
	uint32_t len = be32(w->base, w->at);
	uint32_t name_at = be32(w->base, w->at + 4);
	const char *name =
		(const char *)w->base + be32(w->base, FDT_STRINGS) + name_at;

	if (w->depth == 2 && w->in_chosen && starts_with(name, "bootargs") &&
	    name[8] == '\0')
		w->bootargs = (const char *)w->base + w->at + 8;
	w->at += 8 + ((len + 3) & ~3u);
}

static void walk_tree(struct walk *w)
{
	for (;;) {
		uint32_t token;

		check(w->at + 4 <= w->total, "the device tree has no end");
		token = be32(w->base, w->at);
		w->at += 4;
		if (token == FDT_END)
			break;
		if (token == FDT_BEGIN_NODE)
			begin_node(w);
		else if (token == FDT_END_NODE)
			w->depth--;
		else if (token == FDT_PROP)
			property(w);
		else if (token != FDT_NOP)
			fail_hex("unknown token in the device tree", token);
	}
	check(w->depth == 0, "nodes of the device tree are left open");
}

static void report(const struct walk *w)
{
	print("fdt: cpus ");
	print_dec(w->cpus);
	print(" virtio ");
	print_dec(w->virtio);
	print(" bootargs [");
	print(w->bootargs == NULL ? "" : w->bootargs);
	print("]\n");
}

void guest_main(void)
{
	struct walk w = { .base = (const uint8_t *)guest.fdt };
	size_t len = str_len(guest.cmdline);

	check(guest.fdt != 0, "no device tree was handed over");
	if (be32(w.base, 0) != FDT_MAGIC)
		fail_hex("the device tree has the wrong magic number",
			 be32(w.base, 0));
	check(be32(w.base, FDT_VERSION) >= 16 &&
		      be32(w.base, FDT_LAST_COMP) <= 17,
	      "the device tree has another version than 17");
	w.total = be32(w.base, FDT_TOTALSIZE);
	w.at = be32(w.base, FDT_STRUCT);
	walk_tree(&w);
	report(&w);
	check(w.bootargs != NULL, "/chosen has no bootargs");
	check(str_equal_n(w.bootargs, guest.cmdline, len + 1),
	      "bootargs are not the command line");
	check(w.cpus == cmdline_u64("cpus", w.cpus),
	      "the device tree has another number of cpus");
}
