/*
 * The sleep and reset registers of hardware-reduced ACPI and a power button
 * behind a generic event device: how a guest powers itself off or resets, and
 * how it is asked to. ACPI tables describe the ports (boot/platform.h).
 *
 * Source: ACPI 6.4, 4.8.3.6 (reset register), 4.8.3.7 (sleep control and
 * status), 5.6.9 (generic event device).
 */
#ifndef DEVICES_ACPI_POWER_H
#define DEVICES_ACPI_POWER_H

#include <stdatomic.h>

#include "core/bus.h"
#include "core/irq.h"

#define ACPI_POWER_SLEEP_CONTROL 0
#define ACPI_POWER_SLEEP_STATUS	 1
#define ACPI_POWER_RESET	 2
#define ACPI_POWER_EVENT	 3 /* reading clears */
#define ACPI_POWER_PORTS	 4

#define ACPI_POWER_SLP_TYP_S5	5
#define ACPI_POWER_RESET_VALUE	0x01
#define ACPI_POWER_EVENT_BUTTON 0x01

struct acpi_power {
	struct irq_line *irq; /* borrowed; one edge per event */
	/* vCPU thread. */
	void (*poweroff)(void *opaque);
	void (*reset)(void *opaque);
	void *opaque;
	_Atomic uint8_t events; /* ACPI_POWER_EVENT_ bits not yet read */
};

/* The device is a struct acpi_power. */
extern const struct bus_ops acpi_power_bus_ops;

/* Any thread. */
void acpi_power_press_button(struct acpi_power *power);

#endif
