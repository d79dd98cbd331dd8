/*
 * Boot modules: files that lie in guest memory as they are, beside the kernel,
 * each with a text of its own. Main thread.
 */
#ifndef BOOT_MODULES_H
#define BOOT_MODULES_H

#include "boot/file.h"
#include "boot/place.h"
#include "core/err.h"
#include "core/gmem.h"

#define MODULES_MAX 32

struct module {
	const char *text; /* borrowed: "FILE ARGS", as the user wrote it */
	gpa_t start; /* a multiple of 4096 */
	uint64_t size_bytes;
};

struct module_list {
	struct module modules[MODULES_MAX];
	unsigned int count;
};

/*
 * Adds a module at the beginning of *room, which is below the PCI hole and
 * shrinks: @text is the path, and the module's own words behind a blank.
 */
int modules_add(struct module_list *list, const char *text,
		struct place_room *room, const struct gmem *gmem,
		struct err *err);
/* The same with a file, or a part of one, that is open. */
int modules_add_file(struct module_list *list, const char *text,
		     const struct boot_file *file, struct place_room *room,
		     const struct gmem *gmem, struct err *err);

#endif
