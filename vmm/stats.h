/*
 * What the machine's devices and I/O threads have done since the start, as
 * JSON: an object with "devices" and "iothreads". Counters are free running and
 * each of its own moment. Main thread, while the guest runs or after.
 *
 *   {"devices": [{"name": "vda", "type": "blk", "queues": [
 *       {"kicks": 1, "interrupts": 1, "suppressed": 0, "requests": {...},
 *        "batches": [...], "latency_us": [...]}]}],
 *    "iothreads": [{"enters": 2, ...}]}
 *
 * "batches" counts passes that took 1, 2 to 3, 4 to 7, ... requests;
 * "latency_us" requests that took less than 2, 4, 8, ... microseconds.
 */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include <stdio.h>

#include "core/err.h"
#include "vmm/peripherals.h"

void stats_print(FILE *out, const struct peripherals *peripherals);

/* Replaces what @path has. */
int stats_write(const char *path, const struct peripherals *peripherals,
		struct err *err);

#endif
