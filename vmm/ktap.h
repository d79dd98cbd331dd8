/*
 * Test results on a console: TAP 13 and 14, KTAP 1 (Linux
 * Documentation/dev-tools/ktap.rst) as KUnit and kselftest print it. Plans,
 * results, SKIP, TODO and XFAIL, Bail out!, subtests.
 *
 * A subtest is known by where its line begins: behind blanks or, as in
 * kselftest, behind "# ". Its result comes before that of the test it belongs
 * to, which so gets its children afterwards. Time-stamps of the kernel's
 * messages are skipped. Lines that are none of it are not an error, a console
 * has many; but results count only after a version line or a plan.
 *
 * What a plan promised and no result came for is missing, and a failure.
 *
 * Memory is bounded by the limits below. The caller serialises.
 */
#ifndef VMM_KTAP_H
#define VMM_KTAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KTAP_MAX_TESTS	  65536 /* those after them are counted only */
#define KTAP_MAX_DEPTH	  16 /* deeper ones belong to the deepest */
#define KTAP_NAME_BYTES	  256 /* longer names and reasons are cut */
#define KTAP_OUTPUT_BYTES 4096 /* kept of what a failed test said */
#define KTAP_OUTPUT_TOTAL ((size_t)1 << 20) /* of all of them */

enum ktap_result {
	KTAP_PASSED,
	KTAP_FAILED,
	KTAP_SKIPPED,
	KTAP_EXPECTED_FAILURE, /* TODO, XFAIL */
	KTAP_MISSING,
};

#define KTAP_NO_PARENT UINT32_MAX

struct ktap_test {
	char *name; /* owned */
	char *reason; /* owned, or NULL: behind the directive */
	char *output; /* owned, or NULL: what a failed one printed before */
	enum ktap_result result;
	uint32_t parent; /* index, always above its own */
	uint32_t weight; /* how many tests: above 1 for missing ones */
	bool has_children;
	bool has_bad_child; /* below it one failed or is missing */
	int64_t took_ns; /* since the result before */
};

struct ktap_counts {
	uint64_t passed;
	uint64_t failed; /* missing ones included */
	uint64_t skipped;
	uint64_t expected_failures;
	uint64_t missing;
};

struct ktap_scope {
	size_t column; /* where its lines begin */
	uint32_t first; /* index of its first test, or of one before */
	uint64_t seen;
	uint64_t planned;
	bool has_plan;
	char *name; /* owned, or NULL: "# Subtest: NAME" */
};

struct ktap {
	struct ktap_test *tests; /* owned */
	size_t count;
	size_t capacity;
	struct ktap_counts beyond; /* of tests that were not kept */
	struct ktap_scope scopes[KTAP_MAX_DEPTH];
	unsigned int depth;
	bool begun;
	bool in_yaml;
	size_t yaml_column;
	bool after_result; /* a YAML block may follow */
	int64_t last_ns;
	char recent[KTAP_OUTPUT_BYTES]; /* lines since the last result */
	size_t recent_len;
	size_t output_total;
};

/* Zeroes are a valid start. @now_ns: when the line came. */
void ktap_line(struct ktap *ktap, const char *line, int64_t now_ns);

/* The console has ended: settles every plan. Idempotent. */
void ktap_finish(struct ktap *ktap, int64_t now_ns);

/*
 * Whether a test counts: those with children only sum them up, unless one
 * failed though nothing below it did.
 */
bool ktap_is_counted(const struct ktap_test *test);

/* After ktap_finish. */
void ktap_count(const struct ktap *ktap, struct ktap_counts *ret_counts);

/* "net: sockets: bind": the names of the tests it is in, and its own. @to is
 * always a string. */
void ktap_full_name(const struct ktap *ktap, uint32_t index, char *to,
		    size_t size);
void ktap_release(struct ktap *ktap);

/* "passed", "failed", ... */
const char *ktap_result_name(enum ktap_result result);

#endif
