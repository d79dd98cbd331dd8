#include "container/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

#include "container/console.h"
#include "sandbox/sys.h"

/* What a pipe that is ready takes without blocking (pipe(7)). */
#define CHUNK 4096

/* While nobody has the slave open reading the master fails; someone may open
 * /dev/console again. */
#define HUNG_UP_MS 50

#define END_OF_FILE "\004" /* VEOF of a new terminal */

/* One direction; one chunk at a time. */
struct flow {
	int from;
	int to; /* -1: nobody takes it any more */
	bool ended; /* nothing more comes */
	size_t at;
	size_t len;
	char data[CHUNK];
};

struct relay {
	const struct relay_payload *payload;
	int master; /* of its terminal, or -1 */
	int signals;
	bool has_terminal; /* our standard input is one */
	struct termios saved;
	struct flow in;
	struct flow out;
	bool hung_up;
	bool ended; /* the payload */
	bool told; /* a signal came after its end */
	int wait_status;
};

/* ---- our own terminal ---- */

static void set_size(const struct relay *relay)
{
	struct winsize size;

	if (relay->has_terminal && !ioctl(STDIN_FILENO, TIOCGWINSZ, &size) &&
	    size.ws_row)
		(void)ioctl(relay->master, TIOCSWINSZ, &size);
}

static void make_raw(const struct relay *relay)
{
	struct termios raw = relay->saved;

	if (!relay->has_terminal)
		return;
	cfmakeraw(&raw);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

static void restore(const struct relay *relay)
{
	if (relay->has_terminal)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &relay->saved);
}

/* ---- signals ---- */

static void reap(struct relay *relay)
{
	if (waitpid(relay->payload->pid, &relay->wait_status, WNOHANG) ==
	    relay->payload->pid)
		relay->ended = true;
}

static void take_signal(struct relay *relay, int signal)
{
	bool relays = relay->master >= 0;

	switch (signal) {
	case SIGCHLD:
		reap(relay);
		return;
	case SIGTSTP:
		restore(relay);
		(void)kill(getpid(), SIGSTOP);
		return;
	case SIGCONT: /* the shell has set its terminal anew */
		make_raw(relay);
		set_size(relay);
		return;
	case SIGTTOU:
	case SIGPIPE:
	case SIGURG:
		return;
	case SIGWINCH:
		if (relays) {
			set_size(relay);
			return;
		}
		break;
	default:
		break;
	}
	if (relay->ended)
		relay->told = true;
	else
		sys_pidfd_signal(relay->payload->pidfd, signal);
}

static void take_signals(struct relay *relay)
{
	struct signalfd_siginfo info;

	while (read(relay->signals, &info, sizeof(info)) == sizeof(info))
		take_signal(relay, (int)info.ssi_signo);
}

/* ---- bytes ---- */

/* The descriptor that the flow waits for; -1: none. */
static struct pollfd waits_for(const struct flow *flow)
{
	struct pollfd pfd = { .fd = -1 };

	if (flow->len) {
		pfd.fd = flow->to;
		pfd.events = POLLOUT;
	} else if (!flow->ended) {
		pfd.fd = flow->from;
		pfd.events = POLLIN;
	}
	return pfd;
}

static void drain(struct flow *flow)
{
	ssize_t n = write(flow->to, flow->data + flow->at, flow->len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		flow->to = -1;
		flow->len = 0;
		return;
	}
	flow->at += (size_t)n;
	flow->len -= (size_t)n;
}

static void take_input(struct relay *relay)
{
	struct flow *flow = &relay->in;
	ssize_t n = read(flow->from, flow->data, sizeof(flow->data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	flow->at = 0;
	if (n > 0) {
		flow->len = (size_t)n;
		return;
	}
	/* The end of a file is told as a person would. */
	flow->ended = true;
	if (!relay->has_terminal) {
		flow->data[0] = END_OF_FILE[0];
		flow->len = 1;
	}
}

static void take_output(struct relay *relay)
{
	struct flow *flow = &relay->out;
	ssize_t n = read(flow->from, flow->data, sizeof(flow->data));

	if (n > 0) {
		flow->at = 0;
		flow->len = flow->to >= 0 ? (size_t)n : 0;
	} else if (relay->ended) {
		flow->ended = true;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		relay->hung_up = true;
	}
}

static void move(struct relay *relay)
{
	struct pollfd pfds[] = {
		{ .fd = relay->signals, .events = POLLIN },
		waits_for(&relay->in),
		waits_for(&relay->out),
	};
	int timeout = -1;

	if (relay->hung_up) {
		pfds[2].fd = -1;
		timeout = HUNG_UP_MS;
	}
	/* What is left is read at once. */
	if (relay->ended && !relay->out.len)
		timeout = 0;
	if (poll(pfds, ARRAY_SIZE(pfds), timeout) < 0)
		return;
	relay->hung_up = false;
	take_signals(relay);
	if (pfds[1].revents && relay->in.len)
		drain(&relay->in);
	else if (pfds[1].revents)
		take_input(relay);
	if (pfds[2].revents && relay->out.len)
		drain(&relay->out);
	else if (pfds[2].revents || (relay->ended && !relay->out.len))
		take_output(relay);
}

static void set_up(struct relay *relay)
{
	int master = relay->master;

	relay->in = (struct flow){ .from = STDIN_FILENO, .to = master };
	relay->out = (struct flow){ .from = master, .to = STDOUT_FILENO };
	if (master < 0) {
		relay->in.ended = true;
		relay->out.ended = true;
		return;
	}
	relay->has_terminal = !tcgetattr(STDIN_FILENO, &relay->saved);
	/* Its open file is ours alone: the child has closed its own. */
	(void)fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	set_size(relay);
	make_raw(relay);
}

static void signals_to_hold(sigset_t *set)
{
	sigfillset(set);
	/* Who reads from the terminal in the background is stopped. */
	sigdelset(set, SIGTTIN);
}

void relay_hold(sigset_t *ret_mask)
{
	sigset_t all;

	signals_to_hold(&all);
	sigprocmask(SIG_BLOCK, &all, ret_mask);
}

int relay_run(const struct relay_payload *payload, int *ret_status,
	      struct err *err)
{
	struct relay relay = { .payload = payload };
	autoclose int master = -1;
	sigset_t all;
	int status;

	if (payload->console >= 0) {
		master = console_receive(payload->console, err);
		if (master < 0)
			return master;
	}
	relay.master = master;
	signals_to_hold(&all);
	relay.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (relay.signals < 0) {
		status = errno;
		sigprocmask(SIG_SETMASK, &payload->mask, NULL);
		return err_sys(err, status, "cannot wait for signals");
	}
	set_up(&relay);
	/* It may have been killed before signals were held back. */
	reap(&relay);
	while (!relay.ended ||
	       (!relay.told && (!relay.out.ended || relay.out.len)))
		move(&relay);
	restore(&relay);
	close(relay.signals);
	sigprocmask(SIG_SETMASK, &payload->mask, NULL);
	status = relay.wait_status;
	*ret_status = sys_shell_status(status);
	return 0;
}
