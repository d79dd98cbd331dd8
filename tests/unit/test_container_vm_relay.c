/* A session with a VM's agent that runs a process, against guests that say what
 * they like. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "container/vm_relay.h"
#include "core/bytes.h"
#include "tests/unit/quick_check.h"

#define FRAMES 512 /* more than sockets hold */

struct guest {
	int fd; /* ours */
	pid_t pid;
	struct vm_relay relay;
	FILE *in;
	FILE *out;
	int told;
};

/* ---- the guest's side ---- */

static void put(int fd, uint32_t type, uint32_t len, const void *data)
{
	unsigned char frame[AGENT_HEADER + AGENT_FRAME_MAX];

	store_le32(frame, type);
	store_le32(frame + 4, len);
	if (len)
		memcpy(frame + AGENT_HEADER, data, len);
	if (write(fd, frame, AGENT_HEADER + len) !=
	    (ssize_t)(AGENT_HEADER + len))
		_exit(1);
}

static void take_all(int fd, void *data, size_t len)
{
	/* One of no bytes waits, too. */
	if (len && recv(fd, data, len, MSG_WAITALL) != (ssize_t)len)
		_exit(1);
}

/* The type; the bytes go to @data. */
static uint32_t take(int fd, unsigned char *data, uint32_t *ret_len)
{
	unsigned char head[AGENT_HEADER];

	take_all(fd, head, sizeof(head));
	*ret_len = load_le32(head + 4);
	if (*ret_len > AGENT_FRAME_MAX)
		_exit(1);
	take_all(fd, data, *ret_len);
	return load_le32(head);
}

static void await(int fd, uint32_t type)
{
	unsigned char data[AGENT_FRAME_MAX];
	uint32_t len;

	while (take(fd, data, &len) != type)
		;
}

/* Reads nothing of what it is fed until it has said all that it has to say. */
static void play_deaf(int fd)
{
	unsigned char data[AGENT_FRAME_MAX] = "";
	size_t total = 0;
	uint32_t type;
	uint32_t len;

	await(fd, AGENT_START);
	put(fd, AGENT_STARTED, 0, NULL);
	for (int i = 0; i < FRAMES; i++)
		put(fd, AGENT_OUTPUT, AGENT_FRAME_MAX, data);
	do {
		type = take(fd, data, &len);
		if (type == AGENT_INPUT)
			total += len;
	} while (type != AGENT_INPUT_END);
	if (total != (size_t)FRAMES * AGENT_FRAME_MAX)
		_exit(1);
	put(fd, AGENT_ENDED, 4, "\7\0\0\0");
	pause();
}

static void play_missing(int fd)
{
	await(fd, AGENT_START);
	put(fd, AGENT_FAILED, 4, "\2\0\0\0");
	pause();
}

static void play_liar(int fd)
{
	await(fd, AGENT_START);
	put(fd, AGENT_STARTED, 0, NULL);
	put(fd, AGENT_STARTED, 0, NULL);
	put(fd, 4711, 3, "abc");
	put(fd, AGENT_ENDED, 3, "abc");
	put(fd, AGENT_FAILED, 4, "\2\0\0\0");
	pause();
}

static void play_gone(int fd)
{
	await(fd, AGENT_START);
	put(fd, AGENT_STARTED, 0, NULL);
}

/* ---- ours ---- */

static void note(void *opaque)
{
	int *told = opaque;

	(*told)++;
}

static void begin(struct guest *guest, void (*play)(int fd), size_t input)
{
	int pair[2];

	memset(guest, 0, sizeof(*guest));
	guest->in = tmpfile();
	guest->out = tmpfile();
	ck_assert_ptr_nonnull(guest->in);
	ck_assert_ptr_nonnull(guest->out);
	ck_assert_int_eq(ftruncate(fileno(guest->in), (off_t)input), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	guest->pid = fork();
	if (!guest->pid) {
		close(pair[0]);
		play(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	guest->relay.agent.fd = pair[0];
	guest->relay.agent.slot = -1;
	guest->relay.program = "program";
	guest->relay.started = note;
	guest->relay.opaque = &guest->told;
}

static int run(struct guest *guest, struct err *err)
{
	int in = dup(STDIN_FILENO);
	int out = dup(STDOUT_FILENO);
	int rc;

	ck_assert_int_ge(dup2(fileno(guest->in), STDIN_FILENO), 0);
	ck_assert_int_ge(dup2(fileno(guest->out), STDOUT_FILENO), 0);
	rc = vm_relay_run(&guest->relay, err);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	close(in);
	close(out);
	return rc;
}

static void end(struct guest *guest)
{
	vm_agent_close(&guest->relay.agent);
	kill(guest->pid, SIGKILL);
	waitpid(guest->pid, NULL, 0);
	(void)fclose(guest->in);
	(void)fclose(guest->out);
}

START_TEST(test_both_ways_at_once)
{
	struct guest guest;
	struct err err = { 0 };
	struct stat st;

	begin(&guest, play_deaf, (size_t)FRAMES * AGENT_FRAME_MAX);
	ck_assert_msg(!run(&guest, &err), "%s", err.msg);
	ck_assert_int_eq(guest.relay.status, 7);
	ck_assert_int_eq(guest.told, 1);
	ck_assert_int_eq(fstat(fileno(guest.out), &st), 0);
	ck_assert_int_eq(st.st_size, (off_t)FRAMES * AGENT_FRAME_MAX);
	end(&guest);
}
END_TEST

START_TEST(test_missing_program)
{
	struct guest guest;
	struct err err = { 0 };

	begin(&guest, play_missing, 0);
	ck_assert_int_eq(run(&guest, &err), -ENOENT);
	ck_assert_str_eq(
		err.msg,
		"exec: \"program\": executable file not found in $PATH");
	ck_assert(guest.relay.failed);
	ck_assert_int_eq(guest.told, 0);
	end(&guest);
}
END_TEST

START_TEST(test_liar)
{
	struct guest guest;
	struct err err = { 0 };

	begin(&guest, play_liar, 0);
	ck_assert_int_eq(run(&guest, &err), -EPROTO);
	ck_assert(!guest.relay.failed);
	ck_assert_int_eq(guest.told, 1);
	end(&guest);
}
END_TEST

START_TEST(test_gone)
{
	struct guest guest;
	struct err err = { 0 };

	begin(&guest, play_gone, 100000);
	ck_assert_int_eq(run(&guest, &err), -ECONNRESET);
	end(&guest);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("container_vm_relay");
	TCase *tcase = tcase_create("relay");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 20);
	tcase_add_test(tcase, test_both_ways_at_once);
	tcase_add_test(tcase, test_missing_program);
	tcase_add_test(tcase, test_liar);
	tcase_add_test(tcase, test_gone);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
