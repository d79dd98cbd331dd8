#include "vmm/machine.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "boot/acpi.h"
#include "core/log.h"
#include "vmm/exit_status.h"
#include "vmm/fixed_time.h"

/* I/O APIC pins where a PC has them; the power device takes the pin that
 * ACPI's system control interrupt has there. */
#define SERIAL_PORT 0x3f8
#define SERIAL_GSI  4
#define POWER_PORT  0x600
#define POWER_GSI   9

/* --- What the guest is told ------------------------------------------- */

static void describe(struct platform *platform, enum platform_device_kind kind,
		     uint64_t port, uint64_t size, int gsi)
{
	platform->devices[platform->device_count++] = (struct platform_device){
		.kind = kind,
		.is_port = true,
		.base = port,
		.size = size,
		.gsi = gsi,
	};
}

/* What of --kernel, --flat and so on boot/ is asked for. */
static struct boot_request boot_request_of(const struct vm_config *config)
{
	return (struct boot_request){
		.kernel_path = config->kernel,
		.flat = config->flat,
		.flat_mode = config->flat_mode,
		.initrd_path = config->initrd,
		.modules = config->modules,
		.module_count = config->module_count,
		.cmdline = config->cmdline,
		.protocol = config->boot,
		.acpi = config->acpi,
		.fdt = config->fdt,
	};
}

static bool is_granted(enum device_wish wish, bool is_bare)
{
	return wish == DEVICE_ON || (wish == DEVICE_AUTO && is_bare);
}

/* Only for this question is the kernel looked at twice. */
static bool is_bare(const struct vm_config *config, const struct gmem *gmem)
{
	const struct boot_request request = boot_request_of(config);

	if ((config->pm_timer != DEVICE_AUTO &&
	     config->fw_cfg != DEVICE_AUTO) ||
	    !(config->kernel || config->flat))
		return false;
	return boot_is_bare(boot_probe(&request, gmem));
}

void machine_describe(const struct vm_config *config, const struct gmem *gmem,
		      struct platform *ret_platform)
{
	const bool bare = is_bare(config, gmem);

	*ret_platform = (struct platform){
		.cpu_count = config->cpus,
		.gmem = gmem,
	};
	describe(ret_platform, PLATFORM_SERIAL, SERIAL_PORT, SERIAL_PORTS,
		 SERIAL_GSI);
	/* No interrupt: one which never comes makes hwclock wait for it. */
	describe(ret_platform, PLATFORM_RTC, RTC_PORT, RTC_PORTS, -1);
	describe(ret_platform, PLATFORM_POWER, POWER_PORT, ACPI_POWER_PORTS,
		 POWER_GSI);
	describe(ret_platform, PLATFORM_PVPANIC, PVPANIC_PORT, PVPANIC_PORTS,
		 -1);
	if (config->debug_exit != DEBUG_EXIT_OFF)
		describe(ret_platform, PLATFORM_DEBUG_EXIT, DEBUG_EXIT_PORT,
			 DEBUG_EXIT_PORTS, -1);
	if (is_granted(config->fw_cfg, bare))
		describe(ret_platform, PLATFORM_FW_CFG, FW_CFG_PORT,
			 FW_CFG_PORTS, -1);
	if (is_granted(config->pm_timer, bare))
		describe(ret_platform, PLATFORM_PM_TIMER, PM_TIMER_PORT,
			 PM_TIMER_PORTS, -1);
	peripherals_describe(config, ret_platform);
}

/* --- What the devices ask of the machine (vCPU threads) ----------------- */

static void on_poweroff(void *opaque)
{
	struct machine *machine = opaque;

	if (verdict_take(&machine->verdict))
		verdict_done(&machine->verdict, EXIT_POWEROFF,
			     "the guest powered off");
}

static void on_reset(void *opaque)
{
	struct machine *machine = opaque;

	if (verdict_take(&machine->verdict))
		verdict_done(&machine->verdict, EXIT_REBOOT,
			     "the guest asked for a reset");
}

static void on_panic(void *opaque, uint8_t events)
{
	struct machine *machine = opaque;

	/* A crash kernel is about to write its dump: let it. */
	if (events & PVPANIC_CRASH_LOADED)
		return;
	if (verdict_take(&machine->verdict))
		verdict_done(&machine->verdict, EXIT_PANIC,
			     "the guest panicked");
}

static void on_debug_exit(void *opaque, uint32_t value)
{
	struct machine *machine = opaque;
	int status = (int)((value << 1 | 1) & 0xff);

	if (machine->config->debug_exit == DEBUG_EXIT_VALUE)
		status = (int)(value & 0xff);
	if (!verdict_take(&machine->verdict))
		return;
	machine->verdict.reason = "guest";
	machine->verdict.has_guest_value = true;
	machine->verdict.guest_value = value;
	verdict_done(&machine->verdict, status, "the guest ended with value %u",
		     value);
}

/* Which one, its stop_error says. */
static void on_disk_stopped(void *opaque)
{
	struct machine *machine = opaque;

	loop_wake(&machine->loop);
}

/* --- Building ----------------------------------------------------------- */

static int open_console(struct machine *machine, struct err *err)
{
	const struct vm_config *config = machine->config;

	switch (config->console) {
	case CONSOLE_STDIO:
		return chardev_new_stdio(&machine->loop, &machine->console,
					 err);
	case CONSOLE_FILE:
		return chardev_new_file(&machine->loop, config->console_path,
					&machine->console, err);
	case CONSOLE_PTY:
		return chardev_new_pty(&machine->loop, &machine->console, err);
	case CONSOLE_UNIX:
		return chardev_new_unix(&machine->loop, config->console_path,
					&machine->console, err);
	default:
		return chardev_new_null(&machine->loop, &machine->console, err);
	}
}

/* The console, or the file that --debugcon names. */
static int open_debugcon(struct machine *machine, struct err *err)
{
	const struct vm_config *config = machine->config;
	int rc = 0;

	machine->debugcon.chardev = machine->console;
	if (config->debugcon != DEBUGCON_FILE)
		return 0;
	rc = chardev_new_file(&machine->loop, config->debugcon_path,
			      &machine->debugcon_file, err);
	machine->debugcon.chardev = machine->debugcon_file;
	return rc;
}

static int64_t fixed_now_s(void *opaque)
{
	const struct machine *machine = opaque;

	return machine->rtc_fixed_s;
}

static void init_clocks(struct machine *machine)
{
	struct err err = { 0 };
	bool is_fixed = false;

	rtc_init(&machine->rtc);
	/* config_validate has refused what this would. */
	(void)fixed_time_parse(machine->config->rtc, &is_fixed,
			       &machine->rtc_fixed_s, NULL);
	if (!is_fixed)
		return;
	machine->rtc.now_s = fixed_now_s;
	machine->rtc.opaque = machine;
	if (wall_clock_init(&machine->wall_clock, &machine->kvm, &machine->gmem,
			    machine->rtc_fixed_s, &err))
		log_warn("%s", err.msg);
}

static void init_devices(struct machine *machine)
{
	irqchip_line_init(&machine->serial_irq, &machine->irqchip, SERIAL_GSI,
			  "serial");
	irqchip_line_init(&machine->power_irq, &machine->irqchip, POWER_GSI,
			  "acpi-power");
	serial_init(&machine->serial, &machine->serial_irq.line,
		    machine->console);
	init_clocks(machine);
	machine->i8042 = (struct i8042){ .reset = on_reset, .opaque = machine };
	machine->power = (struct acpi_power){
		.irq = &machine->power_irq.line,
		.poweroff = on_poweroff,
		.reset = on_reset,
		.opaque = machine,
	};
	machine->pvpanic =
		(struct pvpanic){ .panicked = on_panic, .opaque = machine };
	machine->debug_exit = (struct debug_exit){ .ended = on_debug_exit,
						   .opaque = machine };
	pm_timer_init(&machine->pm_timer);
}

static int attach_devices(struct machine *machine, struct err *err)
{
	const struct bus_range ranges[] = {
		{ SERIAL_PORT, SERIAL_PORTS, &serial_bus_ops, &machine->serial,
		  "serial" },
		{ RTC_PORT, RTC_PORTS, &rtc_bus_ops, &machine->rtc, "rtc" },
		{ I8042_DATA_PORT, 1, &i8042_data_bus_ops, &machine->i8042,
		  "i8042 data" },
		{ I8042_COMMAND_PORT, 1, &i8042_command_bus_ops,
		  &machine->i8042, "i8042 command" },
		{ POWER_PORT, ACPI_POWER_PORTS, &acpi_power_bus_ops,
		  &machine->power, "power" },
		{ PVPANIC_PORT, PVPANIC_PORTS, &pvpanic_bus_ops,
		  &machine->pvpanic, "pvpanic" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		int rc = bus_add(&machine->pio, &ranges[i], err);

		if (rc)
			return rc;
	}
	return 0;
}

/* Those that are there only when they are asked for, or the kernel is one that
 * counts on them. */
static int attach_optional_devices(struct machine *machine, struct err *err)
{
	const struct vm_config *config = machine->config;
	bool has_fw_cfg = acpi_find(&machine->platform, PLATFORM_FW_CFG);
	const struct {
		bool wanted;
		struct bus_range range;
	} devices[] = {
		{ config->debug_exit != DEBUG_EXIT_OFF,
		  { DEBUG_EXIT_PORT, DEBUG_EXIT_PORTS, &debug_exit_bus_ops,
		    &machine->debug_exit, "debug-exit" } },
		{ config->debugcon != DEBUGCON_OFF,
		  { DEBUGCON_PORT, DEBUGCON_PORTS, &debugcon_bus_ops,
		    &machine->debugcon, "debugcon" } },
		{ acpi_find(&machine->platform, PLATFORM_PM_TIMER) != NULL,
		  { PM_TIMER_PORT, PM_TIMER_PORTS, &pm_timer_bus_ops,
		    &machine->pm_timer, "pm-timer" } },
		{ has_fw_cfg,
		  { FW_CFG_PORT, FW_CFG_PORTS, &fw_cfg_bus_ops,
		    &machine->firmware.device, "fw-cfg" } },
	};
	int rc = 0;

	if (has_fw_cfg)
		rc = firmware_config_init(&machine->firmware, config,
					  &machine->platform, &machine->boot,
					  err);
	for (size_t i = 0; i < ARRAY_SIZE(devices) && !rc; i++) {
		if (devices[i].wanted)
			rc = bus_add(&machine->pio, &devices[i].range, err);
	}
	return rc;
}

static int build_peripherals(struct machine *machine, struct err *err)
{
	const struct peripherals_env env = {
		.stopped = on_disk_stopped,
		.opaque = machine,
		.config = machine->config,
		.gmem = &machine->gmem,
		.loop = &machine->loop,
		.console = machine->console,
		.bus = {
			.transport = machine->config->transport,
			.kvm = &machine->kvm,
			.irqchip = &machine->irqchip,
			.pio = &machine->pio,
			.mmio = &machine->mmio,
		},
	};
	struct chardev_receiver receiver;
	int rc;

	rc = peripherals_build(&machine->peripherals, &env, err);
	if (rc)
		return rc;
	machine->console_input = (struct console_input){
		.serial = &machine->serial,
		.console = machine->peripherals.console,
	};
	receiver = console_input_receiver(&machine->console_input);
	chardev_set_receiver(machine->console, &receiver);
	return 0;
}

static int build_vcpus(struct machine *machine, struct err *err)
{
	const struct vm_config *config = machine->config;
	struct cpuid_request request = {
		.model = config->cpu,
		.hide_unemulated = machine->kvm.flavor == KVM_FLAVOR_EMULATED,
	};
	int max =
		ioctl(machine->kvm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	int rc;

	if (max > 0 && config->cpus > (unsigned int)max)
		return err_set(err, EINVAL,
			       "--cpus %u: this host's KVM allows at most %d",
			       config->cpus, max);
	rc = cpuid_ahead_finish(&machine->cpuid, &machine->kvm, err);
	if (!rc)
		rc = cpuid_shape(&machine->cpuid.table, &request, config->cpus,
				 err);
	if (rc)
		return rc;
	machine->failure_status = EXIT_HOST;
	machine->vcpu_env = (struct vcpu_env){
		.kvm = &machine->kvm,
		.gmem = &machine->gmem,
		.pio = &machine->pio,
		.mmio = &machine->mmio,
		.irqchip = &machine->irqchip,
		.wall_clock = &machine->wall_clock,
		.verdict = &machine->verdict,
		.pause_lock = PTHREAD_MUTEX_INITIALIZER,
		.pause_ended = PTHREAD_COND_INITIALIZER,
	};
	machine->vcpus = calloc(config->cpus, sizeof(*machine->vcpus));
	if (!machine->vcpus)
		return err_sys(err, ENOMEM, "vCPUs");
	for (unsigned int i = 0; i < config->cpus; i++) {
		rc = vcpu_init(&machine->vcpus[i], &machine->vcpu_env, i,
			       &machine->cpuid.table, err);
		if (rc)
			return rc;
		machine->vcpu_count++;
	}
	return vcpu_set_entry(&machine->vcpus[0], &machine->boot.entry, err);
}

int machine_find_symbols(struct machine *machine, struct err *err)
{
	const struct vm_config *config = machine->config;
	int rc = 0;

	if (machine->symbols.count)
		return 0;
	if (config->vmlinux)
		rc = symbols_read(config->vmlinux, "--vmlinux",
				  &machine->symbols, err);
	else if (config->kernel)
		(void)symbols_read(config->kernel, "kernel", &machine->symbols,
				   NULL);
	if (machine->boot.kernel_moved_by)
		machine->symbols.move = (struct symbols_move){
			.start = machine->boot.kernel,
			.size_bytes = machine->boot.kernel_bytes,
			.by = machine->boot.kernel_moved_by,
		};
	return rc;
}

static int build_trace(struct machine *machine, struct err *err)
{
	const struct vm_config *config = machine->config;
	int rc = 0;

	machine->failure_status = EXIT_CONFIG;
	if (config->vmlinux || config->trace)
		rc = machine_find_symbols(machine, err);
	if (rc || !config->trace)
		return rc;
	rc = trace_init(&machine->trace, config->trace, config->trace_file,
			&machine->symbols, err);
	if (rc)
		return rc;
	if (machine->trace.kinds & TRACE_EXITS)
		machine->vcpu_env.trace = &machine->trace;
	if (machine->trace.kinds & TRACE_RAISED)
		irqchip_trace(&machine->irqchip, &machine->trace);
	return 0;
}

static int build_gdb(struct machine *machine, struct err *err)
{
	const struct vm_config *config = machine->config;
	int rc;

	if (!config->gdb)
		return 0;
	machine->failure_status = EXIT_HOST;
	rc = debug_init(&machine->debug, machine->vcpus, machine->vcpu_count,
			&machine->loop, config->gdb_wait, err);
	if (rc)
		return rc;
	machine->failure_status = EXIT_CONFIG;
	return gdb_new(config->gdb, &machine->loop, &machine->debug,
		       &machine->verdict, &machine->gdb, err);
}

static enum irqchip_mode irqchip_mode(const struct vm_config *config,
				      enum boot_protocol protocol)
{
	if (config->irqchip != IRQCHIP_AUTO)
		return config->irqchip;
	/* Without ACPI a guest expects what a PC always had. */
	return config->acpi && !boot_is_bare(protocol) ? IRQCHIP_SPLIT :
							 IRQCHIP_FULL;
}

static int build_kvm(struct machine *machine, struct err *err)
{
	struct kvm *kvm = &machine->kvm;
	int rc;

	rc = kvm_open(kvm, err);
	if (rc)
		return rc;
	rc = kvm_create_vm(kvm, err);
	if (rc)
		return rc;
	rc = kvm_map_memory(kvm, &machine->gmem, err);
	if (rc)
		return rc;
	return irqchip_init(&machine->irqchip, kvm,
			    irqchip_mode(machine->config,
					 machine->boot.protocol),
			    &machine->mmio, err);
}

static int load_guest(struct machine *machine, struct err *err)
{
	uint64_t seed;
	bool emulated = kvm_flavor_of_host() == KVM_FLAVOR_EMULATED;
	char suffix[CPUID_EMULATED_CMDLINE_MAX];
	struct boot_request request = boot_request_of(machine->config);

	if (config_seed(machine->config, &seed))
		request.seed = &seed;
	cpuid_emulated_cmdline(machine->config->cpu, suffix);
	if (emulated)
		request.linux_cmdline_suffix = suffix;
	return boot_load(&request, &machine->platform, &machine->boot, err);
}

int machine_build(struct machine *machine, const struct vm_config *config,
		  struct err *err)
{
	int rc;

	machine->config = config;
	machine->gmem.fd = -1;
	machine->kvm = (struct kvm){ .fd = -1, .vm_fd = -1 };
	machine->loop.wake_fd = -1;
	cpuid_ahead_start(&machine->cpuid);
	machine->verdict.loop = &machine->loop;
	machine->failure_status = EXIT_CONFIG;
	bus_init(&machine->pio);
	bus_init(&machine->mmio);
	rc = loop_init(&machine->loop, err);
	if (rc)
		return rc;
	machine->failure_status = EXIT_HOST;
	rc = gmem_init(&machine->gmem, config->memory_bytes,
		       config->hugepage_bytes, err);
	if (rc)
		return rc;
	machine->failure_status = EXIT_CONFIG;
	machine_describe(config, &machine->gmem, &machine->platform);
	rc = load_guest(machine, err);
	if (rc)
		return rc;
	rc = open_console(machine, err);
	if (!rc)
		rc = open_debugcon(machine, err);
	if (rc)
		return rc;
	machine->failure_status = EXIT_HOST;
	rc = build_kvm(machine, err);
	if (rc)
		return rc;
	machine->failure_status = EXIT_CONFIG;
	init_devices(machine);
	rc = attach_devices(machine, err);
	if (!rc)
		rc = attach_optional_devices(machine, err);
	if (rc)
		return rc;
	rc = build_peripherals(machine, err);
	if (rc)
		return rc;
	rc = build_vcpus(machine, err);
	if (!rc)
		rc = build_trace(machine, err);
	return rc ? rc : build_gdb(machine, err);
}

int machine_start(struct machine *machine, struct err *err)
{
	int rc = peripherals_start(&machine->peripherals, err);

	if (rc)
		return rc;
	vcpu_install_kick();
	for (unsigned int i = 0; i < machine->vcpu_count; i++) {
		rc = vcpu_start(&machine->vcpus[i], err);
		if (rc)
			return rc;
	}
	return 0;
}

void machine_pause(struct machine *machine)
{
	if (atomic_exchange(&machine->vcpu_env.paused, true))
		return;
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_kick(&machine->vcpus[i]);
}

void machine_resume(struct machine *machine)
{
	if (!atomic_load(&machine->vcpu_env.paused))
		return;
	peripherals_resume(&machine->peripherals);
	atomic_store(&machine->vcpu_env.paused, false);
	vcpu_wake_paused(&machine->vcpu_env);
}

void machine_update(struct machine *machine)
{
	struct peripherals *peripherals = &machine->peripherals;

	chardev_update(machine->console);
	peripherals_update(peripherals);
	if (machine->gdb)
		gdb_update(machine->gdb);
	for (unsigned int i = 0; i < peripherals->disk_count; i++) {
		struct disk *disk = &peripherals->disks[i];
		int error = atomic_exchange(&disk->stop_error, 0);

		if (!error)
			continue;
		machine_pause(machine);
		log_warn(
			"disk %s: %s; the guest is paused until \"kill -CONT %d\"",
			disk->name, err_describe(-error), (int)getpid());
	}
}

void machine_stop(struct machine *machine)
{
	atomic_store(&machine->vcpu_env.stop, true);
	vcpu_wake_paused(&machine->vcpu_env);
	if (machine->console)
		chardev_cancel(machine->console);
	if (machine->debugcon_file)
		chardev_cancel(machine->debugcon_file);
	peripherals_cancel(&machine->peripherals);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_kick(&machine->vcpus[i]);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_join(&machine->vcpus[i]);
	peripherals_stop(&machine->peripherals);
}

void machine_release(struct machine *machine)
{
	int error = trace_release(&machine->trace);

	cpuid_ahead_release(&machine->cpuid);
	irqchip_trace(&machine->irqchip, NULL);
	if (error)
		log_warn("lines of the trace %s were lost: %s",
			 machine->config->trace_file, err_describe(error));
	symbols_release(&machine->symbols);
	gdb_free(machine->gdb, machine->verdict.status);
	machine->gdb = NULL;
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_release(&machine->vcpus[i]);
	free(machine->vcpus);
	machine->vcpus = NULL;
	machine->vcpu_count = 0;
	peripherals_release(&machine->peripherals);
	irqchip_release(&machine->irqchip);
	kvm_release(&machine->kvm);
	firmware_config_release(&machine->firmware);
	chardev_free(machine->debugcon_file);
	machine->debugcon_file = NULL;
	chardev_free(machine->console);
	machine->console = NULL;
	gmem_release(&machine->gmem);
	bus_release(&machine->pio);
	bus_release(&machine->mmio);
	loop_release(&machine->loop);
}

void machine_press_power_button(struct machine *machine)
{
	acpi_power_press_button(&machine->power);
}
