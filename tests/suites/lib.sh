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
# runner of lib.sh), and prints "pass NAME", "fail NAME" or "skip NAME" for each.

. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

reruns=3
ip link set lo up

# Another name of a program: it is started in no class, so what it starts is not
# in its class already.
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

# Runs the tests that differ again. One that then has one and the same result
# each time, or that varies without the library too, differs by chance.
confirm() { # confirm RESULTS
	local names name without with again
	mapfile -t names < <(differences "$1" | cut -d ' ' -f 1)
	[ ${#names[@]} -gt 0 ] || return 0
	for ((again = 1; again <= reruns; again++)); do run_both "$1.$again" "${names[@]}"; done
	while read -r name without with; do
		again=$(cat "$1".[0-9].without "$1".[0-9].with | awk -v name="$name" '$2 == name { print $1 }' | sort | uniq -c | xargs)
		if [ "$(cat "$1".[0-9].without | awk -v name="$name" '$2 == name { print $1 }' | sort -u | wc -l)" -gt 1 ] ||
			[[ $again =~ ^$((2 * reruns))\ [a-z]+$ ]]; then
			say "by chance: $name: $without without, $with with; in $reruns more runs each: $again"
		else
			echo "$name: $without without, $with with; in $reruns more runs each: $again"
		fi
	done < <(differences "$1")
}

compare() { # compare NAME LEAST: at least that many tests pass
	local results=$scratch/$1
	run_both "$results"
	say "$1, without: $(count "$results.without")" "$1, with:    $(count "$results.with")"
	ok "$(($(grep -c '^pass ' "$results.without") < $2))" "$1: $2 tests and more pass"
	is "$(confirm "$results")" "" "$1: the same results with and without the library"
	[ $failed_count -eq 0 ] || tail -n 200 "$results".*.log >&2
}
