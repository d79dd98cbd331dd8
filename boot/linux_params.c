#include "boot/linux_params.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "boot/layout.h"
#include "core/seeded.h"

#define LOADER_UNDEFINED 0xff /* boot.rst: a loader without a number */
#define PROTOCOL_VERSION 0x020f
#define RNG_SEED_BYTES	 32

void linux_params_header(struct setup_header *ret_header)
{
	*ret_header = (struct setup_header){
		.boot_flag = 0xaa55,
		.header = 0x53726448, /* "HdrS" */
		.version = PROTOCOL_VERSION,
		.loadflags = LOADED_HIGH,
		.kernel_alignment = 0x200000,
		.cmdline_size = 2047,
		.initrd_addr_max = 0x7fffffff,
	};
}

/* Puts a node in front of the list that the header points to. */
static int add_node(const struct gmem *gmem, struct setup_header *header,
		    gpa_t gpa, uint32_t type, uint32_t len, struct err *err)
{
	struct setup_data node = {
		.next = header->setup_data,
		.type = type,
		.len = len,
	};

	if (gmem_write(gmem, gpa, &node, sizeof(node)))
		return err_set(err, ENOMEM, "guest memory ends below 1 MiB");
	header->setup_data = gpa;
	return 0;
}

static bool fill_seed(uint8_t *to, const uint64_t *seed)
{
	struct seeded seeded;

	if (!seed)
		return getrandom(to, RNG_SEED_BYTES, GRND_NONBLOCK) ==
		       RNG_SEED_BYTES;
	seeded_init(&seeded, *seed, "boot");
	seeded_fill(&seeded, to, RNG_SEED_BYTES);
	return true;
}

static int add_seed(const struct gmem *gmem, const uint64_t *seed,
		    struct setup_header *header, struct err *err)
{
	gpa_t gpa = LAYOUT_RNG_SEED;
	uint8_t *to =
		gmem_ptr(gmem, gpa + sizeof(struct setup_data), RNG_SEED_BYTES);

	/* Without one the guest gathers its own: no reason to fail. */
	if (!to || !fill_seed(to, seed))
		return 0;
	return add_node(gmem, header, gpa, SETUP_RNG_SEED, RNG_SEED_BYTES, err);
}

static void fill_e820(struct boot_params *to, const struct e820_map *map)
{
	to->e820_entries = (uint8_t)map->count;
	for (unsigned int i = 0; i < map->count; i++)
		to->e820_table[i] = (struct boot_e820_entry){
			.addr = map->entries[i].start,
			.size = map->entries[i].size_bytes,
			.type = map->entries[i].type,
		};
}

int linux_params_write(const struct gmem *gmem,
		       const struct linux_params *params,
		       const struct e820_map *map, struct err *err)
{
	struct boot_params page = { .hdr = params->header };
	struct setup_header *header = &page.hdr;
	int rc = 0;

	header->type_of_loader = LOADER_UNDEFINED;
	header->cmd_line_ptr = LAYOUT_CMDLINE;
	header->code32_start = (uint32_t)params->kernel_start;
	header->vid_mode = 0xffff; /* "normal" */
	header->setup_data = 0;
	/* The initrd lies below the PCI hole: the ext_ fields stay 0. */
	header->ramdisk_image = (uint32_t)params->initrd;
	header->ramdisk_size = (uint32_t)params->initrd_bytes;
	page.acpi_rsdp_addr = params->rsdp;
	fill_e820(&page, map);
	if (params->rng_seed)
		rc = add_seed(gmem, params->seed, header, err);
	if (!rc && params->fdt_bytes)
		rc = add_node(gmem, header, LAYOUT_FDT, SETUP_DTB,
			      params->fdt_bytes, err);
	if (rc)
		return rc;
	if (gmem_write(gmem, LAYOUT_BOOT_PARAMS, &page, sizeof(page)))
		return err_set(err, ENOMEM, "guest memory ends below 1 MiB");
	return 0;
}
