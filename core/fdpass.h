/*
 * A descriptor over a Unix socket, beside a few bytes (unix(7), SCM_RIGHTS).
 * Any thread; nothing is allocated.
 */
#ifndef CORE_FDPASS_H
#define CORE_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

/* Sends @fd, which stays the caller's, with all of the @len bytes, one at
 * least. -EMSGSIZE when only some of them went. */
int fdpass_send(int socket, int fd, const void *bytes, size_t len);

/*
 * What fdpass_send sent: the descriptor, close-on-exec; its bytes are dropped.
 * Does not wait. -EAGAIN when there is nothing yet, -EIO when what came is
 * something else or the other end is gone.
 */
int fdpass_receive(int socket);

/*
 * One message of a SOCK_SEQPACKET socket, for which it waits: its length, 0 at
 * the end, -EMSGSIZE when it has more than @size bytes. *@ret_fd is the
 * descriptor that came with it, close-on-exec, or -1.
 */
ssize_t fdpass_read(int socket, void *bytes, size_t size, int *ret_fd);

#endif
