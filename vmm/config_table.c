/*
 * The one table of options of `hull run`. Adding an option is a field in
 * struct vm_config, an entry here, and a check in config_validate where it has
 * a range; the command line, JSON, help, man page and completion follow.
 */
#include "vmm/config.h"

static const struct option_value boot_values[] = {
	{ "auto", BOOT_PROTOCOL_AUTO },
	{ "bzimage", BOOT_PROTOCOL_BZIMAGE },
	{ "bzimage-entry", BOOT_PROTOCOL_BZIMAGE_ENTRY },
	{ "elf", BOOT_PROTOCOL_ELF64 },
	{ "pvh", BOOT_PROTOCOL_PVH },
	{ NULL, 0 },
};

static const struct option_value hugepage_values[] = {
	{ "2M", 2 * MIB },
	{ "1G", GIB },
	{ NULL, 0 },
};

static const struct option_value debug_exit_values[] = {
	{ "qemu", DEBUG_EXIT_QEMU },
	{ "value", DEBUG_EXIT_VALUE },
	{ "off", DEBUG_EXIT_OFF },
	{ NULL, 0 },
};

static const struct option_value irqchip_values[] = {
	{ "auto", IRQCHIP_AUTO },
	{ "split", IRQCHIP_SPLIT },
	{ "full", IRQCHIP_FULL },
	{ NULL, 0 },
};

static const struct option_value transport_values[] = {
	{ "pci", TRANSPORT_PCI },
	{ "mmio", TRANSPORT_MMIO },
	{ NULL, 0 },
};

static const struct option memory_options[] = {
	{
		.name = "size",
		.type = OPTION_SIZE,
		.flags = OPTION_POSITIONAL | OPTION_REQUIRED,
		OPTION_FIELD(struct vm_config, memory_bytes),
		.unit = MIB,
		.tag = -1,
		.help = "bytes of guest memory; a plain number counts MiB",
	},
	{
		.name = "hugepages",
		.type = OPTION_ENUM,
		OPTION_FIELD(struct vm_config, hugepage_bytes),
		.values = hugepage_values,
		.tag = -1,
		.help = "take it from the host's pool of huge pages of this size",
	},
};

static const struct option_group memory_group = {
	.options = memory_options,
	.count = ARRAY_SIZE(memory_options),
};

static const struct option console_choices[] = {
	{
		.name = "stdio",
		.type = OPTION_TAG,
		.tag = CONSOLE_STDIO,
		.help = "the terminal hull runs on, or whatever standard input and output are",
	},
	{
		.name = "file",
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, console_path),
		.tag = CONSOLE_FILE,
		.help = "write to a file; there is no input",
	},
	{
		.name = "pty",
		.type = OPTION_TAG,
		.tag = CONSOLE_PTY,
		.help = "a new pseudo-terminal, whose name is printed",
	},
	{
		.name = "unix",
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, console_path),
		.metavar = "PATH",
		.tag = CONSOLE_UNIX,
		.help = "listen on a Unix socket; one client at a time",
	},
	{
		.name = "none",
		.type = OPTION_TAG,
		.tag = CONSOLE_NONE,
		.help = "output is dropped and there is no input",
	},
};

static const struct option_group console_group = {
	.options = console_choices,
	.count = ARRAY_SIZE(console_choices),
	.has_choice = true,
	.tag_offset = offsetof(struct vm_config, console),
};

#define GUEST	"Guest"
#define MACHINE "Machine"
#define DEVICES "Devices"
#define RUN	"Terminal and end"
#define CONFIG	"Configuration and output"

static const struct option run_options[] = {
	{
		.name = "kernel",
		.section = GUEST,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, kernel),
		.help = "kernel to boot: Linux bzImage, ELF vmlinux or PVH",
		.man = "The format is recognised by content, see --boot. "
		       "The payload of a bzImage is decompressed on the host.",
	},
	{
		.name = "initrd",
		.section = GUEST,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, initrd),
		.help = "initial RAM disk, handed to the kernel as it is",
	},
	{
		.name = "cmdline",
		.section = GUEST,
		.type = OPTION_STRING,
		.flags = OPTION_MAY_BE_EMPTY,
		OPTION_FIELD(struct vm_config, cmdline),
		.help = "kernel command line",
		.man = "Without this option a Linux kernel gets one that puts "
		       "its console on the terminal. "
		       "An empty string hands over an empty command line.",
	},
	{
		.name = "boot",
		.section = GUEST,
		.type = OPTION_ENUM,
		OPTION_FIELD(struct vm_config, boot),
		.values = boot_values,
		.default_text = "auto",
		.help = "how to enter the kernel",
		.man = "bzimage decompresses on the host and enters the "
		       "kernel proper in 64-bit mode; bzimage-entry lets "
		       "the kernel decompress itself; elf uses the 64-bit "
		       "entry of an ELF file; pvh its PHYS32_ENTRY note. "
		       "auto decides by the content of the file.",
	},
	{
		.name = "cpus",
		.section = MACHINE,
		.type = OPTION_UINT,
		OPTION_FIELD(struct vm_config, cpus),
		.default_text = "1",
		.help = "number of virtual CPUs, 1 to 64",
	},
	{
		.name = "cpu",
		.section = MACHINE,
		.type = OPTION_STRING,
		OPTION_FIELD(struct vm_config, cpu),
		.metavar = "host[,+FEATURE][,-FEATURE]...",
		.default_text = "host",
		.help = "CPU features the guest sees",
		.man = "host stands for every feature that KVM supports on "
		       "this machine. "
		       "Features are added and taken away by their names in "
		       "/proc/cpuinfo.",
	},
	{
		.name = "memory",
		.section = MACHINE,
		.type = OPTION_GROUP,
		.group = &memory_group,
		.default_text = "256M",
		.help = "guest memory",
		.man = "Suffixes are K, M, G and T, powers of 1024; a plain "
		       "number counts MiB.",
	},
	{
		.name = "acpi",
		.section = MACHINE,
		.type = OPTION_BOOL,
		OPTION_FIELD(struct vm_config, acpi),
		.default_text = "on",
		.help = "describe the machine in ACPI tables",
	},
	{
		.name = "fdt",
		.section = MACHINE,
		.type = OPTION_BOOL,
		OPTION_FIELD(struct vm_config, fdt),
		.default_text = "off",
		.help = "describe the machine in a flat device tree",
	},
	{
		.name = "irqchip",
		.section = MACHINE,
		.type = OPTION_ENUM,
		OPTION_FIELD(struct vm_config, irqchip),
		.values = irqchip_values,
		.default_text = "auto",
		.help = "which interrupt controllers the guest has",
		.man = "split has local APICs in KVM and an I/O APIC in hull, "
		       "and starts and ends fastest; full adds the PIC and "
		       "PIT of a PC, all in KVM. auto is split with ACPI and "
		       "full without.",
	},
	{
		.name = "transport",
		.section = DEVICES,
		.type = OPTION_ENUM,
		OPTION_FIELD(struct vm_config, transport),
		.values = transport_values,
		.default_text = "pci",
		.help = "how the guest finds its virtio devices",
		.man = "pci has an interrupt for each queue, and the kernel of "
		       "every distribution finds it. mmio needs no PCI in the "
		       "guest; devices are told in ACPI and the device tree.",
	},
	{
		.name = "disk",
		.section = DEVICES,
		.type = OPTION_GROUP,
		.group = &disk_group,
		OPTION_FIELD(struct vm_config, disks),
		.list_max = CONFIG_MAX_DISKS,
		.list_stride = sizeof(struct disk_config),
		.list_count_offset = offsetof(struct vm_config, disk_count),
		.help = "disk, once for each; the guest's vda, vdb, ...",
		.man = "The content of the file is raw, whatever it looks like. "
		       "An image that another VM writes to is refused.",
	},
	{
		.name = "net",
		.section = DEVICES,
		.type = OPTION_GROUP,
		.group = &net_group,
		OPTION_FIELD(struct vm_config, nets),
		.list_max = CONFIG_MAX_NETS,
		.list_stride = sizeof(struct net_config),
		.list_count_offset = offsetof(struct vm_config, net_count),
		.help = "network card, once for each; the guest's eth0, eth1, ...",
		.man = "A tap is made with "
		       "ip tuntap add NAME mode tap vnet_hdr user USER; "
		       "a new one on a bridge needs CAP_NET_ADMIN.",
	},
	{
		.name = "iothreads",
		.section = DEVICES,
		.type = OPTION_UINT,
		OPTION_FIELD(struct vm_config, iothreads),
		.default_text = "0",
		.help = "threads that all disks and network cards share; 0: one each",
	},
	{
		.name = "io-spin",
		.section = DEVICES,
		.type = OPTION_UINT,
		OPTION_FIELD(struct vm_config, io_spin_us),
		.metavar = "MICROSECONDS",
		.default_text = "0",
		.help = "how long an I/O thread may look for work before it sleeps",
		.man = "It does so only while that pays, and only where the "
		       "host has a CPU for every virtual CPU and I/O thread. "
		       "It trades the host's time for shorter waits.",
	},
	{
		.name = "virtio-console",
		.section = DEVICES,
		.type = OPTION_BOOL,
		OPTION_FIELD(struct vm_config, virtio_console),
		.default_text = "on",
		.help = "virtio console (hvc0) on the same terminal as the serial port",
		.man = "What is typed goes to the serial port until the guest "
		       "writes to hvc0, and to hvc0 from then on.",
	},
	{
		.name = "port",
		.section = DEVICES,
		.type = OPTION_GROUP,
		.group = &port_group,
		OPTION_FIELD(struct vm_config, ports),
		.list_max = CONFIG_MAX_PORTS,
		.list_stride = sizeof(struct port_config),
		.list_count_offset = offsetof(struct vm_config, port_count),
		.help = "named port of the virtio console, once for each",
		.man = "Such as org.qemu.guest_agent.0,unix=agent.sock.",
	},
	{
		.name = "rng",
		.section = DEVICES,
		.type = OPTION_BOOL,
		OPTION_FIELD(struct vm_config, rng),
		.default_text = "on",
		.help = "entropy device, fed from the host's random numbers",
	},
	{
		.name = "console",
		.section = RUN,
		.type = OPTION_GROUP,
		.group = &console_group,
		.default_text = "stdio",
		.help = "where the guest's console goes",
	},
	{
		.name = "debug-exit",
		.section = RUN,
		.type = OPTION_ENUM,
		OPTION_FIELD(struct vm_config, debug_exit),
		.values = debug_exit_values,
		.default_text = "qemu",
		.help = "exit status from a guest's write to port 0xf4",
		.man = "qemu exits with (value << 1) | 1, as QEMU's "
		       "isa-debug-exit does; value exits with the value "
		       "itself, up to 255; off leaves the port out.",
	},
	{
		.name = "timeout",
		.section = RUN,
		.type = OPTION_DURATION,
		OPTION_FIELD(struct vm_config, timeout_ms),
		.help = "end the guest after this long, such as 60s",
		.man = "Suffixes are ms, s, m and h; a plain number counts "
		       "seconds and 0 sets no limit.",
	},
	{
		.name = "stats",
		.section = CONFIG,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, stats),
		.help = "write the devices' counters to FILE as JSON",
		.man = "When the guest ends and whenever hull gets SIGUSR1, "
		       "which without this option writes them to standard "
		       "error. With it, how long each disk request takes is "
		       "measured too.",
	},
	{
		.name = "dump-fdt",
		.section = CONFIG,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, dump_fdt),
		.help = "write the device tree of the machine to FILE",
		.man = "Without --kernel that is all that happens.",
	},
	{
		.name = "dump-acpi",
		.section = CONFIG,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, dump_acpi),
		.metavar = "DIR",
		.help = "write the ACPI tables as files into DIR",
		.man = "Without --kernel that is all that happens.",
	},
	{
		.name = "config",
		.section = CONFIG,
		.type = OPTION_PATH,
		.flags = OPTION_NOT_IN_JSON,
		OPTION_FIELD(struct vm_config, config_file),
		.help = "read the configuration from a JSON file",
		.man = "Its keys are the names of the options. "
		       "An option of the command line replaces the value of "
		       "the file, for a structured option all of it and for "
		       "a list the whole list.",
	},
	{
		.name = "print-config",
		.section = CONFIG,
		.type = OPTION_FLAG,
		.flags = OPTION_NOT_IN_JSON,
		OPTION_FIELD(struct vm_config, print_config),
		.help = "print the configuration as JSON and exit",
		.man = "--config accepts the output.",
	},
	{
		.name = "verbose",
		.section = CONFIG,
		.type = OPTION_FLAG,
		OPTION_FIELD(struct vm_config, verbose),
		.help = "say more on standard error",
	},
	{
		.name = "help",
		.section = CONFIG,
		.type = OPTION_FLAG,
		.flags = OPTION_NOT_IN_JSON,
		OPTION_FIELD(struct vm_config, help),
		.help = "print this help and exit",
	},
};

const struct option_table config_options = {
	.options = run_options,
	.count = ARRAY_SIZE(run_options),
};
