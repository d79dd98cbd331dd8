#include "sandbox/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include "core/fdpass.h"
#include "sandbox/mount.h"
#include "sandbox/rootpath.h"

int terminal_open(int root, unsigned int rows, unsigned int columns,
		  int *ret_master, int *ret_slave, struct err *err)
{
	autoclose int master =
		rootpath_open(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
	autoclose int slave = -1;
	struct winsize size = {
		.ws_row = (unsigned short)rows,
		.ws_col = (unsigned short)columns,
	};
	struct statfs fs;
	int unlock = 0;

	if (master < 0)
		return err_sys(err, -master,
			       "a terminal needs a devpts mounted at /dev/pts");
	if (fstatfs(master, &fs) || fs.f_type != DEVPTS_SUPER_MAGIC)
		return err_set(err, ENODEV,
			       "a terminal needs a devpts mounted at /dev/pts");
	if (ioctl(master, TIOCSPTLCK, &unlock))
		return err_sys(err, errno, "cannot unlock the terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(err, errno, "cannot open the terminal");
	if ((rows || columns) && ioctl(master, TIOCSWINSZ, &size))
		return err_sys(err, errno, "cannot set the terminal's size");
	*ret_master = move_fd(&master);
	*ret_slave = move_fd(&slave);
	return 0;
}

int terminal_send(int socket, int master, struct err *err)
{
	static const char name[] = "/dev/ptmx";
	int rc = fdpass_send(socket, master, name, sizeof(name) - 1);

	return rc ? err_sys(err, -rc,
			    "cannot send the terminal to the console socket") :
		    0;
}

int terminal_take(int slave, struct err *err)
{
	if (ioctl(slave, TIOCSCTTY, 0))
		return err_sys(err, errno, "cannot take the terminal");
	for (int fd = 0; fd < 3; fd++) {
		if (dup2(slave, fd) < 0)
			return err_sys(err, errno, "cannot take the terminal");
	}
	return 0;
}

int terminal_make_console(int root, int slave, struct err *err)
{
	autoclose int target = rootpath_make_file(root, "/dev/console", err);
	autoclose int tree = -1;
	int rc;

	if (target < 0)
		return target;
	tree = mount_copy(slave, 0);
	if (tree < 0)
		return err_sys(err, -tree, "cannot make /dev/console");
	rc = mount_move(tree, target);
	return rc ? err_sys(err, -rc, "cannot make /dev/console") : 0;
}
