#include "sandbox/dbus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "core/bytes.h"
#include "core/fd.h"

#define ANSWER_S 25 /* what the reference library waits */

/* ---- values ---- */

static void put(struct dbus_body *body, const void *bytes, size_t len)
{
	if (len > sizeof(body->bytes) - body->len) {
		body->too_long = true;
		return;
	}
	memcpy(body->bytes + body->len, bytes, len);
	body->len += len;
}

/* Every value stands at a multiple of its size, counted from the front. */
static void pad(struct dbus_body *body, size_t align)
{
	static const uint8_t zeros[8];

	put(body, zeros, align_up(body->len, align) - body->len);
}

void dbus_put_u32(struct dbus_body *body, uint32_t value)
{
	uint8_t bytes[4];

	store_le32(bytes, value);
	pad(body, sizeof(bytes));
	put(body, bytes, sizeof(bytes));
}

void dbus_put_u64(struct dbus_body *body, uint64_t value)
{
	uint8_t bytes[8];

	store_le64(bytes, value);
	pad(body, sizeof(bytes));
	put(body, bytes, sizeof(bytes));
}

void dbus_put_string(struct dbus_body *body, const char *text)
{
	size_t len = strlen(text);

	dbus_put_u32(body, (uint32_t)len);
	put(body, text, len + 1);
}

void dbus_put_signature(struct dbus_body *body, const char *text)
{
	uint8_t len = (uint8_t)strlen(text);

	put(body, &len, 1);
	put(body, text, (size_t)len + 1);
}

void dbus_put_bytes(struct dbus_body *body, const uint8_t *bytes, size_t len)
{
	dbus_put_u32(body, (uint32_t)len);
	put(body, bytes, len);
}

void dbus_begin_struct(struct dbus_body *body)
{
	pad(body, 8);
}

struct dbus_array dbus_begin_array(struct dbus_body *body, size_t align)
{
	struct dbus_array array;

	dbus_put_u32(body, 0);
	array.length_at = body->len - sizeof(uint32_t);
	pad(body, align); /* which does not count */
	array.begin = body->len;
	return array;
}

void dbus_end_array(struct dbus_body *body, struct dbus_array array)
{
	if (!body->too_long)
		store_le32(body->bytes + array.length_at,
			   (uint32_t)(body->len - array.begin));
}

/* ---- the connection ---- */

static int receive_all(int fd, void *bytes, size_t len)
{
	uint8_t *at = bytes;

	while (len) {
		ssize_t n = recv(fd, at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (!n)
			return -EPIPE;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * The other end knows who we are by the socket. A number of ours would be
 * another to it from inside a user namespace; so we tell none. All words go at
 * once: systemd's library, when it reads BEGIN together with the first message,
 * leaves that alone until there is more to read.
 */
static int authenticate(int fd)
{
	static const char words[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
	char line[256];
	size_t len = 0;
	int rc = fd_send_all(fd, words, sizeof(words) - 1);

	while (!rc) {
		rc = receive_all(fd, line + len, 1);
		if (rc || line[len++] != '\n') {
			if (len == sizeof(line))
				return -EPROTO;
			continue;
		}
		if (len >= 3 && !memcmp(line, "OK ", 3))
			return 0;
		if (len < 4 || memcmp(line, "DATA", 4) != 0)
			return -EACCES;
		len = 0;
	}
	return rc;
}

int dbus_connect(const char *path, struct err *err)
{
	const struct timeval limit = { .tv_sec = ANSWER_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, ENAMETOOLONG, "%s is too long for a socket",
			       path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return err_sys(err, errno, "cannot connect to %s", path);
	rc = authenticate(fd);
	if (rc)
		return err_sys(err, -rc, "%s does not let us in", path);
	return move_fd(&fd);
}

/* ---- messages ---- */

enum {
	TYPE_CALL = 1,
	TYPE_RETURN = 2,
	TYPE_ERROR = 3
};

enum {
	FIELD_PATH = 1,
	FIELD_INTERFACE = 2,
	FIELD_MEMBER = 3,
	FIELD_ERROR_NAME = 4,
	FIELD_REPLY_SERIAL = 5,
	FIELD_DESTINATION = 6,
	FIELD_SIGNATURE = 8,
};

#define FIXED_HEADER 12 /* in front of the array of fields */
#define SERIAL	     1

static void put_field(struct dbus_body *header, uint8_t code, const char *type,
		      const char *value)
{
	dbus_begin_struct(header);
	put(header, &code, 1);
	dbus_put_signature(header, type);
	if (*type == 'g')
		dbus_put_signature(header, value);
	else
		dbus_put_string(header, value);
}

static int send_call(int fd, const struct dbus_call *call,
		     const struct dbus_body *body)
{
	static const uint8_t begin[] = { 'l', TYPE_CALL, 0, 1 };
	struct dbus_body header = { .len = 0 };
	struct dbus_array fields;
	int rc;

	put(&header, begin, sizeof(begin));
	dbus_put_u32(&header, (uint32_t)body->len);
	dbus_put_u32(&header, SERIAL);
	fields = dbus_begin_array(&header, 8);
	put_field(&header, FIELD_PATH, "o", call->object);
	put_field(&header, FIELD_INTERFACE, "s", call->interface);
	put_field(&header, FIELD_MEMBER, "s", call->method);
	put_field(&header, FIELD_DESTINATION, "s", call->destination);
	put_field(&header, FIELD_SIGNATURE, "g", call->signature);
	dbus_end_array(&header, fields);
	pad(&header, 8);
	if (header.too_long || body->too_long)
		return -EMSGSIZE;
	rc = fd_send_all(fd, header.bytes, header.len);
	return rc ? rc : fd_send_all(fd, body->bytes, body->len);
}

/* What a message says that may be the answer. */
struct answer {
	uint8_t type;
	uint32_t reply_to;
	char error[128];
	char text[256];
};

/* The string at *@at, which moves behind it; NULL when it is cut off. */
static const char *take_string(const uint8_t *bytes, size_t len, size_t *at)
{
	size_t begin = align_up(*at, 4) + 4;
	size_t size;

	if (begin > len)
		return NULL;
	size = load_le32(bytes + begin - 4);
	if (size >= len - begin || bytes[begin + size])
		return NULL;
	*at = begin + size + 1;
	return (const char *)bytes + begin;
}

/* One field: its code, and a variant of type s, o, g or u. */
static int take_field(const uint8_t *bytes, size_t len, size_t *at,
		      struct answer *answer)
{
	size_t begin = align_up(*at, 8);
	const char *text = "";
	uint8_t code;
	char type;

	if (begin + 4 > len || bytes[begin + 1] != 1)
		return -EPROTO;
	code = bytes[begin];
	type = (char)bytes[begin + 2];
	*at = begin + 4;
	if (type == 'u') {
		*at = align_up(*at, 4) + 4;
		if (*at > len)
			return -EPROTO;
		if (code == FIELD_REPLY_SERIAL)
			answer->reply_to = load_le32(bytes + *at - 4);
		return 0;
	}
	if (type == 'g') {
		if (*at >= len)
			return -EPROTO;
		*at += (size_t)bytes[*at] + 2;
		return *at > len ? -EPROTO : 0;
	}
	text = take_string(bytes, len, at);
	if (!text || (type != 's' && type != 'o'))
		return -EPROTO;
	if (code == FIELD_ERROR_NAME)
		snprintf(answer->error, sizeof(answer->error), "%s", text);
	return 0;
}

/* Reads @len bytes and keeps as many of them as there is room. */
static int receive_part(int fd, uint8_t *room, size_t size, size_t len)
{
	uint8_t rest[512];
	int rc = receive_all(fd, room, min_u64(size, len));

	for (size_t left = len > size ? len - size : 0; left && !rc;) {
		size_t n = min_u64(left, sizeof(rest));

		rc = receive_all(fd, rest, n);
		left -= n;
	}
	return rc;
}

static int receive_message(int fd, struct answer *answer)
{
	uint8_t fixed[FIXED_HEADER + 4];
	uint8_t fields[1024] = { 0 };
	uint8_t body[512] = { 0 };
	size_t fields_len, body_len;
	const char *text;
	size_t at = 0;
	int rc = receive_all(fd, fixed, sizeof(fixed));

	if (rc)
		return rc;
	*answer = (struct answer){ .type = fixed[1] };
	body_len = load_le32(fixed + 4);
	fields_len = load_le32(fixed + FIXED_HEADER);
	if (fixed[0] != 'l' || fields_len > sizeof(fields) ||
	    body_len > 64 * MIB)
		return -EPROTO;
	/* They begin at a multiple of 8, and so does the body. */
	rc = receive_all(fd, fields, align_up(fields_len, 8));
	if (!rc)
		rc = receive_part(fd, body, sizeof(body), body_len);
	while (!rc && at < fields_len)
		rc = take_field(fields, fields_len, &at, answer);
	if (rc || answer->type != TYPE_ERROR)
		return rc;
	at = 0;
	text = take_string(body, min_u64(body_len, sizeof(body)), &at);
	snprintf(answer->text, sizeof(answer->text), "%.250s",
		 text ? text : "");
	return 0;
}

static int error_code(const char *name)
{
	size_t len = strlen(name);

	if (strstr(name, "NoSuch"))
		return ENOENT;
	return len > 6 && !strcmp(name + len - 6, "Exists") ? EEXIST :
							      EREMOTEIO;
}

int dbus_call(int fd, const struct dbus_call *call,
	      const struct dbus_body *body, struct err *err)
{
	struct answer answer = { .type = 0 };
	int rc = send_call(fd, call, body);

	/* Between, there may be signals, which are everyone's. */
	while (!rc && (answer.type < TYPE_RETURN || answer.type > TYPE_ERROR ||
		       answer.reply_to != SERIAL))
		rc = receive_message(fd, &answer);
	if (rc)
		return err_sys(err, -rc, "%s does not answer to %s",
			       call->destination, call->method);
	if (answer.type == TYPE_RETURN)
		return 0;
	return err_set(err, error_code(answer.error), "%s refuses %s: %s: %s",
		       call->destination, call->method, answer.error,
		       answer.text);
}
