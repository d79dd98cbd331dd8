#include "vmm/exit_status.h"

#include "core/util.h"

const struct exit_status_info exit_statuses[] = {
	{ EXIT_POWEROFF, "poweroff",
	  "the guest powered itself off, or its console said what --expect waits for" },
	{ EXIT_CONFIG, "config",
	  "the command line, the configuration or a file it names is wrong; nothing was started" },
	{ EXIT_REBOOT, "reboot", "the guest asked for a reset" },
	{ EXIT_PANIC, "panic", "the guest reported a panic" },
	{ EXIT_TRIPLE_FAULT, "triple-fault",
	  "a virtual CPU met a triple fault" },
	{ EXIT_KVM, "kvm", "KVM could not go on running the guest" },
	{ EXIT_TIMEOUT, "timeout", "the time of --timeout passed" },
	{ EXIT_ENDED, "ended",
	  "the user ended the guest with Ctrl-A x or a signal" },
	{ EXIT_HOST, "host",
	  "the host refused something: no usable KVM, no memory" },
	{ EXIT_FAIL_ON, "fail-on",
	  "a line of the console matched one of --fail-on" },
	{ EXIT_NOT_EXPECTED, "not-expected",
	  "the guest ended well, but its console never said what --expect waits for" },
	{ EXIT_TESTS, "tests",
	  "the guest ended well, but tests of it failed or gave no result" },
};

const size_t exit_status_count = ARRAY_SIZE(exit_statuses);

const char *exit_status_name(int status)
{
	for (size_t i = 0; i < exit_status_count; i++) {
		if ((int)exit_statuses[i].status == status)
			return exit_statuses[i].name;
	}
	return NULL;
}
