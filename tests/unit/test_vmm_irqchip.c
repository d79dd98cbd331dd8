/*
 * Messages that an eventfd sends by itself, with this host's KVM: an eventfd
 * that KVM has taken is empty when it was written, any other is not.
 */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/quick_check.h"
#include "tests/unit/real_kvm.h"
#include "vmm/irqchip.h"
#include "vmm/trace.h"

#define ADDR 0xfee00000
#define DATA 0x41

static struct kvm kvm;
static struct bus mmio;
static struct irqchip irqchip;
static struct irqchip_message message;
static int fd;

static void start_with(enum irqchip_mode mode)
{
	struct err err = { 0 };

	bus_init(&mmio);
	ck_assert_int_eq(kvm_open(&kvm, &err), 0);
	ck_assert_int_eq(kvm_create_vm(&kvm, &err), 0);
	ck_assert_msg(irqchip_init(&irqchip, &kvm, mode, &mmio, &err) == 0,
		      "%s", err.msg);
	irqchip_message_init(&message, &irqchip, "device", 0);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(fd, 0);
}

static void set_up(void)
{
	start_with(IRQCHIP_SPLIT);
}

static void tear_down(void)
{
	close(fd);
	irqchip_release(&irqchip);
	kvm_release(&kvm);
	bus_release(&mmio);
}

/* Whether KVM takes what is written to @eventfd. */
static bool is_taken(int eventfd)
{
	uint64_t count = 1;

	ck_assert_int_eq(write(eventfd, &count, sizeof(count)), sizeof(count));
	return read(eventfd, &count, sizeof(count)) < 0;
}

static void follow(int eventfd)
{
	irq_follow(&message.line, eventfd);
}

START_TEST(test_follows)
{
	ck_assert(!is_taken(fd));
	irqchip_message_set(&message, ADDR, DATA, false);
	ck_assert(!is_taken(fd));
	follow(fd);
	ck_assert(is_taken(fd));
	follow(-1);
	ck_assert(!is_taken(fd));
	follow(fd);
	ck_assert(is_taken(fd));
}
END_TEST

START_TEST(test_masked)
{
	follow(fd);
	ck_assert(!is_taken(fd));
	irqchip_message_set(&message, ADDR, DATA, false);
	ck_assert(is_taken(fd));
	irqchip_message_set(&message, ADDR, DATA, true);
	ck_assert(!is_taken(fd));
	/* As Linux moves an interrupt to another CPU. */
	irqchip_message_set(&message, ADDR + 0x1000, DATA + 1, true);
	ck_assert(!is_taken(fd));
	irqchip_message_set(&message, ADDR + 0x1000, DATA + 1, false);
	ck_assert(is_taken(fd));
	ck_assert_uint_eq(irqchip.routes[0].address, ADDR + 0x1000);
	ck_assert_uint_eq(irqchip.routes[0].data, DATA + 1);
	ck_assert_uint_eq(irqchip.route_count, 1);
	/* Changed while it is bound. */
	irqchip_message_set(&message, ADDR, DATA, false);
	ck_assert(is_taken(fd));
	ck_assert_uint_eq(irqchip.routes[0].data, DATA);
}
END_TEST

START_TEST(test_another_eventfd)
{
	int other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	irqchip_message_set(&message, ADDR, DATA, false);
	follow(fd);
	follow(other);
	ck_assert(!is_taken(fd));
	ck_assert(is_taken(other));
	close(other);
}
END_TEST

/* Whom there is no route for, its owner watches the eventfd of. */
START_TEST(test_more_than_there_are_routes)
{
	struct irqchip_message *messages =
		calloc(IRQCHIP_MAX_ROUTES, sizeof(*messages));
	int fds[IRQCHIP_MAX_ROUTES];

	for (unsigned int i = 0; i < IRQCHIP_MAX_ROUTES; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		irqchip_message_init(&messages[i], &irqchip, "device", i);
		irqchip_message_set(&messages[i], ADDR, DATA + i, false);
		irq_follow(&messages[i].line, fds[i]);
		ck_assert(is_taken(fds[i]));
	}
	irqchip_message_set(&message, ADDR, DATA, false);
	follow(fd);
	ck_assert(!is_taken(fd));
	irq_follow(&messages[0].line, -1);
	irq_follow(&messages[0].line, fds[0]);
	ck_assert(is_taken(fds[0]));
	for (unsigned int i = 0; i < IRQCHIP_MAX_ROUTES; i++)
		close(fds[i]);
	free(messages);
}
END_TEST

/* A level-triggered pin's route stays, and stays KVM's first. */
START_TEST(test_beside_pins)
{
	const struct ioapic_message pin = { .address = ADDR, .data = 0x51 };
	const struct ioapic_ops *ops = irqchip.ioapic.ops;

	irqchip_message_set(&message, ADDR, DATA, false);
	follow(fd);
	ops->route(irqchip.ioapic.opaque, 3, &pin, true);
	ck_assert(is_taken(fd));
	ops->route(irqchip.ioapic.opaque, 3, NULL, true);
	ck_assert(is_taken(fd));
	irqchip_message_set(&message, ADDR, DATA + 1, false);
	ck_assert(is_taken(fd));
}
END_TEST

START_TEST(test_full)
{
	tear_down();
	start_with(IRQCHIP_FULL);
	irqchip_message_set(&message, ADDR, DATA, false);
	follow(fd);
	ck_assert(!is_taken(fd));
}
END_TEST

/* Else there would be no line of it. */
START_TEST(test_traced_ones_come_by)
{
	struct trace trace = { .kinds = TRACE_RAISED };

	irqchip_trace(&irqchip, &trace);
	irqchip_message_set(&message, ADDR, DATA, false);
	follow(fd);
	ck_assert(!is_taken(fd));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/irqchip");
	TCase *tcase = tcase_create("messages");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	if (has_real_kvm("test_vmm_irqchip")) {
		tcase_add_test(tcase, test_follows);
		tcase_add_test(tcase, test_masked);
		tcase_add_test(tcase, test_another_eventfd);
		tcase_add_test(tcase, test_more_than_there_are_routes);
		tcase_add_test(tcase, test_beside_pins);
		tcase_add_test(tcase, test_full);
		tcase_add_test(tcase, test_traced_ones_come_by);
	}
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
