#include "container/vm_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "container/ids.h"
#include "container/people.h"
#include "container/vm.h"
#include "core/tree.h"

/* The owner of a container's file of this name has IDs from there on. */
#define FOLDER "vms"
#define CLAIM  "claim"

#define STATES "states" /* in home.json: the folder of its state */

int vm_engine_check_options(const struct launch_options *options,
			    struct err *err)
{
	const char *option = options->preserve_fds ? "--preserve-fds" :
			     options->dry_run	   ? "--dry-run" :
						     NULL;

	if (option)
		return err_set(err, EOPNOTSUPP, "%s does not go with --vm",
			       option);
	if (geteuid())
		return err_set(err, EPERM,
			       "only root can run containers in VMs");
	return 0;
}

/* ---- the bundle ---- */

static int read_bundle(struct vm_engine *engine, const char *bundle,
		       struct err *err)
{
	autoclose int dir = -1;
	int rc;

	engine->bundle = realpath(bundle, NULL);
	if (engine->bundle)
		dir = open(engine->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, errno, "cannot open the bundle %s", bundle);
	engine->tree = json_load_path(dir, STATE_CONFIG, err);
	if (!engine->tree)
		return err_prefix(err, "bundle %s", bundle);
	rc = config_read(&engine->config, json_deep_copy(engine->tree), err);
	if (!rc)
		rc = vm_bundle_check(&engine->config, engine->tree, err);
	if (rc)
		return err_prefix(err, "config.json");
	return 0;
}

static int find_root(const struct vm_engine *engine, char **ret_root,
		     struct err *err)
{
	const char *path = engine->config.root_path;
	autofree char *whole = NULL;

	if (*path != '/' &&
	    asprintf(&whole, "%s/%s", engine->bundle, path) < 0) {
		whole = NULL;
		return err_sys(err, ENOMEM, "root.path");
	}
	*ret_root = realpath(whole ? whole : path, NULL);
	return *ret_root ?
		       0 :
		       err_sys(err, errno,
			       "config.json: root.path: cannot open %s", path);
}

/* ---- the folder ---- */

static int open_vms(struct context *context)
{
	autoclose int store =
		open(context->store, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = store < 0 ? -1 :
			     openat(store, FOLDER,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
					    O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int vm_engine_remove(struct context *context, const char *id, struct err *err)
{
	autoclose int vms = open_vms(context);

	return vms < 0 ? 0 : tree_remove(vms, id, err);
}

/* What a create that was killed has left goes; its lock went with it. */
static int clear_old(struct context *context, int vms, const char *id,
		     struct err *err)
{
	autoclose int old = -1;
	autoclose int claim = -1;

	if (!faccessat(context->root_fd, id, F_OK, AT_SYMLINK_NOFOLLOW))
		return err_set(err, EEXIST, "container %s exists", id);
	old = openat(vms, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (old < 0)
		return 0;
	claim = openat(old, CLAIM, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (claim >= 0 && flock(claim, LOCK_EX | LOCK_NB))
		return err_set(err, EEXIST, "container %s is being made", id);
	return tree_remove(vms, id, err);
}

static int make_folders(struct vm_engine *engine, int vms, const char *id,
			struct err *err)
{
	struct home *home = &engine->home;

	if (mkdirat(vms, id, 0700))
		return err_sys(err, errno, "cannot make a folder for %s", id);
	home->dir = openat(vms, id,
			   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (home->dir < 0 || mkdirat(home->dir, "image", 0700) ||
	    mkdirat(home->dir, "data", 0700) ||
	    mkdirat(home->dir, "data/upper", 0700))
		return err_sys(err, errno, "cannot make folders for %s", id);
	engine->claim = openat(home->dir, CLAIM,
			       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (engine->claim < 0 || flock(engine->claim, LOCK_EX | LOCK_NB))
		return err_sys(err, errno, "cannot make a folder for %s", id);
	return 0;
}

/* With IDs of its own; the store is locked until they are noted. */
static int claim_folder(struct context *context, struct vm_engine *engine,
			const char *id, uint32_t *ret_base, struct err *err)
{
	autoclose int store = store_lock(context, err);
	autoclose int vms = -1;
	uint32_t base = 0;
	int rc;

	if (store < 0)
		return store;
	if (mkdirat(store, FOLDER, 0700) && errno != EEXIST)
		return err_sys(err, errno, "cannot make folders in %s",
			       context->store);
	vms = open_vms(context);
	if (vms < 0)
		return err_sys(err, -vms, "cannot open %s", context->store);
	rc = clear_old(context, vms, id, err);
	if (!rc)
		rc = ids_new(context, &base, err);
	if (!rc)
		rc = make_folders(engine, vms, id, err);
	if (!rc && fchown(engine->claim, base, base))
		rc = err_sys(err, errno, "cannot give IDs to %s", id);
	*ret_base = base;
	return rc;
}

static int name_home(struct context *context, struct home *home, const char *id,
		     struct err *err)
{
	autofree char *store = realpath(context->store, NULL);

	snprintf(home->name, sizeof(home->name), "%s", id);
	if (!store ||
	    asprintf(&home->path, "%s/" FOLDER "/%s", store, id) < 0) {
		home->path = NULL;
		return err_sys(err, ENOMEM, "no memory");
	}
	return 0;
}

static int write_home(const struct context *context, struct vm_engine *engine,
		      const char *root, uint32_t base, struct err *err)
{
	const struct recipe standard = { .image = "" };
	json_t *vm = vm_describe(&standard, root, err);
	autofree char *image = NULL;
	json_t *tree;

	if (!vm)
		return -err->code;
	json_object_set_new(vm, "engine", json_true());
	if (asprintf(&image, "%s/image", engine->home.path) < 0) {
		image = NULL;
		json_decref(vm);
		return err_sys(err, ENOMEM, "no memory");
	}
	tree = json_pack("{s:o, s:I, s:[s], s:s}", "vm", vm, "idBase",
			 (json_int_t)base, "layers", image, STATES,
			 context->root);
	return tree ? home_change(&engine->home, tree, err) :
		      err_set(err, EINVAL,
			      "the path of the store is not UTF-8");
}

static int make_disks(const struct vm_engine *engine, const char *root,
		      struct err *err)
{
	autofree char *disk = NULL;
	int rc;

	if (asprintf(&disk, "%s/image/disk", engine->home.path) < 0) {
		disk = NULL;
		return err_sys(err, ENOMEM, "no memory");
	}
	rc = vm_disk_make(disk, root, VM_IMAGE_BYTES, err);
	return rc ? rc : vm_new_disk(&engine->home, err);
}

int vm_engine_make(struct context *context, struct launch_options *options,
		   struct vm_engine *engine, struct err *err)
{
	struct home *home = &engine->home;
	autofree char *root = NULL;
	uint32_t base = 0;
	int rc = state_check_id(options->id, err);

	if (!rc)
		rc = read_bundle(engine, options->bundle, err);
	if (!rc)
		rc = find_root(engine, &root, err);
	if (!rc)
		rc = claim_folder(context, engine, options->id, &base, err);
	if (!rc)
		rc = name_home(context, home, options->id, err);
	if (!rc)
		rc = write_home(context, engine, root, base, err);
	if (!rc)
		rc = people_write_config(home, engine->tree, err);
	if (!rc)
		rc = make_disks(engine, root, err);
	if (!rc)
		rc = vm_prepare(home,
				engine->config.process.terminal || options->tty,
				&engine->monitor, &engine->program, err);
	options->bundle = engine->monitor;
	/* The engine knows nothing of the monitor's. */
	options->told_bundle = engine->bundle;
	options->vm_program = engine->program;
	return rc;
}

/* ---- the end ---- */

/* Another may have deleted it, and made one of the same ID. */
static bool is_ours(const struct vm_engine *engine, int vms)
{
	struct stat now;
	struct stat made;

	return engine->home.dir >= 0 && !fstat(engine->home.dir, &made) &&
	       !fstatat(vms, engine->home.name, &now, AT_SYMLINK_NOFOLLOW) &&
	       made.st_dev == now.st_dev && made.st_ino == now.st_ino;
}

static bool is_left(const struct context *context, int vms, const char *id)
{
	autoclose int dir = openat(
		vms, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autoclose int claim =
		openat(dir, CLAIM, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	json_t *home = json_load_path(dir, "home.json", NULL);
	const char *states = json_string_value(json_object_get(home, STATES));
	bool is_ours_to_tell = !states || !strcmp(states, context->root);

	json_decref(home);
	/* Whoever makes it holds the lock until there is a state. */
	return dir >= 0 && is_ours_to_tell &&
	       (claim < 0 || !flock(claim, LOCK_EX | LOCK_NB)) &&
	       faccessat(context->root_fd, id, F_OK, AT_SYMLINK_NOFOLLOW);
}

struct pruning {
	struct context *context;
	struct err *err;
	int vms;
};

static int prune_one(void *opaque, const char *name)
{
	const struct pruning *pruning = opaque;

	return is_left(pruning->context, pruning->vms, name) ?
		       tree_remove(pruning->vms, name, pruning->err) :
		       0;
}

int vm_engine_prune(struct context *context, struct err *err)
{
	autoclose int vms = open_vms(context);
	struct pruning pruning = { .context = context, .err = err, .vms = vms };

	return vms < 0 ? 0 : tree_each(vms, prune_one, &pruning, err);
}

struct asking {
	int vms;
	int (*each)(void *opaque, uint32_t id_base);
	void *opaque;
};

static int ask_base(void *opaque, const char *name)
{
	const struct asking *asking = opaque;
	char path[NAME_MAX + sizeof("/" CLAIM)];
	struct stat st;

	snprintf(path, sizeof(path), "%s/" CLAIM, name);
	return fstatat(asking->vms, path, &st, AT_SYMLINK_NOFOLLOW) ||
			       !st.st_uid ?
		       0 :
		       asking->each(asking->opaque, st.st_uid);
}

int vm_engine_each_base(struct context *context,
			int (*each)(void *opaque, uint32_t id_base),
			void *opaque, struct err *err)
{
	autoclose int vms = open_vms(context);
	struct asking asking = { .vms = vms, .each = each, .opaque = opaque };

	if (vms == -ENOENT)
		return 0; /* no VM was ever there */
	return vms < 0 ? vms : tree_each(vms, ask_base, &asking, err);
}

void vm_engine_release(struct vm_engine *engine, struct context *context,
		       bool discard)
{
	if (discard && *engine->home.name) {
		autoclose int vms = open_vms(context);

		if (vms >= 0 && is_ours(engine, vms))
			tree_remove(vms, engine->home.name, NULL);
	}
	if (engine->claim >= 0)
		close(move_fd(&engine->claim));
	home_release(&engine->home);
	config_dispose(&engine->config);
	json_decref(engine->tree);
	engine->tree = NULL;
	free(move_ptr(&engine->bundle));
	free(move_ptr(&engine->monitor));
	free(move_ptr(&engine->program));
}
