# The command line apart from running: configuration in and out, help, the
# manual page, completion, doctor.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: none

# round_trip OPTION...: what --print-config prints is read back and printed
# again, byte for byte.
round_trip()
{
	run "$HULL" run "$@" --print-config
	assert_status 0
	cp "$T/out" "$T/first.json"
	jq_or_python "$T/first.json"
	run "$HULL" run --config "$T/first.json" --print-config
	assert_status 0
	cmp "$T/first.json" "$T/out"
}

# Somebody else's parser takes it, too.
jq_or_python()
{
	if command -v jq >/dev/null; then
		jq . "$1" >/dev/null
	elif command -v python3 >/dev/null; then
		python3 -m json.tool "$1" >/dev/null
	fi
}

test_print_config_round_trip()
{
	round_trip
	round_trip --kernel /k
	round_trip --kernel '/a "quoted" \ name' --initrd $'/tab\there' \
		--cmdline 'console=ttyS0 x="a b" é' --cpus 4 \
		--cpu host,-avx2 --memory 5G,hugepages=1G --acpi off --fdt on \
		--console file=/tmp/x --debug-exit value --timeout 90s \
		--irqchip full --boot elf --verbose
	round_trip --kernel /k --memory 65540K
	round_trip --kernel /k --console unix=/s --cmdline ''
	round_trip --kernel /k --console pty --timeout 1500ms
}

test_what_was_said_is_in_it()
{
	run "$HULL" run --kernel /k --cpus 3 --print-config
	assert_match "$out" '"kernel": "/k"'
	assert_match "$out" '"cpus": 3'
}

test_command_line_wins_over_file()
{
	echo '{ "kernel": "/file", "cpus": 2 }' >"$T/vm.json"
	run "$HULL" run --config "$T/vm.json" --cpus 5 --print-config
	assert_status 0
	assert_match "$out" '"cpus": 5'
	assert_match "$out" '"kernel": "/file"'
	run "$HULL" run --cpus 5 --config "$T/vm.json" --print-config
	assert_match "$out" '"cpus": 5'
}

# Every option of the table, as the help lists them.
options_of_run()
{
	"$HULL" run --help | grep -oE '^ +(-., )?--[a-z-]+' |
		grep -oE '\-\-[a-z-]+'
}

test_help_man_and_completion_know_every_option()
{
	local option page completion
	run "$HULL" --help
	assert_status 0
	assert_has "$out" doctor
	run "$HULL" run --help
	assert_status 0
	assert_has "$out" '--kernel'
	page=$("$HULL" man)
	completion=$("$HULL" completion bash)
	for option in $(options_of_run); do
		[[ $page == *"${option#--}"* ]] ||
			fail "the manual page does not know $option"
		[[ $completion == *"$option"* ]] ||
			fail "completion does not know $option"
	done
	assert_ge "$(options_of_run | wc -l)" 15 "options in the help"
}

test_help_fits_a_terminal()
{
	local widest
	widest=$("$HULL" run --help | wc -L)
	assert_le "$widest" 80 "columns of the help"
}

test_man_page()
{
	local code
	need_program mandoc mandoc
	"$HULL" man >"$T/hull.1"
	run mandoc -T lint -W warning "$T/hull.1"
	assert_status 0
	run mandoc -T ascii "$T/hull.1"
	# vmm/exit_status.h
	for code in 0 2 4 6 8 10 12 14 16 18 20 22; do
		grep -qP "^ +$code\t? +[a-zA-Z]" <(col -bx <"$T/out") ||
			fail "the page does not explain status $code"
	done
}

test_completion()
{
	"$HULL" completion bash >"$T/completion"
	bash -n "$T/completion"
	# shellcheck disable=SC2016 # for the inner shell
	run bash -c '
		. "$1"
		COMP_WORDS=(hull run --ker) COMP_CWORD=2
		COMP_LINE="hull run --ker" COMP_POINT=${#COMP_LINE}
		$(complete -p hull | sed "s/.*-F \([^ ]*\).*/\1/") hull --ker run
		printf "%s\n" "${COMPREPLY[@]}"' - "$T/completion"
	assert_status 0
	assert_has "$out" --kernel
	assert_lacks "$out" --cpus
}

test_version()
{
	run "$HULL" version
	assert_status 0
	assert_match "$out" '^hull [^ ]+$'
	run "$HULL" --version
	assert_status 0
}

# One line for each thing, with a remedy behind what is not there.
test_doctor()
{
	local topic line
	run "$HULL" doctor
	case $status in 0 | 16) ;; *) fail "status $status" ;; esac
	for topic in kvm virtualization io_uring tun vhost cgroup \
		'user.?n(amespaces|s)' hugepages; do
		grep -qiE "^[a-z]+ +[a-z_-]*$topic" "$T/out" ||
			fail "no line about $topic"
	done
	while IFS= read -r line; do
		[[ $line != missing* || $line == *' -> '* ]] ||
			fail "no remedy: $line"
	done <"$T/out"
	run "$HULL" doctor --json
	jq_or_python "$T/out"
}

# root: yes
test_doctor_where_there_is_nothing()
{
	mkdir -p "$T/root"
	cp "$HULL" "$T/root/hull"
	run chroot "$T/root" /hull doctor
	assert_status 16
	assert_match "$out" 'missing +kvm .*-> '
	assert_has "$out" 'No guest can run'
}

test_output_that_cannot_be_written()
{
	# shellcheck disable=SC2016 # for the inner shell
	run bash -c '"$1" run --help >/dev/full' - "$HULL"
	assert_status 16
}
