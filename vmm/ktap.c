#include "vmm/ktap.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/util.h"
#include "vmm/console_line.h"

/* No plan of more is believed. */
#define MAX_PLAN 1000000000

const char *ktap_result_name(enum ktap_result result)
{
	static const char *const names[] = {
		[KTAP_PASSED] = "passed",
		[KTAP_FAILED] = "failed",
		[KTAP_SKIPPED] = "skipped",
		[KTAP_EXPECTED_FAILURE] = "expected-failure",
		[KTAP_MISSING] = "missing",
	};

	return names[result];
}

static char *copy_text(const char *text, size_t len)
{
	return strndup(text, min_u64(len, KTAP_NAME_BYTES));
}

/* --- The list of results -------------------------------------------------- */

static void count_one(struct ktap_counts *counts, enum ktap_result result,
		      uint64_t weight)
{
	switch (result) {
	case KTAP_PASSED:
		counts->passed += weight;
		break;
	case KTAP_MISSING:
		counts->missing += weight;
		counts->failed += weight;
		break;
	case KTAP_FAILED:
		counts->failed += weight;
		break;
	case KTAP_SKIPPED:
		counts->skipped += weight;
		break;
	case KTAP_EXPECTED_FAILURE:
		counts->expected_failures += weight;
		break;
	}
}

static bool make_room(struct ktap *ktap)
{
	size_t capacity = ktap->capacity ? 2 * ktap->capacity : 64;
	struct ktap_test *tests;

	if (ktap->count < ktap->capacity)
		return true;
	if (ktap->count >= KTAP_MAX_TESTS)
		return false;
	tests = realloc(ktap->tests, capacity * sizeof(*tests));
	if (!tests)
		return false;
	ktap->tests = tests;
	ktap->capacity = capacity;
	return true;
}

static char *take_output(struct ktap *ktap)
{
	char *output;

	if (!ktap->recent_len ||
	    ktap->output_total + ktap->recent_len > KTAP_OUTPUT_TOTAL)
		return NULL;
	output = strndup(ktap->recent, ktap->recent_len);
	if (output)
		ktap->output_total += ktap->recent_len;
	return output;
}

static bool is_failure(enum ktap_result result)
{
	return result == KTAP_FAILED || result == KTAP_MISSING;
}

/* Appends one; NULL when it could only be counted. */
static struct ktap_test *add_test(struct ktap *ktap, enum ktap_result result,
				  uint32_t weight, int64_t now_ns)
{
	struct ktap_test *test = NULL;

	if (make_room(ktap)) {
		test = &ktap->tests[ktap->count++];
		*test = (struct ktap_test){
			.result = result,
			.parent = KTAP_NO_PARENT,
			.weight = weight,
			.took_ns = now_ns - ktap->last_ns,
		};
		if (is_failure(result))
			test->output = take_output(ktap);
	} else {
		count_one(&ktap->beyond, result, weight);
	}
	ktap->last_ns = now_ns;
	ktap->recent_len = 0;
	return test;
}

/* Those from @first on that belong to nobody are children of the last one. */
static void adopt(struct ktap *ktap, uint32_t first)
{
	uint32_t parent = (uint32_t)ktap->count - 1;

	for (uint32_t i = first; i < parent; i++) {
		struct ktap_test *child = &ktap->tests[i];

		if (child->parent != KTAP_NO_PARENT)
			continue;
		child->parent = parent;
		ktap->tests[parent].has_children = true;
		ktap->tests[parent].has_bad_child |=
			is_failure(child->result) || child->has_bad_child;
	}
}

/* --- Scopes --------------------------------------------------------------- */

static struct ktap_scope *top(struct ktap *ktap)
{
	return ktap->depth ? &ktap->scopes[ktap->depth - 1] : NULL;
}

static void PRINTF_LIKE(2, 3)
	set_name(struct ktap_test *test, const char *fmt, ...)
{
	char text[100];
	va_list args;

	if (!test)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	test->name = strdup(text);
}

/* Compares a scope that is over with its plan. */
static void settle(struct ktap *ktap, struct ktap_scope *scope, int64_t now_ns)
{
	struct ktap_test *test;

	if (scope->has_plan && scope->seen < scope->planned) {
		uint64_t missing = scope->planned - scope->seen;

		test = add_test(ktap, KTAP_MISSING, (uint32_t)missing, now_ns);
		set_name(test, "%" PRIu64 " of %" PRIu64 " without a result",
			 missing, scope->planned);
	} else if (scope->has_plan && scope->seen > scope->planned) {
		test = add_test(ktap, KTAP_FAILED, 1, now_ns);
		set_name(test, "%" PRIu64 " results for a plan of %" PRIu64,
			 scope->seen, scope->planned);
	}
	free(scope->name);
	scope->name = NULL;
}

/* Ends all scopes further in than @column; gives the first test of theirs. */
static uint32_t close_scopes(struct ktap *ktap, size_t column, int64_t now_ns)
{
	uint32_t first = (uint32_t)ktap->count;

	while (ktap->depth && top(ktap)->column > column) {
		first = (uint32_t)min_u64(first, top(ktap)->first);
		settle(ktap, top(ktap), now_ns);
		ktap->depth--;
	}
	return first;
}

static void open_scope(struct ktap *ktap, size_t column)
{
	/* Deeper than there is room for: taken for lines of the deepest. */
	if (ktap->depth == KTAP_MAX_DEPTH)
		return;
	ktap->scopes[ktap->depth++] = (struct ktap_scope){
		.column = column,
		.first = (uint32_t)ktap->count,
	};
}

/* The scope of a line at @column, after those further in were ended. */
static struct ktap_scope *scope_at(struct ktap *ktap, size_t column)
{
	if (!ktap->depth || top(ktap)->column < column)
		open_scope(ktap, column);
	return top(ktap);
}

/* Another document begins where one was: its plan is a new one. */
static struct ktap_scope *renew_scope(struct ktap *ktap, size_t column,
				      int64_t now_ns)
{
	struct ktap_scope *scope = scope_at(ktap, column);

	if (!scope->seen && !scope->has_plan)
		return scope;
	settle(ktap, scope, now_ns);
	scope->seen = 0;
	scope->has_plan = false;
	return scope;
}

/* --- Lines ---------------------------------------------------------------- */

static bool skip_word(const char **text, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*text, word, len) != 0)
		return false;
	*text += len;
	return true;
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

/* Digits at *text; false when there are none or too many. */
static bool take_number(const char **text, uint64_t *ret_number)
{
	uint64_t number = 0;
	const char *c = *text;

	for (; isdigit((unsigned char)*c); c++) {
		number = number * 10 + (uint64_t)(*c - '0');
		if (number > MAX_PLAN)
			return false;
	}
	if (c == *text)
		return false;
	*text = c;
	*ret_number = number;
	return true;
}

static bool is_directive(const char **text, const char *word)
{
	size_t len = strlen(word);

	if (strncasecmp(*text, word, len) != 0)
		return false;
	/* TAP 13: a test is skipped if the directive begins with "skip". */
	*text += len;
	*text += strcspn(*text, " \t");
	return true;
}

static bool begins_directive(const char *text)
{
	text = skip_blanks(text);
	return is_directive(&text, "SKIP") || is_directive(&text, "TODO") ||
	       is_directive(&text, "XFAIL");
}

/*
 * Where the directive of a result or plan begins, behind its "#"; or NULL. A
 * name may have a "#" of its own: one with a known word behind it comes first,
 * then any with a blank, such as "# exit=1".
 */
static const char *find_directive(const char *text)
{
	const char *found = NULL;

	for (const char *hash = strchr(text, '#'); hash;
	     hash = strchr(hash + 1, '#')) {
		if (hash > text && hash[-1] != ' ' && hash[-1] != '\t')
			continue;
		if (begins_directive(hash + 1))
			return hash + 1;
		if (!found && (hash[1] == ' ' || hash[1] == '\t'))
			found = hash + 1;
	}
	return found;
}

/* What the directive makes of @result; leaves @*text at the reason. */
static enum ktap_result apply_directive(const char **text,
					enum ktap_result result)
{
	*text = skip_blanks(*text);
	if (is_directive(text, "SKIP"))
		result = KTAP_SKIPPED;
	else if (is_directive(text, "XFAIL") ||
		 (result == KTAP_FAILED && is_directive(text, "TODO")))
		result = KTAP_EXPECTED_FAILURE;
	*text = skip_blanks(*text);
	return result;
}

static size_t trimmed_len(const char *text, size_t len)
{
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	return len;
}

static void describe(struct ktap_test *test, const char *text,
		     const char *directive, const char *reason, uint64_t number)
{
	size_t len = directive ? (size_t)(directive - 1 - text) : strlen(text);
	size_t reason_len = directive ? strlen(reason) : 0;

	len = trimmed_len(text, len);
	reason_len = trimmed_len(reason, reason_len);
	if (reason_len)
		test->reason = copy_text(reason, reason_len);
	if (len)
		test->name = copy_text(text, len);
	else if (reason_len) /* kselftest: "ok 3 # SKIP name" */
		test->name = copy_text(reason, reason_len);
	else
		set_name(test, "test %" PRIu64, number);
}

/* KTAP always has a number, and behind "# " anything may be a comment; TAP may
 * leave it out, and so may people who print "ok" when all is over. */
static bool may_lack_number(const struct ktap *ktap, size_t column, bool quoted)
{
	const struct ktap_scope *scope;

	if (quoted || !ktap->depth)
		return false;
	scope = &ktap->scopes[ktap->depth - 1];
	return scope->column == column &&
	       (!scope->has_plan || scope->seen < scope->planned);
}

/* "ok 1 - name # SKIP why", "not ok"; false when it is none. */
static bool take_result(struct ktap *ktap, const char *text, size_t column,
			bool quoted, int64_t now_ns)
{
	enum ktap_result result = KTAP_PASSED;
	struct ktap_scope *scope;
	struct ktap_test *test;
	const char *directive;
	const char *reason = "";
	uint64_t number = 0;
	uint32_t first;
	bool has_number;

	if (skip_word(&text, "not "))
		result = KTAP_FAILED;
	if (!skip_word(&text, "ok") || (*text && !strchr(" \t", *text)))
		return false;
	text = skip_blanks(text);
	has_number = take_number(&text, &number);
	if (has_number && *text && !strchr(" \t", *text))
		return false;
	if (!has_number && !may_lack_number(ktap, column, quoted))
		return false;
	text = skip_blanks(text);
	if (text[0] == '-' && (!text[1] || text[1] == ' '))
		text = skip_blanks(text + 1);
	directive = find_directive(text);
	if (directive) {
		reason = directive;
		result = apply_directive(&reason, result);
	}
	first = close_scopes(ktap, column, now_ns);
	scope = scope_at(ktap, column);
	scope->seen++;
	test = add_test(ktap, result, 1, now_ns);
	if (!test)
		return true;
	describe(test, text, directive, reason, number ? number : scope->seen);
	adopt(ktap, first);
	return true;
}

/* "1..4", "1..0 # SKIP why" */
static bool take_plan(struct ktap *ktap, const char *text, size_t column,
		      int64_t now_ns)
{
	struct ktap_scope *scope;
	struct ktap_test *test;
	uint64_t planned;

	if (!skip_word(&text, "1..") || !take_number(&text, &planned))
		return false;
	text = skip_blanks(text);
	if (*text && *text != '#')
		return false;
	(void)close_scopes(ktap, column, now_ns);
	scope = scope_at(ktap, column);
	/* The plan may come last; a second one is another document's. */
	if (scope->has_plan)
		scope = renew_scope(ktap, column, now_ns);
	scope->has_plan = true;
	scope->planned = planned;
	if (planned || *text != '#')
		return true;
	text++;
	if (apply_directive(&text, KTAP_PASSED) != KTAP_SKIPPED)
		return true;
	test = add_test(ktap, KTAP_SKIPPED, 1, now_ns);
	if (test) {
		set_name(test, "all");
		test->reason = copy_text(text, strlen(text));
	}
	return true;
}

static bool take_version(struct ktap *ktap, const char *text, size_t column,
			 int64_t now_ns)
{
	uint64_t version;

	if (!skip_word(&text, "TAP version ") &&
	    !skip_word(&text, "KTAP version "))
		return false;
	if (!take_number(&text, &version) || *skip_blanks(text))
		return false;
	(void)close_scopes(ktap, column, now_ns);
	(void)renew_scope(ktap, column, now_ns);
	return true;
}

static bool take_bail_out(struct ktap *ktap, const char *text, int64_t now_ns)
{
	struct ktap_test *test;

	if (!skip_word(&text, "Bail out!"))
		return false;
	test = add_test(ktap, KTAP_FAILED, 1, now_ns);
	if (!test)
		return true;
	set_name(test, "Bail out!");
	text = skip_blanks(text);
	if (*text)
		test->reason = copy_text(text, strlen(text));
	return true;
}

/* "# Subtest: name" begins one, or names the one that has begun. */
static void take_subtest(struct ktap *ktap, const char *text, size_t column,
			 int64_t now_ns)
{
	struct ktap_scope *scope;
	size_t len;

	if (!skip_word(&text, "# Subtest: "))
		return;
	text = skip_blanks(text);
	len = trimmed_len(text, strlen(text));
	(void)close_scopes(ktap, column, now_ns);
	scope = scope_at(ktap, column);
	if (len && !scope->seen && !scope->name)
		scope->name = copy_text(text, len);
}

/* "---" to "..." behind a result is YAML, which nobody reads here. */
static bool take_yaml(struct ktap *ktap, const char *text, size_t column)
{
	if (ktap->in_yaml) {
		ktap->in_yaml = column >= ktap->yaml_column &&
				strcmp(text, "...") != 0;
		/* The end belongs to it; what is further out does not. */
		return ktap->in_yaml || column >= ktap->yaml_column;
	}
	if (!ktap->after_result || strcmp(text, "---") != 0)
		return false;
	ktap->in_yaml = true;
	ktap->yaml_column = column;
	return true;
}

/* Keeps the newest lines that fit. */
static void remember(struct ktap *ktap, const char *line)
{
	size_t len = min_u64(strlen(line), KTAP_OUTPUT_BYTES / 2);

	while (ktap->recent_len + len + 1 > sizeof(ktap->recent)) {
		const char *end = memchr(ktap->recent, '\n', ktap->recent_len);
		size_t cut = (size_t)(end - ktap->recent) + 1;

		ktap->recent_len -= cut;
		memmove(ktap->recent, end + 1, ktap->recent_len);
	}
	memcpy(ktap->recent + ktap->recent_len, line, len);
	ktap->recent_len += len;
	ktap->recent[ktap->recent_len++] = '\n';
}

void ktap_line(struct ktap *ktap, const char *line, int64_t now_ns)
{
	const char *start = console_line_skip_stamp(line);
	const char *blanks = start + strspn(start, " \t");
	const char *text = start + strspn(start, " #\t");
	/* "# ok 1 name": kselftest; "# name" in any other is a comment. */
	size_t column = (size_t)(text - start);
	bool was_begun = ktap->begun;

	if (take_yaml(ktap, blanks, (size_t)(blanks - start))) {
		remember(ktap, line);
		return;
	}
	ktap->after_result = false;
	if (take_version(ktap, text, column, now_ns) ||
	    take_plan(ktap, text, column, now_ns)) {
		ktap->begun = true;
		if (!was_begun)
			ktap->last_ns = now_ns;
		return;
	}
	if (!ktap->begun)
		return;
	remember(ktap, line);
	if (take_result(ktap, text, column, text != blanks, now_ns))
		ktap->after_result = true;
	else if (!take_bail_out(ktap, text, now_ns))
		take_subtest(ktap, blanks, (size_t)(blanks - start), now_ns);
}

void ktap_finish(struct ktap *ktap, int64_t now_ns)
{
	while (ktap->depth) {
		struct ktap_scope *scope = top(ktap);
		uint32_t first = scope->first;
		char *name = move_ptr(&scope->name);
		struct ktap_test *test = NULL;

		settle(ktap, scope, now_ns);
		ktap->depth--;
		/* The test that was running: its own result never came. */
		if (ktap->depth && name)
			test = add_test(ktap, KTAP_MISSING, 1, now_ns);
		if (!test) {
			free(name);
			continue;
		}
		test->name = name;
		adopt(ktap, first);
		top(ktap)->seen++;
	}
}

bool ktap_is_counted(const struct ktap_test *test)
{
	return !test->has_children ||
	       (is_failure(test->result) && !test->has_bad_child);
}

void ktap_count(const struct ktap *ktap, struct ktap_counts *ret_counts)
{
	*ret_counts = ktap->beyond;
	for (size_t i = 0; i < ktap->count; i++) {
		const struct ktap_test *test = &ktap->tests[i];

		if (ktap_is_counted(test))
			count_one(ret_counts, test->result, test->weight);
	}
}

void ktap_full_name(const struct ktap *ktap, uint32_t index, char *to,
		    size_t size)
{
	/* A test's parent was in a scope further out. */
	uint32_t chain[KTAP_MAX_DEPTH + 1] = { 0 };
	unsigned int depth = 0;
	size_t used = 0;

	*to = '\0';
	while (index != KTAP_NO_PARENT && depth < ARRAY_SIZE(chain)) {
		chain[depth++] = index;
		index = ktap->tests[index].parent;
	}
	while (depth-- && used < size) {
		const char *name = ktap->tests[chain[depth]].name;
		int more = snprintf(to + used, size - used, "%s%s",
				    used ? ": " : "", name ? name : "?");

		used += more > 0 ? (size_t)more : 0;
	}
}

void ktap_release(struct ktap *ktap)
{
	for (size_t i = 0; i < ktap->count; i++) {
		free(ktap->tests[i].name);
		free(ktap->tests[i].reason);
		free(ktap->tests[i].output);
	}
	free(ktap->tests);
	for (unsigned int i = 0; i < ktap->depth; i++)
		free(ktap->scopes[i].name);
	*ktap = (struct ktap){ 0 };
}
