/*
 * The console device behind the pci transport, driven by
 * tests/fuzz/virtio_guest_console.h.
 */
#include "tests/fuzz/virtio_guest_console.h"
#include "tests/fuzz/virtio_guest_pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest guest = { .queue_count = 0 };
	static struct guest_console console;
	static struct guest_pci transport;

	guest_init_memory(&guest);
	guest_console_init(&guest, &console);
	guest_pci_attach(&guest, &transport);
	guest_run(&guest, data, size);
	virtio_device_stop(guest.device);
	guest_pci_detach(&transport);
	virtio_console_release(&console.console);
	return 0;
}
