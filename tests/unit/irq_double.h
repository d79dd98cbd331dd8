/*
 * An interrupt line that remembers what was done to it. It is not locked: for
 * devices that the test drives from one thread, or that lock around the line.
 */
#ifndef TESTS_UNIT_IRQ_DOUBLE_H
#define TESTS_UNIT_IRQ_DOUBLE_H

#include "core/irq.h"
#include "core/util.h"

struct irq_double {
	struct irq_line line;
	bool asserted;
	unsigned int changes; /* calls of set_level */
	unsigned int pulses;
	int followed; /* the eventfd that it follows, or -1 */
};

static inline void irq_double_set_level(struct irq_line *line, bool asserted)
{
	struct irq_double *self = container_of(line, struct irq_double, line);

	self->asserted = asserted;
	self->changes++;
}

static inline void irq_double_pulse(struct irq_line *line)
{
	struct irq_double *self = container_of(line, struct irq_double, line);

	self->pulses++;
}

static inline void irq_double_follow(struct irq_line *line, int fd)
{
	struct irq_double *self = container_of(line, struct irq_double, line);

	self->followed = fd;
}

static inline void irq_double_init(struct irq_double *irq)
{
	static const struct irq_ops ops = {
		.set_level = irq_double_set_level,
		.pulse = irq_double_pulse,
		.follow = irq_double_follow,
	};

	*irq = (struct irq_double){
		.line = { .ops = &ops },
		.followed = -1,
	};
}

#endif
