#include "boot/pvh.h"

#include <errno.h>

#include "boot/layout.h"

#define START_INFO_MAGIC 0x336ec578 /* "xEn3" with the top bit set */

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t module_count;
	uint64_t modules;
	uint64_t cmdline;
	uint64_t rsdp;
	uint64_t memory_map; /* since version 1 */
	uint32_t memory_map_count;
	uint32_t reserved;
};

struct module {
	uint64_t start;
	uint64_t size_bytes;
	uint64_t cmdline;
	uint64_t reserved;
};

struct memory_map_entry {
	uint64_t start;
	uint64_t size_bytes;
	uint32_t type;
	uint32_t reserved;
};

/* The page at LAYOUT_PVH. */
struct pvh_page {
	struct start_info info;
	struct module module;
	struct memory_map_entry map[E820_MAX];
};

int pvh_write(const struct gmem *gmem, const struct pvh_info *info,
	      const struct e820_map *map, struct err *err)
{
	struct pvh_page page = {
		.info = {
			.magic = START_INFO_MAGIC,
			.version = 1,
			.cmdline = LAYOUT_CMDLINE,
			.rsdp = info->rsdp,
			.memory_map = LAYOUT_PVH +
				      offsetof(struct pvh_page, map),
			.memory_map_count = map->count,
		},
	};

	if (info->initrd_bytes) {
		page.info.module_count = 1;
		page.info.modules =
			LAYOUT_PVH + offsetof(struct pvh_page, module);
		page.module.start = info->initrd;
		page.module.size_bytes = info->initrd_bytes;
	}
	for (unsigned int i = 0; i < map->count; i++)
		page.map[i] = (struct memory_map_entry){
			.start = map->entries[i].start,
			.size_bytes = map->entries[i].size_bytes,
			.type = map->entries[i].type,
		};
	if (gmem_write(gmem, LAYOUT_PVH, &page, sizeof(page)))
		return err_set(err, ENOMEM, "guest memory ends below 1 MiB");
	return 0;
}
