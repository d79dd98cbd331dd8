/* The firmware configuration device, as a guest reads it. */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "devices/fw_cfg.h"
#include "tests/unit/quick_check.h"

#define MEMORY	(4 * MIB)
#define REQUEST 0x2000 /* where the DMA request is */
#define TARGET	0x3000

static struct gmem gmem;
static struct fw_cfg fw_cfg;

static void set_up(void)
{
	ck_assert_int_eq(gmem_init(&gmem, MEMORY, 0, NULL), 0);
	fw_cfg_init(&fw_cfg, &gmem);
}

static void tear_down(void)
{
	fw_cfg_release(&fw_cfg);
	gmem_release(&gmem);
}

static uint64_t in(uint64_t port, unsigned int len)
{
	return fw_cfg_bus_ops.read(&fw_cfg, port - FW_CFG_PORT, len);
}

static void out(uint64_t port, uint64_t value, unsigned int len)
{
	fw_cfg_bus_ops.write(&fw_cfg, port - FW_CFG_PORT, value, len);
}

/* The next @len bytes of the selected item, little-endian. */
static uint64_t take(unsigned int len)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < len; i++)
		value |= in(0x511, 1) << (i * 8);
	return value;
}

static uint64_t item(uint16_t key, unsigned int len)
{
	out(0x510, key, 2);
	return take(len);
}

/* A request at REQUEST; its control word afterwards. */
static uint32_t dma(uint32_t control, uint32_t len, uint64_t gpa)
{
	uint8_t request[16];

	store_le32(request, htobe32(control));
	store_le32(request + 4, htobe32(len));
	store_le64(request + 8, htobe64(gpa));
	ck_assert_int_eq(gmem_write(&gmem, REQUEST, request, 16), 0);
	out(0x514, 0, 4);
	out(0x518, htobe32(REQUEST), 4);
	ck_assert_int_eq(gmem_read(&gmem, REQUEST, request, 16), 0);
	return be32toh(load_le32(request));
}

static const uint8_t *target(void)
{
	return gmem_ptr(&gmem, TARGET, 64);
}

START_TEST(test_signature)
{
	ck_assert_uint_eq(item(FW_CFG_SIGNATURE, 4), 0x554d4551); /* "QEMU" */
	ck_assert_uint_eq(item(FW_CFG_ID, 4), 3);
	/* In the order of bytes, "QEMU CFG". */
	ck_assert_uint_eq(in(0x514, 4), 0x554d4551);
	ck_assert_uint_eq(in(0x518, 4), 0x47464320);
	ck_assert_uint_eq(in(0x514, 8), 0x47464320554d4551);
}
END_TEST

START_TEST(test_numbers)
{
	fw_cfg_add_number(&fw_cfg, FW_CFG_NB_CPUS, 3, 2);
	fw_cfg_add_number(&fw_cfg, FW_CFG_RAM_SIZE, 0x123456789aULL, 8);
	ck_assert_uint_eq(item(FW_CFG_NB_CPUS, 2), 3);
	/* Behind its end an item is zeros. */
	ck_assert_uint_eq(item(FW_CFG_NB_CPUS, 8), 3);
	ck_assert_uint_eq(item(FW_CFG_RAM_SIZE, 8), 0x123456789a);
	/* Selecting starts again; the bit for writing changes nothing. */
	ck_assert_uint_eq(item(FW_CFG_RAM_SIZE, 2), 0x789a);
	ck_assert_uint_eq(take(2), 0x3456);
	ck_assert_uint_eq(item(FW_CFG_RAM_SIZE | 0x4000, 2), 0x789a);
	ck_assert_uint_eq(item(0x1234, 8), 0);
	ck_assert_uint_eq(item(0x8000 | FW_CFG_NB_CPUS, 8), 0);
}
END_TEST

START_TEST(test_odd_accesses)
{
	out(0x510, FW_CFG_SIGNATURE, 2);
	ck_assert_uint_eq(in(0x510, 1), UINT64_MAX);
	ck_assert_uint_eq(in(0x511, 2), UINT64_MAX);
	ck_assert_uint_eq(in(0x510, 2), UINT64_MAX);
	/* Neither of these selects. */
	out(0x510, FW_CFG_ID, 1);
	out(0x511, FW_CFG_ID, 1);
	out(0x511, FW_CFG_ID, 2);
	out(0x510, FW_CFG_ID, 4);
	ck_assert_uint_eq(take(4), 0x554d4551);
}
END_TEST

START_TEST(test_directory)
{
	static const char one[] = "first file";
	char name[56];
	uint16_t key;

	ck_assert_uint_eq(item(FW_CFG_FILE_DIR, 4), 0);
	fw_cfg_add_file(&fw_cfg, "etc/one", one, sizeof(one));
	fw_cfg_add_file(&fw_cfg, "etc/two", "2", 1);
	ck_assert_uint_eq(item(FW_CFG_FILE_DIR, 4), htobe32(2));
	ck_assert_uint_eq(take(4), htobe32(sizeof(one)));
	key = be16toh((uint16_t)take(2));
	ck_assert_uint_eq(take(2), 0);
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = (char)take(1);
	ck_assert_str_eq(name, "etc/one");
	ck_assert_uint_eq(take(4), htobe32(1));
	ck_assert_uint_eq(be16toh((uint16_t)take(2)), key + 1);
	out(0x510, key, 2);
	for (size_t i = 0; i < sizeof(one); i++)
		ck_assert_int_eq((char)take(1), one[i]);
	ck_assert_uint_eq(item(key + 1, 2), '2');
}
END_TEST

START_TEST(test_dma)
{
	fw_cfg_add_file(&fw_cfg, "x", "0123456789", 10);
	/* Select and read at once, then go on, then beyond the end. */
	ck_assert_uint_eq(dma(FW_CFG_FILE_FIRST << 16 | 0x0a, 4, TARGET), 0);
	ck_assert_mem_eq(target(), "0123\0", 5);
	ck_assert_uint_eq(dma(0x02, 3, TARGET), 0);
	ck_assert_mem_eq(target(), "4563\0", 5);
	ck_assert_uint_eq(dma(0x04, 1, 0), 0);
	ck_assert_uint_eq(dma(0x02, 4, TARGET), 0);
	ck_assert_mem_eq(target(), "89\0\0\0", 5);
	/* The same place is where the port goes on. */
	ck_assert_uint_eq(dma(FW_CFG_FILE_FIRST << 16 | 0x0c, 5, 0), 0);
	ck_assert_uint_eq(take(1), '5');
	/* Skipping far ends at the end. */
	ck_assert_uint_eq(dma(0x04, UINT32_MAX, 0), 0);
	ck_assert_uint_eq(dma(0x04, UINT32_MAX, 0), 0);
	ck_assert_uint_eq(take(1), 0);
	/* Nothing is selected: zeros. */
	ck_assert_uint_eq(dma(0x1234U << 16 | 0x0a, 4, TARGET), 0);
	ck_assert_mem_eq(target(), "\0\0\0\0", 4);
	ck_assert_uint_eq(dma(0x04, 100, 0), 0);
}
END_TEST

START_TEST(test_dma_errors)
{
	fw_cfg_add_file(&fw_cfg, "x", "0123456789", 10);
	/* Items cannot be written. */
	ck_assert_uint_eq(dma(FW_CFG_FILE_FIRST << 16 | 0x18, 4, TARGET), 1);
	/* Beyond RAM: nothing is written, none is taken. */
	ck_assert_uint_eq(dma(0x02, 4, MEMORY - 3), 1);
	ck_assert_uint_eq(dma(0x02, UINT32_MAX, TARGET), 1);
	ck_assert_uint_eq(dma(0x02, 4, UINT64_MAX - 1), 1);
	ck_assert_uint_eq(dma(0x02, 4, TARGET), 0);
	ck_assert_mem_eq(target(), "0123\0", 5);
	ck_assert_uint_eq(dma(0x02, 0, UINT64_MAX), 0);
	/* A request that is nowhere. */
	out(0x514, htobe32(1), 4);
	out(0x518, htobe32(0), 4);
	out(0x514, 0, 4);
	out(0x518, htobe32(MEMORY - 15), 4);
	/* The upper half is forgotten after each: this is the request of
	 * before, a second time. */
	out(0x514, htobe32(1), 4);
	out(0x518, htobe32(REQUEST), 4);
	ck_assert_uint_eq(dma(0x02, 1, TARGET), 0);
	ck_assert_mem_eq(target(), "4", 1);
	ck_assert_uint_eq(dma(0x02, 1, TARGET), 0);
	out(0x514, htobe32(1), 4);
	out(0x518, 0, 4);
	store_le32(gmem_ptr(&gmem, REQUEST, 4), htobe32(0x02));
	out(0x518, htobe32(REQUEST), 4);
	ck_assert_mem_eq(target(), "6", 1);
}
END_TEST

/* Files that the guest may write to, by DMA and inside of them alone. */
START_TEST(test_writing)
{
	static uint8_t bytes[8];
	const uint32_t select = (uint32_t)FW_CFG_FILE_FIRST << 16 | 0x08;

	memcpy(bytes, "original", sizeof(bytes));
	fw_cfg_add_writable(&fw_cfg, "etc/notes", bytes, sizeof(bytes));
	fw_cfg_add_file(&fw_cfg, "etc/fixed", "fixed", 5);
	ck_assert_int_eq(gmem_write(&gmem, TARGET, "changes!!", 9), 0);
	ck_assert_uint_eq(dma(select | 0x10, 9, TARGET), 1);
	ck_assert_mem_eq(bytes, "original", 8);
	ck_assert_uint_eq(dma(select | 0x10, 3, TARGET), 0);
	ck_assert_mem_eq(bytes, "chaginal", 8);
	/* It goes on behind that, and not beyond the end. */
	ck_assert_uint_eq(dma(0x10, 6, TARGET), 1);
	ck_assert_uint_eq(dma(0x10, 5, TARGET), 0);
	ck_assert_mem_eq(bytes, "chachang", 8);
	ck_assert_uint_eq(dma(0x10, 1, TARGET), 1);
	ck_assert_uint_eq(dma(select | 0x10, 4, 1ULL << 40), 1);
	ck_assert_mem_eq(bytes, "chachang", 8);
	ck_assert_uint_eq(item(FW_CFG_FILE_FIRST, 8), 0x676e616863616863);
	/* Others are as they were, also for who selects nothing. */
	ck_assert_uint_eq(dma((select + (1 << 16)) | 0x10, 1, TARGET), 1);
	ck_assert_uint_eq(dma(0x12340008 | 0x10, 1, TARGET), 1);
}
END_TEST

static void give_offsets(void *opaque, uint64_t offset, uint8_t *to, size_t len)
{
	ck_assert_ptr_eq(opaque, &gmem);
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(offset + i);
}

START_TEST(test_callback)
{
	const struct fw_cfg_item data = {
		.key = FW_CFG_KERNEL_DATA,
		.size_bytes = 100,
		.read = give_offsets,
		.opaque = &gmem,
	};

	fw_cfg_add(&fw_cfg, &data);
	ck_assert_uint_eq(item(FW_CFG_KERNEL_DATA, 4), 0x03020100);
	ck_assert_uint_eq(dma(FW_CFG_KERNEL_DATA << 16 | 0x0c, 98, 0), 0);
	ck_assert_uint_eq(dma(0x02, 4, TARGET), 0);
	ck_assert_mem_eq(target(), "\x62\x63\0\0", 4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("devices/fw_cfg");
	TCase *tc = tcase_create("fw_cfg");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	suite_add_tcase(suite, tc);
	tcase_add_test(tc, test_signature);
	tcase_add_test(tc, test_numbers);
	tcase_add_test(tc, test_writing);
	tcase_add_test(tc, test_odd_accesses);
	tcase_add_test(tc, test_directory);
	tcase_add_test(tc, test_dma);
	tcase_add_test(tc, test_dma_errors);
	tcase_add_test(tc, test_callback);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
