/*
 * The verbs of the command line. Each takes what stands behind its name and
 * returns 0 or -errno with a sentence; context->status is 0 unless the verb
 * says otherwise.
 */
#ifndef CONTAINER_VERBS_H
#define CONTAINER_VERBS_H

#include "container/args.h"
#include "container/context.h"

struct verb {
	const char *name;
	const char *arguments; /* for the help */
	const char *help;
	int (*run)(struct context *context, struct args *args, struct err *err);
};

int verb_launch(struct context *context, struct args *args, struct err *err);
int verb_stop(struct context *context, struct args *args, struct err *err);
int verb_destroy(struct context *context, struct args *args, struct err *err);
int verb_freeze(struct context *context, struct args *args, struct err *err);
int verb_thaw(struct context *context, struct args *args, struct err *err);
int verb_info(struct context *context, struct args *args, struct err *err);
int verb_logs(struct context *context, struct args *args, struct err *err);
int verb_top(struct context *context, struct args *args, struct err *err);
int verb_enter(struct context *context, struct args *args, struct err *err);
int verb_autostart(struct context *context, struct args *args, struct err *err);
int verb_prune(struct context *context, struct args *args, struct err *err);
int verb_clone(struct context *context, struct args *args, struct err *err);
int verb_snapshot(struct context *context, struct args *args, struct err *err);
int verb_export(struct context *context, struct args *args, struct err *err);
int verb_import(struct context *context, struct args *args, struct err *err);
int verb_doctor(struct context *context, struct args *args, struct err *err);
int verb_man(struct context *context, struct args *args, struct err *err);
int verb_completion(struct context *context, struct args *args,
		    struct err *err);
int verb_create(struct context *context, struct args *args, struct err *err);
int verb_start(struct context *context, struct args *args, struct err *err);
int verb_run(struct context *context, struct args *args, struct err *err);
int verb_state(struct context *context, struct args *args, struct err *err);
int verb_kill(struct context *context, struct args *args, struct err *err);
int verb_delete(struct context *context, struct args *args, struct err *err);
int verb_exec(struct context *context, struct args *args, struct err *err);
int verb_list(struct context *context, struct args *args, struct err *err);
int verb_ps(struct context *context, struct args *args, struct err *err);
int verb_pause(struct context *context, struct args *args, struct err *err);
int verb_resume(struct context *context, struct args *args, struct err *err);
int verb_update(struct context *context, struct args *args, struct err *err);
int verb_events(struct context *context, struct args *args, struct err *err);
int verb_features(struct context *context, struct args *args, struct err *err);
int verb_checkpoint(struct context *context, struct args *args,
		    struct err *err);
int verb_restore(struct context *context, struct args *args, struct err *err);
int verb_spec(struct context *context, struct args *args, struct err *err);

/*
 * The options of a verb: takes them, and prints the help and ends with
 * -ECANCELED when asked to. @mixed as args_options.
 */
int verb_options(const char *name, struct args *args,
		 const struct arg_option *options, bool mixed, struct err *err);

/* The same of a verb whose one argument is the ID of a container. */
int verb_takes_id(const char *name, struct args *args,
		  const struct arg_option *options, bool mixed,
		  const char **ret_id, struct err *err);

/* What verb_options answers to besides --help: the options alone. */
#define VERB_MDOC  "--help=mdoc"
#define VERB_WORDS "--help=words"

/* The options in front of the verb. */
void verb_global_options(enum args_form form);

/* All verbs, in the order of the help; NULL behind the last. */
const struct verb *verb_at(size_t index);

/* The entry of a name, NULL when there is none. */
const struct verb *verb_find(const char *name);

#endif
