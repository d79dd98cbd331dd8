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
	{ "multiboot", BOOT_PROTOCOL_MULTIBOOT },
	{ "multiboot2", BOOT_PROTOCOL_MULTIBOOT2 },
	{ NULL, 0 },
};

static const struct option_value flat_mode_values[] = {
	{ "16", BOOT_MODE_REAL },
	{ "32", BOOT_MODE_PROTECTED },
	{ "64", BOOT_MODE_LONG },
	{ NULL, 0 },
};

static const struct option_value wish_values[] = {
	{ "auto", DEVICE_AUTO },
	{ "on", DEVICE_ON },
	{ "off", DEVICE_OFF },
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

static const struct option_value tests_values[] = {
	{ "auto", TESTS_AUTO },
	{ "on", TESTS_ON },
	{ "off", TESTS_OFF },
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

static const struct option flat_options[] = {
	{
		.name = "image",
		.type = OPTION_PATH,
		.flags = OPTION_POSITIONAL | OPTION_REQUIRED,
		OPTION_FIELD(struct vm_config, flat),
		.metavar = "FILE[@ADDR]",
		.tag = -1,
		.help = "the binary and where it goes: 0x7c00 without an address for 16 bits, else 0x100000",
	},
	{
		.name = "mode",
		.type = OPTION_ENUM,
		OPTION_FIELD(struct vm_config, flat_mode),
		.values = flat_mode_values,
		.default_text = "16",
		.tag = -1,
		.help = "real mode, flat protected mode, or long mode with the first 4 GiB mapped onto themselves",
	},
};

static const struct option_group flat_group = {
	.options = flat_options,
	.count = ARRAY_SIZE(flat_options),
};

static const struct option debugcon_choices[] = {
	{
		.name = "console",
		.type = OPTION_TAG,
		.tag = DEBUGCON_CONSOLE,
		.help = "to the console, between what the serial port says",
	},
	{
		.name = "file",
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, debugcon_path),
		.tag = DEBUGCON_FILE,
		.help = "write to a file",
	},
	{
		.name = "off",
		.type = OPTION_TAG,
		.tag = DEBUGCON_OFF,
		.help = "leave the port out",
	},
};

static const struct option_group debugcon_group = {
	.options = debugcon_choices,
	.count = ARRAY_SIZE(debugcon_choices),
	.has_choice = true,
	.tag_offset = offsetof(struct vm_config, debugcon),
};

static const struct option gdb_options[] = {
	{
		.name = "address",
		.type = OPTION_STRING,
		.flags = OPTION_POSITIONAL | OPTION_REQUIRED,
		OPTION_FIELD(struct vm_config, gdb),
		.metavar = "unix:PATH|tcp:127.0.0.1:PORT",
		.tag = -1,
		.help = "where gdb connects to; only this host can",
	},
	{
		.name = "wait",
		.type = OPTION_BOOL,
		OPTION_FIELD(struct vm_config, gdb_wait),
		.default_text = "off",
		.tag = -1,
		.help = "the guest starts when gdb says so",
	},
};

static const struct option_group gdb_group = {
	.options = gdb_options,
	.count = ARRAY_SIZE(gdb_options),
};

#define GUEST	"Guest"
#define MACHINE "Machine"
#define DEVICES "Devices"
#define RUN	"Terminal and end"
#define VERDICT "Verdict"
#define LOOK	"Look inside"
#define CONFIG	"Configuration and output"

static const struct option run_options[] = {
	{
		.name = "kernel",
		.section = GUEST,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, kernel),
		.help = "kernel to boot: Linux bzImage, ELF, PVH, multiboot 1 or 2, or a unified kernel image",
		.man = "The format is recognised by content, see --boot. "
		       "The payload of a bzImage is decompressed on the host. "
		       "A unified kernel image (a PE file with the sections of "
		       "systemd-stub) needs no EFI: its kernel, initrd and "
		       "command line are taken out of it, and --initrd and "
		       "--cmdline replace the latter two.",
	},
	{
		.name = "flat",
		.section = GUEST,
		.type = OPTION_GROUP,
		.group = &flat_group,
		.help = "binary to enter at its first byte, instead of a kernel",
		.man = "In real mode CS:IP is the address with CS a multiple "
		       "of 0x1000, SP is 0x7c00 and the rest 0. In the other "
		       "modes rsi (esi) is the address of Linux' boot_params "
		       "with the memory map, rdx that of the command line, and "
		       "there is a stack. A number behind the last @ of the "
		       "name is the address.",
	},
	{
		.name = "initrd",
		.section = GUEST,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, initrd),
		.help = "initial RAM disk, handed to the kernel as it is",
		.man = "A multiboot kernel gets it as its first module.",
	},
	{
		.name = "module",
		.section = GUEST,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, modules[0]),
		.list_max = CONFIG_MAX_MODULES,
		.list_stride = sizeof(char *),
		.list_count_offset = offsetof(struct vm_config, module_count),
		.metavar = "'FILE[ WORDS]'",
		.help = "boot module of a multiboot kernel, once for each",
		.man = "The kernel is told where the file lies and the whole "
		       "text, the name first, as other loaders do.",
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
		       "An empty string hands over an empty command line. "
		       "In front of it a multiboot kernel finds the kernel's "
		       "path, as other loaders have it.",
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
		       "entry of an ELF file; pvh its PHYS32_ENTRY note; "
		       "multiboot and multiboot2 ask for the header of that "
		       "version. "
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
		       "PIT of a PC, all in KVM. auto is split with ACPI, "
		       "and full without and for multiboot kernels and flat "
		       "binaries. There is never an HPET.",
	},
	{
		.name = "fw-cfg",
		.section = MACHINE,
		.type = OPTION_ENUM,
		OPTION_FIELD(struct vm_config, fw_cfg),
		.values = wish_values,
		.default_text = "auto",
		.help = "QEMU's firmware configuration device at port 0x510",
		.man = "It tells the number of CPUs, the memory and its map, "
		       "the kernel, initrd and command line and the ACPI "
		       "tables, by ports or DMA. auto is on for multiboot "
		       "kernels and flat binaries and off for others.",
	},
	{
		.name = "pm-timer",
		.section = MACHINE,
		.type = OPTION_ENUM,
		OPTION_FIELD(struct vm_config, pm_timer),
		.values = wish_values,
		.default_text = "auto",
		.help = "ACPI's power management timer at port 0x608",
		.man = "The FADT says where. auto is on for multiboot kernels "
		       "and flat binaries; others have better clocks.",
	},
	{
		.name = "rtc",
		.section = MACHINE,
		.type = OPTION_STRING,
		OPTION_FIELD(struct vm_config, rtc),
		.metavar = "host|fixed=YYYY-MM-DDTHH:MM:SS",
		.default_text = "host",
		.help = "what the CMOS clock shows: the host's time, or always the same (UTC)",
		.man = "A Linux that finds kvmclock takes the host's time from "
		       "there all the same.",
	},
	{
		.name = "seed",
		.section = MACHINE,
		.type = OPTION_STRING,
		OPTION_FIELD(struct vm_config, seed),
		.metavar = "N",
		.help = "make what is random follow from this number, for runs that repeat",
		.man = "The entropy device's bytes, the seed that Linux is "
		       "started with, and addresses of network cards that "
		       "nobody gave. Not what the processor's own generator "
		       "gives; see --cpu host,-rdrand,-rdseed. No secret of "
		       "such a guest is one.",
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
		.default_text = "64",
		.help = "how long an I/O thread may look for work before it sleeps",
		.man = "It does so only while that pays, and only where the "
		       "host has a CPU for every virtual CPU and I/O thread. "
		       "It trades the host's time for shorter waits; 0 makes "
		       "every thread sleep at once.",
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
		.name = "share",
		.section = DEVICES,
		.type = OPTION_GROUP,
		.group = &share_group,
		OPTION_FIELD(struct vm_config, shares),
		.list_max = CONFIG_MAX_SHARES,
		.list_stride = sizeof(struct share_config),
		.list_count_offset = offsetof(struct vm_config, share_count),
		.help = "folder of the host for the guest, once for each: mount -t virtiofs NAME /mnt",
		.man = "Nothing outside of the folder is reached: links are "
		       "the guest's to follow, within the guest. What is "
		       "created belongs to the guest's user where hull has "
		       "CAP_SETUID and CAP_SETGID, else to the user that runs "
		       "hull. A guest whose hull runs as root has root's "
		       "rights inside the folder, set-user-ID files included: "
		       "have it on a file system that is mounted nosuid,nodev. "
		       "Of extended attributes there are those of users "
		       "(user.*); locks are the guest's own. Each file that "
		       "the guest knows takes a file descriptor, up to the "
		       "hard limit (ulimit -Hn), which root raises by itself.",
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
		       "isa-debug-exit does: always odd, so that no guest can "
		       "be taken for a message of hull's own, and 1 for a 0. "
		       "value exits with the value itself, up to 255; off "
		       "leaves the port out.",
	},
	{
		.name = "debugcon",
		.section = RUN,
		.type = OPTION_GROUP,
		.group = &debugcon_group,
		.default_text = "console",
		.help = "where bytes that the guest writes to port 0xe9 go",
		.man = "Reading the port gives 0xe9, which says that it is "
		       "there.",
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
		.name = "expect",
		.section = VERDICT,
		.type = OPTION_STRING,
		OPTION_FIELD(struct vm_config, expect),
		.metavar = "REGEX",
		.help = "end with success when a line of the console matches",
		.man = "A POSIX extended regular expression, see regex(7). "
		       "A line without end, such as a prompt, counts when "
		       "nothing was added to it for a while. "
		       "A guest that ends before has failed.",
	},
	{
		.name = "fail-on",
		.section = VERDICT,
		.type = OPTION_STRING,
		OPTION_FIELD(struct vm_config, fail_on[0]),
		.list_max = CONFIG_MAX_FAIL_ON,
		.list_stride = sizeof(char *),
		.list_count_offset = offsetof(struct vm_config, fail_on_count),
		.metavar = "REGEX|linux|none",
		.help = "end with failure when a line of the console matches",
		.man = "What follows within half a second of silence is still "
		       "taken. "
		       "linux stands for what Linux prints when it fails: "
		       "panic, Oops, BUG, lockups, stalls, hung tasks, reports "
		       "of KASAN and its kin and of lockdep. "
		       "It also holds when any option of this section asks "
		       "for a judgement, unless none is given.",
	},
	{
		.name = "tests",
		.section = VERDICT,
		.type = OPTION_ENUM,
		OPTION_FIELD(struct vm_config, tests),
		.values = tests_values,
		.default_text = "auto",
		.help = "read test results (TAP, KTAP, kselftest) from the console",
		.man = "A test that failed, or is planned and gave no result, "
		       "makes a run fail that ended well. auto reads them for "
		       "--result and --junit; with on, at least one must have "
		       "passed.",
	},
	{
		.name = "pass-status",
		.section = VERDICT,
		.type = OPTION_UINT,
		OPTION_FIELD(struct vm_config, pass_status),
		.help = "exit status that counts as success, and becomes 0",
		.man = "For a guest that is to panic, or reports success by "
		       "another value than 0. A guest that ends with 0 instead "
		       "has failed, unless by --expect.",
	},
	{
		.name = "name",
		.section = VERDICT,
		.type = OPTION_STRING,
		OPTION_FIELD(struct vm_config, name),
		.metavar = "NAME",
		.help = "what the run is called in its reports",
		.man = "The kernel's file name if not given.",
	},
	{
		.name = "result",
		.section = VERDICT,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, result),
		.help = "write how the run ended to FILE as JSON",
		.man = "On every way out. docs/ci.md describes the format.",
	},
	{
		.name = "junit",
		.section = VERDICT,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, junit),
		.help = "write how the run and its tests ended to FILE as JUnit XML",
	},
	{
		.name = "console-log",
		.section = VERDICT,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, console_log),
		.help = "write the lines of the console to FILE, with times",
		.man = "Each as soon as it is whole, without control "
		       "characters. With --result or --junit there is one "
		       "without asking, FILE.console.log beside the report.",
	},
	{
		.name = "gdb",
		.section = LOOK,
		.type = OPTION_GROUP,
		.group = &gdb_group,
		.help = "let gdb connect: target remote :PORT, or the path",
		.man = "The guest stops when gdb connects and goes on when it "
		       "leaves. Every virtual CPU is a thread. "
		       "docs/debugging.md has examples.",
	},
	{
		.name = "dump",
		.section = LOOK,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, dump),
		.help = "write memory and registers to FILE when the run fails",
		.man = "An ELF core file for gdb, crash and makedumpfile, with "
		       "holes for what is zero, renamed into place when it is "
		       "whole. --dump-on says when.",
	},
	{
		.name = "dump-on",
		.section = LOOK,
		.type = OPTION_STRING,
		OPTION_FIELD(struct vm_config, dump_on),
		.metavar = "REASON[,REASON]...",
		.default_text = "panic,timeout,fail-on,triple-fault,kvm",
		.help = "for which ends --dump writes; all: for each",
		.man = "The names are those of the exit statuses, and guest "
		       "for a guest's own.",
	},
	{
		.name = "trace",
		.section = LOOK,
		.type = OPTION_STRING,
		OPTION_FIELD(struct vm_config, trace),
		.metavar = "exits|io|mmio|irq[,...]",
		.help = "write exits of virtual CPUs and interrupts to --trace-file",
		.man = "A line each. exits is all exits. Accesses that KVM "
		       "serves itself, such as kicks of virtio devices, are "
		       "none. irq is the interrupts that devices raise, and "
		       "of the exits the ends of level-triggered ones.",
	},
	{
		.name = "trace-file",
		.section = LOOK,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, trace_file),
		.default_text = "hull.trace",
		.help = "where --trace writes",
	},
	{
		.name = "vmlinux",
		.section = LOOK,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, vmlinux),
		.help = "name the addresses of traces and time-outs by this ELF file's symbols",
		.man = "Without it, by the kernel's own when that is an ELF "
		       "file with symbols.",
	},
	{
		.name = "record-console",
		.section = LOOK,
		.type = OPTION_PATH,
		OPTION_FIELD(struct vm_config, record_console),
		.help = "record the console with its times to FILE, as an asciicast",
		.man = "Version 2 of the format of asciinema, which plays it. "
		       "It can be played while it is written and when hull "
		       "was killed.",
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
		.name = "quiet",
		.section = CONFIG,
		.type = OPTION_FLAG,
		OPTION_FIELD(struct vm_config, quiet),
		.help = "do not say that the guest ended by itself",
		.man = "Neither that it powered off, nor that it wrote to the "
		       "debug-exit port: the exit status tells. All else is "
		       "said.",
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
