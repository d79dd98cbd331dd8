# Samples, lines "METRIC SUBJECT VALUE", as tables on standard output and, with
# the words in `host`, as JSON in the file `json`. Another file, one for each
# benchmark, says in its END block what there is: title() each metric, then
# report(), then its targets, then finish(). With check=1 the exit status is 1
# when a target is missed.

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

# better is "more" for what should be large; less is better otherwise.
function title(metric, unit, text, better)
{
	titles[metric] = text
	units[metric] = unit
	more[metric] = better == "more"
	metrics[++metric_count] = metric
}

# In the unit of the table: times of processes in ms, of operations in us.
function show(metric, value)
{
	if (units[metric] == "ns")
		return sprintf("%.2f", value / 1e6)
	if (units[metric] == "ns/op")
		return sprintf("%.1f", value / 1e3)
	return sprintf(value < 100 && value != int(value) ? "%.1f" : "%.0f", \
		value)
}

function shown_unit(metric)
{
	if (units[metric] == "ns")
		return "ms"
	return units[metric] == "ns/op" ? "us/op" : units[metric]
}

# Of medians, "-" without something to compare with.
function ratio(metric, s, other)
{
	if (other == "" || !median[metric, other])
		return "-"
	return sprintf("%.2f", median[metric, s] / median[metric, other])
}

# The columns of ratios are those of array `against`, which split() made.
function table(metric,    i, j, s, k, row)
{
	if (!(metric in order))
		return
	row = "  %-13s %3s %9s %9s %9s %9s %9s"
	printf "\n%s\n", titles[metric]
	printf row, shown_unit(metric), "n", "median", "min", "p25", "p75", "max"
	for (j = 1; j in against; j++)
		printf " %7s", "/" against[j]
	print ""
	for (i = 1; i <= order[metric]; i++) {
		s = subject[metric, i]
		k = metric SUBSEP s
		printf row, s, count[k], show(metric, median[k]), \
			show(metric, min[k]), show(metric, p25[k]), \
			show(metric, p75[k]), show(metric, max[k])
		for (j = 1; j in against; j++)
			printf " %7s", ratio(metric, s, best(metric, against[j]))
		print ""
	}
}

# The subject of best median among those whose name starts with prefix. Ones
# with vhost are no way of the monitor, but of the kernel.
function best(metric, prefix,    i, s, found)
{
	for (i = 1; i <= order[metric]; i++) {
		s = subject[metric, i]
		if (index(s, prefix) != 1 || s ~ /-vhost$/)
			continue
		if (found == "" || (more[metric] ? \
			median[metric, s] > median[metric, found] : \
			median[metric, s] < median[metric, found]))
			found = s
	}
	return found
}

# The bound is "at most" limit, or "at least" where more is better. Nothing
# when one side was not measured.
function target(metric, one, other, limit,    a, b)
{
	a = best(metric, one)
	b = best(metric, other)
	if (a == "" || b == "" || !median[metric, b])
		return
	verdict(metric, a " / " b, median[metric, a] / median[metric, b], \
		limit, "%.2f", more[metric] ? "at least" : "at most")
}

function verdict(metric, what, value, limit, format, bound,    reached)
{
	reached = bound == "at least" ? value >= limit : value <= limit
	missed += !reached
	targets[++target_count] = sprintf("{\"metric\": \"%s\", " \
		"\"what\": \"%s\", \"value\": %.4f, " \
		"\"bound\": \"%s\", \"limit\": %.4f, \"reached\": %s}", \
		metric, what, value, bound, limit, \
		reached ? "true" : "false")
	lines[target_count] = sprintf("  %-15s %-26s " format " (%s " \
		format "): %s", metric, what, value, bound, limit, \
		reached ? "reached" : "MISSED")
}

# The tables, once all metrics have their titles.
function report(against_words,    m, key)
{
	split(against_words, against, " ")
	for (key in samples)
		stats(key)
	for (m = 1; m <= metric_count; m++)
		table(metrics[m])
}

# The targets and the JSON; the exit status.
function finish(    i)
{
	if (target_count > 0)
		print "\ntargets"
	for (i = 1; i <= target_count; i++)
		print lines[i]
	write_json()
	return check && missed > 0
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
