#include "vmm/terminal.h"

#include <signal.h>
#include <stdatomic.h>
#include <termios.h>
#include <unistd.h>

#include "core/log.h"
#include "core/util.h"

/* Process-wide as the terminal is, and needed by signal handlers, which are
 * given no object. */
static struct termios saved;
static atomic_bool is_raw;

bool terminal_is_ours(void)
{
	return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* tcsetattr is async-signal-safe (signal-safety(7)). */
void terminal_restore(void)
{
	if (!atomic_exchange(&is_raw, false))
		return;
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	log_set_raw_terminal(false);
}

static void on_fatal_signal(int signal)
{
	terminal_restore();
	/* SA_RESETHAND is set and the signal unblocked again on return: the
	 * default action now ends the process as it would have. */
	raise(signal);
}

static void install_handlers(void)
{
	static const int fatal[] = { SIGSEGV, SIGBUS,  SIGILL,	SIGFPE,
				     SIGABRT, SIGQUIT, SIGTRAP, SIGSYS };
	struct sigaction action = {
		.sa_handler = on_fatal_signal,
		.sa_flags = (int)SA_RESETHAND,
	};

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		(void)sigaction(fatal[i], &action, NULL);
}

void terminal_make_raw(void)
{
	struct termios raw;

	if (atomic_load(&is_raw) || !terminal_is_ours() ||
	    tcgetattr(STDIN_FILENO, &saved) < 0)
		return;
	install_handlers();
	raw = saved;
	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return;
	atomic_store(&is_raw, true);
	log_set_raw_terminal(true);
}
