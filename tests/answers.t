#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# What status and ps look like to people and to scripts: columns that fit into a terminal,
# amounts, colours where there are to be some, a tree, JSON whatever is in a name.
. "$(dirname "$0")/lib.sh"

command -v script >/dev/null || cannot_run "needs script (bsdutils)"
make_hosts 80
cp "$root/bin/probe" "$scratch/program"
cp "$(command -v sleep)" "$scratch/with-rule"
configure <<EOF
class of-nineteen-letters { lock = true }
class lan { action = reject  allow = { 'lan' } }
app '$scratch/with-rule' { class = lan }
EOF

on_terminal() { # on_terminal COLUMNS COMMAND...: what it shows there
	script -qec "stty cols $1; ${*:2}" /dev/null </dev/null | tr -d '\r'
}
json() { # json EXPRESSION: of the answer a on standard input
	python3 -c 'import json, sys; a = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

# --- colours

export TERM=xterm
like "$(on_terminal 80 "$netshim" status)" $'^\e\\[1mCLASS\e\\[0m' "on a terminal, status has colours"
for environment in NO_COLOR=1 TERM=dumb "-u TERM"; do
	is "$(on_terminal 80 "env $environment $netshim" status | grep -c $'\e')" 0 "but none with $environment"
done
is "$("$netshim" status | grep -c $'\e')" 0 "nor where it is no terminal"
like "$(on_terminal 80 env NO_COLOR= "$netshim" status)" $'^\e' "an empty NO_COLOR is none"

# --- room

is "$("$netshim" status | grep -cE '^.{81}')" 0 "status fits into 80 columns"
is "$("$netshim" status | grep ' $')" "" "no line ends with blanks"

# --- amounts

cat >"$scratch/send.py" <<EOF
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(40):
    s.sendto(b"x" * 1000, ("$lan_host", 9))
EOF
"$netshim" run lan python3 "$scratch/send.py" 2>/dev/null
like "$("$netshim" status)" $'\nlan +[0-9a-f]+:[0-9a-f]+ +1 +0 +[0-9]+ +[0-9.]+K ' "bytes as people read them"
like "$("$netshim" status --bytes)" $'\nlan +[0-9a-f]+:[0-9a-f]+ +1 +0 +[0-9]+ +[0-9]{4,} ' "and exactly, with --bytes"
is "$("$netshim" status --json --bytes | json '[c["bytes"] > 1000 for c in a["classes"]][1]')" True "JSON has them exactly"
like "$(as_user "$netshim" status 2>/dev/null)" $'\nlan +[0-9a-f:]+ +1 +0 +- +- +- +- +-\n' "what a user may not see is no number"

# --- who runs where

# shellcheck disable=SC2016 # for sh
as_user sh -c '"$1" 900 & "$1" 901 & wait' sh "$scratch/with-rule" &
background+=($!)
shim "$scratch/with-rule" 902 &
background+=($!)
# shellcheck disable=SC2016 # each time
wait_until eval '[ "$(pgrep -cf "^$scratch/with-rule 90[012]")" -eq 3 ]'
starter=$(pgrep -f "^sh -c .*$scratch/with-rule")
in_class=$(pgrep -f "^$scratch/with-rule 902")
wait_until grep -q "$group/lan" "/proc/$in_class/cgroup"
wait_until grep -qx with-rule "/proc/$in_class/comm" # and not the helper
first=$(pgrep -f "^$scratch/with-rule 900")
like "$("$netshim" status 2>/dev/null)" $'\nlan .* 2\n' "status counts what runs outside the class of its rule"
is "$("$netshim" status --json 2>/dev/null | json '[c["outside"] for c in a["classes"]]')" "[0, 2]" "in JSON, too"
like "$("$netshim" ps)" $'\n *'"$in_class +nobody +lan +with-rule"$'\n' "ps: what is in its class"
like "$("$netshim" ps)" $'\n *'"$first +nobody +- +lan +with-rule"$'(\n|$)' "and what runs outside the class of its rule, with that"
like "$(as_user "$netshim" ps)" "PID +USER +CLASS +COMMAND"$'\n *'"$in_class +nobody +lan +with-rule$" "a user sees the first alone"
tree=$("$netshim" ps --tree)
like "$(grep -A 1 "^ *$starter " <<<"$tree")" "$starter +nobody +- +\\\\_ sh"$'\n *'"$first +nobody +- +lan +\\\\_ with-rule" \
	"ps --tree: who has started it, though in no class, and beneath what it has started"
is "$("$netshim" ps --json | json "[(p['class'], p['rule'], p['user'], p['locked']) for p in a['processes'] if p['pid'] == $first]")" \
	"[(None, 'lan', 'nobody', False)]" "ps --json"
is "$("$netshim" ps --json lan | json 'len(a["processes"])') $("$netshim" ps of-nineteen-letters | wc -l)" "3 1" "of one class"
gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 "$tests/programs/chain.c" -o "$scratch/chain"
"$netshim" run lan "$scratch/chain" $((2000 / slow)) >"$scratch/last" &
chain=$!
wait_until test -s "$scratch/last"
is "$("$netshim" ps --tree lan | awk '/chain$/ { n++; if (length > longest) longest = length } END { print n, longest < 200 }')" \
	"$((2000 / slow + 1)) 1" "a long chain of processes: only the first levels are indented"
kill -KILL $chain
wait $chain 2>/dev/null
wait_until has_ended "$(<"$scratch/last")"
on_terminal 40 "$netshim" ps --tree >"$scratch/out"
is "$(sed 's/\x1b\[[0-9]*m//g' "$scratch/out" | grep -cE '^.{41}')" 0 "ps fits into a narrow terminal"

"$netshim" run of-nineteen-letters "$scratch/with-rule" 903 &
held=$!
background+=("$held")
wait_until grep -qx with-rule "/proc/$held/comm"
like "$(on_terminal 40 NO_COLOR=1 "$netshim" ps of-nineteen-letters)" ' COMMAND'$'\n'".*$held .* with-rule" \
	"where there is no room for the last column, the terminal may break the line"

# --- names that others choose

runs_as() { # runs_as NAME: in class lan; $held is its process
	cp "$scratch/with-rule" "$scratch/$1"
	"$netshim" run lan "$scratch/$1" 900 &
	held=$!
	background+=("$held")
	wait_until grep -qF "${1:0:8}" "/proc/$held/comm"
}
shown() { "$netshim" ps | sed -n "s/^ *$held .* lan *locked *//p"; }
told() { "$netshim" ps --json | json "[ascii(p['name']) for p in a['processes'] if p['pid'] == $held][0]"; }
runs_as $'\xff\e"\xc3\xa4\x7f'
is "$("$netshim" ps --json | LC_ALL=C grep -c $'[\x80-\xff\x1b\x7f]')" 0 "JSON is ASCII, without a control code"
is "$(told)" "'\\ufffd\\x1b\"\\xe4\\x7f'" "and whole, whatever a name has in it"
is "$(shown)" '??"ä?' "for people, a control code and what is no UTF-8 become one question mark for each byte"
runs_as "Прß中"
is "$(shown)" "Прß中" "letters of UTF-8 stay letters"
is "$(told)" "'\\u041f\\u0440\\xdf\\u4e2d'" "in JSON, too"
like "$("$netshim" which "$scratch/Прß中")" "^$scratch/Прß中: no class" "and in messages"
runs_as $'a\u202eb\u2028c\u200f'
is "$(shown)" "a???b???c???" "what turns the direction of a line, or ends it, does not"
runs_as $'\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xc2\x9b\xe4\xb8'
is "$(shown)" "?????????????" "nor is a letter what is none: too long, half of another, too great, a control code, cut off"

# shellcheck disable=SC2016 # for bash
bash -c '"$@"; exit' - bash -c '"$@"; exit' - "$netshim" run of-nineteen-letters "$scratch/Прß中" 904 2>/dev/null &
background+=($!)
wait_until pgrep -f "^$scratch/Прß中 904" >"$scratch/held"
held=$(<"$scratch/held")
wait_until grep -q Пр "/proc/$held/comm"
before=$("$netshim" ps --tree | sed -n "/^ *$held /s/П.*//p")
for columns in 1 2 3; do on_terminal $((${#before} + columns)) "$netshim" ps --tree; done >"$scratch/out"
is "$(sed -n "/^ *$held /s/.*\\\\_ //p" "$scratch/out" | paste -sd ' ')" "П Пр Прß" "where there is too little room, it is cut behind a letter"

# --- words it does not know

for words in "ps -x" "ps lan lan" "status x" "status --tree" "ps --bytes"; do
	# shellcheck disable=SC2086 # words
	like "$("$netshim" $words 2>&1; echo $?)" "^netshim: ${words%% *}: what is '.*2$" "$words: exit 2"
done
finish
