# The report of bench-io; the functions are in report.awk. CPU times are
# nanoseconds for each operation: an I/O, a KiB, a round trip, a datagram.

function job(name, unit, text)
{
	title(name, unit, text, "more")
	jobs[++job_count] = name
}

END {
	n = split("1 32 128", depths, " ")
	for (i = 1; i <= n; i++)
		for (j = 0; j < 2; j++)
			job((j ? "randwrite-" : "randread-") depths[i], "IOPS", \
				"random 4 KiB " (j ? "writes" : "reads") \
				", depth " depths[i])
	job("seqread", "MiB/s", "sequential reads of 128 KiB, depth 4")
	job("seqwrite", "MiB/s", "sequential writes of 128 KiB, depth 4")
	job("fsync", "IOPS", "random 4 KiB writes, each with fsync")
	title("fsync-flushes", "ratio", "flushes the disk got for each fsync", \
		"more")
	job("tcp-send-1", "Mbit/s", "TCP, guest to host, one stream")
	job("tcp-send-4", "Mbit/s", "TCP, guest to host, four streams")
	job("tcp-recv-1", "Mbit/s", "TCP, host to guest, one stream")
	job("tcp-recv-4", "Mbit/s", "TCP, host to guest, four streams")
	job("tcp-rr", "trips/s", "TCP round trips of one byte")
	title("tcp-rr-p99", "ns/op", "99th percentile of a TCP round trip")
	job("udp-send", "1/s", "UDP, 64 bytes, guest to host, arrived")
	job("udp-recv", "1/s", "UDP, 64 bytes, host to guest, arrived")
	job("guests-send-1", "Mbit/s", "TCP, guest to guest, one stream")
	job("guests-send-4", "Mbit/s", "TCP, guest to guest, four streams")
	job("guests-recv-1", "Mbit/s", "TCP, from the other guest, one stream")
	job("guests-recv-4", "Mbit/s", "TCP, from the other guest, four streams")
	job("guests-rr", "trips/s", "TCP round trips of one byte between guests")
	title("guests-rr-p99", "ns/op", "99th percentile of such a round trip")
	job("console", "KiB/s", "output to the virtio console")
	job("serial", "KiB/s", "output to the serial port")
	for (i = 1; i <= job_count; i++)
		title("cpu-" jobs[i], "ns/op", "CPU of the monitors, without " \
			"vCPUs, per operation of " jobs[i])
	report("host qemu")

	for (j = 0; j < 2; j++) {
		name = j ? "randwrite-" : "randread-"
		target(name 1, "hull", "qemu", 1)
		target(name 32, "hull", "qemu", 1.2)
		target(name 128, "hull", "qemu", 1.2)
		target("cpu-" name 32, "hull", "qemu", 0.8)
		target("cpu-" name 128, "hull", "qemu", 0.8)
	}
	target("seqread", "hull", "qemu", 1)
	target("seqwrite", "hull", "qemu", 1)
	# Honest: each fsync reaches the disk.
	for (i = 1; i <= order["fsync-flushes"]; i++) {
		s = subject["fsync-flushes", i]
		if (index(s, "hull") == 1)
			verdict("fsync-flushes", s, \
				median["fsync-flushes", s], 0.99, "%.2f", \
				"at least")
	}
	for (i = 1; i <= 4; i++) {
		split("send-1 send-4 recv-1 recv-4", names, " ")
		target("tcp-" names[i], "hull", "qemu", 1.3)
		target("cpu-tcp-" names[i], "hull", "qemu", 0.8)
	}
	target("udp-send", "hull", "qemu", 1.3)
	target("udp-recv", "hull", "qemu", 1.3)
	exit finish()
}
