#include "container/sync.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

int sync_send(int socket, enum sync_kind kind, int value)
{
	struct sync_message message = { .kind = kind, .value = value };

	if (send(socket, &message, offsetof(struct sync_message, err),
		 MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

void sync_send_error(int socket, const struct err *err, bool payload_failed)
{
	struct sync_message message = { .kind = SYNC_ERROR,
					.payload_failed = payload_failed,
					.err = *err };

	/* Who does not listen any more sees that the process has ended. */
	(void)send(socket, &message, sizeof(message), MSG_NOSIGNAL);
}

int sync_receive(int socket, struct sync_message *message)
{
	ssize_t n;

	memset(message, 0, sizeof(*message));
	do {
		n = recv(socket, message, sizeof(*message), 0);
		/* The other end went without reading all that was sent to it;
		 * told once, and what it said itself is still to come. */
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	message->err.msg[sizeof(message->err.msg) - 1] = '\0';
	return n < 0 ? -errno : n > 0;
}
