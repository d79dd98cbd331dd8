/*
 * A seccomp agent: takes what the launcher sends for one process (a line of
 * JSON and the filter's descriptor), prints the line, answers what it is asked
 * until nobody is filtered any more, and prints the number of questions.
 *
 * usage: notify_agent SOCKET
 *
 * mkdir and mkdirat fail with EOWNERDEAD; all else goes on.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/util.h"

#define EXIT_USAGE 2

static int receive(int socket)
{
	char text[8192];
	struct iovec data = { text, sizeof(text) - 1 };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int fd;

	if (n <= 0 || !header)
		return -1;
	text[n] = '\0';
	printf("%s\n", text);
	(void)fflush(stdout);
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static unsigned int answer(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	unsigned int count = 0;

	while (poll(&pfd, 1, -1) >= 0 && !(pfd.revents & POLLHUP)) {
		struct seccomp_notif asked = { 0 };
		struct seccomp_notif_resp reply = { 0 };
		int call;

		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &asked))
			continue;
		count++;
		call = asked.data.nr;
		reply.id = asked.id;
		if (call == SYS_mkdir || call == SYS_mkdirat)
			reply.error = -EOWNERDEAD;
		else
			reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		(void)ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &reply);
	}
	return count;
}

int main(int argc, char *argv[])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autoclose int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	autoclose int peer = -1;
	autoclose int fd = -1;

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
		return EXIT_USAGE;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
	if (bind(server, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(server, 1))
		return 1;
	peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	if (peer < 0)
		return 1;
	fd = receive(peer);
	if (fd < 0)
		return 1;
	printf("%u\n", answer(fd));
	return 0;
}
