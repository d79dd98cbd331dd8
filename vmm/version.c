#include "vmm/version.h"

#define RELEASE "0.1"

/* Both come from the Makefile; a build without a repository does without. */
#ifndef HULL_COMMIT
#define HULL_COMMIT ""
#endif
#ifndef HULL_DATE
#define HULL_DATE "January 1, 2025"
#endif

const char hull_version[] = RELEASE HULL_COMMIT;
const char hull_date[] = HULL_DATE;
