#include "core/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int fdpass_send(int socket, int fd, const void *bytes, size_t len)
{
	struct iovec data = { (void *)bytes, len };
	union control control = { .bytes = { 0 } };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	ssize_t n;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	n = sendmsg(socket, &message, MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EMSGSIZE;
}

static ssize_t receive(int socket, void *bytes, size_t size, int flags,
		       int *ret_fd)
{
	struct iovec data = { bytes, size };
	union control control = { .bytes = { 0 } };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	const struct cmsghdr *header;
	ssize_t n;

	*ret_fd = -1;
	do {
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
	return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : n;
}

int fdpass_receive(int socket)
{
	char text[64];
	int fd;
	ssize_t n = receive(socket, text, sizeof(text), MSG_DONTWAIT, &fd);

	if (n < 0 && n != -EMSGSIZE)
		return (int)n;
	return fd < 0 ? -EIO : fd;
}

ssize_t fdpass_read(int socket, void *bytes, size_t size, int *ret_fd)
{
	ssize_t n = receive(socket, bytes, size, 0, ret_fd);

	if (n < 0 && *ret_fd >= 0) {
		close(*ret_fd);
		*ret_fd = -1;
	}
	return n;
}
