/* The ACPI tables: links, sums, contents, room, and what iasl says of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot/acpi.h"
#include "boot/load.h"
#include "core/bytes.h"
#include "tests/unit/boot_sample.h"
#include "tests/unit/quick_check.h"

#define AREA_SIZE (PLATFORM_BIOS_END - PLATFORM_BIOS_START)
/* Any multiple of 16; not where they really go, to find fixed addresses. */
#define BASE	  0x7fff0000ULL

static struct sample sample;
static struct acpi_layout layout;
static struct err err;
static uint8_t area[AREA_SIZE];

static void set_up(void)
{
	memset(&err, 0, sizeof(err));
	/* What is not written shows. */
	memset(area, 0xa5, sizeof(area));
	sample_init(&sample, 1, 256 * MIB);
}

static void build(void)
{
	int rc = acpi_build(&sample.platform, area, sizeof(area), BASE, &layout,
			    &err);

	ck_assert_msg(rc == 0, "%s", err.msg);
}

static uint8_t sum(const uint8_t *from, size_t len)
{
	uint8_t total = 0;

	for (size_t i = 0; i < len; i++)
		total = (uint8_t)(total + from[i]);
	return total;
}

/* The table at @gpa with its length and checksum proven. */
static const uint8_t *table_at(uint64_t gpa)
{
	const uint8_t *table;

	ck_assert_uint_ge(gpa, BASE);
	ck_assert_uint_lt(gpa, BASE + AREA_SIZE - 36);
	ck_assert_uint_eq(gpa % 4, 0);
	table = area + (gpa - BASE);
	ck_assert_uint_ge(load_le32(table + 4), 36);
	ck_assert_uint_le(load_le32(table + 4), BASE + AREA_SIZE - gpa);
	ck_assert_uint_eq(sum(table, load_le32(table + 4)), 0);
	return table;
}

/* As a guest finds it: RSDP, XSDT, signature. NULL when it is not listed. */
static const uint8_t *find(const char *signature)
{
	const uint8_t *rsdp = area;
	const uint8_t *xsdt;

	ck_assert_mem_eq(rsdp, "RSD PTR ", 8);
	ck_assert_uint_eq(sum(rsdp, 20), 0);
	ck_assert_uint_eq(rsdp[15], 2);
	ck_assert_uint_eq(load_le32(rsdp + 20), 36);
	ck_assert_uint_eq(sum(rsdp, 36), 0);
	xsdt = table_at(load_le64(rsdp + 24));
	ck_assert_mem_eq(xsdt, "XSDT", 4);
	ck_assert_uint_eq((load_le32(xsdt + 4) - 36) % 8, 0);
	for (size_t at = 36; at < load_le32(xsdt + 4); at += 8) {
		const uint8_t *table = table_at(load_le64(xsdt + at));

		if (memcmp(table, signature, 4) == 0)
			return table;
	}
	return NULL;
}

static const uint8_t *find_dsdt(void)
{
	const uint8_t *fadt = find("FACP");
	const uint8_t *dsdt;

	ck_assert_ptr_nonnull(fadt);
	dsdt = table_at(load_le64(fadt + 140));
	ck_assert_mem_eq(dsdt, "DSDT", 4);
	return dsdt;
}

/* --- Tables ------------------------------------------------------------- */

START_TEST(test_links)
{
	build();
	ck_assert_ptr_nonnull(find("FACP"));
	ck_assert_ptr_nonnull(find("APIC"));
	ck_assert_ptr_null(find("MCFG"));
	find_dsdt();
	for (unsigned int i = 0; i < ACPI_TABLE_COUNT; i++)
		ck_assert(i == ACPI_MCFG || layout.tables[i].size != 0);
	ck_assert_uint_eq(layout.tables[ACPI_RSDP].offset, 0);
	ck_assert_uint_eq(layout.tables[ACPI_MCFG].size, 0);
}
END_TEST

static void check_port(const uint8_t *address, uint64_t port)
{
	static const uint8_t byte_of_system_io[] = { 1, 8, 0, 1 };

	ck_assert_mem_eq(address, byte_of_system_io, 4);
	ck_assert_uint_eq(load_le64(address + 4), port);
}

/* The RSDT lists what the XSDT does, in 32 bits. */
START_TEST(test_rsdt)
{
	const uint8_t *rsdt;
	const uint8_t *xsdt;
	size_t count;

	sample_add_pci(&sample);
	build();
	rsdt = table_at(load_le32(area + 16));
	xsdt = table_at(load_le64(area + 24));
	ck_assert_mem_eq(rsdt, "RSDT", 4);
	count = (load_le32(xsdt + 4) - 36) / 8;
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq((load_le32(rsdt + 4) - 36) / 4, count);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(load_le32(rsdt + 36 + i * 4),
				  load_le64(xsdt + 36 + i * 8));
}
END_TEST

START_TEST(test_fadt)
{
	const uint8_t *fadt;
	uint32_t flags;

	build();
	fadt = find("FACP");
	ck_assert_uint_eq(load_le32(fadt + 4), 276);
	ck_assert_uint_eq(fadt[8], 6);
	ck_assert_uint_eq(load_le32(fadt + 40), load_le64(fadt + 140));
	ck_assert_uint_eq(fadt[108], 0x32); /* century */
	/* No 8042, no VGA; a CMOS clock. */
	ck_assert_uint_eq(load_le16(fadt + 109), 1 << 2);
	flags = load_le32(fadt + 112);
	ck_assert(flags & 1U << 20); /* hardware-reduced */
	ck_assert(flags & 1U << 10); /* reset register */
	ck_assert(flags & 1U << 4); /* the power button is a device */
	check_port(fadt + 116, 0x602);
	ck_assert_uint_eq(fadt[128], PLATFORM_RESET_VALUE);
	check_port(fadt + 244, 0x600);
	check_port(fadt + 256, 0x601);
	/* Hardware-reduced: no fixed registers, no FACS. */
	for (size_t at = 148; at < 244; at++)
		ck_assert_uint_eq(fadt[at], 0);
	ck_assert_uint_eq(load_le32(fadt + 36), 0);
	ck_assert_uint_eq(load_le64(fadt + 132), 0);
}
END_TEST

START_TEST(test_fadt_without_power)
{
	const uint8_t *fadt;

	sample.platform.devices[2] = sample.platform.devices[0];
	build();
	fadt = find("FACP");
	ck_assert_uint_eq(load_le32(fadt + 112) & 1U << 10, 0);
	ck_assert_uint_eq(load_le64(fadt + 120), 0);
	ck_assert_uint_eq(load_le64(fadt + 248), 0);
}
END_TEST

START_TEST(test_fadt_pm_timer)
{
	const uint8_t *fadt;

	build();
	ck_assert_uint_eq(load_le32(find("FACP") + 112) & 1U << 8, 0);
	sample_add_port(&sample, PLATFORM_PM_TIMER, 0x608, 4, -1);
	build();
	fadt = find("FACP");
	ck_assert_uint_eq(load_le32(fadt + 76), 0x608);
	ck_assert_uint_eq(fadt[91], 4);
	/* Port I/O of 32 bits, four bytes at once. */
	ck_assert_mem_eq(fadt + 208, "\x01\x20\0\x03\x08\x06\0\0\0\0\0\0", 12);
	ck_assert_uint_ne(load_le32(fadt + 112) & 1U << 8, 0);
	ck_assert_uint_ne(load_le32(fadt + 112) & 1U << 20, 0);
}
END_TEST

static const unsigned int cpu_counts[] = { 1, 4, 255 };

START_TEST(test_madt)
{
	unsigned int cpus = cpu_counts[_i];
	unsigned int seen = 0;
	unsigned int ioapics = 0;
	const uint8_t *madt;
	size_t at = 44;

	sample.platform.cpu_count = cpus;
	build();
	madt = find("APIC");
	ck_assert_uint_eq(load_le32(madt + 36), PLATFORM_LAPIC_BASE);
	ck_assert_uint_eq(load_le32(madt + 40) & 1, 0); /* PCAT_COMPAT */
	while (at < load_le32(madt + 4)) {
		const uint8_t *entry = madt + at;

		ck_assert_uint_gt(entry[1], 0);
		if (entry[0] == 0) {
			ck_assert_uint_eq(entry[1], 8);
			ck_assert_uint_eq(entry[2], seen);
			ck_assert_uint_eq(entry[3], seen);
			ck_assert_uint_eq(load_le32(entry + 4), 1);
			seen++;
		} else {
			ck_assert_uint_eq(entry[0], 1);
			ck_assert_uint_eq(entry[1], 12);
			ck_assert_uint_eq(load_le32(entry + 4),
					  PLATFORM_IOAPIC_BASE);
			ck_assert_uint_eq(load_le32(entry + 8), 0);
			ioapics++;
		}
		at += entry[1];
	}
	ck_assert_uint_eq(at, load_le32(madt + 4));
	ck_assert_uint_eq(seen, cpus);
	ck_assert_uint_eq(ioapics, 1);
}
END_TEST

/* An id of 255 would be the broadcast of an 8-bit entry. */
START_TEST(test_madt_x2apic)
{
	const uint8_t *madt;
	const uint8_t *entry;

	sample.platform.cpu_count = 257;
	build();
	madt = find("APIC");
	entry = madt + 44 + (size_t)255 * 8;
	for (unsigned int id = 255; id < 257; id++, entry += 16) {
		ck_assert_uint_eq(entry[0], 9);
		ck_assert_uint_eq(entry[1], 16);
		ck_assert_uint_eq(load_le32(entry + 4), id);
		ck_assert_uint_eq(load_le32(entry + 8), 1);
		ck_assert_uint_eq(load_le32(entry + 12), id);
	}
}
END_TEST

START_TEST(test_mcfg)
{
	const uint8_t *mcfg;

	sample_add_pci(&sample);
	build();
	mcfg = find("MCFG");
	ck_assert_ptr_nonnull(mcfg);
	ck_assert_uint_eq(load_le32(mcfg + 4), 60);
	ck_assert_uint_eq(load_le64(mcfg + 44), SAMPLE_ECAM_BASE);
	ck_assert_uint_eq(load_le16(mcfg + 52), 0);
	ck_assert_uint_eq(mcfg[54], 0);
	ck_assert_uint_eq(mcfg[55], 255);
}
END_TEST

/* --- Room ---------------------------------------------------------------- */

static void fill_platform(void)
{
	sample.platform.cpu_count = PLATFORM_MAX_CPUS;
	sample_add_pci(&sample);
	sample_add_virtio(&sample,
			  PLATFORM_MAX_DEVICES - sample.platform.device_count);
}

START_TEST(test_most_fits)
{
	const uint8_t *dsdt;

	fill_platform();
	build();
	dsdt = find_dsdt();
	ck_assert_ptr_nonnull(memmem(dsdt, load_le32(dsdt + 4), "CPFE", 4));
	ck_assert_ptr_nonnull(memmem(dsdt, load_le32(dsdt + 4), "VR39", 4));
}
END_TEST

/* Every size that is too small is refused, and nothing behind it touched. */
START_TEST(test_too_small)
{
	uint8_t *small;
	size_t need;
	size_t size;

	sample_add_pci(&sample);
	build();
	need = layout.tables[ACPI_MCFG].offset + layout.tables[ACPI_MCFG].size;
	for (size = 0; size <= need; size++) {
		/* Exactly as long, for the address sanitizer. */
		small = malloc(size ? size : 1);
		ck_assert_ptr_nonnull(small);
		if (size < need) {
			ck_assert_int_eq(acpi_build(&sample.platform, small,
						    size, BASE, &layout, &err),
					 -ENOSPC);
			ck_assert_ptr_nonnull(strstr(err.msg, "1 CPUs"));
		} else {
			ck_assert_int_eq(acpi_build(&sample.platform, small,
						    size, BASE, &layout, &err),
					 0);
		}
		free(small);
	}
}
END_TEST

START_TEST(test_bad_platforms)
{
	struct platform_device *device = &sample.platform.devices[0];

	device->base = 0xfff9; /* the eighth port would be 0x10000 */
	ck_assert_int_eq(acpi_build(&sample.platform, area, sizeof(area), BASE,
				    &layout, &err),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "0xfff9"));
	device->base = 0xfff8;
	build();
	sample_add_pci(&sample);
	device = &sample.platform.devices[sample.platform.device_count - 1];
	device->size = 257 * MIB;
	ck_assert_int_eq(acpi_build(&sample.platform, area, sizeof(area), BASE,
				    &layout, &err),
			 -EINVAL);
}
END_TEST

START_TEST(test_guest_memory)
{
	struct gmem gmem;
	gpa_t rsdp = 0;
	uint64_t bytes = 0;
	uint64_t end = 0;
	const uint8_t *at;

	ck_assert_int_eq(gmem_init(&gmem, 4 * MIB, 0, &err), 0);
	ck_assert_int_eq(
		acpi_write(&sample.platform, &gmem, &rsdp, &bytes, &err), 0);
	ck_assert_uint_eq(rsdp, PLATFORM_BIOS_START);
	ck_assert_int_eq(acpi_build(&sample.platform, area, sizeof(area),
				    PLATFORM_BIOS_START, &layout, &err),
			 0);
	for (size_t i = 0; i < ACPI_TABLE_COUNT; i++)
		end = max_u64(end,
			      layout.tables[i].offset + layout.tables[i].size);
	ck_assert_uint_eq(bytes, end);
	ck_assert_mem_eq(gmem_ptr(&gmem, rsdp, bytes), area, bytes);
	at = gmem_ptr(&gmem, rsdp, 36);
	ck_assert_mem_eq(at, "RSD PTR ", 8);
	at = gmem_ptr(&gmem, load_le64(at + 24), 36);
	ck_assert_ptr_nonnull(at);
	ck_assert_mem_eq(at, "XSDT", 4);
	gmem_release(&gmem);

	ck_assert_int_eq(gmem_init(&gmem, MIB - 4096, 0, &err), 0);
	ck_assert_int_eq(acpi_write(&sample.platform, &gmem, &rsdp, &bytes,
				    &err),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "1 MiB"));
	gmem_release(&gmem);
}
END_TEST

/* --- AML ----------------------------------------------------------------- */

/* The value of a PkgLength and, in @ret_bytes, how many bytes it took. */
static size_t package_length(const uint8_t *from, size_t *ret_bytes)
{
	unsigned int more = from[0] >> 6;
	size_t len = from[0] & (more ? 0x0f : 0x3f);

	for (unsigned int i = 0; i < more; i++)
		len |= (size_t)from[1 + i] << (4 + 8 * i);
	*ret_bytes = 1 + more;
	return len;
}

/* Around each length where the encoding gets longer. */
START_TEST(test_lengths)
{
	static const size_t edges[] = { 0, 60, 4090, 70000 };
	struct aml aml = { .buffer = area, .size = sizeof(area) };
	size_t bytes;

	for (size_t i = 0; i < ARRAY_SIZE(edges); i++) {
		for (size_t len = edges[i]; len < edges[i] + 8; len++) {
			size_t start;

			aml.len = 0;
			start = aml_if(&aml);
			for (size_t j = 0; j < len; j++)
				aml_byte(&aml, (uint8_t)j);
			aml_block_end(&aml, start);
			ck_assert(!aml.overflow);
			ck_assert_uint_eq(package_length(area + 1, &bytes),
					  aml.len - 1);
			ck_assert_uint_eq(aml.len, 1 + bytes + len);
			ck_assert(bytes == 1 || len + bytes > 0x3f);
			ck_assert(bytes <= 2 || len + bytes > 0xfff);
			for (size_t j = 0; j < len; j++)
				ck_assert_uint_eq(area[1 + bytes + j],
						  (uint8_t)j);
		}
	}
}
END_TEST

START_TEST(test_integers)
{
	static const uint8_t expected[] = {
		0x00, 0x01, 0x0a, 0x02, 0x0a, 0xff, 0x0b, 0x00, 0x01,
		0x0b, 0xff, 0xff, 0x0c, 0x00, 0x00, 0x01, 0x00, 0x0e,
		0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	};
	static const uint64_t values[] = { 0,	  1,	  2,	   0xff,
					   0x100, 0xffff, 0x10000, 1ULL << 32 };
	struct aml aml = { .buffer = area, .size = sizeof(area) };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		aml_integer(&aml, values[i]);
	ck_assert_uint_eq(aml.len, sizeof(expected));
	ck_assert_mem_eq(area, expected, sizeof(expected));
}
END_TEST

/* "PNP0501" is 0x0105d041 in every table of the world. */
START_TEST(test_eisa_id)
{
	static const uint8_t expected[] = { 0x08, '_',	'H',  'I', 'D',
					    0x0c, 0x41, 0xd0, 5,   1 };
	struct aml aml = { .buffer = area, .size = sizeof(area) };

	aml_name_eisa_id(&aml, "_HID", "PNP0501");
	ck_assert_uint_eq(aml.len, sizeof(expected));
	ck_assert_mem_eq(area, expected, sizeof(expected));
}
END_TEST

/* Block by block the whole definition block is accounted for. */
START_TEST(test_dsdt_is_whole)
{
	const uint8_t *dsdt, *end, *at;
	unsigned int devices = 0;
	size_t bytes;

	fill_platform();
	build();
	dsdt = find_dsdt();
	end = dsdt + load_le32(dsdt + 4);
	at = dsdt + 36;
	ck_assert_mem_eq(at, "\x08_S5_\x12", 6);
	at += 6 + package_length(at + 6, &bytes);
	ck_assert_uint_eq(*at, 0x10);
	ck_assert_ptr_eq(at + 1 + package_length(at + 1, &bytes), end);
	at += 1 + bytes;
	ck_assert_mem_eq(at, "_SB_", 4);
	for (at += 4; at < end; devices++) {
		ck_assert_uint_eq(at[0], 0x5b);
		ck_assert_uint_eq(at[1], 0x82);
		at += 2 + package_length(at + 2, &bytes);
	}
	ck_assert_ptr_eq(at, end);
	/* The CPUs, the board, the GED beside the button; no debug exit. */
	ck_assert_uint_eq(devices,
			  PLATFORM_MAX_CPUS + 1 + PLATFORM_MAX_DEVICES + 1 - 1);
}
END_TEST

/* An interrupt is shared when two devices have it, else exclusive. */
START_TEST(test_shared_interrupts)
{
	static const uint8_t exclusive[] = { 0x89, 6, 0, 0x03, 1, 4, 0, 0, 0 };
	static const uint8_t shared[] = { 0x89, 6, 0, 0x0b, 1, 4, 0, 0, 0 };
	const uint8_t *dsdt;

	build();
	dsdt = find_dsdt();
	ck_assert_ptr_nonnull(memmem(dsdt, load_le32(dsdt + 4), exclusive,
				     sizeof(exclusive)));
	sample_add_port(&sample, PLATFORM_SERIAL, 0x3e8, 8, 4);
	build();
	dsdt = find_dsdt();
	ck_assert_ptr_null(memmem(dsdt, load_le32(dsdt + 4), exclusive,
				  sizeof(exclusive)));
	ck_assert_ptr_nonnull(
		memmem(dsdt, load_le32(dsdt + 4), shared, sizeof(shared)));
}
END_TEST

/* --- iasl ---------------------------------------------------------------- */

static char said[1 << 16];

static int iasl(const char *option, const char *path)
{
	char *const argv[] = { (char *)"iasl", (char *)option, (char *)path,
			       NULL };

	return tool_run(argv, said, sizeof(said));
}

static unsigned int count(const char *text, const char *part)
{
	unsigned int found = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		found++;
	return found;
}

/*
 * What iasl lets pass: a name that nobody defines becomes External, and
 * resources that it cannot decode become a plain Buffer.
 */
static void check_names(const char *path)
{
	static char text[1 << 20];
	FILE *file = fopen(path, "re");
	size_t len;

	ck_assert_ptr_nonnull(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	ck_assert_uint_eq(count(text, "External"), 0);
	ck_assert_uint_eq(count(text, "Name (_CRS, ResourceTemplate ()"),
			  count(text, "_CRS,"));
}

/* Disassembles @name and compiles the result: not a word about it. */
static bool check_table(const char *folder, const char *name)
{
	char path[PATH_MAX + 16];
	int rc;

	snprintf(path, sizeof(path), "%s/%s.dat", folder, name);
	rc = iasl("-d", path);
	if (rc < 0)
		return false;
	ck_assert_msg(rc == 0 && !strstr(said, "rror") &&
			      !strstr(said, "nvalid") &&
			      !strstr(said, "ncorrect"),
		      "%s: %s", name, said);
	snprintf(path, sizeof(path), "%s/%s.dsl", folder, name);
	rc = iasl("-we", path);
	ck_assert_msg(rc == 0 &&
			      strstr(said, "0 Errors, 0 Warnings, 0 Remarks"),
		      "%s: %s", name, said);
	if (strcmp(name, "dsdt") == 0)
		check_names(path);
	return true;
}

/* The smallest machine, an ordinary one and the largest. */
START_TEST(test_iasl)
{
	static const char *const names[] = { "xsdt", "rsdt", "facp",
					     "apic", "dsdt", "mcfg" };
	const char *folder = scratch_new();
	char path[PATH_MAX + 16];

	if (_i == 1) {
		sample.platform.cpu_count = 4;
		sample_add_virtio(&sample, 3);
	} else if (_i == 2) {
		fill_platform();
	}
	ck_assert_int_eq(boot_dump_acpi(folder, &sample.platform, &err), 0);
	snprintf(path, sizeof(path), "%s/rsdp.dat", folder);
	ck_assert_int_eq(access(path, R_OK), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s.dat", folder, names[i]);
		if (strcmp(names[i], "mcfg") == 0 && _i != 2)
			ck_assert_int_eq(access(path, F_OK), -1);
		else if (!check_table(folder, names[i]))
			break;
	}
	scratch_remove(folder);
}
END_TEST

START_TEST(test_dump_errors)
{
	ck_assert_int_eq(boot_dump_acpi("/proc/no-such/folder",
					&sample.platform, &err),
			 -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "/proc/no-such/folder"));
	ck_assert_int_eq(boot_dump_acpi("/dev/null", &sample.platform, &err),
			 -ENOTDIR);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("boot/acpi");
	TCase *tcase = tcase_create("acpi");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	/* iasl on the largest machine, on a slow host. */
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_links);
	tcase_add_test(tcase, test_fadt);
	tcase_add_test(tcase, test_rsdt);
	tcase_add_test(tcase, test_fadt_pm_timer);
	tcase_add_test(tcase, test_fadt_without_power);
	tcase_add_loop_test(tcase, test_madt, 0, ARRAY_SIZE(cpu_counts));
	tcase_add_test(tcase, test_madt_x2apic);
	tcase_add_test(tcase, test_mcfg);
	tcase_add_test(tcase, test_most_fits);
	tcase_add_test(tcase, test_too_small);
	tcase_add_test(tcase, test_bad_platforms);
	tcase_add_test(tcase, test_guest_memory);
	tcase_add_test(tcase, test_lengths);
	tcase_add_test(tcase, test_integers);
	tcase_add_test(tcase, test_eisa_id);
	tcase_add_test(tcase, test_dsdt_is_whole);
	tcase_add_test(tcase, test_shared_interrupts);
	tcase_add_loop_test(tcase, test_iasl, 0, 3);
	tcase_add_test(tcase, test_dump_errors);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
