/*
 * The block device behind the pci transport, driven by
 * tests/fuzz/virtio_guest.h.
 */
#include "tests/fuzz/virtio_guest_blk.h"
#include "tests/fuzz/virtio_guest_pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest guest = { .data = data, .size = size };
	static struct guest_pci transport;

	guest_blk_init(&guest);
	guest_pci_attach(&guest, &transport);
	guest_blk_attach(&guest);
	guest_run(&guest, guest.data, guest.size);
	guest_blk_release();
	guest_pci_detach(&transport);
	return 0;
}
