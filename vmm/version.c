#include "vmm/version.h"

/* Both come from the Makefile; a build without a repository does without. */
#ifndef HULL_VERSION
#define HULL_VERSION "unknown"
#endif
#ifndef HULL_DATE
#define HULL_DATE "January 1, 2025"
#endif

const char hull_version[] = HULL_VERSION;
const char hull_date[] = HULL_DATE;
