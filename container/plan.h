/*
 * What `create` and `run` would do, as a flat list: one step a line, in order,
 * each with who does it. For people, and for tests that compare it with what it
 * was. One thread.
 */
#ifndef CONTAINER_PLAN_H
#define CONTAINER_PLAN_H

#include "container/launch.h"

/* Prints the plan of a launch whose configuration is read. */
int plan_print(const struct launch *launch, struct err *err);

#endif
