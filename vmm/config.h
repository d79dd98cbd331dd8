/*
 * The configuration of one VM: plain data. The command line and the JSON file
 * fill the same struct through one table (vmm/options.c); config_validate
 * checks it; only then is anything built.
 *
 * Strings are owned by the struct. Main thread.
 */
#ifndef VMM_CONFIG_H
#define VMM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/load.h"
#include "core/err.h"
#include "vmm/config_devices.h"
#include "vmm/irqchip.h"
#include "vmm/options.h"
#include "vmm/virtio_bus.h"

#define CONFIG_MAX_CPUS	  64
#define CONFIG_MIN_MEMORY (32 * MIB)
/* 46 physical address bits, the least that any 64-bit host in use has. */
#define CONFIG_MAX_MEMORY ((uint64_t)1 << 46)

enum console_kind {
	CONSOLE_STDIO,
	CONSOLE_FILE, /* file=PATH: output only */
	CONSOLE_PTY, /* a new pseudo-terminal, its name is printed */
	CONSOLE_UNIX, /* unix=PATH: a listening socket, one client at a time */
	CONSOLE_NONE,
};

/* How the status of the debug-exit port becomes ours. */
enum debug_exit_mode {
	DEBUG_EXIT_QEMU, /* (value << 1) | 1 */
	DEBUG_EXIT_VALUE, /* the value itself, to 255 */
	DEBUG_EXIT_OFF, /* no such port */
};

struct vm_config {
	char *kernel; /* path */
	char *initrd; /* path or NULL */
	char *cmdline; /* or NULL: a default for Linux */
	enum boot_protocol boot;
	unsigned int cpus;
	char *cpu; /* "host,+feature,-feature" */
	uint64_t memory_bytes;
	uint64_t hugepage_bytes; /* 0, 2 MiB, 1 GiB */
	bool acpi;
	bool fdt;
	enum irqchip_mode irqchip;
	enum virtio_transport transport;
	struct disk_config disks[CONFIG_MAX_DISKS];
	unsigned int disk_count;
	struct net_config nets[CONFIG_MAX_NETS];
	unsigned int net_count;
	unsigned int iothreads; /* shared ones; 0: one for each device */
	unsigned int io_spin_us;
	bool virtio_console;
	struct port_config ports[CONFIG_MAX_PORTS];
	unsigned int port_count;
	bool rng;
	enum console_kind console;
	char *console_path;
	enum debug_exit_mode debug_exit;
	uint64_t timeout_ms; /* 0: none */
	/* Actions instead of, or before, running. */
	char *stats; /* path or NULL */
	char *dump_fdt; /* path */
	char *dump_acpi; /* path of a directory */
	char *config_file; /* where the rest came from, or NULL */
	bool print_config;
	bool verbose;
	bool help;
};

/* The options of `hull run`: each field above and what it is called. */
extern const struct option_table config_options;

/* The defaults: 1 vCPU, 256 MiB, ACPI, console on stdio. */
void config_init(struct vm_config *config);
void config_release(struct vm_config *config);

/*
 * Fills @config, which config_init set up, from the arguments of `hull run`
 * (without program name and command) and from the file of their --config;
 * arguments win over the file. -EINVAL, or why the file cannot be read.
 */
int config_from_args(struct vm_config *config, int argc, char *const argv[],
		     struct err *err);

/* virtio devices, of all kinds together. */
unsigned int config_count_devices(const struct vm_config *config);

/* True when the configuration only asks for a dump and names no kernel. */
bool config_is_dump_only(const struct vm_config *config);

/*
 * Checks what can be checked without opening KVM: ranges and combinations.
 * -EINVAL and a sentence that names the option as the user wrote it.
 */
int config_validate(const struct vm_config *config, struct err *err);

#endif
