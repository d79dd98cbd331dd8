#include "vmm/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/exit_status.h"

bool verdict_take(struct verdict *verdict)
{
	return !atomic_exchange(&verdict->taken, true);
}

static void PRINTF_LIKE(3, 0) decide(struct verdict *verdict, int status,
				     const char *fmt, va_list args)
{
	verdict->status = status;
	vsnprintf(verdict->sentence, sizeof(verdict->sentence), fmt, args);
}

void verdict_done(struct verdict *verdict, int status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	decide(verdict, status, fmt, args);
	va_end(args);
	loop_stop(verdict->loop);
}

void verdict_decide(struct verdict *verdict, int status, const char *fmt, ...)
{
	va_list args;

	verdict->reason = NULL;
	va_start(args, fmt);
	decide(verdict, status, fmt, args);
	va_end(args);
}

const char *verdict_reason(const struct verdict *verdict)
{
	const char *name = exit_status_name(verdict->status);

	if (verdict->reason)
		return verdict->reason;
	return name ? name : "guest";
}

void verdict_apply_pass_status(struct verdict *verdict,
			       unsigned int pass_status)
{
	if (!pass_status)
		return;
	if (verdict->status == (int)pass_status) {
		verdict->reason = verdict_reason(verdict);
		verdict->status = EXIT_POWEROFF;
	} else if (verdict->status == EXIT_POWEROFF &&
		   strcmp(verdict_reason(verdict), "expect") != 0) {
		verdict_decide(verdict, EXIT_NOT_EXPECTED,
			       "the guest ended well, but not with the %u of "
			       "--pass-status",
			       pass_status);
	}
}
