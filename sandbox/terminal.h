/*
 * The terminal of a container: a pty of the container's own devpts, whose
 * slave is got from the master's descriptor and never by a path in the root
 * filesystem (CVE-2025-52565). For the child; nothing allocates.
 */
#ifndef SANDBOX_TERMINAL_H
#define SANDBOX_TERMINAL_H

#include "core/err.h"

/*
 * Opens a pair from /dev/pts inside @root; rows and columns of 0 are left as
 * they are. Both are the caller's.
 */
int terminal_open(int root, unsigned int rows, unsigned int columns,
		  int *ret_master, int *ret_slave, struct err *err);

/* Sends the master over a connected socket: one message with one descriptor,
 * "/dev/ptmx" its text. */
int terminal_send(int socket, int master, struct err *err);

/* Makes the slave the controlling terminal of the process, which leads a new
 * session, and its stdin to stderr. */
int terminal_take(int slave, struct err *err);

/* Bind-mounts the slave over /dev/console inside @root. */
int terminal_make_console(int root, int slave, struct err *err);

#endif
