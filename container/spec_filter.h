/* The filter of system calls that `spec` writes. */
#ifndef CONTAINER_SPEC_FILTER_H
#define CONTAINER_SPEC_FILTER_H

#include "container/json.h"

/* The object linux.seccomp; the caller decrefs. */
json_t *spec_filter(struct err *err);

/* Lets more through @profile: what the init of a system does, which mounts,
 * makes namespaces for its services and ends with reboot. False without
 * memory. */
bool spec_filter_open(json_t *profile);

/* Behind spec_filter_open: lets what makes containers through, too. False
 * without memory. */
bool spec_filter_nest(json_t *profile);

#endif
