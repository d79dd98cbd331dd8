#include "sandbox/netlink.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* How long the kernel may take to answer: it does so within the call, but for
 * what it must load a module. */
#define ANSWER_TIMEOUT_S 20

int netlink_open(struct netlink *netlink, int protocol, struct err *err)
{
	const struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
	const int on = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	netlink->fd = fd;
	netlink->seq = 0;
	/* Older kernels do not know the last two; we can do without. */
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		return err_sys(err, errno, "cannot open a netlink socket");
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	return 0;
}

int netlink_open_in(struct netlink *netlink, int protocol, int netns, int home,
		    struct err *err)
{
	int rc;

	netlink->fd = -1;
	if (setns(netns, CLONE_NEWNET))
		return err_sys(err, errno,
			       "cannot enter the network namespace");
	rc = netlink_open(netlink, protocol, err);
	if (setns(home, CLONE_NEWNET))
		return err_sys(err, errno,
			       "cannot return to the network namespace");
	return rc;
}

void netlink_close(struct netlink *netlink)
{
	if (netlink->fd >= 0)
		close(move_fd(&netlink->fd));
}

/* ---- out ---- */

void netlink_out_init(struct netlink_out *out, void *buf, size_t size)
{
	*out = (struct netlink_out){ .buf = buf, .size = size };
}

/* Room for @size bytes, zeroed with their padding; NULL when there is none. */
static void *take(struct netlink_out *out, size_t size)
{
	size_t padded = NLMSG_ALIGN(size);
	char *at = out->buf + out->len;

	if (out->full || padded > out->size - out->len) {
		out->full = true;
		return NULL;
	}
	memset(at, 0, padded);
	out->len += padded;
	return at;
}

/* The message grows with each of its parts. */
static void note_length(struct netlink_out *out)
{
	struct nlmsghdr *message = (void *)(out->buf + out->begin);

	message->nlmsg_len = (uint32_t)(out->len - out->begin);
}

void netlink_begin(struct netlink_out *out, uint16_t type, uint16_t flags,
		   const void *header, size_t size)
{
	size_t begin = out->len;
	struct nlmsghdr *message = take(out, NLMSG_HDRLEN + size);

	if (!message)
		return;
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(NLMSG_DATA(message), header, size);
	out->begin = begin;
	out->count++;
	note_length(out);
}

void netlink_put(struct netlink_out *out, uint16_t type, const void *data,
		 size_t size)
{
	struct nlattr *attr = take(out, NLA_HDRLEN + size);

	if (!attr)
		return;
	attr->nla_type = type;
	attr->nla_len = (uint16_t)(NLA_HDRLEN + size);
	if (size)
		memcpy((char *)attr + NLA_HDRLEN, data, size);
	note_length(out);
}

void netlink_put_u8(struct netlink_out *out, uint16_t type, uint8_t value)
{
	netlink_put(out, type, &value, sizeof(value));
}

void netlink_put_u16(struct netlink_out *out, uint16_t type, uint16_t value)
{
	netlink_put(out, type, &value, sizeof(value));
}

void netlink_put_u32(struct netlink_out *out, uint16_t type, uint32_t value)
{
	netlink_put(out, type, &value, sizeof(value));
}

void netlink_put_string(struct netlink_out *out, uint16_t type,
			const char *text)
{
	netlink_put(out, type, text, strlen(text) + 1);
}

void netlink_put_raw(struct netlink_out *out, const void *data, size_t size)
{
	void *at = take(out, size);

	if (!at)
		return;
	memcpy(at, data, size);
	note_length(out);
}

size_t netlink_nest(struct netlink_out *out, uint16_t type)
{
	size_t at = out->len;

	netlink_put(out, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void netlink_nest_end(struct netlink_out *out, size_t nest)
{
	struct nlattr *attr = (void *)(out->buf + nest);

	if (out->full)
		return;
	if (out->len - nest > UINT16_MAX)
		out->full = true;
	else
		attr->nla_len = (uint16_t)(out->len - nest);
}

/* ---- in ---- */

static const struct nlattr *find(const char *at, size_t left, uint16_t type)
{
	while (left >= NLA_HDRLEN) {
		const struct nlattr *attr = (const void *)at;
		size_t step = NLA_ALIGN(attr->nla_len);

		if (attr->nla_len < NLA_HDRLEN || attr->nla_len > left)
			return NULL;
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		if (step >= left)
			return NULL;
		at += step;
		left -= step;
	}
	return NULL;
}

const struct nlattr *netlink_find(const struct nlmsghdr *message, size_t size,
				  uint16_t type)
{
	size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(size);

	if (message->nlmsg_len < skip)
		return NULL;
	return find((const char *)message + skip, message->nlmsg_len - skip,
		    type);
}

const struct nlattr *netlink_find_in(const struct nlattr *nest, uint16_t type)
{
	return find(netlink_data(nest), netlink_size(nest), type);
}

/* An acknowledgement (NLMSG_ERROR) or the end of a dump (NLMSG_DONE), which
 * begin with the error. */
static int read_ack(const struct nlmsghdr *message, struct err *err)
{
	bool is_error = message->nlmsg_type == NLMSG_ERROR;
	size_t header = is_error ? sizeof(struct nlmsgerr) : sizeof(int);
	const struct nlattr *text = NULL;
	int code;

	if (message->nlmsg_len < NLMSG_LENGTH(header))
		return err_sys(err, EPROTO, "netlink");
	memcpy(&code, NLMSG_DATA(message), sizeof(code));
	if (!code)
		return 0;
	if (code > 0)
		return err_sys(err, EPROTO, "netlink");
	/* Only with NLM_F_CAPPED the attributes are right behind. */
	if (message->nlmsg_flags & NLM_F_ACK_TLVS &&
	    (!is_error || message->nlmsg_flags & NLM_F_CAPPED))
		text = netlink_find(message, header, NLMSGERR_ATTR_MSG);
	if (text && netlink_size(text) > 1)
		return err_set(err, -code, "%.*s (%s)",
			       (int)netlink_size(text) - 1,
			       (const char *)netlink_data(text),
			       err_describe(-code));
	return err_set(err, -code, "%s", err_describe(-code));
}

static int send_all(const struct netlink *netlink,
		    const struct netlink_out *out)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	do {
		n = sendto(netlink->fd, out->buf, out->len, 0,
			   (const struct sockaddr *)&kernel, sizeof(kernel));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Numbers the messages; one is confirmed in any case. Its number. */
static uint32_t number(struct netlink *netlink, struct netlink_out *out)
{
	uint32_t confirmed = 0;
	size_t at = 0;

	for (size_t i = 0; i < out->count; i++) {
		struct nlmsghdr *message = (void *)(out->buf + at);

		message->nlmsg_seq = ++netlink->seq;
		if (i + 1 + out->silent == out->count) {
			message->nlmsg_flags |= NLM_F_ACK;
			confirmed = message->nlmsg_seq;
		}
		at += NLMSG_ALIGN(message->nlmsg_len);
	}
	return confirmed;
}

static ssize_t receive(struct netlink *netlink, struct err *err)
{
	struct sockaddr_nl from;
	struct iovec iov = { netlink->in, sizeof(netlink->in) };
	struct msghdr message = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	ssize_t n;

	do {
		n = recvmsg(netlink->fd, &message, 0);
		/* What is not the kernel's is nobody's. */
	} while (n < 0 ? errno == EINTR : from.nl_pid != 0);
	if (n < 0)
		return err_sys(err, errno, "no answer of the kernel");
	if (message.msg_flags & MSG_TRUNC)
		return err_sys(err, EMSGSIZE, "netlink");
	return n;
}

/* Between the messages of one request. */
struct exchange {
	uint32_t first; /* numbers of what was sent */
	uint32_t count;
	uint32_t last; /* the one whose answer is the end */
	netlink_reply *reply;
	void *context;
};

/* 1 when it was the end, 0 when there is more to come, or -errno. */
static int take_answer(const struct exchange *exchange,
		       const struct nlmsghdr *message, struct err *err)
{
	int rc;

	/* Late words about a batch that failed before. */
	if (message->nlmsg_seq - exchange->first >= exchange->count)
		return 0;
	if (message->nlmsg_type != NLMSG_ERROR &&
	    message->nlmsg_type != NLMSG_DONE) {
		if (exchange->reply)
			exchange->reply(exchange->context, message);
		return 0;
	}
	rc = read_ack(message, err);
	return rc ? rc : message->nlmsg_seq == exchange->last;
}

int netlink_request(struct netlink *netlink, struct netlink_out *out,
		    netlink_reply *reply, void *context, struct err *err)
{
	struct exchange exchange = { .first = netlink->seq + 1,
				     .count = (uint32_t)out->count,
				     .reply = reply,
				     .context = context };
	int rc;

	if (out->full || !out->count)
		return err_sys(err, EMSGSIZE, "netlink");
	exchange.last = number(netlink, out);
	rc = send_all(netlink, out);
	if (rc)
		return err_sys(err, -rc, "netlink");
	while (!rc) {
		const struct nlmsghdr *message = (void *)netlink->in;
		ssize_t n = receive(netlink, err);
		unsigned int left = n < 0 ? 0 : (unsigned int)n;

		rc = n < 0 ? (int)n : 0;
		for (; !rc && NLMSG_OK(message, left);
		     message = NLMSG_NEXT(message, left))
			rc = take_answer(&exchange, message, err);
	}
	return rc < 0 ? rc : 0;
}
