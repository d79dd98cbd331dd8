/*
 * Theory of operation. Folders are walked by their paths from the root, names
 * in order, so that two archives of the same tree are the same. What is still
 * to come is a stack of paths: its folders may be as deep as a path can say.
 */
#include "unpack/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#include "unpack/name.h"

#define CHUNK	    MIB
#define VALUE_MAX   65536 /* XATTR_SIZE_MAX of linux/limits.h */
#define PROGRESS_MS 200

/* A file of several names, by its first. */
struct link {
	uint64_t dev;
	uint64_t ino;
	char *path; /* owned; NULL: a free slot */
};

struct pack {
	struct archive *archive; /* owned */
	struct archive_entry *entry; /* owned, used again and again */
	char **stack; /* owned paths that are still to come */
	size_t depth;
	size_t room;
	struct link *links; /* owned; a table that is open to collisions */
	size_t link_count;
	size_t link_room; /* a power of two, or 0 */
	char *data; /* owned, CHUNK bytes */
	char *zeros; /* owned, as many */
	int progress;
	int64_t told_ms;
	uint64_t bytes;
	uint64_t files;
};

static int no_memory(struct err *err)
{
	err_sys(err, ENOMEM, "no memory");
	return -ENOMEM; /* as err_sys says, for who cannot see into it */
}

/* ---- progress ---- */

static void tell(struct pack *pack, bool last)
{
	struct timespec now;
	int64_t ms;

	if (pack->progress < 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (!last && ms - pack->told_ms < PROGRESS_MS)
		return;
	pack->told_ms = ms;
	dprintf(pack->progress, "= %" PRIu64 " %" PRIu64 "\n", pack->bytes,
		pack->files);
}

/* ---- what is to come ---- */

static int push(struct pack *pack, const char *folder, const char *name,
		struct err *err)
{
	size_t len = strlen(folder) + strlen(name) + 2;
	char **more;
	char *path;

	if (len > PATH_MAX)
		return name_refuse(err, folder,
				   "a path in it is longer than archives take");
	if (pack->depth == pack->room) {
		pack->room = pack->room ? pack->room * 2 : 256;
		more = realloc(pack->stack, pack->room * sizeof(*more));
		if (!more)
			return no_memory(err);
		pack->stack = more;
	}
	path = malloc(len);
	if (!path)
		return no_memory(err);
	snprintf(path, len, "%s%s%s", folder, *folder ? "/" : "", name);
	pack->stack[pack->depth++] = path;
	return 0;
}

static int is_name(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 &&
	       strcmp(entry->d_name, "..") != 0;
}

/* Plain bytes, whatever the locale is. */
static int backwards(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*b)->d_name, (*a)->d_name);
}

static int push_folder(struct pack *pack, const char *path, struct err *err)
{
	autoclose int dir =
		open(*path ? path : "/",
		     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent **names = NULL;
	int count = dir < 0 ? -1 :
			      scandirat(dir, ".", &names, is_name, backwards);
	int rc = 0;

	/* Whoever uses the container may have removed it by now. */
	if (count < 0 && errno == ENOENT)
		return 0;
	if (count < 0)
		return name_refuse(err, path, err_describe(errno));
	for (int i = 0; i < count; i++) {
		if (!rc)
			rc = push(pack, path, names[i]->d_name, err);
		free(names[i]);
	}
	free(names);
	return rc;
}

/* ---- hard links ---- */

static struct link *link_slot(const struct pack *pack, uint64_t dev,
			      uint64_t ino)
{
	uint64_t hash = (ino ^ dev << 32) * 0x9e3779b97f4a7c15ULL;
	size_t at = (size_t)(hash >> 20) & (pack->link_room - 1);

	while (pack->links[at].path &&
	       (pack->links[at].dev != dev || pack->links[at].ino != ino))
		at = (at + 1) & (pack->link_room - 1);
	return &pack->links[at];
}

static int grow_links(struct pack *pack, struct err *err)
{
	struct link *old = pack->links;
	size_t count = pack->link_room;

	if (old && pack->link_count * 2 < pack->link_room)
		return 0;
	pack->link_room = count ? count * 2 : 1024;
	pack->links = calloc(pack->link_room, sizeof(*pack->links));
	if (!pack->links) {
		pack->links = old;
		pack->link_room = count;
		return no_memory(err);
	}
	for (size_t i = 0; i < count; i++) {
		if (old[i].path)
			*link_slot(pack, old[i].dev, old[i].ino) = old[i];
	}
	free(old);
	return 0;
}

/* The path under which the file is in the archive already, or NULL. */
static int find_link(struct pack *pack, const struct stat *st, const char *path,
		     const char **ret_first, struct err *err)
{
	struct link *slot;
	int rc = grow_links(pack, err);

	if (rc)
		return rc;
	slot = link_slot(pack, st->st_dev, st->st_ino);
	*ret_first = slot->path;
	if (slot->path)
		return 0;
	slot->path = strdup(path);
	if (!slot->path)
		return no_memory(err);
	slot->dev = st->st_dev;
	slot->ino = st->st_ino;
	pack->link_count++;
	return 0;
}

/* ---- one entry ---- */

/* A name that went away meanwhile has no attributes. */
static int add_attributes(struct pack *pack, const char *path, struct err *err)
{
	char names[VALUE_MAX];
	ssize_t len = llistxattr(path, names, sizeof(names));

	for (const char *name = names; len > 0 && name < names + len;
	     name += strlen(name) + 1) {
		ssize_t size;

		if (!name_is_kept_xattr(name))
			continue;
		size = lgetxattr(path, name, pack->data, CHUNK);
		if (size >= 0)
			archive_entry_xattr_add_entry(pack->entry, name,
						      pack->data, (size_t)size);
		else if (errno != ENODATA && errno != ENOENT)
			return name_refuse(err, path, err_describe(errno));
	}
	return 0;
}

/* Where there are data; the end of a hole at the end is the file's. */
static int add_holes(struct pack *pack, int fd, off_t size, const char *path,
		     struct err *err)
{
	off_t at = 0;

	while (at < size) {
		off_t data = lseek(fd, at, SEEK_DATA);
		off_t hole;

		if (data < 0 && errno == ENXIO)
			break;
		hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return name_refuse(err, path, err_describe(errno));
		if (data == 0 && hole >= size)
			return 0;
		if (data >= size)
			break;
		hole = hole > size ? size : hole;
		archive_entry_sparse_add_entry(pack->entry, data, hole - data);
		at = hole;
	}
	if (size && at < size)
		archive_entry_sparse_add_entry(pack->entry, size, 0);
	return 0;
}

static int put_bytes(struct pack *pack, const char *data, size_t len,
		     struct err *err)
{
	if (archive_write_data(pack->archive, data, len) < 0)
		return err_set(err, EIO, "cannot write the archive: %s",
			       archive_error_string(pack->archive));
	pack->bytes += len;
	tell(pack, false);
	return 0;
}

/* Holes are passed, too: the library counts them off. What was cut off the file
 * meanwhile is zeros, what was added to it is left out. */
static int put_data(struct pack *pack, int fd, off_t size, const char *path,
		    struct err *err)
{
	off_t at = 0;
	int rc = 0;

	while (!rc && at < size) {
		off_t data = lseek(fd, at, SEEK_DATA);
		off_t end = data < 0 || data > size ? size : data;
		size_t len;
		ssize_t n;

		if (data < 0 && errno != ENXIO)
			return name_refuse(err, path, err_describe(errno));
		if (end > at) {
			len = (size_t)min_u64((uint64_t)(end - at), CHUNK);
			rc = put_bytes(pack, pack->zeros, len, err);
			at += (off_t)len;
			continue;
		}
		len = (size_t)min_u64((uint64_t)(size - at), CHUNK);
		n = pread(fd, pack->data, len, at);
		if (n < 0)
			return name_refuse(err, path, err_describe(errno));
		if (!n)
			size = at; /* archive_write_finish_entry fills it up */
		rc = put_bytes(pack, pack->data, (size_t)n, err);
		at += n;
	}
	return rc;
}

static int put_header(struct pack *pack, struct err *err)
{
	int rc = archive_write_header(pack->archive, pack->entry);

	if (rc == ARCHIVE_OK || rc == ARCHIVE_WARN)
		return 0;
	return err_set(err, EIO, "cannot write the archive: %s",
		       archive_error_string(pack->archive));
}

static int put_file(struct pack *pack, const char *path, struct err *err)
{
	/* What has become a FIFO must not make us wait. */
	autoclose int fd =
		open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0 && (errno == ENOENT || errno == ELOOP))
		return 0;
	if (fd < 0 || fstat(fd, &st))
		return name_refuse(err, path, err_describe(errno));
	if (!S_ISREG(st.st_mode))
		return 0;
	archive_entry_set_size(pack->entry, st.st_size);
	rc = add_holes(pack, fd, st.st_size, path, err);
	if (!rc)
		rc = put_header(pack, err);
	if (!rc)
		rc = put_data(pack, fd, st.st_size, path, err);
	if (!rc && archive_write_finish_entry(pack->archive) != ARCHIVE_OK)
		rc = err_set(err, EIO, "cannot write the archive: %s",
			     archive_error_string(pack->archive));
	return rc;
}

static int put_link(struct pack *pack, const char *path, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return errno == ENOENT || errno == EINVAL ?
			       0 :
			       name_refuse(err, path, err_describe(errno));
	target[n] = '\0';
	archive_entry_set_symlink(pack->entry, target);
	return put_header(pack, err);
}

static void describe(struct pack *pack, const struct stat *st, const char *path)
{
	archive_entry_clear(pack->entry);
	archive_entry_set_pathname(pack->entry, *path ? path : "./");
	archive_entry_copy_stat(pack->entry, st);
	archive_entry_unset_atime(pack->entry);
	archive_entry_unset_ctime(pack->entry);
	archive_entry_unset_birthtime(pack->entry);
	if (!S_ISREG(st->st_mode))
		archive_entry_set_size(pack->entry, 0);
}

static int put_entry(struct pack *pack, const char *path, struct err *err)
{
	const char *first = NULL;
	struct stat st;
	int rc = 0;

	if (lstat(*path ? path : "/", &st))
		return errno == ENOENT ?
			       0 :
			       name_refuse(err, path, err_describe(errno));
	if (S_ISSOCK(st.st_mode))
		return 0;
	describe(pack, &st, path);
	pack->files++;
	tell(pack, false);
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
		rc = find_link(pack, &st, path, &first, err);
	if (rc)
		return rc;
	if (first) {
		archive_entry_set_hardlink(pack->entry, first);
		archive_entry_set_size(pack->entry, 0);
		return put_header(pack, err);
	}
	rc = add_attributes(pack, *path ? path : "/", err);
	if (rc)
		return rc;
	if (S_ISREG(st.st_mode))
		return put_file(pack, path, err);
	if (S_ISLNK(st.st_mode))
		return put_link(pack, path, err);
	rc = put_header(pack, err);
	return rc || !S_ISDIR(st.st_mode) ? rc : push_folder(pack, path, err);
}

/* ---- the archive ---- */

static int open_archive(struct pack *pack, int fd, const char *filter,
			struct err *err)
{
	struct archive *archive = archive_write_new();
	int rc;

	pack->archive = archive;
	pack->entry = archive_entry_new();
	pack->data = malloc(CHUNK);
	pack->zeros = calloc(1, CHUNK);
	if (!archive || !pack->entry || !pack->data || !pack->zeros)
		return no_memory(err);
	rc = archive_write_set_format_pax(archive);
	/* GNU tar knows one of the two keywords for them. */
	if (rc == ARCHIVE_OK)
		rc = archive_write_set_options(archive, "xattrheader=SCHILY");
	if (rc == ARCHIVE_OK && !strcmp(filter, "gzip"))
		rc = archive_write_add_filter_gzip(archive);
	if (rc == ARCHIVE_OK && !strcmp(filter, "zstd"))
		rc = archive_write_add_filter_zstd(archive);
	/* Whole blocks are for tapes; a pipe gets what there is. */
	if (rc == ARCHIVE_OK)
		rc = archive_write_set_bytes_in_last_block(archive, 1);
	if (rc == ARCHIVE_OK)
		rc = archive_write_open_fd(archive, fd);
	return rc == ARCHIVE_OK ? 0 :
				  err_set(err, EIO, "cannot begin: %s",
					  archive_error_string(archive));
}

static void release(struct pack *pack)
{
	while (pack->depth)
		free(pack->stack[--pack->depth]);
	free(pack->stack);
	for (size_t i = 0; i < pack->link_room; i++)
		free(pack->links[i].path);
	free(pack->links);
	free(pack->data);
	free(pack->zeros);
	archive_entry_free(pack->entry);
	archive_write_free(pack->archive);
}

int pack_tree(int fd, const char *filter, int progress, struct err *err)
{
	struct pack pack = { .progress = progress };
	int rc = chdir("/") ? err_sys(err, errno, "/") :
			      open_archive(&pack, fd, filter, err);

	if (!rc)
		rc = push(&pack, "", "", err);
	while (!rc && pack.depth) {
		autofree char *path = pack.stack[--pack.depth];

		rc = put_entry(&pack, path, err);
	}
	if (!rc && archive_write_close(pack.archive) != ARCHIVE_OK)
		rc = err_set(err, EIO, "cannot write the archive: %s",
			     archive_error_string(pack.archive));
	if (!rc)
		tell(&pack, true);
	release(&pack);
	return rc;
}
