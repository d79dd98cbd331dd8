/* boot_load on flat binaries and on unified kernel images. */
#include "tests/unit/boot_loading.h"

/* --- Flat binaries --- */

static char flat_text[64];

static int load_flat(enum boot_mode mode, const char *at)
{
	int fd = image_file(image.bytes, image.len, kernel_path);
	int rc;

	snprintf(flat_text, sizeof(flat_text), "%s%s", kernel_path, at);
	request.kernel_path = NULL;
	request.flat = flat_text;
	request.flat_mode = mode;
	memset(&err, 0, sizeof(err));
	memset(&result, 0x5a, sizeof(result));
	rc = boot_load(&request, &platform, &result, &err);
	close(fd);
	return rc;
}

START_TEST(test_flat_real)
{
	static const struct {
		const char *at;
		uint64_t cs_base;
		uint64_t rip;
	} cases[] = {
		{ "", 0, 0x7c00 },
		{ "@0x7c00", 0, 0x7c00 },
		{ "@0x500", 0, 0x500 },
		{ "@0x1000", 0, 0x1000 },
		{ "@0x23456", 0x20000, 0x3456 },
	};

	image_fill(&image, 0x1000);
	request.cmdline = "not handed over";
	ck_assert_int_eq(load_flat(BOOT_MODE_REAL, cases[_i].at), 0);
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_FLAT);
	ck_assert_int_eq(result.entry.mode, BOOT_MODE_REAL);
	ck_assert_uint_eq(result.entry.cs_base, cases[_i].cs_base);
	ck_assert_uint_eq(result.entry.rip, cases[_i].rip);
	ck_assert_uint_eq(result.entry.rsp, 0x7c00);
	ck_assert_mem_eq(gmem_ptr(&gmem, cases[_i].cs_base + cases[_i].rip,
				  0x1000),
			 image.bytes, 0x1000);
	ck_assert_uint_eq(result.cmdline_bytes, 0);
}
END_TEST

START_TEST(test_flat_protected_and_long)
{
	enum boot_mode mode = _i ? BOOT_MODE_LONG : BOOT_MODE_PROTECTED;

	image_fill(&image, 0x3000);
	request.cmdline = "words";
	ck_assert_int_eq(load_flat(mode, ""), 0);
	ck_assert_int_eq(result.entry.mode, mode);
	ck_assert_uint_eq(result.entry.rip, 0x100000);
	ck_assert_uint_eq(result.entry.rsi, LAYOUT_BOOT_PARAMS);
	ck_assert_str_eq(text(result.entry.rdx), "words");
	ck_assert_uint_eq(result.entry.rsp, LAYOUT_STACK_TOP);
	ck_assert_uint_eq(result.entry.cr3 != 0, mode == BOOT_MODE_LONG);
	ck_assert_mem_eq(gmem_ptr(&gmem, 0x100000, 0x3000), image.bytes,
			 0x3000);
	ck_assert_int_eq(load_flat(mode, "@0xa000"), 0);
	ck_assert_uint_eq(result.entry.rip, 0xa000);
}
END_TEST

START_TEST(test_flat_refused)
{
	static const struct {
		enum boot_mode mode;
		const char *at;
		const char *said;
	} cases[] = {
		{ BOOT_MODE_REAL, "@", "is not an address" },
		{ BOOT_MODE_REAL, "@x", "is not an address" },
		{ BOOT_MODE_REAL, "@99999999999999999999", "not an address" },
		{ BOOT_MODE_REAL, "@0x9f000", "what a PC has below 1 MiB" },
		{ BOOT_MODE_REAL, "@0xff000", "what a PC has below 1 MiB" },
		{ BOOT_MODE_REAL, "@256", "the BIOS data area" },
		{ BOOT_MODE_REAL, "@0x100000", "real mode's reach" },
		{ BOOT_MODE_REAL, "@0x3fff001", "use --memory" },
		{ BOOT_MODE_LONG, "@0xffffffffffffffff", "use --memory" },
		{ BOOT_MODE_LONG, "@0xc0000000", "use --memory" },
		{ BOOT_MODE_LONG, "@0x7c00", "descriptor and page tables" },
		{ BOOT_MODE_PROTECTED, "@0xf001", "the command line" },
		{ BOOT_MODE_PROTECTED, "@0x40000", "the device tree" },
		{ BOOT_MODE_PROTECTED, "@0x9e000", "the stack" },
		{ BOOT_MODE_LONG, "@0xa0000", "what a PC has" },
	};

	image_fill(&image, 0x1000);
	ck_assert_int_lt(load_flat(cases[_i].mode, cases[_i].at), 0);
	ck_assert_msg(strstr(err.msg, cases[_i].said) != NULL, "%s", err.msg);
	ck_assert_msg(strstr(err.msg, kernel_path) != NULL, "%s", err.msg);
}
END_TEST

/* --- Unified kernel images --- */

static struct image kernel;

static void put_uki(void)
{
	image_elf(&kernel, (struct image_kind){ .linux_note = true });
	image_uki(&image, &kernel, 1000);
}

START_TEST(test_uki)
{
	struct boot_params params;

	put_uki();
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_ELF64);
	ck_assert(result.is_linux);
	ck_assert_uint_eq(result.entry.rip, IMAGE_ENTRY);
	ck_assert_mem_eq(gmem_ptr(&gmem, IMAGE_TEXT, IMAGE_TEXT_SIZE),
			 kernel.bytes + IMAGE_TEXT_AT, IMAGE_TEXT_SIZE);
	ck_assert_str_eq(text(LAYOUT_CMDLINE), "quiet of=uki");
	ck_assert_int_eq(gmem_read(&gmem, LAYOUT_BOOT_PARAMS, &params,
				   sizeof(params)),
			 0);
	ck_assert_uint_eq(params.hdr.ramdisk_size, 1000);
	ck_assert_uint_eq(get32(params.hdr.ramdisk_image + 996), 0x1d1d1d1d);
	ck_assert_uint_eq(get32(params.hdr.ramdisk_image + 1000), 0);
}
END_TEST

START_TEST(test_uki_of_a_bzimage)
{
	image_linux(COMPRESSION_GZIP, &kernel);
	image_uki(&image, &kernel, 16);
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_BZIMAGE);
	ck_assert_str_eq(result.payload, "gzip");
	ck_assert_uint_eq(result.entry.rip, IMAGE_ENTRY);
	/* And a bzImage that is a PE file, too, is none. */
	image = kernel;
	image_put32(&image, 0x3c, 0x80);
	memcpy(image.bytes + 0x80, "PE\0\0", 4);
	load();
	ck_assert_str_eq(text(LAYOUT_CMDLINE), BOOT_LINUX_CMDLINE);
}
END_TEST

START_TEST(test_uki_overridden)
{
	put_uki();
	request.cmdline = "mine";
	put_modules("");
	request.module_count = 0;
	request.initrd_path = module_paths[1];
	load();
	ck_assert_str_eq(text(LAYOUT_CMDLINE), "mine");
	ck_assert_uint_eq(result.initrd_bytes, 3);
}
END_TEST

/* For a multiboot kernel the initrd is a module there as well. */
START_TEST(test_uki_of_a_multiboot_kernel)
{
	gpa_t modules_at;

	image_multiboot1(&kernel);
	image_uki(&image, &kernel, 1000);
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_MULTIBOOT);
	ck_assert_uint_eq(get32(LAYOUT_MULTIBOOT + 20), 1);
	modules_at = get32(LAYOUT_MULTIBOOT + 24);
	ck_assert_uint_eq(get32(modules_at + 4) - get32(modules_at), 1000);
	ck_assert_str_eq(text(get32(modules_at + 8)), kernel_path);
	ck_assert_uint_eq(get32(get32(modules_at) + 996), 0x1d1d1d1d);
	ck_assert_ptr_nonnull(
		strstr(text(get32(LAYOUT_MULTIBOOT + 16)), " quiet of=uki"));
}
END_TEST

START_TEST(test_uki_refused)
{
	uint8_t *cmdline = image.bytes + PE_SECTIONS_AT + (size_t)2 * 40;
	uint8_t *initrd = cmdline + 40;
	uint8_t *linux_section = initrd + 40;

	put_uki();
	store_le16(image.bytes + PE_HEADER_AT + 4, 0xaa64);
	refused("another processor");
	put_uki();
	store_le16(image.bytes + PE_HEADER_AT + 6, 4);
	refused("no section .linux");
	store_le16(image.bytes + PE_HEADER_AT + 6, 97);
	refused("97 sections");
	put_uki();
	memcpy(initrd, ".linux\0\0", 8);
	refused("two sections .linux");
	put_uki();
	store_le32(linux_section + 20, 0xfffffff0);
	refused("section .linux reaches");
	put_uki();
	store_le32(cmdline + 8, 0);
	store_le32(cmdline + 16, 70 * 1024);
	refused("section .cmdline reaches");
	put_uki();
	store_le32(image.bytes + 0x3c, (uint32_t)image.len - 3);
	refused("neither a Linux bzImage");
}
END_TEST

START_TEST(test_uki_truncated)
{
	put_uki();
	/* The last section has padding that nobody needs. */
	truncated_everywhere(1, image.len - 512);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("boot/flat");
	TCase *flat = tcase_create("flat");
	TCase *uki = tcase_create("uki");
	TCase *cases[] = { flat, uki };
	SRunner *runner = srunner_create(suite);
	int failed;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		suite_add_tcase(suite, cases[i]);
		tcase_add_checked_fixture(cases[i], set_up, tear_down);
		tcase_set_timeout(cases[i], 60);
	}
	tcase_add_loop_test(flat, test_flat_real, 0, 5);
	tcase_add_loop_test(flat, test_flat_protected_and_long, 0, 2);
	tcase_add_loop_test(flat, test_flat_refused, 0, 15);
	tcase_add_test(uki, test_uki);
	tcase_add_test(uki, test_uki_of_a_bzimage);
	tcase_add_test(uki, test_uki_overridden);
	tcase_add_test(uki, test_uki_of_a_multiboot_kernel);
	tcase_add_test(uki, test_uki_refused);
	tcase_add_test(uki, test_uki_truncated);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
