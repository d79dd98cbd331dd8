/*
 * Check, with assertions that cost nothing while they hold. Its own write down
 * each one that was passed, and the parent reads all of that when the test has
 * ended: loops of thousands spent most of their time there. What fails is told
 * as before, and where something crashed, the sanitizer tells.
 */
#ifndef TESTS_UNIT_QUICK_CHECK_H
#define TESTS_UNIT_QUICK_CHECK_H

#include <check.h>

#undef ck_assert_msg
#define ck_assert_msg(expr, ...)                                    \
	((expr) ? (void)0 :                                         \
		  _ck_assert_failed(__FILE__, __LINE__,             \
				    "Assertion '" #expr "' failed", \
				    ##__VA_ARGS__))

#endif
