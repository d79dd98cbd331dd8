#include "container/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "core/parse.h"
#include "sandbox/caps.h"
#include "sandbox/mount.h"
#include "sandbox/selfexe.h"
#include "sandbox/sys.h"

#define PROGRAM	   "hull-unpack"
/* Room for the window of the strongest zstd, 2 GiB with --ultra --long=31. */
#define MAX_MEMORY (3 * GIB)

int unpack_open_program(struct err *err)
{
	char folder[PATH_MAX];
	char path[PATH_MAX + sizeof("/" PROGRAM)];
	int rc = selfexe_folder(folder, err);
	int fd;

	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/" PROGRAM, folder);
	fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? err_sys(err, errno,
				"images need the program %s beside hull-ct",
				path) :
			fd;
}

/* One start of the program. */
struct start {
	int program; /* what it is given: */
	const char *mode;
	const char *argument;
	int input; /* descriptors, -1 for none */
	int output;
	int tree; /* a detached mount, its root directory */
	uint64_t mount_flags; /* more of MOUNT_ATTR_* on it */
	const char *const *caps; /* what it may; ends with NULL */
	const struct unpack_progress *progress; /* or NULL */
};

/* Chosen for what an image may contain: files of any owner and mode. */
static const char *const writer_caps[] = { "CAP_CHOWN",	  "CAP_DAC_OVERRIDE",
					   "CAP_FOWNER",  "CAP_FSETID",
					   "CAP_SETFCAP", NULL };
/* Reads all there is, and can do nothing else. */
static const char *const reader_caps[] = { "CAP_DAC_READ_SEARCH", NULL };

static int drop_rights(const char *const *kept, struct err *err)
{
	const struct rlimit memory = { MAX_MEMORY, MAX_MEMORY };
	const struct rlimit core = { 0, 0 };
	struct caps caps = { 0 };
	int rc;

	for (size_t i = 0; kept[i]; i++)
		caps.bounding |= 1ULL << caps_number(kept[i]);
	caps.effective = caps.bounding;
	caps.permitted = caps.bounding;
	rc = caps_drop_bounding(caps.bounding, err);
	if (!rc)
		rc = caps_apply(&caps, err);
	if (rc)
		return rc;
	/* Whoever kills us ends it, too; said last, as a change of rights takes
	 * it back (prctl(2)). */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    setrlimit(RLIMIT_AS, &memory) || setrlimit(RLIMIT_CORE, &core) ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return err_sys(err, errno, "cannot give up rights");
	return 0;
}

/* The target becomes the root; what is written through it has neither device
 * nodes nor programs that run. */
static int change_root(const struct start *start, struct err *err)
{
	int tree = start->tree;
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			    MOUNT_ATTR_NOSUID | start->mount_flags,
		.propagation = MS_PRIVATE,
	};

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) ||
	    move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) ||
	    fchdir(tree) || sys_pivot_root(".", ".") ||
	    umount2(".", MNT_DETACH) || chdir("/"))
		return err_sys(err, errno, "cannot enter the target");
	return 0;
}

static int put_at(int fd, int number)
{
	return fd < 0 || dup2(fd, number) >= 0 ? 0 : -1;
}

/* Numbers from 3 on: what it reads, who hears, the program. */
static void child(const struct start *start, int report)
{
	char mode[8];
	char argument[24];
	char name[] = PROGRAM;
	char *argv[] = { name, mode, argument, NULL };
	char *envp[] = { NULL };
	struct err err = { 0 };

	snprintf(mode, sizeof(mode), "%s", start->mode);
	snprintf(argument, sizeof(argument), "%s", start->argument);
	if (change_root(start, &err) || drop_rights(start->caps, &err)) {
		dprintf(report, "%s\n", err.msg);
		_exit(1);
	}
	if (put_at(start->input, STDIN_FILENO) ||
	    put_at(start->output, STDOUT_FILENO) ||
	    put_at(report, STDERR_FILENO))
		_exit(1);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	execveat(start->program, "", argv, envp, AT_EMPTY_PATH);
	dprintf(STDERR_FILENO, "cannot start " PROGRAM ": %s\n",
		err_describe(errno));
	_exit(1);
}

/* "= BYTES FILES" */
static bool is_progress(const struct start *start, char *line)
{
	char *files_text;
	uint64_t bytes;
	uint64_t files;

	if (strncmp(line, "= ", 2) != 0)
		return false;
	files_text = strchr(line + 2, ' ');
	if (!files_text)
		return false;
	*files_text++ = '\0';
	if (parse_u64(line + 2, &bytes) || parse_u64(files_text, &files))
		return false;
	if (start->progress)
		start->progress->tell(start->progress->opaque, bytes, files);
	return true;
}

/* A line is progress, or what went wrong. What it says is about what others
 * wrote: nothing in it that a terminal would take for an order. */
static void take_line(const struct start *start, char *line, char *text,
		      size_t size)
{
	if (is_progress(start, line))
		return;
	for (char *at = line; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
	if (!*text)
		snprintf(text, size, "%s", line);
}

static void read_report(const struct start *start, int fd, char *text,
			size_t size)
{
	char line[400];
	size_t used = 0;
	ssize_t n;
	char *end;

	*text = '\0';
	while ((n = read(fd, line + used, sizeof(line) - 1 - used)) > 0 ||
	       (n < 0 && errno == EINTR)) {
		used += n > 0 ? (size_t)n : 0;
		line[used] = '\0';
		while ((end = strchr(line, '\n')) || used == sizeof(line) - 1) {
			size_t len = end ? (size_t)(end - line) + 1 : used;

			line[end ? len - 1 : len] = '\0';
			take_line(start, line, text, size);
			memmove(line, line + len, used - len);
			used -= len;
			line[used] = '\0';
		}
	}
	if (used)
		take_line(start, line, text, size);
}

static int run(const struct start *start, const char *failure, struct err *err)
{
	const uint64_t flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
			       CLONE_NEWUTS | CLONE_NEWPID;
	autoclose int pidfd = -1;
	autoclose int ear = -1;
	char report[400];
	int pipes[2];
	int status;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return err_sys(err, errno, "no pipe");
	ear = pipes[0];
	pid = sys_clone(flags, -1, &pidfd);
	if (pid == 0)
		child(start, pipes[1]);
	close(pipes[1]);
	if (pid < 0)
		return err_sys(err, (int)-pid, "no process for " PROGRAM);
	read_report(start, ear, report, sizeof(report));
	status = sys_wait(pid);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return err_set(err, EINVAL, "%s", *report ? report : failure);
}

int unpack_layer(int program, int archive, int target, enum unpack_kind kind,
		 struct err *err)
{
	static const char *const modes[] = {
		[UNPACK_LAYER] = "layer", [UNPACK_PLAIN] = "plain"
	};
	/* Only mounts of one's own namespace can be copied. */
	autoclose int tree = mount_copy(target, 0);
	char bytes[24];
	const struct start start = {
		.program = program,
		.mode = modes[kind],
		.argument = bytes,
		.input = archive,
		.output = -1,
		.tree = tree,
		.caps = writer_caps,
	};

	if (tree < 0)
		return err_sys(err, -tree, "cannot open the target");
	snprintf(bytes, sizeof(bytes), "%" PRIu64, UNPACK_MAX_BYTES);
	return run(&start, "it cannot be unpacked", err);
}

int unpack_pack(int program, int tree, const char *filter, int archive,
		const struct unpack_progress *progress, struct err *err)
{
	const struct start start = {
		.program = program,
		.mode = "pack",
		.argument = filter,
		.input = -1,
		.output = archive,
		.tree = tree,
		.mount_flags = MOUNT_ATTR_RDONLY,
		.caps = reader_caps,
		.progress = progress,
	};

	return run(&start, "it was cut off", err);
}
