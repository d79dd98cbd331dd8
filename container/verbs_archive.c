/* The verbs for people about archives: export and import. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "container/image.h"
#include "container/people.h"
#include "container/recipe.h"
#include "container/rootfs.h"
#include "container/rootless.h"
#include "container/unpack.h"
#include "container/verbs.h"
#include "container/vm.h"
#include "core/tree.h"
#include "sandbox/rootpath.h"

#define STANDARD "-" /* in place of a file */

/* ---- export: the file ---- */

/* Where the archive goes. The file has no name before it is whole. */
struct sink {
	const char *path; /* NULL: standard output */
	const char *filter;
	const char *base; /* of path */
	int folder; /* owned, or -1 */
	int fd; /* owned */
	bool is_new; /* is to get its name */
};

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text);
	size_t end_len = strlen(end);

	return len >= end_len && !strcmp(text + len - end_len, end);
}

static int choose_filter(struct sink *sink, struct err *err)
{
	static const struct {
		const char *end;
		const char *filter;
	} kinds[] = {
		{ ".tar", "none" },
		{ ".tar.gz", "gzip" },
		{ ".tgz", "gzip" },
		{ ".tar.zst", "zstd" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (ends_with(sink->path, kinds[i].end)) {
			sink->filter = kinds[i].filter;
			return 0;
		}
	}
	return err_set(
		err, EINVAL,
		"--output takes a file whose name ends with .tar, .tar.gz, .tgz or .tar.zst, or \"-\", not \"%s\"",
		sink->path);
}

static int open_folder(struct sink *sink, struct err *err)
{
	const char *slash = strrchr(sink->path, '/');
	autofree char *folder =
		slash ? strndup(sink->path, (size_t)(slash + 1 - sink->path)) :
			strdup(".");

	sink->base = slash ? slash + 1 : sink->path;
	sink->folder = folder ? open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC) :
				-1;
	return sink->folder < 0 ?
		       err_sys(err, errno, "--output: %s", sink->path) :
		       0;
}

static int open_sink(struct sink *sink, struct err *err)
{
	struct stat st;
	int rc;

	sink->filter = "none";
	if (!sink->path) {
		sink->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		return sink->fd < 0 ? err_sys(err, errno, "standard output") :
				      0;
	}
	/* What is no file is written to as it is. */
	if (!stat(sink->path, &st) && !S_ISREG(st.st_mode)) {
		sink->fd = open(sink->path, O_WRONLY | O_CLOEXEC);
		return sink->fd < 0 ?
			       err_sys(err, errno, "--output: %s", sink->path) :
			       0;
	}
	rc = choose_filter(sink, err);
	if (!rc)
		rc = open_folder(sink, err);
	if (rc)
		return rc;
	/* As shadow(5) is in it, nobody else may read it. */
	sink->fd = openat(sink->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC,
			  0600);
	sink->is_new = true;
	return sink->fd < 0 ?
		       err_sys(err, errno,
			       "--output: cannot make %s; where a filesystem has no nameless files, send the archive to standard output",
			       sink->path) :
		       0;
}

static int give_name(const struct sink *sink, const char *name)
{
	char fd_path[32];

	snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", sink->fd);
	return linkat(AT_FDCWD, fd_path, sink->folder, name,
		      AT_SYMLINK_FOLLOW) ?
		       -errno :
		       0;
}

/* One that is there is replaced in one step. */
static int finish_sink(const struct sink *sink, struct err *err)
{
	char name[64];
	int rc;

	if (!sink->is_new)
		return 0;
	if (fsync(sink->fd))
		return err_sys(err, errno, "--output: cannot write %s",
			       sink->path);
	rc = give_name(sink, sink->base);
	if (rc == -EEXIST) {
		snprintf(name, sizeof(name), ".hull-ct-export.%d",
			 (int)getpid());
		rc = give_name(sink, name);
		if (!rc &&
		    renameat(sink->folder, name, sink->folder, sink->base)) {
			rc = -errno;
			unlinkat(sink->folder, name, 0);
		}
	}
	return rc ? err_sys(err, -rc, "--output: cannot name %s", sink->path) :
		    0;
}

static void close_sink(struct sink *sink)
{
	if (sink->fd >= 0)
		close(move_fd(&sink->fd));
	if (sink->folder >= 0)
		close(move_fd(&sink->folder));
}

/* ---- export ---- */

static void show_progress(void *opaque, uint64_t bytes, uint64_t files)
{
	const char *name = opaque;

	fprintf(stderr, "\r%s: %" PRIu64 " MiB, %" PRIu64 " files", name,
		bytes / MIB, files);
}

/* The container's own files, to see whether they are still there. */
static int open_upper(const struct home *home, struct err *err)
{
	int fd = home->root ? open(home->root, O_PATH | O_CLOEXEC) :
			      openat(home->dir, "data/upper",
				     O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_sys(err, errno, "container %s has lost its files",
				home->name) :
			fd;
}

static int open_tree_of(struct context *context, const char *name,
			struct home *home, int *ret_upper, struct err *err)
{
	autoclose int store = store_lock(context, err);
	int rc = store < 0 ? store : home_open(context, name, home, err);

	if (!rc && vm_is(home))
		rc = err_set(
			err, EOPNOTSUPP,
			"%s is a VM, whose disk the host does not read; copy files out with exec %s tar c",
			name, name);
	if (!rc)
		rc = home_repair(home, err);
	if (rc)
		return rc;
	*ret_upper = open_upper(home, err);
	return *ret_upper < 0 ? *ret_upper : rootfs_open_to_read(home, err);
}

static int export(struct context *context, const char *name, struct sink *sink,
		  struct err *err)
{
	struct home home = { .dir = -1 };
	autoclose int program = unpack_open_program(err);
	autoclose int upper = -1;
	autoclose int tree = -1;
	const struct unpack_progress progress = { show_progress, home.name };
	bool shown = isatty(STDERR_FILENO);
	struct stat st;
	int rc = program < 0 ? program : 0;

	if (!rc)
		tree = open_tree_of(context, name, &home, &upper, err);
	if (!rc && tree < 0)
		rc = tree;
	if (!rc)
		rc = open_sink(sink, err);
	if (!rc) {
		rc = unpack_pack(program, tree, sink->filter, sink->fd,
				 shown ? &progress : NULL, err);
		if (shown)
			fprintf(stderr, "\n");
		if (rc)
			err_prefix(err, "container %s", name);
	}
	if (!rc && !fstat(upper, &st) && !st.st_nlink)
		rc = err_set(
			err, ESTALE,
			"container %s was destroyed or rolled back meanwhile",
			name);
	if (!rc)
		rc = finish_sink(sink, err);
	home_release(&home);
	return rc;
}

int verb_export(struct context *context, struct args *args, struct err *err)
{
	struct sink sink = { .folder = -1, .fd = -1 };
	const struct arg_option table[] = {
		{ "output", 'o', ARG_TEXT, &sink.path,
		  "file: .tar, .tar.gz or .tar.zst; standard output unless told" },
		ARGS_END,
	};
	const char *name = "";
	int rc = verb_options("export", args, table, true, err);

	if (!rc)
		rc = args_last(args, "the container's name", &name, err);
	if (!rc)
		rc = rootless_enter(context, name, err);
	if (rc)
		return rc;
	if (sink.path && !strcmp(sink.path, STANDARD))
		sink.path = NULL;
	if (!sink.path && isatty(STDOUT_FILENO))
		return err_set(
			err, EINVAL,
			"an archive is nothing for a terminal: say --output FILE.tar");
	rc = export(context, name, &sink, err);
	close_sink(&sink);
	return rc;
}

/* ---- import ---- */

/* What is being unpacked is locked by who does; what nobody has locked was cut
 * off and goes. */
#define UNFINISHED     ".import-"
#define UNFINISHED_LEN 8

struct import {
	struct context *context;
	struct recipe *recipe;
	int layers; /* owned, the store's folder */
	int folder; /* owned, its folder in it, locked */
	char name[48]; /* of the folder; "" when there is none */
	char program[16]; /* unless the caller says one */
	char *command[2];
};

static int is_unfinished(const struct dirent *entry)
{
	return !strncmp(entry->d_name, UNFINISHED, UNFINISHED_LEN);
}

/* With the store locked. */
static void sweep(int layers)
{
	struct dirent **names = NULL;
	int count = scandirat(layers, ".", &names, is_unfinished, alphasort);

	for (int i = 0; i < count; i++) {
		autoclose int fd =
			openat(layers, names[i]->d_name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
			tree_remove(layers, names[i]->d_name, NULL);
		free(names[i]);
	}
	if (count >= 0)
		free(names);
}

static int check_new(const struct import *import, struct err *err)
{
	const char *name = import->recipe->name;

	return home_exists(import->context, name) ?
		       err_set(err, EEXIST,
			       "container %s exists; destroy it first", name) :
		       0;
}

static int begin(struct import *import, struct err *err)
{
	autoclose int locked = store_lock(import->context, err);
	int rc = locked < 0 ? locked : check_new(import, err);

	if (rc)
		return rc;
	import->layers =
		openat(locked, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (import->layers < 0)
		return err_sys(err, errno, "cannot open the store");
	sweep(import->layers);
	snprintf(import->name, sizeof(import->name), UNFINISHED "%d",
		 (int)getpid());
	if (mkdirat(import->layers, import->name, 0711)) {
		rc = err_sys(err, errno, "cannot make a folder in the store");
		*import->name = '\0';
		return rc;
	}
	import->folder =
		openat(import->layers, import->name,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (import->folder < 0 || flock(import->folder, LOCK_EX | LOCK_NB) ||
	    mkdirat(import->folder, "tree", 0755))
		return err_sys(err, errno, "cannot make a folder in the store");
	return 0;
}

static int open_source(const char *path, struct err *err)
{
	autoclose int fd = strcmp(path, STANDARD) != 0 ?
				   open(path, O_RDONLY | O_CLOEXEC) :
				   fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return err_sys(err, errno, "cannot open the archive %s", path);
	if (S_ISDIR(st.st_mode))
		return err_set(
			err, EISDIR,
			"%s is a folder: launch makes containers of those",
			path);
	return move_fd(&fd);
}

/* What a system runs first, or else a shell. */
static void default_command(struct import *import)
{
	static const char init[] = "/sbin/init";
	autoclose int tree = openat(import->folder, "tree",
				    O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int found = rootpath_open(tree, init, O_PATH);

	snprintf(import->program, sizeof(import->program), "%s",
		 found >= 0 ? init : "/bin/sh");
	import->command[0] = import->program;
	if (!*import->recipe->command)
		import->recipe->command = import->command;
}

/* The tree gets a name that no clean-up takes, as long as the home names it. */
static int finish(struct import *import, struct err *err)
{
	autoclose int locked = store_lock(import->context, err);
	autofree char *store = realpath(import->context->store, NULL);
	autofree char *path = NULL;
	struct home home = { .dir = -1 };
	struct image image = { .config = NULL };
	struct timespec now;
	int rc = locked < 0 ? locked : check_new(import, err);

	if (rc)
		return rc;
	default_command(import);
	clock_gettime(CLOCK_REALTIME, &now);
	if (!store || asprintf(&path, "%s/layers/s-%s-%lld.%09ld/tree", store,
			       import->recipe->name, (long long)now.tv_sec,
			       now.tv_nsec) < 0) {
		path = NULL;
		return err_sys(err, ENOMEM, "no memory");
	}
	*strrchr(path, '/') = '\0';
	if (renameat(import->layers, import->name, AT_FDCWD, path))
		return err_sys(err, errno, "cannot name the layer");
	*import->name = '\0';
	path[strlen(path)] = '/';
	image.tree = path;
	rc = people_make_home(import->context, import->recipe, &image, &home,
			      err);
	if (rc && home.dir >= 0)
		home_remove(import->context, &home, NULL);
	if (rc)
		store_clean(import->context, false, NULL);
	home_release(&home);
	return rc;
}

static int import_all(struct import *import, struct err *err)
{
	const char *path = import->recipe->image;
	autoclose int program = unpack_open_program(err);
	autoclose int source = program < 0 ? -1 : open_source(path, err);
	autoclose int tree = -1;
	int rc = program < 0 ? program : source < 0 ? source : 0;

	if (!rc)
		rc = begin(import, err);
	if (rc)
		return rc;
	tree = openat(import->folder, "tree",
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	rc = tree < 0 ? err_sys(err, errno, "the store") :
			unpack_layer(program, source, tree, UNPACK_PLAIN, err);
	return rc ? err_prefix(err, "archive %s", path) : finish(import, err);
}

static int check(const struct recipe *recipe, struct err *err)
{
	if (!recipe->name)
		return err_set(
			err, EINVAL,
			"the name of the container is missing; see --help");
	if (recipe->attach || recipe->remove || recipe->in_place || recipe->vm)
		return err_set(
			err, EINVAL,
			"import does not run anything: --attach, --rm, --in-place and --vm are for launch");
	return rootless_check(recipe, err);
}

int verb_import(struct context *context, struct args *args, struct err *err)
{
	struct recipe recipe;
	struct import import = { .context = context,
				 .recipe = &recipe,
				 .layers = -1,
				 .folder = -1 };
	int rc = people_recipe("import", args, &recipe, err);

	if (!rc)
		rc = check(&recipe, err);
	if (!rc)
		rc = rootless_enter(context, NULL, err);
	if (!rc)
		rc = context_open_root(context, err);
	if (!rc)
		rc = import_all(&import, err);
	if (*import.name)
		tree_remove(import.layers, import.name, NULL);
	if (import.folder >= 0)
		close(import.folder);
	if (import.layers >= 0)
		close(import.layers);
	return rc;
}
