/*
 * The entropy device behind the pci transport, driven by
 * tests/fuzz/virtio_guest.h.
 */
#include "tests/fuzz/virtio_guest_pci.h"
#include "virtio/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest guest = { .queue_count = 1, .answers_at_once = true };
	const struct virtio_env env = {
		.gmem = &guest.gmem,
		.report = guest_report,
		.opaque = &guest,
	};
	struct virtio_rng rng;
	static struct guest_pci transport;

	guest_init_memory(&guest);
	guest_require(virtio_rng_init(&rng, &env, NULL) == 0, "no device");
	guest.device = &rng.device;
	guest_pci_attach(&guest, &transport);
	guest_run(&guest, data, size);
	virtio_device_stop(&rng.device);
	guest_pci_detach(&transport);
	virtio_rng_release(&rng);
	return 0;
}
