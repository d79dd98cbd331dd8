#include "container/vm_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "container/json.h"
#include "container/vm.h"
#include "core/bytes.h"
#include "core/fd.h"

/* A VM that is starting answers late. */
#define OPEN_PAUSE_MS 500
#define OPEN_TRIES    120

#define PROCESSES_MAX 4194304 /* pid_max of 64-bit kernels, proc(5) */

bool vm_is_state(const struct state *state)
{
	return json_object_get(state->annotations, VM_ANNOTATION);
}

/* An engine's bundle is not the monitor's, which the annotation then names. */
int vm_open_folder(const struct state *state, struct err *err)
{
	const char *path = json_string_value(
		json_object_get(state->annotations, VM_ANNOTATION));
	int fd;

	if (!path || *path != '/')
		path = state->bundle;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, errno, "cannot open %s", path) : fd;
}

json_t *vm_guest_config(const struct state *state, struct err *err)
{
	autoclose int bundle = vm_open_folder(state, err);

	return bundle < 0 ? NULL : json_load_path(bundle, VM_GUEST_CONFIG, err);
}

/* ---- the way in ---- */

/* The monitor may have put anything there in place of its socket. */
static int connect_slot(int bundle, unsigned int number, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autoclose int run = openat(
		bundle, "run", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autoclose int file = -1;
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;
	char name[16];

	snprintf(name, sizeof(name), "%u", number);
	file = openat(run, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d",
		 file);
	if (run < 0 || file < 0 || fd < 0 || fstat(file, &st) ||
	    !S_ISSOCK(st.st_mode) ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return err_set(
			err, ECONNREFUSED,
			"the VM has no way in: it is ending, or just starting");
	return move_fd(&fd);
}

/* Each port takes one session; who has its lock has the port. */
static int lock_slot(int bundle, unsigned int number)
{
	autoclose int fd = -1;
	char name[16];

	snprintf(name, sizeof(name), "lock%u", number);
	fd = openat(bundle, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) ? -errno : move_fd(&fd);
}

static int open_slot(struct vm_agent *agent, const struct state *state,
		     struct err *err)
{
	autoclose int bundle = vm_open_folder(state, err);

	if (bundle < 0)
		return bundle;
	for (unsigned int i = 0; i < AGENT_PORTS; i++) {
		agent->slot = lock_slot(bundle, i);
		if (agent->slot < 0)
			continue;
		agent->fd = connect_slot(bundle, i, err);
		return agent->fd < 0 ? agent->fd : 0;
	}
	return err_set(
		err, EBUSY,
		"VM %s has %d programs of exec already, the most there can be",
		state->id, AGENT_PORTS);
}

/* ---- frames ---- */

int vm_agent_send(const struct vm_agent *agent, enum agent_frame type,
		  const void *data, size_t len, struct err *err)
{
	unsigned char frame[AGENT_HEADER + AGENT_FRAME_MAX];
	int rc;

	store_le32(frame, type);
	store_le32(frame + 4, (uint32_t)len);
	memcpy(frame + AGENT_HEADER, data, len);
	rc = fd_send_all(agent->fd, frame, AGENT_HEADER + len);
	return rc ? err_sys(err, -rc, "the VM does not listen") : 0;
}

int vm_agent_send_number(const struct vm_agent *agent, enum agent_frame type,
			 uint32_t value, struct err *err)
{
	unsigned char data[4];

	store_le32(data, value);
	return vm_agent_send(agent, type, data, sizeof(data), err);
}

int vm_agent_read(struct vm_agent *agent, struct err *err)
{
	ssize_t n;

	memmove(agent->in, agent->in + agent->taken,
		agent->have - agent->taken);
	agent->have -= agent->taken;
	agent->taken = 0;
	n = recv(agent->fd, agent->in + agent->have,
		 sizeof(agent->in) - agent->have, 0);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0)
		return err_set(err, ECONNRESET, "the VM has ended");
	agent->have += (size_t)n;
	return 0;
}

int vm_agent_next(struct vm_agent *agent, struct vm_frame *ret_frame,
		  struct err *err)
{
	const unsigned char *at = agent->in + agent->taken;
	size_t have = agent->have - agent->taken;
	uint32_t len;

	if (have < AGENT_HEADER)
		return 0;
	len = load_le32(at + 4);
	if (len > AGENT_FRAME_MAX)
		return err_set(err, EPROTO,
			       "the VM's agent says what nobody understands");
	if (have < AGENT_HEADER + len)
		return 0;
	*ret_frame = (struct vm_frame){ load_le32(at), len, at + AGENT_HEADER };
	agent->taken += AGENT_HEADER + len;
	return 1;
}

/* ---- the beginning ---- */

/* Drops what an earlier session has left, up to the answer to this one. */
static bool find_answer(struct vm_agent *agent, const unsigned char *answer,
			size_t len)
{
	const unsigned char *at = memmem(agent->in, agent->have, answer, len);

	if (at) {
		agent->taken = (size_t)(at - agent->in) + len;
		return true;
	}
	if (agent->have >= len)
		agent->taken = agent->have - len + 1;
	return false;
}

static int shake_hands(struct vm_agent *agent, struct err *err)
{
	unsigned char answer[AGENT_HEADER + AGENT_COOKIE];
	unsigned char *cookie = answer + AGENT_HEADER;
	struct pollfd wait = { .fd = agent->fd, .events = POLLIN };
	int rc;

	if (getrandom(cookie, AGENT_COOKIE, 0) != AGENT_COOKIE)
		return err_sys(err, errno, "no random numbers");
	store_le32(answer, AGENT_OPENED);
	store_le32(answer + 4, AGENT_COOKIE);
	for (int i = 0; i < OPEN_TRIES; i++) {
		rc = vm_agent_send(agent, AGENT_OPEN, cookie, AGENT_COOKIE,
				   err);
		if (rc)
			return rc;
		while (poll(&wait, 1, OPEN_PAUSE_MS) > 0) {
			rc = vm_agent_read(agent, err);
			if (rc)
				return rc;
			if (find_answer(agent, answer, sizeof(answer)))
				return 0;
		}
	}
	return err_set(err, ETIMEDOUT, "the VM's agent does not answer");
}

int vm_agent_open(struct vm_agent *agent, const struct state *state,
		  struct err *err)
{
	int rc;

	*agent = (struct vm_agent){ .fd = -1, .slot = -1 };
	rc = open_slot(agent, state, err);
	if (!rc)
		rc = shake_hands(agent, err);
	return rc ? err_prefix(err, "%s", state->id) : 0;
}

int vm_agent_open_at(struct vm_agent *agent, const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*agent = (struct vm_agent){ .slot = -1 };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	agent->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (agent->fd < 0 ||
	    connect(agent->fd, (const struct sockaddr *)&address,
		    sizeof(address)))
		return err_set(err, errno, "the VM has no way in");
	return shake_hands(agent, err);
}

void vm_agent_close(struct vm_agent *agent)
{
	if (agent->fd >= 0)
		close(move_fd(&agent->fd));
	if (agent->slot >= 0)
		close(move_fd(&agent->slot));
}

/* The next frame, however long it takes to come. */
static int await_frame(struct vm_agent *agent, struct vm_frame *ret_frame,
		       struct err *err)
{
	int rc;

	while ((rc = vm_agent_next(agent, ret_frame, err)) == 0) {
		rc = vm_agent_read(agent, err);
		if (rc)
			return rc;
	}
	return rc < 0 ? rc : 0;
}

/* Nothing that was sent is sure to arrive once we have closed. */
static int await_signalled(struct vm_agent *agent, struct err *err)
{
	struct vm_frame frame = { 0 };
	uint32_t code;
	int rc;

	do {
		rc = await_frame(agent, &frame, err);
		/* It ended before it could answer: of this signal, or by
		 * itself. */
		if (rc)
			return rc == -ECONNRESET ? 0 : rc;
	} while (frame.type != AGENT_SIGNALLED || frame.len != 4);
	code = load_le32(frame.data);
	return !code ? 0 :
		       err_sys(err, code < 4096 ? (int)code : EIO,
			       "cannot send the signal");
}

int vm_signal(const struct state *state, int signal, struct err *err)
{
	struct vm_agent agent;
	int rc = vm_agent_open(&agent, state, err);

	if (!rc)
		rc = vm_agent_send_number(&agent, AGENT_SIGNAL,
					  (uint32_t)signal, err);
	if (!rc)
		rc = await_signalled(&agent, err);
	vm_agent_close(&agent);
	return rc;
}

/* ---- what runs in it ---- */

/* Of any bytes. */
static void print_process(const struct vm_frame *frame)
{
	char text[AGENT_FRAME_MAX + 1];
	size_t len = frame->len - 4;

	memcpy(text, frame->data + 4, len);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = ' ';
	}
	while (len && text[len - 1] == ' ')
		len--;
	text[len] = '\0';
	printf("%8u %s\n", load_le32(frame->data), text);
}

/* No guest has more than its numbers of processes. */
static int await_processes(struct vm_agent *agent, struct err *err)
{
	struct vm_frame frame = { 0 };
	size_t count = 0;
	int rc;

	while (!(rc = await_frame(agent, &frame, err)) &&
	       frame.type != AGENT_PROCESSES_END) {
		if (frame.type != AGENT_PROCESS || frame.len < 4)
			continue;
		if (count++ == PROCESSES_MAX)
			return err_set(
				err, EPROTO,
				"the VM's agent says what nobody understands");
		print_process(&frame);
	}
	return rc;
}

int vm_print_processes(const struct state *state, struct err *err)
{
	struct vm_agent agent;
	int rc = vm_agent_open(&agent, state, err);

	if (!rc)
		rc = vm_agent_send(&agent, AGENT_PROCESSES, "", 0, err);
	if (!rc) {
		printf("%8s %s\n", "PID", "CMD");
		rc = await_processes(&agent, err);
	}
	vm_agent_close(&agent);
	return rc;
}
