/*
 * A shorter program for seccomp(2) that answers the same. The kernel checks,
 * converts and compiles each instruction whenever a program is loaded, and
 * libseccomp writes at least one for each number of a system call, while most
 * neighbours have the same outcome.
 */
#ifndef SANDBOX_FILTER_SHORT_H
#define SANDBOX_FILTER_SHORT_H

#include <linux/filter.h>
#include <stddef.h>

/*
 * Shortens the @len instructions at @code in place and returns how many they
 * are now. Where anything is not understood, would not be shorter or does not
 * answer the same, all stays as it is and @len is returned. Any thread;
 * allocates.
 */
size_t filter_shorten(struct sock_filter *code, size_t len);

#endif
