#include "container/disk.h"

#include <errno.h>
#include <fcntl.h>

#include "sandbox/quota.h"

/* Beyond what people number by hand in projid(5). */
#define FIRST_PROJECT 0x70000000U
#define PROJECTS      65536

static int open_data(const struct home *home, struct err *err)
{
	int fd = openat(home->dir, "data",
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_sys(err, errno, "cannot open the files of %s",
				home->name) :
			fd;
}

/* A limit marks those of others; files outlive their container in layers. */
static int find_project(int data, uint32_t *ret_project, struct err *err)
{
	struct quota_use use = { 0 };

	for (uint32_t i = 0; i < PROJECTS; i++) {
		int rc = quota_read(data, FIRST_PROJECT + i, &use, err);

		if (rc)
			return rc;
		if (!use.used && !use.limit) {
			*ret_project = FIRST_PROJECT + i;
			return 0;
		}
	}
	return err_set(err, ENOSPC, "all projects of the filesystem are taken");
}

int disk_begin(const struct home *home, json_t *tree, struct err *err)
{
	json_int_t bytes =
		json_integer_value(json_object_get(tree, "diskQuota"));
	autoclose int data = open_data(home, err);
	uint32_t project = 0;
	int rc = data < 0 ? data : quota_check(data, err);

	if (!rc)
		rc = find_project(data, &project, err);
	if (!rc)
		rc = quota_set_project(data, project, err);
	if (!rc)
		rc = quota_limit(data, project, (uint64_t)bytes, err);
	if (rc)
		return err_prefix(err, "--disk-quota");
	return json_object_set_new(tree, "project", json_integer(project)) ?
		       err_set(err, ENOMEM, "no memory") :
		       0;
}

int disk_enforce(const struct home *home, uint64_t spare_bytes, struct err *err)
{
	autoclose int data = -1;
	int rc;

	if (!home->disk_quota)
		return 0;
	data = open_data(home, err);
	rc = data < 0 ? data : quota_check(data, err);
	if (!rc)
		rc = quota_limit(data, home->project,
				 home->disk_quota + spare_bytes, err);
	return rc ? err_prefix(err, "the disk quota of %s", home->name) : 0;
}

json_t *disk_use(const struct home *home)
{
	autoclose int data = home->disk_quota ? open_data(home, NULL) : -1;
	struct quota_use use = { 0 };

	if (data < 0 || quota_check(data, NULL) ||
	    quota_read(data, home->project, &use, NULL))
		return NULL;
	return json_pack("{s:I, s:I}", "used", (json_int_t)use.used, "limit",
			 (json_int_t)use.limit);
}

void disk_end(const struct home *home)
{
	autoclose int data = home->disk_quota ? open_data(home, NULL) : -1;

	if (data >= 0)
		quota_limit(data, home->project, 0, NULL);
}
