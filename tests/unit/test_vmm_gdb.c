/*
 * gdb's remote protocol below the commands: packets out of bytes and back, and
 * the layout of the registers.
 */
#include "vmm/gdb_packet.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/quick_check.h"
#include "vmm/gdb.h"
#include "vmm/gdb_registers.h"

static struct gdb_reader reader;
static struct gdb_writer writer;

static void set_up(void)
{
	memset(&reader, 0, sizeof(reader));
	gdb_writer_begin(&writer);
}

/* The last event that is one. */
static enum gdb_event take(const char *bytes, size_t len)
{
	enum gdb_event last = GDB_EVENT_NONE;

	for (size_t i = 0; i < len; i++) {
		enum gdb_event event =
			gdb_reader_take(&reader, (uint8_t)bytes[i]);

		if (event != GDB_EVENT_NONE)
			last = event;
	}
	return last;
}

static enum gdb_event take_text(const char *text)
{
	return take(text, strlen(text));
}

START_TEST(test_packet)
{
	ck_assert_int_eq(take_text("+$g#67"), GDB_EVENT_PACKET);
	ck_assert_str_eq(reader.text, "g");
	ck_assert_int_eq(take_text("$m10,4#2E"), GDB_EVENT_PACKET);
	ck_assert_str_eq(reader.text, "m10,4");
	ck_assert_int_eq(take_text("$#00"), GDB_EVENT_PACKET);
	ck_assert_str_eq(reader.text, "");
}
END_TEST

START_TEST(test_escapes)
{
	/* '#' is 0x23: sent as '}' and 0x03, which is no interrupt there. */
	ck_assert_int_eq(take("$X}\x03}\x5d#b5", 9), GDB_EVENT_BROKEN);
	ck_assert_int_eq(take("$X}\x03}\x5d#b2", 9), GDB_EVENT_PACKET);
	ck_assert_uint_eq(reader.len, 3);
	ck_assert_str_eq(reader.text, "X#}");
}
END_TEST

START_TEST(test_broken)
{
	ck_assert_int_eq(take_text("$g#68"), GDB_EVENT_BROKEN);
	ck_assert_int_eq(take_text("$g#xy"), GDB_EVENT_BROKEN);
	ck_assert_int_eq(take_text("$g#67"), GDB_EVENT_PACKET);
	/* gdb began again in the middle. */
	ck_assert_int_eq(take_text("$mabc$g#67"), GDB_EVENT_PACKET);
	ck_assert_str_eq(reader.text, "g");
	ck_assert_int_eq(take_text("-"), GDB_EVENT_AGAIN);
	ck_assert_int_eq(take_text("\x03"), GDB_EVENT_INTERRUPT);
	ck_assert_int_eq(take_text("$a\x03"), GDB_EVENT_NONE);
}
END_TEST

START_TEST(test_longest_packet)
{
	char digits[4];
	uint8_t sum;

	for (size_t more = 0; more < 2; more++) {
		ck_assert_int_eq(take_text("$"), GDB_EVENT_NONE);
		for (size_t i = 0; i < GDB_PACKET_BYTES + more; i++)
			ck_assert_int_eq(take_text("a"), GDB_EVENT_NONE);
		sum = (uint8_t)('a' * (GDB_PACKET_BYTES + more));
		snprintf(digits, sizeof(digits), "#%02x", sum);
		ck_assert_int_eq(take_text(digits),
				 more ? GDB_EVENT_BROKEN : GDB_EVENT_PACKET);
	}
}
END_TEST

START_TEST(test_write)
{
	gdb_writer_add(&writer, "%s", "OK");
	gdb_writer_end(&writer);
	ck_assert_uint_eq(writer.len, 6);
	ck_assert_int_eq(memcmp(writer.data, "$OK#9a", 6), 0);
	gdb_writer_begin(&writer);
	gdb_writer_add_hex(&writer, "\x01\xfe", 2);
	gdb_writer_add_binary(&writer, "a}#", 3);
	gdb_writer_end(&writer);
	ck_assert_int_eq(memcmp(writer.data, "$01fea}\x5d}\x03#", 11), 0);
	ck_assert_int_eq(take(writer.data, writer.len), GDB_EVENT_PACKET);
	ck_assert_str_eq(reader.text, "01fea}#");
}
END_TEST

START_TEST(test_write_too_much)
{
	static uint8_t bytes[GDB_PACKET_BYTES / 2];

	gdb_writer_add_hex(&writer, bytes, sizeof(bytes));
	ck_assert(!writer.overflow);
	ck_assert_uint_eq(writer.len, GDB_PACKET_BYTES + 1);
	gdb_writer_add(&writer, "x");
	ck_assert(writer.overflow);
	ck_assert_uint_eq(writer.len, GDB_PACKET_BYTES + 1);
	gdb_writer_end(&writer);
	ck_assert_uint_eq(writer.len, GDB_PACKET_BYTES + 4);
}
END_TEST

START_TEST(test_numbers)
{
	const char *text = "1aF,2";
	uint64_t value = 7;
	uint8_t bytes[2];

	ck_assert(gdb_take_hex(&text, &value));
	ck_assert_uint_eq(value, 0x1af);
	ck_assert(!gdb_take_hex(&text, &value));
	ck_assert(gdb_take_word(&text, ","));
	ck_assert_str_eq(text, "2");
	text = "12345678123456781";
	ck_assert(!gdb_take_hex(&text, &value));
	text = "ffffffffffffffff";
	ck_assert(gdb_take_hex(&text, &value));
	ck_assert_uint_eq(value, UINT64_MAX);
	text = "01ff";
	ck_assert(gdb_take_bytes(&text, bytes, 2));
	ck_assert_uint_eq(bytes[1], 0xff);
	text = "01f";
	ck_assert(!gdb_take_bytes(&text, bytes, 2));
}
END_TEST

#define REGISTER(number, member)                                               \
	do {                                                                   \
		size_t offset, size;                                           \
                                                                               \
		ck_assert(gdb_registers_find(number, &offset, &size));         \
		ck_assert_uint_eq(offset,                                      \
				  offsetof(struct gdb_registers, member));     \
		ck_assert_uint_eq(                                             \
			size, sizeof(((struct gdb_registers *)NULL)->member)); \
	} while (0)

/* The numbers that gdb's own x86-64 files give them. */
START_TEST(test_register_layout)
{
	unsigned int last = 0;
	size_t at, bytes;

	REGISTER(0, general[0]);
	REGISTER(16, rip);
	REGISTER(17, eflags);
	REGISTER(18, segments[0]);
	REGISTER(24, st[0]);
	REGISTER(32, fctrl);
	REGISTER(39, fop);
	REGISTER(40, xmm[0]);
	REGISTER(56, mxcsr);
	REGISTER(57, fs_base);
	REGISTER(59, k_gs_base);
	REGISTER(60, cr0);
	REGISTER(65, efer);
	while (gdb_registers_find(last + 1, &at, &bytes))
		last++;
	REGISTER(last, task);
	ck_assert_uint_eq(offsetof(struct gdb_registers, task) + 4,
			  sizeof(struct gdb_registers));
}
END_TEST

START_TEST(test_description)
{
	char *xml = gdb_registers_xml();

	ck_assert_ptr_nonnull(xml);
	ck_assert_ptr_nonnull(strstr(xml, "<reg name=\"rax\" bitsize=\"64\""));
	ck_assert_ptr_nonnull(
		strstr(xml, "<reg name=\"xmm15\" bitsize=\"128\""));
	ck_assert_ptr_nonnull(strstr(xml, "org.gnu.gdb.i386.segments"));
	free(xml);
}
END_TEST

START_TEST(test_addresses)
{
	static const char *const bad[] = {
		"",
		"unix:",
		"tcp:",
		"tcp:1234",
		"tcp::1234",
		"tcp:127.0.0.1:",
		"tcp:127.0.0.1:0",
		"tcp:127.0.0.1:65536",
		"1234",
		"udp:127.0.0.1:1",
	};
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(gdb_check_address(bad[i], &err), -EINVAL);
	ck_assert_int_eq(gdb_check_address("unix:a", &err), 0);
	ck_assert_int_eq(gdb_check_address("tcp:127.0.0.1:1234", &err), 0);
	ck_assert_int_eq(gdb_check_address("tcp:[::1]:1234", &err), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/gdb");
	TCase *tcase = tcase_create("gdb");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_packet);
	tcase_add_test(tcase, test_escapes);
	tcase_add_test(tcase, test_broken);
	tcase_add_test(tcase, test_longest_packet);
	tcase_add_test(tcase, test_write);
	tcase_add_test(tcase, test_write_too_much);
	tcase_add_test(tcase, test_numbers);
	tcase_add_test(tcase, test_register_layout);
	tcase_add_test(tcase, test_description);
	tcase_add_test(tcase, test_addresses);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
