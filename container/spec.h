/* The configuration that `spec` writes, for others to build on. */
#ifndef CONTAINER_SPEC_H
#define CONTAINER_SPEC_H

#include "container/json.h"

/*
 * Few rights and no limits. With @userns in a user namespace whose IDs begin at
 * 100000, with @filter with the list of allowed system calls. The caller
 * decrefs; NULL with a sentence.
 */
json_t *spec_make(bool userns, bool filter, struct err *err);

#endif
