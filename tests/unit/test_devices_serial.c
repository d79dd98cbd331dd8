/*
 * The UART as a driver sees it; register bits as in the PC16550D data sheet.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/serial.h"
#include "tests/unit/irq_double.h"
#include "tests/unit/loop_until.h"
#include "tests/unit/quick_check.h"

enum {
	DATA,
	IER,
	IIR,
	LCR,
	MCR,
	LSR,
	MSR,
	SCR,
	FCR = IIR
};

#define IER_RECEIVE  0x01
#define IER_TRANSMIT 0x02
#define IER_LINE     0x04
#define IER_MODEM    0x08
#define IER_ALL	     0x0f

#define IIR_NONE     0x01
#define IIR_MODEM    0x00
#define IIR_TRANSMIT 0x02
#define IIR_RECEIVE  0x04
#define IIR_LINE     0x06
#define IIR_FIFOS_ON 0xc0

#define LCR_8N1	 0x03
#define LCR_DLAB 0x80

#define MCR_DTR	     0x01
#define MCR_RTS	     0x02
#define MCR_OUT1     0x04
#define MCR_OUT2     0x08
#define MCR_LOOPBACK 0x10

#define LSR_DATA    0x01
#define LSR_OVERRUN 0x02
#define LSR_BREAK   0x10
#define LSR_IDLE    0x60
#define LSR_IN_FIFO 0x80

#define MSR_DELTA_CTS 0x01
#define MSR_DELTA_DSR 0x02
#define MSR_RI_FELL   0x04
#define MSR_DELTA_DCD 0x08
#define MSR_CTS	      0x10
#define MSR_DSR	      0x20
#define MSR_RI	      0x40
#define MSR_DCD	      0x80

static struct loop loop;
static struct chardev *chardev;
static struct irq_double irq;
static struct serial serial;
/* Pipes that stand in for the terminal in the tests that need one. */
static int to_guest = -1;
static int from_guest = -1;
static int saved_stdin = -1;
static int saved_stdout = -1;

static uint8_t in(unsigned int reg)
{
	return (uint8_t)serial_bus_ops.read(&serial, reg, 1);
}

static void out(unsigned int reg, uint8_t value)
{
	serial_bus_ops.write(&serial, reg, value, 1);
}

static void receive(const char *text)
{
	serial_receive(&serial, (const uint8_t *)text, strlen(text));
}

static void update_chardev(void *opaque)
{
	chardev_update(opaque);
}

static void start(void)
{
	irq_double_init(&irq);
	serial_init(&serial, &irq.line, chardev);
	loop.woken = update_chardev;
	loop.woken_opaque = chardev;
}

static void set_up(void)
{
	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	ck_assert_int_eq(chardev_new_null(&loop, &chardev, NULL), 0);
	start();
}

static void set_up_terminal(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	int input[2];
	int output[2];

	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	ck_assert_int_eq(sigaction(SIGPIPE, &ignore, NULL), 0);
	ck_assert_int_eq(pipe2(input, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
	ck_assert_int_ge(fcntl(output[1], F_SETPIPE_SZ, 4096), 4096);
	saved_stdin = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	saved_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	ck_assert_int_ge(dup2(input[0], STDIN_FILENO), 0);
	ck_assert_int_ge(dup2(output[1], STDOUT_FILENO), 0);
	close(input[0]);
	close(output[1]);
	to_guest = input[1];
	from_guest = output[0];
	ck_assert_int_eq(chardev_new_stdio(&loop, &chardev, NULL), 0);
	start();
}

static void tear_down(void)
{
	serial_release(&serial);
	chardev_free(chardev);
	loop_release(&loop);
	if (to_guest < 0)
		return;
	dup2(saved_stdin, STDIN_FILENO);
	dup2(saved_stdout, STDOUT_FILENO);
	close(saved_stdin);
	close(saved_stdout);
	close(to_guest);
	close(from_guest);
}

START_TEST(test_registers_keep_what_is_written)
{
	out(SCR, 0xa5);
	out(LCR, 0x1b);
	out(MCR, 0xff);
	out(IER, 0xff);
	ck_assert_uint_eq(in(SCR), 0xa5);
	ck_assert_uint_eq(in(LCR), 0x1b);
	ck_assert_uint_eq(in(MCR), 0x1f);
	ck_assert_uint_eq(in(IER), IER_ALL);
}
END_TEST

START_TEST(test_status_registers_are_read_only)
{
	out(LSR, 0xff);
	out(MSR, 0xff);
	ck_assert_uint_eq(in(LSR), LSR_IDLE);
	ck_assert_uint_eq(in(MSR), MSR_CTS | MSR_DSR | MSR_DCD);
}
END_TEST

START_TEST(test_only_bytes_are_accesses)
{
	out(SCR, 0x11);
	serial_bus_ops.write(&serial, SCR, 0x2222, 2);
	serial_bus_ops.write(&serial, DATA, 0x33333333, 4);
	ck_assert_uint_eq(in(SCR), 0x11);
	ck_assert_uint_eq(serial_bus_ops.read(&serial, SCR, 2), UINT64_MAX);
	ck_assert_uint_eq(serial_bus_ops.read(&serial, DATA, 4), UINT64_MAX);
}
END_TEST

START_TEST(test_divisor_behind_dlab)
{
	out(IER, IER_RECEIVE);
	receive("x");
	out(LCR, LCR_8N1 | LCR_DLAB);
	out(DATA, 0x34);
	out(IER, 0x12);
	ck_assert_uint_eq(in(DATA), 0x34);
	ck_assert_uint_eq(in(IER), 0x12);
	out(LCR, LCR_8N1);
	/* Neither the FIFO nor the interrupt enables took part. */
	ck_assert_uint_eq(in(IER), IER_RECEIVE);
	ck_assert_uint_eq(in(DATA), 'x');
	out(LCR, LCR_8N1 | LCR_DLAB);
	ck_assert_uint_eq(in(DATA), 0x34);
	ck_assert_uint_eq(in(IER), 0x12);
}
END_TEST

START_TEST(test_fifo_in_order)
{
	ck_assert_uint_eq(in(LSR), LSR_IDLE);
	ck_assert_uint_eq(in(DATA), 0);
	/* Round the ring more than once. */
	for (int i = 0; i < 26; i++) {
		const char text[] = { (char)('a' + i), (char)('A' + i), '\0' };

		receive(text);
		ck_assert_uint_eq(in(LSR), LSR_IDLE | LSR_DATA);
		ck_assert_uint_eq(in(DATA), (uint8_t)text[0]);
		ck_assert_uint_eq(in(LSR), LSR_IDLE | LSR_DATA);
		ck_assert_uint_eq(in(DATA), (uint8_t)text[1]);
		ck_assert_uint_eq(in(LSR), LSR_IDLE);
	}
}
END_TEST

START_TEST(test_fifo_enable_and_clear)
{
	ck_assert_uint_eq(in(IIR), IIR_NONE);
	receive("ab");
	out(FCR, 0x01); /* a change of the enable bit empties */
	ck_assert_uint_eq(in(IIR), IIR_NONE | IIR_FIFOS_ON);
	ck_assert_uint_eq(in(LSR), LSR_IDLE);
	receive("cd");
	out(FCR, 0x01); /* no change: nothing is lost */
	ck_assert_uint_eq(in(DATA), 'c');
	out(FCR, 0x03); /* clears the receiver */
	ck_assert_uint_eq(in(LSR), LSR_IDLE);
	receive("e");
	out(FCR, 0x05); /* clears the transmitter alone */
	ck_assert_uint_eq(in(DATA), 'e');
	receive("f");
	out(FCR, 0x00);
	ck_assert_uint_eq(in(LSR), LSR_IDLE);
	ck_assert_uint_eq(in(IIR), IIR_NONE);
}
END_TEST

START_TEST(test_overrun)
{
	out(MCR, MCR_OUT2);
	out(IER, IER_LINE);
	receive("0123456789abcdef");
	ck_assert_uint_eq(serial_room(&serial), 0);
	ck_assert(!irq.asserted);
	receive("X");
	ck_assert(irq.asserted);
	ck_assert_uint_eq(in(IIR), IIR_LINE);
	ck_assert_uint_eq(in(LSR), LSR_IDLE | LSR_DATA | LSR_OVERRUN);
	/* The read cleared it; what was in the FIFO is untouched. */
	ck_assert(!irq.asserted);
	ck_assert_uint_eq(in(LSR), LSR_IDLE | LSR_DATA);
	for (const char *c = "0123456789abcdef"; *c; c++)
		ck_assert_uint_eq(in(DATA), (uint8_t)*c);
	ck_assert_uint_eq(in(LSR), LSR_IDLE);
}
END_TEST

START_TEST(test_break)
{
	out(MCR, MCR_OUT2);
	out(IER, IER_LINE);
	serial_send_break(&serial);
	ck_assert(irq.asserted);
	ck_assert_uint_eq(in(IIR), IIR_LINE);
	ck_assert_uint_eq(in(LSR) & ~LSR_IN_FIFO,
			  LSR_IDLE | LSR_DATA | LSR_BREAK);
	ck_assert(!irq.asserted);
	ck_assert_uint_eq(in(LSR), LSR_IDLE | LSR_DATA);
	ck_assert_uint_eq(in(DATA), 0);
	ck_assert_uint_eq(in(LSR), LSR_IDLE);
}
END_TEST

/* A driver takes the byte that it reads next for the break's: Linux would drop
 * what was typed before and never see SysRq. */
START_TEST(test_break_waits_for_its_byte)
{
	out(FCR, 0x01);
	out(MCR, MCR_OUT2);
	out(IER, IER_LINE);
	receive("ab");
	serial_send_break(&serial);
	receive("c");
	ck_assert(!irq.asserted);
	ck_assert_uint_eq(in(LSR), LSR_IDLE | LSR_DATA | LSR_IN_FIFO);
	ck_assert_uint_eq(in(DATA), 'a');
	ck_assert_uint_eq(in(LSR), LSR_IDLE | LSR_DATA | LSR_IN_FIFO);
	ck_assert_uint_eq(in(DATA), 'b');
	ck_assert(irq.asserted);
	ck_assert_uint_eq(in(LSR),
			  LSR_IDLE | LSR_DATA | LSR_BREAK | LSR_IN_FIFO);
	ck_assert_uint_eq(in(LSR), LSR_IDLE | LSR_DATA);
	ck_assert_uint_eq(in(DATA), 0);
	ck_assert_uint_eq(in(LSR), LSR_IDLE | LSR_DATA);
	ck_assert_uint_eq(in(DATA), 'c');
	ck_assert_uint_eq(in(LSR), LSR_IDLE);
}
END_TEST

/* A guest that has stopped reading is the very one that needs a SysRq. */
START_TEST(test_break_into_a_full_fifo)
{
	receive("0123456789abcdef");
	serial_send_break(&serial);
	ck_assert_uint_eq(in(LSR), LSR_IDLE | LSR_DATA | LSR_OVERRUN);
	for (const char *c = "0123456789abcde"; *c; c++)
		ck_assert_uint_eq(in(DATA), (uint8_t)*c);
	ck_assert_uint_eq(in(LSR), LSR_IDLE | LSR_DATA | LSR_BREAK);
	ck_assert_uint_eq(in(DATA), 0);
	ck_assert_uint_eq(in(LSR), LSR_IDLE);
}
END_TEST

START_TEST(test_emptied_fifo_forgets_its_breaks)
{
	out(FCR, 0x01);
	serial_send_break(&serial);
	out(FCR, 0x03);
	ck_assert_uint_eq(in(LSR), LSR_IDLE);
	receive("a");
	ck_assert_uint_eq(in(LSR), LSR_IDLE | LSR_DATA);
}
END_TEST

START_TEST(test_transmitter_interrupt)
{
	out(MCR, MCR_OUT2);
	ck_assert(!irq.asserted);
	/* Enabling while the holding register is empty: at once. */
	out(IER, IER_TRANSMIT);
	ck_assert(irq.asserted);
	ck_assert_uint_eq(in(IIR), IIR_TRANSMIT);
	/* Reading the cause took it away. */
	ck_assert(!irq.asserted);
	ck_assert_uint_eq(in(IIR), IIR_NONE);
	/* Writing IER again is no enabling. */
	out(IER, IER_TRANSMIT | IER_RECEIVE);
	ck_assert(!irq.asserted);
	/* Each byte written is gone at once. */
	out(DATA, 'x');
	ck_assert(irq.asserted);
	ck_assert_uint_eq(in(IIR), IIR_TRANSMIT);
	ck_assert(!irq.asserted);
	out(IER, 0);
	out(IER, IER_TRANSMIT);
	ck_assert(irq.asserted);
	out(IER, 0);
	ck_assert(!irq.asserted);
}
END_TEST

START_TEST(test_priorities)
{
	out(MCR, MCR_OUT2 | MCR_LOOPBACK);
	out(MCR, MCR_OUT2); /* the modem lines changed */
	out(IER, IER_ALL);
	receive("0123456789abcdefX");
	ck_assert_uint_eq(in(IIR), IIR_LINE);
	in(LSR);
	ck_assert_uint_eq(in(IIR), IIR_RECEIVE);
	ck_assert_uint_eq(in(IIR), IIR_RECEIVE); /* reading does not clear */
	while (in(LSR)&LSR_DATA)
		in(DATA);
	ck_assert_uint_eq(in(IIR), IIR_TRANSMIT);
	ck_assert_uint_eq(in(IIR), IIR_MODEM);
	ck_assert(irq.asserted);
	in(MSR);
	ck_assert_uint_eq(in(IIR), IIR_NONE);
	ck_assert(!irq.asserted);
}
END_TEST

START_TEST(test_only_enabled_causes_interrupt)
{
	out(MCR, MCR_OUT2);
	receive("0123456789abcdefX");
	ck_assert_uint_eq(in(IIR), IIR_NONE);
	ck_assert_uint_eq(irq.changes, 0);
	out(IER, IER_RECEIVE);
	ck_assert_uint_eq(in(IIR), IIR_RECEIVE);
	ck_assert(irq.asserted);
	out(IER, IER_LINE);
	ck_assert_uint_eq(in(IIR), IIR_LINE);
	ck_assert(irq.asserted);
	out(IER, IER_MODEM);
	ck_assert_uint_eq(in(IIR), IIR_NONE);
	ck_assert(!irq.asserted);
}
END_TEST

START_TEST(test_receive_interrupt_stands_until_empty)
{
	out(MCR, MCR_OUT2);
	out(IER, IER_RECEIVE);
	receive("ab");
	ck_assert(irq.asserted);
	in(DATA);
	ck_assert(irq.asserted);
	in(DATA);
	ck_assert(!irq.asserted);
	/* The line moved once each way: an edge is not lost or doubled. */
	ck_assert_uint_eq(irq.changes, 2);
}
END_TEST

START_TEST(test_out2_gates_the_line)
{
	out(IER, IER_RECEIVE);
	receive("a");
	ck_assert_uint_eq(in(IIR), IIR_RECEIVE);
	ck_assert(!irq.asserted);
	out(MCR, MCR_OUT2);
	ck_assert(irq.asserted);
	out(MCR, MCR_DTR | MCR_RTS | MCR_OUT1);
	ck_assert(!irq.asserted);
	/* In loopback the pin is held inactive, whatever the bit says. */
	out(MCR, MCR_OUT2 | MCR_LOOPBACK);
	ck_assert(!irq.asserted);
}
END_TEST

START_TEST(test_loopback_data)
{
	out(MCR, MCR_LOOPBACK);
	out(DATA, 'p');
	out(DATA, 'q');
	ck_assert_uint_eq(in(LSR), LSR_IDLE | LSR_DATA);
	ck_assert_uint_eq(in(DATA), 'p');
	ck_assert_uint_eq(in(DATA), 'q');
	ck_assert_uint_eq(in(LSR), LSR_IDLE);
	/* While DLAB is set the same address is the divisor. */
	out(LCR, LCR_DLAB);
	out(DATA, 1);
	ck_assert_uint_eq(in(LSR), LSR_IDLE);
}
END_TEST

START_TEST(test_loopback_lines)
{
	static const struct {
		uint8_t mcr;
		uint8_t msr;
	} cases[] = {
		{ 0, 0 },
		{ MCR_DTR, MSR_DSR },
		{ MCR_RTS, MSR_CTS },
		{ MCR_OUT1, MSR_RI },
		{ MCR_OUT2, MSR_DCD },
		{ MCR_RTS | MCR_OUT2, MSR_CTS | MSR_DCD }, /* Linux's probe */
		{ 0x0f, 0xf0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		out(MCR, MCR_LOOPBACK | cases[i].mcr);
		ck_assert_uint_eq(in(MSR)&0xf0, cases[i].msr);
	}
	out(MCR, 0);
	ck_assert_uint_eq(in(MSR)&0xf0, MSR_CTS | MSR_DSR | MSR_DCD);
}
END_TEST

START_TEST(test_modem_deltas)
{
	out(MCR, MCR_LOOPBACK | MCR_RTS | MCR_DTR | MCR_OUT2);
	/* The same lines as without loopback: nothing changed. */
	ck_assert_uint_eq(in(MSR), MSR_CTS | MSR_DSR | MSR_DCD);
	out(MCR, MCR_LOOPBACK | MCR_OUT1);
	ck_assert_uint_eq(in(MSR), MSR_RI | MSR_DELTA_CTS | MSR_DELTA_DSR |
					   MSR_DELTA_DCD);
	/* A read clears; the ring indicator tells only its end. */
	ck_assert_uint_eq(in(MSR), MSR_RI);
	out(MCR, MCR_LOOPBACK);
	ck_assert_uint_eq(in(MSR), MSR_RI_FELL);
	/* Deltas add up until they are read. */
	out(MCR, MCR_LOOPBACK | MCR_RTS);
	out(MCR, MCR_LOOPBACK | MCR_DTR);
	ck_assert_uint_eq(in(MSR), MSR_DSR | MSR_DELTA_CTS | MSR_DELTA_DSR);
	ck_assert_uint_eq(in(MSR), MSR_DSR);
}
END_TEST

/* --- With a terminal --- */

static bool fifo_is_full(void *opaque)
{
	(void)opaque;
	return serial_room(&serial) == 0;
}

START_TEST(test_input_waits_for_room)
{
	char text[100];
	size_t got = 0;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(' ' + i % 90);
	ck_assert_int_eq(write(to_guest, text, sizeof(text)), sizeof(text));
	ck_assert(
		loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS, fifo_is_full, NULL));
	/* Down to more than half nothing is read from the outside. */
	loop_run_idle(&loop);
	for (; got < 7; got++)
		ck_assert_uint_eq(in(DATA), (uint8_t)text[got]);
	loop_run_idle(&loop);
	ck_assert_uint_eq(serial_room(&serial), 7);
	/* At half the reader is woken, and no byte was lost or doubled. */
	ck_assert_uint_eq(in(DATA), (uint8_t)text[got++]);
	ck_assert(
		loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS, fifo_is_full, NULL));
	while (got < sizeof(text)) {
		uint8_t status = in(LSR);

		ck_assert(!(status & LSR_OVERRUN));
		if (status & LSR_DATA)
			ck_assert_uint_eq(in(DATA), (uint8_t)text[got++]);
		else
			loop_run_until(&loop, 2, NULL, NULL);
	}
	ck_assert_uint_eq(in(LSR), LSR_IDLE);
}
END_TEST

START_TEST(test_clearing_the_fifo_resumes_input)
{
	static const char text[] = "0123456789abcdefABCDEFGH";

	out(FCR, 0x01);
	ck_assert_int_eq(write(to_guest, text, 24), 24);
	ck_assert(
		loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS, fifo_is_full, NULL));
	loop_run_idle(&loop);
	out(FCR, 0x03);
	loop_run_idle(&loop);
	ck_assert_uint_eq(serial_room(&serial), 16 - 8);
	ck_assert_uint_eq(in(DATA), 'A');
}
END_TEST

START_TEST(test_output_is_there_when_the_write_returns)
{
	char got[3] = "";

	out(DATA, 'h');
	out(DATA, 'i');
	ck_assert_int_eq(read(from_guest, got, sizeof(got)), 2);
	ck_assert_str_eq(got, "hi");
}
END_TEST

/* A vCPU that writes more than the reader takes. */
struct writer {
	pthread_t thread;
	size_t count;
	atomic_bool done;
};

static void *write_bytes(void *opaque)
{
	struct writer *writer = opaque;

	for (size_t i = 0; i < writer->count; i++)
		out(DATA, (uint8_t)i);
	atomic_store(&writer->done, true);
	return NULL;
}

static bool pipe_is_full(void *opaque)
{
	int bytes = 0;

	(void)opaque;
	ck_assert_int_eq(ioctl(from_guest, FIONREAD, &bytes), 0);
	return bytes == 4096;
}

static void start_blocked_writer(struct writer *writer)
{
	ck_assert_int_eq(
		pthread_create(&writer->thread, NULL, write_bytes, writer), 0);
	ck_assert(
		loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS, pipe_is_full, NULL));
}

static void check_that_all_arrives(struct writer *writer)
{
	for (size_t got = 0; got < writer->count;) {
		uint8_t data[512];
		ssize_t n = read(from_guest, data, sizeof(data));

		ck_assert_int_gt(n, 0);
		for (ssize_t i = 0; i < n; i++)
			ck_assert_uint_eq(data[i], (uint8_t)(got + (size_t)i));
		got += (size_t)n;
	}
	ck_assert_int_eq(pthread_join(writer->thread, NULL), 0);
}

START_TEST(test_slow_reader_loses_nothing)
{
	struct writer writer = { .count = 10000 };

	start_blocked_writer(&writer);
	ck_assert(!atomic_load(&writer.done));
	check_that_all_arrives(&writer);
}
END_TEST

static bool has_data(void *opaque)
{
	(void)opaque;
	return in(LSR)&LSR_DATA;
}

START_TEST(test_blocked_writer_leaves_the_receiver_alone)
{
	struct writer writer = { .count = 5000 };

	start_blocked_writer(&writer);
	ck_assert_int_eq(write(to_guest, "k", 1), 1);
	ck_assert(loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS, has_data, NULL));
	ck_assert_uint_eq(in(DATA), 'k');
	out(SCR, 7);
	ck_assert_uint_eq(in(SCR), 7);
	serial_send_break(&serial);
	ck_assert(in(LSR)&LSR_BREAK);
	ck_assert(!atomic_load(&writer.done));
	check_that_all_arrives(&writer);
}
END_TEST

START_TEST(test_cancel_frees_a_blocked_writer)
{
	struct writer writer = { .count = 5000 };

	start_blocked_writer(&writer);
	ck_assert(!atomic_load(&writer.done));
	chardev_cancel(chardev);
	ck_assert_int_eq(pthread_join(writer.thread, NULL), 0);
	ck_assert(pipe_is_full(NULL)); /* the rest was dropped */
	ck_assert_int_eq(chardev_error(chardev), 0);
}
END_TEST

static TCase *case_of(Suite *suite, const char *name, void (*setup)(void))
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, tear_down);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("devices/serial");
	TCase *alone = case_of(suite, "registers", set_up);
	TCase *terminal = case_of(suite, "terminal", set_up_terminal);
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(alone, test_registers_keep_what_is_written);
	tcase_add_test(alone, test_status_registers_are_read_only);
	tcase_add_test(alone, test_only_bytes_are_accesses);
	tcase_add_test(alone, test_divisor_behind_dlab);
	tcase_add_test(alone, test_fifo_in_order);
	tcase_add_test(alone, test_fifo_enable_and_clear);
	tcase_add_test(alone, test_overrun);
	tcase_add_test(alone, test_break);
	tcase_add_test(alone, test_break_waits_for_its_byte);
	tcase_add_test(alone, test_break_into_a_full_fifo);
	tcase_add_test(alone, test_emptied_fifo_forgets_its_breaks);
	tcase_add_test(alone, test_transmitter_interrupt);
	tcase_add_test(alone, test_priorities);
	tcase_add_test(alone, test_only_enabled_causes_interrupt);
	tcase_add_test(alone, test_receive_interrupt_stands_until_empty);
	tcase_add_test(alone, test_out2_gates_the_line);
	tcase_add_test(alone, test_loopback_data);
	tcase_add_test(alone, test_loopback_lines);
	tcase_add_test(alone, test_modem_deltas);
	tcase_add_test(terminal, test_input_waits_for_room);
	tcase_add_test(terminal, test_clearing_the_fifo_resumes_input);
	tcase_add_test(terminal, test_output_is_there_when_the_write_returns);
	tcase_add_test(terminal, test_slow_reader_loses_nothing);
	tcase_add_test(terminal, test_blocked_writer_leaves_the_receiver_alone);
	tcase_add_test(terminal, test_cancel_frees_a_blocked_writer);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
