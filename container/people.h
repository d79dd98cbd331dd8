/* What the verbs for people share. */
#ifndef CONTAINER_PEOPLE_H
#define CONTAINER_PEOPLE_H

#include "container/args.h"
#include "container/home.h"

struct image;
struct recipe;

enum people_status {
	PEOPLE_STOPPED,
	PEOPLE_RESTARTING, /* its supervisor waits before it starts it anew */
	PEOPLE_RUNNING, /* or frozen */
};

/* What holds for a container right now, as the kernel tells. */
enum people_status people_status(struct context *context,
				 const struct home *home);

/* What `list` tells of one that has no state. The caller decrefs; NULL without
 * memory. */
json_t *people_to_json(const struct home *home, enum people_status status);

const char *people_status_name(enum people_status status);

/* Writes config.json of a home. */
int people_write_config(const struct home *home, const json_t *config,
			struct err *err);

/* The options and arguments of @verb, which are those of `launch`. Strings are
 * borrowed from @args. */
int people_recipe(const char *verb, struct args *args, struct recipe *recipe,
		  struct err *err);

/* The home of a new container whose root or lowest layer is that of @image. The
 * store is locked. What is made stays when it fails. */
int people_make_home(struct context *context, struct recipe *recipe,
		     const struct image *image, struct home *home,
		     struct err *err);

/* Before a container is started, @name or a new one: we are root, our program
 * is protected, the state's folder is open. Closes descriptors. */
int people_begin(struct context *context, const char *name, struct err *err);

/* The IDs of a new container: whether it shares those of our user namespace,
 * and its first one. The store is locked. */
int people_new_ids(struct context *context, bool privileged, bool *ret_shares,
		   uint32_t *ret_base, struct err *err);

/* `start` of a container that was launched; @anew: whatever `checkpoint` may
 * have left. */
int people_start(struct context *context, const char *name, bool anew,
		 struct err *err);

#endif
