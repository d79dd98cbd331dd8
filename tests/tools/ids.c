/* Prints its real and effective user, and its effective capabilities. For a
 * payload, as a set-user-ID program. */
#include <linux/capability.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct sets[2] = { { 0 } };

	if (syscall(SYS_capget, &header, sets))
		return 1;
	printf("%u %u %08x%08x\n", getuid(), geteuid(), sets[1].effective,
	       sets[0].effective);
	return 0;
}
