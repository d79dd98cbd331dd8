/*
 * The network "user": pasta(1) of the package passt stands between the
 * container and the host's sockets, and needs no rights there. It puts itself
 * into the background once the network is there. It knows nothing of the
 * container's end, so we end it: its PID is in a file of the container's
 * folder, whose path is among its arguments, so that nothing else is meant.
 *
 * The namespaces are inherited descriptors: pasta gives up the right to open
 * those of another process before it would. For the same reason it stays the
 * user that it is, but not in the host's user namespace where the container has
 * one of its own, and in neither case with more rights than over networks.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "container/net_setup.h"
#include "core/parse.h"
#include "core/tree.h"
#include "sandbox/procfs.h"
#include "sandbox/sys.h"

#define PROGRAM	   "pasta"
#define PID_FILE   "pasta.pid"
#define LOG_FILE   "pasta.log"
#define NOT_RUN	   127
#define TIMEOUT_MS 20000
#define PASSES	   8

/* The descriptors of pasta's. */
#define FD_NETNS  3
#define FD_USERNS 4

/* Options, two words for a port, and the end. */
#define ARGUMENTS_MAX (32 + 2 * NET_PORTS_MAX)
#define PORT_TEXT     (NET_ADDRESS_TEXT + 16)

struct command {
	const char *words[ARGUMENTS_MAX];
	size_t count;
	char ports[NET_PORTS_MAX][PORT_TEXT];
	char pid_file[PATH_MAX];
	char log_file[PATH_MAX];
};

static void add(struct command *command, const char *word)
{
	command->words[command->count++] = word;
}

/* @name in the container's folder. */
static int file_path(const struct state *state, int proc, const char *name,
		     char path[PATH_MAX])
{
	char folder[PATH_MAX];
	char link[32];
	ssize_t n;
	int len;

	snprintf(link, sizeof(link), "self/fd/%d", state->dir);
	n = readlinkat(proc, link, folder, sizeof(folder) - 1);
	if (n < 0)
		return -errno;
	folder[n] = '\0';
	len = snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static void add_ports(struct command *command, const struct net_plan *plan,
		      uint8_t protocol)
{
	const char *option = protocol == IPPROTO_TCP ? "-t" : "-u";
	bool any = false;

	for (size_t i = 0; i < plan->port_count; i++) {
		const struct net_port *port = &plan->ports[i];
		char text[NET_ADDRESS_TEXT];

		if (port->protocol != protocol)
			continue;
		if (port->host.family)
			snprintf(command->ports[i], PORT_TEXT, "%s/%u:%u",
				 net_address_text(&port->host, text),
				 port->host_port, port->port);
		else
			snprintf(command->ports[i], PORT_TEXT, "%u:%u",
				 port->host_port, port->port);
		add(command, option);
		add(command, command->ports[i]);
		any = true;
	}
	if (!any) {
		add(command, option);
		add(command, "none");
	}
}

/* Without being told, it would forward every port that the container listens
 * on, and let it reach what listens on the host's loopback addresses. */
static int make_command(struct command *command, const struct net_place *place,
			const struct net_plan *plan, bool has_userns,
			struct err *err)
{
	const char *const begin[] = { PROGRAM,	      "--quiet",
				      "--config-net", "--no-map-gw",
				      "-T",	      "none",
				      "-U",	      "none",
				      "-l",	      command->log_file,
				      "-P",	      command->pid_file,
				      "--netns",      "/proc/self/fd/3" };
	int rc = file_path(place->state, place->proc, PID_FILE,
			   command->pid_file);

	if (!rc)
		rc = file_path(place->state, place->proc, LOG_FILE,
			       command->log_file);
	if (rc)
		return err_sys(err, -rc, "the container's folder");
	for (size_t i = 0; i < ARRAY_SIZE(begin); i++)
		add(command, begin[i]);
	add(command, has_userns ? "--userns" : "--netns-only");
	if (has_userns)
		add(command, "/proc/self/fd/4");
	if (!geteuid()) {
		add(command, "--runas");
		add(command, "0:0");
	}
	add_ports(command, plan, IPPROTO_TCP);
	add_ports(command, plan, IPPROTO_UDP);
	add(command, NULL);
	return 0;
}

struct helper {
	struct command command;
	int netns; /* borrowed */
	int userns; /* owned, or -1 */
	int output[2]; /* its standard error */
};

static int make_fds(const struct helper *helper)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* First beyond all numbers that are given. */
	int netns = fcntl(helper->netns, F_DUPFD_CLOEXEC, 64);
	int userns = fcntl(helper->userns < 0 ? null : helper->userns,
			   F_DUPFD_CLOEXEC, 64);

	if (dup2(helper->output[1], STDERR_FILENO) < 0 ||
	    dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(netns, FD_NETNS) < 0 || dup2(userns, FD_USERNS) < 0 ||
	    close_range(FD_USERNS + 1, ~0U, 0))
		return -errno;
	return 0;
}

static void exec_pasta(const struct helper *helper)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin", NULL };
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	sigaction(SIGPIPE, &standard, NULL);
	/* Until it has gone to the background it ends with us. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (!make_fds(helper))
		execvpe(PROGRAM, (char **)helper->command.words, (char **)env);
	_exit(NOT_RUN);
}

/* Its last line, when it fails. */
static void read_words(int pipe, char *text, size_t size)
{
	ssize_t n = -1;
	char *line;

	if (!fcntl(pipe, F_SETFL, O_NONBLOCK))
		n = read(pipe, text, size - 1);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n > 0 ? n : 0] = '\0';
	line = strrchr(text, '\n');
	if (line)
		memmove(text, line + 1, strlen(line));
}

static int wait_ready(pid_t pid, int pidfd, int output, struct err *err)
{
	char text[1024];
	int status;

	(void)sys_wait_within(pid, pidfd, TIMEOUT_MS, &status);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	read_words(output, text, sizeof(text));
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_RUN && !*text)
		return err_set(
			err, ENOENT,
			"the network user needs pasta: install the package passt");
	return err_set(err, EIO, "pasta cannot make the network user: %s",
		       *text ? text : "it did not say why");
}

static int run(struct helper *helper, struct err *err)
{
	int pidfd = -1;
	pid_t pid;
	int rc;

	if (pipe2(helper->output, O_CLOEXEC))
		return err_sys(err, errno, "no pipe");
	pid = sys_clone(0, -1, &pidfd);
	if (pid == 0)
		exec_pasta(helper);
	close(helper->output[1]);
	if (pid < 0)
		rc = err_sys(err, (int)-pid, "no process");
	else
		rc = wait_ready(pid, pidfd, helper->output[0], err);
	close(helper->output[0]);
	if (pidfd >= 0)
		close(pidfd);
	return rc;
}

/* The container's user namespace, -1 when it is ours, too. */
static int open_userns(const struct net_place *place, int *ret_userns,
		       struct err *err)
{
	char path[32];
	struct stat theirs;
	struct stat ours;
	int fd;

	snprintf(path, sizeof(path), "%d/ns/user", (int)place->pid);
	fd = openat(place->proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &theirs) ||
	    fstatat(place->proc, "self/ns/user", &ours, 0)) {
		if (fd >= 0)
			close(fd);
		return err_sys(err, errno, "cannot open the user namespace");
	}
	if (theirs.st_ino == ours.st_ino)
		close(move_fd(&fd));
	*ret_userns = fd;
	return 0;
}

int net_user_start(const struct net_place *place, const struct net_plan *plan,
		   struct err *err)
{
	autofree struct helper *helper = calloc(1, sizeof(*helper));
	int rc;

	if (!helper)
		return err_sys(err, ENOMEM, "no network");
	helper->netns = place->netns;
	rc = open_userns(place, &helper->userns, err);
	if (rc)
		return rc;
	rc = make_command(&helper->command, place, plan, helper->userns >= 0,
			  err);
	if (!rc)
		rc = run(helper, err);
	if (helper->userns >= 0)
		close(helper->userns);
	return rc;
}

/* ---- its end ---- */

static bool has_argument(int proc, pid_t pid, const char *argument)
{
	autofree char *text = malloc(PATH_MAX + 4096);
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "%d/cmdline", (int)pid);
	n = text ? procfs_read(proc, path, text, PATH_MAX + 4096) : -1;
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(text + at) + 1) {
		if (!strcmp(text + at, argument))
			return true;
	}
	return false;
}

static int remove_files(const struct state *state, struct err *err)
{
	static const char *const names[] = { PID_FILE, LOG_FILE };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (unlinkat(state->dir, names[i], 0) && errno != ENOENT)
			return err_sys(err, errno, "cannot remove %s",
				       names[i]);
	}
	return 0;
}

/* Ends the process when it is a helper of the container with this file. */
static bool end_helper(int proc, pid_t pid, const char *pid_file)
{
	struct pollfd wait = { .events = POLLIN };
	/* Opened first: what is read behind it is about that process. */
	autoclose int pidfd = sys_pidfd_open(pid);

	if (pidfd < 0 || !has_argument(proc, pid, pid_file))
		return false;
	sys_pidfd_signal(pidfd, SIGKILL);
	wait.fd = pidfd;
	poll(&wait, 1, TIMEOUT_MS);
	return true;
}

/*
 * By its arguments, of all processes: one whose starter was killed may not
 * have written yet who it is, and it forks on its way to the background.
 */
struct ending {
	int proc;
	const char *pid_file;
	bool found;
};

static int end_if_helper(void *opaque, const char *name)
{
	struct ending *ending = opaque;
	uint64_t pid;

	if (!parse_u64(name, &pid) && pid <= INT32_MAX)
		ending->found |=
			end_helper(ending->proc, (pid_t)pid, ending->pid_file);
	return 0;
}

static bool end_helpers(int proc, const char *pid_file)
{
	struct ending ending = { .proc = proc, .pid_file = pid_file };

	return !tree_each(proc, end_if_helper, &ending, NULL) && ending.found;
}

int net_user_stop(const struct state *state, struct err *err)
{
	char path[PATH_MAX];
	autoclose int proc = procfs_open(err);

	if (proc < 0)
		return proc;
	if (!file_path(state, proc, PID_FILE, path)) {
		for (int pass = 0; pass < PASSES && end_helpers(proc, path);)
			pass++;
	}
	return remove_files(state, err);
}
