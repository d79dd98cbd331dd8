#include "sandbox/scope.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "core/parse.h"
#include "sandbox/dbus.h"
#include "sandbox/procfs.h"
#include "sandbox/sys.h"

#define SERVICE	       "org.freedesktop.systemd1"
#define SYSTEM_MANAGER "/run/systemd/private"

/* ---- the manager ---- */

/*
 * The socket that systemctl(1) uses as well: systemd is there itself, without
 * a bus. What a user namespace shows as another's is no use to us.
 */
static bool is_ours(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISSOCK(st.st_mode) &&
	       st.st_uid == geteuid();
}

static int open_manager(bool *ret_is_user, struct err *err)
{
	/* One thread, and nobody sets variables. */
	/* NOLINTNEXTLINE(concurrency-mt-unsafe) */
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char path[108];
	int n;

	*ret_is_user = !is_ours(SYSTEM_MANAGER);
	if (!*ret_is_user)
		return dbus_connect(SYSTEM_MANAGER, err);
	n = snprintf(path, sizeof(path), "%s/systemd/private",
		     runtime ? runtime : "");
	if (n > 0 && (size_t)n < sizeof(path) && is_ours(path))
		return dbus_connect(path, err);
	return err_set(
		err, ENOENT,
		"no systemd is there for us, by " SYSTEM_MANAGER
		" or XDG_RUNTIME_DIR: have the engine manage cgroups by cgroupfs");
}

static int call_manager(int manager, const char *method, const char *signature,
			const struct dbus_body *body, struct err *err)
{
	const struct dbus_call call = {
		.destination = SERVICE,
		.object = "/org/freedesktop/systemd1",
		.interface = SERVICE ".Manager",
		.method = method,
		.signature = signature,
	};

	return dbus_call(manager, &call, body, err);
}

/* ---- limits as properties ---- */

static void begin_property(struct dbus_body *body, const char *name,
			   const char *type)
{
	dbus_begin_struct(body);
	dbus_put_string(body, name);
	dbus_put_signature(body, type);
}

static void put_number(struct dbus_body *body, const char *name, uint64_t value)
{
	begin_property(body, name, "t");
	dbus_put_u64(body, value);
}

static void put_text(struct dbus_body *body, const char *name,
		     const char *value)
{
	begin_property(body, name, "s");
	dbus_put_string(body, value);
}

static void put_yes(struct dbus_body *body, const char *name)
{
	begin_property(body, name, "b");
	dbus_put_u32(body, 1);
}

/* "max" is what systemd calls infinity, the largest number. */
static bool read_limit(const char *text, uint64_t *ret_value)
{
	*ret_value = UINT64_MAX;
	return !strcmp(text, "max") || !parse_u64(text, ret_value);
}

/* "QUOTA PERIOD" of cpu.max, in microseconds; systemd takes the quota of one
 * second. */
static void put_quota(struct dbus_body *body, const char *value)
{
	const char *space = strchr(value, ' ');
	char text[24];
	uint64_t quota, period;

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(value, " "), value);
	if (!read_limit(text, &quota) || !space ||
	    parse_u64(space + 1, &period) || !period)
		return;
	if (quota != UINT64_MAX)
		quota = quota > UINT64_MAX / 1000000 ? UINT64_MAX :
						       quota * 1000000 / period;
	put_number(body, "CPUQuotaPerSecUSec", quota);
	put_number(body, "CPUQuotaPeriodUSec", period);
}

#define CPUS_MAX 8192

/* "0-3,5" as bits, the lowest first. */
static void put_bits(struct dbus_body *body, const char *name, const char *list)
{
	uint8_t bits[CPUS_MAX / 8] = { 0 };
	size_t len = 0;

	while (*list) {
		size_t size = strcspn(list, ",");
		char text[32];
		char *dash;
		uint64_t first, last;

		snprintf(text, sizeof(text), "%.*s", (int)size, list);
		dash = strchr(text, '-');
		if (dash)
			*dash++ = '\0';
		if (parse_u64(text, &first) ||
		    parse_u64(dash ? dash : text, &last) || last >= CPUS_MAX)
			return;
		for (uint64_t i = first; i <= last; i++)
			bits[i / 8] |= (uint8_t)(1U << i % 8);
		if (last / 8 + 1 > len)
			len = last / 8 + 1;
		list += size;
		list += *list == ',';
	}
	begin_property(body, name, "ay");
	dbus_put_bytes(body, bits, len);
}

/* "MAJOR:MINOR KIND=RATE" of io.max. */
static void put_throttle(struct dbus_body *body, const char *value)
{
	static const struct {
		const char *word;
		const char *name;
	} kinds[] = {
		{ "rbps=", "IOReadBandwidthMax" },
		{ "wbps=", "IOWriteBandwidthMax" },
		{ "riops=", "IOReadIOPSMax" },
		{ "wiops=", "IOWriteIOPSMax" },
	};
	const char *word = strchr(value, ' ');
	struct dbus_array array;
	char path[64];
	uint64_t rate;

	for (size_t i = 0; word && i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(kinds[i].word);

		if (strncmp(word + 1, kinds[i].word, len) != 0 ||
		    !read_limit(word + 1 + len, &rate))
			continue;
		snprintf(path, sizeof(path), "/dev/block/%.*s",
			 (int)(word - value), value);
		begin_property(body, kinds[i].name, "a(st)");
		array = dbus_begin_array(body, 8);
		dbus_begin_struct(body);
		dbus_put_string(body, path);
		dbus_put_u64(body, rate);
		dbus_end_array(body, array);
		return;
	}
}

/* Of what has no property, systemd leaves the group's files alone. */
static void put_setting(struct dbus_body *body,
			const struct cgroup_setting *setting)
{
	static const struct {
		const char *file;
		const char *name;
	} numbers[] = {
		{ "cpu.weight", "CPUWeight" },
		{ "memory.high", "MemoryHigh" },
		{ "memory.low", "MemoryLow" },
		{ "memory.max", "MemoryMax" },
		{ "memory.min", "MemoryMin" },
		{ "memory.swap.max", "MemorySwapMax" },
		{ "pids.max", "TasksMax" },
	};
	const char *value = setting->value;
	uint64_t number;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (!strcmp(setting->file, numbers[i].file) &&
		    read_limit(value, &number))
			put_number(body, numbers[i].name, number);
	}
	if (!strcmp(setting->file, "cpu.max"))
		put_quota(body, value);
	else if (!strcmp(setting->file, "cpuset.cpus"))
		put_bits(body, "AllowedCPUs", value);
	else if (!strcmp(setting->file, "cpuset.mems"))
		put_bits(body, "AllowedMemoryNodes", value);
	else if (!strcmp(setting->file, "io.max"))
		put_throttle(body, value);
	else if (!strcmp(setting->file, "io.weight") &&
		 !strncmp(value, "default ", 8) &&
		 !parse_u64(value + 8, &number))
		put_number(body, "IOWeight", number);
}

/* ---- a scope's life ---- */

int scope_holder(pid_t *ret_pid, struct err *err)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(err, errno, "no process for the scope");
	if (pid) {
		*ret_pid = pid;
		return 0;
	}
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

void scope_release_holder(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	(void)sys_wait(*pid);
	*pid = 0;
}

static void put_pid(struct dbus_body *body, pid_t pid)
{
	struct dbus_array pids;

	begin_property(body, "PIDs", "au");
	pids = dbus_begin_array(body, 4);
	dbus_put_u32(body, (uint32_t)pid);
	dbus_end_array(body, pids);
}

/* org.freedesktop.systemd1(5), StartTransientUnit(). */
static int start_unit(int manager, const struct scope *scope, bool is_user,
		      pid_t holder, struct err *err)
{
	struct dbus_body body = { .len = 0 };
	struct dbus_array array;
	const char *slice = scope->slice;

	if (!*slice)
		slice = is_user ? "user.slice" : "system.slice";
	dbus_put_string(&body, scope->unit);
	dbus_put_string(&body, "fail"); /* rather than replace a job */
	array = dbus_begin_array(&body, 8);
	put_text(&body, "Description", scope->description);
	put_text(&body, "Slice", slice);
	/* What has ended is forgotten, how ever it ended. */
	put_text(&body, "CollectMode", "inactive-or-failed");
	put_yes(&body, "Delegate");
	/* It ends with its engine, not in the midst of a shutdown. */
	begin_property(&body, "DefaultDependencies", "b");
	dbus_put_u32(&body, 0);
	put_pid(&body, holder);
	for (size_t i = 0; i < scope->count; i++)
		put_setting(&body, &scope->settings[i]);
	dbus_end_array(&body, array);
	dbus_end_array(&body, dbus_begin_array(&body, 8)); /* no other units */
	return call_manager(manager, "StartTransientUnit", "ssa(sv)a(sa(sv))",
			    &body, err);
}

#define WAIT_STEPS   1000
#define WAIT_STEP_US 2000

/* The group that @pid is in, once that is the unit's; cgroups(7),
 * "/proc/pid/cgroup". */
static bool find_group(const char *unit, int proc, pid_t pid, char **ret_path)
{
	char file[32];
	char text[4096];
	char *line, *end, *name;

	snprintf(file, sizeof(file), "%d/cgroup", (int)pid);
	if (procfs_read(proc, file, text, sizeof(text)) < 0)
		return false;
	line = strstr(text, "0::/");
	if (!line || (line > text && line[-1] != '\n'))
		return false;
	line += 3;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	name = strrchr(line, '/');
	if (!name || strcmp(name + 1, unit) != 0)
		return false;
	*ret_path = strdup(line);
	return *ret_path;
}

int scope_start(const struct scope *scope, int proc, pid_t holder,
		char **ret_path, struct err *err)
{
	bool is_user = false;
	autoclose int manager = open_manager(&is_user, err);
	int rc;

	if (manager < 0)
		return manager;
	rc = start_unit(manager, scope, is_user, holder, err);
	if (rc)
		return rc;
	/* The answer is that it is going to be done. */
	for (int i = 0; i < WAIT_STEPS; i++) {
		if (find_group(scope->unit, proc, holder, ret_path))
			return 0;
		usleep(WAIT_STEP_US);
	}
	return err_set(err, ETIMEDOUT, "systemd does not start %s",
		       scope->unit);
}

int scope_change(const char *unit, const struct cgroup_setting *settings,
		 size_t count, struct err *err)
{
	struct dbus_body body = { .len = 0 };
	struct dbus_array array;
	bool is_user;
	autoclose int manager = open_manager(&is_user, err);

	if (manager < 0)
		return manager;
	dbus_put_string(&body, unit);
	dbus_put_u32(&body, 1); /* until the next boot */
	array = dbus_begin_array(&body, 8);
	for (size_t i = 0; i < count; i++)
		put_setting(&body, &settings[i]);
	dbus_end_array(&body, array);
	return call_manager(manager, "SetUnitProperties", "sba(sv)", &body,
			    err);
}

int scope_stop(const char *unit, struct err *err)
{
	struct dbus_body stop = { .len = 0 };
	struct dbus_body get = { .len = 0 };
	bool is_user;
	autoclose int manager = open_manager(&is_user, err);
	int rc;

	if (manager < 0)
		return manager;
	dbus_put_string(&stop, unit);
	dbus_put_string(&stop, "replace");
	dbus_put_string(&get, unit);
	rc = call_manager(manager, "StopUnit", "ss", &stop, err);
	for (int i = 0; !rc && i < WAIT_STEPS; i++) {
		rc = call_manager(manager, "GetUnit", "s", &get, err);
		if (!rc)
			usleep(WAIT_STEP_US);
	}
	if (rc == -ENOENT)
		return 0;
	return rc ? rc :
		    err_set(err, ETIMEDOUT, "systemd does not end %s", unit);
}

/* ---- names ---- */

/* systemd.unit(5): what the name of a unit may be made of. */
static bool is_name(const char *text)
{
	return *text && strspn(text, "abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789:-_.\\@") == strlen(text);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text);
	size_t end_len = strlen(end);

	return len >= end_len && !strcmp(text + len - end_len, end);
}

int scope_name(const char *path, const char *id, char *unit, char *slice,
	       struct err *err)
{
	const char *first = path ? strchr(path, ':') : NULL;
	const char *second = first ? strchr(first + 1, ':') : NULL;
	const char *prefix = "hull-ct";
	const char *name = id;
	size_t prefix_len = strlen(prefix);
	int n = 0;

	slice[0] = '\0';
	if (path && !second)
		return err_set(
			err, EINVAL,
			"\"%s\" is not SLICE:PREFIX:NAME, as systemd takes it",
			path);
	if (path) {
		n = snprintf(slice, SCOPE_NAME_MAX + 1, "%.*s",
			     (int)(first - path), path);
		prefix = first + 1;
		prefix_len = (size_t)(second - prefix);
		name = second + 1;
	}
	if (n > SCOPE_NAME_MAX ||
	    (*slice && (!is_name(slice) || !ends_with(slice, ".slice"))))
		return err_set(err, EINVAL, "\"%s\" is no slice of systemd",
			       slice);
	n = snprintf(unit, SCOPE_NAME_MAX + 1, "%.*s%s%s.scope",
		     (int)prefix_len, prefix, prefix_len ? "-" : "", name);
	if (!*name || n < 0 || n > SCOPE_NAME_MAX || !is_name(unit))
		return err_set(
			err, EINVAL,
			"\"%s\" cannot be the name of a scope of systemd",
			unit);
	return 0;
}
