#include "vmm/config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/mac.h"
#include "core/parse.h"
#include "io/net.h"
#include "virtio/blk.h"
#include "virtio/console.h"
#include "virtio/fs.h"
#include "vmm/config_json.h"
#include "vmm/cpuid.h"
#include "vmm/dump.h"
#include "vmm/fixed_time.h"
#include "vmm/gdb.h"
#include "vmm/trace.h"

void config_init(struct vm_config *config)
{
	memset(config, 0, sizeof(*config));
	options_init(&config_options, config);
}

void config_release(struct vm_config *config)
{
	options_release(&config_options, config);
}

int config_from_args(struct vm_config *config, int argc, char *const argv[],
		     struct err *err)
{
	struct option_args args;
	const char *file;
	int rc;

	rc = options_parse(&config_options, argc, argv, &args, err);
	if (rc)
		return rc;
	/* Nobody who asks for help wants to hear of a mistake elsewhere. */
	if (option_args_get(&args, "help")) {
		config->help = true;
		goto out;
	}
	file = option_args_get(&args, "config");
	if (file && *file)
		rc = config_json_load(config, file, err);
	if (!rc)
		rc = options_apply(&config_options, config, &args, err);
out:
	option_args_release(&args);
	return rc;
}

bool config_is_dump_only(const struct vm_config *config)
{
	return !config->kernel && !config->flat &&
	       (config->dump_fdt || config->dump_acpi);
}

static int check_memory(const struct vm_config *config, struct err *err)
{
	uint64_t page = config->hugepage_bytes ? config->hugepage_bytes :
						 4 * KIB;
	char text[32];

	if (!config->memory_bytes)
		return err_set(
			err, EINVAL,
			"--memory 0: a guest needs memory, at least %u MiB",
			(unsigned int)(CONFIG_MIN_MEMORY / MIB));
	option_format_size(config->memory_bytes, text, sizeof(text));
	if (config->memory_bytes < CONFIG_MIN_MEMORY)
		return err_set(err, EINVAL,
			       "--memory %s is too little; the least is %u MiB",
			       text, (unsigned int)(CONFIG_MIN_MEMORY / MIB));
	if (config->memory_bytes > CONFIG_MAX_MEMORY)
		return err_set(err, EINVAL,
			       "--memory %s is too much; the most is %u TiB",
			       text,
			       (unsigned int)(CONFIG_MAX_MEMORY / GIB / 1024));
	if (page != 4 * KIB && page != 2 * MIB && page != GIB)
		return err_set(err, EINVAL,
			       "--memory: hugepages of %" PRIu64
			       " bytes; there are 2M and 1G",
			       page);
	if (config->memory_bytes % page) {
		char page_text[32];

		option_format_size(page, page_text, sizeof(page_text));
		return err_set(
			err, EINVAL,
			"--memory %s is not a multiple of its page size, %s",
			text, page_text);
	}
	return 0;
}

static int check_guest(const struct vm_config *config, struct err *err)
{
	if (!config->kernel && !config->flat && !config->print_config &&
	    !config_is_dump_only(config))
		return err_set(err, EINVAL,
			       "no kernel to boot: give --kernel FILE");
	if (config->kernel && !*config->kernel)
		return err_set(err, EINVAL, "--kernel is empty");
	if (config->kernel && config->flat)
		return err_set(err, EINVAL,
			       "--kernel and --flat exclude each other");
	if (config->flat && config->boot != BOOT_PROTOCOL_AUTO)
		return err_set(
			err, EINVAL,
			"--flat: its mode says how it is entered; leave --boot out");
	if (config->flat && config->fdt && config->flat_mode == BOOT_MODE_REAL)
		return err_set(
			err, EINVAL,
			"--fdt on: a binary in real mode is handed no device tree; use mode=32 or mode=64");
	if (config->module_count && !config->kernel && !config->print_config)
		return err_set(err, EINVAL,
			       "--module needs a multiboot kernel: give "
			       "--kernel FILE");
	return 0;
}

static int check_debugcon(const struct vm_config *config, struct err *err)
{
	if (config->debugcon == DEBUGCON_FILE &&
	    (!config->debugcon_path || !*config->debugcon_path))
		return err_set(err, EINVAL, "--debugcon file= needs a path");
	return 0;
}

static int check_console(const struct vm_config *config, struct err *err)
{
	bool takes_path = config->console == CONSOLE_FILE ||
			  config->console == CONSOLE_UNIX;
	const char *kind = config->console == CONSOLE_FILE ? "file" : "unix";
	/* struct sockaddr_un has room for 108 bytes with the zero byte. */
	const size_t max_socket_path = 107;

	if (!takes_path)
		return 0;
	if (!config->console_path || !*config->console_path)
		return err_set(err, EINVAL, "--console %s= needs a path", kind);
	if (config->console == CONSOLE_UNIX &&
	    strlen(config->console_path) > max_socket_path)
		return err_set(
			err, EINVAL,
			"--console unix=: the path is longer than the %zu bytes that a socket's name may have",
			max_socket_path);
	return 0;
}

bool config_seed(const struct vm_config *config, uint64_t *ret_seed)
{
	return config->seed && !parse_u64(config->seed, ret_seed);
}

static int check_seed(const struct vm_config *config, struct err *err)
{
	uint64_t seed;

	if (!config->seed || config_seed(config, &seed))
		return 0;
	return err_set(err, EINVAL,
		       "--seed %s: a seed is a number from 0 to 2^64 - 1",
		       config->seed);
}

unsigned int config_count_devices(const struct vm_config *config)
{
	return config->disk_count + config->net_count + config->virtio_console +
	       config->rng + config->share_count;
}

static int check_iothread(const struct vm_config *config, const char *option,
			  unsigned int wanted, struct err *err)
{
	if (!wanted || wanted <= config->iothreads)
		return 0;
	return err_set(err, EINVAL,
		       "%s: iothread=%u, but --iothreads gives only %u", option,
		       wanted, config->iothreads);
}

static int check_disk(const struct vm_config *config,
		      const struct disk_config *disk, struct err *err)
{
	/* A queue's vector and the configuration's (virtio/pci.h). */
	const unsigned int max_queues = VIRTIO_MAX_QUEUES;

	if (!*disk->path)
		return err_set(err, EINVAL,
			       "--disk needs the path of an image");
	if (disk->queues > max_queues)
		return err_set(err, EINVAL,
			       "--disk %s: queues=%u; there are at most %u",
			       disk->path, disk->queues, max_queues);
	if (disk->serial && strlen(disk->serial) > VIRTIO_BLK_ID_LEN)
		return err_set(err, EINVAL,
			       "--disk %s: the serial number is longer than %u "
			       "bytes",
			       disk->path, VIRTIO_BLK_ID_LEN);
	return check_iothread(config, "--disk", disk->iothread, err);
}

static int check_net(const struct vm_config *config,
		     const struct net_config *net, struct err *err)
{
	uint8_t mac[MAC_BYTES];
	int rc = net->mac ? mac_parse(net->mac, mac, err) : 0;

	if (rc)
		return err_prefix(err, "--net");
	if (net->name && !*net->name)
		return err_set(err, EINVAL, "--net: the name is empty");
	if (net->queues > NET_MAX_QUEUES)
		return err_set(err, EINVAL,
			       "--net: queues=%u; there are at most %u pairs",
			       net->queues, NET_MAX_QUEUES);
	if (net->kind == NET_FD && net->queues > 1)
		return err_set(err, EINVAL,
			       "--net fd=%u: one descriptor is one pair of "
			       "queues; leave out queues=",
			       net->fd);
	/* virtio 1.2, 5.1.4.1 and the largest IP packet. */
	if (net->mtu && (net->mtu < 68 || net->mtu > 65535))
		return err_set(err, EINVAL,
			       "--net: mtu=%u; it is between 68 and 65535",
			       net->mtu);
	if (net->vhost == NET_VHOST_ON && net->kind == NET_NONE)
		return err_set(err, EINVAL,
			       "--net none,vhost=on: there is no tap whose "
			       "packets vhost-net could move");
	if (net->vhost == NET_VHOST_ON && net->rate.rate)
		return err_set(err, EINVAL,
			       "--net: vhost-net knows no limits; leave out "
			       "vhost=on or rate=");
	return check_iothread(config, "--net", net->iothread, err);
}

static int check_share(const struct vm_config *config, unsigned int index,
		       struct err *err)
{
	const struct share_config *share = &config->shares[index];

	if (!*share->path)
		return err_set(err, EINVAL,
			       "--share needs the path of a folder");
	if (!*share->tag)
		return err_set(
			err, EINVAL,
			"--share %s: tag= is empty; it is what the guest "
			"mounts",
			share->path);
	if (strlen(share->tag) > VIRTIO_FS_TAG_BYTES)
		return err_set(err, EINVAL,
			       "--share %s: the tag is longer than %d bytes",
			       share->path, VIRTIO_FS_TAG_BYTES);
	for (unsigned int i = 0; i < index; i++) {
		if (!strcmp(config->shares[i].tag, share->tag))
			return err_set(err, EINVAL,
				       "--share %s: %s has the tag %s already; "
				       "give each its own",
				       share->path, config->shares[i].path,
				       share->tag);
	}
	return 0;
}

static int check_devices(const struct vm_config *config, struct err *err)
{
	unsigned int max = virtio_bus_max(config->transport);
	int rc;

	if (config_count_devices(config) > max)
		return err_set(
			err, EINVAL,
			"%u devices are more than the %u that fit; leave some out, such as with --rng off%s",
			config_count_devices(config), max,
			config->transport == TRANSPORT_MMIO ?
				", or use --transport pci" :
				"");
	if (config->iothreads > CONFIG_MAX_IOTHREADS)
		return err_set(err, EINVAL,
			       "--iothreads %u: there are at most %u",
			       config->iothreads, CONFIG_MAX_IOTHREADS);
	if (config->io_spin_us > CONFIG_MAX_SPIN_US)
		return err_set(err, EINVAL,
			       "--io-spin %u: at most %u microseconds",
			       config->io_spin_us, CONFIG_MAX_SPIN_US);
	for (unsigned int i = 0; i < config->disk_count; i++) {
		rc = check_disk(config, &config->disks[i], err);
		if (rc)
			return rc;
	}
	for (unsigned int i = 0; i < config->net_count; i++) {
		rc = check_net(config, &config->nets[i], err);
		if (rc)
			return rc;
	}
	for (unsigned int i = 0; i < config->share_count; i++) {
		rc = check_share(config, i, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* Here and not only in the device: by then the files are made. */
static int check_ports(const struct vm_config *config, struct err *err)
{
	struct virtio_console_named_port named[CONFIG_MAX_PORTS];
	int rc;

	if (config->port_count && !config->virtio_console)
		return err_set(
			err, EINVAL,
			"--port needs the device that --virtio-console off leaves out");
	for (unsigned int i = 0; i < config->port_count; i++)
		named[i] = (struct virtio_console_named_port){
			.name = config->ports[i].name,
		};
	rc = virtio_console_check_names(named, config->port_count, err);
	return rc ? err_prefix(err, "--port") : 0;
}

static int check_verdict(const struct vm_config *config, struct err *err)
{
	if (config->pass_status > 255)
		return err_set(err, EINVAL,
			       "--pass-status %u: a status is at most 255",
			       config->pass_status);
	if (config->result && config->junit &&
	    !strcmp(config->result, config->junit))
		return err_set(err, EINVAL,
			       "--result and --junit name the same file, %s",
			       config->result);
	return 0;
}

int config_validate(const struct vm_config *config, struct err *err)
{
	unsigned int kinds;
	int64_t seconds;
	bool is_fixed;
	int rc;

	rc = check_guest(config, err);
	if (rc)
		return rc;
	if (config->cpus < 1 || config->cpus > CONFIG_MAX_CPUS)
		return err_set(err, EINVAL,
			       "--cpus %u: a guest has 1 to %u virtual CPUs",
			       config->cpus, CONFIG_MAX_CPUS);
	rc = cpuid_check_model(config->cpu, err);
	if (rc)
		return rc;
	rc = check_memory(config, err);
	if (rc)
		return rc;
	rc = check_console(config, err);
	if (rc)
		return rc;
	rc = check_debugcon(config, err);
	if (rc)
		return rc;
	rc = check_ports(config, err);
	if (rc)
		return rc;
	rc = check_devices(config, err);
	if (rc)
		return rc;
	rc = check_verdict(config, err);
	if (!rc && config->gdb)
		rc = gdb_check_address(config->gdb, err);
	if (rc)
		return rc;
	rc = dump_check_reasons(config->dump_on, err);
	if (!rc)
		rc = fixed_time_parse(config->rtc, &is_fixed, &seconds, err);
	if (!rc)
		rc = check_seed(config, err);
	if (!rc && config->trace)
		rc = trace_parse(config->trace, &kinds, err);
	if (rc)
		return rc;
	if (config->fdt && (config->boot == BOOT_PROTOCOL_PVH ||
			    config->boot == BOOT_PROTOCOL_MULTIBOOT ||
			    config->boot == BOOT_PROTOCOL_MULTIBOOT2))
		return err_set(
			err, EINVAL,
			"--fdt on: --boot %s hands no device tree to a kernel; use --boot elf",
			config->boot == BOOT_PROTOCOL_PVH ? "pvh" :
							    "multiboot");
	if (config->dump_acpi && !config->acpi)
		return err_set(
			err, EINVAL,
			"--dump-acpi has nothing to write with --acpi off");
	return 0;
}
