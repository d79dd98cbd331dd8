#include "vmm/pattern.h"

#include <errno.h>

#include "core/util.h"
#include "vmm/console_line.h"

/*
 * What Linux prints, from the special to the general: the first that matches
 * names the trouble. Sources: kernel/panic.c, arch/x86/kernel/dumpstack.c (the
 * header of every Oops ends in an error code and "[#N]"), lib/bug.c,
 * kernel/watchdog.c, kernel/rcu/tree_stall.h, kernel/hung_task.c, mm/kasan,
 * mm/kmsan, mm/kfence, kernel/kcsan, lib/ubsan.c, kernel/locking/lockdep.c.
 */
static const struct {
	const char *name;
	const char *text;
} linux_patterns[] = {
	{ "panic", "Kernel panic - not syncing" },
	{ "kasan", "KASAN: " },
	{ "kcsan", "KCSAN: " },
	{ "kmsan", "KMSAN: " },
	{ "kfence", "KFENCE: " },
	{ "ubsan", "UBSAN: " },
	{ "soft-lockup", "soft lockup - CPU" },
	{ "hard-lockup", "hard LOCKUP" },
	{ "rcu-stall",
	  "self-detected stall on CPU|detected (expedited )?stalls? on " },
	{ "hung-task", "INFO: task .* blocked for more than [0-9]+ seconds" },
	{ "lockdep",
	  "(possible (circular|recursive) locking|possible irq lock inversion|"
	  "[A-Z]+-safe -> [A-Z]+-unsafe lock order|inconsistent lock state|"
	  "suspicious RCU usage|bad unlock balance|bad contention|held lock "
	  "freed!|lock held when returning to user space|Invalid wait context|"
	  "Nested lock was not taken)" },
	{ "oops", "Oops: |: [0-9a-f]{4,16} \\[#[0-9]+\\]" },
	{ "bug", "kernel BUG at |(^|[^[:alnum:]_])BUG: " },
};

static int add(struct pattern_set *set, const char *name, const char *text,
	       struct err *err)
{
	struct pattern *items;
	struct pattern *pattern;
	char why[200];
	int code;

	items = realloc(set->items, (set->count + 1) * sizeof(*items));
	if (!items)
		return err_sys(err, ENOMEM, "regular expressions");
	set->items = items;
	pattern = &items[set->count];
	*pattern = (struct pattern){ .name = name, .text = text };
	code = regcomp(&pattern->regex, text, REG_EXTENDED | REG_NOSUB);
	if (code) {
		regerror(code, &pattern->regex, why, sizeof(why));
		return err_set(err, EINVAL,
			       "\"%.200s\" is not a regular expression: %s",
			       text, why);
	}
	set->count++;
	return 0;
}

int pattern_set_add(struct pattern_set *set, const char *text, struct err *err)
{
	return add(set, NULL, text, err);
}

int pattern_set_add_linux(struct pattern_set *set, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(linux_patterns); i++) {
		int rc = add(set, linux_patterns[i].name,
			     linux_patterns[i].text, err);

		if (rc)
			return rc;
	}
	return 0;
}

/* No built-in one is about the stamp. */
static bool matches(const struct pattern *pattern, const char *line,
		    const char *text)
{
	return regexec(&pattern->regex, text, 0, NULL, 0) == 0 ||
	       (text != line && !pattern->name &&
		regexec(&pattern->regex, line, 0, NULL, 0) == 0);
}

const struct pattern *pattern_set_match(const struct pattern_set *set,
					const char *line)
{
	const char *text = console_line_skip_stamp(line);

	for (size_t i = 0; i < set->count; i++) {
		if (matches(&set->items[i], line, text))
			return &set->items[i];
	}
	return NULL;
}

void pattern_set_release(struct pattern_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		regfree(&set->items[i].regex);
	free(set->items);
	*set = (struct pattern_set){ 0 };
}
