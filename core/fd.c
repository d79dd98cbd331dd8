#include "core/fd.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

static int put_all(int fd, const void *bytes, size_t len, bool is_socket)
{
	const uint8_t *at = bytes;

	while (len) {
		struct pollfd room = { .fd = fd, .events = POLLOUT };
		ssize_t n = is_socket ? send(fd, at, len, MSG_NOSIGNAL) :
					write(fd, at, len);

		if (n < 0 && (errno == EINTR ||
			      (errno == EAGAIN && poll(&room, 1, -1) >= 0)))
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_write_all(int fd, const void *bytes, size_t len)
{
	return put_all(fd, bytes, len, false);
}

int fd_send_all(int socket, const void *bytes, size_t len)
{
	return put_all(socket, bytes, len, true);
}
