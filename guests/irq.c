/*
 * Interrupts of devices, for who looks at them from outside: one of the serial
 * port through the I/O APIC, edge-triggered and level-triggered, and one of the
 * entropy device, as a message on PCI, else at a pin of the I/O APIC.
 *
 * Stays in kernel mode, where it may let interrupts in.
 */
#include "lib_virtio.h"

#define VECTOR_EDGE   IRQ_VECTOR
#define VECTOR_LEVEL  (IRQ_VECTOR + 1)
#define VECTOR_VIRTIO (IRQ_VECTOR + 2)

#define LAPIC_LDR   0x0d0
#define LAPIC_DFR   0x0e0
#define LAPIC_SVR   0x0f0
#define SVR_ENABLE  0x1ff
#define LDR_1	    (1U << 24)
#define DFR_FLAT    0xffffffffU
#define WAIT_CYCLES 20000000000ULL

/* To the CPUs whose logical id has bit 0 (SDM vol. 3, 11.11.1). */
#define MESSAGE_ADDRESS 0xfee01004U

#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_ENTRY  0x10
#define IOAPIC_PINS   24
#define ENTRY_LEVEL   0x8000
#define ENTRY_MASKED  0x10000

#define SERIAL_PIN	4
#define SERIAL_IER	(PORT_SERIAL + 1)
#define SERIAL_MCR	(PORT_SERIAL + 4)
#define IER_TRANSMIT	2 /* the transmitter is empty */
#define MCR_OUT2	8 /* lets the interrupt out */
#define VIRTIO_MMIO_PIN 16 /* the lowest one that a device may have */

/*
 * Reading which interrupt it is takes it back, before it is ended: one that is
 * level-triggered would come again.
 */
__asm__(".globl serial_irq\n"
	"serial_irq:\n"
	"pushq %rax\n"
	"pushq %rdx\n"
	"movl $0x3fa, %edx\n"
	"inb %dx, %al\n"
	"incl irq_count\n"
	"movl $0xfee000b0, %eax\n"
	"movl $0, (%rax)\n"
	"popq %rdx\n"
	"popq %rax\n"
	"iretq\n");
void serial_irq(void);

static struct vdev dev;
static struct vring ring;
static struct vring_memory memory;
static uint8_t bytes[64];

static void wait_irq(const char *what)
{
	uint64_t start = rdtsc();

	__asm__ volatile("sti" : : : "memory");
	while (*(volatile uint32_t *)&irq_count == 0)
		check(rdtsc() - start < WAIT_CYCLES, what);
	__asm__ volatile("cli" : : : "memory");
	irq_count = 0;
}

static void set_pin(uint32_t pin, uint32_t entry)
{
	mmio_write32(IOAPIC_BASE + IOAPIC_SELECT, IOAPIC_ENTRY + 2 * pin);
	mmio_write32(IOAPIC_BASE + IOAPIC_WINDOW, entry);
}

static void check_serial(uint32_t entry, const char *what)
{
	set_pin(SERIAL_PIN, entry);
	outb(SERIAL_MCR, MCR_OUT2);
	outb(SERIAL_IER, IER_TRANSMIT);
	wait_irq(what);
	outb(SERIAL_IER, 0);
	set_pin(SERIAL_PIN, ENTRY_MASKED);
}

static void check_virtio(void)
{
	const struct vseg seg = { bytes, sizeof(bytes), VSEG_WRITE };
	uint32_t len;
	uint16_t id;

	vdev_reset(&dev);
	check(vdev_accepts(&dev, FEATURE_VERSION_1) &&
		      vring_open(&ring, &dev, 0, &memory, 0),
	      "the entropy device cannot be used");
	memory.driver[0] = 0; /* with interrupts */
	if (dev.pci)
		vdev_set_message(&dev, MESSAGE_ADDRESS, VECTOR_VIRTIO);
	for (uint32_t pin = VIRTIO_MMIO_PIN; pin < IOAPIC_PINS; pin++)
		set_pin(pin, dev.pci ? ENTRY_MASKED : VECTOR_VIRTIO);
	vdev_go(&dev);
	check(vring_add(&ring, &seg, 1) != VRING_NONE, "no room in the queue");
	vring_kick_always(&ring);
	wait_irq("no interrupt from the entropy device");
	check(vring_take(&ring, &id, &len), "an interrupt without a buffer");
}

void guest_main(void)
{
	idt_set(VECTOR_EDGE, serial_irq);
	idt_set(VECTOR_LEVEL, serial_irq);
	idt_set(VECTOR_VIRTIO, irq_entry);
	/* The PIC's lines stay off: every interrupt comes through the APICs. */
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	mmio_write32(LAPIC_BASE + LAPIC_SVR, SVR_ENABLE);
	mmio_write32(LAPIC_BASE + LAPIC_DFR, DFR_FLAT);
	mmio_write32(LAPIC_BASE + LAPIC_LDR, LDR_1);
	check_serial(VECTOR_EDGE, "no edge from the serial port");
	check_serial(VECTOR_LEVEL | ENTRY_LEVEL,
		     "no level from the serial port");
	check(vdev_find(&dev, VIRTIO_RNG), "there is no entropy device");
	check_virtio();
}
