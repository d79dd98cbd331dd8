/* Which hull this is. The build puts it together from the repository. */
#ifndef VMM_VERSION_H
#define VMM_VERSION_H

extern const char hull_version[]; /* "0.1-1234567", "0.1" without git */
extern const char hull_date[]; /* of the last change: "January 31, 2025" */

#endif
