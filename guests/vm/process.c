#include "guests/vm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/util.h"

/* ---- settings ---- */

static void append(struct list *list, char *text)
{
	if (list->count < LIST_MAX)
		list->items[list->count++] = text;
	list->items[list->count] = NULL;
}

static void take_limit(struct settings *settings, const char *text)
{
	struct limit *limit = &settings->limits[settings->limit_count];
	unsigned long long soft, hard;
	unsigned int resource;

	if (settings->limit_count == ARRAY_SIZE(settings->limits) ||
	    sscanf(text, "%u %llu %llu", &resource, &soft, &hard) != 3)
		return;
	limit->resource = (int)resource;
	limit->value = (struct rlimit){ soft, hard };
	settings->limit_count++;
}

static unsigned long number(const char *text)
{
	return strtoul(text, NULL, 10);
}

static void take_number(struct settings *settings, const char *key,
			const char *value)
{
	if (!strcmp(key, "uid"))
		settings->uid = (uid_t)number(value);
	else if (!strcmp(key, "gid"))
		settings->gid = (gid_t)number(value);
	else if (!strcmp(key, "group") &&
		 settings->group_count < ARRAY_SIZE(settings->groups))
		settings->groups[settings->group_count++] =
			(gid_t)number(value);
	else if (!strcmp(key, "caps"))
		settings->caps = strtoull(value, NULL, 16);
	else if (!strcmp(key, "ambient"))
		settings->ambient = strtoull(value, NULL, 16);
	else if (!strcmp(key, "mtu"))
		settings->mtu = (unsigned int)number(value);
	else if (!strcmp(key, "umask"))
		settings->umask = (mode_t)strtoul(value, NULL, 8);
	else if (!strcmp(key, "layers"))
		settings->layers = (unsigned int)number(value);
	else if (!strcmp(key, "pids"))
		settings->pids = number(value);
	else if (!strcmp(key, "stop-signal"))
		settings->stop_signal = (int)number(value);
	else if (!strcmp(key, "network"))
		settings->network = number(value) != 0;
	else if (!strcmp(key, "terminal"))
		settings->terminal = number(value) != 0;
	else if (!strcmp(key, "read-only"))
		settings->read_only = number(value) != 0;
	else if (!strcmp(key, "no-new-privs"))
		settings->no_new_privs = number(value) != 0;
	else if (!strcmp(key, "detach"))
		settings->detach = number(value) != 0;
}

void settings_take(struct settings *settings, char *text)
{
	char *value = strchr(text, '=');

	if (!value)
		return;
	*value++ = '\0';
	if (!strcmp(text, "arg"))
		append(&settings->args, value);
	else if (!strcmp(text, "env"))
		append(&settings->env, value);
	else if (!strcmp(text, "file"))
		append(&settings->files, value);
	else if (!strcmp(text, "copy"))
		append(&settings->copies, value);
	else if (!strcmp(text, "mount"))
		append(&settings->mounts, value);
	else if (!strcmp(text, "sysctl"))
		append(&settings->sysctls, value);
	else if (!strcmp(text, "address"))
		append(&settings->addresses, value);
	else if (!strcmp(text, "route"))
		append(&settings->routes, value);
	else if (!strcmp(text, "cwd"))
		settings->cwd = value;
	else if (!strcmp(text, "hostname"))
		settings->hostname = value;
	else if (!strcmp(text, "root"))
		sscanf(value, "%o %u %u", &settings->root_mode,
		       &settings->root_uid, &settings->root_gid);
	else if (!strcmp(text, "limit"))
		take_limit(settings, value);
	else
		take_number(settings, text, value);
}

void settings_parse(struct settings *settings, char *text, size_t len)
{
	char *end = text + len;

	settings->umask = 022;
	while (text < end) {
		char *next = text + strlen(text) + 1;

		settings_take(settings, text);
		text = next;
	}
}

/* ---- a process ---- */

/* So that programs which are not root's keep them (capabilities(7)). */
static int raise_ambient(uint64_t set)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].effective = (uint32_t)(set >> 32 * i);
		data[i].permitted = data[i].effective;
		data[i].inheritable = data[i].effective;
	}
	if (syscall(SYS_capset, &head, data))
		return -errno;
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (set >> cap & 1 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0))
			return -errno;
	}
	return 0;
}

static int drop_rights(const struct settings *settings)
{
	uint64_t ambient = settings->uid ? settings->ambient : 0;
	int rc = 0;

	for (int cap = 0; cap < 64; cap++) {
		if (!(settings->caps >> cap & 1) &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) && errno != EINVAL)
			return -errno;
	}
	if (ambient && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return -errno;
	if (setgroups(settings->group_count, settings->groups) ||
	    setresgid(settings->gid, settings->gid, settings->gid) ||
	    setresuid(settings->uid, settings->uid, settings->uid))
		return -errno;
	if (ambient)
		rc = raise_ambient(ambient);
	if (!rc && settings->no_new_privs &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		rc = -errno;
	return rc;
}

static int take_files(const struct settings *settings, const int fds[3])
{
	int high[3];

	/* One of them may have a number that another is going to get. */
	for (int i = 0; i < 3; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
		if (high[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 3; i++) {
		if (dup2(high[i], i) < 0)
			return -errno;
	}
	setsid();
	if (settings->terminal && ioctl(0, TIOCSCTTY, 1))
		return -errno;
	return 0;
}

static int enter(const struct settings *settings, const int fds[3], int group)
{
	sigset_t none;
	int rc;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	if (group >= 0 && write(group, "0", 1) != 1)
		return -errno;
	rc = take_files(settings, fds);
	for (size_t i = 0; !rc && i < settings->limit_count; i++) {
		const struct limit *limit = &settings->limits[i];

		if (setrlimit(limit->resource, &limit->value))
			rc = -errno;
	}
	if (!rc)
		rc = drop_rights(settings);
	if (!rc && chdir(settings->cwd ? settings->cwd : "/"))
		rc = -errno;
	return rc;
}

static void run(const struct settings *settings, const int fds[3], int group,
		int report)
{
	int rc = enter(settings, fds, group);

	if (!rc) {
		environ = (char **)settings->env.items;
		/* Both have defaults in every container engine. */
		setenv("PATH",
		       "/usr/local/sbin:/usr/local/bin:"
		       "/usr/sbin:/usr/bin:/sbin:/bin",
		       0);
		setenv("HOME", settings->uid ? "/" : "/root", 0);
		umask(settings->umask);
		execvp(settings->args.items[0],
		       (char *const *)settings->args.items);
		rc = -errno;
	}
	if (write(report, &rc, sizeof(rc)) < 0)
		_exit(126);
	_exit(127);
}

pid_t process_start(const struct settings *settings, const int fds[3],
		    int group)
{
	int failure = 0;
	int pipes[2];
	pid_t pid;

	if (!settings->args.count)
		return -ENOENT;
	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(pipes[0]);
		run(settings, fds, group, pipes[1]);
	}
	close(pipes[1]);
	/* The other end closes when the program runs. */
	if (pid > 0 &&
	    read(pipes[0], &failure, sizeof(failure)) == sizeof(failure)) {
		waitpid(pid, NULL, 0);
		pid = failure;
	}
	close(pipes[0]);
	return pid < 0 && !failure ? -EAGAIN : pid;
}

int process_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) :
					  WEXITSTATUS(wait_status);
}
