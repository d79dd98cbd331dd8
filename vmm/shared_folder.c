#include "vmm/shared_folder.h"

#include <sys/resource.h>

#include "core/log.h"
#include "core/util.h"

/* What the rest of the process may need. */
#define RESERVED_FDS 256
#define LEAST_FDS    64
/* What bounds the memory that their tables take, some 150 bytes each, and the
 * kernel for what they hold, some 1,500. */
#define MOST_FDS     262144
/* fs.nr_open, unless somebody changed it: no process has more. */
#define MOST_OF_ALL  1048576

/* The hard limit too, where this process may (CAP_SYS_RESOURCE). */
static void raise_limit(struct rlimit *limit, uint64_t wanted)
{
	struct rlimit raised = { .rlim_cur = wanted, .rlim_max = wanted };

	if (limit->rlim_cur >= wanted)
		return;
	if (limit->rlim_max >= wanted)
		raised.rlim_max = limit->rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &raised)) {
		raised.rlim_cur = limit->rlim_max;
		raised.rlim_max = limit->rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &raised))
			return;
	}
	*limit = raised;
}

unsigned int shared_folder_limit(unsigned int count)
{
	struct rlimit limit;
	uint64_t fds;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return LEAST_FDS;
	raise_limit(&limit, min_u64((uint64_t)count * MOST_FDS + RESERVED_FDS,
				    MOST_OF_ALL));
	fds = limit.rlim_cur;
	fds = fds > RESERVED_FDS ? (fds - RESERVED_FDS) / count : 0;
	return (unsigned int)max_u64(LEAST_FDS, min_u64(fds, MOST_FDS));
}

int shared_folder_open(struct shared_folder *shared,
		       const struct share_config *config, unsigned int max_fds,
		       struct err *err)
{
	const struct share_folder_config folder = {
		.path = config->path,
		.read_only = config->read_only,
		.cache = (enum share_cache)config->cache,
		.max_fds = max_fds,
	};
	int rc;

	*shared = (struct shared_folder){ .name = config->tag };
	rc = share_folder_open(&folder, &shared->folder, err);
	if (rc)
		return err_prefix(err, "--share");
	if (config->read_only && !share_folder_is_sealed(shared->folder))
		log_info("share %s: that it is read-only is held by hull alone",
			 shared->name);
	return 0;
}

int shared_folder_build(struct shared_folder *shared,
			const struct virtio_env *env, struct iothreads *threads,
			struct err *err)
{
	struct virtio_fs_options options = {
		.tag = shared->name,
		.share = share_folder_share(shared->folder),
	};
	struct iothread *io;
	int rc = iothreads_add(threads, shared->name, &io, err);

	if (rc)
		return rc;
	options.context = iothread_context(io);
	rc = virtio_fs_init(&shared->device, env, &options, err);
	shared->built = rc == 0;
	return rc;
}

void shared_folder_release(struct shared_folder *shared)
{
	if (shared->built)
		virtio_fs_release(&shared->device);
	share_folder_free(shared->folder);
	shared->folder = NULL;
	shared->built = false;
}
