/*
 * Capabilities by the raw calls: three of them, and libcap would bring more
 * code than it saves. Bit N of a set is capability N of linux/capability.h.
 * Nothing allocates; any thread.
 */
#ifndef SANDBOX_CAPS_H
#define SANDBOX_CAPS_H

#include <stdint.h>

#include "core/err.h"

struct caps {
	uint64_t bounding;
	uint64_t effective;
	uint64_t permitted;
	uint64_t inheritable;
	uint64_t ambient;
};

/* "CAP_CHOWN" in any case; -1 when there is no such capability. */
int caps_number(const char *name);

/* "CAP_CHOWN" for 0 and so on; NULL behind the last. */
const char *caps_name(unsigned int number);

/* Drops from the bounding set what @bounding lacks. Needs CAP_SETPCAP. */
int caps_drop_bounding(uint64_t bounding, struct err *err);

/* The other sets; what the kernel does not know is left out. Behind the change
 * of the user ID. */
int caps_apply(const struct caps *caps, struct err *err);

/* The process's own effective set. */
int caps_effective(uint64_t *ret_set);

/* Whether the caller has CAP_SYS_ADMIN in its user namespace: may mount, and
 * make namespaces. */
bool caps_may_administer(void);

#endif
