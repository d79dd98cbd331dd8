/*
 * The system calls that the C library of Debian 12 has no wrapper for. Each
 * returns what the kernel does, or -errno; a descriptor is close-on-exec. Any
 * thread; safe in a child that may not allocate.
 */
#ifndef SANDBOX_SYS_H
#define SANDBOX_SYS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * openat2(2); @resolve is RESOLVE_*. Asks again when a rename elsewhere made
 * the kernel give up (EAGAIN), so that a busy host is no error.
 */
int sys_openat2(int dir, const char *path, int flags, mode_t mode,
		uint64_t resolve);

int sys_pivot_root(const char *new_root, const char *put_old);

/*
 * fork with new namespaces: @flags is CLONE_NEW*, @cgroup a directory of
 * cgroup v2 in which the child starts, or -1. Returns 0 in the child; in the
 * parent the child's pid, and *@ret_pidfd is the caller's.
 */
pid_t sys_clone(uint64_t flags, int cgroup, int *ret_pidfd);

/* seccomp(2), with @len instructions of 8 bytes. */
int sys_seccomp_load(unsigned int flags, unsigned short len,
		     const void *instructions);

/* bpf(2), with the members of its union that @attr holds. */
int sys_bpf(int command, const void *attr, uint32_t size);

/* Waits for the end of the child, whatever signals come; its status as from
 * waitpid(2), 0 when there is no such child. */
int sys_wait(pid_t child);

/* The same for at most @limit_ms, -1 for any time; then the child is killed,
 * and false is returned. */
bool sys_wait_within(pid_t child, int pidfd, int limit_ms, int *ret_status);

/* What a shell says of a status of waitpid(2), sh(1): the exit status, or 128
 * and the signal. */
int sys_shell_status(int wait_status);

int sys_pidfd_open(pid_t pid);
int sys_pidfd_signal(int pidfd, int signal);

#endif
