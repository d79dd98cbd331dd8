/*
 * Runs a process in a VM by a session of its agent (vm_agent.h), with our own
 * standard files, until it ends. One thread.
 */
#ifndef CONTAINER_VM_RELAY_H
#define CONTAINER_VM_RELAY_H

#include <termios.h>

#include "container/vm_agent.h"

/* What may wait for the VM to take it. */
#define VM_RELAY_OUT (4 * (AGENT_HEADER + AGENT_FRAME_MAX))

struct vm_relay {
	struct vm_agent agent; /* open */
	const char *program; /* borrowed; its name, for errors */
	const char *settings; /* borrowed; strings of core/agent.h */
	size_t settings_size; /* 0: the guest knows what to run */
	bool terminal; /* it has one; ours is standard input, if that is one */
	bool detach; /* come back as soon as it runs */
	void (*started)(void *opaque); /* told when it runs, or NULL */
	void *opaque;
	/* What came of it. */
	bool failed; /* the program itself could not be run */
	int status; /* 128 + N for a signal */
	/* Between the steps. */
	int signals;
	bool has_terminal;
	struct termios saved;
	bool input_ended;
	bool runs;
	bool ended;
	size_t out_len;
	unsigned char out[VM_RELAY_OUT];
};

/* -ECONNRESET when the VM ended before the process did. */
int vm_relay_run(struct vm_relay *relay, struct err *err);

#endif
