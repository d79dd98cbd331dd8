/* Parts of recipe_config: --system, for the init of a distribution, and
 * --nesting, for container engines. */
#ifndef CONTAINER_RECIPE_SYSTEM_H
#define CONTAINER_RECIPE_SYSTEM_H

#include "container/recipe.h"

/* What an init may do in a user namespace of its own: all that is not the
 * host's alone. */
uint64_t recipe_system_caps(void);

/* Changes a configuration that is complete but for the caller's own mounts. */
int recipe_system(const struct recipe *recipe, json_t *config, struct err *err);

/* The same, behind recipe_system where both are asked for. */
int recipe_nesting(const struct recipe *recipe, json_t *config,
		   struct err *err);

#endif
