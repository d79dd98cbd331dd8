/*
 * For tests that need this host's /dev/kvm, real or emulated.
 */
#ifndef TESTS_UNIT_REAL_KVM_H
#define TESTS_UNIT_REAL_KVM_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/err.h"
#include "core/util.h"

/* False where there is none to be opened: prints that @test is left out, as
 * tests/run counts it. */
static inline bool has_real_kvm(const char *test)
{
	autoclose int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		(void)printf("skip unit/%s # /dev/kvm: %s\n", test,
			     err_describe(errno));
	return fd >= 0;
}

#endif
