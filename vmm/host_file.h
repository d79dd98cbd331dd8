/*
 * Small reads of what the kernel tells in files under /proc, /sys and /etc.
 * Every path is taken below @root, which is "" but for tests. Any thread.
 */
#ifndef VMM_HOST_FILE_H
#define VMM_HOST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The text of a file, cut to @size and without a final newline. Returns its
 * length or -errno; @buf is then "".
 */
ssize_t host_file_read(const char *root, const char *path, char *buf,
		       size_t size);

/* One decimal number; "max" and the like are -EINVAL. */
int host_file_read_u64(const char *root, const char *path, uint64_t *ret_value);

bool host_file_exists(const char *root, const char *path);

/*
 * The name of a group, from /etc/group: a static program has no name service.
 * The number itself when there is no such line.
 */
void host_group_name(const char *root, gid_t gid, char *buf, size_t size);

#endif
