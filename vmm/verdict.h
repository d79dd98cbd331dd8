/*
 * How a run ended: the first event that ends it wins, whichever thread it
 * comes from. The main thread reads the rest once the loop has stopped.
 */
#ifndef VMM_VERDICT_H
#define VMM_VERDICT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/loop.h"
#include "core/util.h"

#define VERDICT_DETAIL_BYTES 2048

struct verdict {
	struct loop *loop; /* borrowed: stopped by the first event */
	atomic_bool taken;
	int status; /* enum exit_status, or a guest's own */
	char sentence[256];
	char detail[VERDICT_DETAIL_BYTES]; /* lines, each with a newline */
};

/*
 * True for the one caller that decides; it then fills in the sentence (and
 * `detail`, if it likes) and calls verdict_done.
 */
bool verdict_take(struct verdict *verdict);
void verdict_done(struct verdict *verdict, int status, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
