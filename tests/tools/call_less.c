/*
 * Runs a command on a kernel that seems to lack system calls: they answer
 * ENOSYS, as under an older kernel or a filter that does not know them.
 *
 * usage: call_less NAME... -- COMMAND...
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/util.h"

#define EXIT_USAGE 2
#define CALLS_MAX  8

static const struct {
	const char *name;
	unsigned int number;
} calls[] = {
	{ "openat2", SYS_openat2 },
	{ "fsopen", SYS_fsopen },
	{ "open_tree", SYS_open_tree },
};

static int number_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (!strcmp(calls[i].name, name))
			return (int)calls[i].number;
	}
	return -1;
}

int main(int argc, char *argv[])
{
	/* Load the number, two instructions for each call, allow. */
	struct sock_filter code[2 * CALLS_MAX + 2];
	struct sock_fprog program = { .filter = code };
	int at = 1;

	code[program.len++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
		int number = number_of(argv[at]);

		if (number < 0 || at > CALLS_MAX)
			return EXIT_USAGE;
		code[program.len++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1);
		code[program.len++] = (struct sock_filter)BPF_STMT(
			BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	}
	code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
							   SECCOMP_RET_ALLOW);
	if (at + 1 >= argc)
		return EXIT_USAGE;
	/* no_new_privs would show in the payload; root needs none. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 1;
	execvp(argv[at + 1], argv + at + 1);
	return 1;
}
