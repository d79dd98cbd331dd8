/*
 * Messages to and from `criu swrk` (https://criu.org/RPC): a request is put
 * together field by field, an answer is read. The fields are those of criu's
 * rpc.proto, which its package has in /usr/include/criu; the encoding is that
 * of Protocol Buffers (https://protobuf.dev/programming-guides/encoding/), of
 * which numbers and counted bytes are all that occurs.
 *
 * By hand, since libcriu 3.17 cannot ask for both that criu runs in namespaces
 * that we made and that the processes are children of ours.
 */
#ifndef CONTAINER_CRIU_MESSAGE_H
#define CONTAINER_CRIU_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum criu_request {
	CRIU_DUMP = 1,
	CRIU_RESTORE = 2,
	CRIU_NOTIFY = 6,
	CRIU_PRE_DUMP = 13, /* SINGLE_PRE_DUMP: one, and the end */
};

/* Of criu_opts. */
enum criu_field {
	CRIU_IMAGES_DIR_FD = 1, /* of whoever made the socket, as the next */
	CRIU_WORK_DIR_FD = 17,
	CRIU_PID = 2,
	CRIU_LEAVE_RUNNING = 3,
	CRIU_EXT_UNIX_SK = 4,
	CRIU_TCP_ESTABLISHED = 5,
	CRIU_SHELL_JOB = 7,
	CRIU_FILE_LOCKS = 8,
	CRIU_LOG_LEVEL = 9,
	CRIU_LOG_FILE = 10,
	CRIU_NOTIFY_SCRIPTS = 12,
	CRIU_ROOT = 13,
	CRIU_PARENT_IMG = 14,
	CRIU_TRACK_MEM = 15,
	CRIU_AUTO_DEDUP = 16,
	CRIU_CG_ROOT = 25, /* a message: path (2) */
	CRIU_RST_SIBLING = 26,
	CRIU_INHERIT_FD = 27, /* a message: key (1), fd (2) of criu's */
	CRIU_MANAGE_CGROUPS_MODE = 34,
	CRIU_EXTERNAL = 37,
	CRIU_EMPTY_NS = 38,
	CRIU_JOIN_NS = 39, /* a message: ns (1), ns_file (2) */
	CRIU_FREEZE_CGROUP = 44,
	CRIU_ORPHAN_PTS_MASTER = 50,
	CRIU_LSM_PROFILE = 53,
	CRIU_LSM_MOUNT_CONTEXT = 63,
	CRIU_NETWORK_LOCK = 64,
};

struct criu_message {
	uint8_t *bytes; /* owned */
	size_t len;
	size_t room;
	int error; /* -ENOMEM when some of it is missing */
};

void criu_put_number(struct criu_message *message, unsigned int field,
		     uint64_t value);
void criu_put_text(struct criu_message *message, unsigned int field,
		   const char *text);
void criu_put_message(struct criu_message *message, unsigned int field,
		      const struct criu_message *inner);
void criu_message_release(struct criu_message *message);

struct criu_answer {
	uint64_t request; /* that it answers, or CRIU_NOTIFY */
	bool success;
	pid_t pid; /* of CRIU_RESTORE: the first process, as criu sees it */
	char script[32]; /* of CRIU_NOTIFY: what has happened */
};

/* False when it is none. What is not known is passed over. */
bool criu_read_answer(const void *bytes, size_t len,
		      struct criu_answer *ret_answer);

#endif
