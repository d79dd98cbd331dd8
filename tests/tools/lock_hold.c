/*
 * usage: lock_hold FILE COMMAND...
 *
 * Makes FILE, takes a lock of it (flock(2)) and becomes COMMAND, which has the
 * lock for as long as it lives. Exit status: 1 with a sentence, or COMMAND's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = argc > 2 ? open(argv[1], O_RDWR | O_CREAT, 0600) : -1;

	if (argc <= 2)
		errno = EINVAL;
	if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
		execvp(argv[2], argv + 2);
	fprintf(stderr, "lock_hold: %s\n", strerrordesc_np(errno));
	return 1;
}
