#include "container/target.h"

#include <errno.h>

#include "sandbox/scope.h"

int target_open(struct context *context, const char *id, bool lock,
		struct target *ret_target, struct err *err)
{
	int rc = context_open_root(context, err);

	*ret_target = (struct target){ .state = { .dir = -1 },
				       .mount = { .fd = -1 },
				       .cgroup = -1 };
	if (!rc)
		rc = state_open(&ret_target->state, context->root_fd, id, lock,
				err);
	if (rc || !ret_target->state.cgroup)
		return rc;
	rc = cgroup_mount_open(&ret_target->mount, err);
	if (!rc)
		ret_target->cgroup = cgroup_open(&ret_target->mount,
						 ret_target->state.cgroup);
	return rc;
}

int target_open_running(struct context *context, const char *id, bool lock,
			struct target *target, struct err *err)
{
	enum status status;
	int rc = target_open(context, id, lock, target, err);

	if (rc)
		return rc;
	status = state_status(&target->state);
	if (status == STATUS_STOPPED || status == STATUS_CREATING)
		return err_set(err, EINVAL, "container %s is %s", id,
			       status_name(status));
	if (target->cgroup < 0)
		return err_set(err, EINVAL, "container %s has no cgroup", id);
	return 0;
}

int target_remove_group(const struct cgroup_mount *mount,
			const struct state *state, struct err *err)
{
	bool is_known = state->cgroup && mount->fd >= 0;
	int rc = state->unit ? scope_stop(state->unit, err) : 0;

	/* Without a systemd to ask the folder goes all the same. */
	return is_known ? cgroup_remove(mount, state->cgroup, err) : rc;
}

void target_close(struct target *target)
{
	if (target->cgroup >= 0)
		close(move_fd(&target->cgroup));
	cgroup_mount_close(&target->mount);
	state_release(&target->state);
}
