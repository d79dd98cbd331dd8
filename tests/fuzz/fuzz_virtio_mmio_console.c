/*
 * The console device behind the mmio transport, driven by
 * tests/fuzz/virtio_guest_console.h.
 */
#include "tests/fuzz/virtio_guest_console.h"
#include "tests/fuzz/virtio_guest_mmio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest guest = { .queue_count = 0 };
	static struct guest_console console;
	static struct guest_mmio transport;

	guest_init_memory(&guest);
	guest_console_init(&guest, &console);
	guest_mmio_attach(&guest, &transport);
	guest_run(&guest, data, size);
	virtio_device_stop(guest.device);
	guest_mmio_detach(&transport);
	virtio_console_release(&console.console);
	return 0;
}
