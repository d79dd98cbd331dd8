# The virtio console of a stock Linux guest: the terminal on it, its size, what
# floods it, and named ports on sockets and files.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are the
# guest's.
# where: linux-kvm
# seconds: 30
# timeout: 180

# shellcheck source=lib-linux.sh
. "$HERE/lib-linux.sh"

# What a user has in front of them: typing, the keys, a window that changes, and
# the serial port beside it on the same terminal.
test_shell_on_hvc0()
{
	local report
	run "$TOOLS/pty_run" --timeout 300 --report "$T/report" raw \
		size:24x81 'expect:hull:~# ' \
		'send:until [ "$(stty size)" = "24 81" ]; do :; done; echo size-$((4 + 5))\r' \
		expect:size-9 'expect:hull:~# ' 'send:tty\r' expect:/dev/hvc0 \
		'expect:hull:~# ' size:31x97 \
		'send:until [ "$(stty size)" = "31 97" ]; do :; done; echo size-$((5 + 5))\r' \
		expect:size-10 'expect:hull:~# ' \
		'send:echo $((6 * 7))abc\x08\x08\x08xyz\r' expect:42xyz \
		'expect:hull:~# ' 'send:sleep 100\r' sleep:1000 'send:\x03' \
		'expect:hull:~# ' 'send:echo $((40 + 3))-serial >/dev/ttyS0\r' \
		expect:43-serial 'expect:hull:~# ' \
		'send:read x; echo "got $x"\r' "send:$(seq -s , 1 60)\r" \
		"expect:got $(seq -s , 1 60)" 'expect:hull:~# ' \
		'send:poweroff\r' -- \
		"$HULL" run --kernel "$LINUX/bzImage" \
		--initrd "$LINUX/initrd.cpio.gz" --timeout 300 \
		--cmdline 'console=ttyS0 console=hvc0'
	report=$(<"$T/report")
	printf '%s\n' "$report"
	assert_status 0
	assert_has "$report" 'status 0'
	assert_has "$report" 'termios restored'
	assert_has "$report" 'flags restored'
}

# Linux gives hvc0 sixteen bytes at a time and ttyS0 one, so that what is more than
# a socket and a pipe hold goes through the ports: it takes minutes in the lab.
ports_script='
port() { for p in /sys/class/virtio-ports/*; do [ "$(cat $p/name)" != $1 ] || echo /dev/${p##*/}; done; }
for p in /sys/class/virtio-ports/*; do echo "port=$(cat $p/name)"; done
seq 1 60000 >$(port log) && echo "log=written"
exec 3<>$(port org.qemu.guest_agent.0)
echo "ready for clients"
n=0
while [ $n -lt 3 ]; do
	# Without a client there is nothing to read: the end of a file.
	if read -r line <&3; then
		echo "answer to $line" >&3
		n=$((n + 1))
	else
		usleep 50000
	fi
done
seq 1 60000 >&3
echo "end" >&3
echo "ready for the flood"
seq 1 16000 | sed s/^/h/
seq 1 3000 | sed s/^/s/ >/dev/ttyS0
'

# ask WORD: what a client hears that says WORD and leaves.
ask()
{
	mkfifo "$T/say-$1"
	socat -t 60 - "UNIX-CONNECT:$T/agent" <"$T/say-$1" >"$T/heard-$1" &
	local client=$!
	exec 7>"$T/say-$1"
	printf '%s\n' "$1" >&7
	wait_for 30 "answer to $1" grep -q "^${2:-answer}" "$T/heard-$1"
	exec 7>&-
	# Its input ended, and so it leaves the port.
	kill "$client"
	wait "$client" || true
}

# seconds: 60
test_ports_and_a_slow_reader()
{
	need_program socat socat
	mkfifo "$T/pipe"
	initrd_with "$ports_script"
	"$HULL" run --kernel "$LINUX/bzImage" --initrd "$T/initrd" \
		--transport mmio \
		--cmdline "console=hvc0 loglevel=5 hull.file=/test.sh" \
		--port "org.qemu.guest_agent.0,unix=$T/agent" \
		--port "log,file=$T/log" --timeout 400 \
		</dev/null >"$T/pipe" 2>"$T/err" &
	linux_pid=$!
	exec 8<"$T/pipe"
	wait_for 10 socket test -S "$T/agent"
	assert_eq "$(stat -c %a "$T/agent")" 600 "mode of the socket"
	# Said before the guest has a driver: it waits there.
	ask one
	ask two
	ask three end
	assert_eq "$(<"$T/heard-one")" 'answer to one'
	assert_eq "$(<"$T/heard-two")" 'answer to two'
	{
		echo 'answer to three'
		seq 1 60000
		echo end
	} | cmp - "$T/heard-three" || fail "what the port sent is not whole"
	seq 1 60000 | cmp - "$T/log" || fail "the file is not whole"
	# By now the pipe is full and the guest has to wait.
	head -c 4096 <&8 >"$T/out"
	sleep 3
	gone "$linux_pid" && fail "it ended while output was waiting"
	cat <&8 >>"$T/out"
	end_linux
	assert_status 0
	assert_has "$out" 'port=org.qemu.guest_agent.0'
	assert_has "$out" 'port=log'
	assert_calm
	seq 1 16000 | sed s/^/h/ | cmp - <(grep '^h[0-9]' <<<"$out") ||
		fail "what hvc0 said is not whole"
	seq 1 3000 | sed s/^/s/ | cmp - <(grep '^s[0-9]' <<<"$out") ||
		fail "what ttyS0 said is not whole"
	[ ! -e "$T/agent" ] || fail "the socket was not removed"
}
