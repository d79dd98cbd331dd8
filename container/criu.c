#include "container/criu.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sandbox/sys.h"

#define PROGRAM "criu"
#define USUAL_PATH \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define NOT_RUN	 127
#define FIRST_FD 3
#define HIGH_FD	 64

/* ---- the program ---- */

static const char *search_path(void)
{
	/* One thread, and nobody sets variables. */
	/* NOLINTNEXTLINE(concurrency-mt-unsafe) */
	const char *path = getenv("PATH");

	return path && *path ? path : USUAL_PATH;
}

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

int criu_find(char ret_path[PATH_MAX], struct err *err)
{
	const char *at = search_path();

	while (*at) {
		size_t len = strcspn(at, ":");
		char path[PATH_MAX];
		int n = snprintf(path, sizeof(path), "%.*s/" PROGRAM, (int)len,
				 at);

		if (len && n > 0 && (size_t)n < sizeof(path) &&
		    is_program(path)) {
			memcpy(ret_path, path, (size_t)n + 1);
			return 0;
		}
		at += len;
		at += *at == ':';
	}
	return err_set(
		err, ENOENT,
		"checkpoint and restore need the program criu, which is not in PATH: install the package criu");
}

/* ---- the command ---- */

void criu_add(struct criu *criu, const char *fmt, ...)
{
	va_list args;
	char *word;
	int n;

	if (criu->count + 1 >= criu->room) {
		size_t room = criu->room ? 2 * criu->room : 32;
		char **more = realloc(criu->words, room * sizeof(*more));

		if (!more) {
			criu->error = -ENOMEM;
			return;
		}
		criu->words = more;
		criu->room = room;
	}
	va_start(args, fmt);
	n = vasprintf(&word, fmt, args);
	va_end(args);
	if (n < 0) {
		criu->error = -ENOMEM;
		return;
	}
	criu->words[criu->count++] = word;
	criu->words[criu->count] = NULL;
}

int criu_pass(struct criu *criu, int fd)
{
	if (criu->fd_count == CRIU_FDS_MAX) {
		criu->error = -E2BIG;
		return -1;
	}
	criu->fds[criu->fd_count] = fd;
	return FIRST_FD + (int)criu->fd_count++;
}

void criu_release(struct criu *criu)
{
	for (size_t i = 0; i < criu->count; i++)
		free(criu->words[i]);
	free(move_ptr(&criu->words));
	criu->count = 0;
}

/* criu works in a folder of its own, so the paths it gets are absolute. */
static int find_folder(const char *option, const char *path, bool make,
		       char ret_path[PATH_MAX], struct err *err)
{
	autofree char *real = NULL;
	struct stat st;
	int n;

	if (make && mkdir(path, 0700) && errno != EEXIST)
		return err_sys(err, errno, "%s: cannot make the folder %s",
			       option, path);
	real = realpath(path, NULL);
	if (!real || stat(real, &st))
		return err_sys(err, errno, "%s: cannot open the folder %s",
			       option, path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "%s: %s is not a folder", option,
			       path);
	n = snprintf(ret_path, PATH_MAX, "%s", real);
	return n < PATH_MAX ? 0 : err_set(err, ENAMETOOLONG, "%s", option);
}

static void add_options(struct criu *criu, const struct criu_options *options)
{
	const struct {
		bool on;
		const char *word;
	} flags[] = {
		{ options->tcp_established, "--tcp-established" },
		{ options->ext_unix_sk, "--ext-unix-sk" },
		{ options->shell_job, "--shell-job" },
		{ options->file_locks, "--file-locks" },
		{ options->auto_dedup, "--auto-dedup" },
		{ options->empty_ns, "--empty-ns=net" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i].on)
			criu_add(criu, "%s", flags[i].word);
	}
}

/* The words of runc, which are criu's, too. */
static int check_options(const struct criu_options *options, struct err *err)
{
	static const char *const modes[] = { "soft", "full", "strict",
					     "ignore" };
	const char *mode = options->cgroups_mode;
	bool is_known = !mode;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		is_known |= mode && !strcmp(mode, modes[i]);
	if (!is_known)
		return err_set(
			err, EINVAL,
			"--manage-cgroups-mode takes soft, full, strict or ignore, not \"%s\"",
			mode);
	if (options->empty_ns && strcmp(options->empty_ns, "network") != 0)
		return err_set(err, EINVAL,
			       "--empty-ns takes network, not \"%s\"",
			       options->empty_ns);
	return 0;
}

int criu_begin(struct criu *criu, const char *command, const char *log,
	       const struct criu_options *options, bool make, struct err *err)
{
	const char *images = options->image_path;
	const char *work = options->work_path;
	int rc;

	*criu = (struct criu){ .log = log, .cgroup = -1 };
	if (!images)
		images = "checkpoint";
	rc = check_options(options, err);
	if (!rc)
		rc = criu_find(criu->program, err);
	if (!rc)
		rc = find_folder("--image-path", images, make, criu->images,
				 err);
	if (!rc)
		rc = find_folder("--work-path", work ? work : images,
				 make || work, criu->work, err);
	if (rc)
		return rc;
	criu_add(criu, PROGRAM);
	criu_add(criu, "%s", command);
	criu_add(criu, "--images-dir=%s", criu->images);
	criu_add(criu, "--work-dir=%s", criu->work);
	criu_add(criu, "--log-file=%s", log);
	criu_add(criu, "-v4");
	/* With iptables, its default, it would need one more program. */
	criu_add(criu, "--network-lock=nftables");
	criu_add(criu, "--manage-cgroups=%s",
		 options->cgroups_mode ? options->cgroups_mode : "soft");
	add_options(criu, options);
	return 0;
}

/* ---- running it ---- */

/* First beyond all numbers that are given: what is passed may be ours of 0 to
 * 2. */
static int set_fds(const struct criu *criu, int output)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fds[CRIU_FDS_MAX];

	for (size_t i = 0; i < criu->fd_count; i++) {
		fds[i] = fcntl(criu->fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
		if (fds[i] < 0)
			return -errno;
	}
	if (dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    dup2(output, STDERR_FILENO) < 0)
		return -errno;
	for (size_t i = 0; i < criu->fd_count; i++) {
		if (dup2(fds[i], FIRST_FD + (int)i) < 0)
			return -errno;
	}
	return close_range(FIRST_FD + (unsigned int)criu->fd_count, ~0U, 0) ?
		       -errno :
		       0;
}

static _Noreturn void become_criu(const struct criu *criu, int output)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	int high = fcntl(output, F_DUPFD_CLOEXEC, HIGH_FD);
	char variable[PATH_MAX];
	char *const env[] = { variable, NULL };
	struct err err = { .code = 0 };
	sigset_t none;

	snprintf(variable, sizeof(variable), "PATH=%s", search_path());
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	sigaction(SIGPIPE, &standard, NULL);
	/* What a terminal sends to us shall not cut it off in the middle. */
	if (criu->apart)
		(void)setsid();
	if (criu->enter && criu->enter(criu->opaque, &err)) {
		(void)!write(high, err.msg, strlen(err.msg));
		_exit(NOT_RUN);
	}
	if (!set_fds(criu, high))
		execve(criu->program, criu->words, env);
	_exit(NOT_RUN);
}

/* ---- what it says ---- */

/* Without the time and the place in its source: "(00.01) Error (criu/x.c:1): "
 */
static void take_complaint(const char *line, char *text, size_t size)
{
	const char *at = strstr(line, "Error (");

	if (*text || !at)
		return;
	line = strstr(at, "): ");
	snprintf(text, size, "%s", line ? line + 3 : at);
	text[strcspn(text, "\n")] = '\0';
}

/* The first of them is what the others follow from. */
static void read_log(const struct criu *criu, char *text, size_t size)
{
	char path[PATH_MAX];
	autofree char *line = NULL;
	size_t room = 0;
	FILE *file;
	int n = snprintf(path, sizeof(path), "%s/%s", criu->work, criu->log);

	*text = '\0';
	file = n > 0 && (size_t)n < sizeof(path) ? fopen(path, "re") : NULL;
	if (!file)
		return;
	while (!*text && getline(&line, &room, file) > 0)
		take_complaint(line, text, size);
	fclose(file);
}

/* What it printed: nothing, unless it did not come to its log. */
static void read_words(int pipe, char *text, size_t size)
{
	ssize_t n = -1;

	if (!fcntl(pipe, F_SETFL, O_NONBLOCK))
		n = read(pipe, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static int tell(const struct criu *criu, int status, int output,
		struct err *err)
{
	char words[256];
	char complaint[256];

	read_words(output, words, sizeof(words));
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_RUN)
		return err_set(err, EIO, "%s",
			       *words ? words : "cannot run criu");
	read_log(criu, complaint, sizeof(complaint));
	if (WIFSIGNALED(status))
		return err_set(err, EIO,
			       "criu was ended by signal %d; its log is %s/%s",
			       WTERMSIG(status), criu->work, criu->log);
	if (!*complaint)
		return err_set(err, EIO, "criu: %s; its log is %s/%s",
			       *words ? words : "it did not say why",
			       criu->work, criu->log);
	return err_set(err, EIO, "criu: %s; its log is %s/%s", complaint,
		       criu->work, criu->log);
}

int criu_run(struct criu *criu, struct err *err)
{
	int ends[2];
	int pidfd = -1;
	int status = 0;
	pid_t pid;
	int rc = 0;

	if (criu->error)
		return err_sys(err, -criu->error, "the command line of criu");
	if (pipe2(ends, O_CLOEXEC))
		return err_sys(err, errno, "no pipe");
	pid = sys_clone(criu->namespaces, criu->cgroup, &pidfd);
	if (pid == 0)
		become_criu(criu, ends[1]);
	close(ends[1]);
	if (pid > 0) {
		close(pidfd);
		status = sys_wait(pid);
		if (status)
			rc = tell(criu, status, ends[0], err);
	} else {
		rc = err_sys(err, (int)-pid, "no process for criu");
	}
	close(ends[0]);
	return rc;
}

/* ---- what it cannot do ---- */

bool criu_is_our_network(const struct config *config,
			 const struct net_plan *net)
{
	const struct config_namespace *ns =
		config_namespace(config, CLONE_NEWNET);

	return ns && !ns->path &&
	       (config->net_device_count || net_plan_makes(net));
}

/* What is external to criu is not in the checkpoint. */
static int check_network(const struct config *config,
			 const struct net_plan *net, const char *id,
			 struct err *err)
{
	bool wanted = config->net_device_count || net_plan_makes(net);

	if (wanted && !criu_is_our_network(config, net))
		return err_set(
			err, EOPNOTSUPP,
			"container %s: checkpoints have no network of hull-ct.net or linux.netDevices in a namespace by path",
			id);
	for (size_t i = 0; wanted && i < config->sysctl_count; i++) {
		if (!strncmp(config->sysctls[i].name, "net", 3))
			return err_set(
				err, EOPNOTSUPP,
				"container %s: checkpoints of a container with hull-ct.net or linux.netDevices have no linux.sysctl.%s",
				id, config->sysctls[i].name);
	}
	return 0;
}

/* criu binds the source again, as it is. */
static int check_mounts(const struct config *config, const char *id,
			struct err *err)
{
	for (size_t i = 0; i < config->mount_count; i++) {
		const struct mount_plan *plan = &config->mounts[i].plan;

		if (plan->idmap)
			return err_set(
				err, EOPNOTSUPP,
				"container %s: mount %s: criu maps no IDs of mounts",
				id, plan->target);
	}
	return 0;
}

int criu_check_config(const struct config *config, const struct net_plan *net,
		      const char *id, struct err *err)
{
	const uint64_t unknown = CLONE_NEWNS | CLONE_NEWCGROUP;
	int rc = check_mounts(config, id, err);

	if (rc)
		return rc;
	/* Its master comes over criu's protocol alone. */
	if (config->process.terminal)
		return err_set(
			err, EOPNOTSUPP,
			"container %s has a terminal: only containers without one have checkpoints",
			id);
	/* Who is root there only may not read the checkpoint. */
	if (config_namespace(config, CLONE_NEWUSER))
		return err_set(
			err, EOPNOTSUPP,
			"container %s has a user namespace: only containers without one have checkpoints",
			id);
	if (config->has_notify)
		return err_set(
			err, EOPNOTSUPP,
			"container %s: criu has no filters with SCMP_ACT_NOTIFY",
			id);
	for (size_t i = 0; i < config->namespace_count; i++) {
		const struct config_namespace *ns = &config->namespaces[i];

		if (ns->path && ns->flag & unknown)
			return err_set(
				err, EOPNOTSUPP,
				"container %s: criu cannot join the %s namespace %s",
				id, ns->type, ns->path);
	}
	return check_network(config, net, id, err);
}

bool criu_is_cgroup_bind(const struct config *config,
			 const struct config_mount *mount)
{
	return mount_is_cgroup(&mount->plan) &&
	       !config_namespace(config, CLONE_NEWCGROUP);
}
