/*
 * Applies one layer of an image, a tar stream of any compression, to the
 * present root directory (OCI image-spec 1.1, layer.md). The archive is
 * hostile: the caller has made a root of the target, so that no link and no
 * ".." leads out of it, and has given up all rights that are not needed.
 *
 * Refused: ".." in names, IDs that a container does not have, more bytes or
 * entries than allowed. Left out: device nodes, sockets, attributes other than
 * user.*, security.capability and ACLs.
 */
#ifndef UNPACK_LAYER_H
#define UNPACK_LAYER_H

#include "core/err.h"

struct layer_limits {
	uint64_t bytes; /* of all files */
	uint64_t entries;
	uint32_t ids; /* above the largest ID */
	bool plain; /* all there is: ".wh." in names means nothing */
};

/* @fd is a regular file, read twice from its begin: what lower layers had is
 * taken away first, whatever the order in the archive is. When it is plain, it
 * is read once, from where it is, and may be a pipe. */
int layer_apply(int fd, const struct layer_limits *limits, struct err *err);

#endif
