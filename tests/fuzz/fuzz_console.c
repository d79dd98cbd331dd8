/*
 * Whatever a guest writes to its consoles: the lines are plain text and bounded
 * and do not depend on how the bytes come; the tests found in them are a tree
 * and their counts add up; the reports are JSON and XML.
 *
 * The first byte is how many bytes come at once, its highest bit says that two
 * devices take turns.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fnv.h"
#include "core/util.h"
#include "vmm/result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* A sum over all lines and their ends. */
static void add_line(void *opaque, const char *line)
{
	uint64_t *sum = opaque;
	size_t len = strlen(line);

	require(len <= CONSOLE_LINE_BYTES);
	for (size_t i = 0; i <= len; i++) {
		uint8_t byte = (uint8_t)line[i];

		require(i == len || byte == '\t' ||
			(byte >= ' ' && byte != 0x7f));
		*sum = fnv1a_add(*sum, &byte, 1);
	}
	require(strstr(line, console_line_skip_stamp(line)) != NULL);
}

static uint64_t sum_of_lines(const uint8_t *data, size_t size, size_t chunk)
{
	static struct console_line line;
	uint64_t sum = FNV1A_START;

	console_line_init(&line, add_line, &sum);
	while (size) {
		size_t len = min_u64(size, chunk);

		console_line_feed(&line, data, len);
		data += len;
		size -= len;
	}
	console_line_flush(&line);
	return sum;
}

static void check_tests(const struct ktap *ktap)
{
	struct ktap_counts counts;
	uint64_t total = 0;

	ktap_count(ktap, &counts);
	require(counts.missing <= counts.failed);
	require(ktap->depth == 0);
	for (uint32_t i = 0; i < ktap->count; i++) {
		const struct ktap_test *test = &ktap->tests[i];
		char name[64];

		require(test->weight >= 1 && test->name && *test->name);
		require(strlen(test->name) <= KTAP_NAME_BYTES);
		require(test->parent == KTAP_NO_PARENT ||
			(test->parent > i && test->parent < ktap->count &&
			 ktap->tests[test->parent].has_children));
		ktap_full_name(ktap, i, name, sizeof(name));
		require(strlen(name) < sizeof(name));
		if (ktap_is_counted(test))
			total += test->weight;
	}
	require(ktap->count == KTAP_MAX_TESTS ||
		total == counts.passed + counts.failed + counts.skipped +
				 counts.expected_failures);
}

static void check_xml(const char *text)
{
	unsigned int open = 0;

	for (const char *c = text; *c; c++) {
		require((uint8_t)*c >= ' ' || *c == '\n' || *c == '\t');
		if (*c == '&')
			require(strchr("agqlt#", c[1]) && strchr(c, ';'));
		if (*c == '<') {
			require(c[1] == '/' || c[1] == '?' ||
				(c[1] >= 'a' && c[1] <= 'z'));
			open += c[1] != '/' && c[1] != '?';
			open -= c[1] == '/';
		}
		if (*c == '>' && c[-1] == '/')
			open--;
	}
	require(open == 0);
}

static void check_reports(const struct vm_config *config,
			  const struct verdict *verdict,
			  const struct console_watch *watch)
{
	const struct result result = {
		.config = config,
		.verdict = verdict,
		.watch = watch,
		.is_over = true,
	};
	autofree char *json = result_json(&result);
	autofree char *junit = result_junit(&result);
	json_t *tree;

	require(json && junit);
	tree = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
	require(tree != NULL);
	json_decref(tree);
	check_xml(junit);
}

static void watch_console(const uint8_t *data, size_t size, size_t chunk,
			  bool two_devices)
{
	static struct console_watch watch;
	char none[] = "none";
	struct vm_config config = {
		.tests = TESTS_ON,
		.fail_on = { none },
		.fail_on_count = 1,
	};
	struct loop loop;
	struct verdict verdict = { .loop = &loop };
	struct chardev_tap tap;
	bool batched = false;

	require(loop_init(&loop, NULL) == 0);
	require(console_watch_init(&watch, &config, &verdict, 0, NULL) == 0);
	tap = console_watch_tap(&watch, CONSOLE_SOURCE_CONSOLE);
	while (size) {
		size_t len = min_u64(size, chunk);

		tap.wrote(tap.opaque, batched, data, len);
		console_watch_poll(&watch);
		batched ^= two_devices;
		data += len;
		size -= len;
	}
	console_watch_finish(&watch);
	console_watch_conclude(&watch, &config);
	check_tests(&watch.ktap);
	check_reports(&config, &verdict, &watch);
	console_watch_release(&watch);
	loop_release(&loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t chunk;

	if (!size)
		return 0;
	chunk = (data[0] & 0x7f) + 1;
	require(sum_of_lines(data + 1, size - 1, chunk) ==
		sum_of_lines(data + 1, size - 1, size));
	watch_console(data + 1, size - 1, chunk, data[0] & 0x80);
	return 0;
}
