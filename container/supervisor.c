#include "container/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "container/console.h"
#include "container/disk.h"
#include "container/launch.h"
#include "container/logfile.h"
#include "container/report.h"
#include "container/restore.h"
#include "container/rootfs.h"
#include "container/target.h"
#include "container/vm.h"
#include "sandbox/procfs.h"
#include "sandbox/sys.h"

#define LOCK_FILE "supervisor"
#define FIFO	  "log.fifo"
#define STOPPED	  "stopped" /* is there when it shall not start anew */
#define ADOPTED	  "adopted" /* this run had another supervisor before */

#define FIRST_PAUSE_MS 100
#define LAST_PAUSE_MS  60000
#define GOOD_RUN_MS    10000 /* then the pauses begin anew */
#define KILL_WAIT_MS   10000

struct supervisor {
	struct context *context; /* borrowed */
	struct home *home; /* borrowed */
	struct logfile log;
	int fifo; /* our end for reading, or -1 */
	int console; /* of a container with a terminal: the master, or -1 */
	int console_slave; /* held, so that the master is never without one */
	int signals; /* of SIGTERM */
	int lock;
	int starter; /* hears how the first start went; -1 once it did */
	struct restore *restore; /* borrowed; of the first run, or NULL */
	bool attached; /* we are no supervisor: the caller waits */
	bool tty;
	bool stopping;
	bool reboots; /* it has ended to be started anew */
	bool oom_killed;
	uint64_t restarts;
	int64_t started_ms;
};

/* What the starter hears. */
struct verdict {
	struct err err;
	bool payload_failed;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the lock ---- */

/* A lock of fcntl(2), which tells who has it. */
static int lock_home(const struct home *home, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	autoclose int fd = openat(home->dir, LOCK_FILE,
				  O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
				  0600);

	if (fd < 0)
		return err_sys(err, errno, "cannot open the lock of %s",
			       home->name);
	if (fcntl(fd, F_SETLK, &lock))
		return errno == EAGAIN || errno == EACCES ?
			       err_set(err, EBUSY, "container %s is running",
				       home->name) :
			       err_sys(err, errno, "cannot lock %s",
				       home->name);
	return move_fd(&fd);
}

pid_t supervisor_pid(const struct home *home)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	autoclose int fd =
		openat(home->dir, LOCK_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

bool supervisor_lost_console(const struct home *home)
{
	return home->system &&
	       (!supervisor_pid(home) ||
		!faccessat(home->dir, ADOPTED, F_OK, AT_SYMLINK_NOFOLLOW));
}

/* ---- how it ended ---- */

/* @status is -1 when nobody can know it; @failure is NULL or why it did not
 * start. */
static void note_end(const struct supervisor *s, int status,
		     const struct err *failure)
{
	char when[64];
	autofree char *text = NULL;
	json_t *tree;

	state_now(when, sizeof(when));
	tree = json_pack("{s:s, s:b, s:I}", "ended", when, "oomKilled",
			 s->oom_killed, "restarts", (json_int_t)s->restarts);
	if (tree && status >= 0)
		json_object_set_new(tree, "exitStatus", json_integer(status));
	if (tree && failure)
		json_object_set_new(tree, "error", json_string(failure->msg));
	text = tree ? json_dumps(tree, JSON_INDENT(2)) : NULL;
	json_decref(tree);
	if (text)
		state_write_file(s->home->dir, HOME_LAST, text, strlen(text),
				 NULL);
}

static void say(struct supervisor *s, const char *text)
{
	struct err line;

	err_set(&line, EIO, "%s", text);
	report_warning(s->context, &line);
}

static void look_for_oom(struct supervisor *s, int cgroup)
{
	uint64_t killed = 0;

	s->oom_killed = cgroup >= 0 &&
			!cgroup_read_key(cgroup, "memory.events", "oom_kill",
					 &killed) &&
			killed;
	if (s->oom_killed)
		say(s, "out of memory: the kernel has killed a process");
}

/* ---- while it runs ---- */

static void tell_starter(struct supervisor *s, const struct err *err)
{
	struct verdict verdict = { .payload_failed =
					   s->context->payload_failed };

	if (s->starter < 0)
		return;
	if (err)
		verdict.err = *err;
	/* It may be gone; the container runs all the same. */
	if (write(s->starter, &verdict, sizeof(verdict)) < 0)
		say(s, "the command that started it is gone");
	close(move_fd(&s->starter));
}

static void copy_from(struct supervisor *s, int fd)
{
	char text[8192];
	ssize_t n;

	/* At most what a pipe holds, so that one that never stops printing does
	 * not keep us from anything else. */
	for (int i = 0; i < 8 && fd >= 0; i++) {
		n = read(fd, text, sizeof(text));
		if (n <= 0)
			return;
		logfile_write(&s->log, text, (size_t)n);
	}
}

static void copy_output(struct supervisor *s)
{
	copy_from(s, s->fifo);
	copy_from(s, s->console);
}

/* Without a log it is still read, or who prints would wait for ever. */
static int open_console(struct supervisor *s, int socket, struct err *err)
{
	s->console = console_receive(socket, err);
	if (s->console < 0)
		return s->console;
	s->console_slave =
		ioctl(s->console, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s->console_slave < 0 || fcntl(s->console, F_SETFL, O_NONBLOCK))
		return err_sys(err, errno, "cannot use the console");
	return 0;
}

static void close_console(struct supervisor *s)
{
	if (s->console >= 0)
		close(move_fd(&s->console));
	if (s->console_slave >= 0)
		close(move_fd(&s->console_slave));
}

/*
 * What asks process 1 to shut down: systemd(1) takes SIGRTMIN+3, whose number
 * is the C library's; sysvinit's init(8) takes SIGPWR for a failing supply.
 */
#define SYSTEMD_HALT (34 + 3)

static int stop_signal(const struct home *home, pid_t pid)
{
	autoclose int proc = -1;
	char path[32];
	char program[256];
	const char *name;
	ssize_t n;

	if (home->stop_signal || !home->system)
		return home->stop_signal;
	proc = procfs_open(NULL);
	snprintf(path, sizeof(path), "%d/exe", (int)pid);
	n = proc < 0 ? -1 :
		       readlinkat(proc, path, program, sizeof(program) - 1);
	program[n > 0 ? n : 0] = '\0';
	name = strrchr(program, '/');
	return name && !strcmp(name, "/systemd") ? SYSTEMD_HALT : SIGPWR;
}

/* A process that is watched. */
struct first {
	pid_t pid;
	int pidfd; /* or -1 */
};

static void take_signal(struct supervisor *s, const struct first *first)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) != sizeof(info))
		return;
	s->stopping = true;
	if (first)
		sys_pidfd_signal(first->pidfd,
				 stop_signal(s->home, first->pid));
}

static void watch(struct supervisor *s, const struct first *first)
{
	struct pollfd wait[] = {
		{ .fd = first->pidfd, .events = POLLIN },
		{ .fd = s->signals, .events = POLLIN },
		{ .fd = s->fifo, .events = POLLIN },
		{ .fd = s->console, .events = POLLIN },
	};

	for (;;) {
		if (poll(wait, ARRAY_SIZE(wait), -1) < 0 && errno != EINTR)
			break;
		copy_output(s);
		if (wait[0].revents)
			break;
		if (wait[1].revents)
			take_signal(s, first);
	}
	copy_output(s);
}

/* In place of launch_run's own waiting. */
static int wait_child(void *opaque, const struct launch *launch,
		      int *ret_status, struct err *err)
{
	struct supervisor *s = opaque;
	const struct first first = { launch->pid, launch->pidfd };
	int status = 0;

	if (launch->console_own >= 0 &&
	    open_console(s, launch->console_own, err))
		return -err->code;
	s->started_ms = now_ms();
	tell_starter(s, NULL);
	watch(s, &first);
	close_console(s);
	while (waitpid(launch->pid, &status, 0) < 0) {
		if (errno != EINTR)
			return err_sys(err, errno, "cannot wait");
	}
	look_for_oom(s, launch->cgroup);
	*ret_status = sys_shell_status(status);
	return 0;
}

/*
 * In a pid namespace, reboot(2) ends the first process with a signal that it
 * cannot get otherwise: SIGHUP for "restart", SIGINT for "off".
 */
static void note_shutdown(struct supervisor *s, int *status)
{
	s->reboots = s->home->system && *status == 128 + SIGHUP;
	if (s->reboots || (s->home->system && *status == 128 + SIGINT))
		*status = 0;
}

/* What the bundle is, and its root filesystem where that is a mount. */
static int prepare(const struct supervisor *s, struct launch_options *options,
		   char **ret_bundle, char **ret_program, struct err *err)
{
	int rc;

	if (vm_is(s->home)) {
		rc = vm_prepare(s->home, s->tty, ret_bundle, ret_program, err);
		options->bundle = *ret_bundle;
		options->vm_program = *ret_program;
		options->vm_keeps = true;
		/* The guest has an init. */
		options->reaper = false;
		return rc;
	}
	options->root_tree = rootfs_open(s->home, err);
	return options->root_tree < 0 ? options->root_tree : 0;
}

static int run_once(struct supervisor *s, int *ret_status, struct err *err)
{
	struct launch_options options = {
		.bundle = s->home->path,
		.id = s->home->name,
		.reaper = s->home->reaper,
		.root_tree = -1,
		.wait = s->attached ? NULL : wait_child,
		.foreground = s->attached,
		.tty = s->tty,
		.opaque = s,
		.raise = s->restore ? restore_raise : NULL,
		.raise_opaque = s->restore,
	};
	autofree char *program = NULL;
	autofree char *bundle = NULL;
	int rc;

	/* What a supervisor that was killed, or a crash of the host, left. */
	if (container_remove(s->context, s->home->name, false, NULL) == -EBUSY)
		return err_set(err, EBUSY, "container %s is running",
			       s->home->name);
	unlinkat(s->home->dir, ADOPTED, 0);
	if (home_repair(s->home, err) || disk_enforce(s->home, DISK_SPARE, err))
		return -err->code;
	if (prepare(s, &options, &bundle, &program, err))
		return -err->code;
	if (disk_enforce(s->home, 0, err)) {
		if (options.root_tree >= 0)
			close(options.root_tree);
		return -err->code;
	}
	rc = launch_run(s->context, &options, ret_status, err);
	if (!rc)
		note_shutdown(s, ret_status);
	return rc;
}

/* Nobody else had the master of the terminal, and there is no other one for a
 * /dev/console that is open. */
static void note_adoption(struct supervisor *s)
{
	autoclose int mark = openat(s->home->dir, ADOPTED,
				    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
				    0600);

	if (mark >= 0 && s->home->system)
		say(s,
		    "the supervisor was killed, and the console went with it; stop and start make a new one");
}

/* A container that runs already: its supervisor was killed. */
static bool adopt(struct supervisor *s)
{
	struct target target;
	autoclose int pidfd = -1;

	if (!target_open(s->context, s->home->name, false, &target, NULL))
		pidfd = state_pidfd(&target.state);
	if (pidfd >= 0) {
		const struct first first = { target.state.pid, pidfd };

		s->started_ms = now_ms();
		note_adoption(s);
		tell_starter(s, NULL);
		watch(s, &first);
		look_for_oom(s, target.cgroup);
	}
	target_close(&target);
	return pidfd >= 0;
}

/* ---- starting anew ---- */

static bool is_stopped(const struct supervisor *s)
{
	return s->stopping ||
	       !faccessat(s->home->dir, STOPPED, F_OK, AT_SYMLINK_NOFOLLOW);
}

static bool wants_restart(const struct supervisor *s, int status)
{
	const struct home *home = s->home;

	if (is_stopped(s))
		return false;
	if (s->reboots)
		return true;
	if (home->restart == RESTART_NO)
		return false;
	if (home->restart == RESTART_ALWAYS)
		return true;
	return status != 0 &&
	       (!home->restart_max || s->restarts < home->restart_max);
}

static void pause_before_restart(struct supervisor *s, int *pause_ms)
{
	struct pollfd wait = { .fd = s->signals, .events = POLLIN };

	if (now_ms() - s->started_ms >= GOOD_RUN_MS)
		*pause_ms = FIRST_PAUSE_MS;
	if (poll(&wait, 1, *pause_ms) > 0)
		take_signal(s, NULL);
	*pause_ms = *pause_ms * 2 > LAST_PAUSE_MS ? LAST_PAUSE_MS :
						    *pause_ms * 2;
}

static void supervise(struct supervisor *s)
{
	int pause_ms = FIRST_PAUSE_MS;
	bool adopted = adopt(s);

	for (;;) {
		struct err err = { 0 };
		int status = -1;
		int rc = 0;

		s->reboots = false;
		if (!adopted)
			rc = run_once(s, &status, &err);
		adopted = false;
		s->restore = NULL;
		copy_output(s);
		if (rc) {
			status = -1;
			if (s->starter >= 0) {
				tell_starter(s, &err);
				return;
			}
			report_error(s->context, &err);
			copy_output(s);
		}
		note_end(s, status, rc ? &err : NULL);
		if (!wants_restart(s, status))
			break;
		pause_before_restart(s, &pause_ms);
		if (is_stopped(s))
			break;
		s->restarts++;
	}
	container_remove(s->context, s->home->name, false, NULL);
}

/* ---- the supervisor's own life ---- */

static int open_output(struct supervisor *s, struct err *err)
{
	const struct home *home = s->home;
	autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	autoclose int out = -1;

	if (null < 0)
		return err_sys(err, errno, "cannot open /dev/null");
	if (home->log_bytes) {
		if (mkfifoat(home->dir, FIFO, 0600) && errno != EEXIST)
			return err_sys(err, errno, "cannot make a FIFO");
		/* Root inside may open it anew, as /dev/stdout. */
		if (!home->privileged &&
		    fchownat(home->dir, FIFO, home->id_base, home->id_base,
			     AT_SYMLINK_NOFOLLOW))
			return err_sys(err, errno, "cannot give the FIFO away");
		/* Both ends: a container without a supervisor waits when it is
		 * full, and is not killed by SIGPIPE. Not O_NOFOLLOW: criu
		 * opens it anew by a link, with the flags that it has. */
		out = openat(home->dir, FIFO, O_RDWR | O_CLOEXEC);
		s->fifo =
			openat(home->dir, FIFO,
			       O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
		if (out < 0 || s->fifo < 0)
			return err_sys(err, errno, "cannot open the FIFO");
	}
	if (dup2(null, STDIN_FILENO) < 0 ||
	    dup2(out >= 0 ? out : null, STDOUT_FILENO) < 0 ||
	    dup2(out >= 0 ? out : null, STDERR_FILENO) < 0)
		return err_sys(err, errno, "cannot set standard files");
	return 0;
}

static int settle(struct supervisor *s, struct err *err)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;
	int rc;

	if (setsid() < 0 || chdir("/"))
		return err_sys(err, errno, "cannot leave the session");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGHUP, &ignore, NULL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (s->signals < 0)
		return err_sys(err, errno, "no descriptor for signals");
	s->lock = lock_home(s->home, err);
	if (s->lock < 0)
		return s->lock;
	supervisor_let_go(s->home);
	rc = logfile_open(&s->log, s->home->dir, s->home->log_bytes,
			  s->home->log_files, err);
	return rc ? rc : open_output(s, err);
}

_Noreturn static void supervisor_main(struct supervisor *s)
{
	struct err err = { 0 };

	if (settle(s, &err))
		tell_starter(s, &err);
	else
		supervise(s);
	_exit(0);
}

int supervisor_start(struct context *context, struct home *home,
		     struct restore *restore, struct err *err)
{
	struct supervisor s = { .context = context,
				.home = home,
				.log = { .fd = -1 },
				.fifo = -1,
				.console = -1,
				.console_slave = -1,
				.signals = -1,
				.lock = -1,
				.starter = -1,
				.restore = restore };
	struct verdict verdict;
	autoclose int ear = -1;
	int pipes[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return err_sys(err, errno, "no pipe");
	ear = pipes[0];
	pid = fork();
	if (pid == 0) {
		close(ear);
		s.starter = pipes[1];
		supervisor_main(&s);
	}
	close(pipes[1]);
	if (pid < 0)
		return err_sys(err, errno, "no process for the supervisor");
	do {
		n = read(ear, &verdict, sizeof(verdict));
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(verdict))
		return err_set(err, EIO, "the supervisor of %s has ended",
			       home->name);
	if (!verdict.err.code)
		return 0;
	*err = verdict.err;
	context->payload_failed = verdict.payload_failed;
	return -err->code;
}

int supervisor_attach(struct context *context, struct home *home, bool tty,
		      struct err *err)
{
	struct supervisor s = { .context = context,
				.home = home,
				.fifo = -1,
				.console = -1,
				.console_slave = -1,
				.starter = -1,
				.attached = true,
				.tty = tty };
	int status = 0;
	int rc = 0;

	s.lock = lock_home(home, err);
	if (s.lock < 0)
		return s.lock;
	do {
		s.reboots = false;
		rc = run_once(&s, &status, err);
	} while (!rc && s.reboots);
	if (!rc)
		context->status = status;
	note_end(&s, rc ? -1 : status, rc ? err : NULL);
	close(s.lock);
	return rc;
}

/* ---- stop ---- */

static int wait_process(int pidfd, int timeout_ms)
{
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };

	return pidfd < 0 || poll(&wait, 1, timeout_ms) == 1 ? 0 : -ETIMEDOUT;
}

/* @target's process gets its signal, and is killed when it does not heed. */
static int end_container(const struct home *home, const struct target *target,
			 int timeout_s, struct err *err)
{
	autoclose int pidfd = state_pidfd(&target->state);

	if (pidfd < 0)
		return 0;
	/* A frozen one could not hear it. */
	if (target->cgroup >= 0 && cgroup_is_frozen(target->cgroup))
		cgroup_freeze(target->cgroup, false, NULL);
	sys_pidfd_signal(pidfd, stop_signal(home, target->state.pid));
	if (!wait_process(pidfd, timeout_s * 1000))
		return 0;
	if (target->cgroup >= 0)
		cgroup_kill(target->cgroup, NULL);
	sys_pidfd_signal(pidfd, SIGKILL);
	return wait_process(pidfd, KILL_WAIT_MS) ?
		       err_set(err, ETIMEDOUT, "container %s does not end",
			       home->name) :
		       0;
}

/* It has noted the end before it goes. */
static int end_supervisor(const struct home *home, struct err *err)
{
	pid_t pid = supervisor_pid(home);
	autoclose int pidfd = pid > 0 ? sys_pidfd_open(pid) : -1;

	/* The number may be another's by now. */
	if (pidfd < 0 || supervisor_pid(home) != pid)
		return 0;
	sys_pidfd_signal(pidfd, SIGTERM);
	return wait_process(pidfd, KILL_WAIT_MS) ?
		       err_set(err, ETIMEDOUT,
			       "the supervisor of %s, process %d, does not end",
			       home->name, (int)pid) :
		       0;
}

int supervisor_hold(const struct home *home, struct err *err)
{
	autoclose int mark = openat(home->dir, STOPPED,
				    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
				    0600);

	return mark < 0 ? err_sys(err, errno, "cannot mark %s as stopped",
				  home->name) :
			  0;
}

void supervisor_let_go(const struct home *home)
{
	unlinkat(home->dir, STOPPED, 0);
}

int supervisor_stop(struct context *context, const struct home *home,
		    int timeout_s, struct err *err)
{
	struct target target;
	bool was_there = supervisor_pid(home) > 0;
	int rc = supervisor_hold(home, err);

	if (rc)
		return rc;
	rc = target_open(context, home->name, false, &target, NULL);
	if (!rc) {
		was_there = true;
		rc = end_container(home, &target,
				   timeout_s >= 0 ? timeout_s :
						    (int)home->stop_timeout_s,
				   err);
	} else {
		rc = 0;
	}
	target_close(&target);
	if (!rc)
		rc = end_supervisor(home, err);
	if (!rc)
		rc = container_remove(context, home->name, true, err);
	if (rc)
		return rc;
	return was_there ? 0 : 1;
}
