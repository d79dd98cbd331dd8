/*
 * Writes the present root directory as a tar archive in the format of pax(1),
 * which every tar of today reads. The tree belongs to others, who may change it
 * meanwhile: no link is followed, only regular files are read. The caller has
 * made a root of it and has given up all rights but reading.
 *
 * In the archive: owners by number, modes, times to the nanosecond, hard links
 * as such, holes as holes, device nodes and FIFOs, and the attributes user.*,
 * security.capability and ACLs. Left out: sockets, which no archive can hold.
 */
#ifndef UNPACK_PACK_H
#define UNPACK_PACK_H

#include "core/err.h"

/*
 * @filter is "none", "gzip" or "zstd"; the archive goes to @fd. While @progress
 * is a descriptor, lines "= BYTES FILES" go to it a few times a second.
 */
int pack_tree(int fd, const char *filter, int progress, struct err *err);

#endif
