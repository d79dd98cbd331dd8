#include "io/block_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/util.h"
#include "io/block_lock.h"

#define SECTOR		   BLOCK_SECTOR_BYTES
#define PAGE		   4096
/* The largest alignment that is tried out. */
#define ALIGN_MAX	   65536
#define PHYSICAL_BLOCK_MAX 65536

/* --- Opening ------------------------------------------------------------- */

static int explain_open(const struct block_file_config *config, int code,
			struct err *err)
{
	const char *path = config->path;

	switch (code) {
	case ENOENT:
		/* Nobody makes a device with truncate. */
		if (!strncmp(path, "/dev/", strlen("/dev/")))
			break;
		return err_set(err, code,
			       "disk image %s does not exist; create it with "
			       "truncate -s 8G %s, for example",
			       path, path);
	case EACCES:
	case EPERM:
	case EROFS:
		if (config->read_only)
			break;
		return err_sys(err, code,
			       "cannot open disk image %s for writing; allow "
			       "that or add ,ro",
			       path);
	case EISDIR:
		return err_set(err, code,
			       "%s is a directory; a disk is a file or a block "
			       "device",
			       path);
	case EINVAL:
		if (config->cache != BLOCK_CACHE_NONE)
			break;
		return err_set(err, EINVAL,
			       "the file system of disk image %s has no direct "
			       "I/O; use cache=writeback",
			       path);
	default:
		break;
	}
	return err_sys(err, code, "cannot open disk image %s", path);
}

/* Returns the fd or -errno. */
static int open_path(const struct block_file_config *config, bool direct,
		     struct err *err)
{
	/* O_NONBLOCK: a FIFO must not hold us up before it is refused. */
	int fd = open(config->path, (config->read_only ? O_RDONLY : O_RDWR) |
					    O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
					    (direct ? O_DIRECT : 0));

	if (fd < 0)
		return explain_open(config, errno, err);
	/* Left on, io_uring would answer EAGAIN instead of waiting. */
	if (fcntl(fd, F_SETFL, direct ? O_DIRECT : 0)) {
		int code = errno;

		close(fd);
		return explain_open(config, code, err);
	}
	return fd;
}

static int check_kind(struct block_file *file, const struct stat *st,
		      struct err *err)
{
	if (S_ISREG(st->st_mode))
		return 0;
	file->block_device = S_ISBLK(st->st_mode);
	if (file->block_device)
		return 0;
	return err_set(err, S_ISDIR(st->st_mode) ? EISDIR : EINVAL,
		       "%s is %s; a disk is a file or a block device",
		       file->path,
		       S_ISDIR(st->st_mode) ? "a directory" :
					      "not something that keeps data");
}

static int open_fd(struct block_file *file,
		   const struct block_file_config *config, struct stat *ret_st,
		   struct err *err)
{
	bool direct = config->cache == BLOCK_CACHE_NONE;
	struct stat st;
	int rc;

	/* What a thing is comes before what its file system lacks. */
	if (!stat(config->path, &st)) {
		rc = check_kind(file, &st, err);
		if (rc)
			return rc;
	}
	file->fd = open_path(config, direct, err);
	if (file->fd < 0)
		return file->fd;
	if (fstat(file->fd, ret_st))
		return err_sys(err, errno, "cannot look at %s", file->path);
	return check_kind(file, ret_st, err);
}

/* open(2) does not mind; each write would fail. */
static int check_writable(const struct block_file *file,
			  const struct block_file_config *config,
			  struct err *err)
{
	int read_only = 0;

	if (config->read_only || !file->block_device ||
	    ioctl(file->fd, BLKROGET, &read_only) || !read_only)
		return 0;
	return err_set(err, EROFS,
		       "%s is a read-only device; add ,ro or allow writing "
		       "with blockdev --setrw %s",
		       file->path, file->path);
}

/* --- Size ---------------------------------------------------------------- */

static int read_size(const struct block_file *file, uint64_t *ret_bytes,
		     struct err *err)
{
	/* A block device's too. */
	off_t end = lseek(file->fd, 0, SEEK_END);

	if (end < 0)
		return err_sys(err, errno, "cannot tell the size of %s",
			       file->path);
	if (end == 0)
		return err_set(err, EINVAL,
			       "disk image %s is empty; give it a size with "
			       "truncate -s 8G %s, for example",
			       file->path, file->path);
	if (end % SECTOR)
		return err_set(err, EINVAL,
			       "disk image %s has %lld bytes, which is not a "
			       "multiple of 512; round it up with truncate -s "
			       "%%512 %s",
			       file->path, (long long)end, file->path);
	*ret_bytes = (uint64_t)end;
	return 0;
}

int block_file_refresh(struct block_file *file, struct err *err)
{
	uint64_t bytes = 0;
	int rc = read_size(file, &bytes, err);

	if (rc)
		return rc;
	if (bytes == file->info.size_bytes)
		return 0;
	file->info.size_bytes = bytes;
	return 1;
}

/* --- Alignment of direct I/O --------------------------------------------- */

/* Tries the alignments out where nobody says them. */
static uint32_t probe_align(const struct block_file *file)
{
	uint32_t align = SECTOR;
	char *buffer = NULL;

	if (posix_memalign((void **)&buffer, ALIGN_MAX, 2UL * ALIGN_MAX))
		return 0;
	for (; align <= ALIGN_MAX; align *= 2) {
		/* Aligned to this and to nothing larger. */
		ssize_t got = pread(file->fd, buffer + align, align, 0);

		if (got >= 0 || errno != EINVAL)
			break;
	}
	free(buffer);
	return align <= ALIGN_MAX ? align : 0;
}

static void ask_align(const struct block_file *file, uint32_t *ret_memory,
		      uint32_t *ret_offset)
{
	struct statx stx = { 0 };
	int logical;

	*ret_memory = *ret_offset = 0;
	/* Linux 6.1; a file system that cannot say leaves the bit out. */
	if (!statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) &&
	    (stx.stx_mask & STATX_DIOALIGN)) {
		*ret_memory = stx.stx_dio_mem_align;
		*ret_offset = stx.stx_dio_offset_align;
		return;
	}
	if (file->block_device && !ioctl(file->fd, BLKSSZGET, &logical))
		*ret_memory = *ret_offset = (uint32_t)logical;
	else
		*ret_memory = *ret_offset = probe_align(file);
}

static int set_align(struct block_file *file,
		     const struct block_file_config *config,
		     const struct stat *st, struct err *err)
{
	struct stat other;

	ask_align(file, &file->memory_align, &file->offset_align);
	if (!is_power_of_two(file->memory_align) ||
	    !is_power_of_two(file->offset_align))
		return explain_open(config, EINVAL, err);
	/* A block device's blocks are the guest's too. */
	if (file->block_device || file->offset_align <= SECTOR)
		return 0;
	file->cached_fd = open_path(config, false, err);
	if (file->cached_fd < 0)
		return file->cached_fd;
	if (fstat(file->cached_fd, &other) || other.st_dev != st->st_dev ||
	    other.st_ino != st->st_ino)
		return err_set(err, ESTALE,
			       "disk image %s was replaced while it was opened",
			       file->path);
	return 0;
}

/* --- What the guest is told ---------------------------------------------- */

static uint32_t sane_block(uint64_t bytes, uint32_t at_least)
{
	if (!is_power_of_two(bytes) || bytes < at_least)
		return at_least;
	return (uint32_t)min_u64(bytes, PHYSICAL_BLOCK_MAX);
}

static void describe_device(struct block_file *file)
{
	struct block_info *info = &file->info;
	int logical = 0;
	unsigned int physical = 0;
	unsigned int optimal = 0;

	if (!ioctl(file->fd, BLKSSZGET, &logical))
		info->logical_block_bytes =
			sane_block((uint64_t)logical, SECTOR);
	ioctl(file->fd, BLKPBSZGET, &physical);
	ioctl(file->fd, BLKIOOPT, &optimal);
	info->physical_block_bytes =
		sane_block(physical, info->logical_block_bytes);
	if (optimal % info->logical_block_bytes == 0)
		info->optimal_io_bytes = optimal;
	info->discard_bytes = info->physical_block_bytes;
}

/*
 * A file's sectors are always 512 bytes, whatever the disk below it has: an
 * image that was partitioned on one host has to work on the next.
 */
static void describe(struct block_file *file,
		     const struct block_file_config *config,
		     const struct stat *st)
{
	uint32_t block = sane_block((uint64_t)st->st_blksize, SECTOR);

	file->info.logical_block_bytes = SECTOR;
	file->info.physical_block_bytes =
		max_u64(min_u64(block, PAGE), file->offset_align) <=
				PHYSICAL_BLOCK_MAX ?
			(uint32_t)max_u64(min_u64(block, PAGE),
					  file->offset_align) :
			PAGE;
	file->info.discard_bytes = block;
	file->info.read_only = config->read_only;
	file->info.discard = config->discard && !config->read_only;
	file->info.writethrough = config->cache == BLOCK_CACHE_WRITETHROUGH;
	if (file->block_device)
		describe_device(file);
}

/* --- Life ---------------------------------------------------------------- */

static int set_up(struct block_file *file,
		  const struct block_file_config *config, struct err *err)
{
	struct stat st;
	int rc;

	file->path = strdup(config->path);
	if (!file->path)
		return err_sys(err, ENOMEM, "disk image");
	rc = open_fd(file, config, &st, err);
	if (!rc)
		rc = check_writable(file, config, err);
	if (!rc)
		rc = block_lock(file->fd, file->path, !config->read_only, err);
	if (!rc)
		rc = read_size(file, &file->info.size_bytes, err);
	if (!rc && config->cache == BLOCK_CACHE_NONE)
		rc = set_align(file, config, &st, err);
	if (rc)
		return rc;
	describe(file, config, &st);
	/* Costs no memory: each page is the kernel's zero page. */
	file->zeroes = mmap(NULL, BLOCK_ZEROES_BYTES, PROT_READ,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (file->zeroes == MAP_FAILED) {
		file->zeroes = NULL;
		return err_sys(err, errno, "disk image %s", file->path);
	}
	return 0;
}

int block_file_open(const struct block_file_config *config,
		    struct block_file **ret_file, struct err *err)
{
	struct block_file *file = calloc(1, sizeof(*file));
	int rc;

	if (!file)
		return err_sys(err, ENOMEM, "disk image");
	*file = (struct block_file){
		.fd = -1,
		.cached_fd = -1,
		.cache = config->cache,
		.memory_align = 1,
		.offset_align = 1,
	};
	rc = set_up(file, config, err);
	if (rc) {
		block_file_free(file);
		return rc;
	}
	*ret_file = file;
	return 0;
}

void block_file_free(struct block_file *file)
{
	if (!file)
		return;
	if (file->zeroes)
		munmap(file->zeroes, BLOCK_ZEROES_BYTES);
	if (file->cached_fd >= 0)
		close(file->cached_fd);
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	free(file);
}

void block_file_fail_flushes(struct block_file *file, int error)
{
	int none = 0;

	atomic_compare_exchange_strong(&file->flush_error, &none, error);
}
