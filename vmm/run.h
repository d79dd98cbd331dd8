/*
 * One VM from start to end, in the foreground. Main thread.
 */
#ifndef VMM_RUN_H
#define VMM_RUN_H

#include "vmm/config.h"

/*
 * Builds and runs the VM that a validated @config describes, and tells on
 * standard error how it ended or why it could not start. Returns the exit
 * status (vmm/exit_status.h, or the guest's own).
 */
int vm_run(const struct vm_config *config);

/*
 * Writes what the guest would be told (--dump-fdt, --dump-acpi) without
 * starting anything and without KVM. Returns the exit status.
 */
int vm_dump(const struct vm_config *config);

#endif
