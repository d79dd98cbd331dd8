/*
 * boot_load on small images: where things land in guest memory, with which
 * registers the guest is entered, and what is said of files that are wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "boot/layout.h"
#include "boot/load.h"
#include "tests/unit/boot_image.h"
#include "tests/unit/quick_check.h"

#define MEMORY (64 * MIB)

static struct gmem gmem;
static struct platform platform;
static struct boot_request request;
static struct boot_result result;
static struct err err;
static struct image image;
static char kernel_path[32];
static char initrd_path[32];
static int kernel_fd;
static int initrd_fd;

static void set_up(void)
{
	ck_assert_int_eq(gmem_init(&gmem, MEMORY, 0, NULL), 0);
	platform = (struct platform){ .cpu_count = 1, .gmem = &gmem };
	request = (struct boot_request){ .kernel_path = kernel_path,
					 .acpi = true };
	kernel_fd = -1;
	initrd_fd = -1;
}

static void tear_down(void)
{
	gmem_release(&gmem);
	if (kernel_fd >= 0)
		close(kernel_fd);
	if (initrd_fd >= 0)
		close(initrd_fd);
}

/* boot_load of the first @len bytes of @image. */
static int load_part(size_t len)
{
	if (kernel_fd >= 0)
		close(kernel_fd);
	kernel_fd = image_file(image.bytes, len, kernel_path);
	memset(&err, 0, sizeof(err));
	memset(&result, 0x5a, sizeof(result));
	return boot_load(&request, &platform, &result, &err);
}

static void load(void)
{
	ck_assert_msg(load_part(image.len) == 0, "%s", err.msg);
}

static void refused(const char *said)
{
	int rc = load_part(image.len);

	ck_assert_int_lt(rc, 0);
	ck_assert_int_eq(rc, -err.code);
	ck_assert_msg(strstr(err.msg, said) != NULL, "%s", err.msg);
}

static void put_initrd(size_t len)
{
	static uint8_t bytes[256 * KIB];

	image_require(len <= sizeof(bytes));
	memset(bytes, 0x1d, sizeof(bytes));
	initrd_fd = image_file(bytes, len, initrd_path);
	request.initrd_path = initrd_path;
}

static void get(gpa_t gpa, void *to, size_t len)
{
	ck_assert_int_eq(gmem_read(&gmem, gpa, to, len), 0);
}

static struct boot_params params(void)
{
	struct boot_params page;

	get(LAYOUT_BOOT_PARAMS, &page, sizeof(page));
	return page;
}

static const char *cmdline(void)
{
	return gmem_ptr(&gmem, params().hdr.cmd_line_ptr, 4096);
}

static void check_segments(void)
{
	const uint8_t *text = gmem_ptr(&gmem, IMAGE_TEXT, IMAGE_TEXT_SIZE);
	const uint8_t *data =
		gmem_ptr(&gmem, IMAGE_DATA, IMAGE_END - IMAGE_DATA);

	for (size_t i = 0; i < IMAGE_TEXT_SIZE; i++)
		ck_assert_uint_eq(text[i], image_text(i));
	ck_assert_uint_eq(data[IMAGE_DATA_SIZE - 1], 0xda);
	for (size_t i = IMAGE_DATA_SIZE; i < IMAGE_END - IMAGE_DATA; i += 64)
		ck_assert_uint_eq(data[i], 0);
}

/* The descriptor of selector @selector. */
static uint64_t descriptor(unsigned int selector)
{
	uint8_t bytes[8];

	ck_assert_uint_ge(result.entry.gdt_limit, selector + 7);
	get(result.entry.gdt_gpa + selector, bytes, sizeof(bytes));
	return load_le64(bytes);
}

/* What @linear is mapped to by the page tables at cr3. */
static uint64_t walk(uint64_t linear)
{
	uint64_t table = result.entry.cr3;

	for (unsigned int shift = 39;; shift -= 9) {
		uint8_t bytes[8];
		uint64_t entry;

		get(table + (linear >> shift & 511) * 8, bytes, sizeof(bytes));
		entry = load_le64(bytes);
		ck_assert_msg((entry & 3) == 3, "%lx is not mapped", linear);
		if (entry & 0x80)
			return (entry & ~0xfffULL) +
			       (linear & ((1ULL << shift) - 1));
		ck_assert_uint_ge(shift, 30);
		table = entry & ~0xfffULL;
	}
}

static void check_long_mode(void)
{
	static const uint64_t linear[] = { 0,	       0x8000,	   IMAGE_ENTRY,
					   0x3fffffff, 0x40000000, 0xfee00030,
					   0xffffffff };

	ck_assert_int_eq(result.entry.mode, BOOT_MODE_LONG);
	for (size_t i = 0; i < ARRAY_SIZE(linear); i++)
		ck_assert_uint_eq(walk(linear[i]), linear[i]);
	ck_assert_uint_eq(descriptor(0x10), 0x00af9b000000ffffULL);
	ck_assert_uint_eq(descriptor(0x18), 0x00cf93000000ffffULL);
	/* A busy TSS of limit 0x67; its upper half is 0. */
	ck_assert_uint_eq(descriptor(0x20), 0x00008b0000000067ULL);
	ck_assert_uint_eq(descriptor(0x28), 0);
}

static void check_protected_mode(void)
{
	ck_assert_int_eq(result.entry.mode, BOOT_MODE_PROTECTED);
	ck_assert_uint_eq(result.entry.cr3, 0);
	ck_assert_uint_eq(descriptor(0x10), 0x00cf9b000000ffffULL);
	ck_assert_uint_eq(descriptor(0x18), 0x00cf93000000ffffULL);
}

/* --- bzImage --- */

static const enum compression formats[] = {
	COMPRESSION_NONE, COMPRESSION_GZIP,  COMPRESSION_XZ,  COMPRESSION_ZSTD,
	COMPRESSION_LZ4,  COMPRESSION_BZIP2, COMPRESSION_LZO, COMPRESSION_LZMA,
};

START_TEST(test_bzimage)
{
	struct boot_params page;

	image_linux(formats[_i], &image);
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_BZIMAGE);
	ck_assert_str_eq(result.payload, compression_name(formats[_i]));
	ck_assert(result.is_linux);
	check_segments();
	check_long_mode();
	ck_assert_uint_eq(result.entry.rip, IMAGE_ENTRY);
	ck_assert_uint_eq(result.entry.rsi, LAYOUT_BOOT_PARAMS);
	ck_assert_uint_eq(result.entry.rdi, 0);
	ck_assert_uint_eq(result.entry.rbx, 0);
	page = params();
	ck_assert_uint_eq(page.hdr.header, 0x53726448);
	ck_assert_uint_eq(page.hdr.version, 0x020f);
	ck_assert_uint_eq(page.hdr.type_of_loader, 0xff);
	ck_assert_uint_eq(page.sentinel, 0);
	ck_assert_uint_eq(page.acpi_rsdp_addr, PLATFORM_BIOS_START);
	ck_assert_str_eq(cmdline(), BOOT_LINUX_CMDLINE);
}
END_TEST

/* A page of zeros costs no host memory. */
START_TEST(test_zero_pages_stay_untouched)
{
	image_linux(COMPRESSION_GZIP, &image);
	load();
	ck_assert_int_eq(lseek(gmem.fd, IMAGE_TEXT + 4096, SEEK_DATA),
			 IMAGE_TEXT + 8192);
}
END_TEST

START_TEST(test_bzimage_own_entry)
{
	uint8_t code;

	image_linux(COMPRESSION_XZ, &image);
	request.protocol = BOOT_PROTOCOL_BZIMAGE_ENTRY;
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_BZIMAGE_ENTRY);
	check_long_mode();
	ck_assert_uint_eq(result.entry.rip, IMAGE_BZ_PREFER + 0x200);
	ck_assert_uint_eq(params().hdr.code32_start, IMAGE_BZ_PREFER);
	get(IMAGE_BZ_PREFER + 0x200, &code, 1);
	ck_assert_uint_eq(code, 0x90);
}
END_TEST

static struct setup_header header(void)
{
	struct setup_header copy;

	memcpy(&copy, image.bytes + 0x1f1, sizeof(copy));
	return copy;
}

static void set_header(struct setup_header copy)
{
	memcpy(image.bytes + 0x1f1, &copy, sizeof(copy));
}

/* A 32-bit kernel starts at its own entry, in protected mode. */
START_TEST(test_bzimage_32_bit)
{
	struct setup_header h;

	image_linux(COMPRESSION_XZ, &image);
	h = header();
	h.xloadflags = 0;
	set_header(h);
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_BZIMAGE_ENTRY);
	check_protected_mode();
	ck_assert_uint_eq(result.entry.rip, IMAGE_BZ_PREFER);
	ck_assert_uint_eq(result.entry.rsi, LAYOUT_BOOT_PARAMS);
}
END_TEST

START_TEST(test_bzimage_unknown_payload)
{
	image_linux(COMPRESSION_XZ, &image);
	image.bytes[IMAGE_BZ_SETUP + IMAGE_BZ_CODE] ^= 0xff;
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_BZIMAGE_ENTRY);
	ck_assert_str_eq(result.payload, "unknown");
	request.protocol = BOOT_PROTOCOL_BZIMAGE;
	refused("--boot bzimage-entry");
}
END_TEST

START_TEST(test_bzimage_pvh)
{
	image_linux(COMPRESSION_ZSTD, &image);
	request.protocol = BOOT_PROTOCOL_PVH;
	load();
	check_protected_mode();
	ck_assert_uint_eq(result.entry.rip, IMAGE_PVH_ENTRY);
	check_segments();
}
END_TEST

START_TEST(test_bzimage_headers_refused)
{
	struct setup_header good;
	struct setup_header h;

	image_linux(COMPRESSION_GZIP, &image);
	good = header();
	h = good;
	h.version = 0x0205;
	set_header(h);
	refused("2.05");
	h = good;
	h.loadflags = 0;
	set_header(h);
	refused("zImage");
	h = good;
	h.syssize += 2;
	set_header(h);
	refused("truncated");
	h = good;
	h.payload_length = 0xfffffff0;
	set_header(h);
	refused("truncated");
	h = good;
	h.payload_offset = 0xfffffff0;
	set_header(h);
	refused("truncated");
	request.protocol = BOOT_PROTOCOL_BZIMAGE_ENTRY;
	h = good;
	h.init_size = 0xfffffff0;
	set_header(h);
	refused("use --memory");
	h = good;
	h.pref_address = 0x1000;
	set_header(h);
	refused("below 1 MiB");
	h = good;
	h.pref_address = UINT64_MAX - 100;
	set_header(h);
	refused("use --memory");
}
END_TEST

START_TEST(test_bzimage_corrupt)
{
	image_linux(COMPRESSION_XZ, &image);
	image.bytes[IMAGE_BZ_SETUP + IMAGE_BZ_CODE + 200] ^= 0x40;
	refused("corrupt");
	/* A payload that is intact and no ELF file. */
	image_linux(COMPRESSION_NONE, &image);
	memcpy(image.bytes + IMAGE_BZ_SETUP + IMAGE_BZ_CODE + 4, "\1", 1);
	refused("32-bit");
}
END_TEST

/* At any point: every byte of the headers, each 89th of the rest. */
START_TEST(test_bzimage_truncated)
{
	image_linux(COMPRESSION_XZ, &image);
	for (size_t len = 1; len + 15 < image.len; len++) {
		if (len > 0x290 && len % 89)
			continue;
		ck_assert_msg(load_part(len) < 0, "%zu bytes", len);
		ck_assert_msg(strstr(err.msg, kernel_path) != NULL, "%s",
			      err.msg);
	}
}
END_TEST

/* --- ELF --- */

START_TEST(test_elf_kinds)
{
	static const struct {
		struct image_kind kind;
		bool is_linux;
		enum boot_protocol protocol;
	} cases[] = {
		{ { 0 }, false, BOOT_PROTOCOL_ELF64 },
		{ { .linux_note = true }, true, BOOT_PROTOCOL_ELF64 },
		{ { .linux_layout = true }, true, BOOT_PROTOCOL_ELF64 },
		{ { .linux_note = true, .pvh = true },
		  true,
		  BOOT_PROTOCOL_ELF64 },
		{ { .pvh = true }, false, BOOT_PROTOCOL_PVH },
		{ { .virtual_entry = true }, false, BOOT_PROTOCOL_ELF64 },
	};
	bool is_pvh = cases[_i].protocol == BOOT_PROTOCOL_PVH;

	image_elf(&image, cases[_i].kind);
	load();
	ck_assert_int_eq(result.protocol, cases[_i].protocol);
	ck_assert_int_eq(result.is_linux, cases[_i].is_linux);
	ck_assert_str_eq(result.payload, "none");
	check_segments();
	ck_assert_uint_eq(result.entry.rip,
			  is_pvh ? IMAGE_PVH_ENTRY : IMAGE_ENTRY);
	if (is_pvh)
		check_protected_mode();
	else
		check_long_mode();
	ck_assert_str_eq(gmem_ptr(&gmem, LAYOUT_CMDLINE, 4096),
			 cases[_i].is_linux ? BOOT_LINUX_CMDLINE : "");
}
END_TEST

/* A restart through the firmware finds mov dx, port; mov al, value; out. */
START_TEST(test_reset_vector)
{
	const uint8_t expected[] = { 0xba, 0x02, 0x06, 0xb0, 0x01, 0xee };
	struct platform_device power = {
		.kind = PLATFORM_POWER,
		.is_port = true,
		.base = 0x600,
		.size = PLATFORM_POWER_SIZE,
		.gsi = 9,
	};

	platform.devices[platform.device_count++] = power;
	image_elf(&image, (struct image_kind){ 0 });
	load();
	ck_assert_mem_eq(gmem_ptr(&gmem, 0xffff0, 16), expected,
			 sizeof(expected));
}
END_TEST

/* What boot/load.h promises to tiny guests. */
START_TEST(test_elf_hand_over)
{
	const struct setup_data *node;

	image_elf(&image, (struct image_kind){ 0 });
	request.cmdline = "one two";
	request.linux_cmdline_suffix = "not for this one";
	request.fdt = true;
	load();
	ck_assert_uint_eq(result.entry.rsi, LAYOUT_BOOT_PARAMS);
	ck_assert_uint_eq(result.entry.rdx, params().hdr.cmd_line_ptr);
	ck_assert_uint_eq(result.entry.rsp, LAYOUT_STACK_TOP);
	ck_assert_uint_eq(result.entry.rax, 0);
	ck_assert_str_eq(cmdline(), "one two");
	ck_assert_mem_eq(gmem_ptr(&gmem, result.entry.rdi, 4),
			 "\xd0\x0d\xfe\xed", 4);
	/* The same tree through setup_data; no seed for such a guest. */
	node = gmem_ptr(&gmem, params().hdr.setup_data, sizeof(*node));
	ck_assert_ptr_nonnull(node);
	ck_assert_uint_eq(node->type, SETUP_DTB);
	ck_assert_uint_eq(node->next, 0);
	ck_assert_uint_eq(params().hdr.setup_data + sizeof(*node),
			  result.entry.rdi);
}
END_TEST

START_TEST(test_linux_gets_a_seed)
{
	const struct setup_data *node;
	static const uint8_t zeros[32];

	image_elf(&image, (struct image_kind){ .linux_note = true });
	load();
	node = gmem_ptr(&gmem, params().hdr.setup_data, sizeof(*node) + 32);
	ck_assert_ptr_nonnull(node);
	ck_assert_uint_eq(node->type, SETUP_RNG_SEED);
	ck_assert_uint_eq(node->len, 32);
	ck_assert_mem_ne(node->data, zeros, sizeof(zeros));
}
END_TEST

/* The same for the same number, another one for another. */
START_TEST(test_seed_of_a_seed)
{
	static const uint64_t seeds[] = { 7, 8, 7 };
	uint8_t got[ARRAY_SIZE(seeds)][32];

	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++) {
		image_elf(&image, (struct image_kind){ .linux_note = true });
		request.seed = &seeds[i];
		load();
		ck_assert_int_eq(gmem_read(&gmem,
					   params().hdr.setup_data +
						   sizeof(struct setup_data),
					   got[i], sizeof(got[i])),
				 0);
	}
	ck_assert_mem_eq(got[0], got[2], sizeof(got[0]));
	ck_assert_mem_ne(got[0], got[1], 8);
}
END_TEST

START_TEST(test_pvh_start_info)
{
	uint8_t info[56];
	uint8_t module[32];
	uint8_t first[24];

	image_elf(&image, (struct image_kind){ .pvh = true });
	put_initrd(5000);
	request.cmdline = "x";
	load();
	ck_assert_uint_eq(result.entry.rbx, LAYOUT_PVH);
	ck_assert_uint_eq(result.entry.rsi, 0);
	get(LAYOUT_PVH, info, sizeof(info));
	ck_assert_uint_eq(load_le32(info), 0x336ec578);
	ck_assert_uint_eq(load_le32(info + 4), 1);
	ck_assert_uint_eq(load_le32(info + 12), 1);
	ck_assert_str_eq(gmem_ptr(&gmem, load_le64(info + 24), 2), "x");
	ck_assert_uint_eq(load_le64(info + 32), PLATFORM_BIOS_START);
	ck_assert_uint_eq(load_le32(info + 48), 5);
	get(load_le64(info + 16), module, sizeof(module));
	ck_assert_uint_eq(load_le64(module), MEMORY - 8192);
	ck_assert_uint_eq(load_le64(module + 8), 5000);
	get(load_le64(info + 40), first, sizeof(first));
	ck_assert_uint_eq(load_le64(first), 0);
	ck_assert_uint_eq(load_le64(first + 8), PLATFORM_EBDA_START);
	ck_assert_uint_eq(load_le32(first + 16), 1);
}
END_TEST

START_TEST(test_pvh_wanted_and_absent)
{
	image_elf(&image, (struct image_kind){ .linux_note = true });
	request.protocol = BOOT_PROTOCOL_PVH;
	refused("no PVH entry");
	image_elf(&image, (struct image_kind){ .pvh = true });
	/* The entry must be inside of what is loaded. */
	for (size_t at = IMAGE_DATA_AT; at < image.len - 8; at++) {
		if (load_le64(image.bytes + at) == IMAGE_PVH_ENTRY)
			store_le64(image.bytes + at, 0x700000);
	}
	refused("0x700000");
}
END_TEST

/* Notes that only a section header names. */
START_TEST(test_pvh_in_a_section)
{
	Elf64_Shdr sections[2] = { 0 };
	Elf64_Phdr note;

	image_elf(&image, (struct image_kind){ .pvh = true });
	memcpy(&note, image.bytes + 64 + 2 * sizeof(note), sizeof(note));
	sections[1].sh_type = SHT_NOTE;
	sections[1].sh_offset = note.p_offset;
	sections[1].sh_size = note.p_filesz;
	note.p_type = PT_NULL;
	memcpy(image.bytes + 64 + 2 * sizeof(note), &note, sizeof(note));
	store_le64(image.bytes + offsetof(Elf64_Ehdr, e_shoff), image.len);
	store_le16(image.bytes + offsetof(Elf64_Ehdr, e_shentsize), 64);
	store_le16(image.bytes + offsetof(Elf64_Ehdr, e_shnum), 2);
	image_add(&image, sections, sizeof(sections));
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_PVH);
	ck_assert_uint_eq(result.entry.rip, IMAGE_PVH_ENTRY);
}
END_TEST

START_TEST(test_elf_truncated)
{
	image_elf(&image, (struct image_kind){ .pvh = true });
	for (size_t len = 1; len < image.len; len++) {
		if (len > 0x200 && len % 101)
			continue;
		ck_assert_msg(load_part(len) < 0, "%zu bytes", len);
		ck_assert_msg(strstr(err.msg, kernel_path) != NULL, "%s",
			      err.msg);
	}
}
END_TEST

static Elf64_Phdr segment(unsigned int index)
{
	Elf64_Phdr phdr;

	memcpy(&phdr, image.bytes + 64 + index * sizeof(phdr), sizeof(phdr));
	return phdr;
}

static void set_segment(unsigned int index, Elf64_Phdr phdr)
{
	memcpy(image.bytes + 64 + index * sizeof(phdr), &phdr, sizeof(phdr));
}

START_TEST(test_elf_refused)
{
	struct image good;
	Elf64_Phdr data;
	Elf64_Phdr bad;

	image_elf(&image, (struct image_kind){ 0 });
	good = image;
	data = segment(1);
	image.bytes[EI_CLASS] = ELFCLASS32;
	refused("32-bit");
	image = good;
	store_le16(image.bytes + offsetof(Elf64_Ehdr, e_machine), EM_AARCH64);
	refused("AArch64");
	image = good;
	store_le16(image.bytes + offsetof(Elf64_Ehdr, e_type), ET_REL);
	refused("not executable");
	image = good;
	store_le16(image.bytes + offsetof(Elf64_Ehdr, e_phnum), 65);
	refused("65 program headers");
	image = good;
	store_le64(image.bytes + offsetof(Elf64_Ehdr, e_phoff), UINT64_MAX);
	refused("truncated");
	image = good;
	store_le64(image.bytes + offsetof(Elf64_Ehdr, e_entry), 0x100);
	refused("entry 0x100");
	image = good;
	bad = data;
	bad.p_paddr = LAYOUT_CMDLINE;
	set_segment(1, bad);
	refused("below 1 MiB");
	bad = data;
	bad.p_paddr = IMAGE_TEXT + 0x1000;
	set_segment(1, bad);
	refused("overlapping");
	bad = data;
	bad.p_memsz = MEMORY;
	set_segment(1, bad);
	refused("use --memory");
	bad = data;
	bad.p_memsz = UINT64_MAX - 10;
	set_segment(1, bad);
	refused("beyond the guest memory");
	bad = data;
	bad.p_paddr = 0x100000000;
	set_segment(1, bad);
	refused("beyond the guest memory");
	bad = data;
	bad.p_memsz = bad.p_filesz - 1;
	set_segment(1, bad);
	refused("larger in the file");
	bad = data;
	bad.p_offset = UINT64_MAX - 4;
	set_segment(1, bad);
	refused("truncated");
}
END_TEST

START_TEST(test_protocol_does_not_fit)
{
	image_elf(&image, (struct image_kind){ 0 });
	request.protocol = BOOT_PROTOCOL_BZIMAGE;
	refused("is an ELF file");
	request.protocol = BOOT_PROTOCOL_BZIMAGE_ENTRY;
	refused("is an ELF file");
}
END_TEST

/* --- Files, command line, initrd --- */

START_TEST(test_files)
{
	char fifo[64];

	memset(image.bytes, 0xa7, sizeof(image.bytes));
	image.len = sizeof(image.bytes);
	refused("neither a Linux bzImage nor a 64-bit ELF");
	image.len = 0;
	refused("is empty");
	request.kernel_path = "/tmp";
	refused("kernel /tmp is a directory");
	request.kernel_path = "/nonexistent/kernel";
	refused("cannot open kernel /nonexistent/kernel");
	snprintf(fifo, sizeof(fifo), "/tmp/hull-fifo-%d", getpid());
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	request.kernel_path = fifo;
	refused("not a regular file");
	unlink(fifo);
	request.kernel_path = kernel_path;
	request.initrd_path = "/nonexistent/initrd";
	image_linux(COMPRESSION_LZ4, &image);
	refused("cannot open initrd /nonexistent/initrd");
}
END_TEST

START_TEST(test_cmdline_length)
{
	static char text[3000];

	memset(text, 'a', sizeof(text) - 1);
	request.cmdline = text;
	image_linux(COMPRESSION_NONE, &image);
	refused("command line");
	text[255] = '\0';
	load();
	ck_assert_str_eq(cmdline(), text);
	/* What is appended counts. */
	request.linux_cmdline_suffix = "b";
	refused("2 more");
	text[253] = '\0';
	load();
	ck_assert_str_eq(cmdline() + 250, "aaa b");
	/* An ELF file does not say: 2047. */
	request.linux_cmdline_suffix = NULL;
	memset(text, 'a', sizeof(text) - 1);
	text[2048] = '\0';
	image_elf(&image, (struct image_kind){ .linux_note = true });
	refused("1 more");
	text[2047] = '\0';
	load();
}
END_TEST

START_TEST(test_initrd)
{
	struct setup_header h;
	uint8_t byte;

	image_linux(COMPRESSION_XZ, &image);
	put_initrd(5000);
	load();
	ck_assert_uint_eq(params().hdr.ramdisk_image, MEMORY - 8192);
	ck_assert_uint_eq(params().hdr.ramdisk_size, 5000);
	get(MEMORY - 8192 + 4999, &byte, 1);
	ck_assert_uint_eq(byte, 0x1d);
	get(MEMORY - 8192 + 5000, &byte, 1);
	ck_assert_uint_eq(byte, 0);
	/* The kernel's own limit. */
	h = header();
	h.initrd_addr_max = 0x1ffffff;
	set_header(h);
	load();
	ck_assert_uint_eq(params().hdr.ramdisk_image, 0x2000000 - 8192);
	/* Directly above the kernel, and one byte too few. */
	h.initrd_addr_max = (uint32_t)IMAGE_END + 5000 - 1;
	set_header(h);
	load();
	ck_assert_uint_eq(params().hdr.ramdisk_image, IMAGE_END);
	h.initrd_addr_max = (uint32_t)IMAGE_END + 5000 - 2;
	set_header(h);
	refused("does not fit");
	ck_assert_ptr_nonnull(strstr(err.msg, "--memory"));
}
END_TEST

START_TEST(test_small_memory)
{
	gmem_release(&gmem);
	ck_assert_int_eq(gmem_init(&gmem, 4 * MIB, 0, NULL), 0);
	image_linux(COMPRESSION_XZ, &image);
	refused("needs 5 MiB of guest memory and there are 4");
	request.protocol = BOOT_PROTOCOL_BZIMAGE_ENTRY;
	refused("needs 8 MiB at 0x1000000 and the guest has 4 MiB");
	gmem_release(&gmem);
	ck_assert_int_eq(gmem_init(&gmem, MIB, 0, NULL), 0);
	refused("more than 1 MiB");
}
END_TEST

static void add_tests(TCase *bz, TCase *elf, TCase *rest)
{
	tcase_add_loop_test(bz, test_bzimage, 0, ARRAY_SIZE(formats));
	tcase_add_test(bz, test_zero_pages_stay_untouched);
	tcase_add_test(bz, test_bzimage_own_entry);
	tcase_add_test(bz, test_bzimage_32_bit);
	tcase_add_test(bz, test_bzimage_unknown_payload);
	tcase_add_test(bz, test_bzimage_pvh);
	tcase_add_test(bz, test_bzimage_headers_refused);
	tcase_add_test(bz, test_bzimage_corrupt);
	tcase_add_test(bz, test_bzimage_truncated);
	tcase_add_loop_test(elf, test_elf_kinds, 0, 6);
	tcase_add_test(elf, test_elf_hand_over);
	tcase_add_test(elf, test_reset_vector);
	tcase_add_test(elf, test_linux_gets_a_seed);
	tcase_add_test(elf, test_seed_of_a_seed);
	tcase_add_test(elf, test_pvh_start_info);
	tcase_add_test(elf, test_pvh_wanted_and_absent);
	tcase_add_test(elf, test_pvh_in_a_section);
	tcase_add_test(elf, test_elf_truncated);
	tcase_add_test(elf, test_elf_refused);
	tcase_add_test(elf, test_protocol_does_not_fit);
	tcase_add_test(rest, test_files);
	tcase_add_test(rest, test_cmdline_length);
	tcase_add_test(rest, test_initrd);
	tcase_add_test(rest, test_small_memory);
}

int main(void)
{
	Suite *suite = suite_create("boot/load");
	TCase *cases[] = { tcase_create("bzimage"), tcase_create("elf"),
			   tcase_create("files") };
	SRunner *runner = srunner_create(suite);
	int failed;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		suite_add_tcase(suite, cases[i]);
		tcase_add_checked_fixture(cases[i], set_up, tear_down);
		tcase_set_timeout(cases[i], 30);
	}
	add_tests(cases[0], cases[1], cases[2]);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
