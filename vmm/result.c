#include "vmm/result.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "core/parse.h"
#include "vmm/clean_text.h"
#include "vmm/host_file.h"
#include "vmm/replace_file.h"
#include "vmm/version.h"

/* jansson takes what is NULL for an error of its caller, so that one check in
 * the end does for all. */
static void put(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

/* null when there is no text. */
static json_t *text_of(const char *text)
{
	autofree char *clean = text ? clean_text(text) : NULL;

	return clean ? json_string(clean) : json_null();
}

static json_t *number_of(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* Milliseconds with three decimals, null when it never happened. */
static json_t *ms_of(int64_t ns)
{
	const int64_t us = ns / 1000;

	return ns < 0 ? json_null() : json_real((double)us / 1000);
}

static json_t *match_of(const struct console_watch *watch)
{
	bool failed = watch->failed.pattern;
	const struct console_match *match = failed ? &watch->failed :
						     &watch->expected;
	json_t *object;

	if (!match->pattern)
		return json_null();
	object = json_object();
	put(object, "option", json_string(failed ? "fail-on" : "expect"));
	put(object, "name", text_of(match->pattern->name));
	put(object, "pattern", text_of(match->pattern->text));
	put(object, "line", text_of(match->line));
	put(object, "at_ms", ms_of(match->at_ns));
	return object;
}

static json_t *test_of(const struct ktap *ktap, uint32_t index)
{
	const struct ktap_test *test = &ktap->tests[index];
	char name[(KTAP_MAX_DEPTH + 1) * (KTAP_NAME_BYTES + 2)];
	json_t *object = json_object();

	ktap_full_name(ktap, index, name, sizeof(name));
	put(object, "name", text_of(name));
	put(object, "result", json_string(ktap_result_name(test->result)));
	if (test->reason)
		put(object, "reason", text_of(test->reason));
	if (test->weight > 1)
		put(object, "count", number_of(test->weight));
	put(object, "ms", ms_of(test->took_ns));
	return object;
}

static json_t *tests_of(const struct ktap *ktap)
{
	json_t *object = json_object();
	json_t *list = json_array();
	struct ktap_counts counts;

	ktap_count(ktap, &counts);
	put(object, "passed", number_of(counts.passed));
	put(object, "failed", number_of(counts.failed));
	put(object, "skipped", number_of(counts.skipped));
	put(object, "expected_failures", number_of(counts.expected_failures));
	put(object, "missing", number_of(counts.missing));
	for (uint32_t i = 0; i < ktap->count; i++) {
		if (ktap_is_counted(&ktap->tests[i]))
			json_array_append_new(list, test_of(ktap, i));
	}
	put(object, "list", list);
	return object;
}

static json_t *times_of(const struct result *result)
{
	const struct console_times *times = &result->watch->times;
	json_t *object = json_object();
	char seconds[32];
	char text[64];
	struct tm tm;

	if (gmtime_r(&result->start.tv_sec, &tm) &&
	    strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm)) {
		snprintf(text, sizeof(text), "%s.%03ldZ", seconds,
			 result->start.tv_nsec / 1000000);
		put(object, "start", json_string(text));
	}
	put(object, "first_instruction_ms",
	    ms_of(result->first_instruction_ns));
	put(object, "first_console_byte_ms", ms_of(times->first_byte_ns));
	put(object, "init_ms", ms_of(times->init_ns));
	put(object, "end_ms", ms_of(result->is_over ? result->end_ns : -1));
	return object;
}

/* A line "KEY:   N kB" of /proc/self/status, proc(5); in bytes. */
static json_t *status_bytes(const char *status, const char *key)
{
	const char *line = strstr(status, key);
	char digits[24];
	uint64_t kib;
	size_t len;

	if (!line)
		return json_null();
	line += strlen(key);
	line += strspn(line, " \t");
	len = strspn(line, "0123456789");
	snprintf(digits, sizeof(digits), "%.*s", (int)len, line);
	if (parse_u64(digits, &kib))
		return json_null();
	return number_of(kib * KIB);
}

static json_t *memory_of(const struct result *result)
{
	json_t *object = json_object();
	char status[4096];

	(void)host_file_read("", "/proc/self/status", status, sizeof(status));
	put(object, "guest_bytes", number_of(result->config->memory_bytes));
	put(object, "peak_bytes", status_bytes(status, "\nVmHWM:"));
	put(object, "own_bytes", status_bytes(status, "\nRssAnon:"));
	return object;
}

/* The lines of a report on KVM's failure. */
static json_t *detail_of(const char *detail)
{
	json_t *list = json_array();

	while (*detail) {
		size_t len = strcspn(detail, "\n");
		autofree char *line = strndup(detail, len);

		json_array_append_new(list, text_of(line));
		detail += len;
		detail += *detail == '\n';
	}
	return list;
}

static void put_end(json_t *tree, const struct result *result)
{
	const struct verdict *verdict = result->verdict;
	bool is_over = result->is_over;

	put(tree, "reason",
	    json_string(is_over ? verdict_reason(verdict) : "running"));
	put(tree, "passed", json_boolean(is_over && !verdict->status));
	put(tree, "exit_status",
	    is_over ? json_integer(verdict->status) : json_null());
	put(tree, "guest_status",
	    is_over && verdict->has_guest_value ?
		    number_of(verdict->guest_value) :
		    json_null());
	put(tree, "sentence",
	    is_over ? text_of(verdict->sentence) : json_null());
	put(tree, "detail", detail_of(is_over ? verdict->detail : ""));
}

const char *result_name(const struct vm_config *config)
{
	const char *slash;

	if (config->name)
		return config->name;
	if (!config->kernel)
		return "hull";
	slash = strrchr(config->kernel, '/');
	return slash ? slash + 1 : config->kernel;
}

char *result_json(const struct result *result)
{
	const struct console_watch *watch = result->watch;
	json_t *tree = json_object();
	char *text = NULL;
	char *dump;

	put(tree, "format", json_string("hull-result"));
	put(tree, "version", json_integer(RESULT_VERSION));
	put(tree, "hull", json_string(hull_version));
	put(tree, "name", text_of(result_name(result->config)));
	put_end(tree, result);
	put(tree, "match", match_of(watch));
	put(tree, "tests",
	    watch->reads_tests ? tests_of(&watch->ktap) : json_null());
	put(tree, "times", times_of(result));
	put(tree, "memory", memory_of(result));
	put(tree, "kernel", text_of(result->config->kernel));
	put(tree, "initrd", text_of(result->config->initrd));
	put(tree, "cmdline", text_of(result->config->cmdline));
	put(tree, "console_log", text_of(watch->log_path));
	dump = json_dumps(tree, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	if (dump && asprintf(&text, "%s\n", dump) < 0)
		text = NULL;
	free(dump);
	json_decref(tree);
	return text;
}

/* A stream cannot take back that a run has begun. */
static int write_text(const struct result *result, const char *path,
		      char *(*text_of_result)(const struct result *result),
		      struct err *err)
{
	autofree char *text = NULL;

	if (!path || (!result->is_over && replace_file_is_stream(path)))
		return 0;
	text = text_of_result(result);
	if (!text)
		return err_sys(err, ENOMEM, "cannot write %s", path);
	return replace_file(path, text, strlen(text), err);
}

int result_write(const struct result *result, struct err *err)
{
	const struct vm_config *config = result->config;
	int rc = write_text(result, config->result, result_json, err);
	int junit_rc = write_text(result, config->junit, result_junit,
				  rc ? NULL : err);

	return rc ? rc : junit_rc;
}
