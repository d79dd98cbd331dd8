/* The flattened device tree: nodes, room, and what dtc says of it. */
#include <errno.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "boot/fdt.h"
#include "boot/load.h"
#include "tests/unit/boot_sample.h"
#include "tests/unit/quick_check.h"

/* Holds every platform with a command line of a few KiB. */
#define TREE_SIZE 0x10000

static struct sample sample;
static struct fdt_chosen chosen;
static struct err err;
static uint8_t tree[TREE_SIZE];

static void set_up(void)
{
	memset(&err, 0, sizeof(err));
	memset(&chosen, 0, sizeof(chosen));
	memset(tree, 0xa5, sizeof(tree));
	sample_init(&sample, 1, 256 * MIB);
}

static void build(void)
{
	int rc = fdt_build(tree, sizeof(tree), &sample.platform, &chosen, &err);

	ck_assert_msg(rc == 0, "%s", err.msg);
	ck_assert_int_eq(fdt_check_full(tree, sizeof(tree)), 0);
}

static int node(const char *path)
{
	int at = fdt_path_offset(tree, path);

	ck_assert_msg(at >= 0, "no %s", path);
	return at;
}

/* The cells of a property, of which there must be @count. */
static void cells(const char *path, const char *name, uint32_t *to, int count)
{
	int len;
	const fdt32_t *from = fdt_getprop(tree, node(path), name, &len);

	ck_assert_msg(from != NULL, "no %s in %s", name, path);
	ck_assert_msg(len == count * 4, "%s of %s has %d bytes", name, path,
		      len);
	for (int i = 0; i < count; i++)
		to[i] = fdt32_ld(from + i);
}

#define CHECK_CELLS(path, name, ...)                                  \
	do {                                                          \
		const uint32_t wanted[] = { __VA_ARGS__ };            \
		uint32_t got[ARRAY_SIZE(wanted)];                     \
                                                                      \
		cells(path, name, got, (int)ARRAY_SIZE(wanted));      \
		for (size_t cell = 0; cell < ARRAY_SIZE(got); cell++) \
			ck_assert_uint_eq(got[cell], wanted[cell]);   \
	} while (0)

static void check_string(const char *path, const char *name, const char *wanted)
{
	const char *text = fdt_getprop(tree, node(path), name, NULL);

	ck_assert_msg(text != NULL, "no %s in %s", name, path);
	ck_assert_str_eq(text, wanted);
}

START_TEST(test_root)
{
	build();
	check_string("/", "model", "hull");
	check_string("/", "compatible", "hull,pc");
	CHECK_CELLS("/", "#address-cells", 2);
	CHECK_CELLS("/", "#size-cells", 2);
	CHECK_CELLS("/", "interrupt-parent",
		    fdt_get_phandle(tree,
				    node("/interrupt-controller@fec00000")));
	CHECK_CELLS("/interrupt-controller@fec00000", "#interrupt-cells", 2);
	check_string("/interrupt-controller@fec00000", "compatible",
		     "intel,ce4100-ioapic");
	check_string("/interrupt-controller@fee00000", "compatible",
		     "intel,ce4100-lapic");
	CHECK_CELLS("/interrupt-controller@fee00000", "reg", 0, 0xfee00000, 0,
		    0x1000);
}
END_TEST

static const unsigned int cpu_counts[] = { 1, 8, 255 };

START_TEST(test_cpus)
{
	unsigned int seen = 0;
	int at;

	sample.platform.cpu_count = cpu_counts[_i];
	build();
	fdt_for_each_subnode(at, tree, node("/cpus"))
	{
		const fdt32_t *reg = fdt_getprop(tree, at, "reg", NULL);

		ck_assert_ptr_nonnull(reg);
		ck_assert_uint_eq(fdt32_ld(reg), seen);
		ck_assert_str_eq(fdt_getprop(tree, at, "device_type", NULL),
				 "cpu");
		seen++;
	}
	ck_assert_uint_eq(seen, cpu_counts[_i]);
	ck_assert_ptr_null(
		fdt_getprop(tree, node("/cpus"), "timebase-frequency", NULL));
	sample.platform.tsc_khz = 3000000;
	build();
	CHECK_CELLS("/cpus", "timebase-frequency", 0, 3000000000);
}
END_TEST

START_TEST(test_memory)
{
	build();
	check_string("/memory@0", "device_type", "memory");
	CHECK_CELLS("/memory@0", "reg", 0, 0, 0, 0x10000000);
	ck_assert_int_lt(fdt_path_offset(tree, "/memory@100000000"), 0);
	sample_init(&sample, 1, 5 * GIB);
	build();
	CHECK_CELLS("/memory@0", "reg", 0, 0, 0, 0xc0000000);
	CHECK_CELLS("/memory@100000000", "reg", 1, 0, 0, 0x80000000);
}
END_TEST

START_TEST(test_reserved)
{
	uint64_t start, size;

	build();
	ck_assert_int_eq(fdt_num_mem_rsv(tree), 1);
	ck_assert_int_eq(fdt_get_mem_rsv(tree, 0, &start, &size), 0);
	ck_assert_uint_eq(start, PLATFORM_EBDA_START);
	ck_assert_uint_eq(start + size, PLATFORM_BIOS_END);
}
END_TEST

START_TEST(test_chosen)
{
	build();
	ck_assert_ptr_null(
		fdt_getprop(tree, node("/chosen"), "bootargs", NULL));
	ck_assert_ptr_null(
		fdt_getprop(tree, node("/chosen"), "linux,initrd-start", NULL));
	check_string("/chosen", "stdout-path", "/isa@i0/serial@i3f8");
	node("/isa@i0/serial@i3f8");
	chosen = (struct fdt_chosen){ .bootargs = "quiet \"x\"",
				      .initrd_start = 0x123456000,
				      .initrd_end = 0x123457001 };
	build();
	check_string("/chosen", "bootargs", "quiet \"x\"");
	CHECK_CELLS("/chosen", "linux,initrd-start", 1, 0x23456000);
	CHECK_CELLS("/chosen", "linux,initrd-end", 1, 0x23457001);
}
END_TEST

START_TEST(test_ports)
{
	build();
	check_string("/isa@i0", "compatible", "isa");
	check_string("/isa@i0/serial@i3f8", "compatible", "ns16550a");
	CHECK_CELLS("/isa@i0/serial@i3f8", "reg", 1, 0x3f8, 8);
	CHECK_CELLS("/isa@i0/serial@i3f8", "interrupts", 4, 3);
	CHECK_CELLS("/isa@i0/serial@i3f8", "clock-frequency", 1843200);
	CHECK_CELLS("/isa@i0/rtc@i70", "reg", 1, 0x70, 2);
	ck_assert_ptr_null(
		fdt_getprop(tree, node("/isa@i0/rtc@i70"), "interrupts", NULL));
	CHECK_CELLS("/isa@i0/power@i600", "interrupts", 9, 3);
	CHECK_CELLS("/isa@i0/pvpanic@i505", "reg", 1, 0x505, 1);
	CHECK_CELLS("/isa@i0/debug-exit@if4", "reg", 1, 0xf4, 4);
}
END_TEST

START_TEST(test_virtio)
{
	sample_add_virtio(&sample, 2);
	build();
	check_string("/virtio_mmio@d0000000", "compatible", "virtio,mmio");
	CHECK_CELLS("/virtio_mmio@d0000000", "reg", 0, 0xd0000000, 0, 0x1000);
	CHECK_CELLS("/virtio_mmio@d0000000", "interrupts", 5, 3); /* edge */
	CHECK_CELLS("/virtio_mmio@d0001000", "interrupts", 6, 1); /* level */
}
END_TEST

START_TEST(test_pci)
{
	const char *path = "/pcie@e0000000";
	uint32_t map[16 * 7];

	ck_assert_int_lt(fdt_path_offset(tree, path), 0);
	sample_add_pci(&sample);
	build();
	check_string(path, "compatible", "pci-host-ecam-generic");
	CHECK_CELLS(path, "reg", 0, 0xe0000000, 0, 0x10000000);
	CHECK_CELLS(path, "bus-range", 0, 255);
	CHECK_CELLS(path, "ranges", 0x02000000, 0, 0xc0000000, 0, 0xc0000000, 0,
		    0x10000000, 0x03000000, 0x80, 0, 0x80, 0, 0x40, 0);
	CHECK_CELLS(path, "interrupt-map-mask", 0x1800, 0, 0, 7);
	cells(path, "interrupt-map", map, (int)ARRAY_SIZE(map));
	for (uint32_t i = 0; i < 16; i++) {
		const uint32_t *entry = map + (size_t)i * 7;

		ck_assert_uint_eq(entry[0], i / 4 << 11);
		ck_assert_uint_eq(entry[3], i % 4 + 1);
		ck_assert_uint_eq(entry[4], 1);
		ck_assert_uint_eq(entry[5], 16 + (i / 4 + i % 4) % 4);
		ck_assert_uint_eq(entry[6], 2);
	}
}
END_TEST

static void fill_platform(void)
{
	sample.platform.cpu_count = PLATFORM_MAX_CPUS;
	sample_add_pci(&sample);
	sample_add_virtio(&sample,
			  PLATFORM_MAX_DEVICES - sample.platform.device_count);
}

/* With a command line as long as Linux takes. */
START_TEST(test_most_fits)
{
	static char line[2048];

	memset(line, 'x', sizeof(line) - 1);
	chosen.bootargs = line;
	fill_platform();
	build();
	check_string("/chosen", "bootargs", line);
}
END_TEST

/* Every size that is too small is refused, and nothing behind it touched. */
START_TEST(test_too_small)
{
	size_t enough = 0;

	for (size_t size = 0; !enough; size++) {
		/* Exactly as long, for the address sanitizer. */
		uint8_t *small = malloc(size ? size : 1);
		int rc;

		ck_assert_ptr_nonnull(small);
		rc = fdt_build(small, size, &sample.platform, &chosen, &err);
		if (rc == 0)
			enough = size;
		else
			ck_assert_int_eq(rc, -ENOSPC);
		free(small);
	}
	build();
	ck_assert_uint_ge(enough, fdt_totalsize(tree));
	ck_assert_ptr_nonnull(strstr(err.msg, "does not fit"));
}
END_TEST

/* --- dtc ------------------------------------------------------------------ */

static void check_dump(const char *folder)
{
	static char said[1 << 18];
	const struct boot_request request = { .cmdline = "quiet" };
	char path[PATH_MAX + 16];
	char *const argv[] = { (char *)"dtc", (char *)"-I",  (char *)"dtb",
			       (char *)"-O",  (char *)"dts", path,
			       NULL };
	int rc;

	snprintf(path, sizeof(path), "%s/dtb", folder);
	ck_assert_int_eq(boot_dump_fdt(path, &request, &sample.platform, &err),
			 0);
	rc = tool_run(argv, said, sizeof(said));
	ck_assert_msg(rc <= 0, "%s", said);
	if (rc < 0)
		return;
	/* Nothing is said before the tree itself begins. */
	ck_assert_msg(strncmp(said, "/dts-v1/;", 9) == 0, "%s", said);
	ck_assert_msg(!strstr(said, "Warning"), "%s", said);
	ck_assert_ptr_nonnull(strstr(said, "bootargs = \"quiet\";"));
}

START_TEST(test_dtc)
{
	static const struct {
		unsigned int cpus;
		uint64_t memory;
		unsigned int virtios;
		bool pci;
	} machines[] = {
		{ 1, 256 * MIB, 0, false }, { 8, 5 * GIB, 0, false },
		{ 1, 5 * GIB, 3, true },    { 8, 256 * MIB, 8, false },
		{ 8, 256 * MIB, 0, true },
	};
	const char *folder = scratch_new();

	for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
		sample_init(&sample, machines[i].cpus, machines[i].memory);
		sample_add_virtio(&sample, machines[i].virtios);
		if (machines[i].pci)
			sample_add_pci(&sample);
		check_dump(folder);
	}
	sample_init(&sample, 1, 256 * MIB);
	fill_platform();
	check_dump(folder);
	scratch_remove(folder);
}
END_TEST

START_TEST(test_dump_errors)
{
	const struct boot_request request = { 0 };

	ck_assert_int_eq(boot_dump_fdt("/proc/no-such/dtb", &request,
				       &sample.platform, &err),
			 -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "/proc/no-such/dtb"));
	ck_assert_int_eq(boot_dump_fdt("/dev/full", &request, &sample.platform,
				       &err),
			 -ENOSPC);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("boot/fdt");
	TCase *tcase = tcase_create("fdt");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_root);
	tcase_add_loop_test(tcase, test_cpus, 0, ARRAY_SIZE(cpu_counts));
	tcase_add_test(tcase, test_memory);
	tcase_add_test(tcase, test_reserved);
	tcase_add_test(tcase, test_chosen);
	tcase_add_test(tcase, test_ports);
	tcase_add_test(tcase, test_virtio);
	tcase_add_test(tcase, test_pci);
	tcase_add_test(tcase, test_most_fits);
	tcase_add_test(tcase, test_too_small);
	tcase_add_test(tcase, test_dtc);
	tcase_add_test(tcase, test_dump_errors);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
