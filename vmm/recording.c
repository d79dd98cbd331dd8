#include "vmm/recording.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "core/util.h"
#include "vmm/clean_text.h"
#include "vmm/replace_file.h"

/* What comes this close together is one event, as a person sees it. */
#define TOGETHER_NS 20000000

/* The longest that one byte can become: \u0000. */
#define ESCAPED_BYTES 6

/* A title is cut, so that the first line has room. */
#define TITLE_BYTES 256

static int64_t now_ns(const struct recording *recording)
{
	return loop_now_ns() - recording->start_ns;
}

/* --- Events (with the lock) ----------------------------------------------- */

static void write_line(struct recording *recording, struct iovec *iov,
		       int count)
{
	size_t total = 0;
	ssize_t done;

	for (int i = 0; i < count; i++)
		total += iov[i].iov_len;
	errno = EIO; /* of a write that was cut short */
	done = writev(recording->fd, iov, count);
	if (done != (ssize_t)total && !recording->error)
		recording->error = errno;
}

static void write_event(struct recording *recording, int64_t at, char kind,
			char *text, size_t len)
{
	char head[48];
	struct iovec iov[3] = {
		{ .iov_base = head },
		{ .iov_base = text, .iov_len = len },
		{ .iov_base = (char[]){ '"', ']', '\n' }, .iov_len = 3 },
	};

	iov[0].iov_len = (size_t)snprintf(
		head, sizeof(head), "[%" PRId64 ".%06" PRId64 ", \"%c\", \"",
		at / 1000000000, at / 1000 % 1000000, kind);
	write_line(recording, iov, ARRAY_SIZE(iov));
}

static void write_output(struct recording *recording)
{
	if (!recording->len)
		return;
	write_event(recording, recording->text_ns, 'o', recording->text,
		    recording->len);
	recording->len = 0;
}

static void put(struct recording *recording, const void *bytes, size_t len)
{
	memcpy(recording->text + recording->len, bytes, len);
	recording->len += len;
}

/* RFC 8259, 7; DEL as well, which some terminals act on. */
static void put_ascii(struct recording *recording, uint8_t c)
{
	char escaped[ESCAPED_BYTES + 1];
	int len;

	if (c == '"' || c == '\\')
		len = snprintf(escaped, sizeof(escaped), "\\%c", c);
	else if (c < ' ' || c == 0x7f)
		len = snprintf(escaped, sizeof(escaped), "\\u%04x", c);
	else
		len = snprintf(escaped, sizeof(escaped), "%c", c);
	put(recording, escaped, (size_t)len);
}

/* One byte more; what it completes is put. */
static void put_byte(struct recording *recording,
		     struct recording_character *character, uint8_t byte)
{
	character->bytes[character->len++] = byte;
	while (character->len) {
		int len = utf8_character(character->bytes, character->len);

		if (len < 0)
			return;
		if (len == 1)
			put_ascii(recording, character->bytes[0]);
		else if (len)
			put(recording, character->bytes, (size_t)len);
		else
			put(recording, UTF8_REPLACEMENT,
			    strlen(UTF8_REPLACEMENT));
		/* Of what is none, only its first byte. */
		len = len ? len : 1;
		character->len -= (size_t)len;
		memmove(character->bytes, character->bytes + len,
			character->len);
	}
}

/* --- The tap (writers' threads) ------------------------------------------- */

static void wrote(void *opaque, bool batched, const uint8_t *data, size_t len)
{
	struct recording *recording = opaque;
	const struct chardev_tap *next = &recording->next;
	/* Up to four bytes wait for the end of a character. */
	const size_t full = sizeof(recording->text) - 4 * (size_t)ESCAPED_BYTES;
	int64_t now;

	pthread_mutex_lock(&recording->lock);
	now = now_ns(recording);
	if (now - recording->text_ns > TOGETHER_NS)
		write_output(recording);
	for (size_t i = 0; i < len; i++) {
		if (recording->len >= full)
			write_output(recording);
		if (!recording->len)
			recording->text_ns = now;
		put_byte(recording, &recording->characters[batched], data[i]);
	}
	if (memchr(data, '\n', len))
		write_output(recording);
	pthread_mutex_unlock(&recording->lock);
	if (next->wrote)
		next->wrote(next->opaque, batched, data, len);
}

struct chardev_tap recording_tap(struct recording *recording,
				 const struct chardev_tap *next)
{
	if (next)
		recording->next = *next;
	return (struct chardev_tap){ .wrote = wrote, .opaque = recording };
}

/* --- Main thread ---------------------------------------------------------- */

void recording_resize(struct recording *recording,
		      const struct recording_size *size)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%ux%u", size->columns,
			   size->rows);

	pthread_mutex_lock(&recording->lock);
	write_output(recording);
	write_event(recording, now_ns(recording), 'r', text, (size_t)len);
	pthread_mutex_unlock(&recording->lock);
}

void recording_poll(struct recording *recording)
{
	pthread_mutex_lock(&recording->lock);
	write_output(recording);
	pthread_mutex_unlock(&recording->lock);
}

int recording_finish(struct recording *recording)
{
	int error;

	pthread_mutex_lock(&recording->lock);
	for (unsigned int i = 0; i < 2; i++) {
		if (recording->characters[i].len)
			put(recording, UTF8_REPLACEMENT,
			    strlen(UTF8_REPLACEMENT));
		recording->characters[i].len = 0;
	}
	write_output(recording);
	error = recording->error;
	pthread_mutex_unlock(&recording->lock);
	return error;
}

/* --- Life ----------------------------------------------------------------- */

static void write_head(struct recording *recording,
		       const struct recording_head *head)
{
	struct recording_character character = { .len = 0 };
	const uint8_t *title = (const uint8_t *)head->title;
	char start[128];
	struct iovec iov[3] = {
		{ .iov_base = start },
		{ .iov_base = recording->text },
		{ .iov_base = (char[]){ '"', '}', '\n' }, .iov_len = 3 },
	};

	iov[0].iov_len = (size_t)snprintf(
		start, sizeof(start),
		"{\"version\": 2, \"width\": %u, \"height\": %u, "
		"\"timestamp\": %" PRId64 ", \"title\": \"",
		head->size.columns, head->size.rows, head->start_s);
	for (size_t i = 0; i < TITLE_BYTES && title[i]; i++)
		put_byte(recording, &character, title[i]);
	iov[1].iov_len = recording->len;
	recording->len = 0;
	write_line(recording, iov, ARRAY_SIZE(iov));
}

int recording_init(struct recording *recording,
		   const struct recording_head *head, struct err *err)
{
	int rc;

	*recording = (struct recording){ .start_ns = head->start_ns };
	rc = growing_file_open(head->path, &recording->fd);
	if (rc)
		return err_sys(err, -rc, "cannot write the recording %s",
			       head->path);
	pthread_mutex_init(&recording->lock, NULL);
	write_head(recording, head);
	if (!recording->error)
		return 0;
	rc = err_sys(err, recording->error, "cannot write the recording %s",
		     head->path);
	recording_release(recording);
	return rc;
}

void recording_release(struct recording *recording)
{
	close(move_fd(&recording->fd));
	pthread_mutex_destroy(&recording->lock);
}
