/*
 * The words that the OCI runtime specification uses for numbers of the kernel:
 * namespaces, resource limits, signals. Constant tables; any thread.
 */
#ifndef SANDBOX_NAMES_H
#define SANDBOX_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct name_value {
	const char *name;
	uint64_t value;
};

/* CLONE_NEW*: "pid", "network", "mount", ... Ends with a NULL name. */
extern const struct name_value names_of_namespaces[];

/* RLIMIT_*: "RLIMIT_NOFILE", ... */
extern const struct name_value names_of_rlimits[];

/* "TERM" and so on; see names_signal. */
extern const struct name_value names_of_signals[];

/* The entry of @name, or NULL. */
const struct name_value *names_find(const struct name_value *table,
				    const char *name);

/* "SIGTERM", "term" or "15"; -1 when it is none. */
int names_signal(const char *text);

/* The file in /proc/PID/ns of a namespace type: "net" for CLONE_NEWNET. */
const char *names_ns_file(uint64_t flag);

#endif
