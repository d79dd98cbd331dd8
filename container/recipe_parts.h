/* Parts of recipe_config: limits and mounts. */
#ifndef CONTAINER_RECIPE_PARTS_H
#define CONTAINER_RECIPE_PARTS_H

#include "container/recipe.h"

/* "1.5" as microseconds of a period of 100 ms. -EINVAL, -ERANGE. */
int recipe_cpu_quota(const char *text, uint64_t *ret_quota);

/* Adds to linux.resources. */
int recipe_limits(const struct recipe *recipe, json_t *resources,
		  struct err *err);

/* Adds to mounts. */
int recipe_mounts(const struct recipe *recipe, json_t *mounts, struct err *err);

#endif
