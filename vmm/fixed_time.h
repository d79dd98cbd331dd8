/*
 * The time of --rtc: the host's, or one that stands still. Any thread.
 */
#ifndef VMM_FIXED_TIME_H
#define VMM_FIXED_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

/*
 * @text is "host", or "fixed=2026-01-01T00:00:00" in UTC. *ret_s is seconds
 * since the epoch, untouched for the host's. -EINVAL with a sentence.
 */
int fixed_time_parse(const char *text, bool *ret_is_fixed, int64_t *ret_s,
		     struct err *err);

#endif
