#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Each verb, each option and each exit code has an entry in its manual page, and no
# entry is for what is not there. Pages are well-formed and fit into 80 columns. The
# configurations that they and README show have no mistake. tests/README.md has each test.
. "$(dirname "$0")/lib.sh"

command -v mandoc >/dev/null || cannot_run "needs mandoc"
cd "$tests/.." || exit 1
command=conf/command/netshim.1
configuration=conf/netshim.conf.5
pages=("$command" "$configuration" shim/libnetshim.7 helper/netshim-helper.8)

part() { # part PAGE HEADING: the lines beneath it
	awk -v heading="$2" '/^\.S[hs] / { on = substr($0, 5) " " ~ "^" heading " " } on' "$1"
}
entries() { # entries MACRO: what list items of a part begin with, each once, MACRO "" for plain ones
	sed -n "s/^\.It ${1:+$1 }\([^ ]*\).*/\1/p" | sort -u | xargs
}
words() { sort -u | xargs; }

# --- the command

verbs=$("$netshim" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')
is "$(part $command COMMANDS | entries Ic)" "$(words <<<"$verbs")" "netshim(1): the verbs"
is "$(part $command DESCRIPTION | entries Fl | sed 's/[^ ]*/-&/g')" \
	"$("$netshim" --help | sed -n 's/^  \(-[a-z-]*\) .*/\1/p' | words)" "netshim(1): the options before the verb"
for verb in $verbs; do
	is "$(part $command COMMANDS | grep "^\.It Ic $verb\>" | grep -oE ' Fl -?[a-z][a-z-]*' | sed 's/ Fl /-/' | words)" \
		"$("$netshim" "$verb" --help | head -n 1 | cut -d ' ' -f 4- | grep -oE '[[|](-[a-z]|--[a-z][a-z-]*)\>' | tr -d '[|' | words)" "netshim(1): $verb, its options"
done

for verb in $verbs; do
	is "$("$netshim" "$verb" --help | sed -n 's/^  \(-[a-z-]*\)\( [A-Z:]*\)*  *[a-z].*/\1/p' | words)" \
		"$("$netshim" "$verb" --help | head -n 1 | cut -d ' ' -f 4- | grep -oE '[[|](-[a-z]|--[a-z][a-z-]*)\>' | tr -d '[|' | words)" "netshim $verb --help: each option is explained"
	is "$("$netshim" "$verb" --help | tail -n +2 | grep -E '^.{81}')" "" "in 80 columns"
done

names() { python3 -c 'import json, sys; print("\n".join(c["check"] for c in json.load(sys.stdin)["checks"]))'; }
is "$(part $command "WHAT DOCTOR LOOKS AT" | sed -n 's/^\.It Sy //p' | sort | paste -sd ,)" \
	"$({ "$netshim" doctor --json; } 2>/dev/null | names | cat - <("$netshim" doctor --json true 2>/dev/null | names) <("$netshim" doctor --json a.service 2>/dev/null | names) | sort -u | paste -sd ,)" \
	"netshim(1): what doctor looks at"

# --- the configuration, which says itself what it takes

takes() { # takes TEXT: a configuration with an option that there is not
	echo "$1" >"$scratch/takes.conf"
	"$netshim" check "$scratch/takes.conf" 2>&1 | sed -n "s/.*no such option 'nonsense'; .* takes //p" | tr -d , | xargs -n 1
}
sections=$(takes "nonsense = 1")
is "$(awk '/^\.Sh / { on = $2 == "SECTIONS" } on && $1 == ".Ss" { print $2 }' $configuration | words)" "$(words <<<"$sections")" \
	"netshim.conf(5): the sections"
for section in $sections; do
	# One has two entries: it means something else beside netns.
	is "$(part $configuration "$section" | entries Ic | xargs -n 1 | words)" \
		"$({ takes "$section { nonsense = 1 }"; takes "$section 'x' { nonsense = 1 }"; } | words)" "netshim.conf(5): $section, its options"
done

# --- exit codes

codes() { # codes FOLDER...: the numbers of what the source names
	grep -rhoE --include='*.[ch]' 'EXIT_[A-Z_]+' "$@" | sort -u | while read -r name; do
		grep -rhoE --include='*.h' "\<$name = [0-9]+" conf | sed 's/.* //'
	done
}
is "$(part $command "EXIT STATUS" | entries "")" "$({ echo 0 1; codes conf/command conf/contract; } | xargs -n 1 | words)" \
	"netshim(1): the exit codes"
is "$("$netshim" --help | sed -n '/^exit status/,$p' | grep -oE '[0-9]+' | words)" "$(part $command "EXIT STATUS" | entries "")" \
	"netshim --help: the same"
is "$(part helper/netshim-helper.8 "EXIT STATUS" | entries "")" "$(codes helper | words)" "netshim-helper(8): the exit codes"
is "$(part shim/libnetshim.7 "EXIT STATUS" | entries "")" "$(codes shim | words)" "libnetshim(7): the exit codes"

# --- the pages themselves

for page in "${pages[@]}"; do
	# Which other pages are installed is the machine's affair.
	is "$(mandoc -T lint "$page" 2>/dev/null | grep -v ': referenced manual not found: ')" "" "$page: well-formed"
	text=$(mandoc -T utf8 -O width=80 "$page" 2>/dev/null | sed $'s/.\b//g') # without overstrikes
	is "$(grep -x LIMITS <<<"$text"; grep -E '^.{81}' <<<"$text")" LIMITS "$page: fits into 80 columns"
	is "$(grep -cxE '\.Sh (EXAMPLES|DIAGNOSTICS|LIMITS)' "$page")" 3 "$page: has examples, diagnostics and limits"
done
is "$(cat "${pages[@]}" | sed -n 's/^\.Xr \([a-z.-]*netshim[a-z.-]*\) \([0-9]\).*/\1.\2/p' | sort -u | xargs)" \
	"$(basename -a "${pages[@]}" | sort | xargs)" "they refer to each other, and to no other page of netshim's"

# --- configurations

part $configuration EXAMPLES | awk -v to="$scratch/example" '/^\.Ed/ { on = 0 } on { print > (to n ".conf") } /^\.Bd/ { on = 1; n++ }'
sed -n '/^    class /,/^$/p; /^    app /p' README.md >"$scratch/example-of-README.conf"
sed -n 's/^| [^|]* | .\(.* {.*}\). |$/\1/p' README.md >"$scratch/example-classes-of-README.conf"
for example in "$scratch"/example*.conf; do
	like "$("$netshim" check "$example" 2>&1)" ": ok, [0-9]+ classes, [1-9]|: ok, [1-9][0-9]* class" "$(basename "$example" .conf): no mistake"
done

# --- pictures

while read -r picture; do
	like "$(python3 -c 'import sys, xml.etree.ElementTree as tree; print(tree.parse(sys.argv[1]).getroot().tag)' "$picture" 2>&1)" \
		'^\{http://www.w3.org/2000/svg\}svg$' "$picture: well-formed"
done < <(sed -n 's/.*](\(.*\.svg\)).*/\1/p' README.md)
is "$("$netshim" --help | grep -oE '^  [a-z]+' | grep -xE "  ($(grep -oE '[>#] ?netshim [a-z]+' scripts/session.svg | sed 's/.* //' | paste -sd '|'))" | words)" \
	"$(printf '%s\n' blocked doctor top | words)" "the picture of a session shows verbs that there are"

# --- the tests

is "$(sed -n 's/^| .\([^ ]*\.t\). | .*/\1/p' tests/README.md | words)" "$(cd tests && printf '%s\n' *.t machines/*.t suites/*.t | words)" \
	"tests/README.md: each test has its line"
finish
