# The report of bench-start; the functions are in report.awk. Times are
# nanoseconds, memory is KiB.

END {
	title("first", "ns", "exec of the monitor to the guest's first byte")
	title("exit", "ns", "exec of the monitor to its end")
	title("boot", "ns", "exec of the monitor to Linux's init, in the lab")
	title("memory-tiny-rss", "KiB", "own memory with a tiny guest, Rss")
	title("memory-tiny-pss", "KiB", "own memory with a tiny guest, Pss")
	title("memory-rss", "KiB", "own memory at Linux's shell prompt, Rss")
	title("memory-pss", "KiB", "own memory at Linux's shell prompt, Pss")
	report("floor qemu")
	target("first", "hull", "floor", 1.3)
	target("exit", "hull", "floor", 1.3)
	target("first", "hull", "qemu", 0.2)
	target("exit", "hull", "qemu", 0.2)
	target("boot", "hull", "qemu", 0.8)
	if (("memory-rss", "hull") in samples)
		verdict("memory-rss", "hull, KiB", \
			median["memory-rss", "hull"], 2048, "%.0f", \
			"at most")
	exit finish()
}
