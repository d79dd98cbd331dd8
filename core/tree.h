/*
 * Trees of files: what a folder has, and removal. Nothing is followed out of
 * the tree: neither links nor mounts. One thread.
 */
#ifndef CORE_TREE_H
#define CORE_TREE_H

#include "core/err.h"

/* Calls @each with every name in the folder that @dir stands for (O_PATH will
 * do), until one call returns other than 0, which is returned. What is removed
 * meanwhile may be told of or not. */
int tree_each(int dir, int (*each)(void *opaque, const char *name),
	      void *opaque, struct err *err);

/* Removes @name in @dir with all below; a missing one is fine. */
int tree_remove(int dir, const char *name, struct err *err);

/* Removes all in the folder that @dir stands for. */
int tree_clear(int dir, struct err *err);

#endif
