#include "boot/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

static int check_kind(const struct boot_file *file, const struct stat *st,
		      struct err *err)
{
	if (S_ISDIR(st->st_mode))
		return err_set(err, EISDIR, "%s %s is a directory", file->what,
			       file->path);
	if (!S_ISREG(st->st_mode))
		return err_set(err, EINVAL,
			       "%s %s is not a regular file; copy it into one",
			       file->what, file->path);
	if (st->st_size == 0)
		return err_set(err, EINVAL, "%s %s is empty", file->what,
			       file->path);
	return 0;
}

int boot_file_open(const char *path, const char *what,
		   struct boot_file *ret_file, struct err *err)
{
	struct boot_file file = { .path = path, .what = what, .fd = -1 };
	struct stat st;
	int rc;

	/* NONBLOCK: opening a FIFO without a writer would wait for ever. */
	file.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file.fd < 0)
		return err_sys(err, errno, "cannot open %s %s", what, path);
	if (fstat(file.fd, &st) < 0) {
		rc = err_sys(err, errno, "cannot examine %s %s", what, path);
		goto fail;
	}
	rc = check_kind(&file, &st, err);
	if (rc)
		goto fail;
	file.size_bytes = (uint64_t)st.st_size;
	*ret_file = file;
	return 0;
fail:
	boot_file_close(&file);
	return rc;
}

void boot_file_close(struct boot_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

struct boot_file boot_file_part(const struct boot_file *whole, uint64_t offset,
				uint64_t size_bytes)
{
	struct boot_file part = *whole;

	assert(offset <= whole->size_bytes && size_bytes &&
	       size_bytes <= whole->size_bytes - offset);
	part.base += offset;
	part.size_bytes = size_bytes;
	return part;
}

int boot_file_read(const struct boot_file *file, uint64_t offset, void *to,
		   size_t len, struct err *err)
{
	uint8_t *at = to;

	/* Also keeps the offset within off_t. */
	if (offset > file->size_bytes || len > file->size_bytes - offset)
		return err_set(err, EINVAL,
			       "%s %s is truncated: it has %" PRIu64
			       " bytes, its headers speak of more",
			       file->what, file->path, file->size_bytes);
	offset += file->base;
	while (len) {
		ssize_t got = pread(file->fd, at, len, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(err, errno, "cannot read %s %s",
				       file->what, file->path);
		if (got == 0)
			return err_set(err, EIO,
				       "%s %s shrank while it was read",
				       file->what, file->path);
		at += got;
		offset += (uint64_t)got;
		len -= (size_t)got;
	}
	return 0;
}

int boot_file_dump(const char *path, const void *from, size_t len,
		   struct err *err)
{
	const uint8_t *at = from;
	autoclose int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0)
		return err_sys(err, errno, "cannot create %s", path);
	while (len) {
		ssize_t put = write(fd, at, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return err_sys(err, errno, "cannot write %s", path);
		at += put;
		len -= (size_t)put;
	}
	return 0;
}
