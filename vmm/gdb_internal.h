/*
 * What the connection of a debugger (gdb.c) and its commands (gdb_commands.c)
 * share. Main thread.
 */
#ifndef VMM_GDB_INTERNAL_H
#define VMM_GDB_INTERNAL_H

#include "vmm/config.h"
#include "vmm/gdb.h"
#include "vmm/gdb_packet.h"

struct gdb {
	struct loop *loop; /* borrowed */
	struct debug *debug; /* borrowed */
	struct verdict *verdict; /* borrowed */
	struct loop_source listener; /* owns its fd */
	struct loop_source client; /* owns its fd; -1: nobody */
	char *socket_path; /* owned: to unlink, or NULL */
	char *xml; /* owned: the target description */

	struct gdb_reader reader;
	struct gdb_writer writer; /* the newest packet, framed */
	size_t sent; /* of it */
	bool no_ack;
	bool has_swbreak; /* what gdb said it understands */
	bool has_hwbreak;
	bool awaits_stop; /* gdb is owed a stop reply */
	unsigned int vcpu; /* that g, m and so on are about */
	unsigned int stop_vcpu; /* that stopped last */
	struct debug_hit stop;
};

/*
 * Answers the packet in gdb->reader into gdb->writer. False: no answer now (a
 * stop reply comes later, or the connection ends).
 */
bool gdb_answer(struct gdb *gdb);

/* Writes the reply about the last stop. */
void gdb_write_stop(struct gdb *gdb);

/* Drops the client; the guest runs on, without breakpoints. */
void gdb_hang_up(struct gdb *gdb);

#endif
