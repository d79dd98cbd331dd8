#include "vmm/group.h"

#include <stdio.h>
#include <string.h>

#include "core/parse.h"
#include "core/util.h"

/* "name:password:gid:members"; cuts the line up. True when it is @gid's. */
static bool line_is(char *line, gid_t gid)
{
	char *password = strchr(line, ':');
	char *number = password ? strchr(password + 1, ':') : NULL;
	char *members = number ? strchr(number + 1, ':') : NULL;
	uint64_t value;

	if (!members)
		return false;
	*password = '\0';
	*members = '\0';
	return parse_u64(number + 1, &value) == 0 && value == gid;
}

void group_name(gid_t gid, char *to, size_t size)
{
	autofree char *line = NULL;
	size_t capacity = 0;
	FILE *file = fopen("/etc/group", "re");

	snprintf(to, size, "%u", (unsigned int)gid);
	if (!file)
		return;
	while (getline(&line, &capacity, file) > 0) {
		if (line_is(line, gid)) {
			snprintf(to, size, "%s", line);
			break;
		}
	}
	fclose(file);
}
