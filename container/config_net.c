/* The object "linux.netDevices" (runtime-spec 1.3, config-linux.md "Network
 * Devices"). */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "container/config_parts.h"

static int read_net_device(struct net_device *device, const char *key,
			   const struct jnode *node, struct err *err)
{
	const struct jnode name = { .up = node, .key = "name" };
	const char *number;
	int rc = json_is_object_node(node, err);

	device->device = key;
	device->name = key;
	if (!rc)
		rc = json_string_at(node, "name", &device->name, err);
	if (rc < 0)
		return rc;
	if (!link_name_valid(key))
		return json_wrong(node, err,
				  "\"%s\" is no name of an interface", key);
	number = strchr(device->name, '%');
	if (!link_name_valid(device->name) ||
	    (number && (number[1] != 'd' || strchr(number + 1, '%'))))
		return json_wrong(&name, err,
				  "\"%s\" is no name of an interface",
				  device->name);
	return 0;
}

int config_read_net_devices(struct config *config, const struct jnode *up,
			    struct err *err)
{
	struct jnode object;
	const char *name;
	json_t *value;
	int rc = json_object_at(up, "netDevices", &object, err);

	if (rc <= 0 || !json_object_size(object.value))
		return rc < 0 ? rc : 0;
	if (!config_namespace(config, CLONE_NEWNET))
		return json_wrong(
			&object, err,
			"the container has no network namespace to move it into");
	if (json_object_size(object.value) > NET_DEVICES_MAX)
		return json_wrong(&object, err, "more than %d devices",
				  NET_DEVICES_MAX);
	config->net_devices = calloc(json_object_size(object.value),
				     sizeof(*config->net_devices));
	if (!config->net_devices)
		return err_sys(err, ENOMEM, "linux.netDevices");
	json_object_foreach(object.value, name, value)
	{
		const struct jnode node = { .up = &object,
					    .key = name,
					    .value = value };

		rc = read_net_device(
			&config->net_devices[config->net_device_count++], name,
			&node, err);
		if (rc)
			return rc;
	}
	return 0;
}
