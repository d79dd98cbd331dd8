/* The host's end of a VM's agent, against guests that say what they like. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "container/vm.h"
#include "container/vm_agent.h"
#include "core/bytes.h"
#include "core/tree.h"
#include "tests/unit/quick_check.h"

#define OLD "of an earlier session, cut off in the mid"

struct guest {
	struct state state;
	char folder[64];
	pid_t pid;
};

static void put(int fd, uint32_t type, uint32_t len, const void *data,
		size_t bytes)
{
	unsigned char frame[AGENT_HEADER + AGENT_FRAME_MAX];

	store_le32(frame, type);
	store_le32(frame + 4, len);
	memcpy(frame + AGENT_HEADER, data, bytes);
	ck_assert_int_eq(write(fd, frame, AGENT_HEADER + bytes),
			 (ssize_t)(AGENT_HEADER + bytes));
}

/* What was left, the answer, two good frames, and one that is too long. */
static void play(int listener)
{
	unsigned char frame[AGENT_HEADER + AGENT_COOKIE];
	int fd = accept(listener, NULL, NULL);

	put(fd, AGENT_OUTPUT, 4000, OLD, sizeof(OLD));
	/* Not the first time that we are asked. */
	ck_assert_int_eq(read(fd, frame, sizeof(frame)), sizeof(frame));
	ck_assert_int_eq(read(fd, frame, sizeof(frame)), sizeof(frame));
	ck_assert_uint_eq(load_le32(frame), AGENT_OPEN);
	put(fd, AGENT_OPENED, AGENT_COOKIE, OLD, AGENT_COOKIE);
	put(fd, AGENT_OPENED, AGENT_COOKIE, frame + AGENT_HEADER, 10);
	usleep(20000);
	put(fd, AGENT_OPENED, AGENT_COOKIE, frame + AGENT_HEADER, AGENT_COOKIE);
	put(fd, AGENT_OUTPUT, 5, "words", 5);
	put(fd, AGENT_ENDED, 4, "\7\0\0\0", 4);
	put(fd, AGENT_OUTPUT, AGENT_FRAME_MAX + 1, "", 0);
	pause();
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static void begin(struct guest *guest)
{
	char path[80];
	int fd;

	memset(guest, 0, sizeof(*guest));
	snprintf(guest->folder, sizeof(guest->folder), "/tmp/hull-vm-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(guest->folder));
	guest->state.bundle = guest->folder;
	snprintf(path, sizeof(path), "%s/run", guest->folder);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/run/0", guest->folder);
	fd = listen_at(path);
	guest->pid = fork();
	if (!guest->pid) {
		play(fd);
		_exit(0);
	}
	close(fd);
}

static void end(struct guest *guest)
{
	kill(guest->pid, SIGKILL);
	waitpid(guest->pid, NULL, 0);
	ck_assert_int_eq(tree_remove(AT_FDCWD, guest->folder, NULL), 0);
}

static int next(struct vm_agent *agent, struct vm_frame *frame, struct err *err)
{
	int rc;

	while (!(rc = vm_agent_next(agent, frame, err))) {
		rc = vm_agent_read(agent, err);
		if (rc)
			return rc;
	}
	return rc;
}

START_TEST(test_session)
{
	struct guest guest;
	struct vm_agent agent;
	struct vm_frame frame;
	struct err err = { 0 };

	begin(&guest);
	ck_assert_msg(!vm_agent_open(&agent, &guest.state, &err), "%s",
		      err.msg);
	ck_assert_int_eq(next(&agent, &frame, &err), 1);
	ck_assert_uint_eq(frame.type, AGENT_OUTPUT);
	ck_assert_uint_eq(frame.len, 5);
	ck_assert_mem_eq(frame.data, "words", 5);
	ck_assert_int_eq(next(&agent, &frame, &err), 1);
	ck_assert_uint_eq(frame.type, AGENT_ENDED);
	ck_assert_int_eq(next(&agent, &frame, &err), -EPROTO);
	vm_agent_close(&agent);
	end(&guest);
}
END_TEST

/* A monitor that was taken over leads us nowhere. */
START_TEST(test_link)
{
	struct guest guest;
	struct vm_agent agent;
	struct err err = { 0 };
	char path[80];
	char real[80];

	begin(&guest);
	snprintf(path, sizeof(path), "%s/run/0", guest.folder);
	snprintf(real, sizeof(real), "%s/real", guest.folder);
	ck_assert_int_eq(rename(path, real), 0);
	ck_assert_int_eq(symlink("../real", path), 0);
	ck_assert_int_eq(vm_agent_open(&agent, &guest.state, &err),
			 -ECONNREFUSED);
	vm_agent_close(&agent);
	end(&guest);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("container_vm");
	TCase *tcase = tcase_create("agent");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_session);
	tcase_add_test(tcase, test_link);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
