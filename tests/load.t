#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Eight users start programs all the time while the rules are replaced again and
# again: each program is in a class that was in force while it was started, and
# nothing is left over. And as many classes and rules as anybody will have.
. "$(dirname "$0")/lib.sh"

gcc -std=gnu11 -D_GNU_SOURCE -I"$tests/.." -Wall -Wextra -Werror -O1 "$tests/programs/load.c" -o "$scratch/load"
ok $? "the driver builds"
users=8
launches=$((20000 / slow / users * users)) reloads=$((200 / slow))
run=$root/run/netshim
ip link set lo up
programs=("$root/bin/probe-musl-static" "$root/bin/probe-static" "$root/bin/probe")

# --- while the rules change: a program's class, a class's classid and policy, which
# others there are
number=0
for class in one two three; do
	number=$((number + 1))
	{
		echo "class one { classid = '20:$number' } class two { action = drop log = true } class three { lock = true }"
		echo "class other$number { action = reject } app '/usr/bin/env' { class = other$number }"
		for program in "${programs[@]}"; do echo "app '$program' { class = $class }"; done
	} >"$scratch/$class.conf"
done
left_over() {
	find "$run/net_cls$group" -type d | sort
	cat /proc/self/mounts
	find "$root/run" -mindepth 1 ! -path '*/net_cls/*'
	for tasks in "$run/net_cls$group"/*/tasks "$run/net_cls$group"/*/locked/tasks; do wc -l <"$tasks"; done
}
"$netshim" -c "$scratch/one.conf" up
before=$(left_over)
# A reload may find one that runs since before it, and say that it has moved that.
out=$(LD_PRELOAD=$preload "$scratch/load" $users "$launches" "$reloads" "$netshim" "$scratch"/{one,two,three}.conf -- \
	"$group/one" "$group/two" "$group/three/locked" -- "${programs[@]}" | sed '/^moved [0-9]* running program/d; /--leave-running would have left/d')
is "$out" "$launches launches, $launches in a class in force, 0 in another, 0 in none, 0 failed; $reloads reloads, 0 failed; 0 descriptors and 0 pages more" \
	"$users users start $launches programs during $reloads reloads"
"$netshim" -c "$scratch/one.conf" reload
is "$(left_over)" "$before" "no group, process, mount or file is left over"

# --- many
mkdir "$scratch/many"
{
	for ((i = 0; i < 1000; i++)); do echo "class c$i { action = reject }"; done
	for ((i = 0; i < 100000; i++)); do echo "app '$scratch/many/p$i' { class = c$((i % 1000)) }"; done
} >"$scratch/many.conf"
for i in 0 500 50001 99999; do cp "$root/bin/probe-static" "$scratch/many/p$i"; done
seconds() { # seconds COMMAND...: and what it says
	local from=${EPOCHREALTIME/./}
	"$@" >&2
	printf '%d.%02d s' $(((${EPOCHREALTIME/./} - from) / 1000000)) $(((${EPOCHREALTIME/./} - from) / 10000 % 100))
}
took="reload $(seconds "$netshim" -c "$scratch/many.conf" reload)"
took+=", again $(seconds "$netshim" -c "$scratch/many.conf" reload)"
for i in 0 500 50001 99999; do
	is "$(shim "$scratch/many/p$i" sends 127.0.0.1 9)" "$group/c$((i % 1000)) 1" "program $i of 100,000 is in its class of 1,000, which is in force"
done
like "$("$netshim" which "$scratch/many/p99999")" "class c999, by rule .* at $scratch/many.conf:101000" "which"
is "$("$netshim" status --json | python3 -c '
import json, sys
classes = json.load(sys.stdin)["classes"]
print(len(classes), sum(c["rules"] for c in classes))')" "1000 100000" "status"
took+=", down $(seconds "$netshim" down)"
is "$(ls "$root/run")" "" "down takes all of it away"
echo "# 1,000 classes and 100,000 rules: $took"

finish
