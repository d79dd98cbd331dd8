# Guest memory from the host's pool of huge pages.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: linux-kvm
# seconds: 8

pool=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages

# Nobody's pool is changed but the lab's.
own_pool()
{
	[ -n "${LAB_NAME:-}" ] ||
		skip "would change this host's pool of huge pages; the lab has its own"
	echo "$1" >"$pool"
}

test_two_mebibytes()
{
	own_pool 40
	tiny memory --memory 64M,hugepages=2M
	assert_passed
	"$HULL" run --kernel "$GUESTS/spin.elf" --memory 64M,hugepages=2M \
		--timeout 20 </dev/null >"$T/out" 2>&1 &
	sleep 3
	grep -A 30 hull-guest-ram "/proc/$!/smaps" |
		grep -q 'KernelPageSize: *2048 kB' ||
		fail "guest memory is not in huge pages"
	kill -INT $!
	wait $! || true
	own_pool 0
}

test_too_few()
{
	own_pool 3
	tiny hello --memory 64M,hugepages=2M
	assert_status 16
	assert_match "$err" 'guest memory'
	assert_match "$err" 'nr_hugepages'
	own_pool 0
}

# has_huge_pages COMMAND...: a host short of them may have none at the first try.
has_huge_pages()
{
	local huge
	for _ in 1 2 3 4 5; do
		huge=$(huge_pages_of "$@")
		[ "$huge" -lt 2048 ] || return 0
	done
	fail "guest memory has $huge KiB of huge pages with: $*"
}

# huge_pages_of COMMAND...: KiB of a running guest's memory in huge pages.
huge_pages_of()
{
	local pid huge
	rm -f "$T/out"
	"$@" run --kernel "$GUESTS/spin.elf" --memory 256M --timeout 20 \
		</dev/null >"$T/out" 2>&1 &
	pid=$!
	wait_for 10 'the guest' grep -q 'for ever' "$T/out"
	huge=$(awk '/^[0-9a-f]+-[0-9a-f]+ / { ram = /hull-guest-ram/ }
		ram && $1 == "ShmemPmdMapped:" { sum += $2 } END { print sum + 0 }' \
		"/proc/$pid/smaps")
	kill -INT "$pid"
	wait "$pid" || true
	echo "$huge"
}

# Whatever shmem_enabled says; see core/ram_file.c.
# where: host-kvm
test_transparent()
{
	local thp=/sys/kernel/mm/transparent_hugepage ordinary=()
	grep -q '\[never\]' "$thp/enabled" && skip "$thp/enabled is never"
	grep -q '\[deny\]' "$thp/shmem_enabled" && skip "$thp/shmem_enabled is deny"
	if [ "$(id -u)" -eq 0 ]; then
		has_huge_pages "$HULL"
		# The one that root needs to have its own ID in a namespace.
		ordinary=(setpriv '--bounding-set=-all,+setfcap' --inh-caps=-all)
	fi
	unshare --user true || skip "no user namespaces"
	has_huge_pages "${ordinary[@]}" "$HULL"
}
