#include "container/criu.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/fdpass.h"
#include "sandbox/sys.h"

#define PROGRAM "criu"
#define USUAL_PATH \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define NOT_RUN	 127
#define SERVICE	 3 /* its end of the socket */
#define IMAGES	 4 /* its folders */
#define WORK	 5
#define FIRST_FD 6 /* behind them: what it is given */
#define HIGH_FD	 64

#define REQ_TYPE	   1 /* of criu_req */
#define REQ_OPTS	   2
#define REQ_NOTIFY_SUCCESS 3
#define DEBUG_LEVEL	   4
#define LOCK_NFTABLES	   2 /* iptables would be one more program */

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

/* ---- the request ---- */

void criu_number(struct criu *criu, enum criu_field field, uint64_t value)
{
	criu_put_number(&criu->options, field, value);
}

void criu_text(struct criu *criu, enum criu_field field, const char *fmt, ...)
{
	autofree char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		criu->error = -ENOMEM;
		return;
	}
	criu_put_text(&criu->options, field, text);
}

void criu_texts(struct criu *criu, enum criu_field field, const char *first,
		const char *second)
{
	struct criu_message inner = { .error = 0 };

	if (first)
		criu_put_text(&inner, 1, first);
	if (second)
		criu_put_text(&inner, 2, second);
	criu_put_message(&criu->options, field, &inner);
	criu_message_release(&inner);
}

void criu_inherit(struct criu *criu, const char *key, int fd)
{
	struct criu_message inner = { .error = 0 };

	if (criu->fd_count == CRIU_FDS_MAX) {
		criu->error = -E2BIG;
		return;
	}
	criu_put_text(&inner, 1, key);
	criu_put_number(&inner, 2, FIRST_FD + criu->fd_count);
	criu_put_message(&criu->options, CRIU_INHERIT_FD, &inner);
	criu_message_release(&inner);
	criu->fds[criu->fd_count++] = fd;
}

void criu_release(struct criu *criu)
{
	criu_message_release(&criu->options);
}

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

int criu_options_of_home(struct criu_options *options, const struct home *home,
			 char **ret_path, struct err *err)
{
	if (options->image_path)
		return 0;
	if (asprintf(ret_path, "%s/" HOME_CHECKPOINT, home->path) < 0) {
		*ret_path = NULL;
		return err_sys(err, ENOMEM, "no memory");
	}
	options->image_path = *ret_path;
	if (!options->work_path)
		options->work_path = home->path;
	return 0;
}

static void add_options(struct criu *criu, const struct criu_options *options)
{
	const struct {
		bool on;
		enum criu_field field;
		uint64_t value;
	} fields[] = {
		{ options->tcp_established, CRIU_TCP_ESTABLISHED, 1 },
		{ options->ext_unix_sk, CRIU_EXT_UNIX_SK, 1 },
		{ options->shell_job, CRIU_SHELL_JOB, 1 },
		{ options->file_locks, CRIU_FILE_LOCKS, 1 },
		{ options->auto_dedup, CRIU_AUTO_DEDUP, 1 },
		{ options->empty_ns, CRIU_EMPTY_NS, CLONE_NEWNET },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].on)
			criu_number(criu, fields[i].field, fields[i].value);
	}
}

/* The words of runc; criu_cg_mode of rpc.proto. */
static int find_mode(const char *mode, uint64_t *ret_value, struct err *err)
{
	static const struct {
		const char *word;
		uint64_t value;
	} modes[] = {
		{ "ignore", 0 }, { "soft", 3 }, { "full", 4 }, { "strict", 5 }
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!strcmp(mode, modes[i].word)) {
			*ret_value = modes[i].value;
			return 0;
		}
	}
	return err_set(
		err, EINVAL,
		"--manage-cgroups-mode takes soft, full, strict or ignore, not \"%s\"",
		mode);
}

int criu_begin(struct criu *criu, enum criu_request request, const char *log,
	       const struct criu_options *options, bool make, struct err *err)
{
	const char *images = options->image_path;
	const char *work = options->work_path;
	const char *mode = options->cgroups_mode;
	uint64_t mode_value = 0;
	int rc;

	*criu = (struct criu){ .request = request, .log = log, .cgroup = -1 };
	if (!images)
		images = "checkpoint";
	rc = find_mode(mode ? mode : "soft", &mode_value, err);
	if (!rc && options->empty_ns &&
	    strcmp(options->empty_ns, "network") != 0)
		rc = err_set(err, EINVAL,
			     "--empty-ns takes network, not \"%s\"",
			     options->empty_ns);
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
	criu_number(criu, CRIU_IMAGES_DIR_FD, IMAGES);
	criu_number(criu, CRIU_WORK_DIR_FD, WORK);
	criu_text(criu, CRIU_LOG_FILE, "%s", log);
	criu_number(criu, CRIU_LOG_LEVEL, DEBUG_LEVEL);
	criu_number(criu, CRIU_NETWORK_LOCK, LOCK_NFTABLES);
	criu_number(criu, CRIU_MANAGE_CGROUPS_MODE, mode_value);
	add_options(criu, options);
	return 0;
}

/* ---- running it ---- */

static int open_high(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
}

/* First beyond all numbers that are given: what is passed may be ours of 0 to
 * 2. The folders are opened here, since criu mounts in them, which it may not
 * do by way of another mount namespace. */
static int set_fds(const struct criu *criu, int socket, int output)
{
	const struct {
		int fd;
		int number;
	} own[] = {
		{ open_high("/dev/null"), STDIN_FILENO },
		{ output, STDOUT_FILENO },
		{ output, STDERR_FILENO },
		{ fcntl(socket, F_DUPFD_CLOEXEC, HIGH_FD), SERVICE },
		{ open_high(criu->images), IMAGES },
		{ open_high(criu->work), WORK },
	};
	int fds[CRIU_FDS_MAX];

	for (size_t i = 0; i < criu->fd_count; i++) {
		fds[i] = fcntl(criu->fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
		if (fds[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (dup2(own[i].fd, own[i].number) < 0)
			return -errno;
	}
	for (size_t i = 0; i < criu->fd_count; i++) {
		if (dup2(fds[i], FIRST_FD + (int)i) < 0)
			return -errno;
	}
	return close_range(FIRST_FD + (unsigned int)criu->fd_count, ~0U, 0) ?
		       -errno :
		       0;
}

/* criu looks for what it is told of by number at whoever made its socket, and
 * that shall be itself. The other end goes to us. */
static int make_socket(int to_us)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) ||
	    fdpass_send(to_us, pair[0], "", 1))
		return -1;
	close(pair[0]);
	return pair[1];
}

static _Noreturn void become_criu(const struct criu *criu, int to_us,
				  int output)
{
	static const char *const words[] = { PROGRAM, "swrk", "3", NULL };
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
	/* For whoever may enter the folder, see restore.c. */
	umask(022);
	/* What a terminal sends to us shall not cut it off in the middle. */
	if (criu->apart)
		(void)setsid();
	if (criu->enter && criu->enter(criu->opaque, &err)) {
		(void)!write(high, err.msg, strlen(err.msg));
		_exit(NOT_RUN);
	}
	if (!set_fds(criu, make_socket(to_us), high))
		/* It writes to no string, whatever its prototype says. */
		execve(criu->program, (char *const *)words, env);
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

/* ---- the conversation ---- */

static int send_message(int socket, const struct criu_message *message)
{
	ssize_t n;

	if (message->error)
		return message->error;
	n = send(socket, message->bytes, message->len, MSG_NOSIGNAL);
	return n < 0 ? -errno : 0;
}

static int send_request(const struct criu *criu, int socket)
{
	struct criu_message request = { .error = criu->error };
	int rc;

	criu_put_number(&request, REQ_TYPE, criu->request);
	criu_put_message(&request, REQ_OPTS, &criu->options);
	rc = send_message(socket, &request);
	criu_message_release(&request);
	return rc;
}

/* Something has happened, and criu waits. What went wrong here is told, and not
 * that it gave up then. */
static int heed(const struct criu *criu, const struct criu_answer *answer,
		int socket, int fd, struct err *err)
{
	struct criu_message reply = { .error = 0 };
	int rc = 0;

	if (criu->terminal && fd >= 0 &&
	    !strcmp(answer->script, "orphan-pts-master"))
		rc = criu->terminal(criu->opaque, fd, err);
	criu_put_number(&reply, REQ_TYPE, CRIU_NOTIFY);
	criu_put_number(&reply, REQ_NOTIFY_SUCCESS, !rc);
	/* When it does not go, there will be no answer, either. */
	(void)send_message(socket, &reply);
	criu_message_release(&reply);
	return rc;
}

/* 1 when it has done what it was asked for, 0 when not. */
static int converse(struct criu *criu, int from_it, struct err *err)
{
	struct criu_answer answer;
	uint8_t bytes[4096];
	autoclose int socket = -1;
	ssize_t n = fdpass_read(from_it, bytes, sizeof(bytes), &socket);
	int rc;

	/* It ended before: that is told by how. */
	if (n <= 0)
		return 0;
	rc = send_request(criu, socket);
	if (rc)
		return rc == -EPIPE || rc == -ECONNRESET ?
			       0 :
			       err_sys(err, -rc, "the request to criu");
	for (;;) {
		autoclose int fd = -1;

		n = fdpass_read(socket, bytes, sizeof(bytes), &fd);
		if (n <= 0)
			return 0;
		if (!criu_read_answer(bytes, (size_t)n, &answer))
			return err_set(err, EPROTO,
				       "criu: an answer that is none");
		if (answer.request != CRIU_NOTIFY)
			break;
		rc = heed(criu, &answer, socket, fd, err);
		if (rc)
			return rc;
	}
	criu->pid = answer.pid;
	return answer.success;
}

struct ends {
	int ours;
	int its;
};

static void close_ends(struct ends *ends)
{
	if (ends->ours >= 0)
		close(move_fd(&ends->ours));
	if (ends->its >= 0)
		close(move_fd(&ends->its));
}

static int run(struct criu *criu, struct ends *socket, struct ends *output,
	       struct err *err)
{
	autoclose int pidfd = -1;
	pid_t pid = sys_clone(criu->namespaces, criu->cgroup, &pidfd);
	int status;
	int rc;

	if (pid == 0)
		become_criu(criu, socket->its, output->its);
	if (pid < 0)
		return err_sys(err, (int)-pid, "no process for criu");
	close(move_fd(&socket->its));
	close(move_fd(&output->its));
	rc = converse(criu, socket->ours, err);
	close(move_fd(&socket->ours));
	status = sys_wait(pid);
	if (rc)
		return rc < 0 ? rc : 0;
	return tell(criu, status, output->ours, err);
}

int criu_run(struct criu *criu, struct err *err)
{
	struct ends socket = { -1, -1 };
	struct ends output = { -1, -1 };
	int pair[2];
	int rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_sys(err, errno, "no socket");
	socket = (struct ends){ pair[0], pair[1] };
	if (pipe2(pair, O_CLOEXEC)) {
		rc = err_sys(err, errno, "no pipe");
	} else {
		output = (struct ends){ pair[0], pair[1] };
		rc = run(criu, &socket, &output, err);
	}
	close_ends(&socket);
	close_ends(&output);
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

int criu_check_config(const struct config *config, const struct net_plan *net,
		      const char *id, struct err *err)
{
	const uint64_t unknown = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUSER;

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
