/*
 * The exit status of `hull run`. Every status of ours is even, so that a guest
 * which ends through the debug-exit port, whose status is (value << 1) | 1 and
 * thus odd as under QEMU, can never be mistaken for one. Stable: scripts depend
 * on these numbers; they are in the man page.
 */
#ifndef VMM_EXIT_STATUS_H
#define VMM_EXIT_STATUS_H

#include <stddef.h>

enum exit_status {
	EXIT_POWEROFF = 0, /* the guest powered itself off, or --expect */
	EXIT_CONFIG = 2, /* bad configuration or usage; nothing was started */
	EXIT_REBOOT = 4, /* the guest asked for a reset */
	EXIT_PANIC = 6, /* the guest reported a panic (pvpanic) */
	EXIT_TRIPLE_FAULT = 8, /* KVM_EXIT_SHUTDOWN */
	EXIT_KVM = 10, /* KVM could not go on running the guest */
	EXIT_TIMEOUT = 12, /* --timeout passed */
	EXIT_ENDED = 14, /* ended by the user: Ctrl-A x, SIGINT, SIGTERM */
	EXIT_HOST = 16, /* the host refused something: no KVM, no memory */
	EXIT_FAIL_ON = 18, /* a line of the console matched --fail-on */
	EXIT_NOT_EXPECTED = 20, /* ended well, but without --expect's line */
	EXIT_TESTS = 22, /* ended well, but tests failed or are missing */
};

struct exit_status_info {
	enum exit_status status;
	const char *name; /* one word, for reports */
	const char *meaning; /* the end of "hull exits with N when ..." */
};

/* In the order of their numbers. */
extern const struct exit_status_info exit_statuses[];
extern const size_t exit_status_count;

/* The name of a status of ours, or NULL: then it is the guest's own. */
const char *exit_status_name(int status);

#endif
