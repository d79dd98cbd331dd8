/*
 * Makes what a plan says, from the parent's side, between clone3 and the start
 * of the payload, and removes it. In the container's network namespace all
 * goes with the namespace; on the host there are ends of veth pairs and a table
 * of nftables, whose names follow from the container's folder, so that they are
 * found again whoever was killed when. One thread.
 */
#ifndef CONTAINER_NET_SETUP_H
#define CONTAINER_NET_SETUP_H

#include "container/config.h"
#include "container/context.h"
#include "container/net_plan.h"
#include "container/state.h"

struct net_place {
	const struct context *context; /* borrowed; for warnings */
	const struct state *state; /* borrowed */
	int proc; /* borrowed; a handle on /proc */
	pid_t pid; /* of the container's first process */
	int netns; /* borrowed; its network namespace, not the caller's */
	int home; /* borrowed; the caller's */
};

/* @plan may be NULL. What was made until a failure, net_remove takes back, and
 * devices that were moved come back by themselves here. */
int net_setup(const struct net_place *place, const struct net_plan *plan,
	      const struct net_device *devices, size_t device_count,
	      struct err *err);

/* Removes what is left on the host of the container @state, whose annotations
 * say what there can be. */
int net_remove(const struct state *state, struct err *err);

/* ---- parts ---- */

#define NET_HOST_NAME (LINK_NAME_MAX + 1)

/* The name of the host's end of interface @index. */
void net_host_name(const struct state *state, size_t index,
		   char name[NET_HOST_NAME]);

/* net_ports.c: the plan's ports; -EADDRINUSE when one is taken. */
int net_ports_add(const struct net_place *place, const struct net_plan *plan,
		  struct err *err);
int net_ports_remove(const struct state *state, struct err *err);

/* net_files.c: writes the files that name servers and hosts, and adds mounts of
 * them to the configuration; removes them. */
#define NET_FILES 3
int net_files_make(const struct state *state, const struct net_plan *plan,
		   struct config *config, struct err *err);
/* The text of one of them, and its place; the caller frees. */
char *net_files_text(size_t index, const struct net_plan *plan,
		     const char *hostname, const char **ret_target);
void net_files_remove(const struct state *state);

/* net_user.c: starts pasta for the container, and ends it. */
int net_user_start(const struct net_place *place, const struct net_plan *plan,
		   struct err *err);
int net_user_stop(const struct state *state, struct err *err);

#endif
