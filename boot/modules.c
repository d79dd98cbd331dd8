#include "boot/modules.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/util.h"

#define PAGE_BYTES 4096

int modules_add_file(struct module_list *list, const char *text,
		     const struct boot_file *file, struct place_room *room,
		     const struct gmem *gmem, struct err *err)
{
	struct module module = { .text = text, .size_bytes = file->size_bytes };
	void *to = NULL;
	int rc;

	if (list->count == MODULES_MAX)
		return err_set(err, EINVAL, "there are more than %d modules",
			       MODULES_MAX);
	module.start = align_up(room->start, PAGE_BYTES);
	if (module.start < room->end &&
	    file->size_bytes <= room->end - module.start)
		to = gmem_ptr(gmem, module.start, file->size_bytes);
	if (!to)
		return err_set(err, ENOMEM,
			       "module %s (%" PRIu64 " MiB) does not fit into "
			       "%" PRIu64 " MiB of guest memory beside the "
			       "kernel; use --memory",
			       file->path,
			       align_up(file->size_bytes, MIB) / MIB,
			       gmem->size_bytes / MIB);
	rc = boot_file_read(file, 0, to, (size_t)file->size_bytes, err);
	if (rc)
		return rc;
	list->modules[list->count++] = module;
	room->start = module.start + module.size_bytes;
	return 0;
}

int modules_add(struct module_list *list, const char *text,
		struct place_room *room, const struct gmem *gmem,
		struct err *err)
{
	autofree char *path = strndup(text, strcspn(text, " "));
	struct boot_file file;
	int rc;

	if (!path)
		return err_set(err, ENOMEM, "no memory for a module's name");
	rc = boot_file_open(path, "module", &file, err);
	if (rc)
		return rc;
	rc = modules_add_file(list, text, &file, room, gmem, err);
	boot_file_close(&file);
	return rc;
}
