#include "sandbox/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In the order of linux/capability.h. */
static const char *const names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

_Static_assert(ARRAY_SIZE(names) == CAP_LAST_CAP + 1, "one name each");

int caps_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcasecmp(names[i], name))
			return (int)i;
	}
	return -1;
}

const char *caps_name(unsigned int number)
{
	return number < ARRAY_SIZE(names) ? names[number] : NULL;
}

/* Up to the first number that the kernel does not know (EINVAL). */
int caps_drop_bounding(uint64_t bounding, struct err *err)
{
	for (unsigned int i = 0; i < 64; i++) {
		if (bounding & 1ULL << i)
			continue;
		if (!prctl(PR_CAPBSET_DROP, i, 0, 0, 0))
			continue;
		if (errno == EINVAL)
			return 0;
		return err_sys(
			err, errno,
			"cannot drop a capability from the bounding set");
	}
	return 0;
}

static int apply_ambient(uint64_t ambient, struct err *err)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return err_sys(err, errno, "cannot clear ambient capabilities");
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(ambient & 1ULL << i))
			continue;
		/* As the configuration's examples do, it may ask for what is
		 * not inheritable; the kernel then refuses, and no harm is
		 * done: the payload has less. */
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) &&
		    errno != EPERM && errno != EINVAL)
			return err_sys(err, errno,
				       "cannot raise the ambient capability %s",
				       names[i]);
	}
	return 0;
}

int caps_apply(const struct caps *caps, struct err *err)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	/* The kernel drops what it does not know. */
	uint64_t effective = caps->effective;
	uint64_t permitted = caps->permitted;
	uint64_t inheritable = caps->inheritable;
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)effective,
		  .permitted = (uint32_t)permitted,
		  .inheritable = (uint32_t)inheritable },
		{ .effective = (uint32_t)(effective >> 32),
		  .permitted = (uint32_t)(permitted >> 32),
		  .inheritable = (uint32_t)(inheritable >> 32) },
	};

	if (syscall(SYS_capset, &header, data))
		return err_sys(err, errno, "cannot set the capabilities");
	return apply_ambient(caps->ambient, err);
}

int caps_effective(uint64_t *ret_set)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	*ret_set = data[0].effective | (uint64_t)data[1].effective << 32;
	return 0;
}

bool caps_may_administer(void)
{
	uint64_t caps = 0;

	return !caps_effective(&caps) && caps & 1ULL << CAP_SYS_ADMIN;
}
