# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers
# shellcheck shell=bash

# What the suites share: each is run by an unprivileged user without the library
# and with it, at the same time, and every test must have the same result. A
# suite's script defines
#
#     run_suite FOLDER COMMAND [TEST...]
#
# which runs all tests or those named, in that empty folder, by way of COMMAND (a
# runner of lib.sh), and prints "pass NAME", "fail NAME" or "skip NAME" for each. It
# may first say which Debian package's source it needs (in $source, then):
#
#     suite_source=PACKAGE

# Got before lib.sh goes to a network of its own.
source=${NETSHIM_TEST_ROOT:-}/source-${suite_source:-}
[ -z "${suite_source:-}" ] || [ -d "$source" ] || "$(dirname "${BASH_SOURCE[0]}")/get-source" "$suite_source" "$source"

. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

reruns=3
ip link set lo up
[ -z "${suite_source:-}" ] || [ -n "$(ls "$source")" ] || cannot_run "the source of $suite_source cannot be had"

# A copy of a program: it is started in no class, so what it starts is not in its
# class already.
unclassified() { # unclassified PROGRAM
	cp -L "$1" "$scratch/unclassified-${1##*/}"
	echo "$scratch/unclassified-${1##*/}"
}

say() { printf '# %s\n' "$@" >&2; }

run_way() { # run_way RESULTS COMMAND [TEST...]
	local folder
	folder=$(mktemp -d "$scratch/XXXXXX")
	chown 65534:65534 "$folder"
	run_suite "$folder" "${@:2}" </dev/null 2>"$1.log" | LC_ALL=C sort -u -k 2 >"$1"
	rm -rf "$folder"
}

run_both() { # run_both RESULTS [TEST...]: into RESULTS.without and RESULTS.with
	run_way "$1.without" as_user "${@:2}" &
	run_way "$1.with" shim "${@:2}"
	wait $!
}

count() { # count RESULTS
	awk '{ n[$1]++ } END { printf "%d run, %d passed, %d failed, %d skipped", NR, n["pass"], n["fail"], n["skip"] }' "$1"
}

# One line for each test that has not the same result in both: NAME WITHOUT WITH
differences() { # differences RESULTS
	LC_ALL=C join -a 1 -a 2 -e missing -o 0,1.1,2.1 -1 2 -2 2 "$1.without" "$1.with" | awk '$2 != $3'
}

result_in() { # result_in NAME RESULTS...: one line for each
	local file
	for file in "${@:2}"; do
		awk -v name="$1" '$2 == name { result = $1 } END { print result ? result : "missing" }' "$file"
	done
}

# Runs the tests that differ again. One that then has one and the same result
# each time, or that varies without the library too, differs by chance.
confirm() { # confirm RESULTS
	local names name without with again
	mapfile -t names < <(differences "$1" | cut -d ' ' -f 1)
	[ ${#names[@]} -gt 0 ] || return 0
	for ((again = 1; again <= reruns; again++)); do run_both "$1.$again" "${names[@]}"; done
	while read -r name without with; do
		again=$(result_in "$name" "$1".[0-9].without "$1".[0-9].with | sort | uniq -c | xargs)
		if [ "$(result_in "$name" "$1".[0-9].without | sort -u | wc -l)" -gt 1 ] ||
			[[ $again =~ ^$((2 * reruns))\ [a-z]+$ ]]; then
			say "by chance: $name: $without without, $with with; in $reruns more runs each: $again"
		else
			echo "$name: $without without, $with with; in $reruns more runs each: $again"
		fi
	done < <(differences "$1")
}

# What the suite starts, in both ways, and how often the helper is among it.
watch_starts() { # watch_starts RESULTS
	in_background python3 "$tests/programs/starts.py" / /usr "$root" >"$1.starts" 2>"$1.watch"
	wait_until grep -q ready "$1.watch"
}

end_watch() {
	kill "${background[-1]}"
	wait "${background[-1]}"
	unset 'background[-1]'
}

helped() { # helped RESULTS: how many programs were started by way of the helper
	awk -v helper="$helper" '$2 == helper { n = $1 } END { print n + 0 }' "$1.starts"
}

most_started() { # most_started RESULTS: but for the helper and the loaders
	awk -v helper="$helper" '$2 != helper && $2 !~ /\/ld-[^\/]*$/ { print $2; exit }' "$1.starts"
}

compare() { # compare NAME LEAST PROGRAM HELPED: so many tests pass, so many starts are the helper's
	local results=$scratch/$1
	watch_starts "$results"
	run_both "$results"
	end_watch
	say "$1, without: $(count "$results.without")" "$1, with:    $(count "$results.with")" \
		"$1, with:    $(helped "$results") programs started by way of the helper"
	ok "$(($(grep -c '^pass ' "$results.without") < $2))" "$1: $2 tests and more pass"
	is "$(confirm "$results")" "" "$1: the same results with and without the library"
	is "$(most_started "$results")" "$(readlink -f "$3")" "$1: a rule names the program that is started most often"
	ok "$(($(helped "$results") < $4))" "$1: $4 programs and more are started by way of the helper"
	[ $failed_count -eq 0 ] || tail -n 200 "$results".*.log >&2
}
