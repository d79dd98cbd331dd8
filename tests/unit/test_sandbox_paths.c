/* Paths in a hostile root, paths of cgroups, names of signals and the like. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sandbox/caps.h"
#include "sandbox/cgroup.h"
#include "sandbox/names.h"
#include "sandbox/procfs.h"
#include "sandbox/rootpath.h"
#include "sandbox/sys.h"
#include "sandbox/walk.h"
#include "tests/unit/quick_check.h"

static char base[64];
static int base_fd;
static int root;

/* base/ has the root, "root", and something that must stay as it is. */
static void set_up(void)
{
	snprintf(base, sizeof(base), "/tmp/hull-paths.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	base_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(base_fd, "root", 0755), 0);
	ck_assert_int_eq(mkdirat(base_fd, "outside", 0755), 0);
	root = openat(base_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(root, 0);
}

static void tear_down(void)
{
	static const char *const names[] = {
		"root/a/back",	  "root/loop",	  "root/a/b/c",
		"root/a/b",	  "root/a",	  "root/up",
		"root/abs",	  "root/file",	  "root/outside/x/f",
		"root/outside/x", "root/outside", "root",
		"outside"
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (unlinkat(base_fd, names[i], 0))
			unlinkat(base_fd, names[i], AT_REMOVEDIR);
	}
	ck_assert_int_eq(rmdir(base), 0);
	close(base_fd);
	close(root);
}

static bool is_in_base(const char *path)
{
	struct stat st;

	return !fstatat(base_fd, path, &st, AT_SYMLINK_NOFOLLOW);
}

START_TEST(test_folders_are_made)
{
	struct err err;
	int fd = rootpath_make_dir(root, "/a//b/c", &err);

	ck_assert_int_ge(fd, 0);
	ck_assert(is_in_base("root/a/b/c"));
	close(fd);
	fd = rootpath_make_dir(root, "/a/b/../b/c/", &err);
	ck_assert_int_ge(fd, 0);
	close(fd);
	fd = rootpath_make_dir(root, "/", &err);
	ck_assert_int_ge(fd, 0);
	close(fd);
	/* As mkdir -p has it. */
	fd = rootpath_make_dir(root, "/a/b/../../../../a/b", &err);
	ck_assert_int_ge(fd, 0);
	close(fd);
}
END_TEST

START_TEST(test_links_stay_inside)
{
	struct err err;
	struct stat made;
	struct stat wanted;
	int fd;

	ck_assert_int_eq(symlinkat("../../../../outside", root, "up"), 0);
	/* Dangling inside of the root, whatever it is outside. */
	ck_assert_int_eq(rootpath_make_dir(root, "/up", &err), -ENOTDIR);
	ck_assert_int_eq(rootpath_make_dir(root, "/up/x", &err), -ENOTDIR);
	ck_assert_int_lt(rootpath_make_file(root, "/up/f", &err), 0);
	ck_assert_int_eq(mkdirat(root, "outside", 0755), 0);
	fd = rootpath_make_file(root, "/up/x/f", &err);
	ck_assert_int_ge(fd, 0);
	ck_assert(is_in_base("root/outside/x/f"));
	ck_assert(!is_in_base("outside/x"));
	close(fd);
	fd = rootpath_open(root, "/../../../outside", O_PATH);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &made), 0);
	ck_assert_int_eq(fstatat(base_fd, "root/outside", &wanted, 0), 0);
	ck_assert_uint_eq(made.st_ino, wanted.st_ino);
	close(fd);
	ck_assert_int_eq(rootpath_open_plain(root, "/up", O_PATH), -ELOOP);
}
END_TEST

START_TEST(test_files_in_the_way)
{
	struct err err;
	int fd = rootpath_make_file(root, "/file", &err);

	ck_assert_int_ge(fd, 0);
	close(fd);
	fd = rootpath_make_file(root, "/file", &err);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(rootpath_make_dir(root, "/file/x", &err), -ENOTDIR);
}
END_TEST

/* By our own steps a walk ends where openat2's does, or as it does. */
START_TEST(test_steps_end_where_openat2_does)
{
	static const char *const paths[] = {
		"",	  "/",		".",
		"..",	  "a",		"/a/b",
		"a/b/",	  "a//b/./c",	"a/b/c/../..",
		"../a",	  "/../../a",	"up",
		"up/",	  "up/x",	"file",
		"file/",  "file/x",	"a/../file",
		"none",	  "none/x",	"abs",
		"abs/b",  "loop",	"loop/x",
		"a/back", "a/back/a/b", "outside/../up",
	};
	static const uint64_t ways[] = {
		RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
		RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
		RESOLVE_BENEATH | RESOLVE_NO_XDEV,
	};
	static const int flags[] = { O_PATH, O_PATH | O_DIRECTORY, O_RDONLY,
				     O_PATH | O_NOFOLLOW };
	struct err err;
	struct stat a;
	struct stat b;

	close(rootpath_make_dir(root, "/a/b/c", &err));
	close(rootpath_make_dir(root, "/outside", &err));
	close(rootpath_make_file(root, "/file", &err));
	ck_assert_int_eq(symlinkat("../../../../outside", root, "up"), 0);
	ck_assert_int_eq(symlinkat("/a", root, "abs"), 0);
	ck_assert_int_eq(symlinkat("loop", root, "loop"), 0);
	ck_assert_int_eq(symlinkat("..//", root, "a/back"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths) * 12; i++) {
		const char *path = paths[i / 12];
		uint64_t way = ways[i % 3];
		int flag = flags[i / 3 % 4];
		int by_kernel = sys_openat2(root, path, flag, 0, way);
		int by_steps = walk_by_steps(root, path, flag, way);

		if (by_kernel < 0) {
			ck_assert_msg(by_steps == by_kernel,
				      "%s, way %zu, flags %o: %d, not %d", path,
				      i % 3, flag, by_steps, by_kernel);
			continue;
		}
		ck_assert_msg(by_steps >= 0, "%s: %d", path, by_steps);
		ck_assert_int_eq(fstat(by_kernel, &a), 0);
		ck_assert_int_eq(fstat(by_steps, &b), 0);
		ck_assert_uint_eq(a.st_ino, b.st_ino);
		close(by_kernel);
		close(by_steps);
	}
}
END_TEST

START_TEST(test_steps_in_procfs)
{
	const uint64_t way = RESOLVE_BENEATH | RESOLVE_NO_XDEV |
			     RESOLVE_NO_MAGICLINKS;
	bool is_private;
	int proc = procfs_open_private(&is_private, NULL);
	int fd;

	ck_assert_int_ge(proc, 0);
	fd = walk_by_steps(proc, "self/comm", O_RDONLY, way);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(walk_by_steps(proc, "self/root/etc", O_PATH, way),
			 -ELOOP);
	ck_assert_int_eq(walk_by_steps(proc, "self/ns/mnt", O_RDONLY, way),
			 -ELOOP);
	ck_assert_int_eq(walk_by_steps(proc, "../etc", O_PATH, way), -EXDEV);
	close(proc);
	/* Something is mounted in there. */
	fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(walk_by_steps(fd, "proc/self", O_PATH, way), -EXDEV);
	close(fd);
}
END_TEST

START_TEST(test_procfs_is_not_left)
{
	struct err err;
	int proc = procfs_open(&err);
	char text[64];

	ck_assert_int_ge(proc, 0);
	ck_assert_int_gt(procfs_read(proc, "self/comm", text, sizeof(text)), 0);
	ck_assert_int_eq(procfs_open_file(proc, "../etc/passwd", O_RDONLY),
			 -EXDEV);
	ck_assert_int_lt(procfs_open_file(proc, "self/root/etc", O_RDONLY), 0);
	ck_assert_int_lt(procfs_open_file(proc, "self/fd/0", O_RDONLY), 0);
	close(proc);
}
END_TEST

START_TEST(test_cgroup_paths)
{
	static const struct {
		const char *path;
		int rc;
	} cases[] = {
		{ "/a", 0 },	      { "/a/b.slice/c", 0 },
		{ "//a//b/", 0 },     { "/...", 0 },
		{ "/a..b/..c", 0 },   { "a", -EINVAL },
		{ "", -EINVAL },      { "/", -EINVAL },
		{ "///", -EINVAL },   { "/..", -EINVAL },
		{ "/a/..", -EINVAL }, { "/a/../b", -EINVAL },
		{ "/./a", -EINVAL },  { "/a/.", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(cgroup_check_path(cases[i].path, NULL) ==
				      cases[i].rc,
			      "%s", cases[i].path);
}
END_TEST

START_TEST(test_names)
{
	ck_assert_int_eq(names_signal("TERM"), 15);
	ck_assert_int_eq(names_signal("SIGTERM"), 15);
	ck_assert_int_eq(names_signal("sigkill"), 9);
	ck_assert_int_eq(names_signal("9"), 9);
	ck_assert_int_eq(names_signal("0"), 0);
	ck_assert_int_eq(names_signal("RTMIN+2"), 36);
	ck_assert_int_eq(names_signal("SIGRTMAX"), 64);
	ck_assert_int_eq(names_signal("65"), -1);
	ck_assert_int_eq(names_signal("RTMIN+31"), -1);
	ck_assert_int_eq(names_signal(""), -1);
	ck_assert_int_eq(names_signal("-1"), -1);
	ck_assert_int_eq(caps_number("CAP_CHOWN"), 0);
	ck_assert_int_eq(caps_number("cap_sys_admin"), 21);
	ck_assert_int_eq(caps_number("CHOWN"), -1);
	ck_assert_str_eq(caps_name(40), "CAP_CHECKPOINT_RESTORE");
	ck_assert_ptr_null(caps_name(41));
	ck_assert_ptr_null(names_find(names_of_rlimits, "RLIMIT_"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sandbox/paths");
	TCase *tests = tcase_create("paths");
	TCase *pure = tcase_create("names");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, test_folders_are_made);
	tcase_add_test(tests, test_links_stay_inside);
	tcase_add_test(tests, test_files_in_the_way);
	tcase_add_test(tests, test_steps_end_where_openat2_does);
	tcase_add_test(pure, test_steps_in_procfs);
	tcase_add_test(pure, test_procfs_is_not_left);
	tcase_add_test(pure, test_cgroup_paths);
	tcase_add_test(pure, test_names);
	suite_add_tcase(suite, tests);
	suite_add_tcase(suite, pure);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
