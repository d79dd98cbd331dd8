#include "vmm/disk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "io/block_uring.h"

/* vda to vdz, then vdaa: as Linux names them, if they are found in order. */
static void name_disk(struct disk *disk, const char *id, unsigned int index)
{
	if (id)
		snprintf(disk->name, sizeof(disk->name), "%s", id);
	else if (index < 26)
		snprintf(disk->name, sizeof(disk->name), "vd%c",
			 (char)('a' + index));
	else
		snprintf(disk->name, sizeof(disk->name), "vda%c",
			 (char)('a' + index - 26));
}

int disk_open(struct disk *disk, const struct disk_config *config,
	      unsigned int index, struct err *err)
{
	const struct block_file_config file = {
		.path = config->path,
		.cache = (enum block_cache)config->cache,
		.read_only = config->read_only,
		.discard = config->discard,
	};

	*disk = (struct disk){ .file = NULL };
	name_disk(disk, config->id, index);
	return block_file_open(&file, &disk->file, err);
}

static void on_stop(void *opaque, struct virtio_blk *blk, int error)
{
	struct disk *disk = container_of(blk, struct disk, blk);

	(void)opaque;
	atomic_store(&disk->stop_error, error);
	disk->stopped(disk->opaque);
}

static struct virtio_blk_limit limit(const struct limit_config *config)
{
	return (struct virtio_blk_limit){
		.per_second = config->rate,
		.burst = config->burst,
	};
}

static int build_device(struct disk *disk, const struct disk_config *config,
			const struct disk_env *env,
			const struct virtio_blk_backend *backends,
			struct err *err)
{
	const enum virtio_blk_on_error on_error =
		config->on_write_error == DISK_STOP ? VIRTIO_BLK_STOP :
						      VIRTIO_BLK_REPORT;
	const struct virtio_blk_options options = {
		.queue_count = disk->queue_count,
		.backends = backends,
		.info = &disk->file->info,
		.serial = config->serial,
		.limits = {
			[VIRTIO_BLK_IOPS] = limit(&config->iops),
			[VIRTIO_BLK_IOPS_READ] = limit(&config->iops_read),
			[VIRTIO_BLK_IOPS_WRITE] = limit(&config->iops_write),
			[VIRTIO_BLK_BPS] = limit(&config->bps),
			[VIRTIO_BLK_BPS_READ] = limit(&config->bps_read),
			[VIRTIO_BLK_BPS_WRITE] = limit(&config->bps_write),
		},
		.on_write_error = on_error,
		.measure_latency = env->measure_latency,
		.stop = on_stop,
	};
	int rc;

	disk->stopped = env->stopped;
	disk->opaque = env->opaque;
	rc = virtio_blk_init(&disk->blk, env->env, &options, err);

	disk->built = rc == 0;
	return rc;
}

int disk_build(struct disk *disk, const struct disk_config *config,
	       const struct disk_env *env, struct err *err)
{
	struct virtio_blk_backend backends[VIRTIO_MAX_QUEUES];
	struct iothread *io;
	int rc;

	disk->queue_count = config->queues ? config->queues : env->cpus;
	rc = iothreads_take(env->threads, config->iothread, disk->name, &io,
			    err);
	if (rc)
		return rc;
	for (unsigned int i = 0; i < disk->queue_count; i++) {
		rc = block_uring_new(disk->file, io, &disk->blocks[i], err);
		if (rc)
			return rc;
		backends[i] = (struct virtio_blk_backend){
			.block = disk->blocks[i],
			.context = iothread_context(io),
		};
	}
	return build_device(disk, config, env, backends, err);
}

void disk_refresh(struct disk *disk)
{
	struct err err = { 0 };
	int rc = block_file_refresh(disk->file, &err);

	if (rc < 0)
		log_warn("disk %s keeps its size: %s", disk->name, err.msg);
	if (rc <= 0)
		return;
	log_info("disk %s has %" PRIu64 " bytes now", disk->name,
		 disk->file->info.size_bytes);
	virtio_blk_resize(&disk->blk, disk->file->info.size_bytes);
}

void disk_release(struct disk *disk)
{
	if (disk->built)
		virtio_blk_release(&disk->blk);
	for (unsigned int i = 0; i < disk->queue_count; i++)
		block_uring_free(disk->blocks[i]);
	block_file_free(disk->file);
	disk->file = NULL;
	disk->built = false;
}
