#include "vmm/machine.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/log.h"
#include "vmm/exit_status.h"

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

void machine_describe(const struct vm_config *config, const struct gmem *gmem,
		      struct platform *ret_platform)
{
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
	if (verdict_take(&machine->verdict))
		verdict_done(&machine->verdict, status,
			     "the guest ended with value %u", value);
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

static void init_devices(struct machine *machine)
{
	irqchip_line_init(&machine->serial_irq, &machine->irqchip, SERIAL_GSI);
	irqchip_line_init(&machine->power_irq, &machine->irqchip, POWER_GSI);
	serial_init(&machine->serial, &machine->serial_irq.line,
		    machine->console);
	rtc_init(&machine->rtc);
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
		{ DEBUG_EXIT_PORT, DEBUG_EXIT_PORTS, &debug_exit_bus_ops,
		  &machine->debug_exit, "debug-exit" },
	};
	/* The last one is there only when it is asked for. */
	size_t count = ARRAY_SIZE(ranges) -
		       (machine->config->debug_exit == DEBUG_EXIT_OFF);

	for (size_t i = 0; i < count; i++) {
		int rc = bus_add(&machine->pio, &ranges[i], err);

		if (rc)
			return rc;
	}
	return 0;
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
	struct cpuid_table cpuid;
	int max =
		ioctl(machine->kvm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	int rc;

	if (max > 0 && config->cpus > (unsigned int)max)
		return err_set(err, EINVAL,
			       "--cpus %u: this host's KVM allows at most %d",
			       config->cpus, max);
	rc = cpuid_build(&machine->kvm, &request, config->cpus, &cpuid, err);
	if (rc)
		return rc;
	machine->failure_status = EXIT_HOST;
	machine->vcpu_env = (struct vcpu_env){
		.kvm = &machine->kvm,
		.gmem = &machine->gmem,
		.pio = &machine->pio,
		.mmio = &machine->mmio,
		.irqchip = &machine->irqchip,
		.verdict = &machine->verdict,
		.pause_lock = PTHREAD_MUTEX_INITIALIZER,
		.pause_ended = PTHREAD_COND_INITIALIZER,
	};
	machine->vcpus = calloc(config->cpus, sizeof(*machine->vcpus));
	if (!machine->vcpus)
		return err_sys(err, ENOMEM, "vCPUs");
	for (unsigned int i = 0; i < config->cpus; i++) {
		rc = vcpu_init(&machine->vcpus[i], &machine->vcpu_env, i,
			       &cpuid, err);
		if (rc)
			return rc;
		machine->vcpu_count++;
	}
	return vcpu_set_entry(&machine->vcpus[0], &machine->boot.entry, err);
}

static enum irqchip_mode irqchip_mode(const struct vm_config *config)
{
	if (config->irqchip != IRQCHIP_AUTO)
		return config->irqchip;
	/* Without ACPI a guest expects what a PC always had. */
	return config->acpi ? IRQCHIP_SPLIT : IRQCHIP_FULL;
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
			    irqchip_mode(machine->config), &machine->mmio, err);
}

static int load_guest(struct machine *machine, struct err *err)
{
	const struct vm_config *config = machine->config;
	bool emulated = kvm_flavor_of_host() == KVM_FLAVOR_EMULATED;
	struct boot_request request = {
		.kernel_path = config->kernel,
		.initrd_path = config->initrd,
		.cmdline = config->cmdline,
		.linux_cmdline_suffix = emulated ? cpuid_emulated_cmdline() :
						   NULL,
		.protocol = config->boot,
		.acpi = config->acpi,
		.fdt = config->fdt,
	};

	return boot_load(&request, &machine->platform, &machine->boot, err);
}

int machine_build(struct machine *machine, const struct vm_config *config,
		  struct err *err)
{
	int rc;

	*machine = (struct machine){
		.config = config,
		.gmem = { .fd = -1 },
		.kvm = { .fd = -1, .vm_fd = -1 },
		.loop = { .wake_fd = -1 },
	};
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
	if (rc)
		return rc;
	machine->failure_status = EXIT_HOST;
	rc = build_kvm(machine, err);
	if (rc)
		return rc;
	machine->failure_status = EXIT_CONFIG;
	init_devices(machine);
	rc = attach_devices(machine, err);
	if (rc)
		return rc;
	rc = build_peripherals(machine, err);
	if (rc)
		return rc;
	return build_vcpus(machine, err);
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
	peripherals_cancel(&machine->peripherals);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_kick(&machine->vcpus[i]);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_join(&machine->vcpus[i]);
	peripherals_stop(&machine->peripherals);
}

void machine_release(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_release(&machine->vcpus[i]);
	free(machine->vcpus);
	machine->vcpus = NULL;
	machine->vcpu_count = 0;
	peripherals_release(&machine->peripherals);
	irqchip_release(&machine->irqchip);
	kvm_release(&machine->kvm);
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
