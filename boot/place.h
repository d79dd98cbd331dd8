/*
 * Which places in low memory a kernel may be loaded to: those where nothing is
 * put that it is entered with. Main thread.
 */
#ifndef BOOT_PLACE_H
#define BOOT_PLACE_H

#include <stdbool.h>

#include "core/err.h"
#include "core/gmem.h"

enum place_rules {
	PLACE_HIGH, /* Linux and PVH: nothing below 1 MiB */
	PLACE_MULTIBOOT,
	PLACE_FLAT, /* protected and long mode */
	PLACE_REAL, /* real mode, for which no tables are made */
};

/*
 * Checks [@gpa, @gpa + @size_bytes), which does not wrap; for the sentence,
 * @what of @path is there, such as "a segment".
 */
int place_check(enum place_rules rules, gpa_t gpa, uint64_t size_bytes,
		const char *path, const char *what, struct err *err);

/* Memory that is free, from its beginning on. */
struct place_room {
	gpa_t start;
	gpa_t end;
};

/* What a place is looked for. */
struct place_wish {
	struct place_room within; /* ends below 2^63 */
	uint64_t size_bytes;
	uint64_t align; /* a power of two */
	bool highest; /* else the lowest */
};

/* A place that no rule forbids. Whether there is one. */
bool place_find(enum place_rules rules, const struct place_wish *wish,
		gpa_t *ret_gpa);

#endif
