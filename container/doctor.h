/*
 * What this host offers to containers. Looking changes nothing but for what is
 * gone again at once: a user namespace, a mount that is attached nowhere. One
 * thread.
 */
#ifndef CONTAINER_DOCTOR_H
#define CONTAINER_DOCTOR_H

#include "container/context.h"
#include "container/json.h"

/* Prints the findings, as lines or as JSON; *@ret_can_run says whether
 * containers run at all. */
int doctor_examine(struct context *context, bool json, bool *ret_can_run,
		   struct err *err);

#endif
