/*
 * One VM from start to end, in the foreground. Main thread.
 */
#ifndef VMM_RUN_H
#define VMM_RUN_H

#include "vmm/config.h"

/*
 * Builds and runs the VM that a validated @config describes, and tells on
 * standard error how it ended or why it could not start. Returns the exit
 * status (vmm/exit_status.h, or the guest's own). Without a kernel it only
 * writes what --dump-fdt and --dump-acpi ask for, which needs no KVM.
 */
int vm_run(const struct vm_config *config);

#endif
