/*
 * The talk between a container's first process and whoever creates, starts or
 * runs it: one message each over a socket of type SOCK_SEQPACKET. When the
 * process begins to run the payload its end closes by itself. Nothing
 * allocates.
 */
#ifndef CONTAINER_SYNC_H
#define CONTAINER_SYNC_H

#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

enum sync_kind {
	SYNC_INFO, /* to the child: IDs are mapped; value: its pid outside */
	SYNC_RUNTIME_HOOKS, /* from it: time for prestart and createRuntime */
	SYNC_CONTINUE, /* to it */
	SYNC_CREATED, /* from it: all is there, it waits for the start */
	SYNC_START, /* to it */
	SYNC_ERROR, /* from it; it ends */
};

struct sync_message {
	uint32_t kind;
	int32_t value;
	uint32_t payload_failed; /* of SYNC_ERROR, see context.h */
	struct err err;
};

int sync_send(int socket, enum sync_kind kind, int value);
void sync_send_error(int socket, const struct err *err, bool payload_failed);

/* 1, or 0 when the other end is closed, or -errno. */
int sync_receive(int socket, struct sync_message *message);

#endif
