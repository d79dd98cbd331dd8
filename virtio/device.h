/*
 * What all virtio devices have in common: the status state machine, feature
 * negotiation, queues, device configuration, and the path of a kick to the
 * device and of an interrupt to the transport. A device type is a const vtable
 * (struct virtio_device_type), a transport another (struct
 * virtio_transport_ops); adding a device is one file that fills in the first.
 *
 * Threads:
 * - The register interface (virtio_write_status and what stands with it) runs
 *   on vCPU threads, serialised by `lock`.
 * - Each queue is served by one thread: the I/O context it was given, or, with
 *   none, whichever vCPU kicks, serialised by the queue's own lock.
 * - virtio_config_changed, virtio_device_fail and virtio_reset_done may be
 *   called on any thread; neither they nor virtio_interrupt take `lock`.
 *
 * Lock order: device->lock, a queue's lock, a lock of the device type's,
 * config_lock, a lock of the transport's.
 *
 * A reset stops the kicks, then asks the device type to drain, and only when
 * the type says that no request is left are the queues forgotten and status
 * reads 0. No interrupt comes after that.
 *
 * Source: virtio 1.2, 2.1 to 2.5 and 3.1.
 */
#ifndef VIRTIO_DEVICE_H
#define VIRTIO_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/gmem.h"
#include "core/io_context.h"
#include "virtio/queue.h"

/* Queues of one device: a console with 31 ports has 2 * 32. */
#define VIRTIO_MAX_QUEUES 64

struct virtio_device;

struct virtio_device_type {
	const char *name; /* "rng"; for messages */
	uint16_t id; /* virtio 1.2, 5 */

	/*
	 * Optional. The driver has chosen @features, a subset of what is
	 * offered; false refuses them (FEATURES_OK stays clear). vCPU thread,
	 * device->lock held.
	 */
	bool (*accept_features)(struct virtio_device *device,
				uint64_t features);

	/*
	 * Optional. DRIVER_OK was set: device->features and the enabled
	 * queues are final, kicks follow. The place to create what only a
	 * driven device needs. Negative errno with a sentence: the device
	 * needs a reset. vCPU thread, device->lock held.
	 */
	int (*activate)(struct virtio_device *device, struct err *err);

	/*
	 * The driver kicked queue @index, or it may have: serve it. On the
	 * queue's thread; only between activate and reset, only for enabled
	 * queues. Called once after activate for each enabled queue too. A
	 * pass takes a bounded number of chains; when it leaves some behind,
	 * it asks for another with virtio_kick_again.
	 */
	void (*kick)(struct virtio_device *device, unsigned int index);

	/*
	 * Optional. Drain: give up or finish every chain in flight; queues
	 * are still there but the kicks have stopped, and no virtq function is
	 * called once it is done. Returns 0 when that is so already, or
	 * -EINPROGRESS and calls virtio_reset_done later, once, on any
	 * thread. vCPU thread (or the main one at exit), device->lock held;
	 * to reach a queue's thread use io_context_call. Also called for a
	 * device that failed to activate. Without it, a device that keeps
	 * chains only inside `kick` is drained by itself.
	 */
	int (*reset)(struct virtio_device *device);

	/*
	 * Optional. The driver wrote @len (1, 2, 4 or 8) bytes of the
	 * configuration at @offset, wholly inside it. The device checks the
	 * field and changes `config` itself with virtio_config_set. vCPU
	 * thread, device->lock held.
	 */
	void (*config_write)(struct virtio_device *device, uint32_t offset,
			     uint64_t value, unsigned int len);
};

/* What the transport does for the device. Any thread. */
struct virtio_transport_ops {
	/* A used buffer notification for queue @index. */
	void (*interrupt)(struct virtio_device *device, unsigned int index);
	/*
	 * Optional: a write to the eventfd @fd (-1: to none any more) is an
	 * interrupt of queue @index too, where that can be without us (see
	 * `follow` in core/irq.h). device->lock is held.
	 */
	void (*follow)(struct virtio_device *device, unsigned int index,
		       int fd);
	/* A configuration change notification. config_lock is held. */
	void (*config_interrupt)(struct virtio_device *device);
	/*
	 * The device was reset: forget vectors and selectors, lower the line.
	 * device->lock is held; no queue's thread runs.
	 */
	void (*was_reset)(struct virtio_device *device);
};

struct virtio_queue_counters {
	atomic_uint_fast64_t kicks;
	atomic_uint_fast64_t interrupts;
	atomic_uint_fast64_t suppressed; /* interrupts nobody wanted */
};

struct virtio_queue {
	struct virtq vq; /* of the queue's thread while the device runs */
	struct virtio_device *device;
	uint16_t max_size; /* a power of two, at most VIRTQ_MAX_SIZE */
	uint16_t index;

	/* What the driver has set up so far; guarded by device->lock. */
	struct virtq_layout layout;

	/*
	 * Given before the driver can run: the thread that serves the queue
	 * (borrowed) or NULL, and with it an eventfd (owned) that a kick
	 * writes to. The machine may let KVM write it (ioeventfd).
	 */
	struct io_context *context;
	int kick_fd; /* -1 without a context */
	struct io_watch watch; /* of kick_fd; while lent, of call_fd */
	bool watched;
	bool spinning; /* of the context's thread: it looks at the ring */
	/* While it is lent (virtio_queue_lend), else -1; borrowed. */
	int call_fd;

	pthread_mutex_t lock; /* held around `kick` without a context */
	bool running; /* without a context: guarded by lock */
	bool again; /* without a context: guarded by lock */
	struct virtio_queue_counters counters;
};

/* What the machine gives every device. */
struct virtio_env {
	const struct gmem *gmem; /* borrowed */
	/*
	 * Optional: the device failed; @what is one sentence, valid during
	 * the call. At most once from one reset to the next. Any thread.
	 */
	void (*report)(void *opaque, const struct virtio_device *device,
		       const char *what);
	void *opaque;
};

/*
 * Embedded in the state of each device (container_of leads back to it). The
 * device's constructor sets what stands under "constant" through
 * virtio_device_init; the machine then adds contexts and a transport.
 */
struct virtio_device {
	/* Constant once the driver can run. */
	const struct virtio_device_type *type;
	struct virtio_env env;
	uint64_t offered; /* feature bits of the device and of the ring */
	unsigned int queue_count;
	struct virtio_queue *queues; /* owned array */
	const struct virtio_transport_ops *transport;
	void *transport_opaque;

	pthread_mutex_t lock; /* the register interface; guards the rest */
	atomic_uint_fast8_t status; /* written under lock, or by _fail */
	atomic_bool reported;
	atomic_bool cancelled;
	bool resetting; /* an asynchronous reset is under way */
	bool activated; /* `activate` was called and no reset came */
	uint64_t driver_features; /* as written so far */
	uint64_t features; /* negotiated; constant while active */

	pthread_mutex_t drain_lock;
	pthread_cond_t drain_cond;
	bool drained; /* virtio_reset_done was called; guarded by drain_lock */

	/* Device configuration: little-endian bytes, their own lock. */
	pthread_mutex_t config_lock;
	bool config_interrupts; /* the driver may be told; under config_lock */
	uint8_t *config; /* borrowed from the device's state */
	uint32_t config_size;
	atomic_uint_fast32_t config_generation;
	bool config_unread; /* since that last changed; under config_lock */
};

/* --- For a device type --------------------------------------------------- */

/* Which part of struct virtio_device is the type's to say. */
struct virtio_device_init {
	const struct virtio_device_type *type;
	const struct virtio_env *env; /* copied */
	/*
	 * Feature bits of the device type. Those of the ring are added:
	 * VERSION_1, INDIRECT_DESC, EVENT_IDX, RING_PACKED.
	 */
	uint64_t features;
	unsigned int queue_count;
	uint16_t queue_size; /* the maximum of each queue */
	void *config; /* borrowed, lives as long as the device */
	uint32_t config_size;
};

int virtio_device_init(struct virtio_device *device,
		       const struct virtio_device_init *init, struct err *err);
/* The driver can no longer run and the device was reset. */
void virtio_device_release(struct virtio_device *device);

static inline bool virtio_has_feature(const struct virtio_device *device,
				      unsigned int bit)
{
	return device->features >> bit & 1;
}

static inline struct virtq *virtio_vq(struct virtio_device *device,
				      unsigned int index)
{
	return &device->queues[index].vq;
}

/*
 * After pushing a batch to queue @index: interrupts the driver if it wants to
 * hear of it. On the queue's thread.
 */
void virtio_interrupt(struct virtio_device *device, unsigned int index);

/*
 * `kick` has left chains in queue @index: it is called again, after others
 * that share its thread. From `kick`.
 */
void virtio_kick_again(struct virtio_device *device, unsigned int index);

/*
 * The device cannot go on: NEEDS_RESET, a configuration interrupt, and @what
 * to the machine. Kicks of all queues stop being served; chains in flight
 * still end in `reset`. A queue found broken after `kick` does this by itself.
 * Any thread, config_lock not held.
 */
void virtio_device_fail(struct virtio_device *device, const char *what);

/* Whether the device failed since its last reset. Any thread. */
bool virtio_device_failed(const struct virtio_device *device);

/* An asynchronous `reset` has ended. Any thread. */
void virtio_reset_done(struct virtio_device *device);

/*
 * Somebody else serves queue @index, such as the kernel: from `activate` on,
 * and until virtio_queue_take_back in `reset`. He reads kick_fd, takes and
 * completes the chains, and writes the eventfd @call_fd (borrowed) for an
 * interrupt. The queue is enabled and has a context; `kick` is not called for
 * it. vCPU thread, device->lock held.
 */
void virtio_queue_lend(struct virtio_device *device, unsigned int index,
		       int call_fd);
/* He is done with it, or never was. From `reset`; no interrupt follows. */
void virtio_queue_take_back(struct virtio_device *device, unsigned int index);

/*
 * For queues without a context that a device type serves outside `kick`, on
 * another thread or from another queue's kick: true with the queue's lock held
 * when the queue runs. A type that locks two queues says in which order.
 */
bool virtio_queue_begin(struct virtio_device *device, unsigned int index);
void virtio_queue_end(struct virtio_device *device, unsigned int index);

/*
 * Changes bytes of the configuration without telling the driver (from
 * config_write), or telling it (a resize). Any thread.
 */
void virtio_config_set(struct virtio_device *device, uint32_t offset,
		       const void *bytes, uint32_t len);
void virtio_config_changed(struct virtio_device *device, uint32_t offset,
			   const void *bytes, uint32_t len);

/* --- For the machine ----------------------------------------------------- */

/*
 * Queue @index is served by @context; before the driver can run. Creates the
 * kick eventfd.
 */
int virtio_queue_set_context(struct virtio_device *device, unsigned int index,
			     struct io_context *context, struct err *err);

/*
 * The machine is stopping: a vCPU that serves a queue comes back after the
 * pass it is in, however busy other vCPUs keep the queue. Any thread.
 */
void virtio_device_cancel(struct virtio_device *device);

/*
 * Resets the device and waits for that; before the machine goes away. No vCPU
 * runs any more. Main thread.
 */
void virtio_device_stop(struct virtio_device *device);

/* --- For a transport ----------------------------------------------------- */

/* All but virtio_notify with device->lock held. */

/* Also ends a reset that has drained meanwhile. */
uint8_t virtio_read_status(struct virtio_device *device);
/*
 * The driver wrote the status register. A reset may still be under way when
 * this returns (status then reads as before); with @wait it is not, except
 * for a context that never answers.
 */
void virtio_write_status(struct virtio_device *device, uint8_t value,
			 bool wait);

/* The 32 bits that @select asks for; 0 beyond the 64 there are. */
uint32_t virtio_read_features(const struct virtio_device *device,
			      uint32_t select);
uint32_t virtio_read_driver_features(const struct virtio_device *device,
				     uint32_t select);
void virtio_write_driver_features(struct virtio_device *device, uint32_t select,
				  uint32_t value);

/* NULL when there is no queue @index. */
struct virtio_queue *virtio_queue_get(struct virtio_device *device,
				      uint32_t index);
/*
 * Whether the queue's layout may be written: features are agreed upon, the
 * queue is not enabled and the device does not run.
 */
bool virtio_queue_writable(const struct virtio_queue *queue);
/* The driver enabled the queue; a layout that cannot be leaves it disabled. */
void virtio_queue_enable(struct virtio_queue *queue);
/* The driver gave the queue up; only while the device does not run. */
void virtio_queue_disable(struct virtio_queue *queue);

/* Reads beyond the configuration are 0, writes beyond it are dropped. */
uint64_t virtio_read_config(struct virtio_device *device, uint64_t offset,
			    unsigned int len);
void virtio_write_config(struct virtio_device *device, uint64_t offset,
			 uint64_t value, unsigned int len);

/*
 * The driver kicked queue @index through a register that nobody else watches.
 * vCPU thread; takes no device lock, may run the device.
 */
void virtio_notify(struct virtio_device *device, uint32_t index);

#endif
