#include "sandbox/filter_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "core/fnv.h"

#define NAME_SIZE 64
#define MOST	  (4 * MIB)

/* What a file begins with; behind it the key, then the code. */
struct header {
	char magic[8];
	uint32_t key_len;
	uint32_t code_len; /* in instructions */
};

static const char magic[8] = "hullbpf2";

/* A text that grows; once memory was missing it stays without. */
struct text {
	char *data;
	size_t len;
	size_t room;
	bool failed;
};

static void add(struct text *text, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add(struct text *text, const char *fmt, ...)
{
	size_t left = text->room - text->len;
	va_list args;
	char *more;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text->data ? text->data + text->len : NULL, left, fmt,
		      args);
	va_end(args);
	if (n < 0 || text->failed) {
		text->failed = true;
		return;
	}
	if ((size_t)n >= left) {
		text->room = (text->room + (size_t)n + 1) * 2;
		more = realloc(text->data, text->room);
		if (!more) {
			text->failed = true;
			return;
		}
		text->data = more;
		va_start(args, fmt);
		vsnprintf(text->data + text->len, text->room - text->len, fmt,
			  args);
		va_end(args);
	}
	text->len += (size_t)n;
}

static void add_rule(struct text *text, const struct filter_rule *rule)
{
	add(text, "%s %u\n", rule->action, rule->error);
	for (size_t i = 0; i < rule->name_count; i++)
		add(text, "%s ", rule->names[i]);
	for (size_t i = 0; i < rule->argument_count; i++) {
		const struct filter_argument *a = &rule->arguments[i];

		add(text, "%u %s %" PRIu64 " %" PRIu64 " ", a->index,
		    a->operator, a->value, a->value_two);
	}
	add(text, "\n");
}

int filter_key_make(struct filter_key *ret_key,
		    const struct filter_profile *profile, struct err *err)
{
	const struct scmp_version *version = seccomp_version();
	struct text text = { .data = NULL };

	/* Another library or kernel may build another program. */
	add(&text, "%u.%u.%u %u\n%s %u\n", version->major, version->minor,
	    version->micro, seccomp_api_get(), profile->default_action,
	    profile->default_error);
	for (size_t i = 0; i < profile->architecture_count; i++)
		add(&text, "%s\n", profile->architectures[i]);
	for (size_t i = 0; i < profile->rule_count; i++)
		add_rule(&text, &profile->rules[i]);
	if (text.failed) {
		free(text.data);
		return err_set(err, ENOMEM, "seccomp: no memory");
	}
	ret_key->text = text.data;
	ret_key->len = text.len;
	return 0;
}

/* Two profiles of one name only take turns. */
static void make_name(const struct filter_key *key, char *name)
{
	snprintf(name, NAME_SIZE, "filter-%016" PRIx64,
		 fnv1a_add(FNV1A_START, key->text, key->len));
}

bool filter_cache_get(int cache, const struct filter_key *key,
		      struct filter_program *program)
{
	char name[NAME_SIZE];
	autofree char *data = NULL;
	autoclose int fd = -1;
	struct header header;
	struct stat st;
	size_t code_size;

	make_name(key, name);
	fd = openat(cache, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) || st.st_size < 0 ||
	    (uint64_t)st.st_size > MOST ||
	    (size_t)st.st_size < sizeof(header) + key->len)
		return false;
	data = malloc((size_t)st.st_size);
	if (!data || read(fd, data, (size_t)st.st_size) != st.st_size)
		return false;
	memcpy(&header, data, sizeof(header));
	code_size = (size_t)st.st_size - sizeof(header) - key->len;
	if (memcmp(header.magic, magic, sizeof(magic)) != 0 ||
	    header.key_len != key->len || header.code_len > UINT16_MAX ||
	    header.code_len * 8ULL != code_size || !header.code_len ||
	    memcmp(data + sizeof(header), key->text, key->len) != 0)
		return false;
	memmove(data, data + sizeof(header) + key->len, code_size);
	program->code = move_ptr(&data);
	program->len = (unsigned short)header.code_len;
	return true;
}

void filter_cache_put(int cache, const struct filter_key *key,
		      const struct filter_program *program)
{
	struct header header = {
		.key_len = (uint32_t)key->len,
		.code_len = program->len,
	};
	struct iovec parts[] = {
		{ &header, sizeof(header) },
		{ key->text, key->len },
		{ program->code, program->len * 8UL },
	};
	ssize_t whole = (ssize_t)(parts[0].iov_len + parts[1].iov_len +
				  parts[2].iov_len);
	char name[NAME_SIZE];
	char temporary[NAME_SIZE + 16];
	autoclose int fd = -1;

	memcpy(header.magic, magic, sizeof(magic));
	make_name(key, name);
	snprintf(temporary, sizeof(temporary), "%s.%d", name, (int)getpid());
	fd = openat(cache, temporary,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (writev(fd, parts, ARRAY_SIZE(parts)) != whole ||
	    renameat(cache, temporary, cache, name))
		unlinkat(cache, temporary, 0);
}
