#include "container/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "container/people.h"
#include "container/vm_net.h"
#include "core/parse.h"
#include "core/tree.h"
#include "sandbox/selfexe.h"

#define DISK	   "disk"
#define UPPER_DISK "data/upper/" DISK
#define DISK_BYTES (16 * GIB)
#define LEAST_DISK (16 * MIB)

/* ---- the programs ---- */

/* The first that is there; the words behind it are for people. */
static char *find_file(const char *place, const char *const *names,
		       const char *remedy, struct err *err)
{
	char *path = NULL;

	for (size_t i = 0; names[i]; i++) {
		if (asprintf(&path, "%s/%s", place, names[i]) < 0) {
			err_sys(err, ENOMEM, "no memory");
			return NULL;
		}
		if (!access(path, R_OK))
			return path;
		free(path);
	}
	err_set(err, ENOENT, "VMs need %s/%s: %s", place, names[0], remedy);
	return NULL;
}

static int disk_bytes(const struct recipe *recipe, uint64_t *ret_bytes,
		      struct err *err)
{
	uint64_t bytes = DISK_BYTES;

	if (recipe->disk && (parse_size(recipe->disk, 1, &bytes) ||
			     bytes < LEAST_DISK || bytes > VM_IMAGE_BYTES))
		return err_set(
			err, EINVAL,
			"--disk takes a size from 16M to 256G, not \"%s\"",
			recipe->disk);
	*ret_bytes = align_down(bytes, MIB);
	return 0;
}

json_t *vm_describe(const struct recipe *recipe, const char *folder,
		    struct err *err)
{
	static const char *const monitors[] = { "hull", NULL };
	/* Unpacked, the kernel need not be unpacked at each start. */
	static const char *const kernels[] = { "guests/linux/vmlinux",
					       "guests/linux/bzImage",
					       "../lib/hull/vmlinux", NULL };
	static const char *const initrds[] = { "guests/linux/vm.cpio",
					       "../lib/hull/vm.cpio", NULL };
	const char *remedy = "make linux-guest, and make install, put it there";
	autofree char *monitor = NULL;
	autofree char *kernel = NULL;
	autofree char *initrd = NULL;
	char place[PATH_MAX];
	uint64_t bytes = 0;
	struct stat st;
	char root[64];
	json_t *tree;

	if (selfexe_folder(place, err) || disk_bytes(recipe, &bytes, err))
		return NULL;
	monitor = find_file(place, monitors, "it belongs beside hull-ct", err);
	if (monitor)
		kernel = find_file(place, kernels, remedy, err);
	if (kernel)
		initrd = find_file(place, initrds, remedy, err);
	if (!initrd)
		return NULL;
	if (stat(folder, &st)) {
		err_sys(err, errno, "cannot open %s", folder);
		return NULL;
	}
	snprintf(root, sizeof(root), "%o %u %u", st.st_mode & 07777, st.st_uid,
		 st.st_gid);
	tree = json_pack("{s:s, s:s, s:s, s:s, s:I}", "root", root, "monitor",
			 monitor, "kernel", kernel, "initrd", initrd,
			 "diskBytes", (json_int_t)bytes);
	if (!tree)
		err_set(err, EINVAL, "the path of hull-ct is not UTF-8");
	return tree;
}

/* ---- what a VM cannot keep ---- */

int vm_check(const struct recipe *recipe, struct err *err)
{
	uint64_t bytes = 0;

	if (!recipe->vm)
		return recipe->disk ?
			       err_set(err, EINVAL, "--disk goes with --vm") :
			       0;
	if (recipe->in_place)
		return err_set(
			err, EOPNOTSUPP,
			"--in-place: a VM writes to a disk of its own, not to %s",
			recipe->image);
	if (recipe->privileged)
		return err_set(
			err, EOPNOTSUPP,
			"--privileged: a VM has no user namespace to leave away; --cap-add ALL gives all rights inside of it");
	if (recipe->no_init)
		return err_set(err, EOPNOTSUPP,
			       "--no-init: the init of a VM is its agent, too");
	if (recipe->system)
		return err_set(
			err, EOPNOTSUPP,
			"--system: the init of a VM is its agent, not the image's");
	if (recipe->disk_quota)
		return err_set(err, EOPNOTSUPP,
			       "--disk-quota: the limit of a VM is --disk");
	if (vm_net_check(&recipe->network, err))
		return -err->code;
	if (recipe->memory && !parse_size(recipe->memory, 1, &bytes) &&
	    bytes < VM_LEAST_MEMORY)
		return err_set(
			err, EINVAL,
			"--memory: a VM has a kernel of its own and needs 96M or more, not %s",
			recipe->memory);
	return disk_bytes(recipe, &bytes, err);
}

/* ---- layers ---- */

static int layer_paths(struct context *context, const char *name,
		       const struct image *image, char **ret_layer,
		       struct err *err)
{
	autofree char *store = realpath(context->store, NULL);
	char key[PATH_MAX];
	struct timespec now;
	const char *slash;
	size_t len;
	int n;

	if (!store)
		return err_sys(err, errno, "cannot open the store");
	if (image->is_folder) {
		/* A layer of containers: it goes with the last of them. */
		clock_gettime(CLOCK_REALTIME, &now);
		snprintf(key, sizeof(key), "s-%s-%lld.%09ld", name,
			 (long long)now.tv_sec, now.tv_nsec);
	} else {
		/* ".../layers/KEY/tree" is unpacked once, and so is its disk. */
		slash = strrchr(image->tree, '/');
		len = slash ? (size_t)(slash - image->tree) : 0;
		while (len && image->tree[len - 1] != '/')
			len--;
		snprintf(key, sizeof(key), "vm-%.*s",
			 slash ? (int)(slash - image->tree - (ptrdiff_t)len) :
				 0,
			 image->tree + len);
	}
	n = asprintf(ret_layer, "%s/layers/%s", store, key);
	return n < 0 ? err_sys(err, ENOMEM, "no memory") : 0;
}

/* All of it or nothing: a disk that was begun has another name. */
static int fill_layer(const char *layer, const char *tree, struct err *err)
{
	autofree char *begun = NULL;
	autofree char *disk = NULL;
	int rc;

	if (asprintf(&begun, "%s/tree/begun", layer) < 0 ||
	    asprintf(&disk, "%s/tree/" DISK, layer) < 0)
		return err_sys(err, ENOMEM, "no memory");
	if (!access(disk, F_OK))
		return 0;
	unlink(begun);
	rc = vm_disk_make(begun, tree, VM_IMAGE_BYTES, err);
	if (!rc && (chmod(begun, 0444) || rename(begun, disk)))
		rc = err_sys(err, errno, "cannot make the disk %s", disk);
	return rc;
}

int vm_add_layer(struct context *context, const char *name,
		 const struct image *image, char **ret_path, struct err *err)
{
	autofree char *layer = NULL;
	autofree char *tree = NULL;
	int rc = layer_paths(context, name, image, &layer, err);

	if (rc || !layer)
		return rc;
	if (asprintf(&tree, "%s/tree", layer) < 0) {
		tree = NULL;
		return err_sys(err, ENOMEM, "no memory");
	}
	if ((mkdir(layer, 0711) && errno != EEXIST) ||
	    (mkdir(tree, 0700) && errno != EEXIST))
		return err_sys(err, errno, "cannot make the layer %s", layer);
	rc = fill_layer(layer, image->tree, err);
	if (rc && image->is_folder) {
		rmdir(tree);
		rmdir(layer);
	}
	if (!rc)
		*ret_path = move_ptr(&tree);
	return rc;
}

bool vm_is(const struct home *home)
{
	return home->vm_monitor;
}

int vm_new_disk(const struct home *home, struct err *err)
{
	autofree char *path = NULL;
	int rc;

	if (!vm_is(home) ||
	    !faccessat(home->dir, UPPER_DISK, F_OK, AT_SYMLINK_NOFOLLOW))
		return 0;
	if (asprintf(&path, "%s/" UPPER_DISK, home->path) < 0)
		return err_sys(err, ENOMEM, "no memory");
	rc = vm_disk_make(path, NULL, home->vm_disk_bytes, err);
	return rc ? err_prefix(err, "%s", home->name) : 0;
}

/* ---- start ---- */

/* The monitor's own disk it may write to; those below it may be read by all
 * that share them, which see nothing but the files. */
static int give_disks(const struct home *home, struct err *err)
{
	uid_t id = home->id_base;

	if (fchownat(home->dir, UPPER_DISK, id, id, AT_SYMLINK_NOFOLLOW) ||
	    fchmodat(home->dir, UPPER_DISK, 0600, 0))
		return err_sys(err, errno, "the disk of %s", home->name);
	for (size_t i = 0; i < home->layer_count; i++) {
		autofree char *path = NULL;

		if (asprintf(&path, "%s/" DISK, home->layers[i]) < 0) {
			path = NULL;
			return err_sys(err, ENOMEM, "no memory");
		}
		if (chmod(path, 0444))
			return err_sys(err, errno, "cannot use the layer %s",
				       path);
	}
	return 0;
}

/* New for each start: what the last monitor left there is its own. */
static int make_folder(const struct home *home, int *ret_dir, struct err *err)
{
	autoclose int dir = -1;
	int rc = tree_remove(home->dir, "vm", err);

	if (rc)
		return rc;
	if (mkdirat(home->dir, "vm", 0711) ||
	    mkdirat(home->dir, "vm/root", 0755) ||
	    mkdirat(home->dir, "vm/run", 0700) ||
	    fchownat(home->dir, "vm/run", home->id_base, home->id_base,
		     AT_SYMLINK_NOFOLLOW))
		return err_sys(err, errno, "cannot make folders of %s",
			       home->name);
	dir = openat(home->dir, "vm",
		     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, errno, "cannot open the folder of %s",
			       home->name);
	*ret_dir = move_fd(&dir);
	return 0;
}

static int write_settings(const struct home *home, int dir, const json_t *tree,
			  bool tty, struct err *err)
{
	autofree void *block = NULL;
	struct config config;
	size_t size = 0;
	int rc = config_read(&config, json_deep_copy(tree), err);

	if (!rc) {
		config.process.terminal = tty;
		rc = vm_settings(home, &config, tree, &block, &size, err);
	}
	config_dispose(&config);
	if (!rc)
		rc = state_write_file(dir, "settings", block, size, err);
	if (!rc && (fchmodat(dir, "settings", 0400, 0) ||
		    fchownat(dir, "settings", home->id_base, home->id_base,
			     AT_SYMLINK_NOFOLLOW)))
		rc = err_sys(err, errno, "cannot give the settings away");
	return rc;
}

/* For `exec`, which runs what is like its first process. */
static int write_json(int dir, const char *name, const json_t *tree,
		      struct err *err)
{
	autofree char *text = json_dumps(tree, JSON_INDENT(2));

	return text ? state_write_file(dir, name, text, strlen(text), err) :
		      err_set(err, ENOMEM, "no memory");
}

static int write_config(const struct home *home, int dir, const json_t *tree,
			bool tty, struct err *err)
{
	json_t *config = vm_monitor_config(home, tree, tty, err);
	int rc;

	if (!config)
		return -err->code;
	rc = write_json(dir, STATE_CONFIG, config, err);
	json_decref(config);
	return rc ? rc : write_json(dir, VM_GUEST_CONFIG, tree, err);
}

static int find_program(const json_t *tree, char **ret_program, struct err *err)
{
	const char *program = json_string_value(json_array_get(
		json_object_get(json_object_get(tree, "process"), "args"), 0));

	*ret_program = strdup(program ? program : "");
	return *ret_program ? 0 : err_sys(err, ENOMEM, "no memory");
}

int vm_prepare(const struct home *home, bool tty, char **ret_bundle,
	       char **ret_program, struct err *err)
{
	json_t *tree = json_load_path(home->dir, STATE_CONFIG, err);
	autoclose int dir = -1;
	int rc;

	if (!tree)
		return -err->code;
	if (home->layer_count > VM_LAYERS_MAX)
		rc = err_set(
			err, E2BIG,
			"container %s has %zu layers, and a VM cannot have more than %d",
			home->name, home->layer_count, VM_LAYERS_MAX);
	else
		rc = give_disks(home, err);
	if (!rc)
		rc = make_folder(home, &dir, err);
	if (!rc)
		rc = write_settings(home, dir, tree, tty, err);
	if (!rc)
		rc = write_config(home, dir, tree, tty, err);
	if (!rc)
		rc = find_program(tree, ret_program, err);
	json_decref(tree);
	if (!rc && asprintf(ret_bundle, "%s/vm", home->path) < 0)
		rc = err_sys(err, ENOMEM, "no memory");
	return rc;
}
