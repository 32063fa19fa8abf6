#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# up, reload and down may be killed at any moment. Whatever is left then, a program
# that has a class before and after is started in one of its classes, and what a
# class must not send is not sent; and the next up or down puts all of it right.
# By default it kills at every fifth system call that can change anything;
# NETSHIM_ALL=1 kills at each system call that there is.
. "$(dirname "$0")/lib.sh"

gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 "$tests/programs/kill.c" -o "$scratch/kill"
ok $? "the driver builds"
[ -n "${NETSHIM_ALL:-}" ] && every=every: step=1 || every='' step=$((5 * slow))

make_settled_interface
echo 1 >/proc/sys/net/ipv4/conf/here/rp_filter
run=$root/run/netshim
programs=("$scratch/stays" "$scratch/moves")
for program in "${programs[@]}"; do cp "$root/bin/probe-static" "$program"; done

cat >"$scratch/old.conf" <<EOT
class one  { classid = '10:1'  action = reject }
class two  { action = reject }
class dns  { dns = { '127.0.0.1:5354' } }
class vpn  { interface = 'here' }
app '$scratch/stays' { class = one }
app '$scratch/moves' { class = two }
EOT
cat >"$scratch/new.conf" <<EOT
class one   { classid = '10:2'  action = reject }
class three { action = reject  lock = true }
class other { interface = 'here'  mark = 5 }
app '$scratch/stays' { class = one }
app '$scratch/moves' { class = three }
EOT

state() {
	find "$root/run" -mindepth 1 ! -path '*/net_cls/*' | sort
	[ ! -e "$run/rules" ] || rules_say "$run/rules"
	cat "$run"/before:* 2>/dev/null
	grep -c "$run" /proc/self/mounts
	nft -s list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'
	ip rule
	ip -6 rule
	ip route show table all
	ip -6 route show table all
	[ ! -d "$run/net_cls$group" ] || find "$run/net_cls$group" -name net_cls.classid -exec grep -H . {} + | sort
	cat /proc/sys/net/ipv4/conf/{all,here}/{route_localnet,rp_filter}
}

# The states between which it goes, each as a command leaves it that nobody disturbs.
go() { # go STATE: to down, old or new
	if [ "$1" = down ]; then "$netshim" down && wait_until is_unwatched; else "$netshim" -c "$scratch/$1.conf" up; fi
}
declare -A states
for name in old new down; do
	go $name
	states[$name]=$(state)
done

repaired() { # repaired STATE WHEN
	local now
	go "$1" || return
	now=$(state)
	[ "$now" != "${states[$1]}" ] || return 0
	diff <(echo "${states[$1]}") <(echo "$now") | sed "s/^/# $2: /" >&2
	return 1
}

# In a class of the one or of the other state, and what it sends is refused (EPERM);
# or, where one of the states has no rules, in none.
started_well() { # started_well STATE STATE WHEN
	local program out
	for program in "${programs[@]}"; do
		out=$(shim "$program" sends 192.168.77.9 9 2>&1)
		[[ $out =~ ^$group/(one|two|three/locked)\ 1$ ]] && continue
		[ "$1" = down ] || [ "$2" = down ] && [ "$out" = "/ 0" ] && continue
		echo "# $3: ${program##*/}: $out" >&2
		return 1
	done
}

kill_at_each_call() { # kill_at_each_call VERB BEFORE AFTER
	local n at status points=0 badly=0 broken=0
	local command=("$netshim" -c "$scratch/$3.conf" "$1")
	[ "$1" != down ] || command=("$netshim" down)
	go "$2"
	for ((n = 1; n < 5000; n += step)); do
		at=$("$scratch/kill" "$every$n" "${command[@]}")
		status=$?
		[ $status -eq 0 ] || break
		points=$((points + 1))
		at="$1, killed at call $n, $at"
		started_well "$2" "$3" "$at" || badly=$((badly + 1))
		# by what was asked for, or by its opposite
		if ((points % 2)); then repaired "$3" "$at"; else repaired down "$at"; fi || broken=$((broken + 1))
		repaired "$2" "$at, and back" || broken=$((broken + 1))
	done
	is "$status $((points * step > 50))" "1 1" "$1: killed at $points system calls, until it succeeded"
	is "$badly" 0 "$1: after each, programs are started in a class that is in force"
	is "$broken" 0 "$1: after each, up or down puts everything right"
}

kill_at_each_call up down old
kill_at_each_call reload old new
kill_at_each_call reload new old
kill_at_each_call down old down

# what has been found that way: two names for the rules file; a note of a setting, still empty
go old
ln "$run/rules" "$run/rules.old"
repaired down "killed between link and rename"
ok $? "down: with two names for the rules file"
go down
mkdir -p "$run"
touch "$run/before:here:rp_filter"
repaired down "killed before a note was written"
ok $? "down: with an empty note of what a setting was"

finish
