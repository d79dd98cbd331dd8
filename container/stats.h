/* What a container uses, as its cgroup tells. */
#ifndef CONTAINER_STATS_H
#define CONTAINER_STATS_H

#include "container/json.h"

/* Processor time, memory and processes, as far as there are controllers. The
 * caller decrefs; NULL without memory. */
json_t *stats_to_json(int cgroup);

#endif
