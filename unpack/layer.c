#include "unpack/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/tree.h"
#include "unpack/name.h"

#define BLOCK	 65536
#define WHITEOUT ".wh."
#define OPAQUE	 ".wh..wh..opq"
#define AUFS	 ".wh..wh."

struct layer {
	const struct layer_limits *limits;
	struct archive *archive;
	uint64_t bytes; /* so far */
	uint64_t entries;
	bool whiteouts; /* the first pass: nothing else */
};

/* ---- names ---- */

/* Relative to the root, "" for the root itself; ".." is refused though it could
 * lead nowhere: whoever writes it is not to be trusted. */
static int clean_name(const char *raw, char *name, size_t size, struct err *err)
{
	size_t used = 0;

	if (!raw)
		return err_set(err, EINVAL, "an entry has no name");
	for (const char *at = raw; *at;) {
		size_t len = strcspn(at, "/");

		if (len == 2 && at[0] == '.' && at[1] == '.')
			return name_refuse(err, raw, "\"..\" in a name");
		if (used + len + 2 > size)
			return name_refuse(err, raw, "the name is too long");
		if (len && !(len == 1 && *at == '.')) {
			if (used)
				name[used++] = '/';
			memcpy(name + used, at, len);
			used += len;
		}
		at += len;
		at += strspn(at, "/");
	}
	name[used] = '\0';
	return 0;
}

/* Splits off the last component. */
static const char *split(char *name, const char **ret_folder)
{
	char *slash = strrchr(name, '/');

	*ret_folder = slash ? name : ".";
	if (!slash)
		return name;
	*slash = '\0';
	return slash + 1;
}

/* The folder, made when missing. What is in its way goes; a link to a folder
 * is one. */
static int open_folder(const char *path, struct err *err)
{
	autoclose int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char part[NAME_MAX + 1];

	for (const char *at = path;
	     dir >= 0 && *at && strcmp(path, ".") != 0;) {
		size_t len = strcspn(at, "/");
		int next;

		if (len > NAME_MAX)
			return name_refuse(err, path, "a name is too long");
		memcpy(part, at, len);
		part[len] = '\0';
		next = openat(dir, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (next < 0) {
			tree_remove(dir, part, NULL);
			if (!mkdirat(dir, part, 0755))
				next = openat(dir, part,
					      O_RDONLY | O_DIRECTORY |
						      O_NOFOLLOW | O_CLOEXEC);
		}
		close(dir);
		dir = next;
		at += len;
		at += strspn(at, "/");
	}
	return dir < 0 ? name_refuse(err, path, err_describe(errno)) :
			 move_fd(&dir);
}

/* ---- what lower layers had ---- */

static int whiteout(const char *folder, const char *base, struct err *err)
{
	struct stat st;
	autoclose int dir = -1;

	/* Where there is no such folder nothing needs hiding. */
	if (stat(folder, &st) || !S_ISDIR(st.st_mode))
		return 0;
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return name_refuse(err, folder, err_describe(errno));
	if (!strcmp(base, OPAQUE))
		return tree_clear(dir, err);
	if (!strncmp(base, AUFS, strlen(AUFS)))
		return 0;
	base += strlen(WHITEOUT);
	if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
		return name_refuse(err, folder, "a whiteout of nothing");
	return tree_remove(dir, base, err);
}

/* ---- entries ---- */

static int copy_data(struct layer *layer, int fd, const char *name,
		     struct err *err)
{
	const void *data;
	size_t len;
	la_int64_t offset;
	int rc;

	while ((rc = archive_read_data_block(layer->archive, &data, &len,
					     &offset)) == ARCHIVE_OK) {
		const char *at = data;

		layer->bytes += len;
		if (layer->bytes > layer->limits->bytes || offset < 0 ||
		    (uint64_t)offset > layer->limits->bytes)
			return name_refuse(err, name, "the image is too large");
		while (len) {
			ssize_t n = pwrite(fd, at, len, offset);

			if (n <= 0)
				return name_refuse(err, name,
						   err_describe(errno));
			at += n;
			offset += n;
			len -= (size_t)n;
		}
	}
	return rc == ARCHIVE_EOF ?
		       0 :
		       name_refuse(err, name, "the archive is damaged");
}

static int make_file(struct layer *layer, struct archive_entry *entry, int dir,
		     const char *base, struct err *err)
{
	autoclose int fd = openat(
		dir, base, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	la_int64_t size = archive_entry_size(entry);
	int rc;

	if (fd < 0)
		return name_refuse(err, base, err_describe(errno));
	if (size < 0 || (uint64_t)size > layer->limits->bytes)
		return name_refuse(err, base, "the image is too large");
	rc = copy_data(layer, fd, base, err);
	/* A hole at the end. */
	if (!rc && ftruncate(fd, size))
		rc = name_refuse(err, base, err_describe(errno));
	return rc;
}

static int make_hard_link(struct archive_entry *entry, int dir,
			  const char *base, struct err *err)
{
	char target[PATH_MAX];
	int rc = clean_name(archive_entry_hardlink(entry), target,
			    sizeof(target), err);

	if (rc)
		return rc;
	/* The present folder is the root. */
	if (linkat(AT_FDCWD, target, dir, base, 0))
		return name_refuse(err, base, err_describe(errno));
	return 0;
}

static int make_folder(int dir, const char *base, struct err *err)
{
	struct stat st;

	if (!fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW)) {
		if (S_ISDIR(st.st_mode))
			return 0;
		if (unlinkat(dir, base, 0))
			return name_refuse(err, base, err_describe(errno));
	}
	return mkdirat(dir, base, 0700) ?
		       name_refuse(err, base, err_describe(errno)) :
		       0;
}

/* Returns 1 for what is left out. */
static int make(struct layer *layer, struct archive_entry *entry, int dir,
		const char *base, struct err *err)
{
	const char *link = archive_entry_symlink(entry);
	mode_t type = archive_entry_filetype(entry);

	if (S_ISDIR(type) && !archive_entry_hardlink(entry))
		return make_folder(dir, base, err);
	if (tree_remove(dir, base, err))
		return name_refuse(err, base, "it cannot be replaced");
	if (archive_entry_hardlink(entry))
		return make_hard_link(entry, dir, base, err);
	if (S_ISREG(type))
		return make_file(layer, entry, dir, base, err);
	if (S_ISLNK(type) && link)
		return symlinkat(link, dir, base) ?
			       name_refuse(err, base, err_describe(errno)) :
			       0;
	if (S_ISFIFO(type))
		return mkfifoat(dir, base, 0600) ?
			       name_refuse(err, base, err_describe(errno)) :
			       0;
	return 1;
}

/* Names of attributes are looked at, values are passed on. One that the
 * filesystem does not have is left out. */
static int set_attributes(struct archive_entry *entry, int dir,
			  const char *base, struct err *err)
{
	const char *name;
	const void *value;
	size_t len;

	if (!archive_entry_xattr_reset(entry))
		return 0;
	/* There is no lsetxattrat(2) here. */
	if (fchdir(dir))
		return name_refuse(err, base, err_describe(errno));
	while (archive_entry_xattr_next(entry, &name, &value, &len) ==
	       ARCHIVE_OK) {
		if (name_is_kept_xattr(name))
			lsetxattr(base, name, value, len, 0);
	}
	return chdir("/") ? name_refuse(err, base, err_describe(errno)) : 0;
}

/* The owner first: a change of it takes the bits of set-user-ID away. */
static int set_owner_and_times(const struct layer *layer,
			       struct archive_entry *entry, int dir,
			       const char *base, struct err *err)
{
	la_int64_t uid = archive_entry_uid(entry);
	la_int64_t gid = archive_entry_gid(entry);
	const struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = archive_entry_mtime(entry),
		  .tv_nsec = archive_entry_mtime_nsec(entry) },
	};

	if (uid < 0 || gid < 0 || uid >= layer->limits->ids ||
	    gid >= layer->limits->ids)
		return name_refuse(
			err, base,
			"its owner is beyond the IDs of a container");
	if (fchownat(dir, base, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW))
		return name_refuse(err, base, err_describe(errno));
	if (archive_entry_filetype(entry) != AE_IFLNK &&
	    fchmodat(dir, base, archive_entry_perm(entry), 0))
		return name_refuse(err, base, err_describe(errno));
	utimensat(dir, base, times, AT_SYMLINK_NOFOLLOW);
	return dir == AT_FDCWD ? 0 : set_attributes(entry, dir, base, err);
}

static int apply_entry(struct layer *layer, struct archive_entry *entry,
		       struct err *err)
{
	char name[PATH_MAX] = "";
	const char *folder;
	const char *base;
	autoclose int dir = -1;
	int rc = clean_name(archive_entry_pathname(entry), name, sizeof(name),
			    err);

	if (rc)
		return rc;
	if (!*name)
		return layer->whiteouts ?
			       0 :
			       set_owner_and_times(layer, entry, AT_FDCWD, ".",
						   err);
	base = split(name, &folder);
	if (!layer->limits->plain && !strncmp(base, WHITEOUT, strlen(WHITEOUT)))
		return layer->whiteouts ? whiteout(folder, base, err) : 0;
	if (layer->whiteouts)
		return 0;
	dir = open_folder(folder, err);
	if (dir < 0)
		return dir;
	rc = make(layer, entry, dir, base, err);
	if (rc || archive_entry_hardlink(entry))
		return rc == 1 ? 0 : rc;
	return set_owner_and_times(layer, entry, dir, base, err);
}

/* ---- the archive ---- */

static int open_archive(struct layer *layer, int fd, struct err *err)
{
	struct archive *archive = archive_read_new();

	layer->archive = archive;
	if (!archive || (!layer->limits->plain && lseek(fd, 0, SEEK_SET)))
		return err_set(err, EIO, "cannot read the archive");
	archive_read_support_format_tar(archive);
	archive_read_support_filter_gzip(archive);
	archive_read_support_filter_bzip2(archive);
	archive_read_support_filter_xz(archive);
	archive_read_support_filter_lzma(archive);
	archive_read_support_filter_zstd(archive);
	archive_read_support_filter_lz4(archive);
	if (archive_read_open_fd(archive, fd, BLOCK) != ARCHIVE_OK)
		return err_set(
			err, EINVAL,
			"it is no tar archive, plain or compressed by gzip, bzip2, xz, zstd or lz4");
	return 0;
}

static int pass(struct layer *layer, int fd, struct err *err)
{
	struct archive_entry *entry;
	int rc = open_archive(layer, fd, err);
	int status = ARCHIVE_OK;

	while (!rc) {
		status = archive_read_next_header(layer->archive, &entry);
		if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
			break;
		if (++layer->entries > layer->limits->entries)
			rc = err_set(err, E2BIG,
				     "the archive has too many entries");
		else
			rc = apply_entry(layer, entry, err);
	}
	if (!rc && status != ARCHIVE_EOF)
		rc = err_set(err, EINVAL,
			     layer->entries ? "the archive is damaged" :
					      "it is no tar archive");
	archive_read_free(layer->archive);
	return rc;
}

int layer_apply(int fd, const struct layer_limits *limits, struct err *err)
{
	struct layer layer = { .limits = limits, .whiteouts = !limits->plain };
	int rc = chdir("/") ? err_sys(err, errno, "/") : pass(&layer, fd, err);

	if (rc || limits->plain)
		return rc;
	layer.whiteouts = false;
	layer.entries = 0;
	return pass(&layer, fd, err);
}
