#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Programs that are started while the rules change are in a class of the old rules
# or of the new ones: none is refused, none is in no class.
. "$(dirname "$0")/lib.sh"

ip link set lo up
bin=$root/bin
programs=(probe-static probe)
launches=$((1000 / slow))

launch_all() { # launch_all CONFIGURATION...: during reloads with each of them in turn
	local program pids=() config_file
	reloads=0
	for program in "${programs[@]}"; do
		shim bash -c "for ((i = 0; i < $launches; i++)); do $bin/$program class || echo failed; done" \
			>"$scratch/$program.out" 2>&1 &
		pids+=($!)
	done
	while [ -d "/proc/${pids[0]}" ] || [ -d "/proc/${pids[1]}" ]; do
		for config_file; do
			"$netshim" -c "$config_file" reload || echo "# reload failed" >&2
			reloads=$((reloads + 1))
		done
	done
	wait "${pids[@]}"
}

# the classes stay, the programs' class changes
for class in one two three; do
	{
		echo "class one { } class two { } class three { }"
		for program in "${programs[@]}"; do echo "app '$bin/$program' { class = $class }"; done
	} >"$scratch/$class.conf"
done
configure <"$scratch/one.conf"
launch_all "$scratch/two.conf" "$scratch/three.conf" "$scratch/one.conf"
for program in "${programs[@]}"; do
	is "$(sort "$scratch/$program.out" | uniq -c | grep -v -E " $group/(one|two|three)$")" "" \
		"$launches launches of $program during $reloads reloads: all in a class"
	is "$(wc -l <"$scratch/$program.out")" $launches "and all of them ran"
done

# the classes come and go: what runs in one that goes is in no class then, by design
for class in four five; do
	{
		echo "class $class { }"
		for program in "${programs[@]}"; do echo "app '$bin/$program' { class = $class }"; done
	} >"$scratch/$class.conf"
done
launch_all "$scratch/four.conf" "$scratch/five.conf"
for program in "${programs[@]}"; do
	is "$(sort "$scratch/$program.out" | uniq -c | grep -v -E " ($group/(one|four|five)|/)$")" "" \
		"$launches launches of $program while their class is removed again and again ($reloads reloads): none fails"
	[ "$(grep -c -x / "$scratch/$program.out")" -le $reloads ]
	ok $? "and in no class is only what was in a class just as that went: at most one a reload"
done

finish
