/*
 * A configuration as a JSON file. The keys are the names of the options:
 *
 *   {
 *     "kernel": "vmlinuz",
 *     "cpus": 2,
 *     "memory": { "size": "1G", "hugepages": "2M" },
 *     "console": { "file": "console.log" }
 *   }
 *
 * Flags and on|off are true or false; numbers, sizes and durations are numbers
 * or strings, read as on the command line; a structured option is an object of
 * its keys (a key without a value is true) or a string as on the command line;
 * a list is an array. Unknown keys, doubled keys and wrong types are errors
 * with "file:line:column: path.of.key". Written texts use the object form and
 * the order of the option table, so a dump that is read back and dumped again
 * has the same bytes.
 */
#ifndef VMM_CONFIG_JSON_H
#define VMM_CONFIG_JSON_H

#include <stddef.h>

#include "core/err.h"
#include "vmm/config.h"
#include "vmm/options.h"

#define CONFIG_JSON_MAX_BYTES MIB

/* -EINVAL for content; what open or read said otherwise. */
int config_json_load(struct vm_config *config, const char *path,
		     struct err *err);

/*
 * The same for any table and a text in memory; @file is its name in sentences.
 * On failure the target is partly changed and still releasable.
 */
int options_from_json(const struct option_table *table, void *target,
		      const char *file, const char *text, size_t text_len,
		      struct err *err);

/*
 * The text ends with a newline and belongs to the caller (free). -EINVAL when
 * a string is not valid UTF-8, which JSON cannot carry.
 */
int options_to_json(const struct option_table *table, void *target,
		    char **ret_text, struct err *err);

#endif
