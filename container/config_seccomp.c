/* linux.seccomp (runtime-spec 1.2, config-linux.md "Seccomp"). */
#include <errno.h>
#include <string.h>

#include "container/config_parts.h"

#define ERROR_MAX     4095 /* the kernel's MAX_ERRNO */
#define DEFAULT_ERROR EPERM

static int read_argument(struct filter_argument *argument,
			 const struct jnode *node, struct err *err)
{
	uint64_t index = 0;
	int rc = json_is_object_node(node, err);

	if (!rc)
		rc = json_u64_at(node, "index", 5, &index, err);
	if (rc >= 0)
		rc = json_u64_at(node, "value", UINT64_MAX, &argument->value,
				 err);
	if (rc >= 0)
		rc = json_u64_at(node, "valueTwo", UINT64_MAX,
				 &argument->value_two, err);
	if (rc >= 0)
		rc = json_need_string(node, "op", &argument->operator, err);
	if (rc < 0)
		return rc;
	if (!filter_knows_operator(argument->operator))
		return json_wrong(node, err, "\"%s\" is no operator",
				  argument->operator);
	argument->index = (unsigned int)index;
	return 0;
}

static int check_action(const char *action, const struct jnode *node,
			const char *key, struct err *err)
{
	const struct jnode at = { .up = node, .key = key };

	if (!filter_knows_action(action))
		return json_wrong(&at, err, "\"%s\" is no seccomp action",
				  action);
	return 0;
}

static int read_rule(struct filter_rule *rule, const struct jnode *node,
		     struct err *err)
{
	const struct jnode names = { .up = node, .key = "names" };
	struct jnode array;
	uint64_t error = DEFAULT_ERROR;
	int rc = json_is_object_node(node, err);

	if (!rc)
		rc = json_strings_at(node, "names", &rule->names,
				     &rule->name_count, err);
	if (rc < 0)
		return rc;
	if (!rule->name_count)
		return json_wrong(&names, err, "there is no name");
	rc = json_need_string(node, "action", &rule->action, err);
	if (rc >= 0)
		rc = check_action(rule->action, node, "action", err);
	if (rc >= 0)
		rc = json_u64_at(node, "errnoRet", ERROR_MAX, &error, err);
	if (rc >= 0)
		rc = config_array(node, "args", sizeof(*rule->arguments),
				  &array, &rule->arguments, err);
	rule->argument_count = config_count(&array, rc);
	rule->error = (unsigned int)error;
	for (size_t i = 0; rc > 0 && i < rule->argument_count; i++) {
		struct jnode element = json_element(&array, i);

		rc = read_argument(&rule->arguments[i], &element, err);
		rc = rc < 0 ? rc : 1;
	}
	return rc < 0 ? rc : 0;
}

static int check_names(const struct jnode *node, const char *key,
		       const char **names, size_t count,
		       bool (*knows)(const char *), struct err *err)
{
	const struct jnode array = { .up = node, .key = key };

	for (size_t i = 0; i < count; i++) {
		const struct jnode element = { .up = &array, .index = i };

		if (!knows(names[i]))
			return json_wrong(&element, err, "unknown: \"%s\"",
					  names[i]);
	}
	return 0;
}

static int read_lists(struct filter_profile *profile, const struct jnode *node,
		      struct err *err)
{
	int rc = json_strings_at(node, "architectures", &profile->architectures,
				 &profile->architecture_count, err);

	if (rc >= 0)
		rc = check_names(node, "architectures", profile->architectures,
				 profile->architecture_count,
				 filter_knows_architecture, err);
	if (rc >= 0)
		rc = json_strings_at(node, "flags", &profile->flags,
				     &profile->flag_count, err);
	if (rc >= 0)
		rc = check_names(node, "flags", profile->flags,
				 profile->flag_count, filter_knows_flag, err);
	return rc;
}

/* By name: libseccomp's number has no place outside of sandbox/filter.c. */
static bool notifies(const char *action)
{
	return !strcmp(action, "SCMP_ACT_NOTIFY");
}

static int read_listener(struct config *config, const struct jnode *node,
			 struct err *err)
{
	const struct filter_profile *profile = &config->seccomp;
	const struct jnode path = { .up = node, .key = "listenerPath" };
	const struct jnode action = { .up = node, .key = "defaultAction" };
	int rc = json_string_at(node, "listenerPath", &config->listener_path,
				err);

	if (rc >= 0)
		rc = json_string_at(node, "listenerMetadata",
				    &config->listener_metadata, err);
	if (rc < 0)
		return rc;
	if (config->listener_path && !*config->listener_path)
		config->listener_path = NULL;
	for (size_t i = 0; i < profile->rule_count; i++)
		config->has_notify |= notifies(profile->rules[i].action);
	if (notifies(profile->default_action))
		return json_wrong(
			&action, err,
			"an agent cannot be asked about every call: its own would wait for it");
	if (config->has_notify && !config->listener_path)
		return json_wrong(&path, err, "SCMP_ACT_NOTIFY needs it");
	if (config->listener_metadata && !config->listener_path)
		return json_wrong(&path, err, "listenerMetadata needs it");
	return 0;
}

int config_read_seccomp(struct config *config, const struct jnode *up,
			struct err *err)
{
	struct filter_profile *profile = &config->seccomp;
	uint64_t error = DEFAULT_ERROR;
	struct jnode node;
	struct jnode array;
	int rc = json_object_at(up, "seccomp", &node, err);

	if (rc <= 0)
		return rc;
	config->has_seccomp = true;
	rc = json_need_string(&node, "defaultAction", &profile->default_action,
			      err);
	if (rc >= 0)
		rc = check_action(profile->default_action, &node,
				  "defaultAction", err);
	if (rc >= 0)
		rc = json_u64_at(&node, "defaultErrnoRet", ERROR_MAX, &error,
				 err);
	profile->default_error = (unsigned int)error;
	if (rc >= 0)
		rc = read_lists(profile, &node, err);
	if (rc >= 0)
		rc = config_array(&node, "syscalls", sizeof(*profile->rules),
				  &array, &profile->rules, err);
	profile->rule_count = config_count(&array, rc);
	for (size_t i = 0; rc > 0 && i < profile->rule_count; i++) {
		struct jnode element = json_element(&array, i);

		rc = read_rule(&profile->rules[i], &element, err);
		rc = rc < 0 ? rc : 1;
	}
	return rc < 0 ? rc : read_listener(config, &node, err);
}

void config_seccomp_release(struct filter_profile *profile)
{
	for (size_t i = 0; i < profile->rule_count; i++) {
		free(profile->rules[i].names);
		free(profile->rules[i].arguments);
	}
	free(profile->rules);
	free(profile->architectures);
	free(profile->flags);
}
