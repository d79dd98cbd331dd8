# shellcheck shell=bash
# What the checks share: which files they look at and how they report. Sourced;
# every check runs from the top of the tree.
#
# A finding is one line, FILE:LINE: [RULE] sentence, so that an editor can jump
# to it and a reader can find the rule by its name in docs/hacking.md.

set -u -o pipefail
export LC_ALL=C

cd "${BASH_SOURCE[0]%/*}/../.." || exit 2

CHECK_DIR=${CHECK_DIR:-build/check}
CHECK_JOBS=${CHECK_JOBS:-$(nproc)}
# The preprocessor flags of the Makefile; the default serves a run by hand.
CHECK_CPPFLAGS=${CHECK_CPPFLAGS:--D_GNU_SOURCE -I. -Ibuild/include}
LAYERS='core io virtio devices boot sandbox unpack vmm container'
findings=0
[ -d "$CHECK_DIR" ] || mkdir -p "$CHECK_DIR"

# tree_files GLOB...: tracked files and new ones that are not ignored.
tree_files()
{
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files -co --exclude-standard -- "$@" |
			while IFS= read -r file; do
				[ -f "$file" ] && printf '%s\n' "$file"
			done | sort -u
	else
		# An unpacked archive: everything but what was built.
		local glob args=()
		for glob in "$@"; do
			args+=(-o -path "./$glob")
		done
		find . -path ./build -prune -o -type f \
			\( -false "${args[@]}" \) -print | sed 's,^\./,,' | sort
	fi
}

c_sources() { tree_files '*.c'; }
c_headers() { tree_files '*.h'; }
c_files() { tree_files '*.c' '*.h'; }

# The sources that run with a C library; tiny guests are freestanding.
host_sources() { c_sources | grep -vE '^guests/(bare/)?[^/]*$'; }

# A program that says _GNU_SOURCE itself is built without our flags.
cppflags_for()
{
	if grep -q '^#define _GNU_SOURCE' "$1"; then
		printf '%s\n' "${CHECK_CPPFLAGS//-D_GNU_SOURCE/}"
	else
		printf '%s\n' "$CHECK_CPPFLAGS"
	fi
}

# layer_sources: the .c files directly in the folders that are layers.
layer_sources() { c_sources | grep -E "^(${LAYERS// /|})/[^/]+\.c$"; }

shell_files()
{
	tree_files '*' | while IFS= read -r file; do
		case $file in
		*.sh | *.bash) printf '%s\n' "$file" ;;
		*)
			if head -n 1 "$file" | tr -d '\0' |
				grep -qE '^#!.*\b(ba|da)?sh\b'; then
				printf '%s\n' "$file"
			fi
			;;
		esac
	done
}

# finding FILE:LINE RULE SENTENCE
finding()
{
	printf '%s: [%s] %s\n' "$1" "$2" "$3"
	findings=$((findings + 1))
}

# Reports findings that a program printed as FILE:LINE: ... lines on stdin.
findings_from()
{
	local line
	while IFS= read -r line; do
		printf '%s\n' "$line"
		findings=$((findings + 1))
	done
}

# check_done NAME: the last line of a check and its exit status.
check_done()
{
	if [ "$findings" -gt 0 ]; then
		printf 'check-%s: %d finding(s)\n' "$1" "$findings"
		exit 1
	fi
	printf 'check-%s: ok\n' "$1"
}

# drop_owned_leaks SOURCE: neither clang-tidy 14 nor cppcheck 2.10 follows
# __attribute__((cleanup)); a "leak" of a local that autofree or autoclose owns
# is none. Leaks that are, the leak sanitizer of the unit tests sees as well.
drop_owned_leaks()
{
	local line name other
	while IFS= read -r line; do
		name=''
		if [[ $line =~ \[clang-analyzer-unix.*\].*\ leak.*\'(.*)\' ||
			$line =~ \[(mem|resource)leak\].*\ leak:\ (.*)$ ]]; then
			name=${BASH_REMATCH[-1]}
		fi
		# The owner may go by another name: "item = copy;".
		other=$(sed -nE "s/.*\b${name:-.}\b = ([a-z_]+);.*/|\1/p" "$1" |
			tr -d '\n')
		if [ -z "$name" ] || ! grep -qE \
			"\bauto(free|close)\b.*\b($name$other)\b" "$1"; then
			printf '%s\n' "$line"
		fi
	done
}

# need PROGRAM PACKAGE: a check that cannot run has failed, not passed.
need()
{
	if ! command -v "$1" >/dev/null; then
		echo "check: $1 is missing; install the Debian package $2" >&2
		exit 2
	fi
}

# strip_c comments|strings FILE...: FILE, LINE and the line's text, with tabs
# between, of C sources whose comments are blanked, and with "strings" what is
# between quotes too.
strip_c()
{
	awk -v mode="$1" '
	FNR == 1 { state = "" }
	# Most lines have nothing of it.
	state == "" && !/["\047\/]/ {
		print FILENAME "\t" FNR "\t" $0
		next
	}
	{
		out = ""
		n = length($0)
		i = 1
		while (i <= n) {
			c = substr($0, i, 1)
			two = substr($0, i, 2)
			if (state == "comment") {
				end = index(substr($0, i), "*/")
				if (!end)
					break
				state = ""
				i += end + 1
			} else if (state != "") {
				if (c == "\\") {
					if (mode == "comments") out = out two
					i += 2
					continue
				}
				if (c == state) { out = out c; state = "" }
				else if (mode == "comments") out = out c
				i++
			} else if (two == "/*") {
				state = "comment"; out = out " "; i += 2
			} else if (two == "//") {
				break
			} else {
				if (c == "\"" || c == "\047") state = c
				out = out c
				i++
			}
		}
		# A string ends with its line, whatever went wrong above.
		if (state != "comment") state = ""
		print FILENAME "\t" FNR "\t" out
	}' "${@:2}" /dev/null
}

# What awk programs that read these lines begin with: file, line and text.
# shellcheck disable=SC2016,SC2034 # awk's dollars; for those that source this
STRIPPED='{
	file = $0
	sub(/\t.*/, "", file)
	text = substr($0, length(file) + 2)
	line = text
	sub(/\t.*/, "", line)
	text = substr(text, length(line) + 2)
}'
