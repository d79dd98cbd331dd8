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

#define CONFIG_MAX_CPUS	   64
#define CONFIG_MAX_MODULES 31 /* one less than MODULES_MAX: the initrd */
#define CONFIG_MIN_MEMORY  (32 * MIB)
/* 46 physical address bits, the least that any 64-bit host in use has. */
#define CONFIG_MAX_MEMORY  ((uint64_t)1 << 46)

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

/* Whether test results are read from the console. */
enum tests_mode {
	TESTS_AUTO, /* for a report */
	TESTS_ON, /* and one must have passed */
	TESTS_OFF,
};

#define CONFIG_MAX_FAIL_ON 32

/* Where what a guest writes to port 0xe9 goes. */
enum debugcon_kind {
	DEBUGCON_CONSOLE, /* the console */
	DEBUGCON_FILE, /* file=PATH */
	DEBUGCON_OFF, /* no such port */
};

/* A device that some kernels want and others are better without. */
enum device_wish {
	DEVICE_AUTO, /* for multiboot kernels and flat binaries */
	DEVICE_ON,
	DEVICE_OFF,
};

struct vm_config {
	char *kernel; /* path */
	char *flat; /* "FILE[@ADDRESS]" instead of a kernel, or NULL */
	enum boot_mode flat_mode;
	char *initrd; /* path or NULL */
	char *modules[CONFIG_MAX_MODULES]; /* "FILE[ WORDS]" */
	unsigned int module_count;
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
	struct share_config shares[CONFIG_MAX_SHARES];
	unsigned int share_count;
	bool rng;
	enum console_kind console;
	char *console_path;
	enum debug_exit_mode debug_exit;
	enum debugcon_kind debugcon;
	char *debugcon_path;
	enum device_wish fw_cfg;
	enum device_wish pm_timer;
	char *rtc; /* see vmm/fixed_time.h */
	char *seed; /* a number, or NULL; see config_seed */
	uint64_t timeout_ms; /* 0: none */
	/* What is made of the console (vmm/console_watch.h). */
	char *expect; /* regular expression or NULL */
	char *fail_on[CONFIG_MAX_FAIL_ON]; /* the same, or "linux", "none" */
	unsigned int fail_on_count;
	enum tests_mode tests;
	unsigned int pass_status; /* which status is success; 0 as ever */
	char *name; /* of the run, in reports; or NULL */
	char *result; /* path of a JSON file or NULL */
	char *junit; /* path of an XML file or NULL */
	char *console_log; /* path or NULL: beside the result, if any */
	/* Looking inside. */
	char *gdb; /* "unix:PATH" or "tcp:HOST:PORT", or NULL */
	bool gdb_wait; /* the guest starts when gdb says so */
	char *trace; /* which exits, with commas, or NULL */
	char *trace_file; /* path */
	char *vmlinux; /* path of a file with symbols, or NULL */
	char *record_console; /* path or NULL */
	char *dump; /* path of a core file, or NULL */
	char *dump_on; /* names of how a run ended, with commas */
	/* Actions instead of, or before, running. */
	char *stats; /* path or NULL */
	char *dump_fdt; /* path */
	char *dump_acpi; /* path of a directory */
	char *config_file; /* where the rest came from, or NULL */
	bool print_config;
	bool quiet;
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

/* Whether there is one; then random numbers follow from it. */
bool config_seed(const struct vm_config *config, uint64_t *ret_seed);

/* virtio devices, of all kinds together. */
unsigned int config_count_devices(const struct vm_config *config);

/* True when only a dump is asked for and there is nothing to boot. */
bool config_is_dump_only(const struct vm_config *config);

/*
 * Checks what can be checked without opening KVM: ranges and combinations.
 * -EINVAL and a sentence that names the option as the user wrote it.
 */
int config_validate(const struct vm_config *config, struct err *err);

#endif
