/*
 * Device nodes of a container, and the BPF program that says which devices it
 * may use. Nodes are made by number, or are bind mounts of the host's nodes
 * where mknod is refused, as in every user namespace;
 * either way what the image holds is never trusted (CVE-2025-31133).
 */
#ifndef SANDBOX_DEVICES_H
#define SANDBOX_DEVICES_H

#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

struct device_node {
	const char *path; /* in the container, absolute; borrowed */
	char type; /* 'c', 'b' or 'p' */
	unsigned int major;
	unsigned int minor;
	mode_t mode; /* permission bits */
	uid_t uid;
	gid_t gid;
	int tree; /* the host's node, detached; owned, or -1: mknod */
};

/* The nodes that runtime-spec 1.2, config-linux.md "Default Devices" names,
 * but for console and ptmx; NULL behind the last. Constant. */
const struct device_node *devices_default(size_t index);

/* The host's /dev/null as the caller's mount namespace has it, checked to be
 * that device; O_PATH. A descriptor or -errno. */
int devices_open_null(struct err *err);

/* For a bind mount: the host's node of the same path and number. */
int devices_open_host(struct device_node *node, struct err *err);

/* Makes the node inside @root. Nothing allocates. */
int devices_make(int root, struct device_node *node, struct err *err);

/* The links /dev/fd, stdin, stdout, stderr, ptmx, and core when there is one.
 * What exists stays. */
int devices_make_links(int root, struct err *err);

#define DEVICE_ANY UINT32_MAX

struct device_rule {
	bool allow;
	char type; /* 'a' (both), 'c' or 'b' */
	uint32_t major; /* or DEVICE_ANY */
	uint32_t minor;
	uint8_t access; /* DEVICE_READ and so on */
};

#define DEVICE_MKNOD 1 /* the kernel's BPF_DEVCG_ACC_* */
#define DEVICE_READ  2
#define DEVICE_WRITE 4

/*
 * Attaches to @cgroup a filter that denies all but what @rules say, the last
 * that fits deciding; behind them the devices that every container has. An
 * earlier filter of the same cgroup is replaced when @replace says so.
 */
int devices_attach_filter(int cgroup, const struct device_rule *rules,
			  size_t count, bool replace, struct err *err);

/*
 * The filter's program alone, for the tests: instructions of 8 bytes into
 * @ret_code, which has room for @size; the count, or -E2BIG.
 */
int devices_build_filter(const struct device_rule *rules, size_t count,
			 void *ret_code, size_t size);

#endif
