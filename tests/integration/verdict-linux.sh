# The verdict over Debian's kernel: a panic, other trouble, a prompt, and test
# results on the virtio console while the kernel speaks on the serial port.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are the
# guest's.
# where: linux-kvm
# seconds: 30
# timeout: 120

# shellcheck source=lib-linux.sh
. "$HERE/lib-linux.sh"

# field KEY: the value in the result, without quotes.
field()
{
	sed -nE "s/^ *\"$1\": \"?(.*[^\",])?\"?,?\$/\1/p" "$T/r.json" |
		head -n 1
}

test_panic()
{
	local key last=0 value
	boot_linux bzImage 'echo "about to crash"
echo c >/proc/sysrq-trigger
sleep 60' --result "$T/r.json" --junit "$T/r.xml"
	assert_status 18
	assert_match "$err" '\(panic\).*sysrq triggered crash'
	assert_eq "$(field reason)" fail-on
	# What followed the line is in the log: the trace of the panic.
	assert_match "$(<"$T/r.console.log")" 'about to crash'
	assert_match "$(<"$T/r.console.log")" 'Call Trace|Kernel Offset'
	for key in first_instruction_ms first_console_byte_ms init_ms end_ms; do
		value=$(field $key)
		assert_match "$value" '^[0-9]+(\.[0-9]+)?$'
		assert_ge "${value%.*}" "$last" "$key"
		last=${value%.*}
	done
	# The same without a judgement: what pvpanic tells.
	need_program xmllint libxml2-utils
	xmllint --noout --schema "$HERE/junit.xsd" "$T/r.xml"
}

# What the kernel would print, through its own log.
test_trouble_in_the_log()
{
	boot_linux bzImage 'echo "<0>watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [x:1]" >/dev/kmsg
sleep 60' --fail-on linux
	assert_status 18
	assert_match "$err" '\(soft-lockup\).*stuck for 26s'
}

test_prompt()
{
	run "$HULL" run --kernel "$LINUX/bzImage" --timeout 300 \
		--initrd "$LINUX/initrd.cpio.gz" --expect 'hull:~# $' \
		--console-log "$T/log" </dev/null
	assert_status 0
	assert_match "$(<"$T/log")" '\] \[    0\.000000\] Linux version'
}

test_results_on_the_virtio_console()
{
	initrd_with 'exec >/dev/hvc0 2>&1
echo "KTAP version 1"
echo "1..2"
for i in 1 2; do
	echo "# Subtest: suite$i"
	echo "    KTAP version 1"
	echo "    1..20"
	for j in $(seq 20); do
		echo "<4>noise $i $j" >/dev/kmsg
		echo "    ok $j case$j"
	done
	echo "ok $i suite$i"
done'
	run "$HULL" run --kernel "$LINUX/bzImage" --initrd "$T/initrd" \
		--cpus 2 --cmdline \
		"console=ttyS0 panic=-1 hull.file=/test.sh" \
		--timeout 300 --tests on --result "$T/r.json" </dev/null
	assert_status 0
	assert_eq "$(field passed)" true
	assert_eq "$(grep -c '"result": "passed"' "$T/r.json")" 40 "tests"
	assert_has "$(<"$T/r.json")" '"suite2: case20"'
	assert_has "$(<"$T/r.console.log")" 'noise 2 20'
}
