/*
 * What was asked of `launch`, as plain data; a recipe becomes a configuration
 * (config.json) and a home (home.json). Strings are borrowed from the command
 * line. One thread.
 */
#ifndef CONTAINER_RECIPE_H
#define CONTAINER_RECIPE_H

#include "container/args.h"
#include "container/home.h"
#include "container/network.h"
#include "container/users.h"

struct recipe {
	const char *image; /* a folder, a tar, or an OCI layout */
	const char *name; /* NULL: made up of the image's */
	char **command; /* NULL-terminated; empty: the image's own */
	const char *memory;
	const char *cpus;
	const char *pids;
	const char *hostname;
	const char *user;
	const char *cwd;
	const char *restart_text;
	const char *log_size;
	const char *log_files;
	const char *stop_signal;
	const char *stop_timeout;
	const char *autostart;
	const char *disk_quota;
	struct arg_list io;
	struct arg_list mounts;
	struct arg_list env;
	struct arg_list caps;
	bool privileged;
	bool read_only;
	bool in_place; /* writes go to the folder itself */
	bool attach; /* in the foreground */
	bool tty; /* with a terminal of its own; with attach */
	bool remove; /* destroyed at its end; only with attach */
	bool vm; /* in a VM of its own */
	const char *disk; /* size of what a VM can write */
	bool no_init; /* no init of ours in front of the program */
	bool system; /* the image's own init is process 1 */
	bool nesting; /* it may make containers itself */
	struct network network;
	uint32_t id_base;
	bool shares_ids; /* see home.h */
	struct users_entry ids; /* of whom it runs as, see recipe_user */
};

/* The options of `launch`; *@recipe says them, ends with a NULL name. */
#define RECIPE_OPTIONS 40
void recipe_options(struct recipe *recipe,
		    struct arg_option table[RECIPE_OPTIONS]);

/* Checks what can be without looking at the host. */
int recipe_check(struct recipe *recipe, struct err *err);

/* Whom it runs as: what was asked for, or what the image says. The caller finds
 * it in the root filesystem, for recipe->ids. NULL: nobody said. */
const char *recipe_user(const struct recipe *recipe, const json_t *base);

/* The configuration; @base is NULL or what the image says ("config" of an OCI
 * image). The caller decrefs. NULL with a sentence. */
json_t *recipe_config(const struct recipe *recipe, const json_t *base,
		      struct err *err);

/* Makes the configuration of a clone of it: other IDs, and another host name,
 * where that was the container's own. */
int recipe_rename(json_t *config, const char *from, const char *to,
		  uint32_t id_base, struct err *err);

/* What home.json gets, but for root and layers. NULL with a sentence. */
json_t *recipe_home(const struct recipe *recipe, const json_t *base,
		    struct err *err);

#endif
