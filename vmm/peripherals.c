#include "vmm/peripherals.h"

#include <errno.h>
#include <stdlib.h>

#include "core/log.h"
#include "core/util.h"

static unsigned int count_devices(const struct vm_config *config)
{
	return config->rng;
}

void peripherals_describe(const struct vm_config *config,
			  struct platform *platform)
{
	virtio_bus_describe(config->transport, count_devices(config), platform);
}

static void on_report(void *opaque, const struct virtio_device *device,
		      const char *what)
{
	(void)opaque;
	log_warn("virtio-%s: %s; it waits for a reset by the guest",
		 device->type->name, what);
}

static int build_rng(struct peripherals *peripherals, struct err *err)
{
	struct virtio_rng *rng = calloc(1, sizeof(*rng));
	int rc;

	if (!rng)
		return err_sys(err, ENOMEM, "rng");
	rc = virtio_rng_init(rng, &peripherals->env, err);
	if (rc) {
		free(rng);
		return rc;
	}
	peripherals->rng = rng;
	return virtio_bus_plug(&peripherals->bus, &rng->device, err);
}

int peripherals_build(struct peripherals *peripherals,
		      const struct vm_config *config, const struct gmem *gmem,
		      const struct virtio_bus_config *bus, struct err *err)
{
	int rc;

	*peripherals = (struct peripherals){
		.env = { .gmem = gmem, .report = on_report },
	};
	if (!count_devices(config))
		return 0;
	rc = virtio_bus_init(&peripherals->bus, bus, err);
	if (!rc && config->rng)
		rc = build_rng(peripherals, err);
	return rc;
}

void peripherals_cancel(struct peripherals *peripherals)
{
	for (unsigned int i = 0; i < peripherals->bus.count; i++)
		virtio_device_cancel(peripherals->bus.seats[i].device);
}

void peripherals_stop(struct peripherals *peripherals)
{
	virtio_bus_stop(&peripherals->bus);
}

void peripherals_release(struct peripherals *peripherals)
{
	virtio_bus_release(&peripherals->bus);
	if (peripherals->rng)
		virtio_rng_release(peripherals->rng);
	free(move_ptr(&peripherals->rng));
}
