/*
 * Who the thread that serves is while it creates. All of it is the thread's
 * alone: credentials(7) are of threads for the kernel, and the C library, whose
 * functions change those of all threads, is gone around.
 */
#include <linux/securebits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/share_internal.h"

/* user_namespaces(7): nobody, and what says "as it is". */
#define NO_ID UINT32_MAX

/* setfsuid(2) tells only the old one; an ID that cannot be changes nothing. */
static uid_t fsuid(void)
{
	return (uid_t)setfsuid(NO_ID);
}

static gid_t fsgid(void)
{
	return (gid_t)setfsgid(NO_ID);
}

static bool try_other_ids(uid_t uid, gid_t gid)
{
	/* Any that are not ours. */
	const uid_t other_uid = uid == 1 ? 2 : 1;
	const gid_t other_gid = gid == 1 ? 2 : 1;
	bool can;

	setfsgid(other_gid);
	can = fsgid() == other_gid;
	setfsuid(other_uid);
	can = can && fsuid() == other_uid;
	setfsuid(uid);
	setfsgid(gid);
	return can;
}

bool share_folder_can_give(void)
{
	return try_other_ids(geteuid(), getegid());
}

void share_user_prepare(struct share_folder *folder)
{
	folder->uid = geteuid();
	folder->gid = getegid();
	/*
	 * The guest's kernel has applied the umask of who asks there. Where a
	 * seccomp profile forbids this, ours comes on top of it.
	 */
	if (!unshare(CLONE_FS))
		umask(0);
	/*
	 * capabilities(7): another file system user has none of those that
	 * override permissions, unless this says otherwise. Permissions are
	 * the guest's to check, by groups that we do not know of.
	 */
	prctl(PR_SET_SECUREBITS,
	      (unsigned long)prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) |
		      SECBIT_NO_SETUID_FIXUP,
	      0, 0, 0);
	folder->may_give = try_other_ids(folder->uid, folder->gid);
	/* Groups of hull's own are no reason to let a guest's user in. */
	if (folder->may_give)
		syscall(SYS_setgroups, 0, NULL);
}

void share_user_enter(const struct share_call *call)
{
	const struct share_folder *folder = call->folder;

	if (!folder->may_give)
		return;
	if (call->in.gid != folder->gid)
		setfsgid(call->in.gid);
	if (call->in.uid != folder->uid)
		setfsuid(call->in.uid);
}

void share_user_leave(const struct share_call *call)
{
	const struct share_folder *folder = call->folder;

	if (!folder->may_give)
		return;
	if (call->in.uid != folder->uid)
		setfsuid(folder->uid);
	if (call->in.gid != folder->gid)
		setfsgid(folder->gid);
}
