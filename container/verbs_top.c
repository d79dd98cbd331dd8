/*
 * `top`: a table of what all containers use, again and again. What no
 * controller counts is a dash; rates are over the time between two looks.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "container/people.h"
#include "container/target.h"
#include "container/verbs.h"
#include "core/parse.h"

#define ROWS_MAX 512
#define UNKNOWN	 UINT64_MAX

struct row {
	char name[STATE_ID_MAX + 1];
	uint64_t cpu_us;
	uint64_t memory;
	uint64_t memory_max;
	uint64_t read_bytes;
	uint64_t written_bytes;
	uint64_t pids;
	char pressure[3][16]; /* cpu, memory, io: percent of the last 10 s */
};

struct look {
	struct context *context;
	int64_t when_ms;
	size_t count;
	struct row rows[ROWS_MAX];
};

static uint64_t read_number(int cgroup, const char *file)
{
	char text[32];
	uint64_t value = UNKNOWN;

	if (cgroup_read(cgroup, file, text, sizeof(text)) > 0) {
		text[strcspn(text, "\n")] = '\0';
		parse_u64(text, &value);
	}
	return value;
}

/* Linux Documentation/admin-guide/cgroup-v2.rst, io.stat: a line for each disk,
 * "8:0 rbytes=1 wbytes=2 ...". */
static uint64_t sum_io(const char *text, const char *key)
{
	uint64_t sum = 0;
	uint64_t value;
	const char *at = text;

	while ((at = strstr(at, key))) {
		char number[24];
		size_t len;

		at += strlen(key);
		len = strcspn(at, " \n");
		if (len >= sizeof(number))
			continue;
		memcpy(number, at, len);
		number[len] = '\0';
		if (!parse_u64(number, &value))
			sum += value;
	}
	return sum;
}

/* Linux Documentation/accounting/psi.rst: "some avg10=0.12 avg60=..." */
static void read_pressure(int cgroup, const char *file, char *text, size_t size)
{
	char line[256];
	const char *at;

	snprintf(text, size, "-");
	if (cgroup_read(cgroup, file, line, sizeof(line)) <= 0)
		return;
	at = strstr(line, "avg10=");
	if (at)
		snprintf(text, size, "%.*s", (int)strcspn(at + 6, " \n"),
			 at + 6);
}

static void read_row(struct row *row, int cgroup)
{
	static const char *const files[] = { "cpu.pressure", "memory.pressure",
					     "io.pressure" };
	char io[4096];

	row->cpu_us = UNKNOWN;
	row->read_bytes = UNKNOWN;
	row->written_bytes = UNKNOWN;
	cgroup_read_key(cgroup, "cpu.stat", "usage_usec", &row->cpu_us);
	row->memory = read_number(cgroup, "memory.current");
	row->memory_max = read_number(cgroup, "memory.max");
	row->pids = read_number(cgroup, "pids.current");
	if (cgroup_read(cgroup, "io.stat", io, sizeof(io)) >= 0) {
		row->read_bytes = sum_io(io, "rbytes=");
		row->written_bytes = sum_io(io, "wbytes=");
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		read_pressure(cgroup, files[i], row->pressure[i],
			      sizeof(row->pressure[i]));
}

static int look_at(void *opaque, const char *id)
{
	struct look *look = opaque;
	struct target target;
	struct row *row = &look->rows[look->count];

	if (look->count == ROWS_MAX)
		return 0;
	if (!target_open(look->context, id, false, &target, NULL) &&
	    target.cgroup >= 0 &&
	    state_status(&target.state) != STATUS_STOPPED) {
		snprintf(row->name, sizeof(row->name), "%s", id);
		read_row(row, target.cgroup);
		look->count++;
	}
	target_close(&target);
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int take_look(struct look *look, struct err *err)
{
	look->count = 0;
	look->when_ms = now_ms();
	return state_each(look->context->root_fd, look_at, look, err);
}

/* ---- the table ---- */

static void size_text(uint64_t bytes, char *text, size_t size)
{
	static const char units[] = "KMGTPE";
	uint64_t tenths;
	size_t unit = 0;

	if (bytes == UNKNOWN) {
		snprintf(text, size, "-");
		return;
	}
	if (bytes < KIB) {
		snprintf(text, size, "%" PRIu64, bytes);
		return;
	}
	while (bytes >= MIB && unit + 2 < sizeof(units)) {
		bytes /= KIB;
		unit++;
	}
	tenths = bytes * 10 / KIB;
	snprintf(text, size, "%" PRIu64 ".%" PRIu64 "%c", tenths / 10,
		 tenths % 10, units[unit]);
}

static const struct row *find_row(const struct look *look, const char *name)
{
	for (size_t i = 0; i < look->count; i++) {
		if (!strcmp(look->rows[i].name, name))
			return &look->rows[i];
	}
	return NULL;
}

static uint64_t since(uint64_t now, uint64_t before, uint64_t ms)
{
	if (now == UNKNOWN || before == UNKNOWN || now < before || !ms)
		return UNKNOWN;
	return (now - before) * 1000 / ms;
}

static void print_row(const struct row *row, const struct row *old, uint64_t ms)
{
	char texts[4][24];
	char cpu[24] = "-";
	char pids[24] = "-";
	uint64_t rate;

	rate = old ? since(row->cpu_us, old->cpu_us, ms) : UNKNOWN;
	/* Microseconds in a second; a tenth of a percent is 1000 of them. */
	if (rate != UNKNOWN)
		snprintf(cpu, sizeof(cpu), "%" PRIu64 ".%" PRIu64, rate / 10000,
			 rate / 1000 % 10);
	if (row->pids != UNKNOWN)
		snprintf(pids, sizeof(pids), "%" PRIu64, row->pids);
	size_text(row->memory, texts[0], sizeof(texts[0]));
	size_text(row->memory_max, texts[1], sizeof(texts[1]));
	size_text(old ? since(row->read_bytes, old->read_bytes, ms) : UNKNOWN,
		  texts[2], sizeof(texts[2]));
	size_text(old ? since(row->written_bytes, old->written_bytes, ms) :
			UNKNOWN,
		  texts[3], sizeof(texts[3]));
	printf("%-20.20s %6s %9s %9s %9s %9s %6s %6s %6s %6s\n", row->name, cpu,
	       texts[0], texts[1], texts[2], texts[3], pids, row->pressure[0],
	       row->pressure[1], row->pressure[2]);
}

static void print_look(const struct look *look, const struct look *before,
		       bool clear)
{
	if (clear)
		printf("\033[H\033[J");
	printf("%-20s %6s %9s %9s %9s %9s %6s %6s %6s %6s\n", "NAME", "CPU%",
	       "MEMORY", "LIMIT", "READ/S", "WRITE/S", "PIDS", "P-CPU", "P-MEM",
	       "P-IO");
	for (size_t i = 0; i < look->count; i++)
		print_row(&look->rows[i], find_row(before, look->rows[i].name),
			  (uint64_t)(look->when_ms - before->when_ms));
}

/* Returns false when a signal says that it is enough. */
static bool wait_interval(int signals, unsigned int seconds)
{
	struct pollfd wait = { .fd = signals, .events = POLLIN };

	return poll(&wait, 1, (int)seconds * 1000) == 0;
}

static int top(struct context *context, unsigned int interval_s,
	       unsigned int times, struct err *err)
{
	autofree struct look *looks = calloc(2, sizeof(*looks));
	bool clear = isatty(STDOUT_FILENO);
	autoclose int signals = -1;
	sigset_t set;
	int rc;

	if (!looks)
		return err_sys(err, ENOMEM, "no memory");
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	looks[0].context = context;
	looks[1].context = context;
	rc = take_look(&looks[0], err);
	for (unsigned int i = 1; !rc; i++) {
		if (!wait_interval(signals, interval_s))
			break;
		rc = take_look(&looks[i % 2], err);
		if (rc)
			break;
		print_look(&looks[i % 2], &looks[(i + 1) % 2], clear);
		if (fflush(stdout))
			return err_sys(err, errno, "cannot write");
		if (i == times)
			break;
	}
	return rc;
}

int verb_top(struct context *context, struct args *args, struct err *err)
{
	unsigned int interval = 1;
	unsigned int times = 0;
	const struct arg_option table[] = {
		{ "interval", 'd', ARG_COUNT, &interval,
		  "seconds between two looks; 1 unless told" },
		{ "times", 'n', ARG_COUNT, &times,
		  "how many tables; 0: until it is interrupted" },
		ARGS_END,
	};
	int rc = verb_options("top", args, table, true, err);

	if (!rc)
		rc = args_end(args, err);
	if (!rc && (!interval || interval > 3600))
		rc = err_set(err, EINVAL, "--interval takes 1 to 3600 seconds");
	if (!rc)
		rc = context_open_root(context, err);
	return rc ? rc : top(context, interval, times, err);
}
