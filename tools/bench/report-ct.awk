# The report of bench-ct; the functions are in report.awk. Times are
# nanoseconds, memory is KiB.

END {
	title("filter", "ns", "run of a static /bin/true, with a filter of system calls")
	title("plain", "ns", "the same without a filter")
	title("create", "ns", "create")
	title("start", "ns", "start")
	title("delete", "ns", "delete")
	title("exec", "ns", "exec of a static /bin/true")
	title("burst", "ns", "64 runs at once, each")
	title("p99", "ns", "64 runs at once, 99th percentile")
	title("memory", "KiB", "smallest memory.max under which it starts")
	title("size", "KiB", "size of the program, with debugging information")
	title("clone", "ns", "clone of a container that has written 1 GiB")
	title("cloned", "KiB", "what the container and all its clones take on disk")
	report("floor crun")
	target("filter", "hull-ct", "crun", 0.7)
	target("plain", "hull-ct", "crun", 0.7)
	target("plain", "hull-ct", "floor", 2)
	if (("memory", "hull-ct") in samples)
		verdict("memory", "hull-ct, KiB", \
			median["memory", "hull-ct"], 1024, "%.0f", \
			"at most")
	if (("clone", "hull-ct") in samples)
		verdict("clone", "hull-ct, ms", \
			median["clone", "hull-ct"] / 1e6, 20, "%.1f", \
			"at most")
	exit finish()
}
