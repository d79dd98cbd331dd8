#include "vmm/firmware_config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "boot/e820.h"
#include "boot/flat.h"
#include "core/bytes.h"

#define E820_ENTRY_BYTES 20 /* address, length, type */
#define RSDP_BYTES	 36
#define FORMAT_ELF	 1 /* of VMCOREINFO: an ELF note */

static const uint8_t uuid[16]; /* none was given */

/* --- Files ---------------------------------------------------------------- */

static void read_file(void *opaque, uint64_t offset, uint8_t *to, size_t len)
{
	const struct firmware_file *file = opaque;

	while (len) {
		ssize_t got = pread(file->fd, to, len, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		/* It shrank, or the disk failed: the guest's checks are to find
		 * out. */
		if (got <= 0)
			return;
		to += got;
		offset += (uint64_t)got;
		len -= (size_t)got;
	}
}

static int add_file(struct firmware_config *firmware,
		    struct firmware_file *file, const char *path,
		    enum fw_cfg_key size_key, enum fw_cfg_key data_key,
		    struct err *err)
{
	struct stat st;

	file->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0 || fstat(file->fd, &st) < 0)
		return err_sys(err, errno, "cannot open %s for fw_cfg", path);
	file->item = (struct fw_cfg_item){
		.key = (uint16_t)data_key,
		.size_bytes = (uint64_t)st.st_size,
		.read = read_file,
		.opaque = file,
	};
	fw_cfg_add(&firmware->device, &file->item);
	fw_cfg_add_number(&firmware->device, size_key, (uint64_t)st.st_size, 4);
	return 0;
}

static int add_kernel(struct firmware_config *firmware,
		      const struct vm_config *config,
		      const struct boot_result *boot, struct err *err)
{
	struct flat flat = { 0 };
	int rc = 0;

	if (config->flat)
		rc = flat_parse(config->flat, config->flat_mode, &flat, err);
	if (!rc)
		rc = add_file(firmware, &firmware->kernel,
			      config->flat ? flat.path : config->kernel,
			      FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, err);
	flat_release(&flat);
	fw_cfg_add_number(&firmware->device, FW_CFG_KERNEL_ADDR, boot->kernel,
			  4);
	fw_cfg_add_number(&firmware->device, FW_CFG_KERNEL_ENTRY,
			  boot->entry.cs_base + boot->entry.rip, 4);
	return rc;
}

static int add_initrd(struct firmware_config *firmware,
		      const struct vm_config *config,
		      const struct boot_result *boot, struct err *err)
{
	autofree char *module = NULL;
	const char *path = config->initrd;

	fw_cfg_add_number(&firmware->device, FW_CFG_INITRD_ADDR, boot->initrd,
			  4);
	if (!path && config->module_count) {
		module = strndup(config->modules[0],
				 strcspn(config->modules[0], " "));
		if (!module)
			return err_sys(err, ENOMEM, "fw_cfg");
		path = module;
	}
	if (!path) {
		fw_cfg_add_number(&firmware->device, FW_CFG_INITRD_SIZE, 0, 4);
		return 0;
	}
	return add_file(firmware, &firmware->initrd, path, FW_CFG_INITRD_SIZE,
			FW_CFG_INITRD_DATA, err);
}

/* --- Copies --------------------------------------------------------------- */

static int add_cmdline(struct firmware_config *firmware,
		       const struct vm_config *config, const struct gmem *gmem,
		       const struct boot_result *boot, struct err *err)
{
	struct fw_cfg_item item = { .key = FW_CFG_CMDLINE_DATA };
	const char *text = config->cmdline ? config->cmdline : "";

	/* In memory is what became of it; real mode has it only here. */
	if (boot->cmdline_bytes)
		text = gmem_ptr(gmem, boot->cmdline, boot->cmdline_bytes);
	firmware->cmdline = text ? strdup(text) : NULL;
	if (!firmware->cmdline)
		return err_sys(err, ENOMEM, "fw_cfg");
	item.bytes = (const uint8_t *)firmware->cmdline;
	item.size_bytes = strlen(firmware->cmdline) + 1;
	fw_cfg_add(&firmware->device, &item);
	fw_cfg_add_number(&firmware->device, FW_CFG_CMDLINE_ADDR, boot->cmdline,
			  4);
	fw_cfg_add_number(&firmware->device, FW_CFG_CMDLINE_SIZE,
			  item.size_bytes, 4);
	return 0;
}

static int add_e820(struct firmware_config *firmware,
		    const struct platform *platform, struct err *err)
{
	struct e820_map map;
	size_t bytes;

	e820_build(platform, &map);
	bytes = map.count * (size_t)E820_ENTRY_BYTES;
	firmware->e820 = malloc(bytes);
	if (!firmware->e820)
		return err_sys(err, ENOMEM, "fw_cfg");
	for (unsigned int i = 0; i < map.count; i++) {
		uint8_t *at = firmware->e820 + i * (size_t)E820_ENTRY_BYTES;

		store_le64(at, map.entries[i].start);
		store_le64(at + 8, map.entries[i].size_bytes);
		store_le32(at + 16, map.entries[i].type);
	}
	fw_cfg_add_file(&firmware->device, "etc/e820", firmware->e820,
			(uint32_t)bytes);
	return 0;
}

/* Ready to be used where they are in memory: there is no etc/table-loader. */
static int add_acpi(struct firmware_config *firmware, const struct gmem *gmem,
		    const struct boot_result *boot, struct err *err)
{
	if (boot->acpi_bytes <= RSDP_BYTES)
		return 0;
	firmware->acpi = malloc(boot->acpi_bytes);
	if (!firmware->acpi ||
	    gmem_read(gmem, boot->acpi, firmware->acpi, boot->acpi_bytes))
		return err_sys(err, ENOMEM, "fw_cfg");
	fw_cfg_add_file(&firmware->device, "etc/acpi/rsdp", firmware->acpi,
			RSDP_BYTES);
	fw_cfg_add_file(&firmware->device, "etc/acpi/tables",
			firmware->acpi + RSDP_BYTES,
			(uint32_t)(boot->acpi_bytes - RSDP_BYTES));
	return 0;
}

static void add_machine(struct fw_cfg *device, const struct platform *platform)
{
	const struct fw_cfg_item id = {
		.key = FW_CFG_UUID,
		.size_bytes = sizeof(uuid),
		.bytes = uuid,
	};

	fw_cfg_add(device, &id);
	fw_cfg_add_number(device, FW_CFG_RAM_SIZE, platform->gmem->size_bytes,
			  8);
	fw_cfg_add_number(device, FW_CFG_NB_CPUS, platform->cpu_count, 2);
	fw_cfg_add_number(device, FW_CFG_MAX_CPUS, platform->cpu_count, 2);
	fw_cfg_add_number(device, FW_CFG_NOGRAPHIC, 1, 2);
	fw_cfg_add_number(device, FW_CFG_BOOT_DEVICE, 0, 2);
	fw_cfg_add_number(device, FW_CFG_BOOT_MENU, 0, 2);
}

/*
 * QEMU docs/specs/vmcoreinfo.rst: which format we take and, once the guest has
 * filled it in, which one it has, its size and its address.
 */
static void add_vmcoreinfo(struct firmware_config *firmware)
{
	store_le16(firmware->vmcoreinfo, FORMAT_ELF);
	fw_cfg_add_writable(&firmware->device, "etc/vmcoreinfo",
			    firmware->vmcoreinfo, sizeof(firmware->vmcoreinfo));
}

struct vmcoreinfo_place
firmware_config_vmcoreinfo(const struct firmware_config *firmware)
{
	const uint8_t *told = firmware->vmcoreinfo;
	struct vmcoreinfo_place place = { .size_bytes = 0 };

	if (load_le16(told + 2) == FORMAT_ELF)
		place = (struct vmcoreinfo_place){
			.gpa = load_le64(told + 8),
			.size_bytes = load_le32(told + 4),
		};
	return place;
}

int firmware_config_init(struct firmware_config *firmware,
			 const struct vm_config *config,
			 const struct platform *platform,
			 const struct boot_result *boot, struct err *err)
{
	const struct gmem *gmem = platform->gmem;
	int rc;

	*firmware =
		(struct firmware_config){ .kernel.fd = -1, .initrd.fd = -1 };
	fw_cfg_init(&firmware->device, gmem);
	add_machine(&firmware->device, platform);
	add_vmcoreinfo(firmware);
	rc = add_kernel(firmware, config, boot, err);
	if (!rc)
		rc = add_initrd(firmware, config, boot, err);
	if (!rc)
		rc = add_cmdline(firmware, config, gmem, boot, err);
	if (!rc)
		rc = add_e820(firmware, platform, err);
	if (!rc)
		rc = add_acpi(firmware, gmem, boot, err);
	return rc;
}

void firmware_config_release(struct firmware_config *firmware)
{
	/* All zeros: never begun. */
	if (!firmware->device.gmem)
		return;
	fw_cfg_release(&firmware->device);
	if (firmware->kernel.fd >= 0)
		close(firmware->kernel.fd);
	if (firmware->initrd.fd >= 0)
		close(firmware->initrd.fd);
	free(firmware->acpi);
	free(firmware->e820);
	free(firmware->cmdline);
	*firmware = (struct firmware_config){ 0 };
}
