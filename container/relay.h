/*
 * In the foreground, `run` and `exec` wait for the payload's end. Meanwhile
 * signals sent to us go to the payload, and, when it has a terminal that no
 * engine took, bytes go between that and our own standard input and output.
 *
 * Our terminal, if there is one, is raw for that time. All signals but those
 * that cannot be held back are taken as data here, so there is no way out but
 * the one that puts it back; SIGTSTP and SIGSTOP put it back while they last.
 */
#ifndef CONTAINER_RELAY_H
#define CONTAINER_RELAY_H

#include <signal.h>
#include <sys/types.h>

#include "core/err.h"

struct relay_payload {
	pid_t pid; /* a child of ours */
	int pidfd; /* borrowed */
	int console; /* borrowed; of console_pair(), -1 without a terminal */
	sigset_t mask; /* what relay_hold() told */
};

/* Holds signals back for relay_run(). To be called before the payload may run,
 * for from then on signals are meant for it. */
void relay_hold(sigset_t *ret_mask);

/* Returns when the payload has ended, with the mask of signals as it was; its
 * exit status in *@ret_status, 128 + N for a signal. */
int relay_run(const struct relay_payload *payload, int *ret_status,
	      struct err *err);

#endif
