/*
 * Interrupts of the PCI transport: MSI-X, its masks and its table, and INTx.
 */
#include <stdlib.h>

#include "tests/unit/virtio_pci_driver.h"

START_TEST(test_msix)
{
	start_with_msix();
	ck_assert_uint_eq(vectors[1].addr, 0xfee02000);
	ck_assert_uint_eq(vectors[1].data, 0x41);
	ck_assert(!vectors[1].masked);
	request(16);
	ck_assert_uint_eq(vectors[1].irq.pulses, 1);
	ck_assert_uint_eq(vectors[0].irq.pulses, 0);
	virtio_config_changed(&rng.device, 0, "\x01", 1);
	ck_assert_uint_eq(vectors[0].irq.pulses, 1);
	ck_assert_uint_eq(vectors[1].irq.pulses, 1);
	ck_assert_uint_eq(intx.changes, 0);
	/* 4.1.4.5.1: the configuration's bit is set all the same. */
	ck_assert_uint_eq(in(structure[ISR], 1), 2);
	ck_assert_uint_eq(in(structure[ISR], 1), 0);
}
END_TEST

START_TEST(test_vectors_of_choice)
{
	start_with_msix();
	ck_assert_uint_eq(common(QUEUE_VECTOR, 2), 1);
	set_common(QUEUE_VECTOR, 2, 0);
	ck_assert_uint_eq(common(QUEUE_VECTOR, 2), 0);
	request(16);
	ck_assert_uint_eq(vectors[0].irq.pulses, 1);
	/* 4.1.5.1.2.1: what is not there reads back as none. */
	set_common(QUEUE_VECTOR, 2, VECTORS);
	ck_assert_uint_eq(common(QUEUE_VECTOR, 2), NO_VECTOR);
	set_common(CONFIG_VECTOR, 2, 0x1234);
	ck_assert_uint_eq(common(CONFIG_VECTOR, 2), NO_VECTOR);
	request(16);
	virtio_config_changed(&rng.device, 0, "\x01", 1);
	ck_assert_uint_eq(vectors[0].irq.pulses, 1);
	ck_assert_uint_eq(vectors[1].irq.pulses, 0);
	ck_assert_uint_eq(intx.changes, 0);
	/* A reset forgets the choice, not the table. */
	set_common(CONFIG_VECTOR, 2, 0);
	ck_assert_uint_eq(common(CONFIG_VECTOR, 2), 0);
	set_common(QUEUE_VECTOR, 2, 1);
	set_common(STATUS, 1, 0);
	ck_assert_uint_eq(common(STATUS, 1), 0);
	ck_assert_uint_eq(common(QUEUE_VECTOR, 2), NO_VECTOR);
	ck_assert_uint_eq(common(CONFIG_VECTOR, 2), NO_VECTOR);
	ck_assert_uint_eq(in(table + 16, 4), 0xfee02000);
}
END_TEST

/* Any number does for an eventfd that nobody writes. */
#define CALL_FD 1000

static void check_followed(int first, int second)
{
	ck_assert_int_eq(vectors[0].irq.followed, first);
	ck_assert_int_eq(vectors[1].irq.followed, second);
}

START_TEST(test_followed_vector)
{
	const struct virtio_transport_ops *transport = rng.device.transport;

	start_with_msix();
	set_common(QUEUE_VECTOR, 2, 0);
	check_followed(-1, -1);
	transport->follow(&rng.device, 0, CALL_FD);
	check_followed(CALL_FD, -1);
	/* The driver takes another one, none, and one again. */
	set_common(QUEUE_VECTOR, 2, 1);
	check_followed(-1, CALL_FD);
	set_common(QUEUE_VECTOR, 2, NO_VECTOR);
	check_followed(-1, -1);
	set_common(QUEUE_VECTOR, 2, 1);
	check_followed(-1, CALL_FD);
	transport->follow(&rng.device, 0, -1);
	check_followed(-1, -1);
	set_common(QUEUE_VECTOR, 2, 0);
	check_followed(-1, -1);
	/* Without a vector there is nothing to follow it, yet. */
	set_common(QUEUE_VECTOR, 2, NO_VECTOR);
	transport->follow(&rng.device, 0, CALL_FD);
	check_followed(-1, -1);
	set_common(QUEUE_VECTOR, 2, 0);
	check_followed(CALL_FD, -1);
	transport->follow(&rng.device, 0, -1);
}
END_TEST

START_TEST(test_masked_vector)
{
	start_with_msix();
	out(table + 16 + 12, 4, 1);
	ck_assert(vectors[1].masked);
	request(16);
	request(16);
	ck_assert_uint_eq(vectors[1].irq.pulses, 0);
	ck_assert_uint_eq(in(pending, 8), 2);
	ck_assert_uint_eq(in(pending, 4), 2);
	/* Another message while it is masked: only the last counts. */
	out(table + 16, 8, 0xfee03000);
	out(table + 16 + 8, 8, 0x42);
	ck_assert_uint_eq(vectors[1].addr, 0xfee03000);
	ck_assert_uint_eq(vectors[1].data, 0x42);
	ck_assert_uint_eq(vectors[1].irq.pulses, 1);
	ck_assert_uint_eq(in(pending, 8), 0);
}
END_TEST

START_TEST(test_function_mask)
{
	start_with_msix();
	enable_msix(MSIX_ON | MSIX_MASK);
	ck_assert(vectors[0].masked && vectors[1].masked);
	request(16);
	virtio_config_changed(&rng.device, 0, "\x01", 1);
	ck_assert_uint_eq(in(pending, 8), 3);
	enable_msix(MSIX_ON);
	ck_assert_uint_eq(vectors[0].irq.pulses, 1);
	ck_assert_uint_eq(vectors[1].irq.pulses, 1);
	/* Off: what was pending is forgotten. */
	enable_msix(MSIX_ON | MSIX_MASK);
	request(16);
	enable_msix(0);
	ck_assert_uint_eq(in(pending, 8), 0);
	enable_msix(MSIX_ON);
	ck_assert_uint_eq(vectors[1].irq.pulses, 1);
}
END_TEST

START_TEST(test_table)
{
	/* All are masked after a reset, and nobody was told. */
	for (unsigned int i = 0; i < VECTORS; i++) {
		ck_assert_uint_eq(in(table + 16ULL * i + 12, 4), 1);
		ck_assert_uint_eq(vectors[i].changes, 0);
	}
	set_entry(1, 0x123456789abcdef3, 0x12345678, false);
	ck_assert_uint_eq(in(table + 16, 8), 0x123456789abcdef0);
	ck_assert_uint_eq(in(table + 16 + 4, 4), 0x12345678);
	ck_assert_uint_eq(in(table + 16 + 8, 8), 0x12345678);
	out(table + 16 + 12, 4, 0xffffffff);
	ck_assert_uint_eq(in(table + 16 + 12, 4), 1);
	/* Not while MSI-X is off. */
	ck_assert(vectors[1].masked);
	/* Beyond the last, and odd widths (invariant 20). */
	ck_assert_uint_eq(in(table + 16ULL * VECTORS, 4), UINT64_MAX);
	out(table + 16ULL * VECTORS + 12, 4, 0);
	out(table + 0xff8, 8, 0);
	ck_assert_uint_eq(in(table, 1), UINT64_MAX);
	ck_assert_uint_eq(in(table, 2), UINT64_MAX);
	ck_assert_uint_eq(in(table + 2, 4), UINT64_MAX);
	ck_assert_uint_eq(in(table + 4, 8), UINT64_MAX);
	ck_assert_uint_eq(in(pending, 1), UINT64_MAX);
	out(table + 16, 2, 0xffff);
	out(pending, 8, UINT64_MAX);
	ck_assert_uint_eq(in(pending, 8), 0);
	ck_assert_uint_eq(in(pending + 8, 8), 0);
	ck_assert_uint_eq(in(table + 16, 4), 0x9abcdef0);
}
END_TEST

START_TEST(test_intx)
{
	start();
	request(16);
	ck_assert(intx.asserted);
	ck_assert(cfg_in(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	ck_assert_uint_eq(in(structure[ISR], 1), 1);
	ck_assert(!intx.asserted);
	ck_assert(!(cfg_in(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
	virtio_config_changed(&rng.device, 0, "\x01", 1);
	ck_assert(intx.asserted);
	request(16);
	ck_assert_uint_eq(in(structure[ISR], 1), 3);
	/* PCI's own switch hides it. */
	cfg_out(PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	request(16);
	ck_assert(!intx.asserted);
	ck_assert(cfg_in(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	cfg_out(PCI_COMMAND, 2, 0);
	ck_assert(intx.asserted);
	/* And so does MSI-X. */
	enable_msix(MSIX_ON);
	ck_assert(!intx.asserted);
	enable_msix(0);
	ck_assert(intx.asserted);
	set_common(STATUS, 1, 0);
	ck_assert(!intx.asserted);
	ck_assert_uint_eq(vectors[0].irq.pulses + vectors[1].irq.pulses, 0);
}
END_TEST

START_TEST(test_no_intx)
{
	tear_down();
	set_up_intx(NULL);
	start();
	request(16);
	ck_assert_uint_eq(in(structure[ISR], 1), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio/pci interrupts");
	TCase *tcase = tcase_create("pci");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_msix);
	tcase_add_test(tcase, test_vectors_of_choice);
	tcase_add_test(tcase, test_followed_vector);
	tcase_add_test(tcase, test_masked_vector);
	tcase_add_test(tcase, test_function_mask);
	tcase_add_test(tcase, test_table);
	tcase_add_test(tcase, test_intx);
	tcase_add_test(tcase, test_no_intx);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
