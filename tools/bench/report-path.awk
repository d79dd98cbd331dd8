# The report of bench-path; the functions are in report.awk.

function job(name, unit, text)
{
	title(name, unit, text, "more")
	jobs[++job_count] = name
}

END {
	split("cached direct", parts, " ")
	split("1 32 128", depths, " ")
	for (p = 1; p <= 2; p++) {
		part = parts[p]
		for (i = 1; i <= 3; i++) {
			job(part "-randread-" depths[i], "IOPS", part \
				": random 4 KiB reads, depth " depths[i])
			job(part "-randwrite-" depths[i], "IOPS", part \
				": random 4 KiB writes, depth " depths[i])
		}
		job(part "-seqread", "MiB/s", part \
			": sequential reads of 128 KiB, depth 4")
		job(part "-seqwrite", "MiB/s", part \
			": sequential writes of 128 KiB, depth 4")
	}
	for (i = 1; i <= job_count; i++)
		title("cpu-" jobs[i], "ns/op", "CPU of the monitor, without " \
			"vCPUs, per request of " jobs[i])
	for (i = 1; i <= job_count; i++)
		title("kicks-" jobs[i], "kicks", "kicks per 100 requests of " jobs[i])
	report("host qemu")

	for (i = 1; i <= job_count; i++) {
		deep = jobs[i] ~ /-(32|128)$/
		target(jobs[i], "hull", "qemu", deep ? 1.2 : 1)
		if (deep)
			target("cpu-" jobs[i], "hull", "qemu", 0.8)
	}
	exit finish()
}
