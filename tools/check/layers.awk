# Judges "FILE LINE <header>" lines against the table (-v table=layers.txt) and
# prints a finding for each that it does not allow.

function glob_to_regex(glob)
{
	gsub(/[.]/, "[.]", glob)
	gsub(/[*]/, ".*", glob)
	return "^" glob "$"
}
function report(rule, text)
{
	printf "%s:%d: [%s] %s\n", $1, $2, rule, text
}
function judge_own(folder, header,    n, i, parts)
{
	if (!(folder in allowed))
		return
	n = split(allowed[folder], parts, " ")
	for (i = 1; i <= n; i++)
		if (header == parts[i] || (parts[i] ~ /\/$/ &&
		    index(header, parts[i]) == 1))
			return
	report("layers", folder "/ may not include \"" header \
		"\" (tools/check/layers.txt)")
}
function judge_foreign(folder, header,    i, f)
{
	for (i = 1; i <= others; i++) {
		if (header !~ other_regex[i])
			continue
		if (("," other_folder[i] ",") !~ ("," folder ",")) {
			report("layers", "<" header \
				"> is confined to " other_folder[i] "/")
			return
		}
		if (!((header, $1) in seen)) {
			seen[header, $1] = 1
			f = ++users[header, folder]
			if (other_max[i] != "-" && f > other_max[i])
				report("layers", "<" header "> is in " \
					"more than " other_max[i] \
					" file(s) of " folder "/")
		}
		return
	}
	for (i = 1; i <= libcs; i++)
		if (header ~ libc_regex[i])
			return
	report("layers", "<" header \
		"> is not in tools/check/layers.txt; say who may use it")
}
BEGIN {
	while ((getline line < table) > 0) {
		n = split(line, word, /[ \t]+/)
		if (word[1] == "layer") {
			allowed[word[2]] = ""
			for (i = 3; i <= n; i++)
				allowed[word[2]] = allowed[word[2]] \
					" " word[i]
		} else if (word[1] == "other") {
			other_regex[++others] = glob_to_regex(word[2])
			other_folder[others] = word[3]
			other_max[others] = word[4]
		} else if (word[1] == "libc") {
			for (i = 2; i <= n; i++)
				libc_regex[++libcs] = \
					glob_to_regex(word[i])
		}
	}
}
{
	folder = $1
	sub(/\/.*/, "", folder)
	header = substr($3, 2, length($3) - 2)
	if ($3 ~ /^"/) {
		if (folder in allowed && header !~ /\//)
			report("layers", "write \"" folder "/" header \
				"\": includes start at the top")
		judge_own(folder, header)
	} else if (folder in allowed) {
		judge_foreign(folder, header)
	}
}
