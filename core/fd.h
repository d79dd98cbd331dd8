/*
 * All of some bytes to a descriptor, however many it takes at once, whether it
 * waits by itself or not, and whatever signals come. Any thread.
 */
#ifndef CORE_FD_H
#define CORE_FD_H

#include <stddef.h>

/* 0, or -errno when some of them did not go; a pipe that nobody reads any more
 * sends SIGPIPE. */
int fd_write_all(int fd, const void *bytes, size_t len);

/* The same to a stream socket, without the signal. */
int fd_send_all(int socket, const void *bytes, size_t len);

#endif
