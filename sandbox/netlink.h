/*
 * Netlink (Linux Documentation/userspace-api/netlink/intro.rst): messages are
 * built in the caller's buffer, sent, and every one of them is confirmed. One
 * thread per socket. Nothing allocates.
 */
#ifndef SANDBOX_NETLINK_H
#define SANDBOX_NETLINK_H

#include <linux/netlink.h>

#include "core/err.h"

/* Large enough for what the kernel puts into one part of a dump (NLMSG_GOODSIZE
 * and, where the reader has room, up to 32 KiB: it takes what there is). */
#define NETLINK_IN_BYTES 16384

struct netlink {
	int fd; /* owned; -1 when closed */
	uint32_t seq; /* of the last message that was sent */
	_Alignas(NLMSG_ALIGNTO) char in[NETLINK_IN_BYTES];
};

/* @protocol is NETLINK_ROUTE and so on; the socket is of the network namespace
 * that the caller is in. 0 or -errno; to be closed also then. */
int netlink_open(struct netlink *netlink, int protocol, struct err *err);

/* The same in the namespace @netns stands for. The caller goes there and back
 * to @home, and must not go on when that fails. */
int netlink_open_in(struct netlink *netlink, int protocol, int netns, int home,
		    struct err *err);
void netlink_close(struct netlink *netlink);

/* One or more messages on their way out; what does not fit shows in `full`,
 * and netlink_request refuses it. */
struct netlink_out {
	char *buf; /* borrowed */
	size_t size;
	size_t len;
	size_t begin; /* of the message that is being built */
	size_t count;
	size_t silent; /* so many at the end are never confirmed */
	bool full;
};

void netlink_out_init(struct netlink_out *out, void *buf, size_t size);

/* Begins a message with the protocol's own @header. */
void netlink_begin(struct netlink_out *out, uint16_t type, uint16_t flags,
		   const void *header, size_t size);

/* Attributes of the message that was begun last. */
void netlink_put(struct netlink_out *out, uint16_t type, const void *data,
		 size_t size);
void netlink_put_u8(struct netlink_out *out, uint16_t type, uint8_t value);
void netlink_put_u16(struct netlink_out *out, uint16_t type, uint16_t value);
void netlink_put_u32(struct netlink_out *out, uint16_t type, uint32_t value);
void netlink_put_string(struct netlink_out *out, uint16_t type,
			const char *text);

/* A header that some nests have in front of their attributes. */
void netlink_put_raw(struct netlink_out *out, const void *data, size_t size);

/* An attribute of attributes; ends with what netlink_nest returned. */
size_t netlink_nest(struct netlink_out *out, uint16_t type);
void netlink_nest_end(struct netlink_out *out, size_t nest);

/* Called for each message that answers. */
typedef void netlink_reply(void *context, const struct nlmsghdr *message);

/*
 * Sends them all and waits until the last one was confirmed or one was refused.
 * @reply may be NULL. -errno with the kernel's own sentence where it has one
 * (its extended acknowledgement), else with the description of the error.
 */
int netlink_request(struct netlink *netlink, struct netlink_out *out,
		    netlink_reply *reply, void *context, struct err *err);

/* The attribute @type behind a message's header of @size bytes, or in another
 * attribute; NULL when it is not there. Checked to lie inside. */
const struct nlattr *netlink_find(const struct nlmsghdr *message, size_t size,
				  uint16_t type);
const struct nlattr *netlink_find_in(const struct nlattr *nest, uint16_t type);

static inline const void *netlink_data(const struct nlattr *attr)
{
	return (const char *)attr + NLA_HDRLEN;
}

static inline size_t netlink_size(const struct nlattr *attr)
{
	return attr->nla_len - NLA_HDRLEN;
}

#endif
