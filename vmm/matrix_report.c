#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "vmm/matrix_internal.h"
#include "vmm/replace_file.h"
#include "vmm/version.h"

/* "DIR/NAME.SUFFIX"; whether it fits. */
bool matrix_path(const struct matrix *matrix, const char *name,
		 const char *suffix, char *to)
{
	return snprintf(to, PATH_MAX, "%s/%s.%s", matrix->output, name,
			suffix) < PATH_MAX;
}

int matrix_write_json(const char *path, const json_t *tree, struct err *err)
{
	autofree char *text =
		json_dumps(tree, JSON_INDENT(2) | JSON_REAL_PRECISION(12));

	if (!text)
		return err_sys(err, ENOMEM, "cannot write %s", path);
	return replace_file(path, text, strlen(text), err);
}

static int write_summary(const struct matrix *matrix, struct err *err)
{
	json_t *tree = json_object();
	json_t *list = json_array();
	char path[PATH_MAX];
	int rc;

	json_object_set_new(tree, "format", json_string("hull-matrix"));
	json_object_set_new(tree, "version", json_integer(1));
	json_object_set_new(tree, "hull", json_string(hull_version));
	json_object_set_new(
		tree, "passed",
		json_integer((json_int_t)(matrix->over - matrix->failed)));
	json_object_set_new(tree, "failed",
			    json_integer((json_int_t)matrix->failed));
	json_object_set_new(
		tree, "not_run",
		json_integer((json_int_t)(matrix->count - matrix->over)));
	for (size_t i = 0; i < matrix->count; i++) {
		const struct boot *boot = &matrix->boots[i];
		json_t *object = json_object();

		json_object_set_new(object, "name", json_string(boot->name));
		json_object_set_new(object, "passed",
				    json_boolean(!boot->status));
		json_object_set_new(object, "exit_status",
				    boot->status < 0 ?
					    json_null() :
					    json_integer(boot->status));
		json_object_set_new(object, "ms", json_integer(boot->took_ms));
		json_object_set_new(object, "result",
				    boot->result ? json_incref(boot->result) :
						   json_null());
		json_array_append_new(list, object);
	}
	json_object_set_new(tree, "boots", list);
	rc = matrix_path(matrix, "matrix", "json", path) ?
		     matrix_write_json(path, tree, err) :
		     err_sys(err, ENAMETOOLONG, "%s", matrix->output);
	json_decref(tree);
	return rc;
}

/* What a suite says of its cases. */
struct totals {
	uint64_t tests;
	uint64_t failures;
	uint64_t errors;
	uint64_t skipped;
};

/* The number of an attribute that hull itself wrote. */
static uint64_t attribute(const char *element, const char *name)
{
	const char *at = strstr(element, name);
	uint64_t number = 0;

	if (!at)
		return 0;
	for (at += strlen(name); isdigit((unsigned char)*at); at++)
		number = number * 10 + (uint64_t)(*at - '0');
	return number;
}

/* Appends the suite in the file of one boot, as it is; false when there is
 * none. */
static bool copy_suite(const struct matrix *matrix, const struct boot *boot,
		       FILE *out, struct totals *totals)
{
	static const char end[] = "</testsuite>\n";
	autofree char *text = NULL;
	char path[PATH_MAX];
	const char *suite;
	const char *last;
	size_t size = 0;
	ssize_t len;
	FILE *file;

	if (!matrix_path(matrix, boot->name, "xml", path))
		return false;
	file = fopen(path, "re");
	if (!file)
		return false;
	len = getdelim(&text, &size, '\0', file);
	fclose(file);
	suite = len > 0 ? strstr(text, "<testsuite ") : NULL;
	last = suite ? strstr(suite, end) : NULL;
	if (!last)
		return false;
	(void)fwrite(suite, 1, (size_t)(last - suite) + strlen(end), out);
	totals->tests += attribute(suite, " tests=\"");
	totals->failures += attribute(suite, " failures=\"");
	totals->errors += attribute(suite, " errors=\"");
	totals->skipped += attribute(suite, " skipped=\"");
	return true;
}

/* One that left no report: it was refused, or never started. */
static void put_lost_suite(const struct boot *boot, FILE *out,
			   struct totals *totals)
{
	fprintf(out,
		"<testsuite name=\"%s\" tests=\"1\" failures=\"0\" "
		"errors=\"1\" skipped=\"0\" time=\"0.000\" "
		"timestamp=\"1970-01-01T00:00:00\">\n<properties>\n"
		"<property name=\"hull\" value=\"%s\"/>\n</properties>\n"
		"<testcase classname=\"hull\" name=\"boot\" time=\"0.000\">\n"
		"<error message=\"%s\" type=\"lost\"></error>\n"
		"</testcase>\n</testsuite>\n",
		boot->name, hull_version,
		boot->is_over ? "it left no report" : "it was not started");
	totals->tests++;
	totals->errors++;
}

static int write_junit(const struct matrix *matrix, int64_t took_ms,
		       struct err *err)
{
	struct totals totals = { 0 };
	autofree char *suites = NULL;
	autofree char *text = NULL;
	char path[PATH_MAX];
	size_t len = 0;
	FILE *out = open_memstream(&suites, &len);
	int text_len;

	if (!out)
		return err_sys(err, ENOMEM, "JUnit");
	for (size_t i = 0; i < matrix->count; i++) {
		if (!copy_suite(matrix, &matrix->boots[i], out, &totals))
			put_lost_suite(&matrix->boots[i], out, &totals);
	}
	if (fclose(out))
		return err_sys(err, ENOMEM, "JUnit");
	text_len = asprintf(&text,
			    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			    "<testsuites name=\"hull\" tests=\"%" PRIu64
			    "\" failures=\"%" PRIu64 "\" errors=\"%" PRIu64
			    "\" skipped=\"%" PRIu64 "\" time=\"%" PRId64
			    ".%03" PRId64 "\">\n%s</testsuites>\n",
			    totals.tests, totals.failures, totals.errors,
			    totals.skipped, took_ms / 1000, took_ms % 1000,
			    suites);
	if (text_len < 0 || !matrix_path(matrix, "matrix", "xml", path))
		return err_sys(err, ENOMEM, "JUnit");
	return replace_file(path, text, (size_t)text_len, err);
}

int matrix_report(const struct matrix *matrix, int64_t took_ms, struct err *err)
{
	int rc = write_summary(matrix, err);

	if (!rc)
		rc = write_junit(matrix, took_ms, err);
	printf("# %zu passed, %zu failed, %zu not run, in %" PRId64 ".%" PRId64
	       " s; logs in %s\n",
	       matrix->over - matrix->failed, matrix->failed,
	       matrix->count - matrix->over, took_ms / 1000, took_ms / 100 % 10,
	       matrix->output);
	if (!rc && (fflush(stdout) || ferror(stdout)))
		rc = err_sys(err, errno, "cannot write to standard output");
	return rc;
}
