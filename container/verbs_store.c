/* The verbs for people about the store: prune, clone, snapshot. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "container/people.h"
#include "container/recipe.h"
#include "container/rootless.h"
#include "container/supervisor.h"
#include "container/verbs.h"
#include "container/vm_engine.h"
#include "core/tree.h"

/* ---- prune ---- */

int verb_prune(struct context *context, struct args *args, struct err *err)
{
	const struct arg_option table[] = { ARGS_END };
	autoclose int store = -1;
	int rc = verb_options("prune", args, table, true, err);

	if (!rc)
		rc = args_end(args, err);
	if (!rc)
		rc = rootless_enter(context, NULL, err);
	if (rc)
		return rc;
	store = store_lock(context, err);
	rc = store < 0 ? store : store_clean(context, true, err);
	if (!rc)
		rc = context_open_root(context, err);
	return rc ? rc : vm_engine_prune(context, err);
}

/* ---- layers of one's own ---- */

/* What its files are changes below it only while it does not run. */
static int open_stopped(struct context *context, const char *name,
			struct home *home, struct err *err)
{
	int rc = home_open(context, name, home, err);

	if (rc)
		return rc;
	if (people_status(context, home) != PEOPLE_STOPPED)
		return err_set(err, EBUSY,
			       "container %s is running; stop it first", name);
	if (home->root)
		return err_set(
			err, EOPNOTSUPP,
			"container %s writes to %s itself, of which there are no snapshots",
			name, home->root);
	return home_repair(home, err);
}

static bool is_empty(int dir, const char *path)
{
	autoclose int fd =
		openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent **names = NULL;
	int count = fd < 0 ? -1 : scandirat(fd, ".", &names, NULL, NULL);

	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return count == 2; /* . and .. */
}

static json_t *layer_list(const struct home *home)
{
	return json_deep_copy(json_object_get(home->tree, "layers"));
}

/*
 * What the container has written becomes the topmost of its layers, by a
 * rename: nothing is copied. The name is written first, and home_repair does
 * the rest: whenever it is cut off, the next use of the container goes on.
 */
static int freeze_upper(struct context *context, struct home *home,
			struct err *err)
{
	autofree char *store = realpath(context->store, NULL);
	autofree char *path = NULL;
	autofree char *tree = NULL;
	json_t *changed;
	json_t *layers;
	struct timespec now;

	if (is_empty(home->dir, "data/upper"))
		return 0;
	if (home->layer_count == HOME_LAYERS_MAX)
		return err_set(
			err, E2BIG,
			"container %s has %d layers, and there cannot be more: export it, and launch what comes of it",
			home->name, HOME_LAYERS_MAX);
	clock_gettime(CLOCK_REALTIME, &now);
	if (!store ||
	    asprintf(&path, "%s/layers/s-%s-%lld.%09ld", store, home->name,
		     (long long)now.tv_sec, now.tv_nsec) < 0 ||
	    asprintf(&tree, "%s/tree", path) < 0)
		return err_sys(err, ENOMEM, "no memory");
	layers = layer_list(home);
	changed = json_deep_copy(home->tree);
	json_array_insert_new(layers, 0, json_string(tree));
	json_object_set_new(changed, "layers", layers);
	if (mkdir(path, 0711)) {
		json_decref(changed);
		return err_sys(err, errno, "cannot make the layer %s", path);
	}
	if (home_change(home, changed, err))
		return -err->code;
	return home_repair(home, err);
}

/* ---- clone ---- */

static int clone_home(struct context *context, struct home *from,
		      const char *name, struct err *err)
{
	struct home home = { .dir = -1 };
	json_t *tree = json_deep_copy(from->tree);
	json_t *config = json_load_path(from->dir, STATE_CONFIG, err);
	uint32_t base = 0;
	bool shares;
	int rc = config ? 0 : -err->code;

	json_object_del(tree, "snapshots");
	if (!rc)
		rc = people_new_ids(context, from->privileged, &shares, &base,
				    err);
	if (!rc) {
		json_object_set_new(tree, "idBase", json_integer(base));
		rc = home_create(context, name, tree, &home, err);
	} else {
		json_decref(tree);
	}
	if (!rc)
		rc = recipe_rename(config, from->name, name, base, err);
	if (!rc)
		rc = people_write_config(&home, config, err);
	if (rc && home.dir >= 0)
		home_remove(context, &home, NULL);
	json_decref(config);
	home_release(&home);
	return rc;
}

int verb_clone(struct context *context, struct args *args, struct err *err)
{
	const struct arg_option table[] = { ARGS_END };
	const char *from = "";
	const char *name = "";
	struct home home = { .dir = -1 };
	autoclose int store = -1;
	int rc = verb_options("clone", args, table, true, err);

	if (!rc)
		rc = args_next(args, "the container's name", &from, err);
	if (!rc)
		rc = args_last(args, "the name of the clone", &name, err);
	if (!rc)
		rc = rootless_enter(context, NULL, err);
	if (!rc)
		rc = context_open_root(context, err);
	if (rc)
		return rc;
	store = store_lock(context, err);
	rc = store < 0 ? store : open_stopped(context, from, &home, err);
	if (!rc && home_exists(context, name))
		rc = err_set(err, EEXIST,
			     "container %s exists; destroy it first", name);
	if (!rc)
		rc = freeze_upper(context, &home, err);
	if (!rc)
		rc = clone_home(context, &home, name, err);
	home_release(&home);
	return rc;
}

/* ---- snapshot ---- */

static int snapshot_create(struct context *context, struct home *home,
			   const char *name, struct err *err)
{
	json_t *list;
	json_t *tree;
	char created[64];
	int rc = state_check_id(name, err);

	if (rc)
		return rc;
	if (json_object_get(json_object_get(home->tree, "snapshots"), name))
		return err_set(err, EEXIST,
			       "container %s has a snapshot %s already",
			       home->name, name);
	rc = freeze_upper(context, home, err);
	if (rc)
		return rc;
	state_now(created, sizeof(created));
	tree = json_deep_copy(home->tree);
	list = json_object_get(tree, "snapshots");
	if (!list) {
		list = json_object();
		json_object_set_new(tree, "snapshots", list);
	}
	json_object_set_new(list, name,
			    json_pack("{s:s, s:o}", "created", created,
				      "layers", layer_list(home)));
	return home_change(home, tree, err);
}

static json_t *find_snapshot(const struct home *home, const char *name,
			     struct err *err)
{
	json_t *snapshot =
		json_object_get(json_object_get(home->tree, "snapshots"), name);

	if (!snapshot)
		err_set(err, ENOENT, "container %s has no snapshot %s",
			home->name, name);
	return snapshot;
}

/* What was written since is gone. */
static int snapshot_rollback(struct context *context, struct home *home,
			     const char *name, struct err *err)
{
	json_t *snapshot = find_snapshot(home, name, err);
	json_t *tree;
	int rc;

	if (!snapshot)
		return -ENOENT;
	tree = json_deep_copy(home->tree);
	json_object_set_new(
		tree, "layers",
		json_deep_copy(json_object_get(snapshot, "layers")));
	rc = home_forget_saved(home, err);
	if (!rc)
		rc = tree_remove(home->dir, "data/upper", err);
	if (rc) {
		json_decref(tree);
		return rc;
	}
	rc = home_change(home, tree, err);
	if (!rc)
		rc = home_repair(home, err);
	return rc ? rc : store_clean(context, false, err);
}

static int snapshot_delete(struct context *context, struct home *home,
			   const char *name, struct err *err)
{
	json_t *tree;
	int rc;

	if (!find_snapshot(home, name, err))
		return -ENOENT;
	tree = json_deep_copy(home->tree);
	json_object_del(json_object_get(tree, "snapshots"), name);
	rc = home_change(home, tree, err);
	return rc ? rc : store_clean(context, false, err);
}

static int snapshot_list(const struct home *home, bool json, struct err *err)
{
	json_t *list = json_object_get(home->tree, "snapshots");
	json_t *array = json_array();
	const char *name;
	json_t *value;

	json_object_foreach(list, name, value)
	{
		const char *created =
			json_string_value(json_object_get(value, "created"));

		if (json)
			json_array_append_new(
				array, json_pack("{s:s, s:s}", "name", name,
						 "created", created));
		else
			printf("%-30s %s\n", name, created);
	}
	if (json)
		return json_print(array, JSON_INDENT(2), err);
	json_decref(array);
	return 0;
}

static int snapshot(struct context *context, const char *what,
		    const char *container, const char *name, bool json,
		    struct err *err)
{
	static const struct {
		const char *what;
		int (*run)(struct context *context, struct home *home,
			   const char *name, struct err *err);
	} kinds[] = {
		{ "create", snapshot_create },
		{ "rollback", snapshot_rollback },
		{ "delete", snapshot_delete },
	};
	autoclose int store = store_lock(context, err);
	struct home home = { .dir = -1 };
	int rc = store < 0 ? store : 0;

	if (!rc && !strcmp(what, "list")) {
		rc = home_open(context, container, &home, err);
		if (!rc)
			rc = snapshot_list(&home, json, err);
		home_release(&home);
		return rc;
	}
	if (!rc && !name)
		rc = err_set(err, EINVAL,
			     "the snapshot's name is missing; see --help");
	if (!rc)
		rc = open_stopped(context, container, &home, err);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(kinds[i].what, what)) {
			rc = kinds[i].run(context, &home, name, err);
			home_release(&home);
			return rc;
		}
	}
	home_release(&home);
	return rc ? rc :
		    err_set(err, EINVAL,
			    "snapshot takes create, list, rollback or delete, not \"%s\"",
			    what);
}

int verb_snapshot(struct context *context, struct args *args, struct err *err)
{
	bool json = false;
	const struct arg_option table[] = {
		{ "json", 0, ARG_FLAG, &json, "list: as JSON" },
		ARGS_END,
	};
	const char *what = "";
	const char *container = "";
	const char *name = NULL;
	int rc = verb_options("snapshot", args, table, true, err);

	if (!rc)
		rc = args_next(args, "create, list, rollback or delete", &what,
			       err);
	if (!rc)
		rc = args_next(args, "the container's name", &container, err);
	if (!rc && args->count)
		rc = args_last(args, "the snapshot's name", &name, err);
	if (!rc)
		rc = rootless_enter(context, NULL, err);
	if (!rc)
		rc = context_open_root(context, err);
	return rc ? rc : snapshot(context, what, container, name, json, err);
}
