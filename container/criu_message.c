#include "container/criu_message.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"

/* Wire types. */
#define NUMBER	0
#define EIGHT	1
#define COUNTED 2
#define FOUR	5

/* Of criu_resp, and of the messages in it. */
#define RESP_TYPE    1
#define RESP_SUCCESS 2
#define RESP_RESTORE 4
#define RESP_NOTIFY  5
#define RESTORE_PID  1
#define NOTIFY_NAME  1

/* ---- put together ---- */

static void put_bytes(struct criu_message *message, const void *bytes,
		      size_t len)
{
	size_t room = message->room ? message->room : 256;
	uint8_t *more;

	while (room - message->len < len)
		room *= 2;
	if (room != message->room) {
		more = realloc(message->bytes, room);
		if (!more) {
			message->error = -ENOMEM;
			return;
		}
		message->bytes = more;
		message->room = room;
	}
	if (len)
		memcpy(message->bytes + message->len, bytes, len);
	message->len += len;
}

/* Seven bits a byte, the lowest first; the last one has bit 7 clear. */
static void put_varint(struct criu_message *message, uint64_t value)
{
	uint8_t byte;

	do {
		byte = (uint8_t)(value & 0x7f);
		value >>= 7;
		byte |= value ? 0x80 : 0;
		put_bytes(message, &byte, 1);
	} while (value);
}

static void put_counted(struct criu_message *message, unsigned int field,
			const void *bytes, size_t len)
{
	put_varint(message, (uint64_t)field << 3 | COUNTED);
	put_varint(message, len);
	put_bytes(message, bytes, len);
}

void criu_put_number(struct criu_message *message, unsigned int field,
		     uint64_t value)
{
	put_varint(message, (uint64_t)field << 3 | NUMBER);
	put_varint(message, value);
}

void criu_put_text(struct criu_message *message, unsigned int field,
		   const char *text)
{
	put_counted(message, field, text, strlen(text));
}

void criu_put_message(struct criu_message *message, unsigned int field,
		      const struct criu_message *inner)
{
	if (inner->error)
		message->error = inner->error;
	put_counted(message, field, inner->bytes, inner->len);
}

void criu_message_release(struct criu_message *message)
{
	free(move_ptr(&message->bytes));
	*message = (struct criu_message){ .error = 0 };
}

/* ---- taken apart ---- */

struct reader {
	const uint8_t *at;
	const uint8_t *end;
};

struct field {
	uint64_t number;
	uint64_t value; /* of a NUMBER */
	struct reader bytes; /* of a COUNTED one */
};

static bool read_varint(struct reader *reader, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64 && reader->at < reader->end;
	     shift += 7) {
		uint8_t byte = *reader->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

static bool skip(struct reader *reader, uint64_t len)
{
	if ((uint64_t)(reader->end - reader->at) < len)
		return false;
	reader->at += len;
	return true;
}

static bool read_field(struct reader *reader, struct field *ret_field)
{
	struct field field = { .number = 0 };
	uint64_t len = 0;
	uint64_t tag;

	if (!read_varint(reader, &tag))
		return false;
	field.number = tag >> 3;
	field.bytes = (struct reader){ reader->at, reader->at };
	switch (tag & 7) {
	case NUMBER:
		*ret_field = field;
		return read_varint(reader, &ret_field->value);
	case COUNTED:
		if (!read_varint(reader, &len))
			return false;
		field.bytes.at = reader->at;
		break;
	case EIGHT:
		len = 8;
		break;
	case FOUR:
		len = 4;
		break;
	default:
		return false;
	}
	if (!skip(reader, len))
		return false;
	field.bytes.end = reader->at;
	*ret_field = field;
	return true;
}

/* The field @number of the message inside @field. */
static bool find_field(const struct field *field, uint64_t number,
		       struct field *ret_field)
{
	struct reader reader = field->bytes;

	while (reader.at < reader.end && read_field(&reader, ret_field)) {
		if (ret_field->number == number)
			return true;
	}
	return false;
}

static void take_script(const struct field *notify, struct criu_answer *answer)
{
	struct field name;
	size_t len;

	if (!find_field(notify, NOTIFY_NAME, &name))
		return;
	len = (size_t)(name.bytes.end - name.bytes.at);
	if (len >= sizeof(answer->script))
		return;
	memcpy(answer->script, name.bytes.at, len);
	answer->script[len] = '\0';
}

static void take_field(const struct field *field, struct criu_answer *answer)
{
	struct field inner;

	switch (field->number) {
	case RESP_TYPE:
		answer->request = field->value;
		break;
	case RESP_SUCCESS:
		answer->success = field->value;
		break;
	case RESP_RESTORE:
		if (find_field(field, RESTORE_PID, &inner) &&
		    inner.value <= INT_MAX)
			answer->pid = (pid_t)inner.value;
		break;
	case RESP_NOTIFY:
		take_script(field, answer);
		break;
	default:
		break;
	}
}

bool criu_read_answer(const void *bytes, size_t len,
		      struct criu_answer *ret_answer)
{
	struct reader reader = { bytes, (const uint8_t *)bytes + len };
	struct field field;

	*ret_answer = (struct criu_answer){ .request = 0 };
	while (reader.at < reader.end) {
		if (!read_field(&reader, &field))
			return false;
		take_field(&field, ret_answer);
	}
	return ret_answer->request;
}
