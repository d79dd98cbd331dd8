#include "vmm/verdict.h"

#include <stdarg.h>
#include <stdio.h>

bool verdict_take(struct verdict *verdict)
{
	return !atomic_exchange(&verdict->taken, true);
}

void verdict_done(struct verdict *verdict, int status, const char *fmt, ...)
{
	va_list args;

	verdict->status = status;
	va_start(args, fmt);
	vsnprintf(verdict->sentence, sizeof(verdict->sentence), fmt, args);
	va_end(args);
	loop_stop(verdict->loop);
}
