#include "container/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/parse.h"
#include "sandbox/rootpath.h"

#define FILE_MAX   (4 * MIB)
#define FIELDS_MAX 7

/* A file, or "" when there is none. */
static int read_file(int root, const char *path, char **ret_text,
		     struct err *err)
{
	autoclose int fd = rootpath_open(root, path, O_RDONLY | O_NONBLOCK);
	autofree char *text = NULL;
	size_t used = 0;
	struct stat st;
	ssize_t n = 0;

	if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR)
		return err_sys(err, -fd, "cannot open %s of the container",
			       path);
	if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode)))
		return err_set(err, EINVAL, "%s of the container is no file",
			       path);
	text = malloc(fd < 0 ? 1 : FILE_MAX + 1);
	if (!text)
		return err_sys(err, ENOMEM, "no memory");
	while (fd >= 0 && used <= FILE_MAX &&
	       (n = read(fd, text + used, FILE_MAX + 1 - used)) > 0)
		used += (size_t)n;
	if (n < 0)
		return err_sys(err, errno, "cannot read %s of the container",
			       path);
	if (used > FILE_MAX)
		return err_set(err, EFBIG,
			       "%s of the container is larger than 4 MiB",
			       path);
	text[used] = '\0';
	*ret_text = move_ptr(&text);
	return 0;
}

/* The next line as fields; false behind the last one. What has a NUL in it
 * ends there. */
static bool next_line(char **text, char *fields[FIELDS_MAX], size_t *ret_count)
{
	char *line = strsep(text, "\n");
	size_t count = 0;

	while (line && count < FIELDS_MAX) {
		fields[count] = strsep(&line, ":");
		count++;
	}
	*ret_count = count;
	return count;
}

/* (uid_t)-1 is nobody's: it means "as it is" (setresuid(2)). */
static bool is_id(const char *text, uint32_t *ret_id)
{
	uint64_t value;

	if (parse_u64(text, &value) || value >= UINT32_MAX)
		return false;
	*ret_id = (uint32_t)value;
	return true;
}

/* ---- /etc/passwd ---- */

/* Fills in what the line of the user says; its name in @ret_name, a part of
 * @passwd, which is changed, or NULL without a line. */
static int find_user(char *passwd, const char *text, gid_t gid,
		     struct users_entry *entry, const char **ret_name,
		     struct err *err)
{
	bool by_number = is_id(text, &entry->uid);
	char *fields[FIELDS_MAX];
	size_t count;
	uint32_t uid;
	uint32_t own_gid;

	*ret_name = NULL;
	entry->gid = gid;
	while (next_line(&passwd, fields, &count)) {
		if (count < 6 || !is_id(fields[2], &uid) ||
		    !is_id(fields[3], &own_gid))
			continue;
		if (by_number ? uid != entry->uid :
				strcmp(fields[0], text) != 0)
			continue;
		*ret_name = fields[0];
		entry->uid = uid;
		entry->gid = own_gid;
		if (*fields[5] == '/' && strlen(fields[5]) < USERS_HOME_MAX)
			snprintf(entry->home, sizeof(entry->home), "%s",
				 fields[5]);
		return 0;
	}
	return by_number ?
		       0 :
		       err_set(err, ENOENT,
			       "the user \"%.80s\" is not in /etc/passwd of the container; a number needs no line there",
			       text);
}

/* ---- /etc/group ---- */

static int find_group(char *group, const char *text, struct users_entry *entry,
		      struct err *err)
{
	char *fields[FIELDS_MAX];
	size_t count;
	uint32_t gid;

	if (is_id(text, &entry->gid))
		return 0;
	while (next_line(&group, fields, &count)) {
		if (count < 3 || strcmp(fields[0], text) != 0 ||
		    !is_id(fields[2], &gid))
			continue;
		entry->gid = gid;
		return 0;
	}
	return err_set(
		err, ENOENT,
		"the group \"%.80s\" is not in /etc/group of the container; a number needs no line there",
		text);
}

static bool is_member(char *members, const char *name)
{
	const char *one;

	while ((one = strsep(&members, ","))) {
		if (!strcmp(one, name))
			return true;
	}
	return false;
}

static int add_groups(char *group, const char *name, struct users_entry *entry,
		      struct err *err)
{
	char *fields[FIELDS_MAX];
	size_t count;
	uint32_t gid;

	while (next_line(&group, fields, &count)) {
		if (count < 4 || !is_id(fields[2], &gid) || gid == entry->gid ||
		    !is_member(fields[3], name))
			continue;
		if (entry->group_count == USERS_GROUPS_MAX)
			return err_set(
				err, E2BIG,
				"the user \"%.80s\" is in more than %d groups",
				name, USERS_GROUPS_MAX);
		entry->groups[entry->group_count++] = gid;
	}
	return 0;
}

/* ---- both ---- */

int users_find(int root, const char *text, gid_t gid,
	       struct users_entry *ret_entry, struct err *err)
{
	autofree char *copy = strdup(text && *text ? text : "0");
	autofree char *passwd = NULL;
	autofree char *group = NULL;
	char *colon = copy ? strchr(copy, ':') : NULL;
	const char *name = NULL;
	int rc;

	*ret_entry = (struct users_entry){ .home = "/" };
	if (!copy)
		return err_sys(err, ENOMEM, "no memory");
	if (colon)
		*colon++ = '\0';
	if (!*copy || (colon && !*colon))
		return err_set(err, EINVAL,
			       "a user is USER or USER:GROUP, not \"%.80s\"",
			       text);
	rc = read_file(root, "/etc/passwd", &passwd, err);
	if (!rc)
		rc = find_user(passwd, copy, gid, ret_entry, &name, err);
	if (!rc)
		rc = read_file(root, "/etc/group", &group, err);
	if (rc)
		return rc;
	if (colon)
		return find_group(group, colon, ret_entry, err);
	return name ? add_groups(group, name, ret_entry, err) : 0;
}

json_t *users_to_json(const struct users_entry *entry)
{
	json_t *tree = json_pack("{s:I, s:I}", "uid", (json_int_t)entry->uid,
				 "gid", (json_int_t)entry->gid);
	json_t *groups = entry->group_count ? json_array() : NULL;

	for (size_t i = 0; i < entry->group_count; i++)
		json_array_append_new(groups, json_integer(entry->groups[i]));
	if (groups)
		json_object_set_new(tree, "additionalGids", groups);
	return tree;
}
