/*
 * Runs a command as on an older kernel: under ptrace(2), answers its ioctls of
 * /dev/kvm that ask what KVM can do.
 *
 * usage: kvm_less CHANGE -- COMMAND...
 *   --cap NUMBER            KVM_CHECK_EXTENSION of NUMBER gives 0
 *   --api VERSION           KVM_GET_API_VERSION gives VERSION
 *   --errno NUMBER REQUEST  every ioctl REQUEST fails with errno NUMBER
 *
 * Ends as the command ends. Follows the command's first process only, with all
 * of its threads.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/parse.h"
#include "core/util.h"

#define EXIT_USAGE   125
#define SYSCALL_STOP (SIGTRAP | 0x80)
#define TRACE_OPTIONS \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)

struct change {
	uint64_t request;
	bool any_argument;
	uint64_t argument;
	uint64_t result;
};

/*
 * At the stop behind a system call its number and arguments are still in the
 * registers, beside the result (ptrace(2), "Syscall-stops"); rcx and r11 are
 * what the instruction itself changes.
 */
static void answer(pid_t tid, const struct change *change)
{
	struct user_regs_struct regs;
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_EXIT ||
	    ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0)
		return;
	if (regs.orig_rax != SYS_ioctl || regs.rsi != change->request ||
	    (!change->any_argument && regs.rdx != change->argument))
		return;
	regs.rax = change->result;
	ptrace(PTRACE_SETREGS, tid, NULL, &regs);
}

/* What a stopped thread gets when it goes on. */
static int signal_for(int status)
{
	int sig = WSTOPSIG(status);

	/* New threads start with a SIGSTOP that is ours, not theirs. */
	if (status >> 16 != 0 || sig == SIGTRAP || sig == SIGSTOP)
		return 0;
	return sig;
}

static int follow(pid_t pid, const struct change *change)
{
	int status;
	pid_t tid;

	for (;;) {
		tid = waitpid(-1, &status, __WALL);
		if (tid < 0)
			return EXIT_USAGE;
		if (!WIFSTOPPED(status)) {
			if (tid != pid)
				continue;
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
						     WEXITSTATUS(status);
		}
		if (WSTOPSIG(status) == SYSCALL_STOP) {
			answer(tid, change);
			ptrace(PTRACE_SYSCALL, tid, NULL, NULL);
		} else {
			ptrace(PTRACE_SYSCALL, tid, NULL,
			       (long)signal_for(status));
		}
	}
}

/* Returns the index of the command, or 0. */
static int parse_change(int argc, char **argv, struct change *change)
{
	uint64_t number, request;

	if (argc < 5 || parse_u64(argv[2], &number) != 0)
		return 0;
	if (strcmp(argv[1], "--cap") == 0) {
		change->request = KVM_CHECK_EXTENSION;
		change->argument = number;
		return 4;
	}
	change->any_argument = true;
	if (strcmp(argv[1], "--api") == 0) {
		change->request = KVM_GET_API_VERSION;
		change->result = number;
		return 4;
	}
	if (strcmp(argv[1], "--errno") == 0 && argc >= 6 &&
	    parse_u64(argv[3], &request) == 0) {
		change->request = request;
		change->result = -number;
		return 5;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct change change = { .request = 0 };
	int at = parse_change(argc, argv, &change);
	int status;
	pid_t pid;

	if (at == 0 || strcmp(argv[at - 1], "--") != 0) {
		fprintf(stderr, "usage: kvm_less --cap N|--api N|"
				"--errno N REQUEST -- COMMAND...\n");
		return EXIT_USAGE;
	}
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execvp(argv[at], argv + at);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, TRACE_OPTIONS) < 0) {
		fprintf(stderr, "kvm_less: cannot trace the command\n");
		return EXIT_USAGE;
	}
	ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	return follow(pid, &change);
}
