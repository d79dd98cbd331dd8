# Drivers that do what Linux does not, on both transports: guests/blk-*.c, rng.c
# and net.c say what. What they wrote is compared on the host too.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: host-kvm
# seconds: 50
# timeout: 120

# drive GUEST CASES OPTION...: the guest on each transport; on PCI once through
# the ports with the BARs it finds, once through ECAM with BARs of its own. All
# its cases must have run. BEFORE and AFTER, when set, are called around each.
drive()
{
	local guest=$1 cases=$2 way words
	shift 2
	for way in pci mmio 'pci ecam assign'; do
		${BEFORE:-:}
		words=${way#* }
		[ "$words" != "$way" ] || words=
		tiny "$guest" --transport "${way%% *}" --timeout 300 \
			--virtio-console off --cmdline "$words${WORDS:+ $WORDS}" "$@"
		assert_lacks "$out" 'not ok'
		assert_passed
		assert_eq "$(grep -c '^ok ' <<<"$out")" "$cases" \
			"cases of $guest"
		${AFTER:-:}
	done
}

# pattern LETTER FIRST COUNT: what guests/lib_blk.h writes to these sectors.
pattern()
{
	awk -v letter="$1" -v first="$2" -v count="$3" 'BEGIN {
		for (s = first; s < first + count; s++)
			for (i = 0; i < 64; i++)
				printf "%s%06d\n", letter, s
	}'
}

# assert_sectors FIRST COUNT WHAT: they are what comes on standard input.
assert_sectors()
{
	cmp - <(dd if="$T/image" bs=512 skip="$1" count="$2" status=none) ||
		fail "the image: $3"
}

fresh_image() { rm -f "$T/image" && truncate -s 16M "$T/image"; }

# The cache modes that there are: none needs direct I/O, which a temporary file
# system has not. Odd addresses of memory are bounced then.
cache_modes()
{
	echo writeback
	! dd if=/dev/zero of="$T/direct" bs=4096 count=1 oflag=direct \
		2>/dev/null || echo none
}

every_choice_is_there()
{
	local letter n=0
	for letter in a b c d e f g h; do
		pattern $letter $((n * 400)) 400 |
			assert_sectors $((n * 400)) 400 "letter $letter"
		n=$((n + 1))
	done
}

test_ring_features()
{
	local BEFORE=fresh_image AFTER=every_choice_is_there mode
	for mode in $(cache_modes); do
		drive blk-features 10 --disk "$T/image,cache=$mode"
	done
}

test_queue_sizes()
{
	fresh_image
	AFTER=sizes_are_there drive blk-sizes 18 \
		--disk "$T/image,cache=writeback"
}

sizes_are_there() { pattern s 0 200 | assert_sectors 0 200 "letter s"; }

test_odd_splits()
{
	local AFTER=splits_are_there mode
	fresh_image
	for mode in $(cache_modes); do
		drive blk-splits 10 --disk "$T/image,cache=$mode"
	done
}

splits_are_there()
{
	pattern h 16 8 | assert_sectors 16 8 "the last cut"
	pattern z 32 2 | assert_sectors 32 2 "header and data in one"
}

# seconds: 115
test_requests()
{
	local AFTER=requests_are_there mode words
	fresh_image
	for mode in $(cache_modes); do
		for words in '' packed; do
			WORDS=$words drive blk-requests 12 --disk \
				"$T/image,cache=$mode,serial=drivers"
		done
	done
}

# Zeroes over w; r over that; d beside what was discarded.
requests_are_there()
{
	pattern r 0 16 | assert_sectors 0 16 "letter r"
	pattern d 16 240 | assert_sectors 16 240 "letter d"
	assert_eq "$(stat -c %s "$T/image")" 16777216 "bytes of the image"
}

test_read_only()
{
	pattern o 0 64 >"$T/image"
	cp "$T/image" "$T/before"
	WORDS=ro drive blk-requests 2 --disk "$T/image,cache=writeback,ro"
	cmp "$T/image" "$T/before" || fail "the image has changed"
}

# seconds: 200
# timeout: 240
test_wraps_and_order()
{
	fresh_image
	drive blk-wrap 9 --disk "$T/image,cache=writeback,serial=drivers"
	pattern o 0 1024 | assert_sectors 0 1024 "letter o"
}

# With direct I/O requests are at the disk; with a limit they wait in the queue.
# seconds: 80
test_reset_in_flight()
{
	local AFTER=resets_are_there mode
	fresh_image
	for mode in $(cache_modes); do
		[ "$mode" != writeback ] || mode+=,iops=4000,iops-burst=30
		drive blk-reset 4 --disk "$T/image,cache=$mode"
	done
}

# Six writes were cut off by a reset, and each was made whole.
resets_are_there()
{
	pattern g 0 960 | assert_sectors 0 960 "letter g"
	assert_match "$out" 'in flight at the resets: [1-9]'
}

test_broken_promises()
{
	fresh_image
	AFTER=reasons_are_told drive blk-broken 28 \
		--disk "$T/image,cache=writeback"
	pattern n 0 64 | assert_sectors 0 64 "letter n"
}

reasons_are_told()
{
	assert_has "$err" 'virtio-blk: a head is outside the table'
	assert_lacks "$err" 'internal error'
}

test_entropy() { drive rng 12; }

test_network_card()
{
	WORDS=mac=0x525400aabbcc drive net 12 \
		--net none,mac=52:54:00:aa:bb:cc
}
