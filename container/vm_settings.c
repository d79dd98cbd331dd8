/* What the guest is told on its first disk, from the configuration. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "container/net_setup.h"
#include "container/vm.h"
#include "container/vm_parts.h"
#include "core/agent.h"
#include "core/bytes.h"

#define SECTOR 512
#define HEAD   12 /* magic and length */

void vm_say(const struct vm_block *block, const char *key, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)fprintf(block->file, "%s=", key);
	(void)vfprintf(block->file, fmt, args);
	(void)fputc('\0', block->file);
	va_end(args);
}

void vm_say_address(const struct vm_block *block,
		    const struct link_address *address)
{
	char text[NET_ADDRESS_TEXT];

	vm_say(block, "address", "%s/%u", net_address_text(address, text),
	       address->prefix);
}

void vm_say_route(const struct vm_block *block, const struct link_route *route)
{
	char to[NET_ADDRESS_TEXT];
	char by[NET_ADDRESS_TEXT] = "0.0.0.0";

	if (route->gateway.family)
		net_address_text(&route->gateway, by);
	else if (route->to.family == AF_INET6)
		memcpy(by, "::", sizeof("::"));
	vm_say(block, "route", "%s/%u %s", net_address_text(&route->to, to),
	       route->to.prefix, by);
}

static void say_process(const struct vm_block *block,
			const struct config_process *process)
{
	for (const char **word = process->args; *word; word++)
		vm_say(block, "arg", "%s", *word);
	for (const char **word = process->env; *word; word++)
		vm_say(block, "env", "%s", *word);
	vm_say(block, "cwd", "%s", process->cwd);
	vm_say(block, "uid", "%u", process->uid);
	vm_say(block, "gid", "%u", process->gid);
	for (size_t i = 0; i < process->group_count; i++)
		vm_say(block, "group", "%u", process->groups[i]);
	for (size_t i = 0; i < process->rlimit_count; i++)
		vm_say(block, "limit", "%d %" PRIu64 " %" PRIu64,
		       process->rlimits[i].resource,
		       (uint64_t)process->rlimits[i].limit.rlim_cur,
		       (uint64_t)process->rlimits[i].limit.rlim_max);
	vm_say(block, "caps", "%" PRIx64, process->caps.bounding);
	vm_say(block, "ambient", "%" PRIx64, process->caps.ambient);
	if (process->has_umask)
		vm_say(block, "umask", "%o", process->umask);
	vm_say(block, "no-new-privs", "%d", process->no_new_privileges);
	vm_say(block, "terminal", "%d", process->terminal);
}

int vm_process_settings(const struct config_process *process, bool detach,
			char **ret_text, size_t *ret_size, struct err *err)
{
	struct vm_block block = { .file = NULL };

	block.file = open_memstream(ret_text, ret_size);
	if (!block.file)
		return err_sys(err, ENOMEM, "no memory");
	say_process(&block, process);
	vm_say(&block, "detach", "%d", detach);
	if (fclose(block.file))
		return err_sys(err, ENOMEM, "no memory");
	return *ret_size > AGENT_BLOCK_MAX ?
		       err_set(err, E2BIG,
			       "arguments and environment are too long") :
		       0;
}

static void say_machine(const struct vm_block *block, const struct home *home,
			const struct config *config, const json_t *tree)
{
	const json_t *resources =
		json_object_get(json_object_get(tree, "linux"), "resources");
	json_int_t pids = json_integer_value(
		json_object_get(json_object_get(resources, "pids"), "limit"));

	if (config->hostname)
		vm_say(block, "hostname", "%s", config->hostname);
	vm_say(block, "read-only", "%d", config->root_read_only);
	vm_say(block, "root", "%s", home->vm_root);
	vm_say(block, "layers", "%zu", home->layer_count);
	vm_say(block, "stop-signal", "%d", home->stop_signal);
	if (pids > 0)
		vm_say(block, "pids", "%lld", (long long)pids);
}

static void say_files(const struct vm_block *block, const struct net_plan *plan,
		      const char *hostname)
{
	for (size_t i = 0; i < NET_FILES; i++) {
		const char *target;
		autofree char *text =
			net_files_text(i, plan, hostname, &target);

		if (text)
			vm_say(block, "file", "%s=%s", target, text);
	}
}

static int say_network(const struct vm_block *block,
		       const struct config *config, const json_t *tree,
		       struct err *err)
{
	autofree struct net_plan *plan = NULL;
	const struct net_interface *it;
	int rc =
		net_plan_read(json_object_get(tree, "annotations"), &plan, err);

	if (rc || !plan || !plan->interface_count)
		return rc;
	it = &plan->interfaces[0];
	vm_say(block, "network", "1");
	for (size_t i = 0; i < it->address_count; i++)
		vm_say_address(block, &it->addresses[i]);
	for (size_t i = 0; i < it->route_count; i++)
		vm_say_route(block, &it->routes[i]);
	say_files(block, plan, config->hostname);
	return 0;
}

int vm_settings(const struct home *home, const struct config *config,
		const json_t *tree, void **ret_block, size_t *ret_size,
		struct err *err)
{
	struct vm_block block = { .file = NULL };
	char head[HEAD] = AGENT_MAGIC;
	char *text = NULL;
	size_t size = 0;
	size_t room;
	int rc;

	block.file = open_memstream(&text, &size);
	if (!block.file)
		return err_sys(err, ENOMEM, "no memory");
	(void)fwrite(head, 1, sizeof(head), block.file);
	say_process(&block, &config->process);
	say_machine(&block, home, config, tree);
	rc = say_network(&block, config, tree, err);
	if (!rc && home->vm_engine)
		rc = vm_bundle_say_network(&block, config, err);
	if (!rc)
		rc = home->vm_engine ? vm_bundle_say(&block, config, err) :
				       vm_share_say_all(&block, config, err);
	room = (size_t)align_up((uint64_t)ftell(block.file), SECTOR);
	if (fclose(block.file) && !rc)
		rc = err_sys(err, ENOMEM, "no memory");
	if (rc) {
		free(text);
		return rc;
	}
	if (size > AGENT_BLOCK_MAX) {
		free(text);
		return err_set(err, E2BIG,
			       "arguments and environment are too long");
	}
	store_le32(text + sizeof(AGENT_MAGIC), (uint32_t)(size - HEAD));
	*ret_block = calloc(1, room);
	if (*ret_block)
		memcpy(*ret_block, text, size);
	free(text);
	*ret_size = room;
	return *ret_block ? 0 : err_sys(err, ENOMEM, "no memory");
}
