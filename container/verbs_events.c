/*
 * `events`: what a container uses, once or again and again, and when it runs
 * out of memory. The forms are runc's: an object a line, with type and id.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>

#include "container/stats.h"
#include "container/target.h"
#include "container/verbs.h"
#include "core/parse.h"

#define DEFAULT_INTERVAL_MS 5000

static void add_key(json_t *object, const char *name, int cgroup,
		    const char *file, const char *key)
{
	uint64_t value;

	if (!cgroup_read_key(cgroup, file, key, &value))
		json_object_set_new(object, name,
				    json_integer((json_int_t)value));
}

/* A file of one number; "max" is left out. */
static void add_file(json_t *object, const char *name, int cgroup,
		     const char *file)
{
	char text[32];
	uint64_t value;

	if (cgroup_read(cgroup, file, text, sizeof(text)) <= 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	if (!parse_u64(text, &value))
		json_object_set_new(object, name,
				    json_integer((json_int_t)value));
}

static json_t *cpu_stats(int cgroup)
{
	static const char *const keys[] = { "usage_usec",   "user_usec",
					    "system_usec",  "nr_periods",
					    "nr_throttled", "throttled_usec" };
	json_t *object = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		add_key(object, keys[i], cgroup, "cpu.stat", keys[i]);
	return object;
}

static json_t *memory_stats(int cgroup)
{
	json_t *object = json_object();

	add_file(object, "current", cgroup, "memory.current");
	add_file(object, "peak", cgroup, "memory.peak");
	add_file(object, "limit", cgroup, "memory.max");
	add_file(object, "swap", cgroup, "memory.swap.current");
	add_key(object, "oom", cgroup, "memory.events", "oom");
	add_key(object, "oom_kill", cgroup, "memory.events", "oom_kill");
	return object;
}

static json_t *pids_stats(int cgroup)
{
	json_t *object = json_object();

	add_file(object, "current", cgroup, "pids.current");
	add_file(object, "limit", cgroup, "pids.max");
	return object;
}

json_t *stats_to_json(int cgroup)
{
	return json_pack("{s:o, s:o, s:o}", "cpu", cpu_stats(cgroup), "memory",
			 memory_stats(cgroup), "pids", pids_stats(cgroup));
}

static int print_stats(const struct target *target, struct err *err)
{
	return json_print(json_pack("{s:s, s:s, s:o}", "type", "stats", "id",
				    target->state.id, "data",
				    stats_to_json(target->cgroup)),
			  JSON_COMPACT, err);
}

static int print_oom(const struct target *target, uint64_t kills,
		     struct err *err)
{
	json_t *tree = json_pack("{s:s, s:s, s:{s:I}}", "type", "oom", "id",
				 target->state.id, "data", "oom_kill",
				 (json_int_t)kills);

	return json_print(tree, JSON_COMPACT, err);
}

/* What changes is told by POLLPRI (Linux Documentation/admin-guide/
 * cgroup-v2.rst, "Interface Files"); -1 is passed over by poll. */
struct watch {
	int memory; /* memory.events, or -1 without the controller */
	int process; /* the first process's pidfd */
	int timer;
	uint64_t kills;
};

static int watch_open(struct watch *watch, const struct target *target,
		      unsigned int interval_ms, struct err *err)
{
	const struct timespec interval = { interval_ms / 1000,
					   interval_ms % 1000 * 1000000L };
	const struct itimerspec every = { interval, interval };

	watch->memory =
		openat(target->cgroup, "memory.events", O_RDONLY | O_CLOEXEC);
	watch->process = state_pidfd(&target->state);
	watch->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (watch->timer < 0 || timerfd_settime(watch->timer, 0, &every, NULL))
		return err_sys(err, errno, "no timer");
	(void)cgroup_read_key(target->cgroup, "memory.events", "oom_kill",
			      &watch->kills);
	return 0;
}

static void watch_close(const struct watch *watch)
{
	const int fds[] = { watch->memory, watch->process, watch->timer };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

static int tell_kills(struct watch *watch, const struct target *target,
		      struct err *err)
{
	uint64_t kills;

	if (cgroup_read_key(target->cgroup, "memory.events", "oom_kill",
			    &kills) ||
	    kills == watch->kills)
		return 0;
	watch->kills = kills;
	return print_oom(target, kills, err);
}

/* Until the container's end. */
static int follow(const struct target *target, unsigned int interval_ms,
		  struct err *err)
{
	struct watch watch = { -1, -1, -1, 0 };
	uint64_t times;
	int rc = watch_open(&watch, target, interval_ms, err);

	if (!rc)
		rc = print_stats(target, err);
	while (!rc) {
		struct pollfd pfds[] = {
			{ .fd = watch.memory, .events = POLLPRI },
			{ .fd = watch.process, .events = POLLIN },
			{ .fd = watch.timer, .events = POLLIN },
		};

		if (poll(pfds, ARRAY_SIZE(pfds), -1) < 0)
			continue;
		rc = tell_kills(&watch, target, err);
		if (rc || pfds[1].revents || watch.process < 0)
			break;
		if (pfds[2].revents &&
		    read(watch.timer, &times, sizeof(times)) > 0)
			rc = print_stats(target, err);
	}
	watch_close(&watch);
	return rc;
}

/* "5s", "500ms", as runc has it, or seconds. */
static int read_interval(const char *text, unsigned int *ret_ms,
			 struct err *err)
{
	size_t len = strspn(text, "0123456789");
	const char *unit = text + len;
	uint64_t factor = 1000;
	char digits[16];
	uint64_t value = 0;

	if (!strcmp(unit, "ms"))
		factor = 1;
	else if (!strcmp(unit, "m"))
		factor = 60000;
	else if (*unit && strcmp(unit, "s") != 0)
		len = 0;
	snprintf(digits, sizeof(digits), "%.*s", (int)len, text);
	if (!len || len > 7 || parse_u64(digits, &value) || !value)
		return err_set(
			err, EINVAL,
			"--interval takes a time as 5s or 500ms, not \"%s\"",
			text);
	if (value * factor > UINT32_MAX)
		return err_set(err, EINVAL, "--interval: too long");
	*ret_ms = (unsigned int)(value * factor);
	return 0;
}

int verb_events(struct context *context, struct args *args, struct err *err)
{
	unsigned int interval_ms = DEFAULT_INTERVAL_MS;
	const char *interval = NULL;
	bool stats = false;
	const char *id = "";
	const struct arg_option table[] = {
		{ "stats", 0, ARG_FLAG, &stats, "what it uses now, once" },
		{ "interval", 0, ARG_TEXT, &interval,
		  "time between two, 5s unless told" },
		ARGS_END,
	};
	struct target target;
	int rc = verb_takes_id("events", args, table, true, &id, err);

	if (!rc && interval)
		rc = read_interval(interval, &interval_ms, err);
	if (rc)
		return rc;
	rc = target_open_running(context, id, false, &target, err);
	if (!rc)
		rc = stats ? print_stats(&target, err) :
			     follow(&target, interval_ms, err);
	target_close(&target);
	return rc;
}
