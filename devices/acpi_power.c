#include "devices/acpi_power.h"

#define SLP_EN		 0x20
#define SLP_TYP(control) (((control) >> 2) & 7)
#define WAK_STS		 0x80

static uint64_t acpi_power_read(void *device, uint64_t offset, unsigned int len)
{
	struct acpi_power *self = device;

	if (len != 1)
		return UINT64_MAX;
	switch (offset) {
	case ACPI_POWER_SLEEP_STATUS:
		return WAK_STS;
	case ACPI_POWER_EVENT:
		return atomic_exchange(&self->events, 0);
	default:
		return 0;
	}
}

static void acpi_power_write(void *device, uint64_t offset, uint64_t value,
			     unsigned int len)
{
	const struct acpi_power *self = device;

	if (len != 1)
		return;
	switch (offset) {
	case ACPI_POWER_SLEEP_CONTROL:
		if ((value & SLP_EN) && SLP_TYP(value) == ACPI_POWER_SLP_TYP_S5)
			self->poweroff(self->opaque);
		break;
	case ACPI_POWER_RESET:
		if ((value & 0xff) == ACPI_POWER_RESET_VALUE)
			self->reset(self->opaque);
		break;
	default:
		break;
	}
}

const struct bus_ops acpi_power_bus_ops = {
	.read = acpi_power_read,
	.write = acpi_power_write,
};

void acpi_power_press_button(struct acpi_power *power)
{
	atomic_fetch_or(&power->events, ACPI_POWER_EVENT_BUTTON);
	irq_pulse(power->irq);
}
