/*
 * Runs a command and kills it where it makes its Nth system call, or a child of
 * it instead: a fail point at every step, without any in the program. With an N
 * of 0 nothing is killed, and the calls' numbers go to standard output.
 *
 * usage: kill_at [--child] N COMMAND...
 *
 * Exit status: 0 when it was killed, 1 when it ended before, 2 for wrong usage.
 * Counting begins anew with each program that the command starts in its place.
 * With --child the command is waited for.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/parse.h"

#define NOT_KILLED    1
#define EXIT_USAGE    2
#define OPTIONS	      (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC)
#define CHILD_OPTIONS (PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE)

struct run {
	pid_t command;
	pid_t child; /* 0: not yet, or not asked for */
	bool wants_child;
	uint64_t at;
	uint64_t calls; /* stops at entry and at exit are both counted */
	bool killed;
};

static void print_call(pid_t pid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
	    info.op == PTRACE_SYSCALL_INFO_ENTRY)
		printf("%llu\n", (unsigned long long)info.entry.nr);
}

/* The signal to go on with. */
static int handle_stop(struct run *run, pid_t pid, int status)
{
	int signal = WSTOPSIG(status);
	bool counts = run->wants_child ? pid == run->child :
					 pid == run->command;

	if (status >> 16 == PTRACE_EVENT_EXEC && pid == run->command)
		run->calls = 0;
	if (status >> 16)
		return 0;
	if (signal == (SIGTRAP | 0x80)) {
		if (counts && !run->at)
			print_call(pid);
		if (counts && ++run->calls == run->at * 2 - 1) {
			kill(pid, SIGKILL);
			run->killed = true;
		}
		return 0;
	}
	/* How a traced child begins. */
	if (signal == SIGSTOP && pid != run->command)
		return 0;
	return signal;
}

static void follow(struct run *run)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status)) {
			if (pid == run->command)
				return;
			continue;
		}
		if (pid != run->command && !run->child) {
			run->child = pid;
			run->calls = 0;
		}
		(void)ptrace(PTRACE_SYSCALL, pid, 0,
			     handle_stop(run, pid, status));
	}
}

int main(int argc, char *argv[])
{
	struct run run = { .command = 0 };
	int first = 1;
	int status;

	if (argc > 1 && !strcmp(argv[1], "--child")) {
		run.wants_child = true;
		first = 2;
	}
	if (argc < first + 2 || parse_u64(argv[first], &run.at))
		return EXIT_USAGE;
	run.command = fork();
	if (run.command == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[first + 1], argv + first + 1);
		_exit(EXIT_USAGE);
	}
	if (run.command < 0 || waitpid(run.command, &status, 0) < 0)
		return EXIT_USAGE;
	ptrace(PTRACE_SETOPTIONS, run.command, 0,
	       OPTIONS | (run.wants_child ? CHILD_OPTIONS : 0));
	ptrace(PTRACE_SYSCALL, run.command, 0, 0);
	follow(&run);
	return run.killed ? 0 : NOT_KILLED;
}
