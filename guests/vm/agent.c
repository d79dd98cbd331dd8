/*
 * One port of the agent, core/agent.h: waits for a session, runs its program,
 * and carries bytes until either ends. While nobody is there the driver's
 * SIGIO is waited for: a read of a port without a host returns at once (Linux
 * drivers/char/virtio_console.c).
 */
#include "guests/vm/vm.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/agent.h"
#include "core/bytes.h"
#include "core/util.h"

#define PORTS	   "/sys/class/virtio-ports"
#define IDLE_S	   5
#define TEXT_MAX   AGENT_BLOCK_MAX
#define PORT_WAIT  500
#define PORT_US	   20000
#define FRAME_ROOM (AGENT_HEADER + AGENT_FRAME_MAX)

struct session {
	const struct agent *agent;
	int port;
	int signals; /* of SIGCHLD */
	bool is_program; /* what it runs is the VM's program */
	bool is_open;
	unsigned char cookie[AGENT_COOKIE];
	bool ended; /* the session */
	unsigned char frame[FRAME_ROOM];
	size_t have; /* of the frame that comes in */
	char *text; /* settings, owned */
	size_t text_len;
	struct settings settings;
	struct winsize size;
	pid_t pid; /* 0: nothing runs */
	bool exited;
	int wait_status;
	int input; /* -1: closed */
	int output; /* the terminal's master, or a pipe */
	int errors;
	size_t pending; /* bytes at the frame's end that the input lacks */
};

/* ---- the port ---- */

/* Its device, when the driver has been told of it. */
static bool find(unsigned int number, char *device, size_t size)
{
	char path[300], name[64], wanted[32];
	const struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(PORTS);

	snprintf(wanted, sizeof(wanted), AGENT_PORT_NAME "%u\n", number);
	while (dir && !found && (entry = readdir(dir))) {
		int fd;
		ssize_t n;

		snprintf(path, sizeof(path), PORTS "/%s/name", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
		if (fd >= 0)
			close(fd);
		name[n > 0 ? n : 0] = '\0';
		found = !strcmp(name, wanted);
		if (found)
			snprintf(device, size, "%.32s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Opened anew for each session: that drops what an old one left in it. */
static int open_port(int dev, const char *device)
{
	int fd = openat(dev, device, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0) {
		fcntl(fd, F_SETOWN, getpid());
		fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK | O_ASYNC);
	}
	return fd;
}

static void wait_host(int port)
{
	const struct timespec limit = { .tv_sec = IDLE_S };
	struct pollfd wait = { .fd = port, .events = POLLIN };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	while (poll(&wait, 1, 0) != 1 || !(wait.revents & POLLIN))
		sigtimedwait(&set, NULL, &limit);
}

/* All of it, or the session has ended. */
static void send_bytes(struct session *s, const unsigned char *data, size_t len)
{
	while (len && !s->ended) {
		struct pollfd wait = { .fd = s->port, .events = POLLOUT };
		ssize_t n = write(s->port, data, len);

		if (n > 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		s->ended = (n < 0 && errno != EAGAIN && errno != EINTR) ||
			   (poll(&wait, 1, -1) > 0 && wait.revents & POLLHUP);
	}
}

static void tell(struct session *s, enum agent_frame type, const void *data,
		 size_t len)
{
	unsigned char frame[FRAME_ROOM];

	store_le32(frame, type);
	store_le32(frame + 4, (uint32_t)len);
	memcpy(frame + AGENT_HEADER, data, len);
	send_bytes(s, frame, AGENT_HEADER + len);
}

static void tell_number(struct session *s, enum agent_frame type,
			uint32_t value)
{
	unsigned char data[4];

	store_le32(data, value);
	tell(s, type, data, sizeof(data));
}

/* ---- the program ---- */

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int open_terminal(struct session *s, int fds[3])
{
	char name[64];
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || grantpt(master) || unlockpt(master) ||
	    ptsname_r(master, name, sizeof(name)))
		return -errno;
	fds[0] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fds[0] < 0 || fchown(fds[0], s->settings.uid, (gid_t)-1))
		return -errno;
	ioctl(master, TIOCSWINSZ, &s->size);
	fds[1] = fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
	fds[2] = fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
	s->output = master;
	s->input = fcntl(master, F_DUPFD_CLOEXEC, 3);
	return 0;
}

static int open_pipes(struct session *s, int fds[3])
{
	int in[2], out[2], err[2];

	/* It outlives whoever would read them. */
	for (int i = 0; i < 3 && s->settings.detach; i++) {
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (i == 2)
			return fds[i] < 0 ? -errno : 0;
	}
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) ||
	    pipe2(err, O_CLOEXEC))
		return -errno;
	fds[0] = in[0];
	fds[1] = out[1];
	fds[2] = err[1];
	s->input = in[1];
	s->output = out[0];
	s->errors = err[0];
	return 0;
}

static void set_nonblocking(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void start(struct session *s)
{
	int fds[3] = { -1, -1, -1 };
	int rc;

	if (s->pid)
		return;
	if (s->is_program)
		s->settings = *s->agent->settings;
	else if (s->text)
		settings_parse(&s->settings, s->text, s->text_len);
	rc = s->settings.terminal ? open_terminal(s, fds) : open_pipes(s, fds);
	if (!rc)
		rc = process_start(&s->settings, fds, s->agent->group);
	for (int i = 0; i < 3; i++)
		close_one(&fds[i]);
	if (rc < 0) {
		tell_number(s, AGENT_FAILED, (uint32_t)-rc);
		s->ended = true;
		return;
	}
	s->pid = rc;
	if (s->is_program)
		*s->agent->program = s->pid;
	set_nonblocking(s->input);
	set_nonblocking(s->output);
	set_nonblocking(s->errors);
	tell(s, AGENT_STARTED, "", 0);
}

/* Also before there is a terminal. */
static void resize(struct session *s, const unsigned char *data, size_t len)
{
	if (len != 4)
		return;
	s->size.ws_row = load_le16(data);
	s->size.ws_col = load_le16(data + 2);
	if (s->settings.terminal && s->output >= 0)
		ioctl(s->output, TIOCSWINSZ, &s->size);
}

static void signal_program(struct session *s, const unsigned char *data,
			   size_t len)
{
	pid_t pid = s->pid ? s->pid : *s->agent->program;
	uint32_t code = 0;

	if (len != 4)
		code = EINVAL;
	else if (!pid || (s->pid && s->exited))
		code = ESRCH;
	else if (kill(pid, (int)load_le32(data)))
		code = (uint32_t)errno;
	tell_number(s, AGENT_SIGNALLED, code);
}

static void tell_process(void *opaque, pid_t pid, const char *args, size_t len)
{
	unsigned char data[4 + AGENT_FRAME_MAX / 2];

	store_le32(data, (uint32_t)pid);
	memcpy(data + 4, args, len);
	tell(opaque, AGENT_PROCESS, data, 4 + len);
}

static void tell_processes(struct session *s)
{
	processes_each(tell_process, s);
	tell(s, AGENT_PROCESSES_END, "", 0);
}

/* ---- frames ---- */

static void take_setting(struct session *s, const unsigned char *data,
			 size_t len)
{
	char *more = s->text_len + len > TEXT_MAX ?
			     NULL :
			     realloc(s->text, s->text_len + len + 1);

	if (!more) {
		s->ended = true;
		return;
	}
	s->text = more;
	memcpy(s->text + s->text_len, data, len);
	s->text_len += len;
	s->text[s->text_len] = '\0';
}

/* Said again until it is answered. With another cookie, the end of the session
 * before went unseen. */
static void open_session(struct session *s, const unsigned char *cookie,
			 size_t len)
{
	if (len != AGENT_COOKIE ||
	    (s->is_open && memcmp(s->cookie, cookie, len) != 0)) {
		s->ended = true;
		return;
	}
	s->is_open = true;
	memcpy(s->cookie, cookie, len);
	tell(s, AGENT_OPENED, cookie, len);
}

static void take_frame(struct session *s)
{
	uint32_t type = load_le32(s->frame);
	size_t len = s->have - AGENT_HEADER;
	const unsigned char *data = s->frame + AGENT_HEADER;

	/* Whatever this is the rest of, it is not ours to answer. */
	if (!s->is_open && type != AGENT_OPEN)
		return;
	switch (type) {
	case AGENT_OPEN:
		open_session(s, data, len);
		break;
	case AGENT_SETTING:
		take_setting(s, data, len);
		break;
	case AGENT_START:
		start(s);
		break;
	case AGENT_INPUT:
		s->pending = s->input >= 0 ? len : 0;
		break;
	case AGENT_INPUT_END:
		/* The end of a file is told as a person would. */
		if (s->settings.terminal && s->input >= 0 &&
		    write(s->input, "\004", 1) < 0)
			break;
		if (!s->settings.terminal)
			close_one(&s->input);
		break;
	case AGENT_SIZE:
		resize(s, data, len);
		break;
	case AGENT_SIGNAL:
		signal_program(s, data, len);
		break;
	case AGENT_PROCESSES:
		tell_processes(s);
		break;
	default:
		break;
	}
}

static void read_port(struct session *s)
{
	size_t wanted = AGENT_HEADER;
	ssize_t n;

	if (s->have >= AGENT_HEADER)
		wanted += load_le32(s->frame + 4);
	if (wanted > FRAME_ROOM) {
		s->ended = true;
		return;
	}
	if (s->have < wanted) {
		n = read(s->port, s->frame + s->have, wanted - s->have);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			s->ended = true;
			return;
		}
		s->have += (size_t)n;
	}
	if (s->have < AGENT_HEADER ||
	    s->have < AGENT_HEADER + load_le32(s->frame + 4))
		return;
	take_frame(s);
	if (!s->pending)
		s->have = 0;
}

static void feed(struct session *s)
{
	ssize_t n =
		write(s->input, s->frame + s->have - s->pending, s->pending);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		close_one(&s->input);
		s->pending = 0;
	} else {
		s->pending -= (size_t)n;
	}
	if (!s->pending)
		s->have = 0;
}

/* False when there is nothing now. */
static bool carry(struct session *s, int *from, enum agent_frame type)
{
	unsigned char data[AGENT_FRAME_MAX];
	ssize_t n = *from < 0 ? 0 : read(*from, data, sizeof(data));

	if (n > 0) {
		tell(s, type, data, (size_t)n);
		return true;
	}
	if (*from >= 0 && (n == 0 || (errno != EAGAIN && errno != EINTR)))
		close_one(from);
	return false;
}

/* ---- a session ---- */

static void reap(struct session *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info))
		;
	if (s->pid && waitpid(s->pid, &s->wait_status, WNOHANG) == s->pid)
		s->exited = true;
}

static void step(struct session *s)
{
	struct pollfd fds[] = {
		{ .fd = s->port, .events = s->pending ? 0 : POLLIN },
		{ .fd = s->signals, .events = POLLIN },
		{ .fd = s->output, .events = POLLIN },
		{ .fd = s->errors, .events = POLLIN },
		{ .fd = s->pending ? s->input : -1, .events = POLLOUT },
	};

	if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		return;
	if (fds[1].revents)
		reap(s);
	if (fds[2].revents)
		carry(s, &s->output, AGENT_OUTPUT);
	if (fds[3].revents)
		carry(s, &s->errors, AGENT_ERRORS);
	if (fds[4].revents)
		feed(s);
	if (fds[0].revents & POLLIN)
		read_port(s);
	else if (fds[0].revents)
		s->ended = true;
}

static void finish(struct session *s)
{
	if (s->exited) {
		while (carry(s, &s->output, AGENT_OUTPUT))
			;
		while (carry(s, &s->errors, AGENT_ERRORS))
			;
		tell_number(s, AGENT_ENDED,
			    (uint32_t)process_status(s->wait_status));
	} else if (s->pid && !s->settings.detach) {
		/* It leads a session of its own. */
		kill(-s->pid, SIGKILL);
		kill(s->pid, SIGKILL);
		waitpid(s->pid, &s->wait_status, 0);
	}
	close_one(&s->input);
	close_one(&s->output);
	close_one(&s->errors);
	free(s->text);
}

/* What was printed is at the host when that hangs up: a machine that ends takes
 * along what waits for it. */
__attribute__((noreturn)) static void end_program(const struct session *s)
{
	struct pollfd host = { .fd = s->port };

	*s->agent->program = 0;
	while (poll(&host, 1, -1) != 1)
		;
	_exit(process_status(s->wait_status));
}

static void serve(const struct agent *agent, const char *device, int signals,
		  bool is_program)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		_exit(1);
	/* What was detached has no other parent. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	s->agent = agent;
	s->signals = signals;
	s->is_program = is_program;
	s->input = s->output = s->errors = -1;
	s->port = open_port(agent->dev, device);
	if (s->port < 0)
		_exit(1);
	wait_host(s->port);
	while (!s->ended && !s->exited)
		step(s);
	finish(s);
	if (is_program && s->pid)
		end_program(s);
	close(s->port);
	free(s);
}

pid_t agent_start(const struct agent *agent, unsigned int number)
{
	pid_t pid = fork();
	char device[64];
	sigset_t set;
	int signals;

	if (pid)
		return pid;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; !find(number, device, sizeof(device)); i++) {
		if (i == PORT_WAIT)
			_exit(1);
		usleep(PORT_US);
	}
	for (;;)
		serve(agent, device, signals, number == AGENT_PROGRAM);
}
