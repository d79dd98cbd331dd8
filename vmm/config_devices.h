/*
 * The options of virtio devices: what --disk, --net, --port and --share
 * fill in. Part of vmm/config.h, where ownership and threads are said.
 */
#ifndef VMM_CONFIG_DEVICES_H
#define VMM_CONFIG_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/options.h"

/* As many as a PCI bus has slots for; the machine counts all kinds together. */
#define CONFIG_MAX_DISKS     31
#define CONFIG_MAX_NETS	     31
#define CONFIG_MAX_PORTS     30
#define CONFIG_MAX_SHARES    31
#define CONFIG_MAX_IOTHREADS 16
#define CONFIG_MAX_SPIN_US   1000

/* A limit per second with what may be used at once; 0: none, and a tenth of a
 * second's worth. */
struct limit_config {
	uint64_t rate;
	uint64_t burst;
};

enum disk_on_error {
	DISK_REPORT, /* the guest sees an I/O error */
	DISK_STOP, /* the machine pauses until the user has seen to it */
};

struct disk_config {
	char *path;
	char *id; /* or NULL; for messages and --stats */
	char *serial; /* or NULL */
	bool read_only;
	int cache; /* enum block_cache */
	bool discard;
	unsigned int queues; /* 0: one for each vCPU */
	unsigned int iothread; /* 1 to --iothreads; 0: dealt */
	enum disk_on_error on_write_error;
	struct limit_config iops, iops_read, iops_write;
	struct limit_config bps, bps_read, bps_write;
};

enum net_kind {
	NET_TAP, /* an interface that exists */
	NET_FD, /* an open descriptor of one, inherited */
	NET_BRIDGE, /* a new tap on a bridge */
	NET_NONE, /* a card without a cable */
};

/* Whether the kernel moves the frames (vhost-net). */
enum net_vhost {
	NET_VHOST_AUTO, /* where it can and is of use */
	NET_VHOST_ON, /* or it is an error */
	NET_VHOST_OFF,
};

struct net_config {
	enum net_kind kind;
	char *name; /* of the tap or the bridge */
	unsigned int fd;
	char *id;
	char *mac; /* or NULL: made up */
	unsigned int queues; /* pairs */
	unsigned int mtu; /* 0: the tap's */
	unsigned int iothread;
	struct limit_config rate; /* bytes, each way */
	enum net_vhost vhost;
};

enum port_kind {
	PORT_UNIX,
	PORT_FILE,
};

struct port_config {
	char *name; /* such as org.qemu.guest_agent.0 */
	enum port_kind kind;
	char *path;
};

struct share_config {
	char *path;
	char *tag; /* what the guest mounts */
	bool read_only;
	int cache; /* enum share_cache */
};

extern const struct option_group disk_group;
extern const struct option_group net_group;
extern const struct option_group port_group;
extern const struct option_group share_group;

#endif
