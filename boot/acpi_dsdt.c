/*
 * The devices of the machine as AML objects: all that a guest finds by walking
 * the namespace instead of probing.
 */
#include "boot/acpi.h"

#define PCI_SLOTS    32
#define PCI_PINS     4
#define PCI_BUS_SIZE (1 << 20) /* of ECAM, PCI Express 5.0, 7.2.2 */

/* _STA: present, enabled, shown, functioning (ACPI 6.4, 6.3.7). */
#define STA_WORKS 0x0f

/* Notification of a control-method power button, ACPI 6.4, 5.6.6. */
#define NOTIFY_BUTTON_PRESSED 0x80

static void make_name(char *name, char letter1, char letter2,
		      unsigned int number)
{
	static const char digits[] = "0123456789ABCDEF";

	name[0] = letter1;
	name[1] = letter2;
	name[2] = digits[number >> 4 & 15];
	name[3] = digits[number & 15];
	name[4] = '\0';
}

static bool gsi_is_shared(const struct platform *platform, int gsi)
{
	unsigned int users = 0;

	for (unsigned int i = 0; i < platform->device_count; i++)
		users += platform->devices[i].gsi == gsi;
	if (acpi_find(platform, PLATFORM_PCI_HOST)) {
		for (unsigned int i = 0; i < PCI_PINS; i++)
			users += platform->pci.intx_gsi[i] == gsi;
	}
	return users > 1;
}

/* _CRS of a device's range and interrupt. */
static void put_crs(struct aml *aml, const struct platform *platform,
		    const struct platform_device *device)
{
	size_t crs = aml_crs(aml);

	if (device->is_port)
		aml_crs_io(aml, (uint16_t)device->base, (uint8_t)device->size);
	else
		aml_crs_memory(aml, device->base, device->size);
	if (device->gsi >= 0)
		aml_crs_interrupt(aml, (uint32_t)device->gsi,
				  device->level_triggered,
				  gsi_is_shared(platform, device->gsi));
	aml_crs_end(aml, crs);
}

static void put_cpus(struct aml *aml, const struct platform *platform)
{
	for (unsigned int i = 0; i < platform->cpu_count; i++) {
		char name[5];
		size_t device;

		make_name(name, 'C', 'P', i);
		device = aml_device(aml, name);
		aml_name_string(aml, "_HID", "ACPI0007");
		aml_name_integer(aml, "_UID", i);
		aml_block_end(aml, device);
	}
}

static void put_serial(struct aml *aml, const struct platform *platform,
		       const struct platform_device *device, unsigned int uid)
{
	char name[5];
	size_t block;

	make_name(name, 'C', 'M', uid);
	block = aml_device(aml, name);
	aml_name_eisa_id(aml, "_HID", "PNP0501");
	aml_name_integer(aml, "_UID", uid);
	put_crs(aml, platform, device);
	aml_block_end(aml, block);
}

static void put_rtc(struct aml *aml, const struct platform *platform,
		    const struct platform_device *device)
{
	size_t block = aml_device(aml, "RTC_");

	aml_name_eisa_id(aml, "_HID", "PNP0B00");
	put_crs(aml, platform, device);
	aml_block_end(aml, block);
}

static void put_pvpanic(struct aml *aml, const struct platform *platform,
			const struct platform_device *device)
{
	size_t block = aml_device(aml, "PEVT");

	aml_name_string(aml, "_HID", "QEMU0001");
	aml_name_integer(aml, "_STA", STA_WORKS);
	put_crs(aml, platform, device);
	aml_block_end(aml, block);
}

static void put_fw_cfg(struct aml *aml, const struct platform *platform,
		       const struct platform_device *device)
{
	size_t block = aml_device(aml, "FWCF");

	aml_name_string(aml, "_HID", "QEMU0002");
	aml_name_integer(aml, "_STA", STA_WORKS);
	put_crs(aml, platform, device);
	aml_block_end(aml, block);
}

static void put_virtio(struct aml *aml, const struct platform *platform,
		       const struct platform_device *device, unsigned int uid)
{
	char name[5];
	size_t block;

	make_name(name, 'V', 'R', uid);
	block = aml_device(aml, name);
	aml_name_string(aml, "_HID", "LNRO0005");
	aml_name_integer(aml, "_UID", uid);
	aml_name_integer(aml, "_CCA", 1);
	put_crs(aml, platform, device);
	aml_block_end(aml, block);
}

/*
 * The button, and the generic event device (ACPI 6.4, 5.6.9) which tells of it:
 * its interrupt runs _EVT, which reads what happened from the event port.
 */
static void put_power(struct aml *aml, const struct platform *platform,
		      const struct platform_device *device)
{
	size_t block = aml_device(aml, "PWRB");
	size_t crs, inner;

	aml_name_eisa_id(aml, "_HID", "PNP0C0C");
	aml_block_end(aml, block);
	if (device->gsi < 0)
		return;

	block = aml_device(aml, "GED_");
	aml_name_string(aml, "_HID", "ACPI0013");
	crs = aml_crs(aml);
	aml_crs_interrupt(aml, (uint32_t)device->gsi, device->level_triggered,
			  gsi_is_shared(platform, device->gsi));
	aml_crs_end(aml, crs);
	aml_region_io(aml, "EVTR",
		      (uint16_t)(device->base + PLATFORM_POWER_EVENT), 1);
	aml_field_byte(aml, "EVTR", "EVTS");
	inner = aml_method(aml, "_EVT", 1, true);
	/* Reading clears: once, for all bits. */
	aml_byte(aml, AML_STORE);
	aml_segment(aml, "EVTS");
	aml_byte(aml, AML_LOCAL0);
	crs = aml_if(aml);
	aml_byte(aml, AML_AND);
	aml_byte(aml, AML_LOCAL0);
	aml_integer(aml, 1);
	aml_byte(aml, AML_ZERO); /* no target */
	aml_byte(aml, AML_NOTIFY);
	aml_segment(aml, "PWRB");
	aml_integer(aml, NOTIFY_BUTTON_PRESSED);
	aml_block_end(aml, crs);
	aml_block_end(aml, inner);
	aml_block_end(aml, block);
}

/* Addresses that belong to the board and to no device above. */
static void put_board(struct aml *aml, const struct platform *platform)
{
	const struct platform_device *power =
		acpi_find(platform, PLATFORM_POWER);
	const struct platform_device *ecam =
		acpi_find(platform, PLATFORM_PCI_HOST);
	size_t block, crs;

	if (!power && !ecam)
		return;
	block = aml_device(aml, "MBRD");
	aml_name_eisa_id(aml, "_HID", "PNP0C02");
	crs = aml_crs(aml);
	if (power)
		aml_crs_io(aml, (uint16_t)power->base, PLATFORM_POWER_SIZE);
	/* PCI Firmware 3.2, 4.1.2: what MCFG names must be reserved here. */
	if (ecam)
		aml_crs_memory(aml, ecam->base, ecam->size);
	aml_crs_end(aml, crs);
	aml_block_end(aml, block);
}

/* ACPI 6.4, 6.2.13: each slot's pins, with the source "0" for a GSI. */
static void put_prt(struct aml *aml, const struct platform_pci *pci)
{
	size_t table, entry;

	aml_name(aml, "_PRT");
	table = aml_package(aml, PCI_SLOTS * PCI_PINS);
	for (unsigned int slot = 0; slot < PCI_SLOTS; slot++) {
		for (unsigned int pin = 0; pin < PCI_PINS; pin++) {
			unsigned int line = (slot + pin) % PCI_PINS;

			entry = aml_package(aml, 4);
			aml_integer(aml, slot << 16 | 0xffff);
			aml_integer(aml, pin);
			aml_integer(aml, 0);
			aml_integer(aml, (uint64_t)pci->intx_gsi[line]);
			aml_block_end(aml, entry);
		}
	}
	aml_block_end(aml, table);
}

static void put_field(struct aml *aml, unsigned int offset, const char *segment)
{
	aml_byte(aml, AML_CREATE_DWORD_FIELD);
	aml_byte(aml, AML_ARG(3));
	aml_integer(aml, offset);
	aml_segment(aml, segment);
}

/* segment |= value */
static void put_or(struct aml *aml, const char *segment, uint64_t value)
{
	aml_byte(aml, AML_OR);
	aml_segment(aml, segment);
	aml_integer(aml, value);
	aml_segment(aml, segment);
}

/*
 * Grants the guest control of nothing: hot plug, power events and AER do not
 * exist here. PCI Firmware 3.2, 4.5.1; status bits in ACPI 6.4, 6.2.11.
 */
static void put_osc(struct aml *aml)
{
	/* 33db4d5b-1ff7-401c-9657-7441c03dd766 */
	static const uint8_t uuid[16] = {
		0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40,
		0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66,
	};
	size_t method = aml_method(aml, "_OSC", 4, true);
	size_t block, inner;

	put_field(aml, 0, "CDW1");
	block = aml_if(aml);
	aml_byte(aml, AML_LEQUAL);
	aml_byte(aml, AML_ARG(0));
	inner = aml_buffer(aml);
	aml_bytes(aml, uuid, sizeof(uuid));
	aml_buffer_end(aml, inner);
	put_field(aml, 8, "CDW3");
	inner = aml_if(aml);
	aml_segment(aml, "CDW3");
	put_or(aml, "CDW1", 0x10); /* capabilities were masked */
	aml_byte(aml, AML_STORE);
	aml_byte(aml, AML_ZERO);
	aml_segment(aml, "CDW3");
	aml_block_end(aml, inner);
	aml_block_end(aml, block);
	block = aml_else(aml);
	put_or(aml, "CDW1", 0x04); /* unknown UUID */
	aml_block_end(aml, block);
	aml_byte(aml, AML_RETURN);
	aml_byte(aml, AML_ARG(3));
	aml_block_end(aml, method);
}

static void put_pci_host(struct aml *aml, const struct platform *platform,
			 const struct platform_device *ecam)
{
	const struct platform_pci *pci = &platform->pci;
	size_t block = aml_device(aml, "PCI0");
	size_t crs;

	aml_name_eisa_id(aml, "_HID", "PNP0A08");
	aml_name_eisa_id(aml, "_CID", "PNP0A03");
	aml_name_integer(aml, "_SEG", 0);
	aml_name_integer(aml, "_BBN", 0);
	aml_name_integer(aml, "_UID", 0);
	aml_name_integer(aml, "_CCA", 1);
	crs = aml_crs(aml);
	aml_crs_bus_window(aml, 0, (uint16_t)(ecam->size / PCI_BUS_SIZE - 1));
	if (pci->mmio32_size)
		aml_crs_memory_window(aml, pci->mmio32_base, pci->mmio32_size);
	if (pci->mmio64_size)
		aml_crs_memory_window(aml, pci->mmio64_base, pci->mmio64_size);
	aml_crs_end(aml, crs);
	put_prt(aml, pci);
	put_osc(aml);
	aml_block_end(aml, block);
}

static void put_devices(struct aml *aml, const struct platform *platform)
{
	unsigned int serials = 0;
	unsigned int virtios = 0;

	for (unsigned int i = 0; i < platform->device_count; i++) {
		const struct platform_device *device = &platform->devices[i];

		switch (device->kind) {
		case PLATFORM_SERIAL:
			put_serial(aml, platform, device, serials++);
			break;
		case PLATFORM_RTC:
			put_rtc(aml, platform, device);
			break;
		case PLATFORM_POWER:
			put_power(aml, platform, device);
			break;
		case PLATFORM_PVPANIC:
			put_pvpanic(aml, platform, device);
			break;
		case PLATFORM_FW_CFG:
			put_fw_cfg(aml, platform, device);
			break;
		case PLATFORM_VIRTIO_MMIO:
			put_virtio(aml, platform, device, virtios++);
			break;
		case PLATFORM_PCI_HOST:
			put_pci_host(aml, platform, device);
			break;
		case PLATFORM_I8042:
			/* Only a reset line, and the FADT names a better. */
		case PLATFORM_PM_TIMER: /* the FADT has it */
		case PLATFORM_DEBUG_EXIT:
			break;
		}
	}
}

void acpi_put_namespace(struct aml *aml, const struct platform *platform)
{
	size_t scope, s5;

	if (acpi_find(platform, PLATFORM_POWER)) {
		aml_name(aml, "_S5_");
		s5 = aml_package(aml, 4);
		aml_integer(aml, PLATFORM_SLP_TYP_S5);
		for (unsigned int i = 0; i < 3; i++)
			aml_integer(aml, 0);
		aml_block_end(aml, s5);
	}
	scope = aml_scope(aml, "_SB_");
	put_cpus(aml, platform);
	put_board(aml, platform);
	put_devices(aml, platform);
	aml_block_end(aml, scope);
}
