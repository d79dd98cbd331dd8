/*
 * The other side of --console-socket: takes one terminal and relays it.
 *
 * usage: console_recv SOCKET [TEXT]
 *
 * Listens on SOCKET, takes one connection and one message with one descriptor
 * of a terminal, prints "ROWSxCOLUMNS NAME" and then what the terminal says to
 * its end. With TEXT, types that first. Exit status: 0, or 1 with a sentence.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static int complain(const char *what)
{
	fprintf(stderr, "console_recv: %s: %s\n", what, strerrordesc_np(errno));
	return 1;
}

static int take_connection(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 1))
		return -1;
	return accept(fd, NULL, NULL);
}

/* The one descriptor of the one message; its text into @name. */
static int take_terminal(int connection, char *name, size_t size)
{
	struct iovec data = { name, size - 1 };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *header;
	ssize_t n = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
	int fd;

	if (n <= 0)
		return -1;
	name[n] = '\0';
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int))) {
		errno = EBADMSG;
		return -1;
	}
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

int main(int argc, char *argv[])
{
	struct winsize size = { 0 };
	char data[4096];
	int connection;
	int terminal;
	ssize_t n;

	if (argc < 2 || argc > 3) {
		fputs("usage: console_recv SOCKET [TEXT]\n", stderr);
		return 1;
	}
	connection = take_connection(argv[1]);
	if (connection < 0)
		return complain(argv[1]);
	terminal = take_terminal(connection, data, sizeof(data));
	if (terminal < 0)
		return complain("no terminal");
	ioctl(terminal, TIOCGWINSZ, &size);
	printf("%ux%u %s\n", size.ws_row, size.ws_col, data);
	if (fflush(stdout))
		return complain("standard output");
	if (argc > 2 && write(terminal, argv[2], strlen(argv[2])) < 0)
		return complain("cannot type");
	/* EIO is how a terminal ends. */
	while ((n = read(terminal, data, sizeof(data))) > 0) {
		if (write(STDOUT_FILENO, data, (size_t)n) < 0)
			return complain("standard output");
	}
	return 0;
}
