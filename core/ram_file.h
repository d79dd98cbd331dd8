/*
 * The file that a guest's RAM is. Main thread.
 *
 * Source: memfd_create(2), tmpfs(5), user_namespaces(7); Linux
 * Documentation/admin-guide/mm/transhuge.rst.
 */
#ifndef CORE_RAM_FILE_H
#define CORE_RAM_FILE_H

#include <stdbool.h>
#include <stdint.h>

/* What the file is called in /proc/PID/maps. */
#define RAM_FILE_NAME "hull-guest-ram"

/*
 * An empty file for @size_bytes of RAM in pages of @page_bytes: 0 for ordinary
 * ones, transparent huge ones where that can be had, or 2 MiB or 1 GiB for
 * those of the host's pool. A descriptor or -errno.
 */
int ram_file_create(uint64_t size_bytes, uint64_t page_bytes);

/* Whether large guests get transparent huge pages whatever shmem_enabled says,
 * short of "deny". */
bool ram_file_has_tmpfs(void);

#endif
