/*
 * What can be said of a virtio device on the command line; the lists that
 * these groups belong to are in config_table.c.
 */
#include "vmm/config_devices.h"

#include "core/util.h"
#include "io/block_file.h"
#include "io/share_folder.h"

static const struct option_value cache_values[] = {
	{ "none", BLOCK_CACHE_NONE },
	{ "writeback", BLOCK_CACHE_WRITEBACK },
	{ "writethrough", BLOCK_CACHE_WRITETHROUGH },
	{ "unsafe", BLOCK_CACHE_UNSAFE },
	{ NULL, 0 },
};

static const struct option_value on_error_values[] = {
	{ "report", DISK_REPORT },
	{ "stop", DISK_STOP },
	{ NULL, 0 },
};

/* A rate and its burst: two keys. */
#define LIMIT(key, burst_key, rate_field, burst_field, what)              \
	{ .name = (key),                                                  \
	  .type = OPTION_SIZE,                                            \
	  .flags = OPTION_NOT_ZERO,                                       \
	  OPTION_FIELD(struct disk_config, rate_field),                   \
	  .unit = 1,                                                      \
	  .metavar = "N",                                                 \
	  .tag = -1,                                                      \
	  .help = (what) },                                               \
	{                                                                 \
		.name = (burst_key), .type = OPTION_SIZE,                 \
		.flags = OPTION_NOT_ZERO,                                 \
		OPTION_FIELD(struct disk_config, burst_field), .unit = 1, \
		.metavar = "N", .tag = -1,                                \
		.help = "and so many at once after a pause"               \
	}

static const struct option disk_options[] = {
	{
		.name = "path",
		.type = OPTION_PATH,
		.flags = OPTION_POSITIONAL | OPTION_REQUIRED,
		OPTION_FIELD(struct disk_config, path),
		.tag = -1,
		.help = "raw image or block device",
	},
	{
		.name = "ro",
		.type = OPTION_BOOL,
		OPTION_FIELD(struct disk_config, read_only),
		.tag = -1,
		.default_text = "off",
		.help = "the guest cannot write",
	},
	{
		.name = "id",
		.type = OPTION_STRING,
		OPTION_FIELD(struct disk_config, id),
		.tag = -1,
		.help = "name in messages and statistics",
	},
	{
		.name = "serial",
		.type = OPTION_STRING,
		OPTION_FIELD(struct disk_config, serial),
		.tag = -1,
		.help = "serial number, at most 20 bytes",
	},
	{
		.name = "cache",
		.type = OPTION_ENUM,
		OPTION_FIELD(struct disk_config, cache),
		.values = cache_values,
		.default_text = "none",
		.tag = -1,
		.help = "how the host caches: none is direct I/O, writeback its page cache, writethrough makes every write durable, unsafe ignores flushes",
	},
	{
		.name = "discard",
		.type = OPTION_BOOL,
		OPTION_FIELD(struct disk_config, discard),
		.default_text = "on",
		.tag = -1,
		.help = "give space that the guest discards back to the host",
	},
	{
		.name = "queues",
		.type = OPTION_UINT,
		.flags = OPTION_NOT_ZERO,
		OPTION_FIELD(struct disk_config, queues),
		.tag = -1,
		.help = "number of queues; one for each virtual CPU if not given",
	},
	{
		.name = "iothread",
		.type = OPTION_UINT,
		.flags = OPTION_NOT_ZERO,
		OPTION_FIELD(struct disk_config, iothread),
		.tag = -1,
		.help = "which of --iothreads serves it, from 1",
	},
	{
		.name = "werror",
		.type = OPTION_ENUM,
		OPTION_FIELD(struct disk_config, on_write_error),
		.values = on_error_values,
		.default_text = "report",
		.tag = -1,
		.help = "when the host cannot write: report it to the guest, or stop the machine until SIGCONT",
	},
	LIMIT("iops", "iops-burst", iops.rate, iops.burst,
	      "at most so many requests per second"),
	LIMIT("iops-read", "iops-read-burst", iops_read.rate, iops_read.burst,
	      "at most so many reads per second"),
	LIMIT("iops-write", "iops-write-burst", iops_write.rate,
	      iops_write.burst, "at most so many writes per second"),
	LIMIT("bps", "bps-burst", bps.rate, bps.burst,
	      "at most so many bytes per second"),
	LIMIT("bps-read", "bps-read-burst", bps_read.rate, bps_read.burst,
	      "at most so many bytes read per second"),
	LIMIT("bps-write", "bps-write-burst", bps_write.rate, bps_write.burst,
	      "at most so many bytes written per second"),
};

const struct option_group disk_group = {
	.options = disk_options,
	.count = ARRAY_SIZE(disk_options),
};

static const struct option_value vhost_values[] = {
	{ "auto", NET_VHOST_AUTO },
	{ "on", NET_VHOST_ON },
	{ "off", NET_VHOST_OFF },
	{ NULL, 0 },
};

static const struct option net_options[] = {
	{
		.name = "tap",
		.type = OPTION_STRING,
		OPTION_FIELD(struct net_config, name),
		.metavar = "NAME",
		.tag = NET_TAP,
		.help = "an existing tap interface",
	},
	{
		.name = "fd",
		.type = OPTION_UINT,
		OPTION_FIELD(struct net_config, fd),
		.metavar = "N",
		.tag = NET_FD,
		.help = "an inherited descriptor of a tap",
	},
	{
		.name = "bridge",
		.type = OPTION_STRING,
		OPTION_FIELD(struct net_config, name),
		.metavar = "NAME",
		.tag = NET_BRIDGE,
		.help = "a new tap on this bridge, gone when hull ends",
	},
	{
		.name = "none",
		.type = OPTION_TAG,
		.tag = NET_NONE,
		.help = "a network card without a cable",
	},
	{
		.name = "id",
		.type = OPTION_STRING,
		OPTION_FIELD(struct net_config, id),
		.tag = -1,
		.help = "name in messages and statistics",
	},
	{
		.name = "mac",
		.type = OPTION_STRING,
		OPTION_FIELD(struct net_config, mac),
		.tag = -1,
		.help = "address of the card; made from the name if not given",
	},
	{
		.name = "queues",
		.type = OPTION_UINT,
		.flags = OPTION_NOT_ZERO,
		OPTION_FIELD(struct net_config, queues),
		.default_text = "1",
		.tag = -1,
		.help = "pairs of queues",
	},
	{
		.name = "mtu",
		.type = OPTION_UINT,
		.flags = OPTION_NOT_ZERO,
		OPTION_FIELD(struct net_config, mtu),
		.tag = -1,
		.help = "largest packet; the tap's if not given",
	},
	{
		.name = "iothread",
		.type = OPTION_UINT,
		.flags = OPTION_NOT_ZERO,
		OPTION_FIELD(struct net_config, iothread),
		.tag = -1,
		.help = "which of --iothreads serves it, from 1",
	},
	{
		.name = "rate",
		.type = OPTION_SIZE,
		.flags = OPTION_NOT_ZERO,
		OPTION_FIELD(struct net_config, rate.rate),
		.unit = 1,
		.tag = -1,
		.help = "at most so many bytes per second, each way",
	},
	{
		.name = "rate-burst",
		.type = OPTION_SIZE,
		.flags = OPTION_NOT_ZERO,
		OPTION_FIELD(struct net_config, rate.burst),
		.unit = 1,
		.tag = -1,
		.help = "and so many at once after a pause",
	},
	{
		.name = "vhost",
		.type = OPTION_ENUM,
		OPTION_FIELD(struct net_config, vhost),
		.values = vhost_values,
		.default_text = "auto",
		.tag = -1,
		.help = "the kernel moves the packets (vhost-net); auto: if it can, on PCI and without rate=",
	},
};

const struct option_group net_group = {
	.options = net_options,
	.count = ARRAY_SIZE(net_options),
	.has_choice = true,
	.tag_offset = offsetof(struct net_config, kind),
};

static const struct option port_options[] = {
	{
		.name = "name",
		.type = OPTION_STRING,
		.flags = OPTION_POSITIONAL | OPTION_REQUIRED,
		OPTION_FIELD(struct port_config, name),
		.metavar = "NAME",
		.tag = -1,
		.help = "what the guest finds in /dev/virtio-ports",
	},
	{
		.name = "unix",
		.type = OPTION_PATH,
		OPTION_FIELD(struct port_config, path),
		.metavar = "PATH",
		.tag = PORT_UNIX,
		.help = "listen on a Unix socket; one client at a time",
	},
	{
		.name = "file",
		.type = OPTION_PATH,
		OPTION_FIELD(struct port_config, path),
		.tag = PORT_FILE,
		.help = "write to a file; there is no input",
	},
};

const struct option_group port_group = {
	.options = port_options,
	.count = ARRAY_SIZE(port_options),
	.has_choice = true,
	.tag_offset = offsetof(struct port_config, kind),
};

static const struct option_value share_cache_values[] = {
	{ "auto", SHARE_CACHE_AUTO },
	{ "never", SHARE_CACHE_NEVER },
	{ "always", SHARE_CACHE_ALWAYS },
	{ NULL, 0 },
};

static const struct option share_options[] = {
	{
		.name = "path",
		.type = OPTION_PATH,
		.flags = OPTION_POSITIONAL | OPTION_REQUIRED,
		OPTION_FIELD(struct share_config, path),
		.metavar = "FOLDER",
		.tag = -1,
		.help = "folder of this host",
	},
	{
		.name = "tag",
		.type = OPTION_STRING,
		.flags = OPTION_REQUIRED,
		OPTION_FIELD(struct share_config, tag),
		.metavar = "NAME",
		.tag = -1,
		.help = "what the guest mounts, at most 36 bytes",
	},
	{
		.name = "ro",
		.type = OPTION_BOOL,
		OPTION_FIELD(struct share_config, read_only),
		.default_text = "off",
		.tag = -1,
		.help = "the guest cannot write",
	},
	{
		.name = "cache",
		.type = OPTION_ENUM,
		OPTION_FIELD(struct share_config, cache),
		.values = share_cache_values,
		.default_text = "auto",
		.tag = -1,
		.help = "how long the guest goes by what it knows: auto is a second, never not at all, always until it needs the memory, for a folder that nobody else writes to",
	},
};

const struct option_group share_group = {
	.options = share_options,
	.count = ARRAY_SIZE(share_options),
};
