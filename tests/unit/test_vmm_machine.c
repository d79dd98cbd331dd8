/*
 * The machine as a whole: what it says of itself, half-built ones, and, where
 * there is a KVM, guests of a few instructions that end it in each way.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/quick_check.h"
#include "tests/unit/real_kvm.h"
#include "vmm/exit_status.h"
#include "vmm/machine.h"

static struct vm_config config;
static struct machine *machine;
static struct err err;
static char directory[32]; /* of this test alone */
static char kernel_path[48];
static char console_path[48];

static void set_up(void)
{
	memcpy(directory, "/tmp/hull-machine-XXXXXX", 25);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_gt(snprintf(kernel_path, sizeof(kernel_path), "%s/kernel",
				  directory),
			 0);
	ck_assert_int_gt(snprintf(console_path, sizeof(console_path),
				  "%s/console", directory),
			 0);
	machine = calloc(1, sizeof(*machine));
	ck_assert_ptr_nonnull(machine);
	config_init(&config);
	config.memory_bytes = 32 * MIB;
	config.console = CONSOLE_FILE;
	config.console_path = strdup(console_path);
	config.kernel = strdup(kernel_path);
	err = (struct err){ 0 };
}

static void tear_down(void)
{
	free(machine);
	config_release(&config);
	unlink(kernel_path);
	unlink(console_path);
	rmdir(directory);
}

/* --- What the guest is told --- */

static const struct platform_device *device_of(const struct platform *platform,
					       enum platform_device_kind kind)
{
	const struct platform_device *found = NULL;

	for (unsigned int i = 0; i < platform->device_count; i++) {
		if (platform->devices[i].kind != kind)
			continue;
		ck_assert_ptr_null(found);
		found = &platform->devices[i];
	}
	return found;
}

START_TEST(test_description)
{
	static const struct platform_device expected[] = {
		{ PLATFORM_SERIAL, true, 0x3f8, 8, 4, false },
		{ PLATFORM_RTC, true, 0x70, 2, -1, false },
		{ PLATFORM_POWER, true, 0x600, 4, 9, false },
		{ PLATFORM_PVPANIC, true, 0x505, 1, -1, false },
		{ PLATFORM_DEBUG_EXIT, true, 0xf4, 4, -1, false },
		{ PLATFORM_PCI_HOST, false, 0xe0000000, 0x100000, -1, false },
	};
	struct platform platform;
	struct gmem gmem;

	config.cpus = 3;
	ck_assert_int_eq(gmem_init(&gmem, 32 * MIB, 0, &err), 0);
	machine_describe(&config, &gmem, &platform);
	ck_assert_uint_eq(platform.cpu_count, 3);
	ck_assert_ptr_eq(platform.gmem, &gmem);
	ck_assert_uint_eq(platform.device_count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const struct platform_device *device =
			device_of(&platform, expected[i].kind);

		ck_assert_ptr_nonnull(device);
		ck_assert(device->is_port == expected[i].is_port);
		ck_assert_uint_eq(device->base, expected[i].base);
		ck_assert_uint_eq(device->size, expected[i].size);
		ck_assert_int_eq(device->gsi, expected[i].gsi);
		ck_assert(device->level_triggered ==
			  expected[i].level_triggered);
	}
	gmem_release(&gmem);
}
END_TEST

START_TEST(test_description_without_debug_exit)
{
	struct platform platform;
	struct gmem gmem;

	config.debug_exit = DEBUG_EXIT_OFF;
	ck_assert_int_eq(gmem_init(&gmem, 32 * MIB, 0, &err), 0);
	machine_describe(&config, &gmem, &platform);
	ck_assert_ptr_null(device_of(&platform, PLATFORM_DEBUG_EXIT));
	ck_assert_ptr_nonnull(device_of(&platform, PLATFORM_SERIAL));
	gmem_release(&gmem);
}
END_TEST

/* --- Half-built --- */

static unsigned int open_files(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void expect_build_failure(int status, const char *part)
{
	unsigned int before = open_files();

	ck_assert_int_lt(machine_build(machine, &config, &err), 0);
	ck_assert_int_eq(machine->failure_status, status);
	ck_assert_msg(strstr(err.msg, part), "%s", err.msg);
	machine_release(machine);
	ck_assert_uint_eq(open_files(), before);
}

START_TEST(test_no_kernel)
{
	expect_build_failure(EXIT_CONFIG, kernel_path);
}
END_TEST

START_TEST(test_more_memory_than_addresses)
{
	config.memory_bytes = (uint64_t)1 << 50;
	expect_build_failure(EXIT_HOST, "memory");
}
END_TEST

/* --- Guests --- */

#define GUEST_ENTRY 0x200000
#define CODE_AT	    0x1000

struct port_write {
	uint16_t port;
	uint8_t value;
};

/* An ELF file, entered in long mode, that runs @code. */
static void write_kernel(const uint8_t *code, size_t len)
{
	const Elf64_Ehdr ehdr = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = 1,
		.e_entry = GUEST_ENTRY,
		.e_phoff = sizeof(ehdr),
		.e_ehsize = sizeof(ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
	};
	const Elf64_Phdr phdr = {
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_offset = CODE_AT,
		.p_vaddr = GUEST_ENTRY,
		.p_paddr = GUEST_ENTRY,
		.p_filesz = len,
		.p_memsz = len,
	};
	autoclose int fd = open(kernel_path,
				O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_eq(pwrite(fd, &ehdr, sizeof(ehdr), 0), sizeof(ehdr));
	ck_assert_int_eq(pwrite(fd, &phdr, sizeof(phdr), sizeof(ehdr)),
			 sizeof(phdr));
	ck_assert_int_eq(pwrite(fd, code, len, CODE_AT), (ssize_t)len);
}

static void stop_loop(struct loop_timer *timer)
{
	loop_stop(timer->opaque);
}

/* Runs what write_kernel wrote, and returns how it ended. */
static int run_guest(void)
{
	struct loop_timer limit = { .due_ms = loop_now_ms() + 20000 };
	int status;

	ck_assert_msg(machine_build(machine, &config, &err) == 0, "%s",
		      err.msg);
	limit.opaque = &machine->loop;
	limit.expired = stop_loop;
	ck_assert_int_eq(loop_add_timer(&machine->loop, &limit, &err), 0);
	ck_assert_msg(machine_start(machine, &err) == 0, "%s", err.msg);
	loop_run(&machine->loop);
	machine_stop(machine);
	ck_assert_msg(machine->verdict.taken, "the guest did not end");
	status = machine->verdict.status;
	machine_release(machine);
	return status;
}

/* A guest that writes to ports, one after the other, and halts. */
static int run_writes(const struct port_write *writes, size_t count)
{
	static const uint8_t halt[] = { 0xfa, 0xf4, 0xeb, 0xfc };
	uint8_t code[256];
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		const uint8_t instructions[] = {
			0x66,
			0xba, /* mov dx, port */
			(uint8_t)writes[i].port,
			(uint8_t)(writes[i].port >> 8),
			0xb0,
			writes[i].value, /* mov al, value */
			0xee, /* out dx, al */
		};

		ck_assert_uint_lt(len + sizeof(instructions) + sizeof(halt),
				  sizeof(code));
		memcpy(code + len, instructions, sizeof(instructions));
		len += sizeof(instructions);
	}
	memcpy(code + len, halt, sizeof(halt));
	write_kernel(code, len + sizeof(halt));
	return run_guest();
}

#define POWER_OFF           \
	{                   \
		0x600, 0x34 \
	}
#define CRASH            \
	{                \
		0x505, 2 \
	} /* a crash kernel takes over */
#define DEBUG_EXIT       \
	{                \
		0xf4, 21 \
	}

START_TEST(test_guest_ends)
{
	static const struct {
		struct port_write writes[2];
		int status;
		const char *sentence;
	} cases[] = {
		{ { POWER_OFF }, EXIT_POWEROFF, "the guest powered off" },
		{ { { 0x602, 1 } }, EXIT_REBOOT, "the guest asked for a reset" },
		{ { { 0x64, 0xfe } },
		  EXIT_REBOOT,
		  "the guest asked for a reset" },
		{ { { 0x505, 1 } }, EXIT_PANIC, "the guest panicked" },
		{ { CRASH, POWER_OFF }, EXIT_POWEROFF, "the guest powered off" },
		{ { DEBUG_EXIT }, 43, "the guest ended with value 21" },
		/* The first one counts. */
		{ { { 0x505, 1 }, POWER_OFF },
		  EXIT_PANIC,
		  "the guest panicked" },
	};

	ck_assert_int_eq(run_writes(cases[_i].writes,
				    cases[_i].writes[1].port ? 2 : 1),
			 cases[_i].status);
	ck_assert_str_eq(machine->verdict.sentence, cases[_i].sentence);
}
END_TEST

START_TEST(test_debug_exit_value)
{
	static const struct port_write writes[] = { DEBUG_EXIT };

	config.debug_exit = DEBUG_EXIT_VALUE;
	ck_assert_int_eq(run_writes(writes, 1), 21);
}
END_TEST

START_TEST(test_debug_exit_off)
{
	static const struct port_write writes[] = { DEBUG_EXIT, POWER_OFF };

	config.debug_exit = DEBUG_EXIT_OFF;
	ck_assert_int_eq(run_writes(writes, 2), EXIT_POWEROFF);
}
END_TEST

START_TEST(test_console)
{
	static const struct port_write writes[] = { { 0x3f8, 'h' },
						    { 0x3f8, 'i' },
						    POWER_OFF };
	char got[8] = "";
	autoclose int fd = -1;

	ck_assert_int_eq(run_writes(writes, 3), EXIT_POWEROFF);
	fd = open(console_path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(read(fd, got, sizeof(got)), 2);
	ck_assert_str_eq(got, "hi");
}
END_TEST

START_TEST(test_full_irqchip_and_cpus)
{
	static const struct port_write writes[] = { POWER_OFF };

	config.irqchip = IRQCHIP_FULL;
	config.cpus = 4;
	ck_assert_int_eq(run_writes(writes, 1), EXIT_POWEROFF);
	ck_assert_uint_eq(machine->vcpu_count, 0); /* released */
}
END_TEST

START_TEST(test_triple_fault)
{
	static const uint8_t code[] = { 0x0f, 0x0b }; /* ud2, no table for it */

	write_kernel(code, sizeof(code));
	ck_assert_int_eq(run_guest(), EXIT_TRIPLE_FAULT);
	ck_assert_str_eq(machine->verdict.sentence, "vCPU 0: triple fault");
	ck_assert_msg(strstr(machine->verdict.detail, "rip 0000000000200000"),
		      "%s", machine->verdict.detail);
	ck_assert_msg(strstr(machine->verdict.detail,
			     "instruction bytes at rip: 0f 0b"),
		      "%s", machine->verdict.detail);
}
END_TEST

START_TEST(test_nothing_stays_open)
{
	static const struct port_write writes[] = { POWER_OFF };
	unsigned int before;

	ck_assert_int_eq(run_writes(writes, 1), EXIT_POWEROFF);
	before = open_files();
	ck_assert_int_eq(run_writes(writes, 1), EXIT_POWEROFF);
	ck_assert_uint_eq(open_files(), before);
}
END_TEST

START_TEST(test_console_that_cannot_be_opened)
{
	static const uint8_t code[] = { 0xf4 };

	write_kernel(code, sizeof(code));
	free(config.console_path);
	config.console_path = strdup("/nowhere/console");
	expect_build_failure(EXIT_CONFIG, "/nowhere/console");
}
END_TEST

START_TEST(test_cpu_model_that_kvm_lacks)
{
	static const uint8_t code[] = { 0xf4 };

	write_kernel(code, sizeof(code));
	free(config.cpu);
	config.cpu = strdup("host,+ia64");
	expect_build_failure(EXIT_CONFIG, "ia64");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/machine");
	TCase *tcase = tcase_create("machine");
	TCase *real = tcase_create("real");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_checked_fixture(real, set_up, tear_down);
	tcase_set_timeout(tcase, 30);
	tcase_set_timeout(real, 30);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, real);
	tcase_add_test(tcase, test_description);
	tcase_add_test(tcase, test_description_without_debug_exit);
	tcase_add_test(tcase, test_no_kernel);
	tcase_add_test(tcase, test_more_memory_than_addresses);
	tcase_add_test(tcase, test_console_that_cannot_be_opened);
	if (has_real_kvm("vmm/machine/guests")) {
		tcase_add_loop_test(real, test_guest_ends, 0, 7);
		tcase_add_test(real, test_debug_exit_value);
		tcase_add_test(real, test_debug_exit_off);
		tcase_add_test(real, test_console);
		tcase_add_test(real, test_full_irqchip_and_cpus);
		tcase_add_test(real, test_triple_fault);
		tcase_add_test(real, test_nothing_stays_open);
		tcase_add_test(real, test_cpu_model_that_kvm_lacks);
	}
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
