/* What runs in the VM, by its /proc. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/agent.h"
#include "guests/vm/vm.h"

#define ARGS_MAX (AGENT_FRAME_MAX / 2)

/* The kernel's processes have no program, and ours have this one. */
static bool is_others(const char *pid)
{
	struct stat own, program;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.16s/exe", pid);
	return !stat(path, &program) && !stat("/proc/self/exe", &own) &&
	       (program.st_dev != own.st_dev || program.st_ino != own.st_ino);
}

static ssize_t read_args(const char *pid, char *args)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.16s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, args, ARGS_MAX);
	close(fd);
	return n;
}

void processes_each(void (*tell)(void *opaque, pid_t pid, const char *args,
				 size_t len),
		    void *opaque)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		unsigned long pid = strtoul(entry->d_name, NULL, 10);
		char args[ARGS_MAX];
		ssize_t n = -1;

		if (pid && is_others(entry->d_name))
			n = read_args(entry->d_name, args);
		if (n >= 0)
			tell(opaque, (pid_t)pid, args, (size_t)n);
	}
	if (dir)
		closedir(dir);
}
