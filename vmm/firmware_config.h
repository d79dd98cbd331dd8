/*
 * What the machine tells through fw_cfg: the device, filled with items about
 * the machine and about what was booted. Main thread.
 */
#ifndef VMM_FIRMWARE_CONFIG_H
#define VMM_FIRMWARE_CONFIG_H

#include "boot/load.h"
#include "boot/platform.h"
#include "devices/fw_cfg.h"
#include "vmm/config.h"
#include "vmm/dump_linux.h"

/* The bytes of a file as they are, read when the guest reads them. */
struct firmware_file {
	int fd; /* owned; -1: none */
	struct fw_cfg_item item;
};

struct firmware_config {
	struct fw_cfg device;
	struct firmware_file kernel; /* or the flat binary */
	struct firmware_file initrd; /* or the first module */
	uint8_t *acpi; /* owned: the tables as the guest found them */
	uint8_t *e820; /* owned */
	char *cmdline; /* owned */
	uint8_t vmcoreinfo[16]; /* struct fw_cfg_vmcoreinfo; the guest's */
};

/* What was loaded is still as boot_load left it. */
int firmware_config_init(struct firmware_config *firmware,
			 const struct vm_config *config,
			 const struct platform *platform,
			 const struct boot_result *boot, struct err *err);
/* Where the guest says its VMCOREINFO is. No vCPU runs. Takes one that is all
 * zeros. */
struct vmcoreinfo_place
firmware_config_vmcoreinfo(const struct firmware_config *firmware);

/* Takes one that is all zeros, or half done. */
void firmware_config_release(struct firmware_config *firmware);

#endif
