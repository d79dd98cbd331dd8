#include "container/image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "container/unpack.h"
#include "core/sha256.h"
#include "core/tree.h"

#define DIGEST	    "sha256:"
#define REF_NAME    "org.opencontainers.image.ref.name"
#define INDEX_TYPE  "application/vnd.oci.image.index.v1+json"
#define INDEX_DEPTH 4
#define TREE	    "tree"
#define CONFIG	    "config.json"
#define FOLDER_MODE 0711
/* In the store's folder "layers": where something is on its way. */
#define UNFINISHED  ".unfinished"

/* One unpacking. */
struct job {
	struct context *context;
	const char *name; /* of the image, for errors */
	int layers; /* the store's folder */
	int layout; /* an OCI layout, or -1 */
	int target; /* the tree, while it is unpacked */
	char key[SHA256_HEX + 8]; /* its folder in layers */
};

/* ---- blobs ---- */

/* "sha256:HEX" as "blobs/sha256/HEX". */
static int blob_path(const char *digest, char *path, size_t size,
		     struct err *err)
{
	const char *hex = digest + strlen(DIGEST);

	if (strncmp(digest, DIGEST, strlen(DIGEST)) != 0 ||
	    strlen(hex) != SHA256_HEX - 1 ||
	    strspn(hex, "0123456789abcdef") != SHA256_HEX - 1)
		return err_set(err, EOPNOTSUPP,
			       "\"%.80s\" is no digest of SHA-256", digest);
	snprintf(path, size, "blobs/sha256/%s", hex);
	return 0;
}

/* A file that cannot make us wait, or lead elsewhere. */
static int open_file(int dir, const char *path, struct err *err)
{
	autoclose int fd = openat(
		dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_sys(err, errno, "cannot open %s", path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s is no file", path);
	return move_fd(&fd);
}

/* Opens a blob behind checking that it is what its digest says. */
static int open_blob(const struct job *job, const struct jnode *descriptor,
		     struct err *err)
{
	autofree char *buf = malloc(MIB);
	autoclose int fd = -1;
	const char *digest = "";
	struct sha256 sha;
	char hex[SHA256_HEX];
	char path[128];
	ssize_t n;
	int rc = json_need_string(descriptor, "digest", &digest, err);

	if (rc >= 0)
		rc = blob_path(digest, path, sizeof(path), err);
	if (rc < 0)
		return rc;
	fd = open_file(job->layout, path, err);
	if (fd < 0 || !buf)
		return fd < 0 ? fd : -ENOMEM;
	sha256_begin(&sha);
	while ((n = read(fd, buf, MIB)) > 0)
		sha256_add(&sha, buf, (size_t)n);
	sha256_end(&sha, hex);
	if (n < 0 || lseek(fd, 0, SEEK_SET))
		return err_sys(err, errno, "cannot read %s", path);
	if (strcmp(hex, digest + strlen(DIGEST)) != 0)
		return err_set(err, EBADMSG,
			       "%s is damaged: its digest is another", path);
	return move_fd(&fd);
}

static json_t *load_blob(const struct job *job, const struct jnode *descriptor,
			 struct err *err)
{
	autoclose int fd = open_blob(job, descriptor, err);
	char path[32];

	if (fd < 0)
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return json_load_path(AT_FDCWD, path, err);
}

/* ---- which manifest ---- */

static bool is_for_us(const struct jnode *descriptor)
{
	const json_t *platform = json_object_get(descriptor->value, "platform");
	const char *architecture =
		json_string_value(json_object_get(platform, "architecture"));
	const char *os = json_string_value(json_object_get(platform, "os"));

	return (!architecture || !strcmp(architecture, "amd64")) &&
	       (!os || !strcmp(os, "linux"));
}

static bool has_ref(const struct jnode *descriptor, const char *ref)
{
	const char *name = json_string_value(json_object_get(
		json_object_get(descriptor->value, "annotations"), REF_NAME));

	return !ref || (name && !strcmp(name, ref));
}

/* The one entry that fits. */
static int choose(const struct jnode *index, const char *ref, size_t *ret_at,
		  struct err *err)
{
	struct jnode array;
	size_t found = 0;
	int rc = json_array_at(index, "manifests", &array, err);

	if (rc <= 0)
		return rc < 0 ? rc :
				err_set(err, EINVAL, "there are no manifests");
	for (size_t i = 0; i < json_array_size(array.value); i++) {
		struct jnode entry = json_element(&array, i);

		if (!is_for_us(&entry) || !has_ref(&entry, ref))
			continue;
		*ret_at = i;
		found++;
	}
	if (found == 1)
		return 0;
	if (!found)
		return err_set(err, ENOENT, "no image %s%sfor Linux on amd64",
			       ref ? ref : "", ref ? " " : "");
	return err_set(err, EINVAL,
		       "there are %zu images: say which, as LAYOUT:REF", found);
}

/* Follows indexes to a manifest, whose digest names the tree. */
static json_t *find_manifest(struct job *job, const char *ref, struct err *err)
{
	json_t *tree = json_load_path(job->layout, "index.json", err);

	for (int depth = 0; tree && depth < INDEX_DEPTH; depth++) {
		const struct jnode root = { .value = tree };
		const char *type = NULL;
		const char *digest = "";
		struct jnode array;
		struct jnode entry;
		json_t *next;
		size_t at = 0;

		if (choose(&root, depth ? NULL : ref, &at, err) ||
		    json_array_at(&root, "manifests", &array, err) < 0)
			break;
		entry = json_element(&array, at);
		next = load_blob(job, &entry, err);
		type = json_string_value(
			json_object_get(entry.value, "mediaType"));
		digest = json_string_value(
			json_object_get(entry.value, "digest"));
		if (next && (!type || strcmp(type, INDEX_TYPE) != 0)) {
			snprintf(job->key, sizeof(job->key), "sha256-%s",
				 digest + strlen(DIGEST));
			json_decref(tree);
			return next;
		}
		json_decref(tree);
		tree = next;
	}
	if (tree && !err->code)
		err_set(err, ELOOP, "its indexes are nested too deep");
	json_decref(tree);
	return NULL;
}

/* ---- unpacking ---- */

static int begin(struct job *job, struct err *err)
{
	int rc = tree_remove(job->layers, UNFINISHED, err);

	if (rc)
		return rc;
	if (mkdirat(job->layers, UNFINISHED, FOLDER_MODE) ||
	    mkdirat(job->layers, UNFINISHED "/" TREE, 0755))
		return err_sys(err, errno, "cannot make a folder in the store");
	job->target = openat(job->layers, UNFINISHED "/" TREE,
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return job->target < 0 ? err_sys(err, errno, "the store") : 0;
}

/* Only what is whole has its name. */
static int finish(struct job *job, struct err *err)
{
	if (renameat(job->layers, UNFINISHED, job->layers, job->key))
		return err_sys(err, errno, "cannot name the layer");
	return 0;
}

static int write_config(const struct job *job, const json_t *config,
			struct err *err)
{
	autoclose int dir =
		openat(job->layers, UNFINISHED,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autoclose int fd = openat(
		dir, CONFIG, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || json_dumpfd(config, fd, JSON_INDENT(2)))
		return err_set(err, EIO, "cannot write to the store");
	return 0;
}

static int unpack_all(struct job *job, const struct jnode *manifest,
		      struct err *err)
{
	autoclose int program = unpack_open_program(err);
	struct jnode layers;
	struct jnode config;
	json_t *text;
	int rc = program < 0 ? program :
			       json_array_at(manifest, "layers", &layers, err);
	size_t count = rc > 0 ? json_array_size(layers.value) : 0;

	for (size_t i = 0; rc >= 0 && i < count; i++) {
		struct jnode layer = json_element(&layers, i);
		autoclose int fd = open_blob(job, &layer, err);

		rc = fd < 0 ? fd :
			      unpack_layer(program, fd, job->target,
					   UNPACK_LAYER, err);
		if (rc)
			err_prefix(err, "layer %zu", i + 1);
	}
	if (rc >= 0)
		rc = json_object_at(manifest, "config", &config, err);
	if (rc <= 0)
		return rc;
	text = load_blob(job, &config, err);
	rc = text ? write_config(job, text, err) : -err->code;
	json_decref(text);
	return rc;
}

static bool is_there(const struct job *job)
{
	return !faccessat(job->layers, job->key, F_OK, AT_SYMLINK_NOFOLLOW);
}

static int open_layout(struct job *job, const char *path, const char *ref,
		       struct err *err)
{
	struct jnode root = { .value = NULL };
	int rc = 0;

	job->layout = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (job->layout < 0)
		return err_sys(err, errno, "cannot open it");
	root.value = find_manifest(job, ref, err);
	if (!root.value)
		return -err->code;
	if (!is_there(job)) {
		rc = begin(job, err);
		if (!rc)
			rc = unpack_all(job, &root, err);
		if (!rc)
			rc = finish(job, err);
	}
	json_decref(root.value);
	return rc;
}

/* The archive is known by where it is and when it was written: what changes it
 * makes another image of it. */
static void tar_key(struct job *job, const char *path, const struct stat *st)
{
	char hex[SHA256_HEX];
	char text[128];
	struct sha256 sha;

	snprintf(text, sizeof(text), "%llu %llu %lld %lld.%ld",
		 (unsigned long long)st->st_dev, (unsigned long long)st->st_ino,
		 (long long)st->st_size, (long long)st->st_mtim.tv_sec,
		 st->st_mtim.tv_nsec);
	sha256_begin(&sha);
	sha256_add(&sha, path, strlen(path) + 1);
	sha256_add(&sha, text, strlen(text));
	sha256_end(&sha, hex);
	snprintf(job->key, sizeof(job->key), "tar-%s", hex);
}

static int open_tar(struct job *job, const char *path, struct err *err)
{
	autoclose int program = -1;
	autoclose int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st))
		return err_sys(err, errno, "cannot open it");
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "it is neither folder nor file");
	tar_key(job, path, &st);
	if (is_there(job))
		return 0;
	program = unpack_open_program(err);
	rc = program < 0 ? program : begin(job, err);
	if (!rc)
		rc = unpack_layer(program, fd, job->target, UNPACK_LAYER, err);
	return rc ? rc : finish(job, err);
}

/* ---- what is in the store ---- */

static int fill(const struct job *job, struct image *image, struct err *err)
{
	autoclose int dir =
		openat(job->layers, job->key,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autofree char *store = realpath(job->context->store, NULL);

	if (dir < 0 || !store ||
	    asprintf(&image->tree, "%s/layers/%s/" TREE, store, job->key) < 0) {
		image->tree = NULL;
		return err_sys(err, errno, "cannot open the store");
	}
	if (faccessat(dir, CONFIG, F_OK, AT_SYMLINK_NOFOLLOW))
		return 0;
	image->file = json_load_path(dir, CONFIG, err);
	if (!image->file)
		return -err->code;
	image->config = json_object_get(image->file, "config");
	return 0;
}

static int unpack(struct context *context, const char *path, const char *ref,
		  bool is_layout, struct image *image, struct err *err)
{
	autoclose int store =
		open(context->store, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct job job = {
		.context = context,
		.layers = openat(store, "layers",
				 O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.layout = -1,
		.target = -1,
	};
	int rc = job.layers < 0 ? err_sys(err, errno, "the store") : 0;

	if (!rc)
		rc = is_layout ? open_layout(&job, path, ref, err) :
				 open_tar(&job, path, err);
	if (!rc)
		rc = fill(&job, image, err);
	else if (job.layers >= 0)
		tree_remove(job.layers, UNFINISHED, NULL);
	if (job.layers >= 0)
		close(job.layers);
	if (job.layout >= 0)
		close(job.layout);
	if (job.target >= 0)
		close(job.target);
	return rc;
}

static bool is_layout_folder(const char *path)
{
	autoclose int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return dir >= 0 &&
	       !faccessat(dir, "oci-layout", F_OK, AT_SYMLINK_NOFOLLOW) &&
	       !faccessat(dir, "index.json", F_OK, AT_SYMLINK_NOFOLLOW);
}

int image_open(struct context *context, const char *name,
	       struct image *ret_image, struct err *err)
{
	autofree char *copy = strdup(name);
	char *path = realpath(name, NULL);
	char *ref = NULL;
	struct stat st;
	bool found;
	int rc;

	*ret_image = (struct image){ .tree = NULL };
	if (!path && copy && (ref = strrchr(copy, ':'))) {
		*ref++ = '\0';
		path = realpath(copy, NULL);
	}
	found = path && !stat(path, &st);
	if (!found)
		rc = err_sys(err, path ? errno : ENOENT,
			     "cannot open the image %s", name);
	else if (S_ISDIR(st.st_mode) && !is_layout_folder(path))
		rc = ref ? err_set(err, EINVAL, "%s is no OCI layout", path) :
			   1;
	else
		rc = unpack(context, path, ref, S_ISDIR(st.st_mode), ret_image,
			    err);
	if (rc == 1) {
		ret_image->tree = path;
		ret_image->is_folder = true;
		return 0;
	}
	free(path);
	return rc && found ? err_prefix(err, "image %s", name) : rc;
}

void image_release(struct image *image)
{
	free(move_ptr(&image->tree));
	json_decref(image->file);
	image->file = NULL;
	image->config = NULL;
}
