/*
 * usage: unix_hold SOCKET COMMAND...
 *
 * Connects a datagram socket to SOCKET (unix(7)), as programs do that log, and
 * becomes COMMAND, which has it open as descriptor 3. Exit status: 1 with a
 * sentence, or COMMAND's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (argc <= 2 || strlen(argv[1]) >= sizeof(to.sun_path))
		errno = EINVAL;
	else if (fd >= 0) {
		memcpy(to.sun_path, argv[1], strlen(argv[1]) + 1);
		if (!connect(fd, (const struct sockaddr *)&to, sizeof(to)) &&
		    dup2(fd, 3) == 3)
			execvp(argv[2], argv + 2);
	}
	fprintf(stderr, "unix_hold: %s\n", strerrordesc_np(errno));
	return 1;
}
