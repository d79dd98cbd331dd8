# The samples of bench-start, lines "METRIC SUBJECT VALUE", as a table on
# standard output and, with the words in `host`, as JSON in the file `json`.
# Times are nanoseconds, memory is KiB. With check=1 the exit status is 1 when a target is missed.

function sort(a, n,    i, j, v)
{
	for (i = 2; i <= n; i++) {
		v = a[i]
		for (j = i - 1; j >= 1 && a[j] > v; j--)
			a[j + 1] = a[j]
		a[j + 1] = v
	}
}

# The value below which the fraction f lies, between neighbours linearly.
function quantile(a, n, f,    at, low)
{
	at = 1 + (n - 1) * f
	low = int(at)
	return low >= n ? a[n] : a[low] + (at - low) * (a[low + 1] - a[low])
}

function stats(key,    a, n, i)
{
	n = split(samples[key], a, " ")
	for (i = 1; i <= n; i++)
		a[i] += 0
	sort(a, n)
	count[key] = n
	min[key] = a[1]
	p25[key] = quantile(a, n, 0.25)
	median[key] = quantile(a, n, 0.5)
	p75[key] = quantile(a, n, 0.75)
	max[key] = a[n]
}

function title(metric, unit, text)
{
	titles[metric] = text
	units[metric] = unit
	metrics[++metric_count] = metric
}

function show(metric, value)
{
	return units[metric] == "ns" ? \
		sprintf("%.2f", value / 1e6) : sprintf("%.0f", value)
}

# Of medians, "-" without something to compare with.
function ratio(metric, s, other)
{
	if (other == "")
		return "-"
	return sprintf("%.2f", median[metric, s] / median[metric, other])
}

function table(metric,    i, s, k, qemu, row)
{
	if (!(metric in order))
		return
	qemu = best(metric, "qemu")
	row = "  %-13s %3s %9s %9s %9s %9s %9s %7s %7s\n"
	printf "\n%s\n", titles[metric]
	printf row, (units[metric] == "ns" ? "ms" : "KiB"), "n", "median", \
		"min", "p25", "p75", "max", "/floor", "/qemu"
	for (i = 1; i <= order[metric]; i++) {
		s = subject[metric, i]
		k = metric SUBSEP s
		printf row, s, count[k], show(metric, median[k]), \
			show(metric, min[k]), show(metric, p25[k]), \
			show(metric, p75[k]), show(metric, max[k]), \
			ratio(metric, s, best(metric, "floor")), \
			ratio(metric, s, qemu)
	}
}

# The subject of least median among those whose name starts with prefix.
function best(metric, prefix,    i, s, found)
{
	for (i = 1; i <= order[metric]; i++) {
		s = subject[metric, i]
		if (index(s, prefix) != 1)
			continue
		if (found == "" || median[metric, s] < median[metric, found])
			found = s
	}
	return found
}

function target(metric, one, other, limit,    a, b)
{
	a = best(metric, one)
	b = best(metric, other)
	if (a == "" || b == "")
		return
	verdict(metric, a " / " b, median[metric, a] / median[metric, b], \
		limit, "%.2f")
}

function verdict(metric, what, value, limit, format,    reached)
{
	reached = value <= limit
	missed += !reached
	targets[++target_count] = sprintf("{\"metric\": \"%s\", " \
		"\"what\": \"%s\", \"value\": %.4f, \"limit\": %.4f, " \
		"\"reached\": %s}", metric, what, value, limit, \
		reached ? "true" : "false")
	lines[target_count] = sprintf("  %-12s %-26s " format " (at most " \
		format "): %s", metric, what, value, limit, \
		reached ? "reached" : "MISSED")
}

function write_json(    m, i, k, metric, comma)
{
	printf "{\n  \"version\": 1,\n  \"host\": \"%s\",\n" \
		"  \"results\": [\n", host >json
	for (m = 1; m <= metric_count; m++) {
		metric = metrics[m]
		for (i = 1; i <= order[metric]; i++) {
			k = metric SUBSEP subject[metric, i]
			printf "%s    {\"metric\": \"%s\", " \
				"\"subject\": \"%s\", \"unit\": \"%s\", " \
				"\"n\": %d, \"median\": %.1f, \"min\": %.1f, " \
				"\"p25\": %.1f, \"p75\": %.1f, \"max\": %.1f}", \
				comma, metric, subject[metric, i], \
				units[metric], count[k], median[k], min[k], \
				p25[k], p75[k], max[k] >json
			comma = ",\n"
		}
	}
	print "\n  ],\n  \"targets\": [" >json
	for (i = 1; i <= target_count; i++)
		printf "    %s%s\n", targets[i], \
			(i < target_count ? "," : "") >json
	print "  ]\n}" >json
	close(json)
}

NF == 3 {
	if (!(($1, $2) in samples))
		subject[$1, ++order[$1]] = $2
	samples[$1, $2] = samples[$1, $2] " " $3
}

END {
	title("first", "ns", "exec of the monitor to the guest's first byte")
	title("exit", "ns", "exec of the monitor to its end")
	title("boot", "ns", "exec of the monitor to Linux's init, in the lab")
	title("memory-tiny-rss", "KiB", "own memory with a tiny guest, Rss")
	title("memory-tiny-pss", "KiB", "own memory with a tiny guest, Pss")
	title("memory-rss", "KiB", "own memory at Linux's shell prompt, Rss")
	title("memory-pss", "KiB", "own memory at Linux's shell prompt, Pss")
	for (key in samples)
		stats(key)
	for (m = 1; m <= metric_count; m++)
		table(metrics[m])
	target("first", "hull", "floor", 1.3)
	target("exit", "hull", "floor", 1.3)
	target("first", "hull", "qemu", 0.2)
	target("exit", "hull", "qemu", 0.2)
	target("boot", "hull", "qemu", 0.8)
	if (("memory-rss", "hull") in samples)
		verdict("memory-rss", "hull, KiB", \
			median["memory-rss", "hull"], 2048, "%.0f")
	if (target_count > 0)
		print "\ntargets"
	for (i = 1; i <= target_count; i++)
		print lines[i]
	write_json()
	exit check && missed > 0
}
