/*
 * Listening sockets for who may talk to a running guest: on this host only.
 * Any thread, but for the umask, which is the process's.
 */
#ifndef IO_LISTEN_H
#define IO_LISTEN_H

#include <stdint.h>

#include "core/err.h"

/*
 * A Unix stream socket at @path, mode 0600; a stale one that nobody listens on
 * is replaced. Returns its descriptor, which does not block, or -errno with a
 * sentence. The caller unlinks the path in the end.
 */
int listen_unix(const char *path, struct err *err);

/*
 * The same on TCP port @port of @host, which is a loopback address:
 * 127.x.x.x or ::1 in brackets; -EINVAL for any other.
 */
int listen_tcp(const char *host, uint16_t port, struct err *err);

#endif
