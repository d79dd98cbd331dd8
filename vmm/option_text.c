/* The printing side of the option engine: values and names as text. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/options.h"

static const void *field(const struct option *option, const void *base)
{
	return (const char *)base + option->offset;
}

uint64_t option_get_number(const struct option *option, const void *base)
{
	const void *from = field(option, base);
	unsigned int value32;
	uint64_t value64;
	bool value1;

	switch (option->width) {
	case sizeof(bool):
		memcpy(&value1, from, sizeof(value1));
		return value1;
	case sizeof(unsigned int):
		memcpy(&value32, from, sizeof(value32));
		return value32;
	default:
		assert(option->width == sizeof(uint64_t));
		memcpy(&value64, from, sizeof(value64));
		return value64;
	}
}

const char *option_get_string(const struct option *option, const void *base)
{
	char *value;

	memcpy(&value, field(option, base), sizeof(value));
	return value;
}

const char *option_get_enum(const struct option *option, const void *base)
{
	uint64_t number = option_get_number(option, base);

	for (const struct option_value *v = option->values; v->name; v++) {
		if (v->value == number)
			return v->name;
	}
	return NULL;
}

bool option_is_set(const struct option *option, const struct option_group *in,
		   const void *base)
{
	int tag;

	if (in && in->has_choice && option->tag >= 0) {
		memcpy(&tag, (const char *)base + in->tag_offset, sizeof(tag));
		return tag == option->tag;
	}
	switch (option->type) {
	case OPTION_STRING:
	case OPTION_PATH:
		return option_get_string(option, base) != NULL;
	case OPTION_GROUP:
		return option->default_text ||
		       option_get_string(&option->group->options[0], base);
	case OPTION_TAG:
		return true;
	default:
		return option->default_text ||
		       (option->flags & OPTION_REQUIRED) ||
		       option_get_number(option, base) != 0;
	}
}

void option_format_size(uint64_t bytes, char *buf, size_t size)
{
	static const char suffixes[] = "KMGT";
	size_t steps = 0;

	while (bytes && bytes % 1024 == 0 && steps < 4) {
		bytes /= 1024;
		steps++;
	}
	if (steps)
		snprintf(buf, size, "%" PRIu64 "%c", bytes,
			 suffixes[steps - 1]);
	else /* the B keeps it from being read in another unit */
		snprintf(buf, size, "%" PRIu64 "B", bytes);
}

void option_format_duration(uint64_t ms, char *buf, size_t size)
{
	if (ms % 1000)
		snprintf(buf, size, "%" PRIu64 "ms", ms);
	else
		snprintf(buf, size, "%" PRIu64 "s", ms / 1000);
}

/* Appends; what does not fit is cut. */
static void PRINTF_LIKE(3, 4)
	append(char *buf, size_t size, const char *fmt, ...)
{
	size_t used = strlen(buf);
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf + used, size - used, fmt, args);
	va_end(args);
}

static void append_scalar(const struct option *option, char *buf, size_t size)
{
	static const char *const names[] = {
		[OPTION_FLAG] = "",
		[OPTION_BOOL] = "on|off",
		[OPTION_UINT] = "N",
		[OPTION_SIZE] = "SIZE",
		[OPTION_DURATION] = "DURATION",
		[OPTION_STRING] = "STRING",
		[OPTION_PATH] = "FILE",
		[OPTION_TAG] = "",
	};

	if (option->metavar) {
		append(buf, size, "%s", option->metavar);
	} else if (option->type == OPTION_ENUM) {
		for (const struct option_value *v = option->values; v->name;
		     v++)
			append(buf, size, "%s%s",
			       v == option->values ? "" : "|", v->name);
	} else {
		append(buf, size, "%s", names[option->type]);
	}
}

static void append_sub(const struct option *sub, char *buf, size_t size)
{
	if (!(sub->flags & OPTION_POSITIONAL))
		append(buf, size, "%s%s", sub->name,
		       sub->type == OPTION_TAG ? "" : "=");
	append_scalar(sub, buf, size);
}

static bool is_choice(const struct option_group *group,
		      const struct option *sub)
{
	return group->has_choice && sub->tag >= 0;
}

static void append_choices(const struct option_group *group, char *buf,
			   size_t size)
{
	const char *between = *buf ? "," : "";

	for (size_t i = 0; i < group->count; i++) {
		if (!is_choice(group, &group->options[i]))
			continue;
		append(buf, size, "%s", between);
		append_sub(&group->options[i], buf, size);
		between = "|";
	}
}

/* What has no name, the alternatives of the choice, and [,key=VALUE] for the
 * others. */
static void append_group(const struct option_group *group, char *buf,
			 size_t size)
{
	const struct option *first = &group->options[0];
	bool is_long = option_group_is_long(group);

	if (first->flags & OPTION_POSITIONAL)
		append_sub(first, buf, size);
	append_choices(group, buf, size);
	for (size_t i = 0; i < group->count && !is_long; i++) {
		const struct option *sub = &group->options[i];
		bool required;

		if ((sub->flags & OPTION_POSITIONAL) || is_choice(group, sub))
			continue;
		required = sub->flags & OPTION_REQUIRED;
		append(buf, size, "%s%s", required ? "" : "[", *buf ? "," : "");
		append_sub(sub, buf, size);
		append(buf, size, "%s", required ? "" : "]");
	}
	if (is_long)
		append(buf, size, "[,KEY=VALUE]...");
}

bool option_group_is_long(const struct option_group *group)
{
	const size_t most = 3;
	size_t others = 0;

	for (size_t i = 0; i < group->count; i++)
		others += !(group->options[i].flags & OPTION_POSITIONAL) &&
			  !is_choice(group, &group->options[i]);
	return others > most;
}

void option_sub_metavar(const struct option *sub, char *buf, size_t size)
{
	buf[0] = '\0';
	append_sub(sub, buf, size);
}

void option_metavar(const struct option *option, char *buf, size_t size)
{
	buf[0] = '\0';
	if (option->type == OPTION_GROUP && !option->metavar)
		append_group(option->group, buf, size);
	else
		append_scalar(option, buf, size);
}
