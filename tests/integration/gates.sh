# The gates of `make check`: each finds what it is for, in a small tree that
# has one fault of every kind, and nothing in one without.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: none

# A tree with our checks and one clean source in core/.
clean_tree()
{
	local tree=$T/tree
	mkdir -p "$tree"/{tools,core,io,vmm,devices,build}
	cp -r "$TOP/tools/check" "$tree/tools/"
	cp "$TOP/.clang-format" "$TOP/.clang-tidy" "$tree/"
	echo '# no reasons needed here' >"$tree/tools/check/globals.txt"
	: >"$tree/Makefile"
	cat >"$tree/core/good.h" <<'END'
#ifndef CORE_GOOD_H
#define CORE_GOOD_H

int good_add(int a, int b);

#endif
END
	cat >"$tree/core/good.c" <<'END'
#include "core/good.h"

int good_add(int a, int b)
{
	return a + b;
}
END
	git -C "$tree" init -q
}

# gate NAME [ARGUMENT...]: run one gate in the tree.
gate()
{
	local name=$1
	shift
	run env -C "$T/tree" CHECK_DIR="build/check" "tools/check/$name" "$@"
}

compile()
{
	mkdir -p "$T/tree/build/obj/$(dirname "$1")"
	(cd "$T/tree" && gcc -std=gnu11 -D_GNU_SOURCE -O1 -g -fPIE \
		-fdata-sections -I. -c -o "build/obj/${1%.c}.o" "$1")
}

# found LINE-REGEX: the gate failed and said so on a line of its own.
found()
{
	assert_status 1
	grep -qE "^$1" <<<"$out" || fail "no finding /$1/ in: $out"
}

test_clean_tree_passes_every_gate()
{
	local name
	clean_tree
	compile core/good.c
	for name in format layers globals banned headers length shell cppcheck \
		tidy analyzer; do
		gate "$name" build/obj
		assert_status 0
		assert_has "$out" "check-$name: ok"
	done
}

test_format()
{
	clean_tree
	printf 'int bad_x(void);\nint bad_x(void)\n{\n    return 1;\n}\n' \
		>"$T/tree/core/bad.c"
	gate format
	found 'core/bad\.c:[34]: \[format\]'
	rm "$T/tree/core/bad.c"
	printf '# a  \nb' >"$T/tree/notes.md"
	gate format
	found 'notes\.md:1: \[blanks\] blanks at the end'
	found 'notes\.md:1: \[blanks\] the last line has no newline'
	printf '/* %090d */\n' 0 >"$T/tree/core/wide.h"
	gate format
	found 'core/wide\.h:1: \[columns\]'
}

test_layers_by_include()
{
	clean_tree
	printf '%s\n' '#include "vmm/x.h"' '/* #include "io/y.h" */' \
		'#include <linux/kvm.h>' '#include <curses.h>' \
		'#include "good.h"' >"$T/tree/core/bad.c"
	gate layers
	found 'core/bad\.c:1: \[layers\] core/ may not include "vmm/x\.h"'
	found 'core/bad\.c:3: \[layers\] <linux/kvm\.h> is confined to vmm/'
	found 'core/bad\.c:4: \[layers\] <curses\.h> is not in'
	found 'core/bad\.c:5: \[layers\] write "core/good\.h"'
	assert_lacks "$out" 'core/bad.c:2:'
	# One contract of a folder is not the folder.
	printf '#include "io/chardev.h"\n' >"$T/tree/devices/a.c"
	printf '#include "io/block.h"\n' >"$T/tree/devices/b.c"
	gate layers
	found 'devices/b\.c:1: \[layers\]'
	assert_lacks "$out" 'devices/a.c'
}

test_layers_by_file_count()
{
	local i
	clean_tree
	mkdir "$T/tree/boot"
	for i in 1 2; do
		printf '#include <zlib.h>\n' >"$T/tree/boot/z$i.c"
	done
	gate layers
	found 'boot/z2\.c:1: \[layers\] <zlib\.h> is in more'
}

test_layers_by_symbol()
{
	clean_tree
	printf 'int vmm_go(void);\nint core_go(void);\nint core_go(void)\n{\n\treturn vmm_go();\n}\n' \
		>"$T/tree/core/bad.c"
	printf 'int vmm_go(void);\nint vmm_go(void)\n{\n\treturn 1;\n}\n' \
		>"$T/tree/vmm/go.c"
	compile core/bad.c
	compile vmm/go.c
	gate layers build/obj
	found 'core/bad\.c:1: \[layers\] calls vmm_go of vmm/'
}

test_globals()
{
	clean_tree
	cat >"$T/tree/core/bad.c" <<'END'
static int hidden;
static const char *const names[] = { "a", "b" };
static _Thread_local int per_thread = 3;
int *bad_x(int i);
int *bad_x(int i)
{
	static int counter = 5;

	per_thread += names[i][0];
	return per_thread ? &hidden : &counter;
}
END
	compile core/good.c
	compile core/bad.c
	gate globals build/obj
	found 'core/bad\.c:1: \[globals\] hidden'
	found 'core/bad\.c:3: \[globals\] per_thread'
	found 'core/bad\.c:7: \[globals\] counter'
	assert_lacks "$out" names
	printf 'core/bad.c\thidden\n' >>"$T/tree/tools/check/globals.txt"
	printf 'core/bad.c\tgone\tonce\n' >>"$T/tree/tools/check/globals.txt"
	gate globals build/obj
	found 'tools/check/globals\.txt:2: \[globals\] hidden has no reason'
	found 'tools/check/globals\.txt:3: \[globals\] core/bad\.c has no'
	gate globals build/nowhere
	assert_status 2
}

test_banned()
{
	clean_tree
	cat >"$T/tree/core/bad.c" <<'END'
#include <stdio.h>
#include <string.h>
#define COPY strcpy
/* sprintf(x) in a comment, "atoi(x)" in a string */
const char *bad_text = "atoi(x)";
int bad_x(char *to, const char *from)
{
	COPY(to, from);
	fputs("hello", stdout);
	return sprintf(to, "%s!", from);
}
__attribute__((constructor)) static void early(void)
{
}
typedef struct {
	int a;
} bad_t;
END
	compile core/bad.c
	gate banned build/obj
	found 'core/bad\.c:8: \[banned\] strcpy'
	found 'core/bad\.c:9: \[banned\] fputs'
	found 'core/bad\.c:10: \[banned\] sprintf'
	found 'core/bad\.c:12: \[constructor\]'
	found 'core/bad\.c:15: \[typedef\]'
	assert_lacks "$out" atoi
	# vmm/ may print.
	rm "$T/tree/core/bad.c"
	printf '#include <stdio.h>\nvoid p(void);\nvoid p(void)\n{\n\tputs("x");\n}\n' \
		>"$T/tree/vmm/p.c"
	gate banned
	assert_status 0
}

test_headers()
{
	clean_tree
	printf '#ifndef CORE_BAD_H\n#define CORE_BAD_H\nuint8_t x(void);\n#endif\n' \
		>"$T/tree/core/bad.h"
	printf 'struct twice {\n\tint a;\n};\n' >"$T/tree/core/twice.h"
	gate headers
	found 'core/bad\.h:1: \[headers\] does not compile alone'
	found 'core/twice\.h:1: \[headers\] does not compile alone'
	found 'core/twice\.h:1: \[headers\] the guard should be CORE_TWICE_H'
}

test_length()
{
	clean_tree
	{
		printf 'int long_one(void)\n{\n'
		seq -f '	x%g();' 80
		printf '}\n'
	} >"$T/tree/core/long.c"
	seq -f '// %g' 900 >"$T/tree/core/file.c"
	gate length
	found 'core/long\.c:1: \[length\] a function of 82 lines'
	found 'core/file\.c:900: \[length\] a file of 900 lines'
}

test_shell()
{
	clean_tree
	# shellcheck disable=SC2016 # the script is to have the dollar
	printf '#!/bin/sh\necho $1\n' >"$T/tree/tools/script"
	gate shell
	found 'tools/script:2: \[SC2086\]'
}

# timeout: 150
test_warnings_and_their_cache()
{
	clean_tree
	gate tidy
	assert_status 0
	printf 'int bad_x(int a);\nint bad_x(int a)\n{\n\tint b;\n\n\treturn a;\n}\n' \
		>"$T/tree/core/bad.c"
	gate tidy
	found 'core/bad\.c:4: \[clang-diagnostic-unused-variable\]'
	# A failure is not remembered as a success.
	gate tidy
	found 'core/bad\.c:4: \[clang-diagnostic-unused-variable\]'
	printf '#define __mine 1\nint _x(int a);\nint _x(int a)\n{\n\treturn a;\n}\n' \
		>"$T/tree/core/bad.c"
	gate tidy
	found 'core/bad\.c:1: \[clang-diagnostic-reserved-macro-identifier\]'
	found 'core/bad\.c:2: \[clang-diagnostic-reserved-identifier\]'
	# A change of a header invalidates what includes it.
	rm "$T/tree/core/bad.c"
	gate tidy
	assert_status 0
	sed -i 's/good_add(int a, int b)/good_add(int a, long b)/' \
		"$T/tree/core/good.h"
	gate tidy
	found 'core/good\.c:3: \[clang-diagnostic-error\] conflicting types'
}

test_tidy()
{
	clean_tree
	cat >"$T/tree/core/bad.c" <<'END'
int bad_x(int a);
int bad_x(int a)
{
	int *p = 0;

	if (a > 1)
		return bad_x(a - 1);
	return *p;
}
END
	gate tidy
	found 'core/bad\.c:2: \[misc-no-recursion\]'
	gate analyzer
	found 'core/bad\.c:8: \[clang-analyzer-core\.NullDereference\]'
}

test_cppcheck()
{
	clean_tree
	cat >"$T/tree/core/bad.c" <<'END'
int bad_x(int a);
int bad_x(int a)
{
	int v[4] = { 0 };

	return v[a & 3] + v[4];
}
END
	gate cppcheck
	found 'core/bad\.c:6: \[arrayIndexOutOfBounds\]'
}

test_man()
{
	clean_tree
	printf '.TH X 1 2020-01-01\n.SH NAME\nx \\- y\n.XX\n' \
		>"$T/tree/build/x.1"
	gate man build/x.1
	found '.*build/x\.1:4: \[man\]'
}

# autofree owns; a plain pointer that nobody frees still leaks.
test_leaks_that_are_none()
{
	clean_tree
	cp "$TOP/core/util.h" "$T/tree/core/"
	cat >"$T/tree/core/bad.c" <<'END'
#include "core/util.h"

int bad_x(void);
int bad_x(void)
{
	autofree char *owned = malloc(10);
	char *lost = malloc(20);

	return owned && lost ? 1 : 0;
}
END
	gate analyzer
	found 'core/bad\.c:[0-9]+: \[clang-analyzer-unix.*lost'
	assert_lacks "$out" owned
	gate cppcheck
	found 'core/bad\.c:[0-9]+: \[memleak\].*lost'
	assert_lacks "$out" owned
}
