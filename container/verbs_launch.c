/* The verbs for people that begin and end a container: launch, stop, destroy,
 * autostart. Above the OCI runtime: they make a bundle and run it. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "container/ids.h"
#include "container/image.h"
#include "container/people.h"
#include "container/recipe.h"
#include "container/report.h"
#include "container/restore.h"
#include "container/rootless.h"
#include "container/supervisor.h"
#include "container/target.h"
#include "container/verbs.h"
#include "container/vm.h"
#include "core/parse.h"
#include "sandbox/selfexe.h"
#include "sandbox/userns.h"

int people_begin(struct context *context, const char *name, struct err *err)
{
	int rc = rootless_enter(context, name, err);

	if (!rc)
		rc = selfexe_protect(context->argv, 3, &context->self_mount,
				     err);
	return rc ? rc : context_open_root(context, err);
}

int people_new_ids(struct context *context, bool privileged, bool *ret_shares,
		   uint32_t *ret_base, struct err *err)
{
	*ret_shares = !userns_is_root_of_host();
	*ret_base = 0;
	return *ret_shares || privileged ? 0 : ids_new(context, ret_base, err);
}

/* ---- launch ---- */

/* What stands behind "--" is the command; a NULL ends what is in front. */
static void split_command(struct args *args, struct recipe *recipe)
{
	for (int i = 0; i < args->count; i++) {
		if (strcmp(args->at[i], "--") != 0)
			continue;
		recipe->command = &args->at[i + 1];
		args->at[i] = NULL;
		args->count = i;
		return;
	}
	recipe->command = &args->at[args->count];
}

int people_recipe(const char *verb, struct args *args, struct recipe *recipe,
		  struct err *err)
{
	struct arg_option table[RECIPE_OPTIONS];
	int rc;

	*recipe = (struct recipe){ .image = "" };
	recipe_options(recipe, table);
	split_command(args, recipe);
	rc = verb_options(verb, args, table, true, err);
	if (!rc)
		rc = args_next(args, "the image", &recipe->image, err);
	if (!rc && args->count)
		rc = args_next(args, "the name", &recipe->name, err);
	if (!rc && args->count)
		rc = err_set(
			err, EINVAL,
			"unexpected argument \"%s\"; a command stands behind --",
			args->at[0]);
	return rc ? rc : recipe_check(recipe, err);
}

/* The last part of the image's path, as far as it can be a name. */
static int default_name(struct recipe *recipe, char *name, size_t size,
			struct err *err)
{
	const char *end = recipe->image + strlen(recipe->image);
	const char *base;
	size_t len;

	if (recipe->name)
		return 0;
	while (end > recipe->image && end[-1] == '/')
		end--;
	for (base = end; base > recipe->image && base[-1] != '/';)
		base--;
	len = strcspn(base, ".:/");
	if (!len || len >= size || base + len > end)
		return err_set(err, EINVAL,
			       "give the container a name, behind the image %s",
			       recipe->image);
	snprintf(name, size, "%.*s", (int)len, base);
	recipe->name = name;
	return state_check_id(name, err);
}

/* The disk of the image, and what else a VM has. */
static int add_vm(struct context *context, const struct recipe *recipe,
		  const struct image *image, json_t *tree, struct err *err)
{
	json_t *vm = vm_describe(recipe, image->tree, err);
	autofree char *layer = NULL;
	int rc;

	if (!vm)
		return -err->code;
	json_object_set_new(tree, "vm", vm);
	rc = vm_add_layer(context, recipe->name, image, &layer, err);
	if (!rc && json_object_set_new(tree, "layers", json_pack("[s]", layer)))
		rc = err_set(err, EINVAL, "the path %s is not UTF-8", layer);
	return rc;
}

/* The folder becomes the lowest layer, or the root itself. */
static int add_root(const struct recipe *recipe, const struct image *image,
		    json_t *tree, struct err *err)
{
	json_t *root = json_string(image->tree);
	int rc;

	if (recipe->in_place || image->is_copy)
		rc = json_object_set_new(tree, "root", root);
	else
		rc = json_object_set_new(tree, "layers",
					 json_pack("[o]", root));
	return rc ? err_set(err, EINVAL, "the path of %s is not UTF-8",
			    recipe->image) :
		    0;
}

/* The names are those of the image as it is now. */
static int find_user(struct recipe *recipe, const char *path,
		     const json_t *base, struct err *err)
{
	autoclose int root = -1;

	assert(path);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? err_sys(err, errno, "cannot open %s", path) :
			  users_find(root, recipe_user(recipe, base), 0,
				     &recipe->ids, err);
}

int people_make_home(struct context *context, struct recipe *recipe,
		     const struct image *image, struct home *home,
		     struct err *err)
{
	const json_t *base = image->config;
	autofree char *text = NULL;
	json_t *config = NULL;
	json_t *tree;
	int rc = find_user(recipe, image->tree, base, err);

	if (!rc)
		rc = people_new_ids(context, recipe->privileged,
				    &recipe->shares_ids, &recipe->id_base, err);
	if (rc)
		return rc;
	config = recipe_config(recipe, base, err);
	text = config ? json_dumps(config, JSON_INDENT(2)) : NULL;
	json_decref(config);
	if (!text)
		return err->code ? -err->code : -ENOMEM;
	tree = recipe_home(recipe, base, err);
	if (!tree)
		return -err->code;
	rc = recipe->vm ? add_vm(context, recipe, image, tree, err) :
			  add_root(recipe, image, tree, err);
	if (rc) {
		json_decref(tree);
		return rc;
	}
	rc = home_create(context, recipe->name, tree, home, err);
	if (!rc)
		rc = state_write_file(home->dir, STATE_CONFIG, text,
				      strlen(text), err);
	return rc;
}

static int create(struct context *context, struct recipe *recipe,
		  const struct image *image, struct home *home, struct err *err)
{
	autoclose int store = store_lock(context, err);

	if (store < 0)
		return store;
	if (recipe->in_place && !image->is_folder)
		return err_set(err, EINVAL,
			       "--in-place is for a folder, which %s is not",
			       recipe->image);
	/* Before the disk is made, which takes its time. */
	if (home_exists(context, recipe->name))
		return err_set(err, EEXIST,
			       "container %s exists; destroy it first",
			       recipe->name);
	return people_make_home(context, recipe, image, home, err);
}

/* Before our program is protected; see image.h. */
static int find_image(struct context *context, const struct recipe *recipe,
		      struct image *image, struct err *err)
{
	autoclose int store = -1;
	json_t *vm;
	int rc = rootless_check(recipe, err);

	if (!rc)
		rc = rootless_enter(context, NULL, err);
	if (!rc && recipe->vm) {
		/* For its look at where we are. */
		vm = vm_describe(recipe, "/", err);
		rc = vm ? 0 : -err->code;
		json_decref(vm);
	}
	if (rc)
		return rc;
	store = store_lock(context, err);
	if (store < 0)
		return store;
	/* What is there already is told before anything is copied. */
	if (home_exists(context, recipe->name))
		return err_set(err, EEXIST,
			       "container %s exists; destroy it first",
			       recipe->name);
	rc = image_open(context, recipe->image, image, err);
	if (!rc && !recipe->in_place && !recipe->vm)
		rc = image_copy(context, recipe->name, image, err);
	return rc;
}

/* Takes back what a launch that failed has made. */
static void discard(struct context *context, struct home *home)
{
	autoclose int store = store_lock(context, NULL);

	if (store < 0)
		return;
	if (home->dir >= 0)
		home_remove(context, home, NULL);
	store_clean(context, false, NULL);
}

int verb_launch(struct context *context, struct args *args, struct err *err)
{
	struct home home = { .dir = -1 };
	char name[STATE_ID_MAX + 1];
	struct recipe recipe;
	struct image image = { .tree = NULL };
	int rc = people_recipe("launch", args, &recipe, err);

	if (!rc)
		rc = default_name(&recipe, name, sizeof(name), err);
	if (!rc)
		rc = find_image(context, &recipe, &image, err);
	if (!rc)
		rc = people_begin(context, NULL, err);
	if (!rc)
		rc = create(context, &recipe, &image, &home, err);
	image_release(&image);
	if (!rc)
		rc = recipe.attach ?
			     supervisor_attach(context, &home, recipe.tty,
					       err) :
			     supervisor_start(context, &home, NULL, err);
	if ((home.dir >= 0 && (rc || recipe.remove)) || (rc && image.is_copy))
		discard(context, &home);
	else if (!rc && !recipe.attach)
		printf("%s\n", recipe.name);
	home_release(&home);
	return rc;
}

/* ---- start, for what was launched ---- */

int people_start(struct context *context, const char *name, bool anew,
		 struct err *err)
{
	struct home home;
	int rc = people_begin(context, name, err);

	if (rc)
		return rc;
	rc = home_open(context, name, &home, err);
	if (!rc)
		rc = anew ? home_forget_saved(&home, err) : 0;
	if (!rc)
		rc = restore_home(context, &home, NULL, err);
	home_release(&home);
	return rc;
}

/* ---- stop, destroy ---- */

int verb_stop(struct context *context, struct args *args, struct err *err)
{
	const char *timeout = NULL;
	const char *name = "";
	uint64_t seconds = 0;
	const struct arg_option table[] = {
		{ "timeout", 't', ARG_TEXT, &timeout,
		  "seconds until it is killed; the container's own unless told" },
		ARGS_END,
	};
	struct home home;
	int rc = verb_options("stop", args, table, true, err);

	if (!rc)
		rc = args_last(args, "the container's name", &name, err);
	if (!rc && timeout && (parse_u64(timeout, &seconds) || seconds > 86400))
		rc = err_set(err, EINVAL, "--timeout takes seconds, not \"%s\"",
			     timeout);
	if (!rc)
		rc = context_open_root(context, err);
	if (rc)
		return rc;
	rc = home_open(context, name, &home, err);
	if (!rc)
		rc = supervisor_stop(context, &home,
				     timeout ? (int)seconds : -1, err);
	if (rc == 1)
		rc = err_set(err, EINVAL, "container %s is stopped", name);
	home_release(&home);
	return rc;
}

static int destroy(struct context *context, struct home *home, bool force,
		   struct err *err)
{
	autoclose int store = -1;
	int rc;

	if (!force && people_status(context, home) != PEOPLE_STOPPED)
		return err_set(
			err, EBUSY,
			"container %s is running; stop it first, or use --force",
			home->name);
	rc = supervisor_stop(context, home, force ? 0 : -1, err);
	if (rc < 0)
		return rc;
	store = store_lock(context, err);
	rc = store < 0 ? store : home_remove(context, home, err);
	return rc ? rc : store_clean(context, false, err);
}

int verb_destroy(struct context *context, struct args *args, struct err *err)
{
	const char *name = "";
	bool force = false;
	const struct arg_option table[] = {
		{ "force", 'f', ARG_FLAG, &force, "kill it first" },
		ARGS_END,
	};
	struct home home;
	int rc = verb_options("destroy", args, table, true, err);

	if (!rc)
		rc = args_last(args, "the container's name", &name, err);
	if (!rc)
		rc = rootless_enter(context, name, err);
	if (!rc)
		rc = context_open_root(context, err);
	if (rc)
		return rc;
	rc = home_open(context, name, &home, err);
	/* A launch that was cut off leaves a folder without home.json. */
	if (!rc || home.dir >= 0)
		rc = destroy(context, &home, force, err);
	home_release(&home);
	return rc;
}

/* ---- autostart ---- */

struct start {
	char name[STATE_ID_MAX + 1];
	unsigned int order;
};

struct starts {
	struct context *context;
	struct start *list; /* owned */
	size_t count;
	size_t room;
};

/* Those that are marked, and those that lost their supervisor while they ran:
 * their policy and their log go on. */
static int note_start(void *opaque, struct home *home)
{
	struct starts *starts = opaque;
	bool lost = people_status(starts->context, home) == PEOPLE_RUNNING &&
		    !supervisor_pid(home);
	struct start *more;

	if ((!home->autostart && !lost) || supervisor_pid(home))
		return 0;
	if (starts->count == starts->room) {
		starts->room = starts->room ? starts->room * 2 : 32;
		more = realloc(starts->list, starts->room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		starts->list = more;
	}
	snprintf(starts->list[starts->count].name, sizeof(starts->list[0].name),
		 "%s", home->name);
	starts->list[starts->count++].order = home->order;
	return 0;
}

static int by_order(const void *a, const void *b)
{
	const struct start *first = a;
	const struct start *second = b;

	if (first->order != second->order)
		return first->order < second->order ? -1 : 1;
	return strcmp(first->name, second->name);
}

/* One that fails does not keep the others from running; the first error is the
 * call's. */
static int start_all(struct context *context, const struct starts *starts,
		     struct err *err)
{
	int first = 0;

	for (size_t i = 0; i < starts->count; i++) {
		struct home home;
		struct err one = { 0 };
		int rc = home_open(context, starts->list[i].name, &home, &one);

		if (!rc)
			rc = restore_home(context, &home, NULL, &one);
		home_release(&home);
		if (!rc) {
			printf("%s\n", starts->list[i].name);
			(void)fflush(stdout);
			continue;
		}
		err_prefix(&one, "%s", starts->list[i].name);
		if (first)
			report_warning(context, &one);
		else
			*err = one;
		first = first ? first : rc;
	}
	context->payload_failed = false;
	return first;
}

int verb_autostart(struct context *context, struct args *args, struct err *err)
{
	struct starts starts = { .context = context };
	const struct arg_option table[] = { ARGS_END };
	int rc = verb_options("autostart", args, table, true, err);

	if (!rc)
		rc = args_end(args, err);
	if (!rc)
		rc = people_begin(context, NULL, err);
	if (rc)
		return rc;
	rc = home_each(context, note_start, &starts, err);
	if (rc)
		rc = err_sys(err, -rc, "cannot list the containers");
	if (!rc && starts.count)
		qsort(starts.list, starts.count, sizeof(*starts.list),
		      by_order);
	if (!rc)
		rc = start_all(context, &starts, err);
	free(starts.list);
	return rc;
}
