/*
 * The composition root: builds one machine from a configuration, in the order
 * memory, description, kernel, KVM, devices, vCPUs; and takes it apart again.
 * The only place that knows which devices there are. Main thread.
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include "boot/load.h"
#include "boot/platform.h"
#include "core/bus.h"
#include "core/gmem.h"
#include "core/loop.h"
#include "devices/acpi_power.h"
#include "devices/debug_exit.h"
#include "devices/debugcon.h"
#include "devices/i8042.h"
#include "devices/pm_timer.h"
#include "devices/pvpanic.h"
#include "devices/rtc.h"
#include "devices/serial.h"
#include "io/chardev.h"
#include "vmm/config.h"
#include "vmm/console_input.h"
#include "vmm/cpuid_ahead.h"
#include "vmm/firmware_config.h"
#include "vmm/gdb.h"
#include "vmm/irqchip.h"
#include "vmm/kvm.h"
#include "vmm/peripherals.h"
#include "vmm/trace.h"
#include "vmm/vcpu.h"
#include "vmm/verdict.h"
#include "vmm/wall_clock.h"

struct machine {
	const struct vm_config *config; /* borrowed */
	struct loop loop;
	struct verdict verdict;

	struct gmem gmem;
	struct platform platform;
	struct boot_result boot;
	struct kvm kvm;
	struct cpuid_ahead cpuid; /* what the vCPUs offer, in the end */
	struct irqchip irqchip;
	struct bus pio;
	struct bus mmio;

	struct chardev *console; /* owned */
	struct irqchip_line serial_irq;
	struct irqchip_line power_irq;
	struct serial serial;
	struct rtc rtc;
	int64_t rtc_fixed_s; /* what it shows with --rtc fixed= */
	struct wall_clock wall_clock;
	struct i8042 i8042;
	struct acpi_power power;
	struct pvpanic pvpanic;
	struct debug_exit debug_exit;
	struct debugcon debugcon;
	struct chardev *debugcon_file; /* owned, or NULL */
	struct pm_timer pm_timer;
	struct firmware_config firmware; /* all zeros without fw_cfg */
	struct peripherals peripherals;
	struct console_input console_input;

	struct vcpu_env vcpu_env;
	struct vcpu *vcpus; /* owned array */
	unsigned int vcpu_count;
	struct debug debug; /* in use with gdb */
	struct gdb *gdb; /* owned, or NULL */
	struct trace trace; /* in use with --trace */
	struct symbols symbols; /* see machine_find_symbols */

	/* The exit status when the step that is being built fails. */
	int failure_status;
};

/*
 * Fills in the description of the machine that @config asks for; what
 * --dump-fdt and --dump-acpi need, without KVM.
 */
void machine_describe(const struct vm_config *config, const struct gmem *gmem,
		      struct platform *ret_platform);

/*
 * @machine is all zeros before. After this nothing is missing but the start. On
 * failure failure_status says whose fault it is; machine_release takes
 * half-built machines.
 */
int machine_build(struct machine *machine, const struct vm_config *config,
		  struct err *err);
int machine_start(struct machine *machine, struct err *err);

/* No vCPU enters the guest from now on, until machine_resume; requests that
 * disks kept after an error are tried again then. Idempotent. */
void machine_pause(struct machine *machine);
void machine_resume(struct machine *machine);

/*
 * Pauses the machine if a disk's error asks for it, and says so. The loop was
 * woken.
 */
void machine_update(struct machine *machine);

/* The symbols of --vmlinux, or else of a kernel that is an ELF file and has
 * some; once. -errno with a sentence for --vmlinux alone. */
int machine_find_symbols(struct machine *machine, struct err *err);

/* Makes every vCPU leave the guest and joins its thread. */
void machine_stop(struct machine *machine);
void machine_release(struct machine *machine);

/* The guest is asked to power itself off. Any thread. */
void machine_press_power_button(struct machine *machine);

#endif
