/*
 * What reading and writing archives agree on: how a name is put into an error,
 * and which attributes of a file are its own.
 */
#ifndef UNPACK_NAME_H
#define UNPACK_NAME_H

#include "core/err.h"

/* "NAME: WHY", where control characters of the name are "?". -EINVAL. */
int name_refuse(struct err *err, const char *name, const char *why);

/* Others are the host's, or of the filesystem the file happens to be on. */
bool name_is_kept_xattr(const char *name);

#endif
