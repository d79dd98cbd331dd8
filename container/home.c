#include "container/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "container/disk.h"
#include "container/vm.h"
#include "core/tree.h"

#define HOME_FILE  "home.json"
#define CONTAINERS "containers"
#define DIR_MODE   0700
/* Paths of layers are absolute, and mapped IDs need to pass through. */
#define STORE_MODE 0711

/* ---- the store ---- */

static int make_folder(int dir, const char *name, mode_t mode)
{
	return mkdirat(dir, name, mode) && errno != EEXIST ? -errno : 0;
}

int store_lock(struct context *context, struct err *err)
{
	autoclose int fd = state_open_root(context->store, err);
	int rc;

	if (fd < 0)
		return err_prefix(err, "--store");
	rc = make_folder(fd, CONTAINERS, STORE_MODE);
	if (!rc)
		rc = make_folder(fd, "layers", STORE_MODE);
	if (rc)
		return err_sys(err, -rc, "cannot make folders in %s",
			       context->store);
	if (flock(fd, LOCK_EX))
		return err_sys(err, errno, "cannot lock %s", context->store);
	return move_fd(&fd);
}

static int open_containers(struct context *context)
{
	autoclose int store =
		open(context->store, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = store < 0 ? -1 :
			     openat(store, CONTAINERS,
				    O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* ---- home.json ---- */

static int read_layers(struct home *home, const struct jnode *root,
		       struct err *err)
{
	autofree const char **layers = NULL;
	size_t count = 0;
	int rc = json_strings_at(root, "layers", &layers, &count, err);

	if (rc < 0)
		return rc;
	if (count > HOME_LAYERS_MAX)
		return err_set(err, E2BIG, "layers: more than %d",
			       HOME_LAYERS_MAX);
	for (size_t i = 0; i < count; i++)
		home->layers[i] = layers[i];
	home->layer_count = count;
	return 0;
}

static int read_numbers(struct home *home, const struct jnode *root,
			struct err *err)
{
	uint64_t base = 0;
	uint64_t restart = 0;
	uint64_t restart_max = 0;
	uint64_t files = 0;
	uint64_t signal = 15;
	uint64_t timeout = 10;
	uint64_t order = 0;
	uint64_t project = 0;
	const struct {
		const char *key;
		uint64_t max;
		uint64_t *value;
	} numbers[] = {
		{ "idBase", UINT32_MAX, &base },
		{ "restart", RESTART_ALWAYS, &restart },
		{ "restartMax", UINT32_MAX, &restart_max },
		{ "logBytes", INT64_MAX, &home->log_bytes },
		{ "logFiles", 100, &files },
		{ "stopSignal", 64, &signal },
		{ "stopTimeout", 86400, &timeout },
		{ "order", UINT32_MAX, &order },
		{ "diskQuota", INT64_MAX, &home->disk_quota },
		{ "project", UINT32_MAX, &project },
	};
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < ARRAY_SIZE(numbers); i++)
		rc = json_u64_at(root, numbers[i].key, numbers[i].max,
				 numbers[i].value, err);
	home->id_base = (uint32_t)base;
	home->restart = (enum restart_policy)restart;
	home->restart_max = (unsigned int)restart_max;
	home->log_files = (unsigned int)files;
	home->stop_signal = (int)signal;
	home->stop_timeout_s = (unsigned int)timeout;
	home->order = (unsigned int)order;
	home->project = (uint32_t)project;
	return rc < 0 ? rc : 0;
}

static int read_vm(struct home *home, const struct jnode *root, struct err *err)
{
	struct jnode vm;
	int rc = json_object_at(root, "vm", &vm, err);

	if (rc <= 0)
		return rc;
	rc = json_need_string(&vm, "monitor", &home->vm_monitor, err);
	if (rc >= 0)
		rc = json_need_string(&vm, "kernel", &home->vm_kernel, err);
	if (rc >= 0)
		rc = json_need_string(&vm, "initrd", &home->vm_initrd, err);
	if (rc >= 0)
		rc = json_need_string(&vm, "root", &home->vm_root, err);
	if (rc >= 0)
		rc = json_u64_at(&vm, "diskBytes", INT64_MAX,
				 &home->vm_disk_bytes, err);
	if (rc >= 0)
		rc = json_bool_at(&vm, "engine", &home->vm_engine, err);
	return rc;
}

static int from_json(struct home *home, struct err *err)
{
	const struct jnode root = { .value = home->tree };
	int rc = json_string_at(&root, "image", &home->image, err);

	if (rc >= 0)
		rc = json_string_at(&root, "root", &home->root, err);
	if (rc >= 0)
		rc = json_string_at(&root, "created", &home->created, err);
	if (rc >= 0)
		rc = json_bool_at(&root, "privileged", &home->privileged, err);
	if (rc >= 0)
		rc = json_bool_at(&root, "sharesIds", &home->shares_ids, err);
	if (rc >= 0)
		rc = json_bool_at(&root, "reaper", &home->reaper, err);
	if (rc >= 0)
		rc = json_bool_at(&root, "system", &home->system, err);
	if (rc >= 0)
		rc = json_bool_at(&root, "autostart", &home->autostart, err);
	if (rc >= 0)
		rc = read_numbers(home, &root, err);
	if (rc >= 0)
		rc = read_vm(home, &root, err);
	return rc < 0 ? rc : read_layers(home, &root, err);
}

int home_change(struct home *home, json_t *tree, struct err *err)
{
	autofree char *text = json_dumps(tree, JSON_INDENT(2));
	int rc;

	json_incref(tree);
	json_decref(home->tree);
	home->tree = tree;
	rc = text ? state_write_file(home->dir, HOME_FILE, text, strlen(text),
				     err) :
		    err_set(err, EINVAL, "a name is not UTF-8");
	json_decref(tree);
	return rc ? rc : from_json(home, err);
}

/* ---- one container ---- */

static int open_folder(struct context *context, const char *name,
		       struct home *home, struct err *err)
{
	autoclose int all = open_containers(context);
	char *store;
	int n;

	snprintf(home->name, sizeof(home->name), "%s", name);
	home->dir = all < 0 ? -1 :
			      openat(all, name,
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
					     O_CLOEXEC);
	if (home->dir < 0)
		return err_set(err, ENOENT,
			       "container \"%s\" was not launched; see list",
			       name);
	store = realpath(context->store, NULL);
	n = store ? asprintf(&home->path, "%s/" CONTAINERS "/%s", store, name) :
		    -1;
	free(store);
	if (n < 0) {
		home->path = NULL;
		return err_sys(err, ENOMEM, "%s", name);
	}
	return 0;
}

int home_open(struct context *context, const char *name, struct home *ret_home,
	      struct err *err)
{
	int rc = state_check_id(name, err);

	*ret_home = (struct home){ .dir = -1 };
	if (!rc)
		rc = open_folder(context, name, ret_home, err);
	if (rc)
		return rc;
	ret_home->tree = json_load_path(ret_home->dir, HOME_FILE, err);
	if (!ret_home->tree)
		return err ? -err->code : -EINVAL;
	return from_json(ret_home, err);
}

int home_create(struct context *context, const char *name, json_t *tree,
		struct home *ret_home, struct err *err)
{
	autoclose int all = open_containers(context);
	int rc = state_check_id(name, err);

	*ret_home = (struct home){ .dir = -1, .tree = tree };
	if (rc)
		return rc;
	if (all < 0 || mkdirat(all, name, STORE_MODE))
		return errno == EEXIST ?
			       err_set(err, EEXIST,
				       "container %s exists; destroy it first",
				       name) :
			       err_sys(err, errno,
				       "cannot make the folder of %s", name);
	rc = open_folder(context, name, ret_home, err);
	if (!rc && (mkdirat(ret_home->dir, "root", DIR_MODE) ||
		    mkdirat(ret_home->dir, "data", STORE_MODE)))
		rc = err_sys(err, errno, "cannot make folders of %s", name);
	/* What is made in it from here on is counted. */
	if (!rc && json_object_get(tree, "diskQuota"))
		rc = disk_begin(ret_home, tree, err);
	if (!rc && mkdirat(ret_home->dir, "data/work", DIR_MODE))
		rc = err_sys(err, errno, "cannot make folders of %s", name);
	if (!rc)
		rc = home_change(ret_home, json_incref(tree), err);
	return rc ? rc : home_repair(ret_home, err);
}

void home_release(struct home *home)
{
	if (home->dir >= 0)
		close(move_fd(&home->dir));
	free(move_ptr(&home->path));
	json_decref(home->tree);
	home->tree = NULL;
}

bool home_exists(struct context *context, const char *name)
{
	autoclose int all = open_containers(context);

	return all >= 0 && *name != '.' && !strchr(name, '/') &&
	       !faccessat(all, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

int home_remove(struct context *context, struct home *home, struct err *err)
{
	autoclose int all = open_containers(context);

	disk_end(home);
	return all < 0 ? err_sys(err, -all, "cannot open the store") :
			 tree_remove(all, home->name, err);
}

#define UPPER "data/upper"

/* Empty, with the mode and owner of the root below it. */
static int new_upper(const struct home *home, struct err *err)
{
	struct stat st;

	if (mkdirat(home->dir, UPPER, 0755))
		return err_sys(err, errno, "cannot make a folder for %s",
			       home->name);
	if (stat(home->layers[0], &st) ||
	    fchownat(home->dir, UPPER, st.st_uid, st.st_gid,
		     AT_SYMLINK_NOFOLLOW) ||
	    fchmodat(home->dir, UPPER, st.st_mode & 07777, 0))
		return err_sys(err, errno, "cannot use %s", home->layers[0]);
	return 0;
}

int home_repair(const struct home *home, struct err *err)
{
	if (home->root || !home->layer_count)
		return 0;
	if (access(home->layers[0], F_OK) && errno == ENOENT &&
	    renameat(home->dir, UPPER, AT_FDCWD, home->layers[0]))
		return err_sys(err, errno, "container %s has lost its files %s",
			       home->name, home->layers[0]);
	if (faccessat(home->dir, UPPER, F_OK, AT_SYMLINK_NOFOLLOW) &&
	    new_upper(home, err))
		return -err->code;
	return vm_new_disk(home, err);
}

/* ---- what `checkpoint` has left ---- */

/* criu writes its inventory last. */
bool home_is_saved(const struct home *home)
{
	return !faccessat(home->dir, HOME_CHECKPOINT "/inventory.img", F_OK, 0);
}

int home_forget_saved(const struct home *home, struct err *err)
{
	return tree_remove(home->dir, HOME_CHECKPOINT, err);
}

/* ---- all of them ---- */

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int home_each(struct context *context,
	      int (*each)(void *opaque, struct home *home), void *opaque,
	      struct err *err)
{
	autoclose int all = open_containers(context);
	struct dirent **names = NULL;
	int count;
	int rc = 0;

	if (all == -ENOENT)
		return 0; /* nothing was launched yet */
	count = all < 0 ? -1 : scandirat(all, ".", &names, visible, alphasort);
	if (count < 0)
		return err_sys(err, errno, "cannot read %s", context->store);
	for (int i = 0; i < count; i++) {
		struct home home = { .dir = -1 };

		/* One cut off in the making is for destroy alone. */
		if (!rc && !home_open(context, names[i]->d_name, &home, NULL))
			rc = each(opaque, &home);
		home_release(&home);
		free(names[i]);
	}
	free(names);
	return rc;
}

/* ---- layers ---- */

struct layer_search {
	const char *name; /* in the folder layers */
	bool used;
};

/* ".../layers/NAME/tree" */
static bool names_layer(const char *path, const char *name)
{
	const char *end = strrchr(path, '/');
	size_t len = strlen(name);

	return end && end - path > (ptrdiff_t)len &&
	       !strncmp(end - len, name, len) &&
	       end[-1 - (ptrdiff_t)len] == '/';
}

static bool list_names(const json_t *layers, const char *name)
{
	for (size_t i = 0; i < json_array_size(layers); i++) {
		const char *path = json_string_value(json_array_get(layers, i));

		if (path && names_layer(path, name))
			return true;
	}
	return false;
}

static int uses_layer(void *opaque, struct home *home)
{
	struct layer_search *search = opaque;
	json_t *snapshots = json_object_get(home->tree, "snapshots");

	search->used |= home->root && names_layer(home->root, search->name);
	search->used |=
		list_names(json_object_get(home->tree, "layers"), search->name);
	for (void *at = json_object_iter(snapshots); at;
	     at = json_object_iter_next(snapshots, at))
		search->used |= list_names(
			json_object_get(json_object_iter_value(at), "layers"),
			search->name);
	return search->used;
}

int store_clean(struct context *context, bool images, struct err *err)
{
	autoclose int store =
		open(context->store, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int layers =
		openat(store, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent **names = NULL;
	int count = layers < 0 ?
			    -1 :
			    scandirat(layers, ".", &names, visible, alphasort);
	int rc = 0;

	if (count < 0)
		return err_sys(err, errno, "cannot read %s", context->store);
	for (int i = 0; i < count; i++) {
		struct layer_search search = { .name = names[i]->d_name };
		bool is_image = strncmp(search.name, "s-", 2) != 0;

		if (!rc && (images || !is_image)) {
			rc = home_each(context, uses_layer, &search, err);
			rc = rc > 0 ? 0 : rc;
			if (!rc && !search.used)
				rc = tree_remove(layers, search.name, err);
		}
		free(names[i]);
	}
	free(names);
	return rc;
}
