#include "container/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/fdpass.h"
#include "sandbox/terminal.h"

int console_connect(const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autoclose int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, ENAMETOOLONG,
			       "--console-socket: %s is longer than 107 bytes",
			       path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return err_sys(err, errno,
			       "cannot connect to the console socket %s", path);
	return move_fd(&fd);
}

int console_pair(struct config_process *process, int *ret_ours, int *ret_childs,
		 struct err *err)
{
	struct winsize size;
	int pair[2];

	if (!ioctl(STDIN_FILENO, TIOCGWINSZ, &size) && size.ws_row) {
		process->console_rows = size.ws_row;
		process->console_columns = size.ws_col;
	}

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return err_sys(err, errno, "no socket for the terminal");
	*ret_ours = pair[0];
	*ret_childs = pair[1];
	return 0;
}

int console_receive(int socket, struct err *err)
{
	int fd = fdpass_receive(socket);

	return fd < 0 ? err_set(err, EIO, "the terminal did not come") : fd;
}

int console_take(const struct config_process *process, int socket,
		 struct err *err)
{
	autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int master = -1;
	autoclose int slave = -1;
	int rc;

	if (root < 0)
		return err_sys(err, errno, "cannot open the root");
	rc = terminal_open(root, process->console_rows,
			   process->console_columns, &master, &slave, err);
	if (!rc)
		rc = terminal_send(socket, master, err);
	return rc ? rc : terminal_take(slave, err);
}
