/*
 * Where the master of a container's terminal goes: to an engine over the socket
 * of --console-socket, or to ourselves over a pair of sockets, to be relayed
 * (relay.h). In the parent. Descriptors are close-on-exec and the caller's.
 */
#ifndef CONTAINER_CONSOLE_H
#define CONTAINER_CONSOLE_H

#include "container/config.h"
#include "core/err.h"

/* Connects to the engine's socket. A descriptor or -errno. */
int console_connect(const char *path, struct err *err);

/* The end that console_receive reads, and the one that the child sends to. The
 * terminal of @process will be as large as our own, if that is one, before
 * anything runs in it. */
int console_pair(struct config_process *process, int *ret_ours, int *ret_childs,
		 struct err *err);

/* In the child: a terminal of /dev/pts as @process wants it, the master sent to
 * @socket, the slave for itself (terminal.h). Nothing allocates. */
int console_take(const struct config_process *process, int socket,
		 struct err *err);

/* Takes the master that the child has sent (terminal_send). A descriptor or
 * -errno. */
int console_receive(int socket, struct err *err);

#endif
