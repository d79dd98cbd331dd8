/*
 * The server of gdb's remote serial protocol: one client on a socket of this
 * host, all vCPUs as threads of one process, all stopped or all in gdb's hands.
 * docs/debugging.md says what a user sees. Main thread.
 */
#ifndef VMM_GDB_H
#define VMM_GDB_H

#include "core/err.h"
#include "core/loop.h"
#include "vmm/debug.h"
#include "vmm/verdict.h"

struct gdb;

/* -EINVAL and a sentence when @address is none of unix:PATH, tcp:HOST:PORT. */
int gdb_check_address(const char *address, struct err *err);

/*
 * Listens at @address. The rest is borrowed; @debug was set up for the
 * machine's vCPUs, and @verdict is told when gdb kills the guest.
 */
int gdb_new(const char *address, struct loop *loop, struct debug *debug,
	    struct verdict *verdict, struct gdb **ret_gdb, struct err *err);

/* The loop was woken: a vCPU may have hit something. */
void gdb_update(struct gdb *gdb);

/*
 * No vCPU is left. Tells a client that the guest ended with @status; takes
 * NULL.
 */
void gdb_free(struct gdb *gdb, int status);

#endif
