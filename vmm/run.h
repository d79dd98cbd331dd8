/*
 * One VM from configuration to end: builds the machine, runs it in the
 * foreground, and says how it ended.
 */
#ifndef VMM_RUN_H
#define VMM_RUN_H

#include "core/err.h"
#include "vmm/config.h"
#include "vmm/exit_status.h"

/*
 * Returns the status to exit with, an enum exit_status or what the guest's
 * debug-exit port gave; or -errno with a sentence: -EINVAL when the
 * configuration or one of its files is at fault, anything else when it is the
 * host. @config was validated; without a kernel it only writes the dumps.
 * Main thread.
 */
int vm_run(const struct vm_config *config, struct err *err);

#endif
