/*
 * The program's own file, out of reach of what it starts (CVE-2019-5736): a
 * process inside a container can open /proc/PID/exe of ours, and with root's
 * rights write to it. The program therefore runs from a copy of its mount that
 * is read-only and attached nowhere, so that nobody can make it writable; or,
 * where mounts cannot be copied, from a sealed copy in memory.
 */
#ifndef SANDBOX_SELFEXE_H
#define SANDBOX_SELFEXE_H

#include <limits.h>
#include <stdbool.h>

#include "core/err.h"

enum selfexe_state {
	SELFEXE_EXPOSED,
	SELFEXE_READ_ONLY_MOUNT,
	SELFEXE_SEALED_MEMORY,
};

/*
 * The program's first instruction, in front of the C library's: where a
 * container is going to be made and a mount can be copied, the program starts
 * anew from the copy at once. For the linker (-e).
 */
void selfexe_entry(void);

enum selfexe_state selfexe_state(void);

/* Where a protected start finds in its environment what folder the program is
 * in: its own file is in none. */
#define SELFEXE_FOLDER "HULL_CT_FOLDER"

/* The folder of the program's file, where its companions are. */
int selfexe_folder(char folder[PATH_MAX], struct err *err);

/*
 * Returns 0 when the program is protected; else starts it anew, protected,
 * with the same arguments and environment, and does not return. -errno when it
 * can be neither. While single-threaded, before anything is opened; descriptors
 * from @first_fd on are closed.
 *
 * The last holder of a copied mount waits for all processors when it lets go
 * (namespace_unlock in Linux fs/namespace.c), which takes as long as half of a
 * container's start. The copy is therefore kept open over the new start, as
 * *@ret_mount (-1: none), so that selfexe_drop can have it go with others.
 */
int selfexe_protect(char *argv[], unsigned int first_fd, int *ret_mount,
		    struct err *err);

/*
 * In a mount namespace of the caller's own, whose present root is about to be
 * unmounted: attaches the copied mount below that, over the file /dev/null, so
 * that both go at once. A failure costs time and nothing else.
 */
void selfexe_drop(int mount);

/* Whether a read-only mount will do, and no copy in memory is needed. */
bool selfexe_has_mount(void);

#endif
