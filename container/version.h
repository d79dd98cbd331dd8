/* Which hull-ct this is. The build puts it together from the repository. */
#ifndef CONTAINER_VERSION_H
#define CONTAINER_VERSION_H

extern const char hull_ct_date[]; /* of the commit, "November 21, 2026" */
extern const char hull_ct_version[]; /* "0.1-1234567", "0.1" without git */

#endif
