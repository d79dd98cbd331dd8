/*
 * Makes system calls that a container's filter should stop, and prints for
 * each its name and the error that came back. For a payload; takes nothing.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BITS_ABOVE   (1UL << 32)
#define UNKNOWN_CALL 460
#define VSOCK_FAMILY 40

static void tell(const char *name, long result)
{
	printf("%s %s\n", name,
	       result < 0 ? strerrorname_np(errno) : "allowed");
}

int main(void)
{
	static const char key = 'x';

	tell("tiocsti", syscall(SYS_ioctl, 0, TIOCSTI, &key));
	/* The kernel takes the low half alone. */
	tell("tiocsti-high", syscall(SYS_ioctl, 0, TIOCSTI | BITS_ABOVE, &key));
	tell("other-ioctl", syscall(SYS_ioctl, -1, TCGETS, NULL));
	tell("unshare", syscall(SYS_unshare, CLONE_NEWUSER));
	tell("clone-user", syscall(SYS_clone, CLONE_NEWUSER, 0, 0, 0, 0));
	tell("clone3", syscall(SYS_clone3, NULL, 0));
	tell("unknown", syscall(UNKNOWN_CALL, 0, 0));
	tell("vsock", syscall(SYS_socket, VSOCK_FAMILY, SOCK_STREAM, 0));
	tell("bpf", syscall(SYS_bpf, 0, NULL, 0));
	return 0;
}
