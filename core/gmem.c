#include "core/gmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "core/ram_file.h"

static int map_region(struct gmem *gmem, gpa_t start, uint64_t size_bytes,
		      uint64_t file_offset, bool huge, struct err *err)
{
	struct gmem_region *region = &gmem->regions[gmem->region_count];
	/* Without NORESERVE a host with strict accounting refuses guests
	 * larger than what is free now; huge pages are the other way round:
	 * reserve them, or the guest dies of SIGBUS later. */
	int flags = MAP_SHARED | (huge ? 0 : MAP_NORESERVE);
	void *host = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, flags,
			  gmem->fd, (off_t)file_offset);

	if (host == MAP_FAILED)
		return err_sys(err, errno,
			       "cannot map %" PRIu64 " MiB of guest memory%s",
			       size_bytes / MIB,
			       huge ? " (see HugePages_Free in /proc/meminfo "
				      "and /proc/sys/vm/nr_hugepages)" :
				      "");
	/* Where nothing allows it for this file, this does nothing. */
	if (!huge)
		(void)madvise(host, size_bytes, MADV_HUGEPAGE);
	*region = (struct gmem_region){
		.start = start,
		.size_bytes = size_bytes,
		.file_offset = file_offset,
		.host = host,
	};
	gmem->region_count++;
	return 0;
}

int gmem_init(struct gmem *gmem, uint64_t size_bytes, uint64_t page_bytes,
	      struct err *err)
{
	uint64_t low_bytes = min_u64(size_bytes, GMEM_HOLE_START);
	bool huge = page_bytes != 0;
	int rc;

	*gmem = (struct gmem){ .fd = -1, .size_bytes = size_bytes };
	gmem->fd = ram_file_create(size_bytes, page_bytes);
	if (gmem->fd < 0)
		return err_sys(err, -gmem->fd, "cannot create guest memory");
	if (ftruncate(gmem->fd, (off_t)size_bytes) < 0) {
		rc = err_sys(err, errno,
			     "cannot size guest memory to %" PRIu64 " MiB",
			     size_bytes / MIB);
		goto fail;
	}
	rc = map_region(gmem, 0, low_bytes, 0, huge, err);
	if (rc)
		goto fail;
	if (size_bytes > low_bytes) {
		rc = map_region(gmem, GMEM_HOLE_END, size_bytes - low_bytes,
				low_bytes, huge, err);
		if (rc)
			goto fail;
	}
	return 0;
fail:
	gmem_release(gmem);
	return rc;
}

void gmem_release(struct gmem *gmem)
{
	for (unsigned int i = 0; i < gmem->region_count; i++)
		munmap(gmem->regions[i].host, gmem->regions[i].size_bytes);
	gmem->region_count = 0;
	if (gmem->fd >= 0)
		close(gmem->fd);
	gmem->fd = -1;
}

void *gmem_ptr(const struct gmem *gmem, gpa_t gpa, uint64_t len)
{
	if (!len)
		return NULL;
	for (unsigned int i = 0; i < gmem->region_count; i++) {
		const struct gmem_region *region = &gmem->regions[i];
		/* Wraps to a huge offset when gpa lies below the region. */
		uint64_t offset = gpa - region->start;

		if (offset < region->size_bytes &&
		    len <= region->size_bytes - offset)
			return region->host + offset;
	}
	return NULL;
}

int gmem_read(const struct gmem *gmem, gpa_t gpa, void *to, size_t len)
{
	const void *from = gmem_ptr(gmem, gpa, len);

	if (!from)
		return -EFAULT;
	memcpy(to, from, len);
	return 0;
}

int gmem_write(const struct gmem *gmem, gpa_t gpa, const void *from, size_t len)
{
	void *to = gmem_ptr(gmem, gpa, len);

	if (!to)
		return -EFAULT;
	memcpy(to, from, len);
	return 0;
}

bool gmem_next_data(const struct gmem *gmem, const struct gmem_region *region,
		    uint64_t *from, uint64_t *ret_end)
{
	off_t start, end;

	if (*from >= region->size_bytes)
		return false;
	start = lseek(gmem->fd, (off_t)(region->file_offset + *from),
		      SEEK_DATA);
	if (start < 0 && errno == ENXIO)
		return false;
	if (start < 0) {
		*ret_end = region->size_bytes;
		return true;
	}
	end = lseek(gmem->fd, start, SEEK_HOLE);
	if ((uint64_t)start >= region->file_offset + region->size_bytes)
		return false;
	*from = (uint64_t)start - region->file_offset;
	*ret_end = end < 0 ? region->size_bytes :
			     min_u64((uint64_t)end - region->file_offset,
				     region->size_bytes);
	return true;
}

gpa_t gmem_low_end(const struct gmem *gmem)
{
	return gmem->region_count ? gmem->regions[0].size_bytes : 0;
}
