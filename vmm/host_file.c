#include "vmm/host_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/parse.h"
#include "core/util.h"

ssize_t host_file_read(const char *root, const char *path, char *buf,
		       size_t size)
{
	char full[PATH_MAX];
	autoclose int fd = -1;
	size_t len = 0;
	ssize_t n = 1;

	buf[0] = '\0';
	if (snprintf(full, sizeof(full), "%s%s", root, path) >=
	    (int)sizeof(full))
		return -ENAMETOOLONG;
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	while (n && len < size - 1) {
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0 && errno != EINTR) {
			buf[0] = '\0';
			return -errno;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return (ssize_t)len;
}

int host_file_read_u64(const char *root, const char *path, uint64_t *ret_value)
{
	char text[32];
	ssize_t n = host_file_read(root, path, text, sizeof(text));

	if (n < 0)
		return (int)n;
	return parse_u64(text, ret_value);
}

bool host_file_exists(const char *root, const char *path)
{
	char full[PATH_MAX];

	if (snprintf(full, sizeof(full), "%s%s", root, path) >=
	    (int)sizeof(full))
		return false;
	return access(full, F_OK) == 0;
}

/* "name:password:gid:members", group(5); the password may be empty. */
static bool line_is_group(char *line, gid_t gid)
{
	char *password = strchr(line, ':');
	char *number = password ? strchr(password + 1, ':') : NULL;
	char *members = number ? strchr(number + 1, ':') : NULL;
	uint64_t value;

	if (!members)
		return false;
	*members = '\0';
	if (parse_u64(number + 1, &value) || value != gid)
		return false;
	*password = '\0';
	return true;
}

void host_group_name(const char *root, gid_t gid, char *buf, size_t size)
{
	char path[PATH_MAX];
	autofree char *line = NULL;
	size_t capacity = 0;
	FILE *file = NULL;

	snprintf(buf, size, "%u", (unsigned int)gid);
	if (snprintf(path, sizeof(path), "%s/etc/group", root) <
	    (int)sizeof(path))
		file = fopen(path, "re");
	if (!file)
		return;
	while (getline(&line, &capacity, file) > 0) {
		if (line_is_group(line, gid)) {
			snprintf(buf, size, "%s", line);
			break;
		}
	}
	fclose(file);
}
