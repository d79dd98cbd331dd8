#include "vmm/stats.h"

#include <errno.h>
#include <jansson.h>

#include "core/util.h"

/* jansson takes what is NULL for an error of its caller, so that one check in
 * the end does for all. */
static void put(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void put_array(json_t *object, const char *key, const uint64_t *values,
		      size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array,
				      json_integer((json_int_t)values[i]));
	json_object_set_new(object, key, array);
}

static json_t *queue_object(const struct virtio_queue *queue)
{
	const struct virtio_queue_counters *counters = &queue->counters;
	json_t *object = json_object();

	put(object, "kicks", atomic_load(&counters->kicks));
	put(object, "interrupts", atomic_load(&counters->interrupts));
	put(object, "suppressed", atomic_load(&counters->suppressed));
	return object;
}

/* Appends a device and returns the array of its queues. */
static json_t *add_device(json_t *devices, const char *name,
			  const struct virtio_device *device)
{
	json_t *object = json_object();
	json_t *queues = json_array();

	json_object_set_new(object, "name", json_string(name));
	json_object_set_new(object, "type", json_string(device->type->name));
	for (unsigned int i = 0; i < device->queue_count; i++)
		json_array_append_new(queues, queue_object(&device->queues[i]));
	json_object_set_new(object, "queues", queues);
	json_array_append_new(devices, object);
	return queues;
}

static void put_blk(json_t *object, const struct virtio_blk_stats *stats)
{
	static const char *const kinds[VIRTIO_BLK_KINDS] = {
		[VIRTIO_BLK_KIND_READ] = "read",
		[VIRTIO_BLK_KIND_WRITE] = "write",
		[VIRTIO_BLK_KIND_FLUSH] = "flush",
		[VIRTIO_BLK_KIND_DISCARD] = "discard",
		[VIRTIO_BLK_KIND_ZEROES] = "write_zeroes",
		[VIRTIO_BLK_KIND_ID] = "get_id",
		[VIRTIO_BLK_KIND_OTHER] = "other",
	};
	json_t *requests = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		put(requests, kinds[i], stats->requests[i]);
	json_object_set_new(object, "requests", requests);
	put(object, "bytes_read", stats->bytes_read);
	put(object, "bytes_written", stats->bytes_written);
	put(object, "errors", stats->errors);
	put(object, "full", stats->full);
	put(object, "throttled", stats->throttled);
	put(object, "held", stats->held);
	put_array(object, "batches", stats->batches, VIRTIO_BLK_BATCHES);
	put_array(object, "latency_us", stats->latency, VIRTIO_BLK_LATENCIES);
}

static void add_disk(json_t *devices, const struct disk *disk)
{
	json_t *queues = add_device(devices, disk->name, &disk->blk.device);

	for (unsigned int i = 0; i < disk->queue_count; i++) {
		struct virtio_blk_stats stats;

		virtio_blk_stats(&disk->blk, i, &stats);
		put_blk(json_array_get(queues, i), &stats);
	}
}

/* With vhost the kernel counts, not we: interface statistics of the tap. */
static void put_net(json_t *object, const struct virtio_net_stats *stats,
		    bool vhost)
{
	json_object_set_new(object, "vhost", json_boolean(vhost));
	put(object, "packets", stats->packets);
	put(object, "bytes", stats->bytes);
	put(object, "drops", stats->drops);
	put(object, "errors", stats->errors);
	put(object, "retries", stats->retries);
	put_array(object, "batches", stats->batches, VIRTIO_NET_BATCHES);
}

/* virtio 1.2, 5.1.2: pair i receives on queue 2i and sends on 2i + 1. */
static void add_nic(json_t *devices, const struct nic *nic)
{
	json_t *queues = add_device(devices, nic->name, &nic->device.device);

	for (unsigned int i = 0; i < nic->device.pair_count; i++) {
		bool lent = virtio_net_is_lent(&nic->device, i);
		struct virtio_net_stats receive;
		struct virtio_net_stats send;

		virtio_net_read_stats(&nic->device, i, &receive, &send);
		put_net(json_array_get(queues, 2 * (size_t)i), &receive, lent);
		put_net(json_array_get(queues, 2 * (size_t)i + 1), &send, lent);
	}
}

static void add_share(json_t *devices, const struct shared_folder *shared)
{
	json_t *queues =
		add_device(devices, shared->name, &shared->device.device);
	json_t *request = json_array_get(queues, VIRTIO_FS_REQUEST);
	struct virtio_fs_stats stats;

	virtio_fs_stats(&shared->device, &stats);
	put(request, "requests", stats.requests);
	put(request, "errors", stats.errors);
	put(request, "bytes_in", stats.bytes_in);
	put(request, "bytes_out", stats.bytes_out);
}

static json_t *iothread_object(const struct iothread *io)
{
	struct iothread_stats stats;
	json_t *object = json_object();

	iothread_stats(io, &stats);
	put(object, "enters", stats.enters);
	put(object, "completions", stats.completions);
	put(object, "stale", stats.stale);
	put(object, "troubles", stats.troubles);
	put(object, "rearmed", stats.rearmed);
	put(object, "spins", stats.spins);
	put(object, "spin_hits", stats.spin_hits);
	put(object, "batch_tries", stats.batch_tries);
	return object;
}

static json_t *collect(const struct peripherals *peripherals)
{
	json_t *tree = json_object();
	json_t *devices = json_array();
	json_t *threads = json_array();

	for (unsigned int i = 0; i < peripherals->disk_count; i++)
		add_disk(devices, &peripherals->disks[i]);
	for (unsigned int i = 0; i < peripherals->nic_count; i++)
		add_nic(devices, &peripherals->nics[i]);
	if (peripherals->console)
		add_device(devices, "console", &peripherals->console->device);
	if (peripherals->rng)
		add_device(devices, "rng", &peripherals->rng->device);
	for (unsigned int i = 0; i < peripherals->share_count; i++)
		add_share(devices, &peripherals->shares[i]);
	for (unsigned int i = 0; i < peripherals->threads.count; i++)
		json_array_append_new(
			threads,
			iothread_object(peripherals->threads.threads[i]));
	json_object_set_new(tree, "devices", devices);
	json_object_set_new(tree, "iothreads", threads);
	return tree;
}

void stats_print(FILE *out, const struct peripherals *peripherals)
{
	json_t *tree = collect(peripherals);

	json_dumpf(tree, out, JSON_INDENT(2));
	fputc('\n', out);
	json_decref(tree);
}

int stats_write(const char *path, const struct peripherals *peripherals,
		struct err *err)
{
	FILE *file = fopen(path, "we");
	bool failed;

	if (!file)
		return err_sys(err, errno, "cannot write statistics to %s",
			       path);
	stats_print(file, peripherals);
	failed = ferror(file);
	failed |= fclose(file) != 0;
	if (failed)
		return err_sys(err, errno ? errno : EIO,
			       "cannot write statistics to %s", path);
	return 0;
}
