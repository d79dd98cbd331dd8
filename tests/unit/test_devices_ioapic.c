/*
 * The I/O APIC through its window and its pins. Registers: 82093AA data sheet,
 * 3.2; messages: SDM vol. 3A, 11.11.
 */
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "devices/ioapic.h"
#include "tests/unit/quick_check.h"

#define SELECT 0x00
#define WINDOW 0x10

#define INDEX_ID      0x00
#define INDEX_VERSION 0x01
#define INDEX_ARB     0x02
#define INDEX_ENTRIES 0x10

#define LOWEST_PRIORITY 0x100U
#define LOGICAL		(1U << 11)
#define PENDING		(1U << 12)
#define ACTIVE_LOW	(1U << 13)
#define REMOTE_IRR	(1U << 14)
#define LEVEL		(1U << 15)
#define MASKED		(1U << 16)

#define MESSAGE_ASSERT (1U << 14)
#define MESSAGE_LEVEL  (1U << 15)

#define PIN 5

/* What the I/O APIC told the machine. */
static struct ioapic ioapic;
static unsigned int sent;
static unsigned int last_pin;
static struct ioapic_message last_sent;
static unsigned int routed[IOAPIC_PINS];
static bool routed_message[IOAPIC_PINS]; /* else it was NULL */
static bool routed_level[IOAPIC_PINS];
static struct ioapic_message route[IOAPIC_PINS];

static void on_send(void *opaque, unsigned int pin,
		    const struct ioapic_message *message)
{
	ck_assert_ptr_eq(opaque, &sent);
	sent++;
	last_pin = pin;
	last_sent = *message;
}

static void on_route(void *opaque, unsigned int pin,
		     const struct ioapic_message *message, bool is_level)
{
	ck_assert_ptr_eq(opaque, &sent);
	ck_assert_uint_lt(pin, IOAPIC_PINS);
	routed[pin]++;
	routed_message[pin] = message != NULL;
	routed_level[pin] = is_level;
	if (message)
		route[pin] = *message;
}

static void set_up(void)
{
	static const struct ioapic_ops ops = {
		.send = on_send,
		.route = on_route,
	};

	sent = 0;
	memset(routed, 0, sizeof(routed));
	memset(routed_message, 0, sizeof(routed_message));
	ioapic_init(&ioapic, &ops, &sent);
}

static void tear_down(void)
{
	ioapic_release(&ioapic);
}

static uint32_t in(uint8_t index)
{
	ioapic_bus_ops.write(&ioapic, SELECT, index, 4);
	return (uint32_t)ioapic_bus_ops.read(&ioapic, WINDOW, 4);
}

static void out(uint8_t index, uint32_t value)
{
	ioapic_bus_ops.write(&ioapic, SELECT, index, 4);
	ioapic_bus_ops.write(&ioapic, WINDOW, value, 4);
}

static uint8_t low_half(unsigned int pin)
{
	return (uint8_t)(INDEX_ENTRIES + 2 * pin);
}

static uint8_t high_half(unsigned int pin)
{
	return (uint8_t)(low_half(pin) + 1);
}

START_TEST(test_identity)
{
	ck_assert_uint_eq(in(INDEX_VERSION), 0x00170011);
	out(INDEX_VERSION, 0);
	ck_assert_uint_eq(in(INDEX_VERSION), 0x00170011);
	ck_assert_uint_eq(in(INDEX_ID), 0);
	out(INDEX_ID, 0xffffffff);
	ck_assert_uint_eq(in(INDEX_ID), 0x0f000000);
	ck_assert_uint_eq(in(INDEX_ARB), 0x0f000000);
	out(INDEX_ARB, 0);
	ck_assert_uint_eq(in(INDEX_ARB), 0x0f000000);
}
END_TEST

START_TEST(test_select_register)
{
	ioapic_bus_ops.write(&ioapic, SELECT, 0xabcdef12, 4);
	ck_assert_uint_eq(ioapic_bus_ops.read(&ioapic, SELECT, 4), 0x12);
	/* Nothing else is in the page. */
	ioapic_bus_ops.write(&ioapic, 0x20, 0x55, 4);
	ioapic_bus_ops.write(&ioapic, 0x40, 0x55, 4);
	ck_assert_uint_eq(ioapic_bus_ops.read(&ioapic, 0x20, 4), 0);
	ck_assert_uint_eq(ioapic_bus_ops.read(&ioapic, SELECT, 4), 0x12);
}
END_TEST

START_TEST(test_entries)
{
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		ck_assert_uint_eq(in(low_half(pin)), MASKED);
		ck_assert_uint_eq(in(high_half(pin)), 0);
		out(low_half(pin), MASKED | ACTIVE_LOW | (0x30 + pin));
		out(high_half(pin), pin << 24);
	}
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		ck_assert_uint_eq(in(low_half(pin)),
				  MASKED | ACTIVE_LOW | (0x30 + pin));
		ck_assert_uint_eq(in(high_half(pin)), pin << 24);
	}
	/* Indexes on either side of the table are nobody's. */
	out(0x0f, 0x12345678);
	out(low_half(IOAPIC_PINS), 0x12345678);
	out(0xff, 0x12345678);
	ck_assert_uint_eq(in(0x0f), 0);
	ck_assert_uint_eq(in(low_half(IOAPIC_PINS)), 0);
	ck_assert_uint_eq(in(0xff), 0);
	ck_assert_uint_eq(in(INDEX_ID), 0);
	ck_assert_uint_eq(sent, 0);
}
END_TEST

START_TEST(test_read_only_bits)
{
	out(low_half(PIN), 0xffffffff);
	ck_assert_uint_eq(in(low_half(PIN)) & (PENDING | REMOTE_IRR), 0);
	/* In service: a write of 0 does not end it. */
	out(low_half(PIN), LEVEL | 0x40);
	ioapic_set_pin(&ioapic, PIN, true);
	ck_assert_uint_eq(in(low_half(PIN)), LEVEL | REMOTE_IRR | 0x40);
	out(low_half(PIN), LEVEL | 0x40);
	ck_assert_uint_eq(in(low_half(PIN)), LEVEL | REMOTE_IRR | 0x40);
	ck_assert_uint_eq(sent, 1);
}
END_TEST

START_TEST(test_messages)
{
	static const struct {
		uint32_t low;
		uint8_t destination;
		struct ioapic_message message;
	} cases[] = {
		{ 0x31, 0, { 0xfee00000, MESSAGE_ASSERT | 0x31 } },
		{ 0x41, 3, { 0xfee03000, MESSAGE_ASSERT | 0x41 } },
		{ 0xfe, 0xff, { 0xfeeff000, MESSAGE_ASSERT | 0xfe } },
		{ LOGICAL | 0x51, 0x81, { 0xfee81004, MESSAGE_ASSERT | 0x51 } },
		{ LOGICAL | LOWEST_PRIORITY | 0x61,
		  2,
		  { 0xfee02004, MESSAGE_ASSERT | LOWEST_PRIORITY | 0x61 } },
		{ 0x400, 1, { 0xfee01000, MESSAGE_ASSERT | 0x400 } }, /* NMI */
		{ LEVEL | 0x71,
		  4,
		  { 0xfee04000, MESSAGE_LEVEL | MESSAGE_ASSERT | 0x71 } },
		/* The polarity is the pin's affair. */
		{ ACTIVE_LOW | 0x32, 0, { 0xfee00000, MESSAGE_ASSERT | 0x32 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned int pin = (unsigned int)i;

		out(high_half(pin), (uint32_t)cases[i].destination << 24);
		out(low_half(pin), cases[i].low);
		ioapic_set_pin(&ioapic, pin, true);
		ck_assert_uint_eq(sent, i + 1);
		ck_assert_uint_eq(last_pin, pin);
		ck_assert_uint_eq(last_sent.address, cases[i].message.address);
		ck_assert_uint_eq(last_sent.data, cases[i].message.data);
		/* The machine was told the same to expect. */
		ck_assert_uint_eq(route[pin].address, last_sent.address);
		ck_assert_uint_eq(route[pin].data, last_sent.data);
		ck_assert(routed_level[pin] == !!(cases[i].low & LEVEL));
	}
}
END_TEST

START_TEST(test_edges)
{
	out(low_half(PIN), 0x40);
	ioapic_set_pin(&ioapic, PIN, true);
	ck_assert_uint_eq(sent, 1);
	/* High is not an edge, and neither is the fall. */
	ioapic_set_pin(&ioapic, PIN, true);
	ioapic_set_pin(&ioapic, PIN, false);
	ck_assert_uint_eq(sent, 1);
	ioapic_set_pin(&ioapic, PIN, true);
	ck_assert_uint_eq(sent, 2);
	/* An edge is never in service. */
	ck_assert_uint_eq(in(low_half(PIN)), 0x40);
	ioapic_eoi(&ioapic, 0x40);
	ck_assert_uint_eq(sent, 2);
}
END_TEST

START_TEST(test_masked_edge_is_lost)
{
	out(low_half(PIN), MASKED | 0x40);
	ioapic_set_pin(&ioapic, PIN, true);
	ck_assert_uint_eq(sent, 0);
	out(low_half(PIN), 0x40);
	ck_assert_uint_eq(sent, 0);
	ioapic_set_pin(&ioapic, PIN, false);
	ioapic_set_pin(&ioapic, PIN, true);
	ck_assert_uint_eq(sent, 1);
}
END_TEST

START_TEST(test_level)
{
	out(low_half(PIN), LEVEL | 0x40);
	ioapic_set_pin(&ioapic, PIN, true);
	ck_assert_uint_eq(sent, 1);
	ck_assert_uint_eq(in(low_half(PIN)), LEVEL | REMOTE_IRR | 0x40);
	/* In service: not again, whatever the pin does. */
	ioapic_set_pin(&ioapic, PIN, false);
	ioapic_set_pin(&ioapic, PIN, true);
	ck_assert_uint_eq(sent, 1);
	/* Still high at the end of the interrupt: the next one. */
	ioapic_eoi(&ioapic, 0x40);
	ck_assert_uint_eq(sent, 2);
	ck_assert_uint_eq(in(low_half(PIN)), LEVEL | REMOTE_IRR | 0x40);
	ioapic_set_pin(&ioapic, PIN, false);
	ioapic_eoi(&ioapic, 0x40);
	ck_assert_uint_eq(sent, 2);
	ck_assert_uint_eq(in(low_half(PIN)), LEVEL | 0x40);
	ioapic_set_pin(&ioapic, PIN, true);
	ck_assert_uint_eq(sent, 3);
}
END_TEST

START_TEST(test_eoi_is_for_its_vector)
{
	out(low_half(PIN), LEVEL | 0x40);
	out(low_half(PIN + 1), LEVEL | 0x41);
	out(low_half(PIN + 2), LEVEL | 0x41); /* shares the vector */
	for (unsigned int pin = PIN; pin <= PIN + 2; pin++)
		ioapic_set_pin(&ioapic, pin, true);
	ck_assert_uint_eq(sent, 3);
	ioapic_eoi(&ioapic, 0x42);
	ck_assert_uint_eq(sent, 3);
	ioapic_set_pin(&ioapic, PIN + 2, false);
	ioapic_eoi(&ioapic, 0x41);
	ck_assert_uint_eq(sent, 4);
	ck_assert(in(low_half(PIN)) & REMOTE_IRR);
	ck_assert(in(low_half(PIN + 1)) & REMOTE_IRR);
	ck_assert(!(in(low_half(PIN + 2)) & REMOTE_IRR));
}
END_TEST

START_TEST(test_masked_level_waits)
{
	out(low_half(PIN), MASKED | LEVEL | 0x40);
	ioapic_set_pin(&ioapic, PIN, true);
	ck_assert_uint_eq(sent, 0);
	out(low_half(PIN), LEVEL | 0x40);
	ck_assert_uint_eq(sent, 1);
	ioapic_set_pin(&ioapic, PIN, false);
	ioapic_eoi(&ioapic, 0x40);
	/* One that ended while masked is none. */
	out(low_half(PIN), MASKED | LEVEL | 0x40);
	ioapic_set_pin(&ioapic, PIN, true);
	ioapic_set_pin(&ioapic, PIN, false);
	out(low_half(PIN), LEVEL | 0x40);
	ck_assert_uint_eq(sent, 1);
}
END_TEST

/* Linux masks the pin of a threaded interrupt, ends it at the local APIC, and
 * unmasks when the thread is done: that end must reach us. */
START_TEST(test_level_masked_in_service)
{
	out(low_half(PIN), LEVEL | 0x40);
	ioapic_set_pin(&ioapic, PIN, true);
	ck_assert_uint_eq(sent, 1);
	out(low_half(PIN), MASKED | LEVEL | 0x40);
	ck_assert(routed_message[PIN] && routed_level[PIN]);
	ck_assert_uint_eq(route[PIN].data,
			  MESSAGE_LEVEL | MESSAGE_ASSERT | 0x40);
	ioapic_eoi(&ioapic, 0x40);
	/* Masked: high as it is, nothing is sent, nor to be ended. */
	ck_assert_uint_eq(sent, 1);
	ck_assert_uint_eq(in(low_half(PIN)), MASKED | LEVEL | 0x40);
	ck_assert(!routed_message[PIN]);
	out(low_half(PIN), LEVEL | 0x40);
	ck_assert(routed_message[PIN] && routed_level[PIN]);
	ck_assert_uint_eq(sent, 2);
}
END_TEST

/* How Linux gets rid of a stuck remote IRR. */
START_TEST(test_edge_mode_ends_the_service)
{
	out(low_half(PIN), LEVEL | 0x40);
	ioapic_set_pin(&ioapic, PIN, true);
	out(low_half(PIN), MASKED | 0x40);
	ck_assert_uint_eq(in(low_half(PIN)), MASKED | 0x40);
	ck_assert(!routed_message[PIN]);
	out(low_half(PIN), MASKED | LEVEL | 0x40);
	ck_assert_uint_eq(in(low_half(PIN)), MASKED | LEVEL | 0x40);
	ck_assert_uint_eq(sent, 1);
}
END_TEST

START_TEST(test_routes)
{
	/* Nothing changed: nothing is told. */
	out(low_half(PIN), MASKED);
	out(high_half(PIN), 0);
	ck_assert_uint_eq(routed[PIN], 0);
	out(high_half(PIN), 2U << 24);
	ck_assert(!routed_message[PIN]);
	out(low_half(PIN), 0x40);
	ck_assert(routed_message[PIN] && !routed_level[PIN]);
	ck_assert_uint_eq(route[PIN].address, 0xfee02000);
	out(low_half(PIN), LEVEL | 0x40);
	ck_assert(routed_message[PIN] && routed_level[PIN]);
	/* A new destination, with the pin live. */
	out(high_half(PIN), 1U << 24);
	ck_assert_uint_eq(route[PIN].address, 0xfee01000);
	out(low_half(PIN), MASKED | LEVEL | 0x40);
	ck_assert(!routed_message[PIN]);
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		if (pin != PIN)
			ck_assert_uint_eq(routed[pin], 0);
	}
	ck_assert_uint_eq(sent, 0);
}
END_TEST

START_TEST(test_pins_are_apart)
{
	out(low_half(0), 0x30);
	out(low_half(IOAPIC_PINS - 1), 0x47);
	ioapic_set_pin(&ioapic, 0, true);
	ck_assert_uint_eq(last_sent.data & 0xff, 0x30);
	ioapic_set_pin(&ioapic, IOAPIC_PINS - 1, true);
	ck_assert_uint_eq(last_sent.data & 0xff, 0x47);
	ck_assert_uint_eq(sent, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("devices/ioapic");
	TCase *tcase = tcase_create("ioapic");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_identity);
	tcase_add_test(tcase, test_select_register);
	tcase_add_test(tcase, test_entries);
	tcase_add_test(tcase, test_read_only_bits);
	tcase_add_test(tcase, test_messages);
	tcase_add_test(tcase, test_edges);
	tcase_add_test(tcase, test_masked_edge_is_lost);
	tcase_add_test(tcase, test_level);
	tcase_add_test(tcase, test_eoi_is_for_its_vector);
	tcase_add_test(tcase, test_masked_level_waits);
	tcase_add_test(tcase, test_level_masked_in_service);
	tcase_add_test(tcase, test_edge_mode_ends_the_service);
	tcase_add_test(tcase, test_routes);
	tcase_add_test(tcase, test_pins_are_apart);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
