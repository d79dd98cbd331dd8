/*
 * The host's end of a session with the agent of a VM (core/agent.h). What comes
 * from there is hostile: frames are bounded, and nothing of them is trusted but
 * that they are bytes for the caller's own terminal. One thread.
 */
#ifndef CONTAINER_VM_AGENT_H
#define CONTAINER_VM_AGENT_H

#include <stdint.h>

#include "container/config.h"
#include "container/state.h"
#include "core/agent.h"

/* One frame that came in. */
struct vm_frame {
	uint32_t type;
	size_t len;
	const unsigned char *data;
};

struct vm_agent {
	int fd; /* -1 when not open */
	int slot; /* its lock, or -1 */
	unsigned char in[AGENT_HEADER + AGENT_FRAME_MAX];
	size_t have;
	size_t taken; /* the frame at the front was given out */
};

struct vm_exec {
	const struct state *state;
	const struct config_process *process;
	bool detach;
	/* NULL, or, so that an engine has a process to wait for, as `create`
	 * has them. */
	const char *pid_file;
	const char *console_socket;
};

/* Whether the container is a VM, by its annotation. */
bool vm_is_state(const struct state *state);

/* The folder of the monitor's container, with the sockets. The caller closes.
 */
int vm_open_folder(const struct state *state, struct err *err);

/* The configuration of what the guest runs. The caller decrefs. */
json_t *vm_guest_config(const struct state *state, struct err *err);

/* Begins a session, waiting for a guest that is still starting. To be closed
 * also behind a failure. */
int vm_agent_open(struct vm_agent *agent, const struct state *state,
		  struct err *err);
/* The same by a socket's path, for who has it to itself. */
int vm_agent_open_at(struct vm_agent *agent, const char *path, struct err *err);
void vm_agent_close(struct vm_agent *agent);

int vm_agent_send(const struct vm_agent *agent, enum agent_frame type,
		  const void *data, size_t len, struct err *err);
int vm_agent_send_number(const struct vm_agent *agent, enum agent_frame type,
			 uint32_t value, struct err *err);

/* Reads what there is. */
int vm_agent_read(struct vm_agent *agent, struct err *err);

/* The next whole frame of what was read, valid until the next call: 1, or 0
 * when there is none. */
int vm_agent_next(struct vm_agent *agent, struct vm_frame *ret_frame,
		  struct err *err);

/* Runs a process in the VM with our standard files, vm_exec.c, and waits for
 * its end, unless .detach; its exit status in *@ret_status. *@ret_failed: the
 * program itself could not be run. */
int vm_exec(const struct vm_exec *exec, int *ret_status, bool *ret_failed,
	    struct err *err);

/* Prints what runs in the VM, as `ps` does. */
int vm_print_processes(const struct state *state, struct err *err);

/* A signal to the VM's first process. */
int vm_signal(const struct state *state, int signal, struct err *err);

#endif
