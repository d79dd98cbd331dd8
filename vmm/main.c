#include <fcntl.h>
#include <unistd.h>

#include "vmm/commands.h"
#include "vmm/exit_status.h"

/*
 * Descriptors 0 to 2 that we were started without would go to the first files
 * we open, which then would be read as the terminal or get our messages: an
 * eventfd takes eight bytes of text for a number. What stands in their place
 * fails as a closed one does.
 */
static int hold_standard_files(void)
{
	static const int modes[] = {
		[STDIN_FILENO] = O_WRONLY,
		[STDOUT_FILENO] = O_RDONLY,
		[STDERR_FILENO] = O_RDONLY,
	};

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", modes[fd]) != fd)
			return -1;
	}
	return 0;
}

int main(int argc, char *argv[])
{
	if (hold_standard_files() < 0)
		return EXIT_HOST;
	return commands_main(argc, argv);
}
