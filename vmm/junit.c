/*
 * JUnit XML as CI systems read it: one suite for the boot, whose first case is
 * the boot itself, and one case for each test of the guest. What elements and
 * attributes there are says tests/integration/junit.xsd.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm/clean_text.h"
#include "vmm/exit_status.h"
#include "vmm/result.h"
#include "vmm/version.h"

/* XML 1.0, 2.4 and 3.3.3: blanks of an attribute are kept by references. */
static void put_text(FILE *out, const char *text, bool in_attribute)
{
	autofree char *clean = clean_text(text);

	for (const char *c = clean ? clean : ""; *c; c++) {
		switch (*c) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\t':
		case '\n':
			if (in_attribute)
				fprintf(out, "&#%d;", *c);
			else
				fputc(*c, out);
			break;
		default:
			fputc(*c, out);
			break;
		}
	}
}

static void put_attribute(FILE *out, const char *name, const char *text)
{
	fprintf(out, " %s=\"", name);
	put_text(out, text, true);
	fputc('"', out);
}

static void put_seconds(FILE *out, int64_t ns)
{
	uint64_t ms = ns > 0 ? (uint64_t)ns / 1000000 : 0;

	fprintf(out, " time=\"%" PRIu64 ".%03" PRIu64 "\"", ms / 1000,
		ms % 1000);
}

static void put_element(FILE *out, const char *element, const char *text)
{
	fprintf(out, "<%s>", element);
	put_text(out, text, false);
	fprintf(out, "</%s>\n", element);
}

/* failure, error or skipped, with text inside or not. */
static void put_problem(FILE *out, const char *element, const char *type,
			const char *message, const char *text)
{
	fprintf(out, "<%s", element);
	put_attribute(out, "message", message);
	if (type)
		put_attribute(out, "type", type);
	fputc('>', out);
	put_text(out, text, false);
	fprintf(out, "</%s>\n", element);
}

enum outcome {
	OUTCOME_PASSED,
	OUTCOME_FAILED,
	OUTCOME_ERROR, /* nobody knows what the guest would have done */
};

static enum outcome boot_outcome(const struct result *result,
				 const struct ktap_counts *counts)
{
	if (!result->is_over)
		return OUTCOME_ERROR;
	switch (result->verdict->status) {
	case EXIT_POWEROFF:
		return OUTCOME_PASSED;
	case EXIT_TESTS:
		/* Those that failed have cases of their own. */
		return counts->failed ? OUTCOME_PASSED : OUTCOME_FAILED;
	case EXIT_CONFIG:
	case EXIT_KVM:
	case EXIT_HOST:
	case EXIT_ENDED:
		return result->verdict->has_guest_value ? OUTCOME_FAILED :
							  OUTCOME_ERROR;
	default:
		return OUTCOME_FAILED;
	}
}

static void put_boot(FILE *out, const struct result *result,
		     enum outcome outcome)
{
	const struct console_watch *watch = result->watch;
	autofree char *tail = strndup(watch->tail, watch->tail_len);
	const char *sentence = "hull did not come to an end";
	const char *reason = "running";
	const char *detail = "";

	if (result->is_over) {
		sentence = result->verdict->sentence;
		reason = verdict_reason(result->verdict);
		detail = result->verdict->detail;
	}
	fputs("<testcase classname=\"hull\" name=\"boot\"", out);
	put_seconds(out, result->end_ns);
	fputs(">\n", out);
	if (outcome != OUTCOME_PASSED)
		put_problem(out,
			    outcome == OUTCOME_FAILED ? "failure" : "error",
			    reason, sentence, detail);
	if (tail && *tail)
		put_element(out, "system-out", tail);
	fputs("</testcase>\n", out);
}

static void put_test(FILE *out, const struct ktap *ktap, uint32_t index)
{
	const struct ktap_test *test = &ktap->tests[index];
	char suite[KTAP_MAX_DEPTH * (KTAP_NAME_BYTES + 2)] = "tests";
	const char *reason = test->reason ? test->reason : "";

	if (test->parent != KTAP_NO_PARENT)
		ktap_full_name(ktap, test->parent, suite, sizeof(suite));
	fputs("<testcase", out);
	put_attribute(out, "classname", suite);
	put_attribute(out, "name", test->name ? test->name : "?");
	put_seconds(out, test->took_ns);
	fputs(">\n", out);
	if (test->result == KTAP_SKIPPED)
		put_problem(out, "skipped", NULL, reason, "");
	else if (test->result == KTAP_EXPECTED_FAILURE)
		put_problem(out, "skipped", NULL,
			    *reason ? reason : "expected failure", "");
	else if (test->result != KTAP_PASSED)
		put_problem(out, "failure", ktap_result_name(test->result),
			    *reason ? reason : ktap_result_name(test->result),
			    test->output ? test->output : "");
	fputs("</testcase>\n", out);
}

/* What one element and the one around it say of their cases. */
static void put_totals(FILE *out, const struct result *result,
		       enum outcome outcome)
{
	const struct ktap *ktap = &result->watch->ktap;
	uint64_t tests = 1;
	uint64_t failures = outcome == OUTCOME_FAILED;
	uint64_t skipped = 0;

	for (size_t i = 0; i < ktap->count; i++) {
		if (!ktap_is_counted(&ktap->tests[i]))
			continue;
		tests++;
		switch (ktap->tests[i].result) {
		case KTAP_FAILED:
		case KTAP_MISSING:
			failures++;
			break;
		case KTAP_SKIPPED:
		case KTAP_EXPECTED_FAILURE:
			skipped++;
			break;
		case KTAP_PASSED:
			break;
		}
	}
	fprintf(out,
		" tests=\"%" PRIu64 "\" failures=\"%" PRIu64
		"\" errors=\"%d\" skipped=\"%" PRIu64 "\"",
		tests, failures, outcome == OUTCOME_ERROR, skipped);
	put_seconds(out, result->end_ns);
}

static void put_suite(FILE *out, const struct result *result)
{
	const struct ktap *ktap = &result->watch->ktap;
	struct ktap_counts counts;
	enum outcome outcome;
	char start[32] = "1970-01-01T00:00:00";
	struct tm tm;

	ktap_count(ktap, &counts);
	outcome = boot_outcome(result, &counts);
	if (gmtime_r(&result->start.tv_sec, &tm) &&
	    !strftime(start, sizeof(start), "%Y-%m-%dT%H:%M:%S", &tm))
		start[0] = '\0';
	fputs("<testsuites", out);
	put_attribute(out, "name", "hull");
	put_totals(out, result, outcome);
	fputs(">\n<testsuite", out);
	put_attribute(out, "name", result_name(result->config));
	put_totals(out, result, outcome);
	put_attribute(out, "timestamp", start);
	fputs(">\n<properties>\n<property name=\"hull\"", out);
	put_attribute(out, "value", hull_version);
	fputs("/>\n</properties>\n", out);
	put_boot(out, result, outcome);
	for (uint32_t i = 0; i < ktap->count; i++) {
		if (ktap_is_counted(&ktap->tests[i]))
			put_test(out, ktap, i);
	}
	fputs("</testsuite>\n</testsuites>\n", out);
}

char *result_junit(const struct result *result)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool failed;

	if (!out)
		return NULL;
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", out);
	put_suite(out, result);
	failed = ferror(out);
	failed |= fclose(out) != 0;
	if (!failed)
		return text;
	free(text);
	return NULL;
}
