/*
 * What the tests of pseudo-terminals and sockets start from: a loop, a chardev
 * with a sink, and a folder of the test alone.
 */
#ifndef TESTS_UNIT_CHARDEV_PEER_H
#define TESTS_UNIT_CHARDEV_PEER_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/chardev.h"
#include "tests/unit/chardev_double.h"
#include "tests/unit/quick_check.h"

static struct loop loop;
static struct chardev *chardev;
static struct chardev_sink sink;
static struct err err;
static char directory[32]; /* of this test alone */
static char path[sizeof(directory) + 16]; /* in it */

static inline void update_chardev(void *opaque)
{
	(void)opaque;
	if (chardev)
		chardev_update(chardev);
}

static inline void set_up(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	ck_assert_int_eq(sigaction(SIGPIPE, &ignore, NULL), 0);
	memcpy(directory, "/tmp/hull-chardev-XXXXXX", 25);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_gt(snprintf(path, sizeof(path), "%s/sock", directory), 0);
	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	loop.woken = update_chardev;
	chardev = NULL;
}

static inline void set_up_pty(void)
{
	set_up();
	ck_assert_int_eq(chardev_new_pty(&loop, &chardev, &err), 0);
	chardev_sink_attach(&sink, chardev, 4096);
}

static inline void set_up_socket(void)
{
	set_up();
	ck_assert_int_eq(chardev_new_unix(&loop, path, &chardev, &err), 0);
	chardev_sink_attach(&sink, chardev, 4096);
}

static inline void tear_down(void)
{
	chardev_free(chardev);
	loop_release(&loop);
	unlink(path);
	rmdir(directory);
}

static inline TCase *case_of(Suite *suite, const char *name,
			     void (*setup)(void))
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, tear_down);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	return tcase;
}

#endif
