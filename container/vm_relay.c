/*
 * Neither direction waits for the other: a program that prints while it is
 * being fed would else stand still with us for ever.
 */
#include "container/vm_relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "core/bytes.h"
#include "core/fd.h"

/* ---- what to run ---- */

static int send_settings(const struct vm_relay *relay, struct err *err)
{
	int rc = 0;

	for (size_t at = 0; !rc && at < relay->settings_size;
	     at += AGENT_FRAME_MAX)
		rc = vm_agent_send(
			&relay->agent, AGENT_SETTING, relay->settings + at,
			min_u64(relay->settings_size - at, AGENT_FRAME_MAX),
			err);
	return rc;
}

/* ---- what goes there ---- */

static bool has_room(const struct vm_relay *relay, size_t len)
{
	return sizeof(relay->out) - relay->out_len >= AGENT_HEADER + len;
}

static void put(struct vm_relay *relay, enum agent_frame type, const void *data,
		size_t len)
{
	unsigned char *at = relay->out + relay->out_len;

	if (!has_room(relay, len))
		return;
	store_le32(at, type);
	store_le32(at + 4, (uint32_t)len);
	if (len)
		memcpy(at + AGENT_HEADER, data, len);
	relay->out_len += AGENT_HEADER + len;
}

/* Of what cannot be sent any more, what is still to be read says why. */
static void flush(struct vm_relay *relay)
{
	ssize_t n = send(relay->agent.fd, relay->out, relay->out_len,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		n = (ssize_t)relay->out_len;
	relay->out_len -= (size_t)n;
	memmove(relay->out, relay->out + n, relay->out_len);
}

static void put_size(struct vm_relay *relay)
{
	unsigned char data[4];
	struct winsize size;

	if (!relay->terminal || ioctl(STDIN_FILENO, TIOCGWINSZ, &size))
		return;
	store_le16(data, size.ws_row);
	store_le16(data + 2, size.ws_col);
	put(relay, AGENT_SIZE, data, sizeof(data));
}

static void take_input(struct vm_relay *relay)
{
	char data[AGENT_FRAME_MAX];
	ssize_t n = read(STDIN_FILENO, data, sizeof(data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		put(relay, AGENT_INPUT, data, (size_t)n);
		return;
	}
	relay->input_ended = true;
	put(relay, AGENT_INPUT_END, "", 0);
}

static void take_signals(struct vm_relay *relay)
{
	struct signalfd_siginfo info;
	unsigned char data[4];

	while (has_room(relay, sizeof(data)) &&
	       read(relay->signals, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGWINCH:
			put_size(relay);
			break;
		case SIGCHLD:
		case SIGCONT:
		case SIGPIPE:
		case SIGTSTP:
		case SIGTTOU:
		case SIGURG:
			break;
		default:
			store_le32(data, info.ssi_signo);
			put(relay, AGENT_SIGNAL, data, sizeof(data));
		}
	}
}

/* ---- what comes back ---- */

/* As the launcher of a container says it: engines look for the words. */
static int program_error(struct vm_relay *relay, uint32_t code, struct err *err)
{
	const char *name = relay->program;

	relay->failed = true;
	if (code == EACCES)
		return err_set(err, EACCES, "exec: \"%s\": permission denied",
			       name);
	if (code == ENOENT && !strchr(name, '/'))
		return err_set(
			err, ENOENT,
			"exec: \"%s\": executable file not found in $PATH",
			name);
	if (code == ENOENT)
		return err_set(err, ENOENT,
			       "exec: \"%s\": no such file or directory", name);
	relay->failed = false;
	return err_sys(err, code < 4096 ? (int)code : EIO, "exec: \"%s\"",
		       name);
}

static int not_understood(struct err *err)
{
	return err_set(err, EPROTO,
		       "the VM's agent says what nobody understands");
}

static int take_frame(struct vm_relay *relay, const struct vm_frame *frame,
		      struct err *err)
{
	uint32_t value = frame->len == 4 ? load_le32(frame->data) : 0;

	switch (frame->type) {
	case AGENT_STARTED:
		if (!relay->runs && relay->started)
			relay->started(relay->opaque);
		relay->runs = true;
		return 0;
	case AGENT_FAILED:
		/* Who was told that it runs is not told otherwise. */
		return relay->runs ? not_understood(err) :
				     program_error(relay, value, err);
	case AGENT_OUTPUT:
		/* Or nobody takes it any more. */
		(void)fd_write_all(STDOUT_FILENO, frame->data, frame->len);
		return 0;
	case AGENT_ERRORS:
		(void)fd_write_all(STDERR_FILENO, frame->data, frame->len);
		return 0;
	case AGENT_ENDED:
		if (frame->len != 4)
			return not_understood(err);
		relay->ended = true;
		relay->status = (int)(value & 0xff);
		return 0;
	default:
		return 0;
	}
}

static int take_frames(struct vm_relay *relay, struct err *err)
{
	struct vm_frame frame;
	int rc;

	while ((rc = vm_agent_next(&relay->agent, &frame, err)) > 0) {
		rc = take_frame(relay, &frame, err);
		if (rc || relay->ended)
			return rc;
	}
	return rc;
}

static int step(struct vm_relay *relay, struct err *err)
{
	bool reads = relay->runs && !relay->input_ended && !relay->detach &&
		     !relay->out_len;
	struct pollfd fds[] = {
		{ .fd = relay->agent.fd,
		  .events = POLLIN | (relay->out_len ? POLLOUT : 0) },
		{ .fd = has_room(relay, 4) ? relay->signals : -1,
		  .events = POLLIN },
		{ .fd = reads ? STDIN_FILENO : -1, .events = POLLIN },
	};
	int rc = 0;

	if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		return errno == EINTR ? 0 : err_sys(err, errno, "cannot wait");
	if (fds[0].revents & ~POLLOUT)
		rc = vm_agent_read(&relay->agent, err);
	if (!rc)
		rc = take_frames(relay, err);
	if (rc || relay->ended)
		return rc;
	if (fds[1].revents)
		take_signals(relay);
	if (fds[2].revents)
		take_input(relay);
	if (relay->out_len)
		flush(relay);
	return 0;
}

/* ---- our own terminal ---- */

static void make_raw(struct vm_relay *relay)
{
	struct termios raw;

	relay->has_terminal = relay->terminal && !relay->detach &&
			      !tcgetattr(STDIN_FILENO, &relay->saved);
	if (!relay->has_terminal)
		return;
	raw = relay->saved;
	cfmakeraw(&raw);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

static int carry(struct vm_relay *relay, struct err *err)
{
	int rc = send_settings(relay, err);

	put_size(relay);
	put(relay, AGENT_START, "", 0);
	make_raw(relay);
	while (!rc && !relay->ended && !(relay->detach && relay->runs))
		rc = step(relay, err);
	if (relay->has_terminal)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &relay->saved);
	return rc;
}

int vm_relay_run(struct vm_relay *relay, struct err *err)
{
	sigset_t before;
	sigset_t all;
	int rc;

	/* Taken as data, so that there is one way out, which puts the terminal
	 * back. */
	sigfillset(&all);
	sigdelset(&all, SIGTTIN);
	sigprocmask(SIG_BLOCK, &all, &before);
	relay->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	rc = relay->signals < 0 ? err_sys(err, errno, "no signals") :
				  carry(relay, err);
	if (relay->signals >= 0)
		close(relay->signals);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rc;
}
