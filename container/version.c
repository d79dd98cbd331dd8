#include "container/version.h"

#define RELEASE "0.1"

/* From the Makefile; a build without a repository does without. */
#ifndef HULL_COMMIT
#define HULL_COMMIT ""
#endif

#ifndef HULL_DATE
#define HULL_DATE "January 1, 2025"
#endif

const char hull_ct_date[] = HULL_DATE;
const char hull_ct_version[] = RELEASE HULL_COMMIT;
