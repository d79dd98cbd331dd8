/*
 * boot_load on multiboot kernels of both versions: every field of what they are
 * handed, every truncation, every refusal.
 */
#include "tests/unit/boot_loading.h"

static uint64_t get64(gpa_t gpa)
{
	return get32(gpa) | (uint64_t)get32(gpa + 4) << 32;
}

/* --- What both versions load --- */

static void check_protected(uint64_t rip, uint32_t magic)
{
	ck_assert_int_eq(result.entry.mode, BOOT_MODE_PROTECTED);
	ck_assert_uint_eq(result.entry.rip, rip);
	ck_assert_uint_eq(result.entry.rax, magic);
	ck_assert_uint_eq(result.entry.rbx, LAYOUT_MULTIBOOT);
	ck_assert_uint_eq(result.entry.rsi, 0);
	ck_assert_uint_ge(result.entry.gdt_limit, 0x1f);
}

static void check_addresses(size_t from)
{
	const uint8_t *at = gmem_ptr(&gmem, MB_LOAD, MB_SIZE + MB_BSS);

	for (size_t i = 0; i < MB_SIZE - from; i++)
		ck_assert_uint_eq(at[i], image.bytes[from + i]);
	for (size_t i = MB_SIZE - from; i < MB_SIZE + MB_BSS; i++)
		ck_assert_uint_eq(at[i], 0);
}

static void check_segments(void)
{
	ck_assert_mem_eq(gmem_ptr(&gmem, IMAGE_TEXT, IMAGE_TEXT_SIZE),
			 image.bytes + IMAGE_TEXT_AT, IMAGE_TEXT_SIZE);
	ck_assert_mem_eq(gmem_ptr(&gmem, IMAGE_DATA, IMAGE_DATA_SIZE),
			 image.bytes + IMAGE_DATA_AT, IMAGE_DATA_SIZE);
}

/* --- Multiboot 1 --- */

#define V1_MAGIC 0x2badb002

START_TEST(test_v1_addresses)
{
	image_multiboot1(&image);
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_MULTIBOOT);
	ck_assert(!result.is_linux);
	ck_assert(boot_is_bare(result.protocol));
	check_protected(MB_ENTRY, V1_MAGIC);
	check_addresses(0);
	ck_assert_uint_eq(result.kernel, MB_LOAD);
	ck_assert_uint_eq(result.kernel_bytes, MB_SIZE + MB_BSS);
}
END_TEST

/* What a 0 in the header stands for. */
START_TEST(test_v1_defaults)
{
	image_multiboot1(&image);
	image_put32(&image, MB_AT + 20, 0);
	image_put32(&image, MB_AT + 24, 0);
	load();
	ck_assert_uint_eq(result.kernel_bytes, MB_SIZE);
	check_addresses(0);
	/* The image begins behind the file's beginning. */
	image_put32(&image, MB_AT + 12, MB_LOAD + 0x10);
	load();
	ck_assert_uint_eq(result.kernel_bytes, MB_SIZE - 0x30);
	ck_assert_uint_eq(get32(MB_LOAD + 0x10), MB_MAGIC1);
}
END_TEST

/* The machine is built for the answer before anything is loaded. */
START_TEST(test_probe)
{
	image_multiboot1(&image);
	fds[fd_count++] = image_file(image.bytes, image.len, kernel_path);
	ck_assert_int_eq(boot_probe(&request, &gmem), BOOT_PROTOCOL_MULTIBOOT);
	ck_assert_uint_eq(get32(MB_LOAD), 0);
	request.kernel_path = "/nonexistent/kernel";
	ck_assert_int_eq(boot_probe(&request, &gmem), BOOT_PROTOCOL_AUTO);
	ck_assert(!boot_is_bare(BOOT_PROTOCOL_AUTO));
	request.kernel_path = NULL;
	request.flat = kernel_path;
	ck_assert_int_eq(boot_probe(&request, &gmem), BOOT_PROTOCOL_FLAT);
}
END_TEST

START_TEST(test_v1_info)
{
	gpa_t info = LAYOUT_MULTIBOOT;
	gpa_t at;

	image_multiboot1(&image);
	request.cmdline = "a b";
	request.acpi = true;
	put_modules(" w, x");
	load();
	ck_assert_uint_eq(get32(info),
			  1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9);
	ck_assert_uint_eq(get32(info + 4), 639);
	ck_assert_uint_eq(get32(info + 8), LOADING_MEMORY / 1024 - 1024);
	at = get32(info + 16);
	ck_assert_msg(!strncmp(text(at), kernel_path, strlen(kernel_path)),
		      "%s", text(at));
	ck_assert_str_eq(text(at + strlen(kernel_path)), " a b");
	ck_assert_str_eq(text(get32(info + 64)), "hull");
	/* Modules: page-aligned, behind the kernel, one behind the other. */
	ck_assert_uint_eq(get32(info + 20), 2);
	at = get32(info + 24);
	ck_assert_uint_eq(get32(at),
			  align_up(MB_LOAD + MB_SIZE + MB_BSS, 4096));
	ck_assert_uint_eq(get32(at + 4) - get32(at), 5000);
	ck_assert_str_eq(text(get32(at + 8)), modules[0]);
	ck_assert_uint_eq(get32(at + 16), align_up(get32(at + 4), 4096));
	ck_assert_str_eq(text(get32(at + 16)), "abc");
	ck_assert_str_eq(text(get32(at + 24)), modules[1]);
	ck_assert_uint_eq(get32(get32(at) + 4996), 0x3d3d3d3d);
	ck_assert_uint_eq(result.initrd, get32(at));
	ck_assert_uint_eq(result.initrd_bytes, 5000);
	/* The map, its entries with their own size. */
	at = get32(info + 48);
	ck_assert_uint_eq(get32(info + 44) % 24, 0);
	ck_assert_uint_eq(get32(at), 20);
	ck_assert_uint_eq(get64(at + 4), 0);
	ck_assert_uint_eq(get64(at + 12), PLATFORM_EBDA_START);
	ck_assert_uint_eq(get32(at + 20), 1);
	ck_assert_uint_eq(get32(at + 44), 2);
}
END_TEST

/* What the BIOS of a PC leaves for such kernels, and for no others. */
START_TEST(test_bios_data_area)
{
	platform.devices[platform.device_count++] = (struct platform_device){
		.kind = PLATFORM_SERIAL,
		.is_port = true,
		.base = 0x3f8,
	};
	image_elf(&image, (struct image_kind){ .pvh = true });
	load();
	ck_assert_uint_eq(get32(0x410), 0);
	image_multiboot1(&image);
	load();
	ck_assert_uint_eq(get32(0x400), 0x3f8);
	ck_assert_uint_eq(get32(0x40e), 0x02009fc0);
	ck_assert_uint_eq(get32(0x413) & 0xffff, 639);
	/* A call of the BIOS, and what is none. */
	ck_assert_uint_eq(get32(0x15 * sizeof(uint32_t)), 0x4f1);
	ck_assert_uint_eq(get32(0x08 * sizeof(uint32_t)), 0x4f0);
	ck_assert_uint_eq(get32(0x20 * sizeof(uint32_t)), 0x4f0);
	ck_assert_uint_eq(get32(0xff * sizeof(uint32_t)), 0x4f0);
}
END_TEST

START_TEST(test_initrd_is_the_first_module)
{
	gpa_t at;

	image_multiboot1(&image);
	put_modules("");
	request.initrd_path = module_paths[1];
	request.module_count = 1;
	load();
	at = get32(LAYOUT_MULTIBOOT + 24);
	ck_assert_uint_eq(get32(LAYOUT_MULTIBOOT + 20), 2);
	ck_assert_uint_eq(get32(at + 4) - get32(at), 3);
	ck_assert_uint_eq(get32(at + 20) - get32(at + 16), 5000);
}
END_TEST

START_TEST(test_elf32)
{
	image_elf32(&image, 1);
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_MULTIBOOT);
	check_protected(IMAGE_ENTRY, V1_MAGIC);
	check_segments();
	ck_assert_uint_eq(result.kernel, IMAGE_TEXT);
	ck_assert_uint_eq(result.kernel + result.kernel_bytes, IMAGE_END);
	image_elf32(&image, 2);
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_MULTIBOOT2);
	check_segments();
	/* Without a header: by its PVH note, or not at all. */
	image_elf32(&image, 0);
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_PVH);
	ck_assert_uint_eq(result.entry.rip, IMAGE_PVH_ENTRY);
	request.protocol = BOOT_PROTOCOL_ELF64;
	refused("32-bit ELF file without a multiboot");
	request.protocol = BOOT_PROTOCOL_AUTO;
	request.fdt = true;
	refused("32-bit ELF file without a multiboot");
}
END_TEST

/* A 64-bit file is entered by its header only where nothing is better. */
START_TEST(test_elf64)
{
	static const struct {
		struct image_kind kind;
		unsigned int modules;
		enum boot_protocol protocol;
	} cases[] = {
		{ { 0 }, 0, BOOT_PROTOCOL_MULTIBOOT },
		{ { .pvh = true }, 0, BOOT_PROTOCOL_PVH },
		{ { .pvh = true }, 2, BOOT_PROTOCOL_MULTIBOOT },
		{ { .linux_note = true }, 0, BOOT_PROTOCOL_ELF64 },
	};

	image_elf(&image, cases[_i].kind);
	image_header1(&image, IMAGE_TEXT_AT + 0x200, 0);
	put_modules("");
	request.module_count = cases[_i].modules;
	load();
	ck_assert_int_eq(result.protocol, cases[_i].protocol);
}
END_TEST

START_TEST(test_v1_search)
{
	/* The last place, and one behind it; one that is not aligned. */
	image_elf32(&image, 0);
	image_header1(&image, 8192 - 12, 0);
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_MULTIBOOT);
	image_elf32(&image, 0);
	image_header1(&image, 8192 - 8, 0);
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_PVH);
	image_elf32(&image, 0);
	image_header1(&image, IMAGE_TEXT_AT + 2, 0);
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_PVH);
	/* A magic number without its checksum is nothing. */
	image_elf32(&image, 0);
	image_header1(&image, IMAGE_TEXT_AT, 0);
	image.bytes[IMAGE_TEXT_AT + 8] ^= 1;
	image_header1(&image, IMAGE_TEXT_AT + 64, 0);
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_MULTIBOOT);
}
END_TEST

/* One word of the header changed: the sentence that is said. */
struct wrong {
	size_t at;
	uint32_t value;
	const char *said;
};

START_TEST(test_v1_refused)
{
	static const struct wrong cases[] = {
		{ 12, MB_LOAD - 4, "below the load address" },
		{ 12, MB_LOAD + MB_AT + 4, "4 bytes before the file" },
		{ 20, MB_LOAD - 1, "ends before it begins" },
		{ 20, MB_LOAD + MB_SIZE + 1, "truncated" },
		{ 24, MB_LOAD + MB_SIZE - 1, "ends before it begins" },
		{ 24, 0xbfffffff, "use --memory" },
		{ 28, MB_LOAD - 1, "outside of what it loads" },
		{ 28, MB_LOAD + MB_SIZE + MB_BSS, "outside of what it loads" },
	};

	image_multiboot1(&image);
	image_put32(&image, MB_AT + cases[_i].at, cases[_i].value);
	refused(cases[_i].said);
}
END_TEST

START_TEST(test_v1_flags)
{
	image_multiboot1(&image);
	image_header1(&image, MB_AT, 0x10007);
	load();
	image_header1(&image, MB_AT, 0x1000b);
	refused("mandatory flags that hull does not know: 0x8");
	/* Those above bit 16 are optional. */
	image_header1(&image, MB_AT, 0xfff10003);
	load();
	image_header1(&image, MB_AT, 3);
	refused("without addresses and is not an ELF file");
	image_multiboot1(&image);
	request.protocol = BOOT_PROTOCOL_MULTIBOOT2;
	refused("no multiboot 2 header");
	request.protocol = BOOT_PROTOCOL_AUTO;
	request.fdt = true;
	refused("no device tree");
}
END_TEST

#define HAS_SECTIONS (1U << 5)

/* What version 1 tells of them: symbols and names behind the kernel, each on a
 * page, and the modules behind those. */
START_TEST(test_v1_sections)
{
	gpa_t info = LAYOUT_MULTIBOOT;
	gpa_t table;

	image_elf32(&image, 1);
	(void)image_sections(&image);
	put_modules(" w, x");
	load();
	ck_assert(get32(info) & HAS_SECTIONS);
	ck_assert_uint_eq(get32(info + 28), IMAGE_SECTIONS);
	ck_assert_uint_eq(get32(info + 32), sizeof(Elf32_Shdr));
	ck_assert_uint_eq(get32(info + 40), 3);
	table = get32(info + 36);
	ck_assert_uint_eq(get32(table + 40 + 12), IMAGE_TEXT);
	ck_assert_uint_eq(get32(table + 80 + 12), IMAGE_END);
	ck_assert_str_eq(text(IMAGE_END), IMAGE_SYMBOLS);
	ck_assert_uint_eq(get32(table + 120 + 12), IMAGE_END + 4096);
	ck_assert_mem_eq(gmem_ptr(&gmem, IMAGE_END + 4096, IMAGE_DATA_SIZE),
			 image.bytes + IMAGE_DATA_AT, IMAGE_DATA_SIZE);
	ck_assert_uint_eq(get32(table + 160 + 12), 0);
	ck_assert_uint_eq(get32(get32(info + 24)), IMAGE_END + 8192);
	ck_assert_uint_eq(result.kernel_bytes, IMAGE_END - IMAGE_TEXT);
}
END_TEST

START_TEST(test_v2_sections)
{
	gpa_t tag = LAYOUT_MULTIBOOT + 8;

	image_elf32(&image, 2);
	(void)image_sections(&image);
	load();
	while (get32(tag) != 9 && get32(tag))
		tag += align_up(get32(tag + 4), 8);
	ck_assert_uint_eq(get32(tag), 9);
	ck_assert_uint_eq(get32(tag + 4),
			  20 + IMAGE_SECTIONS * sizeof(Elf32_Shdr));
	ck_assert_uint_eq(get32(tag + 8), IMAGE_SECTIONS);
	ck_assert_uint_eq(get32(tag + 12), sizeof(Elf32_Shdr));
	ck_assert_uint_eq(get32(tag + 16), 3);
	ck_assert_uint_eq(get32(tag + 20 + 80 + 12), IMAGE_END);
}
END_TEST

/* A table that cannot be right is none, and the kernel starts all the same. */
START_TEST(test_damaged_sections)
{
	static const struct {
		size_t at;
		uint16_t value;
	} cases[] = {
		{ offsetof(Elf32_Ehdr, e_shentsize), 41 },
		{ offsetof(Elf32_Ehdr, e_shnum), 0 },
		{ offsetof(Elf32_Ehdr, e_shnum), IMAGE_SECTIONS + 1 },
		{ offsetof(Elf32_Ehdr, e_shnum), UINT16_MAX },
		{ offsetof(Elf32_Ehdr, e_shstrndx), IMAGE_SECTIONS },
		{ offsetof(Elf32_Ehdr, e_shoff) + 2, 0x7fff },
	};

	image_elf32(&image, 1);
	(void)image_sections(&image);
	store_le16(image.bytes + cases[_i].at, cases[_i].value);
	load();
	ck_assert(!(get32(LAYOUT_MULTIBOOT) & HAS_SECTIONS));
}
END_TEST

/* image_multiboot1 loaded to @load instead. */
static void move_to(uint32_t load_address)
{
	image_multiboot1(&image);
	for (size_t at = 12; at <= 28; at += 4)
		image_put32(&image, MB_AT + at,
			    load_le32(image.bytes + MB_AT + at) - MB_LOAD +
				    load_address);
}

/* As kvm-unit-tests' realmode, which is linked at 16 KiB. */
START_TEST(test_low_memory)
{
	Elf32_Phdr phdr;

	put_modules("");
	move_to(0x4000);
	load();
	ck_assert_uint_eq(get32(0x4000 + MB_AT), MB_MAGIC1);
	ck_assert_uint_eq(result.entry.rip, 0x4123);
	ck_assert_uint_eq(result.initrd, 0x100000);
	request.module_count = 0;
	move_to(0x10000);
	load();
	ck_assert_uint_eq(get32(0x10000), load_le32(image.bytes));
	ck_assert_uint_eq(result.cmdline_bytes, 0);
	move_to(0x2ccbb);
	load();
	move_to(0x2ccbc);
	refused("the multiboot information");
	move_to(0x1800);
	refused("the descriptor table");
	move_to(0x200);
	refused("the BIOS data area");
	move_to(0xff000);
	refused("what a PC has below 1 MiB");
	/* The same for a segment of an ELF file. */
	image_elf32(&image, 1);
	memcpy(&phdr, image.bytes + sizeof(Elf32_Ehdr) + sizeof(phdr),
	       sizeof(phdr));
	phdr.p_paddr = 0x2000;
	phdr.p_memsz = 0x2000;
	memcpy(image.bytes + sizeof(Elf32_Ehdr) + sizeof(phdr), &phdr,
	       sizeof(phdr));
	load();
	ck_assert_uint_eq(get32(0x2000),
			  load_le32(image.bytes + IMAGE_DATA_AT));
	phdr.p_paddr = 0x90000;
	phdr.p_memsz = 0x10000;
	memcpy(image.bytes + sizeof(Elf32_Ehdr) + sizeof(phdr), &phdr,
	       sizeof(phdr));
	refused("what a PC has below 1 MiB");
}
END_TEST

START_TEST(test_truncated)
{
	image_multiboot1(&image);
	truncated_everywhere(1, image.len);
	image_multiboot2(&image);
	truncated_everywhere(1, image.len);
	image_elf32(&image, 1);
	truncated_everywhere(1, image.len);
}
END_TEST

START_TEST(test_modules_refused)
{
	char *many[40];

	image_multiboot1(&image);
	put_modules("");
	modules[1] = "/nonexistent/module with words";
	refused("cannot open module /nonexistent/module:");
	modules[1] = "";
	refused("module");
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = modules[0];
	request.modules = many;
	request.module_count = 33;
	refused("more than 32 modules");
	request.module_count = 32;
	load();
	/* For another kernel they are a mistake. */
	image_elf(&image, (struct image_kind){ .pvh = true });
	refused("takes no --module");
	gmem_release(&gmem);
	ck_assert_int_eq(gmem_init(&gmem, 1408 * KIB, 0, NULL), 0);
	image_multiboot1(&image);
	refused("does not fit");
}
END_TEST

START_TEST(test_texts_too_long)
{
	static char words[300 * KIB];
	char *many[2] = { words, words };

	image_multiboot1(&image);
	put_modules("");
	memset(words, 'w', sizeof(words) - 1);
	memcpy(words, module_paths[0], strlen(module_paths[0]));
	words[strlen(module_paths[0])] = ' ';
	request.modules = many;
	request.module_count = 1;
	load();
	request.module_count = 2;
	refused("more than 320 KiB");
}
END_TEST

/* --- Multiboot 2 --- */

/* The tag of @type, or 0. */
static gpa_t find_tag(uint32_t type)
{
	gpa_t end = LAYOUT_MULTIBOOT + get32(LAYOUT_MULTIBOOT);
	gpa_t at = LAYOUT_MULTIBOOT + 8;

	while (at < end && get32(at) != type) {
		ck_assert_uint_ge(get32(at + 4), 8);
		if (!get32(at))
			return 0;
		at = align_up(at + get32(at + 4), 8);
	}
	return at < end ? at : 0;
}

START_TEST(test_v2_addresses)
{
	image_multiboot2(&image);
	load();
	ck_assert_int_eq(result.protocol, BOOT_PROTOCOL_MULTIBOOT2);
	check_protected(MB_ENTRY, 0x36d76289);
	check_addresses(0);
	ck_assert_uint_eq(result.kernel_bytes, MB_SIZE + MB_BSS);
}
END_TEST

START_TEST(test_v2_info)
{
	gpa_t at;

	image_multiboot2(&image);
	request.cmdline = "a b";
	request.acpi = true;
	put_modules(" words");
	load();
	ck_assert_uint_eq(get32(LAYOUT_MULTIBOOT) % 8, 0);
	at = find_tag(1);
	ck_assert_str_eq(text(at + 8 + strlen(kernel_path)), " a b");
	ck_assert_uint_eq(get32(at + 4), 8 + strlen(kernel_path) + 5);
	ck_assert_str_eq(text(find_tag(2) + 8), "hull");
	at = find_tag(3);
	ck_assert_uint_eq(get32(at + 12) - get32(at + 8), 5000);
	ck_assert_str_eq(text(at + 16), modules[0]);
	at = align_up(at + get32(at + 4), 8);
	ck_assert_uint_eq(get32(at), 3);
	ck_assert_str_eq(text(get32(at + 8)), "abc");
	at = find_tag(4);
	ck_assert_uint_eq(get32(at + 8), 639);
	ck_assert_uint_eq(get32(at + 12), LOADING_MEMORY / 1024 - 1024);
	at = find_tag(6);
	ck_assert_uint_eq(get32(at + 8), 24);
	ck_assert_uint_eq(get32(at + 12), 0);
	ck_assert_uint_eq((get32(at + 4) - 16) % 24, 0);
	ck_assert_uint_eq(get64(at + 24), PLATFORM_EBDA_START);
	ck_assert_uint_eq(get32(at + 16 + 24 + 16), 2);
	at = find_tag(15);
	ck_assert_uint_eq(get32(at + 4), 8 + 36);
	ck_assert_mem_eq(text(at + 8), "RSD PTR ", 8);
	ck_assert_uint_eq(get32(find_tag(21) + 8), MB_LOAD);
	/* The end is the last, and inside. */
	at = find_tag(0);
	ck_assert_uint_eq(get32(at + 4), 8);
	ck_assert_uint_eq(at + 8, LAYOUT_MULTIBOOT + get32(LAYOUT_MULTIBOOT));
	request.acpi = false;
	load();
	ck_assert_uint_eq(find_tag(15), 0);
}
END_TEST

/* A header of one tag. */
static void one_tag(uint16_t type, uint16_t flags, const uint32_t *words,
		    size_t count)
{
	image_elf32(&image, 0);
	image_header2_end(&image, 0x1000,
			  image_tag(&image, image_header2(&image, 0x1000), type,
				    flags, words, count));
}

START_TEST(test_v2_tags)
{
	const uint32_t entry[] = { (uint32_t)IMAGE_ENTRY + 4 };
	const uint32_t outside[] = { 0x700000 };
	const uint32_t requests[] = { 1, 22 };
	const uint32_t console[] = { 1 };

	one_tag(3, 0, entry, 1);
	load();
	ck_assert_uint_eq(result.entry.rip, IMAGE_ENTRY + 4);
	ck_assert_uint_eq(find_tag(21), 0);
	one_tag(3, 0, outside, 1);
	refused("entry 0x700000 outside");
	one_tag(1, 0, requests, 2);
	refused("information of type 22");
	one_tag(1, 1, requests, 2);
	load();
	one_tag(4, 0, console, 1);
	refused("requires a display");
	one_tag(4, 1, console, 1);
	load();
	one_tag(11, 0, NULL, 0);
	refused("mandatory tag of type 11");
	one_tag(11, 1, NULL, 0);
	load();
	one_tag(3, 0, NULL, 0);
	refused("type 3 that is cut off");
	one_tag(2, 0, entry, 1);
	refused("type 2 that is cut off");
}
END_TEST

START_TEST(test_v2_refused)
{
	const uint32_t addresses[] = { MB_LOAD + MB_AT, 0xffffffff, 0, 0 };
	const uint32_t entry[] = { MB_ENTRY };
	size_t at;

	/* Another architecture, its checksum right. */
	image_elf32(&image, 2);
	image_put32(&image, IMAGE_TEXT_AT + 0x104, 4);
	image_put32(&image, IMAGE_TEXT_AT + 0x10c,
		    load_le32(image.bytes + IMAGE_TEXT_AT + 0x10c) - 4);
	refused("another processor");
	/* A length beyond the search, and a tag beyond the header. */
	image_elf32(&image, 2);
	image_put32(&image, IMAGE_TEXT_AT + 0x108, 0x10000);
	image_put32(&image, IMAGE_TEXT_AT + 0x10c, -(MB_MAGIC2 + 0x10000));
	refused("is cut off");
	image_elf32(&image, 2);
	image_put32(&image, IMAGE_TEXT_AT + 0x114, 16);
	refused("reaches beyond it");
	/* From the file's beginning; then without an entry. */
	image_fill(&image, MB_SIZE);
	at = image_tag(&image, image_header2(&image, MB_AT), 2, 0, addresses,
		       4);
	image_header2_end(&image, MB_AT, image_tag(&image, at, 3, 0, entry, 1));
	load();
	check_addresses(0);
	image_header2_end(&image, MB_AT, at);
	refused("no entry address");
}
END_TEST

/* One relocatable header: what it asks for, in 64 MiB, and where it goes. */
struct place {
	uint32_t min, max, align, preference;
	uint32_t at; /* 0: nowhere */
};

#define MB_END (MB_SIZE + MB_BSS)

static const struct place places[] = {
	/* As high as there is memory, as it may end, as it may be aligned. */
	{ 0x100000, UINT32_MAX, 1, 2, LOADING_MEMORY - MB_END },
	{ 0x100000, UINT32_MAX, 0, 2, LOADING_MEMORY - MB_END },
	{ 0x100000, UINT32_MAX, 4096, 2,
	  (LOADING_MEMORY - MB_END) / 4096 * 4096 },
	{ 0x100000, UINT32_MAX, 0x200000, 2, 0x3e00000 },
	{ 0x100000, 0x2000000, 1, 2, 0x2000000 - MB_END },
	{ 0x2000000 - MB_END, 0x2000000, 1, 2, 0x2000000 - MB_END },
	{ 0x2000000 - MB_END + 1, 0x2000000, 1, 2, 0 },
	{ 0x2000001 - MB_END, 0x2000001, 4096, 2, 0 },
	/* Below 1 MiB, beside what lies there. */
	{ 0, 0x100000, 16, 2, (0x9fc00 - MB_END) / 16 * 16 },
	{ 0, 0x80001, 1, 2, 0x30000 - MB_END },
	/* As low as it may. */
	{ 0x1234567, UINT32_MAX, 1, 1, 0x1234567 },
	{ 0x1234567, UINT32_MAX, 0x100000, 1, 0x1300000 },
	{ 0x1000, UINT32_MAX, 1, 1, 0x2000 },
	{ 0x2ffff, UINT32_MAX, 1, 1, 0x80000 },
	{ 0x9fc00, UINT32_MAX, 1, 1, 0x100000 },
	{ 0x100000, 0x100000 + MB_END, 1, 1, 0x100000 },
	{ 0x100000, 0xfffff + MB_END, 1, 1, 0 },
	{ LOADING_MEMORY - MB_END + 1, UINT32_MAX, 1, 1, 0 },
	{ 0x200000, 0x100000, 1, 1, 0 },
	{ 0x100000, UINT32_MAX, 0x80000000, 1, 0 },
	/* Where it was linked, if that may be. */
	{ 0x100000, UINT32_MAX, 1, 0, MB_LOAD },
	{ MB_LOAD, MB_LOAD + MB_END, 1, 0, MB_LOAD },
	{ 0x110000, UINT32_MAX, 0x100000, 0, 0x200000 },
	{ MB_LOAD + 1, UINT32_MAX, 1, 0, MB_LOAD + 1 },
	{ 0x100000, MB_LOAD + MB_END - 1, 1, 0, 0x100000 },
	{ 0x100000, UINT32_MAX, 1, 77, MB_LOAD },
};

/* An image with addresses, then an ELF file, that asks for *place. */
static void relocatable(bool is_elf, const struct place *place)
{
	const uint32_t addresses[] = { MB_LOAD + MB_AT, MB_LOAD,
				       MB_LOAD + MB_SIZE, MB_LOAD + MB_END };
	const uint32_t entry[] = { is_elf ? (uint32_t)IMAGE_ENTRY + 4 :
					    MB_ENTRY };
	const uint32_t wish[] = { place->min, place->max, place->align,
				  place->preference };
	size_t header = is_elf ? 0x1000 : MB_AT;
	size_t at;

	if (is_elf)
		image_elf32(&image, 0);
	else
		image_fill(&image, MB_SIZE);
	at = image_header2(&image, header);
	if (!is_elf)
		at = image_tag(&image, at, 2, 0, addresses, 4);
	at = image_tag(&image, at, 10, 0, wish, 4);
	at = image_tag(&image, at, 3, 0, entry, 1);
	image_header2_end(&image, header, at);
}

START_TEST(test_v2_places)
{
	const struct place *place = &places[_i];
	const uint8_t *at;

	relocatable(false, place);
	if (!place->at) {
		refused("has no place");
		return;
	}
	load();
	check_protected(place->at + (MB_ENTRY - MB_LOAD), 0x36d76289);
	ck_assert_uint_eq(result.kernel, place->at);
	ck_assert_uint_eq(result.kernel_bytes, MB_END);
	ck_assert_uint_eq(get32(find_tag(21) + 8), place->at);
	at = gmem_ptr(&gmem, place->at, MB_SIZE);
	ck_assert_mem_eq(at, image.bytes, MB_SIZE);
}
END_TEST

/* The segments keep their distance, the entry of the header and e_entry are as
 * far in as they were, and what comes along lies below. */
START_TEST(test_v2_elf_moved)
{
	const struct place high = { 0x100000, UINT32_MAX, 4096, 2, 0 };
	const uint32_t wish[] = { high.min, high.max, high.align,
				  high.preference };
	gpa_t base =
		align_down(LOADING_MEMORY - (IMAGE_END - IMAGE_TEXT), 4096);
	Elf32_Phdr phdrs[2];
	size_t at;

	relocatable(true, &high);
	(void)image_sections(&image);
	put_modules("");
	load();
	ck_assert_uint_eq(result.kernel, base);
	ck_assert_uint_eq(get32(find_tag(21) + 8), base);
	check_protected(base + (IMAGE_ENTRY + 4 - IMAGE_TEXT), 0x36d76289);
	ck_assert_mem_eq(gmem_ptr(&gmem, base, IMAGE_TEXT_SIZE),
			 image.bytes + IMAGE_TEXT_AT, IMAGE_TEXT_SIZE);
	ck_assert_mem_eq(gmem_ptr(&gmem, base + (IMAGE_DATA - IMAGE_TEXT),
				  IMAGE_DATA_SIZE),
			 image.bytes + IMAGE_DATA_AT, IMAGE_DATA_SIZE);
	ck_assert_uint_eq(get32(find_tag(9) + 20 + 80 + 12), 0x100000);
	ck_assert_uint_eq(get32(find_tag(9) + 20 + 40 + 12), IMAGE_TEXT);
	ck_assert_uint_eq(get32(find_tag(3) + 8), 0x102000);
	/* Without the entry in the header, and linked for other addresses than
	 * e_entry has. */
	memcpy(phdrs, image.bytes + sizeof(Elf32_Ehdr), sizeof(phdrs));
	phdrs[0].p_vaddr += 0x40000000;
	phdrs[1].p_vaddr += 0x40000000;
	memcpy(image.bytes + sizeof(Elf32_Ehdr), phdrs, sizeof(phdrs));
	at = image_header2(&image, 0x1000);
	at = image_tag(&image, at, 10, 0, wish, 4);
	image_header2_end(&image, 0x1000, at);
	load();
	ck_assert_uint_eq(result.entry.rip, base + (IMAGE_ENTRY - IMAGE_TEXT));
	/* By version 1 or as PVH the same file stays where it was linked. */
	image_header1(&image, IMAGE_TEXT_AT + 0x200, 0);
	request.protocol = BOOT_PROTOCOL_MULTIBOOT;
	load();
	ck_assert_uint_eq(result.kernel, IMAGE_TEXT);
}
END_TEST

/* Linked where this guest has no memory, it can be moved to where it has. */
START_TEST(test_v2_moved_into_memory)
{
	const struct place low = { 0x100000, UINT32_MAX, 4096, 1, 0 };
	Elf32_Phdr phdrs[2];
	uint32_t links[] = { 0x80000000, 0xffff0000 };

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		relocatable(true, &low);
		memcpy(phdrs, image.bytes + sizeof(Elf32_Ehdr), sizeof(phdrs));
		ck_assert_uint_eq(phdrs[0].p_paddr, IMAGE_TEXT);
		phdrs[0].p_paddr = links[i];
		phdrs[1].p_paddr = links[i] + phdrs[0].p_memsz;
		memcpy(image.bytes + sizeof(Elf32_Ehdr), phdrs, sizeof(phdrs));
		image_put32(&image, 0x1000 + 16 + 24 + 8, links[i] + 8);
		load();
		ck_assert_uint_eq(result.kernel, 0x100000);
		ck_assert_uint_eq(result.entry.rip, 0x100008);
	}
}
END_TEST

START_TEST(test_v2_alignment_refused)
{
	const struct place odd = { 0, UINT32_MAX, 0x3000, 0, 0 };

	relocatable(false, &odd);
	refused("an alignment of 12288, which is no power of two");
}
END_TEST

static void add_relocation(TCase *tc)
{
	tcase_add_loop_test(tc, test_v2_places, 0, (int)ARRAY_SIZE(places));
	tcase_add_test(tc, test_v2_elf_moved);
	tcase_add_test(tc, test_v2_moved_into_memory);
	tcase_add_test(tc, test_v2_alignment_refused);
}

static void add_multiboot(TCase *tc)
{
	tcase_add_test(tc, test_v1_addresses);
	tcase_add_test(tc, test_v1_defaults);
	tcase_add_test(tc, test_probe);
	tcase_add_test(tc, test_v1_info);
	tcase_add_test(tc, test_v1_sections);
	tcase_add_test(tc, test_v2_sections);
	tcase_add_loop_test(tc, test_damaged_sections, 0, 6);
	tcase_add_test(tc, test_bios_data_area);
	tcase_add_test(tc, test_initrd_is_the_first_module);
	tcase_add_test(tc, test_elf32);
	tcase_add_loop_test(tc, test_elf64, 0, 4);
	tcase_add_test(tc, test_v1_search);
	tcase_add_loop_test(tc, test_v1_refused, 0, 8);
	tcase_add_test(tc, test_v1_flags);
	tcase_add_test(tc, test_low_memory);
	tcase_add_test(tc, test_truncated);
	tcase_add_test(tc, test_modules_refused);
	tcase_add_test(tc, test_texts_too_long);
	tcase_add_test(tc, test_v2_addresses);
	tcase_add_test(tc, test_v2_info);
	tcase_add_test(tc, test_v2_tags);
	tcase_add_test(tc, test_v2_refused);
}

int main(void)
{
	Suite *suite = suite_create("boot/multiboot");
	TCase *tc = tcase_create("multiboot");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	add_multiboot(tc);
	add_relocation(tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
