#include "sandbox/quota.h"

#include <errno.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/quota.h, which does not go together with sys/quota.h. */
#define PROJECT_QUOTA 2
#define BLOCK	      1024 /* QIF_DQBLKSIZE */

static int no_quota(struct err *err)
{
	return err_set(
		err, EOPNOTSUPP,
		"the filesystem keeps no quotas of projects: use ext4 (mkfs.ext4 -O quota,project) or xfs, mounted with -o prjquota");
}

/* quotactl_fd(2), Linux 5.14. */
static int control(int fd, int command, uint32_t project, void *argument)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(command, PROJECT_QUOTA),
		       project, argument) ?
		       -errno :
		       0;
}

int quota_check(int fd, struct err *err)
{
	struct fs_quota_stat state = { .qs_version = FS_QSTAT_VERSION };
	int rc = control(fd, Q_XGETQSTAT, 0, &state);

	if (rc == -EPERM)
		return err_sys(err, EPERM, "cannot ask for quotas");
	/* Counting alone keeps no limit. */
	return rc || !(state.qs_flags & FS_QUOTA_PDQ_ENFD) ? no_quota(err) : 0;
}

int quota_set_project(int fd, uint32_t project, struct err *err)
{
	struct fsxattr attr;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attr))
		return no_quota(err);
	attr.fsx_projid = project;
	attr.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(fd, FS_IOC_FSSETXATTR, &attr) ?
		       err_sys(err, errno,
			       "cannot set the project of a folder") :
		       0;
}

int quota_limit(int fd, uint32_t project, uint64_t bytes, struct err *err)
{
	struct dqblk limit = {
		.dqb_bhardlimit = (bytes + BLOCK - 1) / BLOCK,
		.dqb_bsoftlimit = 0,
		.dqb_valid = QIF_BLIMITS,
	};
	int rc = control(fd, Q_SETQUOTA, project, &limit);

	return rc ? err_sys(err, -rc, "cannot set the quota") : 0;
}

int quota_read(int fd, uint32_t project, struct quota_use *ret_use,
	       struct err *err)
{
	struct dqblk now = { .dqb_valid = 0 };
	int rc = control(fd, Q_GETQUOTA, project, &now);

	if (rc && rc != -ENOENT) /* xfs, for one never seen */
		return err_sys(err, -rc, "cannot read the quota");
	*ret_use = (struct quota_use){
		.used = rc ? 0 : now.dqb_curspace,
		.limit = rc ? 0 : now.dqb_bhardlimit * BLOCK,
	};
	return 0;
}
