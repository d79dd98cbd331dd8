# What the guests of bench-io do, and what the host does for comparison: functions
# that write scripts for a guest's shell and jobs for fio. Sourced by bench-io,
# whose variables they use.
# shellcheck shell=bash disable=SC2154

fio_job() # NAME OPTION...
{
	local name=$1
	shift
	printf '[%s]\n' "$name"
	printf '%s\n' "$@"
	# fio runs these with a shell and sends their output to a file.
	# shellcheck disable=SC2016 # fio expands it
	printf '%s\n' "exec_prerun=\${MARK} begin $name" \
		"exec_postrun=\${MARK} end $name"
}

# One fio for all jobs: its start is expensive in an emulated guest.
fio_jobs()
{
	local depth rw
	# shellcheck disable=SC2016 # fio expands it
	local first='filename=${DISK}' second='filename=${DISK2}'
	printf '%s\n' '[global]' ioengine=io_uring direct=1 bs=4k size=100% \
		time_based "runtime=$seconds" thread stonewall norandommap \
		gtod_reduce=1
	for depth in $depths; do
		for rw in randread randwrite; do
			fio_job "$rw-$depth" "rw=$rw" "iodepth=$depth" "$first"
		done
	done
	fio_job seqread rw=read bs=128k iodepth=4 "$first"
	fio_job seqwrite rw=write bs=128k iodepth=4 "$first"
	fio_job fsync rw=randwrite iodepth=1 fsync=1 size=64m "$second"
}

# shellcheck disable=SC2016 # awk's dollars
# Of fio's terse output, version 3 (fio(1), TERSE OUTPUT): the job, KiB read and
# written, and how many milliseconds that took.
fio_figures='$1 == 3 { print "bench: result", $3, $6 + $47, $9 + $50 }'

# shellcheck disable=SC2016 # awk's dollars
# iperf3's last line about what has arrived; with several streams their sum.
iperf_figures='/receiver$/ && (!sum || /SUM/) {
		for (i = 2; i <= NF; i++)
			if ($i == "Kbits/sec") kbits = $(i - 1)
		if (/SUM/) sum = 1
	}
	END { if (kbits != "") print "bench: result", job, kbits }'

# A stream starts slowly, iperf3 itself takes a second to start in a guest, and a
# flood keeps us from reading the guest's marks in time: these jobs run longer
# than the others.
stream_seconds()
{
	echo $((seconds * 4))
}

# net_job NAME ADDRESS: what a shell does for it; the same text in guests and
# here.
net_job()
{
	local name=$1 iperf
	iperf="iperf3 -c $2 -t $(stream_seconds) -i 0 -f k"
	local load="\$NETLOAD"
	case $name in
	*-recv-*) iperf+=' -R' ;;
	esac
	case $name in
	*-4) iperf+=' -P 4' ;;
	esac
	echo "mark begin $name"
	case $name in
	*-rr) echo "out=\$($load tcp-rr $2 $netload_port $seconds)" ;;
	udp-*) echo "out=\$($load $name $2 $netload_port $(stream_seconds) 64)" ;;
	*) echo "out=\$($iperf 2>&1)" ;;
	esac
	echo "mark end $name"
	case $name in
	*-rr | udp-*) echo "echo \"bench: result $name \$out\"" ;;
	*) echo "echo \"\$out\" | awk -v job=$name '$iperf_figures'" ;;
	esac
}

net_script() # ADDRESS JOB...
{
	local job address=$1
	shift
	for job in "$@"; do
		net_job "$job" "$address"
	done
}

# card_script MAC ADDRESS: the guest finds a card by its MAC, since monitors
# number them as they like.
card_script()
{
	cat <<END
for card in /sys/class/net/*; do
	[ \$(cat \$card/address) = $1 ] || continue
	ip addr add $2/24 dev \${card##*/}
	ip link set \${card##*/} up
done
END
}

# output_script JOB DEVICE KIB: the last stty waits until the terminal has sent
# everything.
output_script()
{
	cat <<END
yes 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+ |
	head -c $3k >/flood
stty -F $2 raw -echo
mark begin $1
read -r before rest </proc/uptime
cat /flood >$2
stty -F $2 raw -echo
read -r after rest </proc/uptime
echo
mark end $1
echo "bench: result $1 \$before \$after"
END
}

# reach_script ADDRESS: once it answers. The first ping of two guests that start
# may be lost.
reach_script()
{
	cat <<END
for try in 1 2 3 4 5 6 7 8 9 x; do
	! ping -c 1 -W 10 $1 >/dev/null || break
	[ \$try != x ] || echo "bench: error: no answer from $1"
done
END
}

# What the peer does: everything listens before its card has an address.
peer_script()
{
	cat <<END
iperf3 -s >/dev/null 2>&1 &
netload serve $netload_port &
for port in $(printf '%04X %04X' 5201 "$netload_port"); do
	until cat /proc/net/tcp /proc/net/tcp6 | grep -q ":\$port "; do
		sleep 0.1
	done
done
END
	card_script "$peer_mac" "$peer_address"
	echo 'sleep 1000'
}

guest_script()
{
	cat <<'END'
mark() { echo "bench: $*"; sleep 0.1; }
END
	if has_part disk; then
		cat <<END
export MARK=/mark DISK=/dev/vda DISK2=/dev/vdb
# Some monitors number their disks from the last; kvmtool tells no serial.
for disk in /sys/block/vd?; do
	case \$(cat \$disk/serial) in
	d1) DISK=/dev/\${disk##*/} ;;
	d2) DISK2=/dev/\${disk##*/} ;;
	esac
done
fio --minimal /jobs.fio >/fio.out || cat /fio.out
awk -F ';' '$fio_figures' /fio.out
END
	fi
	if has_part net; then
		card_script "$mac" "$guest_address"
		reach_script "$host_address"
		echo 'NETLOAD=netload'
		# shellcheck disable=SC2086 # words
		net_script "$host_address" $net_jobs
	fi
	if has_part console; then
		echo 'if [ -c /dev/hvc0 ]; then'
		output_script console /dev/hvc0 "$console_kib"
		echo 'fi'
		output_script serial /dev/ttyS0 "$serial_kib"
	fi
	if has_part guests; then
		echo 'echo "bench: peer"'
		card_script "$mac2" "$guest_address2"
		reach_script "$peer_address"
		echo 'NETLOAD=netload'
		# shellcheck disable=SC2086 # words
		net_script "$peer_address" $guests_jobs
	fi
	echo 'echo "bench: done"'
	echo 'sleep 1000'
}
