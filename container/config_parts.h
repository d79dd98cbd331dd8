/* The readers that config.c is made of; each reads one part of the tree. */
#ifndef CONTAINER_CONFIG_PARTS_H
#define CONTAINER_CONFIG_PARTS_H

#include "container/config.h"

/* The object linux. */
int config_read_linux(struct config *config, const struct jnode *root,
		      struct err *err);

/* The array mounts. */
int config_read_mounts(struct config *config, const struct jnode *root,
		       struct err *err);

/* uidMappings and its like. */
int config_read_id_maps(struct userns_maps *maps, const struct jnode *up,
			const char *key, struct err *err);

/* linux.netDevices, behind the namespaces. */
int config_read_net_devices(struct config *config, const struct jnode *up,
			    struct err *err);

/* linux.seccomp. */
int config_read_seccomp(struct config *config, const struct jnode *up,
			struct err *err);
void config_seccomp_release(struct filter_profile *profile);

/* The devices' rules in linux.resources. */
int config_read_device_rules(struct config_resources *resources,
			     const struct jnode *node, struct err *err);

/* An array of @size bytes for each element of the array at @key, zeroed, and
 * its node. 1, or 0 when there is none. */
int config_array(const struct jnode *up, const char *key, size_t size,
		 struct jnode *ret_node, void *ret_array, struct err *err);

/* How many elements that array has, given what config_array returned. */
static inline size_t config_count(const struct jnode *array, int rc)
{
	return rc > 0 ? json_array_size(array->value) : 0;
}

#endif
