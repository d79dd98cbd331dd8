/*
 * The file server's nodes: shown, forgotten on either queue, and bounded.
 */
#include <pthread.h>

#include "tests/unit/share_client.h"

#define ROOT FUSE_ROOT_ID

static void set_up(void)
{
	const struct share_folder_config plain = { .max_fds = 0 };

	client_set_up();
	client_folder(&plain);
}

START_TEST(test_nodes)
{
	unsigned int fds = client_count_fds();
	uint64_t one;
	uint64_t two;

	client_make_file("a", "text");
	ck_assert_int_eq(link(client_path("a"), client_path("b")), 0);
	one = client_node(ROOT, "a");
	two = client_node(ROOT, "b");
	/* One thing, whatever it is called. */
	ck_assert_uint_eq(one, two);
	ck_assert_uint_eq(client_entry().attr.nlink, 2);
	ck_assert_uint_eq(client_entry().attr.size, 4);
	ck_assert_uint_eq(client_count_fds(), fds + 1);
	client_forget(one, 1);
	ck_assert_int_eq(client_getattr(one), 0);
	client_forget(one, 1);
	ck_assert_int_eq(client_getattr(one), -ESTALE);
	ck_assert_uint_eq(client_count_fds(), fds);
	/* Its number does not come back. */
	two = client_node(ROOT, "a");
	ck_assert_uint_ne(one, two);
	ck_assert_int_eq(client_getattr(one), -ESTALE);
	client_forget(two, UINT64_MAX);
	ck_assert_uint_eq(client_count_fds(), fds);
	client_forget(two, 1);
	client_forget(ROOT, UINT64_MAX);
	ck_assert_int_eq(client_getattr(ROOT), 0);
}
END_TEST

START_TEST(test_unknown_nodes)
{
	const struct fuse_rename_in rename_arg = { .newdir = 77 };
	const struct fuse_link_in link_arg = { .oldnodeid = 77 };
	static const uint64_t unknown[] = {
		0, 2, 77, UINT32_MAX, UINT64_MAX, 1ULL << 32 | 1, 1ULL << 63
	};

	client_make_file("a", "x");
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		ck_assert_int_eq(client_getattr(unknown[i]), -ESTALE);
		ck_assert_int_eq(client_lookup(unknown[i], "a"), -ESTALE);
		ck_assert_int_eq(client_mkdir(unknown[i], "d"), -ESTALE);
		client_forget(unknown[i], 1);
		ck_assert_int_eq(client_read(ROOT, unknown[i], 0, 10), -EBADF);
		ck_assert_int_eq(client_release(ROOT, unknown[i]), -EBADF);
	}
	ck_assert_int_eq(client_names(FUSE_RENAME, ROOT, &rename_arg,
				      sizeof(rename_arg), "a", "b"),
			 -ESTALE);
	ck_assert_int_eq(client_name(FUSE_LINK, ROOT, &link_arg,
				     sizeof(link_arg), "b"),
			 -ESTALE);
}
END_TEST

START_TEST(test_batch_forget)
{
	unsigned int fds = client_count_fds();
	struct {
		struct fuse_batch_forget_in head;
		struct fuse_forget_one ones[300];
	} arg = { .head = { .count = 300 } };

	for (int i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		client_make_file(name, "x");
		arg.ones[i].nodeid = client_node(ROOT, name);
		arg.ones[i].nlookup = 1;
	}
	ck_assert_uint_eq(client_count_fds(), fds + 300);
	/* More than there are: none. */
	arg.head.count = 301;
	client_ask(FUSE_BATCH_FORGET, 0, &arg, sizeof(arg), NULL, 0);
	ck_assert(!client.answered);
	ck_assert_uint_eq(client_count_fds(), fds + 300);
	arg.head.count = 300;
	client_ask(FUSE_BATCH_FORGET, 0, &arg, sizeof(arg), NULL, 0);
	ck_assert_uint_eq(client_count_fds(), fds);
}
END_TEST

/* As the queue of high priority hands it over. */
static void forget_aside(uint32_t opcode, uint64_t node, uint64_t lookups)
{
	struct {
		struct fuse_in_header head;
		struct fuse_forget_in arg;
	} message = {
		.head = { .len = sizeof(message),
			  .opcode = opcode,
			  .nodeid = node },
		.arg = { .nlookup = lookups },
	};

	client.share->ops->forget(client.share, (const uint8_t *)&message,
				  sizeof(message));
}

START_TEST(test_forget_aside)
{
	unsigned int fds = client_count_fds();
	uint64_t node;

	client_make_file("a", "text");
	node = client_node(ROOT, "a");
	/* Nothing else is done this way. */
	for (uint32_t opcode = 0; opcode < 60; opcode++) {
		if (opcode != FUSE_FORGET)
			forget_aside(opcode, node, 1);
	}
	ck_assert_int_eq(client_getattr(node), 0);
	forget_aside(FUSE_FORGET, node, 1);
	ck_assert_int_eq(client_getattr(node), -ESTALE);
	ck_assert_uint_eq(client_count_fds(), fds);
	/* Forgotten and shown again at once. */
	node = client_node(ROOT, "a");
	forget_aside(FUSE_FORGET, node, 1);
	forget_aside(FUSE_FORGET, node, 1);
	forget_aside(FUSE_FORGET, ROOT, 1);
	node = client_node(ROOT, "a");
	ck_assert_int_eq(client_getattr(node), 0);
	forget_aside(FUSE_FORGET, node, UINT64_MAX);
	client.share->ops->forget(client.share, (const uint8_t *)"", 1);
	client.share->ops->reset(client.share);
	ck_assert_uint_eq(client_count_fds(), fds);
}
END_TEST

static void *forget_much(void *opaque)
{
	(void)opaque;
	for (unsigned int i = 0; i < 20000; i++)
		forget_aside(FUSE_FORGET, (uint64_t)i << 32 | i % 200, 1);
	return NULL;
}

START_TEST(test_forget_meanwhile)
{
	unsigned int fds = client_count_fds();
	pthread_t thread;
	char name[16];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		client_make_file(name, "x");
	}
	ck_assert_int_eq(pthread_create(&thread, NULL, forget_much, NULL), 0);
	for (int i = 0; i < 10000; i++) {
		uint64_t node;

		snprintf(name, sizeof(name), "f%d", i % 100);
		node = client_node(ROOT, name);
		if (i % 7)
			client_forget(node, 1);
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(client_init_flags(~0U), 0);
	ck_assert_uint_eq(client_count_fds(), fds);
}
END_TEST

START_TEST(test_limit)
{
	const struct share_folder_config config = { .max_fds = 20 };
	uint64_t nodes[20];
	uint64_t fh;
	char name[16];

	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		client_make_file(name, "x");
	}
	client_open_anew(&config);
	/* One of the twenty is the folder itself. */
	for (int i = 0; i < 19; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		nodes[i] = client_node(ROOT, name);
	}
	ck_assert_int_eq(client_lookup(ROOT, "f20"), -ENFILE);
	ck_assert_int_eq(client_lookup(ROOT, "f3"), 0);
	ck_assert_int_eq(client_open(nodes[0], O_RDONLY, &fh), -ENFILE);
	ck_assert_int_eq(client_open_as(FUSE_OPENDIR, ROOT, 0, &fh), -ENFILE);
	client_forget(nodes[1], 1);
	ck_assert_int_eq(client_open(nodes[0], O_RDONLY, &fh), 0);
	ck_assert_int_eq(client_lookup(ROOT, "f1"), -ENFILE);
	ck_assert_int_eq(client_release(nodes[0], fh), 0);
	ck_assert_int_eq(client_lookup(ROOT, "f1"), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("io/share_nodes");
	TCase *tcase = tcase_create("nodes");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, client_tear_down);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_nodes);
	tcase_add_test(tcase, test_unknown_nodes);
	tcase_add_test(tcase, test_batch_forget);
	tcase_add_test(tcase, test_forget_aside);
	tcase_add_test(tcase, test_forget_meanwhile);
	tcase_add_test(tcase, test_limit);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
