/*
 * An interrupt line: the only thing a device knows of interrupts. The machine
 * gives each device a line made for it (an irqfd, a KVM ioctl, or a double in
 * a test), so that no device needs to know KVM.
 *
 * Any thread may drive a line. The owner of the line outlives the device that
 * borrows it.
 */
#ifndef CORE_IRQ_H
#define CORE_IRQ_H

#include <stdbool.h>

struct irq_line;

struct irq_ops {
	/* Drives a level-triggered line. */
	void (*set_level)(struct irq_line *line, bool asserted);
	/* One edge on an edge-triggered line, or one message. */
	void (*pulse)(struct irq_line *line);
	/*
	 * Optional: from now on a write to the eventfd @fd (borrowed; -1: to
	 * none) pulses the line without us, if the machine can do that now.
	 * For who watches @fd as well and pulses the line for what he hears:
	 * of a write that was a pulse he need not hear. Once it returned, the
	 * one before is let go of.
	 */
	void (*follow)(struct irq_line *line, int fd);
};

struct irq_line {
	const struct irq_ops *ops;
};

static inline void irq_set_level(struct irq_line *line, bool asserted)
{
	line->ops->set_level(line, asserted);
}

static inline void irq_pulse(struct irq_line *line)
{
	line->ops->pulse(line);
}

static inline void irq_follow(struct irq_line *line, int fd)
{
	if (line->ops->follow)
		line->ops->follow(line, fd);
}

#endif
