#include "io/vhost.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/util.h"

#define DEVICE "/dev/vhost-net"

/* Indices of a pair's rings (drivers/vhost/net.c). */
enum {
	RECEIVE,
	SEND,
	RINGS,
};

struct vhost {
	struct net_engine engine;
	unsigned int opened;
	int fds[NET_MAX_QUEUES]; /* owned, one for each pair */
};

static struct vhost *from_engine(struct net_engine *engine)
{
	return container_of(engine, struct vhost, engine);
}

/* --- A pair -------------------------------------------------------------- */

/* Requests that take an index and a number, or an index and an fd. */
static int set_state(int fd, unsigned long request, unsigned int ring,
		     unsigned int num)
{
	const struct vhost_vring_state state = { .index = ring, .num = num };

	return ioctl(fd, request, &state) ? -errno : 0;
}

static int set_file(int fd, unsigned long request, unsigned int ring, int file)
{
	const struct vhost_vring_file arg = { .index = ring, .fd = file };

	return ioctl(fd, request, &arg) ? -errno : 0;
}

static int set_addresses(int fd, unsigned int index,
			 const struct net_ring *ring)
{
	const struct vhost_vring_addr addresses = {
		.index = index,
		.desc_user_addr = (uintptr_t)ring->desc,
		.avail_user_addr = (uintptr_t)ring->driver,
		.used_user_addr = (uintptr_t)ring->device,
	};

	return ioctl(fd, VHOST_SET_VRING_ADDR, &addresses) ? -errno : 0;
}

static int set_ring(int fd, unsigned int index, const struct net_ring *ring,
		    int error_fd)
{
	int rc = set_state(fd, VHOST_SET_VRING_NUM, index, ring->size);

	if (!rc)
		rc = set_state(fd, VHOST_SET_VRING_BASE, index, ring->next);
	if (!rc)
		rc = set_addresses(fd, index, ring);
	if (!rc)
		rc = set_file(fd, VHOST_SET_VRING_ERR, index, error_fd);
	if (!rc)
		rc = set_file(fd, VHOST_SET_VRING_CALL, index, ring->call_fd);
	if (!rc)
		rc = set_file(fd, VHOST_SET_VRING_KICK, index, ring->kick_fd);
	return rc;
}

/*
 * The ring rests: the kernel has waited for what its thread was at. Eventfds
 * are let go of, above all the kicks, which are ours to hear then. Of a ring
 * that was set up nothing here can fail.
 */
static uint16_t stop_ring(int fd, unsigned int ring)
{
	struct vhost_vring_state state = { .index = ring };

	(void)set_file(fd, VHOST_NET_SET_BACKEND, ring, VHOST_FILE_UNBIND);
	(void)ioctl(fd, VHOST_GET_VRING_BASE, &state);
	(void)set_file(fd, VHOST_SET_VRING_KICK, ring, VHOST_FILE_UNBIND);
	(void)set_file(fd, VHOST_SET_VRING_CALL, ring, VHOST_FILE_UNBIND);
	(void)set_file(fd, VHOST_SET_VRING_ERR, ring, VHOST_FILE_UNBIND);
	return (uint16_t)state.num;
}

static void vhost_stop(struct net_engine *engine, unsigned int pair,
		       uint16_t *ret_receive_next, uint16_t *ret_send_next)
{
	int fd = from_engine(engine)->fds[pair];

	*ret_receive_next = stop_ring(fd, RECEIVE);
	*ret_send_next = stop_ring(fd, SEND);
}

static int start_rings(int fd, const struct net_handover *handover)
{
	const struct net_ring *const rings[RINGS] = {
		[RECEIVE] = &handover->receive,
		[SEND] = &handover->send,
	};
	int rc = 0;

	for (unsigned int i = 0; !rc && i < RINGS; i++)
		rc = set_ring(fd, i, rings[i], handover->error_fd);
	for (unsigned int i = 0; !rc && i < RINGS; i++)
		rc = set_file(fd, VHOST_NET_SET_BACKEND, i, handover->fd);
	return rc;
}

static int vhost_start(struct net_engine *engine, unsigned int pair,
		       const struct net_handover *handover, struct err *err)
{
	uint64_t features = handover->features & engine->features;
	int fd = from_engine(engine)->fds[pair];
	uint16_t next;
	int rc;

	rc = ioctl(fd, VHOST_SET_FEATURES, &features) ? -errno : 0;
	if (!rc)
		rc = start_rings(fd, handover);
	if (!rc)
		return 0;
	vhost_stop(engine, pair, &next, &next);
	return err_sys(err, -rc,
		       "vhost-net does not take a queue pair (vhost=off does "
		       "without it)");
}

/* --- Life ---------------------------------------------------------------- */

static int open_device(struct err *err)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return err_set(err, errno,
			       "this host has no " DEVICE
			       ": modprobe vhost_net");
	case EACCES:
	case EPERM:
		return err_set(err, errno,
			       "may not open " DEVICE
			       ": sudo setfacl -m u:$USER:rw " DEVICE);
	default:
		return err_sys(err, errno, "cannot open " DEVICE);
	}
}

static int set_memory(int fd, const struct gmem *gmem)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region regions[GMEM_MAX_REGIONS];
	} table = { .head = { .nregions = gmem->region_count } };

	for (unsigned int i = 0; i < gmem->region_count; i++) {
		const struct gmem_region *region = &gmem->regions[i];

		table.regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = region->start,
			.memory_size = region->size_bytes,
			.userspace_addr = (uintptr_t)region->host,
		};
	}
	return ioctl(fd, VHOST_SET_MEM_TABLE, &table) ? -errno : 0;
}

static int open_pair(struct vhost *vhost, const struct gmem *gmem,
		     struct err *err)
{
	int fd = open_device(err);

	if (fd < 0)
		return fd;
	vhost->fds[vhost->opened++] = fd;
	if (ioctl(fd, VHOST_SET_OWNER) ||
	    ioctl(fd, VHOST_GET_FEATURES, &vhost->engine.features) ||
	    set_memory(fd, gmem))
		return err_sys(err, errno, "cannot use " DEVICE);
	return 0;
}

static void vhost_free(struct net_engine *engine)
{
	struct vhost *vhost = from_engine(engine);

	for (unsigned int i = 0; i < vhost->opened; i++)
		close(vhost->fds[i]);
	free(vhost);
}

int vhost_new(const struct gmem *gmem, unsigned int pairs,
	      struct net_engine **ret_engine, struct err *err)
{
	static const struct net_engine_ops ops = {
		.start = vhost_start,
		.stop = vhost_stop,
		.free = vhost_free,
	};
	struct vhost *vhost = calloc(1, sizeof(*vhost));

	assert(pairs >= 1 && pairs <= NET_MAX_QUEUES);
	if (!vhost)
		return err_sys(err, ENOMEM, "vhost-net");
	vhost->engine.ops = &ops;
	for (unsigned int i = 0; i < pairs; i++) {
		int rc = open_pair(vhost, gmem, err);

		if (rc) {
			vhost_free(&vhost->engine);
			return rc;
		}
	}
	/*
	 * Bits that are no feature of virtio's: logging of writes, and a
	 * header of vhost's own, where the tap has one (linux/vhost_types.h).
	 */
	vhost->engine.features &= ~((uint64_t)1 << VHOST_F_LOG_ALL |
				    (uint64_t)1 << VHOST_NET_F_VIRTIO_NET_HDR);
	*ret_engine = &vhost->engine;
	return 0;
}
