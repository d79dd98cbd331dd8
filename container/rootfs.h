/*
 * The root filesystem of a launched container as one detached mount: a folder,
 * or an overlay of its layers, with IDs shifted into its user namespace.
 */
#ifndef CONTAINER_ROOTFS_H
#define CONTAINER_ROOTFS_H

#include "container/home.h"

/* A descriptor that the caller closes. Nothing stays mounted anywhere. */
int rootfs_open(const struct home *home, struct err *err);

/*
 * The same read-only, with the IDs that the container sees itself; it may be
 * running. What it changes meanwhile is seen or not (overlayfs.rst, "Changes to
 * underlying filesystems"); nothing of its is disturbed.
 */
int rootfs_open_to_read(const struct home *home, struct err *err);

#endif
