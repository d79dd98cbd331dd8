/*
 * An allow-list: what is not in it, and what the kernel learns after it was
 * written, answers ENOSYS, so that programs fall back. clone may not make
 * namespaces; clone3, whose flags a filter cannot see, is not there; a
 * terminal may not be typed into from inside (TIOCSTI).
 */
#include "container/spec_filter.h"

#include <errno.h>
#include <sched.h>
#include <sys/ioctl.h>

/* In the order of the letters. Without what touches the host's state, other
 * namespaces, keys, modules, io_uring and tracing. */
static const char *const allowed[] = {
	"accept",
	"accept4",
	"access",
	"alarm",
	"arch_prctl",
	"bind",
	"brk",
	"cachestat",
	"capget",
	"capset",
	"chdir",
	"chmod",
	"chown",
	"chown32",
	"chroot",
	"clock_getres",
	"clock_getres_time64",
	"clock_gettime",
	"clock_gettime64",
	"clock_nanosleep",
	"clock_nanosleep_time64",
	"close",
	"close_range",
	"connect",
	"copy_file_range",
	"creat",
	"dup",
	"dup2",
	"dup3",
	"epoll_create",
	"epoll_create1",
	"epoll_ctl",
	"epoll_ctl_old",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"epoll_wait_old",
	"eventfd",
	"eventfd2",
	"execve",
	"execveat",
	"exit",
	"exit_group",
	"faccessat",
	"faccessat2",
	"fadvise64",
	"fadvise64_64",
	"fallocate",
	"fanotify_mark",
	"fchdir",
	"fchmod",
	"fchmodat",
	"fchmodat2",
	"fchown",
	"fchown32",
	"fchownat",
	"fcntl",
	"fcntl64",
	"fdatasync",
	"fgetxattr",
	"flistxattr",
	"flock",
	"fork",
	"fremovexattr",
	"fsetxattr",
	"fstat",
	"fstat64",
	"fstatat64",
	"fstatfs",
	"fstatfs64",
	"fsync",
	"ftruncate",
	"ftruncate64",
	"futex",
	"futex_requeue",
	"futex_time64",
	"futex_wait",
	"futex_waitv",
	"futex_wake",
	"futimesat",
	"get_mempolicy",
	"get_robust_list",
	"get_thread_area",
	"getcpu",
	"getcwd",
	"getdents",
	"getdents64",
	"getegid",
	"getegid32",
	"geteuid",
	"geteuid32",
	"getgid",
	"getgid32",
	"getgroups",
	"getgroups32",
	"getitimer",
	"getpeername",
	"getpgid",
	"getpgrp",
	"getpid",
	"getppid",
	"getpriority",
	"getrandom",
	"getresgid",
	"getresgid32",
	"getresuid",
	"getresuid32",
	"getrlimit",
	"getrusage",
	"getsid",
	"getsockname",
	"getsockopt",
	"gettid",
	"gettimeofday",
	"getuid",
	"getuid32",
	"getxattr",
	"inotify_add_watch",
	"inotify_init",
	"inotify_init1",
	"inotify_rm_watch",
	"io_cancel",
	"io_destroy",
	"io_getevents",
	"io_pgetevents",
	"io_pgetevents_time64",
	"io_setup",
	"io_submit",
	"ioprio_get",
	"ioprio_set",
	"ipc",
	"kill",
	"landlock_add_rule",
	"landlock_create_ruleset",
	"landlock_restrict_self",
	"lchown",
	"lchown32",
	"lgetxattr",
	"link",
	"linkat",
	"listen",
	"listxattr",
	"llistxattr",
	"_llseek",
	"lremovexattr",
	"lseek",
	"lsetxattr",
	"lstat",
	"lstat64",
	"madvise",
	"map_shadow_stack",
	"mbind",
	"membarrier",
	"memfd_create",
	"memfd_secret",
	"mincore",
	"mkdir",
	"mkdirat",
	"mknod",
	"mknodat",
	"mlock",
	"mlock2",
	"mlockall",
	"mmap",
	"mmap2",
	"modify_ldt",
	"mprotect",
	"mq_getsetattr",
	"mq_notify",
	"mq_open",
	"mq_timedreceive",
	"mq_timedreceive_time64",
	"mq_timedsend",
	"mq_timedsend_time64",
	"mq_unlink",
	"mremap",
	"mseal",
	"msgctl",
	"msgget",
	"msgrcv",
	"msgsnd",
	"msync",
	"munlock",
	"munlockall",
	"munmap",
	"name_to_handle_at",
	"nanosleep",
	"newfstatat",
	"_newselect",
	"open",
	"openat",
	"openat2",
	"pause",
	"pidfd_open",
	"pidfd_send_signal",
	"pipe",
	"pipe2",
	"pkey_alloc",
	"pkey_free",
	"pkey_mprotect",
	"poll",
	"ppoll",
	"ppoll_time64",
	"prctl",
	"pread64",
	"preadv",
	"preadv2",
	"prlimit64",
	"process_mrelease",
	"pselect6",
	"pselect6_time64",
	"pwrite64",
	"pwritev",
	"pwritev2",
	"read",
	"readahead",
	"readlink",
	"readlinkat",
	"readv",
	"recv",
	"recvfrom",
	"recvmmsg",
	"recvmmsg_time64",
	"recvmsg",
	"remap_file_pages",
	"removexattr",
	"rename",
	"renameat",
	"renameat2",
	"restart_syscall",
	"rmdir",
	"rseq",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigqueueinfo",
	"rt_sigreturn",
	"rt_sigsuspend",
	"rt_sigtimedwait",
	"rt_sigtimedwait_time64",
	"rt_tgsigqueueinfo",
	"sched_get_priority_max",
	"sched_get_priority_min",
	"sched_getaffinity",
	"sched_getattr",
	"sched_getparam",
	"sched_getscheduler",
	"sched_rr_get_interval",
	"sched_rr_get_interval_time64",
	"sched_setaffinity",
	"sched_setattr",
	"sched_setparam",
	"sched_setscheduler",
	"sched_yield",
	"seccomp",
	"select",
	"semctl",
	"semget",
	"semop",
	"semtimedop",
	"semtimedop_time64",
	"send",
	"sendfile",
	"sendfile64",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"set_mempolicy",
	"set_robust_list",
	"set_thread_area",
	"set_tid_address",
	"setfsgid",
	"setfsgid32",
	"setfsuid",
	"setfsuid32",
	"setgid",
	"setgid32",
	"setgroups",
	"setgroups32",
	"setitimer",
	"setpgid",
	"setpriority",
	"setregid",
	"setregid32",
	"setresgid",
	"setresgid32",
	"setresuid",
	"setresuid32",
	"setreuid",
	"setreuid32",
	"setrlimit",
	"setsid",
	"setsockopt",
	"setuid",
	"setuid32",
	"setxattr",
	"shmat",
	"shmctl",
	"shmdt",
	"shmget",
	"shutdown",
	"sigaltstack",
	"signal",
	"signalfd",
	"signalfd4",
	"sigprocmask",
	"sigreturn",
	"socketcall",
	"socketpair",
	"splice",
	"stat",
	"stat64",
	"statfs",
	"statfs64",
	"statx",
	"symlink",
	"symlinkat",
	"sync",
	"sync_file_range",
	"syncfs",
	"sysinfo",
	"tee",
	"tgkill",
	"time",
	"timer_create",
	"timer_delete",
	"timer_getoverrun",
	"timer_gettime",
	"timer_gettime64",
	"timer_settime",
	"timer_settime64",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_gettime64",
	"timerfd_settime",
	"timerfd_settime64",
	"times",
	"tkill",
	"truncate",
	"truncate64",
	"ugetrlimit",
	"umask",
	"uname",
	"unlink",
	"unlinkat",
	"utime",
	"utimensat",
	"utimensat_time64",
	"utimes",
	"vfork",
	"vmsplice",
	"wait4",
	"waitid",
	"waitpid",
	"write",
	"writev",
};

#define NEW_NAMESPACES                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)

#define AF_VSOCK_NUMBER 40

/* Allows one name with one test. */
static json_t *rule(const char *name, json_int_t index, const char *operator,
		    json_int_t value, json_int_t value_two)
{
	return json_pack("{s:[s], s:s, s:[{s:I, s:I, s:I, s:s}]}", "names",
			 name, "action", "SCMP_ACT_ALLOW", "args", "index",
			 index, "value", value, "valueTwo", value_two,
			 "op", operator);
}

/*
 * ioctl takes its number from the low half of a register: a comparison of the
 * whole would be passed by the same number with bits above (CVE-2019-10063).
 * What differs from TIOCSTI in one of the 32 bits that count is allowed.
 */
static void add_ioctl(json_t *array)
{
	for (unsigned int bit = 0; bit < 32; bit++) {
		json_int_t mask = 1LL << bit;

		json_array_append_new(array,
				      rule("ioctl", 1, "SCMP_CMP_MASKED_EQ",
					   mask, ~TIOCSTI & mask));
	}
}

#define ALL_ONES 0xffffffff /* personality: only tell */

static json_t *rules(void)
{
	json_t *array = json_array();
	json_t *names = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		json_array_append_new(names, json_string(allowed[i]));
	json_array_append_new(array, json_pack("{s:o, s:s}", "names", names,
					       "action", "SCMP_ACT_ALLOW"));
	json_array_append_new(array, rule("clone", 0, "SCMP_CMP_MASKED_EQ",
					  NEW_NAMESPACES, 0));
	add_ioctl(array);
	json_array_append_new(array, rule("socket", 0, "SCMP_CMP_LT",
					  AF_VSOCK_NUMBER, 0));
	json_array_append_new(array,
			      rule("personality", 0, "SCMP_CMP_EQ", 0, 0));
	json_array_append_new(array, rule("personality", 0, "SCMP_CMP_EQ",
					  ALL_ONES, 0));
	return array;
}

json_t *spec_filter(struct err *err)
{
	json_t *profile = json_pack("{s:s, s:i, s:[s, s, s], s:o}",
				    "defaultAction", "SCMP_ACT_ERRNO",
				    "defaultErrnoRet", ENOSYS, "architectures",
				    "SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
				    "SCMP_ARCH_X32", "syscalls", rules());

	if (!profile)
		err_set(err, ENOMEM, "no memory");
	return profile;
}

/* All of it asks for a capability of the user namespace it is done in. */
static const char *const system_calls[] = {
	"clone",  "fsconfig",	   "fsmount",	 "fsopen",	"fspick",
	"mount",  "mount_setattr", "move_mount", "open_tree",	"pivot_root",
	"ptrace", "reboot",	   "setns",	 "sethostname", "setdomainname",
	"umount", "umount2",	   "unshare",	 "vhangup",
};

/*
 * What container engines use besides. Kernels answer bpf with EPERM unless the
 * host lets everybody use it; keys of a user namespace are its own; clone3
 * makes nothing that clone does not.
 */
static const char *const engine_calls[] = {
	"add_key", "bpf", "clone3", "keyctl", "request_key",
};

static bool allow(json_t *profile, const char *const *list, size_t count)
{
	json_t *names = json_array();
	bool failed = false;

	for (size_t i = 0; i < count; i++)
		failed |= json_array_append_new(names, json_string(list[i])) !=
			  0;
	return !json_array_append_new(json_object_get(profile, "syscalls"),
				      json_pack("{s:o, s:s}", "names", names,
						"action", "SCMP_ACT_ALLOW")) &&
	       !failed;
}

bool spec_filter_open(json_t *profile)
{
	return allow(profile, system_calls, ARRAY_SIZE(system_calls));
}

bool spec_filter_nest(json_t *profile)
{
	return allow(profile, engine_calls, ARRAY_SIZE(engine_calls));
}
