#include "vmm/peripherals.h"

#include <errno.h>
#include <stdlib.h>

#include "core/log.h"
#include "core/util.h"

static unsigned int count_threads(const struct vm_config *config)
{
	unsigned int count = config->share_count;

	if (config->iothreads)
		return count + config->iothreads;
	count += config->disk_count;
	for (unsigned int i = 0; i < config->net_count; i++)
		count += config->nets[i].queues;
	return count;
}

void peripherals_describe(const struct vm_config *config,
			  struct platform *platform)
{
	virtio_bus_describe(config->transport, config_count_devices(config),
			    platform);
}

static void on_report(void *opaque, const struct virtio_device *device,
		      const char *what)
{
	(void)opaque;
	log_warn("virtio-%s: %s; it waits for a reset by the guest",
		 device->type->name, what);
}

/* --- What is outside ------------------------------------------------------ */

static int open_disks(struct peripherals *peripherals,
		      const struct vm_config *config, struct err *err)
{
	peripherals->disks =
		calloc(config->disk_count, sizeof(*peripherals->disks));
	if (config->disk_count && !peripherals->disks)
		return err_sys(err, ENOMEM, "disks");
	for (unsigned int i = 0; i < config->disk_count; i++) {
		int rc = disk_open(&peripherals->disks[i], &config->disks[i], i,
				   err);

		peripherals->disk_count++;
		if (rc)
			return rc;
	}
	return 0;
}

static int open_nics(struct peripherals *peripherals,
		     const struct vm_config *config, struct err *err)
{
	peripherals->nics =
		calloc(config->net_count, sizeof(*peripherals->nics));
	if (config->net_count && !peripherals->nics)
		return err_sys(err, ENOMEM, "network cards");
	for (unsigned int i = 0; i < config->net_count; i++) {
		struct nic_place place = {
			.index = i,
			.transport = config->transport,
			.gmem = peripherals->env.gmem,
		};
		int rc;

		place.is_seeded = config_seed(config, &place.seed);
		rc = nic_open(&peripherals->nics[i], &config->nets[i], &place,
			      err);
		peripherals->nic_count++;
		if (rc)
			return rc;
	}
	return 0;
}

static int open_ports(struct peripherals *peripherals,
		      const struct peripherals_env *env, struct err *err)
{
	const struct vm_config *config = env->config;

	for (unsigned int i = 0; i < config->port_count; i++) {
		const struct port_config *port = &config->ports[i];
		struct chardev **chardev = &peripherals->ports[i];
		int rc = port->kind == PORT_UNIX ?
				 chardev_new_unix(env->loop, port->path,
						  chardev, err) :
				 chardev_new_file(env->loop, port->path,
						  chardev, err);

		if (rc)
			return err_prefix(err, "--port %s", port->name);
		peripherals->port_count++;
	}
	return 0;
}

static int open_shares(struct peripherals *peripherals,
		       const struct vm_config *config, struct err *err)
{
	unsigned int max_fds;

	if (!config->share_count)
		return 0;
	peripherals->shares =
		calloc(config->share_count, sizeof(*peripherals->shares));
	if (!peripherals->shares)
		return err_sys(err, ENOMEM, "shares");
	max_fds = shared_folder_limit(config->share_count);
	for (unsigned int i = 0; i < config->share_count; i++) {
		int rc = shared_folder_open(&peripherals->shares[i],
					    &config->shares[i], max_fds, err);

		peripherals->share_count++;
		if (rc)
			return rc;
	}
	return 0;
}

static int open_outside(struct peripherals *peripherals,
			const struct peripherals_env *env, struct err *err)
{
	int rc;

	*peripherals = (struct peripherals){
		.env = { .gmem = env->gmem, .report = on_report },
	};
	rc = open_disks(peripherals, env->config, err);
	if (!rc)
		rc = open_nics(peripherals, env->config, err);
	if (!rc)
		rc = open_ports(peripherals, env, err);
	if (!rc)
		rc = open_shares(peripherals, env->config, err);
	return rc;
}

/* --- The devices ---------------------------------------------------------- */

static int build_disks(struct peripherals *peripherals,
		       const struct peripherals_env *env, struct err *err)
{
	const struct disk_env disk_env = {
		.env = &peripherals->env,
		.threads = &peripherals->threads,
		.cpus = env->config->cpus,
		.measure_latency = env->config->stats != NULL,
		.stopped = env->stopped,
		.opaque = env->opaque,
	};

	for (unsigned int i = 0; i < peripherals->disk_count; i++) {
		struct disk *disk = &peripherals->disks[i];
		int rc = disk_build(disk, &env->config->disks[i], &disk_env,
				    err);

		if (!rc)
			rc = virtio_bus_plug(&peripherals->bus,
					     &disk->blk.device, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int build_nics(struct peripherals *peripherals,
		      const struct vm_config *config, struct err *err)
{
	for (unsigned int i = 0; i < peripherals->nic_count; i++) {
		struct nic *nic = &peripherals->nics[i];
		int rc = nic_build(nic, &config->nets[i], &peripherals->env,
				   &peripherals->threads, err);

		if (!rc)
			rc = virtio_bus_plug(&peripherals->bus,
					     &nic->device.device, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int build_console(struct peripherals *peripherals,
			 const struct peripherals_env *env, struct err *err)
{
	struct virtio_console_named_port named[CONFIG_MAX_PORTS];
	const struct virtio_console_init init = {
		.env = &peripherals->env,
		.chardev = env->console,
		.named = named,
		.named_count = peripherals->port_count,
	};
	struct virtio_console *console = calloc(1, sizeof(*console));
	int rc;

	if (!console)
		return err_sys(err, ENOMEM, "console");
	for (unsigned int i = 0; i < peripherals->port_count; i++)
		named[i] = (struct virtio_console_named_port){
			.name = env->config->ports[i].name,
			.chardev = peripherals->ports[i],
		};
	rc = virtio_console_init(console, &init, err);
	if (rc) {
		free(console);
		return err_prefix(err, "--port");
	}
	peripherals->console = console;
	return virtio_bus_plug(&peripherals->bus, &console->device, err);
}

static int build_rng(struct peripherals *peripherals,
		     const struct vm_config *config, struct err *err)
{
	struct virtio_rng *rng = calloc(1, sizeof(*rng));
	uint64_t seed;
	int rc;

	if (!rng)
		return err_sys(err, ENOMEM, "rng");
	rc = virtio_rng_init(rng, &peripherals->env, err);
	if (rc) {
		free(rng);
		return rc;
	}
	if (config_seed(config, &seed))
		virtio_rng_seed(rng, seed);
	peripherals->rng = rng;
	return virtio_bus_plug(&peripherals->bus, &rng->device, err);
}

static int build_shares(struct peripherals *peripherals, struct err *err)
{
	for (unsigned int i = 0; i < peripherals->share_count; i++) {
		struct shared_folder *shared = &peripherals->shares[i];
		int rc = shared_folder_build(shared, &peripherals->env,
					     &peripherals->threads, err);

		if (!rc)
			rc = virtio_bus_plug(&peripherals->bus,
					     &shared->device.device, err);
		if (rc)
			return rc;
	}
	return 0;
}

int peripherals_build(struct peripherals *peripherals,
		      const struct peripherals_env *env, struct err *err)
{
	const struct vm_config *config = env->config;
	const struct iothreads_config threads = {
		.shared = config->iothreads,
		.spin_us = config->io_spin_us,
		.busy = config->cpus + count_threads(config),
	};
	int rc;

	rc = open_outside(peripherals, env, err);
	if (rc || !config_count_devices(config))
		return rc;
	rc = virtio_bus_init(&peripherals->bus, &env->bus, err);
	if (!rc)
		rc = iothreads_init(&peripherals->threads, &threads, err);
	if (!rc)
		rc = build_disks(peripherals, env, err);
	if (!rc)
		rc = build_nics(peripherals, config, err);
	if (!rc && config->virtio_console)
		rc = build_console(peripherals, env, err);
	if (!rc && config->rng)
		rc = build_rng(peripherals, config, err);
	if (!rc)
		rc = build_shares(peripherals, err);
	return rc;
}

/* --- Life ----------------------------------------------------------------- */

int peripherals_start(struct peripherals *peripherals, struct err *err)
{
	return iothreads_start(&peripherals->threads, err);
}

void peripherals_refresh(struct peripherals *peripherals)
{
	for (unsigned int i = 0; i < peripherals->disk_count; i++)
		disk_refresh(&peripherals->disks[i]);
}

void peripherals_resume(struct peripherals *peripherals)
{
	for (unsigned int i = 0; i < peripherals->disk_count; i++)
		virtio_blk_resume(&peripherals->disks[i].blk);
}

void peripherals_update(struct peripherals *peripherals)
{
	for (unsigned int i = 0; i < peripherals->port_count; i++)
		chardev_update(peripherals->ports[i]);
}

void peripherals_cancel(struct peripherals *peripherals)
{
	for (unsigned int i = 0; i < peripherals->port_count; i++)
		chardev_cancel(peripherals->ports[i]);
	for (unsigned int i = 0; i < peripherals->bus.count; i++)
		virtio_device_cancel(peripherals->bus.seats[i].device);
}

void peripherals_stop(struct peripherals *peripherals)
{
	virtio_bus_stop(&peripherals->bus);
	iothreads_stop(&peripherals->threads);
}

void peripherals_release(struct peripherals *peripherals)
{
	virtio_bus_release(&peripherals->bus);
	if (peripherals->rng)
		virtio_rng_release(peripherals->rng);
	free(move_ptr(&peripherals->rng));
	if (peripherals->console)
		virtio_console_release(peripherals->console);
	free(move_ptr(&peripherals->console));
	for (unsigned int i = 0; i < peripherals->port_count; i++)
		chardev_free(peripherals->ports[i]);
	peripherals->port_count = 0;
	for (unsigned int i = 0; i < peripherals->disk_count; i++)
		disk_release(&peripherals->disks[i]);
	peripherals->disk_count = 0;
	for (unsigned int i = 0; i < peripherals->nic_count; i++)
		nic_release(&peripherals->nics[i]);
	peripherals->nic_count = 0;
	for (unsigned int i = 0; i < peripherals->share_count; i++)
		shared_folder_release(&peripherals->shares[i]);
	peripherals->share_count = 0;
	free(move_ptr(&peripherals->shares));
	free(move_ptr(&peripherals->nics));
	free(move_ptr(&peripherals->disks));
	iothreads_release(&peripherals->threads);
}
