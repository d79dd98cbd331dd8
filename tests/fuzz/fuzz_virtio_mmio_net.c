/*
 * The network device behind the mmio transport, driven by
 * tests/fuzz/virtio_guest.h and virtio_net_guest.h.
 */
#include "tests/fuzz/virtio_guest_mmio.h"
#include "tests/fuzz/virtio_net_guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct net_guest net_guest;
	static struct guest_mmio transport;

	net_guest_init(&net_guest);
	guest_mmio_attach(&net_guest.guest, &transport);
	net_guest_attached(&net_guest);
	guest_run(&net_guest.guest, data, size);
	virtio_device_stop(&net_guest.nic.device);
	guest_mmio_detach(&transport);
	net_guest_release(&net_guest);
	return 0;
}
