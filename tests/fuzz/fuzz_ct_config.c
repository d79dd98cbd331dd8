/*
 * Any text as a container's config.json, as the file of `exec --process` and as
 * that of `update --resources`. What is refused must have a sentence of one
 * line, and a filter that was read must compile or be refused in the same way.
 */
#include <stdlib.h>
#include <string.h>

#include "container/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_sentence(int rc, const struct err *err)
{
	if (rc >= 0)
		return;
	require(err->code > 0 && err->msg[0]);
	for (const char *c = err->msg; *c; c++)
		require((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void read_parts(json_t *tree)
{
	const struct jnode root = { .value = tree };
	struct config_process process = { .cwd = NULL };
	struct config_resources resources = { .settings = NULL };
	struct err err = { 0 };

	check_sentence(config_read_process(&process, &root, &err), &err);
	config_process_release(&process);
	err = (struct err){ 0 };
	check_sentence(config_read_resources(&resources, &root, &err), &err);
	config_resources_release(&resources);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct filter_program program = { .code = NULL };
	struct config config;
	struct err err = { 0 };
	json_t *tree =
		json_parse((const char *)data, size, "config.json", &err);
	int rc;

	if (!tree) {
		check_sentence(-1, &err);
		return 0;
	}
	if (json_is_object(tree))
		read_parts(tree);
	rc = config_read(&config, tree, &err);
	check_sentence(rc, &err);
	if (!rc) {
		require(config.root_path);
		for (size_t i = 0; i < config.mount_count; i++)
			require(config.mounts[i].plan.target[0] == '/');
		if (config.cgroups_path)
			(void)cgroup_check_path(config.cgroups_path, &err);
	}
	if (!rc && config.has_seccomp) {
		rc = filter_compile(&config.seccomp, -1, &program, &err);
		check_sentence(rc, &err);
		filter_release(&program);
	}
	config_dispose(&config);
	return 0;
}
