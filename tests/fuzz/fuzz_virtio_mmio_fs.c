/*
 * The file system device behind the mmio transport, driven by
 * tests/fuzz/virtio_guest.h.
 */
#include "tests/fuzz/virtio_guest_fs.h"
#include "tests/fuzz/virtio_guest_mmio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest guest = { .queue_count = VIRTIO_FS_QUEUES };
	static struct guest_mmio transport;

	guest_fs_init(&guest);
	guest_mmio_attach(&guest, &transport);
	guest_fs_attach(&guest);
	guest_run(&guest, data, size);
	guest_fs_release();
	guest_mmio_detach(&transport);
	return 0;
}
