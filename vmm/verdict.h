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

/* Room for a line about each of the most vCPUs there can be. */
#define VERDICT_DETAIL_BYTES 10240

struct verdict {
	struct loop *loop; /* borrowed: stopped by the first event */
	atomic_bool taken;
	int status; /* enum exit_status, or a guest's own */
	/* One word for it; NULL: the status' own, or the guest's. */
	const char *reason;
	bool has_guest_value; /* it wrote one to the debug-exit port */
	uint32_t guest_value;
	char sentence[256];
	char detail[VERDICT_DETAIL_BYTES]; /* lines, each with a newline */
};

/*
 * Only what verdict_done says, for who stops the loop later, or once it has
 * stopped and something is found that decides otherwise.
 */
void verdict_decide(struct verdict *verdict, int status, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/*
 * The run is over: @pass_status is what success looks like, and becomes 0;
 * without it 0 is a failure, but for that of --expect. 0: of no effect.
 */
void verdict_apply_pass_status(struct verdict *verdict,
			       unsigned int pass_status);

/* The word for how the run ended; a constant string. */
const char *verdict_reason(const struct verdict *verdict);

/*
 * True for the one caller that decides; it then fills in the sentence (and
 * `detail`, if it likes) and calls verdict_done.
 */
bool verdict_take(struct verdict *verdict);
void verdict_done(struct verdict *verdict, int status, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
