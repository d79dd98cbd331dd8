/*
 * /etc/resolv.conf, /etc/hosts and /etc/hostname of a container with a network:
 * files in its folder, bound over those of the image.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "container/net_setup.h"

#define HOST_RESOLV "/etc/resolv.conf"

static const struct net_file {
	const char *name; /* in the container's folder */
	const char *target;
} files[NET_FILES] = {
	{ "resolv.conf", "/etc/resolv.conf" },
	{ "hosts", "/etc/hosts" },
	{ "hostname", "/etc/hostname" },
};

/* ---- resolv.conf(5) ---- */

static bool is_word(const char *line, const char *word)
{
	size_t len = strlen(word);

	return !strncmp(line, word, len) &&
	       (line[len] == ' ' || line[len] == '\t');
}

/* A server on the host's loopback is not there in a namespace of one's own. */
static bool is_usable(const char *line, bool shares_host)
{
	char text[NET_ADDRESS_TEXT];
	struct link_address address;
	size_t len;

	line += strlen("nameserver");
	line += strspn(line, " \t");
	len = strcspn(line, " \t\n%");
	if (shares_host)
		return true;
	if (len >= sizeof(text))
		return false;
	memcpy(text, line, len);
	text[len] = '\0';
	if (net_address_parse(text, &address))
		return false;
	return address.family == AF_INET ?
		       address.bytes[0] != 127 :
		       memcmp(address.bytes, &in6addr_loopback, 16) != 0;
}

/* The host's lines, but for those that the plan replaces. */
static void copy_host(FILE *to, const struct net_plan *plan)
{
	FILE *from = fopen(HOST_RESOLV, "re");
	char line[1024];

	while (from && fgets(line, sizeof(line), from)) {
		bool is_server = is_word(line, "nameserver");
		bool is_search = is_word(line, "search") ||
				 is_word(line, "domain");

		if ((is_server &&
		     (plan->server_count || !is_usable(line, plan->host))) ||
		    (is_search && plan->domain_count))
			continue;
		if (is_server || is_search || is_word(line, "options"))
			fputs(line, to);
	}
	if (from)
		fclose(from);
}

static void write_resolv(FILE *to, const struct net_plan *plan)
{
	char text[NET_ADDRESS_TEXT];

	copy_host(to, plan);
	for (size_t i = 0; i < plan->server_count; i++)
		fprintf(to, "nameserver %s\n",
			net_address_text(&plan->servers[i], text));
	if (plan->domain_count)
		fputs("search", to);
	for (size_t i = 0; i < plan->domain_count; i++)
		fprintf(to, " %s", plan->domains[i]);
	if (plan->domain_count)
		fputs("\n", to);
}

/* ---- hosts(5), hostname(5) ---- */

static void write_hosts(FILE *to, const struct net_plan *plan,
			const char *hostname)
{
	const struct net_interface *first = &plan->interfaces[0];
	char text[NET_ADDRESS_TEXT];

	fputs("127.0.0.1\tlocalhost\n"
	      "::1\tlocalhost ip6-localhost ip6-loopback\n",
	      to);
	for (size_t i = 0;
	     hostname && plan->interface_count && i < first->address_count; i++)
		fprintf(to, "%s\t%s\n",
			net_address_text(&first->addresses[i], text), hostname);
	if (hostname && (!plan->interface_count || !first->address_count))
		fprintf(to, "127.0.1.1\t%s\n", hostname);
	for (size_t i = 0; i < plan->host_count; i++)
		fprintf(to, "%s\t%s\n",
			net_address_text(&plan->hosts[i].address, text),
			plan->hosts[i].name);
}

/* The text of file @index in memory of the caller's; NULL without memory. */
static char *make_text(size_t index, const struct net_plan *plan,
		       const char *hostname, size_t *ret_len)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, ret_len);

	if (!to)
		return NULL;
	if (index == 0)
		write_resolv(to, plan);
	else if (index == 1)
		write_hosts(to, plan, hostname);
	else
		fprintf(to, "%s\n", hostname);
	if (fclose(to))
		free(move_ptr(&text));
	return text;
}

char *net_files_text(size_t index, const struct net_plan *plan,
		     const char *hostname, const char **ret_target)
{
	size_t len = 0;

	*ret_target = files[index].target;
	return make_text(index, plan, hostname ? hostname : "", &len);
}

/* ---- all of them ---- */

static bool has_mount(const struct config *config, const char *target)
{
	for (size_t i = 0; i < config->mount_count; i++) {
		if (!strcmp(config->mounts[i].plan.target, target))
			return true;
	}
	return false;
}

/* Root of the container's, as the host numbers it. */
static uint32_t outer_id(const struct userns_maps *maps)
{
	for (size_t i = 0; i < maps->count; i++) {
		if (!maps->maps[i].inside)
			return maps->maps[i].outside;
	}
	return 0;
}

static int make_file(const struct state *state, const struct net_plan *plan,
		     struct config *config, size_t index, struct err *err)
{
	const struct net_file *file = &files[index];
	struct config_mount *mount = &config->mounts[config->mount_count];
	size_t len = 0;
	autofree char *text = make_text(index, plan, config->hostname, &len);
	int rc;

	if (!text)
		return err_sys(err, ENOMEM, "%s", file->name);
	rc = state_write_file(state->dir, file->name, text, len, err);
	if (rc)
		return rc;
	if (fchownat(state->dir, file->name, outer_id(&config->uids),
		     outer_id(&config->gids), AT_SYMLINK_NOFOLLOW) ||
	    fchmodat(state->dir, file->name, 0644, 0))
		return err_sys(err, errno, "cannot give %s away", file->name);
	*mount = (struct config_mount){
		.plan = { .target = file->target,
			  .source = file->name,
			  .is_bind = true,
			  .one = { .set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					  MOUNT_ATTR_NOEXEC },
			  .tree = -1,
			  .idmap_fd = -1 },
	};
	config->mount_count++;
	return mount_open_source(&mount->plan, state->dir, err);
}

int net_files_make(const struct state *state, const struct net_plan *plan,
		   struct config *config, struct err *err)
{
	struct config_mount *mounts;
	int rc = 0;

	if (plan->none && !plan->server_count && !plan->host_count)
		return 0;
	mounts = reallocarray(config->mounts, config->mount_count + NET_FILES,
			      sizeof(*mounts));
	if (!mounts)
		return err_sys(err, ENOMEM, "mounts");
	config->mounts = mounts;
	for (size_t i = 0; !rc && i < NET_FILES; i++) {
		/* The configuration's own come first. */
		if (!has_mount(config, files[i].target) &&
		    (i < 2 || config->hostname))
			rc = make_file(state, plan, config, i, err);
	}
	return rc;
}

void net_files_remove(const struct state *state)
{
	for (size_t i = 0; i < NET_FILES; i++) {
		char name[32];

		unlinkat(state->dir, files[i].name, 0);
		snprintf(name, sizeof(name), ".%s.new", files[i].name);
		unlinkat(state->dir, name, 0);
	}
}
