# What the guest is told of its machine, as files: ACPI tables that iasl reads
# and a device tree that dtc reads, both without a complaint.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: none

# no_complaint FILE: iasl's or dtc's output has no error and no warning.
no_complaint()
{
	if grep -iE 'error|warning|invalid|not permitted' "$1" |
		grep -vE '0 Errors|0 Warnings|-vi'; then
		fail "complaints in $(basename "$1")"
	fi
}

# disassembles DIR: every table is read by iasl, and AML compiles back.
disassembles()
{
	local file table name
	for file in "$1"/*; do
		table=$(basename "$file")
		name=$(head -c 4 "$file" | tr -d '\0')
		case $name in
		FACS | 'RSD ') continue ;;
		esac
		cp "$file" "$T/$table.aml"
		iasl -d "$T/$table.aml" >"$T/iasl.$table" 2>&1 ||
			fail "iasl cannot read $table"
		cat "$T/iasl.$table"
		no_complaint "$T/iasl.$table"
		assert_eq "$(stat -c %s "$file")" \
			"$(od -An -tu4 -j 4 -N 4 "$file" | tr -d ' ')" \
			"length of $table"
		case $name in
		DSDT | SSDT)
			iasl -p "$T/back" "$T/$table.dsl" \
				>"$T/iasl.back" 2>&1 ||
				fail "$table does not compile back"
			cat "$T/iasl.back"
			no_complaint "$T/iasl.back"
			;;
		esac
	done
}

test_acpi_tables()
{
	local cpus
	need_program iasl acpica-tools
	for cpus in 1 4 64; do
		rm -rf "$T/tables" "$T"/*.dsl
		mkdir "$T/tables"
		run "$HULL" run --dump-acpi "$T/tables" --cpus "$cpus" \
			--memory 5G
		assert_status 0
		disassembles "$T/tables"
		local names
		names=$(head -qc 4 "$T/tables"/*)
		assert_has "$names" DSDT
		assert_has "$names" FACP
		assert_has "$names" APIC
		assert_eq "$(grep -c 'Processor ID' "$T"/*APIC*.dsl ||
			true)" "$cpus" "processors in the MADT"
	done
}

# How a guest is told to end the machine, in iasl's words.
test_fixed_table_says_hardware_reduced()
{
	need_program iasl acpica-tools
	mkdir "$T/tables"
	run "$HULL" run --dump-acpi "$T/tables"
	assert_status 0
	disassembles "$T/tables"
	grep -qE 'Hardware Reduced \(V5\) : 1' "$T"/*.dsl ||
		fail "the FADT is not hardware-reduced"
	grep -qE 'Reset Register Supported \(V2\) : 1' "$T"/*.dsl ||
		fail "the FADT has no reset register"
	grep -qE '_S5' "$T"/*.dsl || fail "there is no _S5"
	grep -q PNP0C0C "$T"/*.dsl || fail "there is no power button"
}

# device_tree OPTION...: dumps, checks and leaves the source in $T/dts.
device_tree()
{
	run "$HULL" run --dump-fdt "$T/dtb" "$@"
	assert_status 0
	dtc -I dtb -O dts -o "$T/dts" "$T/dtb" >"$T/dtc" 2>&1 ||
		fail "dtc cannot read it: $(<"$T/dtc")"
	[ ! -s "$T/dtc" ] || fail "dtc complains: $(<"$T/dtc")"
	# dtc checks more when it reads source.
	dtc -I dts -O dtb -o /dev/null "$T/dts" >"$T/dtc" 2>&1 ||
		fail "dtc cannot read its own output: $(<"$T/dtc")"
	[ ! -s "$T/dtc" ] || fail "dtc complains: $(<"$T/dtc")"
}

test_device_tree()
{
	need_program dtc device-tree-compiler
	device_tree
	assert_has "$(<"$T/dts")" 'cpu@0'
	assert_has "$(<"$T/dts")" 'memory@0'
	assert_match "$(<"$T/dts")" 'serial@'
	assert_has "$(<"$T/dts")" 'chosen'
	device_tree --cpus 8 --memory 6G --cmdline 'hello tree'
	assert_eq "$(grep -cE '\bcpu@[0-9a-f]+ \{' "$T/dts")" 8 "cpu nodes"
	assert_has "$(<"$T/dts")" 'memory@100000000'
	assert_has "$(<"$T/dts")" 'hello tree'
}

# Both come from one description: the same serial port, the same processors.
test_both_describe_one_machine()
{
	mkdir "$T/tables"
	need_program iasl acpica-tools
	device_tree --dump-acpi "$T/tables" --cpus 3
	disassembles "$T/tables"
	grep -qi '0x3f8' "$T/dts" || fail "no port 0x3f8 in the tree"
	grep -qi '0x03F8' "$T"/*.dsl || fail "no port 0x3f8 in the DSDT"
	assert_eq "$(grep -cE '\bcpu@[0-9a-f]+ \{' "$T/dts")" \
		"$(grep -c 'Processor ID' "$T"/*APIC*.dsl)" "processors"
}

test_dumps_need_no_kvm()
{
	mkdir -p "$T/root/out"
	if [ "$(id -u)" -ne 0 ]; then
		skip "only root can hide /dev/kvm"
	fi
	cp "$HULL" "$T/root/hull"
	run chroot "$T/root" /hull run --dump-fdt /out/dtb --dump-acpi /out
	assert_status 0
	[ -s "$T/root/out/dtb" ] || fail "no tree was written"
}
