/*
 * tmpcopyup: what a folder of the root filesystem holds is copied into the
 * new mount that is about to hide it.
 */
#ifndef SANDBOX_COPYUP_H
#define SANDBOX_COPYUP_H

#include "core/err.h"

/*
 * Copies folders, files, links with owners and modes from the open folder
 * @from into @to (both may be O_PATH). Nothing is followed out of @from.
 * Devices and sockets are left out. -E2BIG beyond 64 levels.
 */
int copyup(int from, int to, struct err *err);

#endif
