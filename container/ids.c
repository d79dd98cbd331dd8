/*
 * Which IDs of the host a new container gets: 65536 that no other has, out of
 * what subuid(5) and subgid(5) give to root. When they give it nothing, as is
 * the rule where nobody but hull-ct asks, from a range of our own. Users seldom
 * have more than that many, so that theirs are the same for all of theirs.
 */
#include "container/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "container/vm_engine.h"
#include "core/parse.h"
#include "sandbox/procfs.h"

#define SUBUID "/etc/subuid"
#define SUBGID "/etc/subgid"

/*
 * Ours: above those that useradd deals out to users and those of
 * systemd-nspawn, below 2^31, which some programs take for negative.
 */
#define FIRST_BASE 0x70000000U
#define END_BASE   0x7fff0000U

#define RANGES_MAX 256

/* [first, end) */
struct range {
	uint64_t first;
	uint64_t end;
};

struct ranges {
	struct range list[RANGES_MAX];
	size_t count;
};

struct search {
	struct ranges uids; /* of root */
	struct ranges gids;
	struct ranges others; /* of whoever else, in ours, of both kinds */
	uint32_t *taken; /* owned; the bases of containers */
	size_t taken_count;
	size_t room;
};

/* Whose lines are looked for, by name or number. */
struct owner {
	char name[64]; /* "" where it has none */
	uint32_t id;
};

static const struct owner root_owner = { "root", 0 };

/* ---- the files ---- */

static bool is_owner(const struct owner *owner, const char *text)
{
	uint64_t id;

	return (*owner->name && !strcmp(owner->name, text)) ||
	       (!parse_u64(text, &id) && id == owner->id);
}

static int add_range(struct ranges *ranges, const char *path, uint64_t first,
		     uint64_t count, struct err *err)
{
	if (ranges->count == RANGES_MAX)
		return err_set(err, E2BIG,
			       "%s has more than %d lines that matter", path,
			       RANGES_MAX);
	ranges->list[ranges->count++] = (struct range){ first, first + count };
	return 0;
}

/* NAME:FIRST:COUNT; what is none is passed over, as newuidmap(1) does. */
static int read_line(char *line, const char *path, const struct owner *owner,
		     struct ranges *own, struct ranges *others, struct err *err)
{
	char *rest = line;
	const char *name = strsep(&rest, ":");
	const char *first_text = strsep(&rest, ":");
	const char *count_text = strsep(&rest, "\n");
	uint64_t first;
	uint64_t count;

	if (!first_text || !count_text || parse_u64(first_text, &first) ||
	    parse_u64(count_text, &count) || first >= UINT32_MAX || !count ||
	    count > UINT32_MAX - first)
		return 0;
	if (is_owner(owner, name))
		return add_range(own, path, first, count, err);
	/* Of many users few are in our way. */
	return others && first < END_BASE && first + count > FIRST_BASE ?
		       add_range(others, path, first, count, err) :
		       0;
}

static int read_ranges(const char *path, const struct owner *owner,
		       struct ranges *own, struct ranges *others,
		       struct err *err)
{
	FILE *file = fopen(path, "re");
	autofree char *line = NULL;
	size_t size = 0;
	int rc = 0;

	if (!file)
		return errno == ENOENT ?
			       0 :
			       err_sys(err, errno, "cannot open %s", path);
	while (!rc && getline(&line, &size, file) >= 0)
		rc = read_line(line, path, owner, own, others, err);
	(void)fclose(file);
	return rc;
}

/* ---- who has which ---- */

static int note_base(void *opaque, uint32_t base)
{
	struct search *search = opaque;
	uint32_t *more;

	if (search->taken_count == search->room) {
		search->room = search->room ? search->room * 2 : 64;
		more = realloc(search->taken, search->room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		search->taken = more;
	}
	search->taken[search->taken_count++] = base;
	return 0;
}

static int note_home(void *opaque, struct home *home)
{
	return home->privileged || home->shares_ids ?
		       0 :
		       note_base(opaque, home->id_base);
}

static bool is_taken(const struct search *search, uint64_t base)
{
	for (size_t i = 0; i < search->taken_count; i++) {
		uint64_t other = search->taken[i];

		if (base < other + HOME_ID_COUNT &&
		    other < base + HOME_ID_COUNT)
			return true;
	}
	return false;
}

static bool overlaps(const struct ranges *ranges, uint64_t base)
{
	for (size_t i = 0; i < ranges->count; i++) {
		if (base < ranges->list[i].end &&
		    ranges->list[i].first < base + HOME_ID_COUNT)
			return true;
	}
	return false;
}

static bool contains(const struct ranges *ranges, uint64_t base)
{
	for (size_t i = 0; i < ranges->count; i++) {
		if (base >= ranges->list[i].first &&
		    base + HOME_ID_COUNT <= ranges->list[i].end)
			return true;
	}
	return false;
}

static int choose_of_root(const struct search *search, uint32_t *ret_base,
			  struct err *err)
{
	for (size_t i = 0; i < search->uids.count; i++) {
		const struct range *range = &search->uids.list[i];

		for (uint64_t base = range->first;
		     base + HOME_ID_COUNT <= range->end;
		     base += HOME_ID_COUNT) {
			if (!contains(&search->gids, base) ||
			    is_taken(search, base))
				continue;
			*ret_base = (uint32_t)base;
			return 0;
		}
	}
	return err_set(
		err, ENOSPC,
		"of the ranges that " SUBUID " and " SUBGID
		" both give to root, no %d IDs are left: destroy a container, or add a line root:FIRST:COUNT to both",
		HOME_ID_COUNT);
}

static int choose_of_ours(const struct search *search, uint32_t *ret_base,
			  struct err *err)
{
	for (uint32_t base = FIRST_BASE; base < END_BASE;
	     base += HOME_ID_COUNT) {
		if (overlaps(&search->others, base) || is_taken(search, base))
			continue;
		*ret_base = base;
		return 0;
	}
	return err_set(err, ENOSPC,
		       "all ranges of IDs are taken: destroy a container");
}

int ids_new(struct context *context, uint32_t *ret_base, struct err *err)
{
	autofree struct search *search = calloc(1, sizeof(*search));
	int rc;

	if (!search)
		return err_sys(err, ENOMEM, "no memory");
	rc = read_ranges(SUBUID, &root_owner, &search->uids, &search->others,
			 err);
	if (!rc)
		rc = read_ranges(SUBGID, &root_owner, &search->gids,
				 &search->others, err);
	if (!rc) {
		rc = home_each(context, note_home, search, err);
		if (!rc)
			rc = vm_engine_each_base(context, note_base, search,
						 err);
		if (rc && !err->code)
			err_sys(err, -rc, "cannot tell which IDs are taken");
	}
	if (!rc)
		rc = search->uids.count || search->gids.count ?
			     choose_of_root(search, ret_base, err) :
			     choose_of_ours(search, ret_base, err);
	free(search->taken);
	return rc;
}

/* ---- of a user ---- */

#define PASSWD "/etc/passwd"

/* The name that passwd(5) has for the caller. */
static void find_name(struct owner *owner)
{
	FILE *file = fopen(PASSWD, "re");
	autofree char *line = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) >= 0) {
		char *rest = line;
		const char *name = strsep(&rest, ":");
		const char *id_text;
		uint64_t id;

		(void)strsep(&rest, ":");
		id_text = strsep(&rest, ":");
		if (!id_text || parse_u64(id_text, &id) || id != owner->id)
			continue;
		snprintf(owner->name, sizeof(owner->name), "%s", name);
		break;
	}
	if (file)
		(void)fclose(file);
}

/* Fills the map from the caller's own ID on. False: there are too few. */
static bool fill(const struct ranges *ranges, uint32_t own,
		 struct userns_map list[IDS_MAPS_MAX], struct userns_maps *maps)
{
	uint32_t next = 1;

	list[0] = (struct userns_map){ .outside = own, .count = 1 };
	*maps = (struct userns_maps){ .maps = list, .count = 1 };
	for (size_t i = 0; i < ranges->count && maps->count < IDS_MAPS_MAX &&
			   next < HOME_ID_COUNT;
	     i++) {
		const struct range *range = &ranges->list[i];
		uint32_t count = (uint32_t)min_u64(range->end - range->first,
						   HOME_ID_COUNT - next);

		list[maps->count++] = (struct userns_map){
			.inside = next,
			.outside = (uint32_t)range->first,
			.count = count,
		};
		next += count;
	}
	return next == HOME_ID_COUNT;
}

int ids_of_caller(struct ids *ret_ids, struct err *err)
{
	autofree struct search *search = calloc(1, sizeof(*search));
	struct owner owner = { .id = geteuid() };
	const char *lacks = NULL;
	int rc;

	if (!search)
		return err_sys(err, ENOMEM, "no memory");
	find_name(&owner);
	if (!*owner.name)
		snprintf(owner.name, sizeof(owner.name), "%u", owner.id);
	rc = read_ranges(SUBUID, &owner, &search->uids, NULL, err);
	if (!rc)
		rc = read_ranges(SUBGID, &owner, &search->gids, NULL, err);
	if (rc)
		return rc;
	if (!fill(&search->uids, owner.id, ret_ids->uid_list, &ret_ids->uids))
		lacks = SUBUID;
	else if (!fill(&search->gids, getegid(), ret_ids->gid_list,
		       &ret_ids->gids))
		lacks = SUBGID;
	if (!lacks)
		return 0;
	return err_set(
		err, EPERM,
		"%s gives the user %s less than the %d IDs that a container needs: have root run usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s, with a range that nobody has",
		lacks, owner.name, HOME_ID_COUNT - 1, owner.name);
}

/* ---- of the user namespace that we are in ---- */

/* What ours has from @first on, as itself; false: nothing. */
static bool find_part(const struct userns_map *own, size_t count,
		      uint32_t first, struct userns_map *ret_part)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t end = (uint64_t)own[i].inside + own[i].count;

		if (first < own[i].inside || first >= end)
			continue;
		*ret_part = (struct userns_map){
			.inside = first,
			.outside = first,
			.count = (uint32_t)min_u64(end, HOME_ID_COUNT) - first,
		};
		return true;
	}
	return false;
}

static int copy_map(int proc, const char *file,
		    struct userns_map list[IDS_MAPS_MAX],
		    struct userns_maps *maps, struct err *err)
{
	struct userns_map own[IDS_MAPS_MAX];
	uint32_t next = 0;
	size_t count = 0;
	int rc = userns_read(proc, file, own, IDS_MAPS_MAX, &count);

	if (rc)
		return err_sys(err, -rc, "cannot read %s", file);
	*maps = (struct userns_maps){ .maps = list };
	while (next < HOME_ID_COUNT && maps->count < IDS_MAPS_MAX &&
	       find_part(own, count, next, &list[maps->count]))
		next += list[maps->count++].count;
	return next == HOME_ID_COUNT ?
		       0 :
		       err_set(err, EPERM,
			       "this user namespace has only %u IDs, by its %s, where a container needs %d: give it more, or call run, with a bundle of spec",
			       next, file, HOME_ID_COUNT);
}

int ids_of_namespace(struct ids *ret_ids, struct err *err)
{
	autoclose int proc = procfs_open(err);
	int rc = proc < 0 ? proc :
			    copy_map(proc, "uid_map", ret_ids->uid_list,
				     &ret_ids->uids, err);

	return rc ? rc :
		    copy_map(proc, "gid_map", ret_ids->gid_list, &ret_ids->gids,
			     err);
}
