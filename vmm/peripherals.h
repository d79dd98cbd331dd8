/*
 * The machine's virtio devices: built from the configuration in the order the
 * guest finds them in, plugged into the bus, stopped and taken apart. The part
 * of the composition root that knows every device type. Main thread.
 */
#ifndef VMM_PERIPHERALS_H
#define VMM_PERIPHERALS_H

#include "boot/platform.h"
#include "core/gmem.h"
#include "virtio/rng.h"
#include "vmm/config.h"
#include "vmm/virtio_bus.h"

struct peripherals {
	struct virtio_env env;
	struct virtio_bus bus;
	struct virtio_rng *rng; /* owned, or NULL */
};

/* Adds to @platform what the guest is told of the devices in @config. */
void peripherals_describe(const struct vm_config *config,
			  struct platform *platform);

/*
 * Builds them and plugs them in; @bus is what virtio_bus_init takes. On
 * failure peripherals_release takes what is there.
 */
int peripherals_build(struct peripherals *peripherals,
		      const struct vm_config *config, const struct gmem *gmem,
		      const struct virtio_bus_config *bus, struct err *err);

/* A vCPU that serves a queue itself comes back soon. Any thread. */
void peripherals_cancel(struct peripherals *peripherals);
/* Waits for all that is in flight. No vCPU runs. */
void peripherals_stop(struct peripherals *peripherals);
/* Takes peripherals that are all zeroes. */
void peripherals_release(struct peripherals *peripherals);

#endif
