#include "sandbox/names.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "core/parse.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

const struct name_value names_of_namespaces[] = {
	{ "pid", CLONE_NEWPID },
	{ "network", CLONE_NEWNET },
	{ "mount", CLONE_NEWNS },
	{ "ipc", CLONE_NEWIPC },
	{ "uts", CLONE_NEWUTS },
	{ "user", CLONE_NEWUSER },
	{ "cgroup", CLONE_NEWCGROUP },
	{ "time", CLONE_NEWTIME },
	{ NULL, 0 },
};

const struct name_value names_of_rlimits[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
	{ NULL, 0 },
};

const struct name_value names_of_signals[] = {
	{ "HUP", SIGHUP },
	{ "INT", SIGINT },
	{ "QUIT", SIGQUIT },
	{ "ILL", SIGILL },
	{ "TRAP", SIGTRAP },
	{ "ABRT", SIGABRT },
	{ "IOT", SIGABRT },
	{ "BUS", SIGBUS },
	{ "FPE", SIGFPE },
	{ "KILL", SIGKILL },
	{ "USR1", SIGUSR1 },
	{ "SEGV", SIGSEGV },
	{ "USR2", SIGUSR2 },
	{ "PIPE", SIGPIPE },
	{ "ALRM", SIGALRM },
	{ "TERM", SIGTERM },
	{ "STKFLT", SIGSTKFLT },
	{ "CHLD", SIGCHLD },
	{ "CLD", SIGCHLD },
	{ "CONT", SIGCONT },
	{ "STOP", SIGSTOP },
	{ "TSTP", SIGTSTP },
	{ "TTIN", SIGTTIN },
	{ "TTOU", SIGTTOU },
	{ "URG", SIGURG },
	{ "XCPU", SIGXCPU },
	{ "XFSZ", SIGXFSZ },
	{ "VTALRM", SIGVTALRM },
	{ "PROF", SIGPROF },
	{ "WINCH", SIGWINCH },
	{ "IO", SIGIO },
	{ "POLL", SIGIO },
	{ "PWR", SIGPWR },
	{ "SYS", SIGSYS },
	{ NULL, 0 },
};

const struct name_value *names_find(const struct name_value *table,
				    const char *name)
{
	for (; table->name; table++) {
		if (!strcmp(table->name, name))
			return table;
	}
	return NULL;
}

/* The kernel's numbers, which end at 64 (signal(7)); 0 only asks. */
#define LAST_SIGNAL 64
#define RT_FIRST    34

static int realtime(const char *name)
{
	uint64_t n = 0;

	if (!strcasecmp(name, "RTMIN"))
		return RT_FIRST;
	if (!strcasecmp(name, "RTMAX"))
		return LAST_SIGNAL;
	if (!strncasecmp(name, "RTMIN+", 6) && !parse_u64(name + 6, &n) &&
	    n <= LAST_SIGNAL - RT_FIRST)
		return RT_FIRST + (int)n;
	if (!strncasecmp(name, "RTMAX-", 6) && !parse_u64(name + 6, &n) &&
	    n <= LAST_SIGNAL - RT_FIRST)
		return LAST_SIGNAL - (int)n;
	return -1;
}

int names_signal(const char *text)
{
	const struct name_value *entry = names_of_signals;
	uint64_t number;

	if (!parse_u64(text, &number))
		return number <= LAST_SIGNAL ? (int)number : -1;
	if (!strncasecmp(text, "SIG", 3))
		text += 3;
	for (; entry->name; entry++) {
		if (!strcasecmp(entry->name, text))
			return (int)entry->value;
	}
	return realtime(text);
}

const char *names_ns_file(uint64_t flag)
{
	switch (flag) {
	case CLONE_NEWNET:
		return "net";
	case CLONE_NEWNS:
		return "mnt";
	default:
		break;
	}
	for (const struct name_value *e = names_of_namespaces; e->name; e++) {
		if (e->value == flag)
			return e->name;
	}
	return "";
}
