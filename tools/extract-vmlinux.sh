#!/bin/bash
# extract-vmlinux.sh BZIMAGE VMLINUX: take the ELF file out of a bzImage.
#
# The setup header says where the compressed payload lies, so nothing is
# searched for (Linux Documentation/arch/x86/boot.rst, "payload_offset" and
# "payload_length"). The build appends the unpacked size as 32 bits, little
# endian; gzip has that number as its own last field and must keep it.
set -euo pipefail

die()
{
	echo "extract-vmlinux: $*" >&2
	exit 1
}

# field OFFSET TYPE: one number of the boot sector or the setup header.
field()
{
	local value
	value=$(od -An -v -j "$1" -N "${2#u}" -t "$2" "$image")
	echo "${value//[[:space:]]/}"
}

[ $# -eq 2 ] || die "usage: extract-vmlinux.sh BZIMAGE VMLINUX"
image=$1 vmlinux=$2
[ -f "$image" ] || die "$image: no such file"
size=$(stat -L -c %s "$image")
[ "$size" -ge 1024 ] || die "$image: too short for a bzImage"
[ "$(field 514 u4)" = 1400005704 ] || # "HdrS"
	die "$image: not a bzImage (no HdrS signature)"
[ "$(field 518 u2)" -ge 520 ] || # 2.08, the first with a payload field
	die "$image: boot protocol older than 2.08"

sects=$(field 497 u1)
[ "$sects" -ne 0 ] || sects=4
start=$(((sects + 1) * 512 + $(field 584 u4)))
length=$(field 588 u4)
[ "$length" -gt 12 ] || die "$image: its payload has $length bytes"
[ $((start + length)) -le "$size" ] ||
	die "$image: truncated, its payload ends at byte $((start + length))"
want=$(field $((start + length - 4)) u4)

magic=$(od -An -v -j "$start" -N 6 -t x1 "$image" | tr -d ' \n')
keep=$((length - 4))
case $magic in
1f8b*) unpack=(gzip -dc) package=gzip keep=$length ;;
fd377a585a00) unpack=(xz -dc) package=xz-utils ;;
5d0000*) unpack=(xz -dc --format=lzma) package=xz-utils ;;
28b52ffd*) unpack=(zstd -dcq) package=zstd ;;
02214c18*) unpack=(lz4 -dcq) package=lz4 ;;
425a68*) unpack=(bzip2 -dc) package=bzip2 ;;
894c5a*) unpack=(lzop -dc) package=lzop ;;
7f454c46*) unpack=(cat) package=coreutils want=$keep ;;
*) die "$image: unknown compression of the payload (starts with $magic)" ;;
esac
command -v "${unpack[0]}" >/dev/null ||
	die "${unpack[0]} is missing; install the package $package"

tmp=$vmlinux.$$.tmp
trap 'rm -f "$tmp"' EXIT
dd if="$image" bs=1M iflag=skip_bytes,count_bytes skip="$start" \
	count="$keep" status=none | "${unpack[@]}" >"$tmp" ||
	die "$image: ${unpack[0]} cannot unpack the payload"
[ "$(stat -c %s "$tmp")" -eq "$want" ] ||
	die "$image: the payload unpacks to another size than announced"
mv "$tmp" "$vmlinux"
