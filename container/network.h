/*
 * The network of a launched container, as the options of `launch` ask for it.
 * They become annotations of its config.json (net_plan.h), where they are read
 * by whatever starts it. One thread.
 */
#ifndef CONTAINER_NETWORK_H
#define CONTAINER_NETWORK_H

#include "container/args.h"
#include "container/json.h"

/* Strings are borrowed from the command line. */
struct network {
	struct arg_list nets; /* --net */
	struct arg_list ports; /* --publish */
	struct arg_list servers; /* --dns */
	struct arg_list domains; /* --dns-search */
	struct arg_list hosts; /* --add-host */
	bool is_host; /* set by network_check: the caller's namespace */
};

/* How many entries network_options writes. */
#define NETWORK_OPTIONS 5
void network_options(struct network *network, struct arg_option *table);

/* Checks what can be without looking at the host. -EINVAL with a sentence. */
int network_check(struct network *network, struct err *err);

/* Puts it into the configuration, whose network namespace is a new one. */
int network_configure(const struct network *network, json_t *config,
		      struct err *err);

/* The first --net that changes the host's network, or NULL. */
const char *network_for_root(const struct network *network);

#endif
