/*
 * The init of a VM that hull-ct launched: init.c sets the machine up and ends
 * it, process.c runs programs, agent.c serves the host. See core/agent.h for
 * what is said. All of it is process 1 or a fork of it, with one thread.
 */
#ifndef GUESTS_VM_VM_H
#define GUESTS_VM_VM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#define LIST_MAX 4096

/* Strings are borrowed from the text that was parsed. */
struct list {
	char *items[LIST_MAX + 1]; /* NULL-terminated */
	size_t count;
};

struct limit {
	int resource;
	struct rlimit value;
};

struct settings {
	struct list args;
	struct list env;
	struct list files;
	struct list copies;
	struct list mounts;
	struct list sysctls;
	struct list addresses;
	struct list routes;
	const char *cwd;
	const char *hostname;
	mode_t root_mode;
	uid_t root_uid;
	gid_t root_gid;
	uid_t uid;
	gid_t gid;
	gid_t groups[64];
	size_t group_count;
	struct limit limits[16];
	size_t limit_count;
	uint64_t caps; /* the bounding set */
	uint64_t ambient; /* what a user who is not root has of it */
	mode_t umask;
	unsigned int mtu; /* of the card; 0: as it is */
	unsigned int layers;
	unsigned long pids; /* 0: no limit */
	int stop_signal;
	bool network; /* there is eth0 */
	bool terminal;
	bool read_only;
	bool no_new_privs;
	bool detach; /* of a session: it outlives that */
};

/* Takes one "key=value"; the text is cut up and must stay. */
void settings_take(struct settings *settings, char *text);

/* All of those that are @len bytes, with a zero at the end. */
void settings_parse(struct settings *settings, char *text, size_t len);

/*
 * Runs the program of the settings with the descriptors as its standard ones;
 * with .terminal the first is its controlling terminal. Returns the process, or
 * -errno when it cannot be run. @group is a descriptor of cgroup.procs, or -1.
 */
pid_t process_start(const struct settings *settings, const int fds[3],
		    int group);

/* Loopback, and eth0 with its addresses. 0, or not when something failed. */
int network_up(const struct settings *settings);

/* As a shell has it: 128 + N for a signal. */
int process_status(int wait_status);

/* Calls @tell for each process that is neither the kernel's nor our own, with
 * its arguments, zeros between them, at most AGENT_FRAME_MAX / 2 bytes. */
void processes_each(void (*tell)(void *opaque, pid_t pid, const char *args,
				 size_t len),
		    void *opaque);

/* What all agents have. */
struct agent {
	int dev; /* the folder of devices */
	int group; /* as of process_start */
	pid_t *program; /* the VM's, in memory that all share; 0: none */
	const struct settings *settings; /* of the VM */
};

/*
 * A process that serves the port @number. Signals of a session without a
 * process go to the VM's program, which the session of AGENT_PROGRAM starts:
 * that agent ends with the program's status, when the host has heard of it.
 */
pid_t agent_start(const struct agent *agent, unsigned int number);

#endif
