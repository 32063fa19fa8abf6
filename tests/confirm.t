#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# What up or reload --confirm has put into force is taken back, to the very state before,
# unless netshim confirm comes in time: whatever becomes of the command, of its terminal
# and of who goes back, and whatever the files of the configuration say by then.
. "$(dirname "$0")/lib.sh"

gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 "$tests/programs/kill.c" -o "$scratch/kill"
run=$root/run/netshim
make_hosts 80
wait_until eval 'ip -6 route show table local | grep -q "^local fe80:"' # the kernel gives that after a second or two
mkdir "$scratch/more"
moves=$scratch/moves
cp "$root/bin/probe-static" "$moves"

# All that can be told apart; of one state, it is always the same.
state() {
	find "$root/run" -mindepth 1 ! -path '*/net_cls/*' ! -path "$run/confirm" | sort
	[ ! -e "$run/rules" ] || rules_say "$run/rules"
	sed 1d "$run/config" 2>/dev/null | cksum # the first line has an inode
	grep -c "$run" /proc/self/mounts
	nft -s list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'
	ip rule
	ip route show table all
	[ ! -d "$run/net_cls$group" ] || find "$run/net_cls$group" -name net_cls.classid -exec grep -H . {} + | sort
}
waiting() { pgrep -fx "$netshim $*"; } # who goes back: a child of the command
nobody_waits() { [ ! -e "$run/confirm" ] && ! pgrep -f "^$netshim .*--confirm" >/dev/null; }
no_confirmation() { # as if the time were over
	pkill -TERM -f "^$netshim .*--confirm"
	wait_until nobody_waits
}
same_state() { # same_state STATE NAME
	local now
	now=$(state)
	[ "$now" = "$1" ]
	ok $? "$2"
	[ "$now" = "$1" ] || diff <(echo "$1") <(echo "$now") | sed 's/^/# /' >&2
}

# --- words

for words in "--confirm" "--confirm x" "--confirm 0" "--confirm -1" "--confirm 86401" "--confirm 5s" "--confirm 5 5" "--confirms 5" "-x"; do
	# shellcheck disable=SC2086 # some words
	"$netshim" up $words >"$scratch/out" 2>&1
	is "$? $(ls "$root/run")" "2 " "up $words: exit 2, and nothing is up"
done
like "$("$netshim" up --confirm x 2>&1)" "netshim: up: 'x' is no number of seconds from 1 to 86400" "with a message"
like "$("$netshim" confirm 2>&1; echo "$? $(ls "$root/run")")" "nothing to confirm.*"$'\n'"1 $" "confirm when it is down: there is nothing to confirm"
like "$(as_user "$netshim" confirm 2>&1)" "is for root" "confirm is for root"

# --- up, from down

down=$(state)
cat >"$config" <<EOT
class one { action = reject }
app '$moves' { class = one }
EOT
like "$("$netshim" up --confirm 1000 2>&1)" "netshim: not confirmed: in (1000|9[0-9]{2}) seconds, what was in force before is in force again, unless 'netshim confirm' is run" \
	"up --confirm says what is to come"
is "$(shim "$moves" class)" "$group/one" "and puts it into force"
like "$("$netshim" confirm; echo $?)" "confirmed: .*0" "confirm"
wait_until nobody_waits
is "$(shim "$moves" class)" "$group/one" "it stays, and nobody waits any more"
is "$(cd "$run" && echo *)" "config lock net_cls rules table watch" "and no note is left"
like "$("$netshim" confirm 2>&1; echo $?)" "nothing to confirm.*1" "once more: there is nothing to confirm"
"$netshim" down
SECONDS=0
"$netshim" up --confirm 60 2>&1 | cat >"$scratch/out"
ok $((SECONDS > 50)) "whoever reads what it says does not wait for who goes back"
like "$("$netshim" status 2>&1)" "not confirmed: in [1-6]?[0-9] seconds, what" "status tells it"
like "$("$netshim" status --json 2>/dev/null)" '"confirm_within": [1-6]?[0-9],' "status --json too"
like "$(as_user "$netshim" status --json 2>/dev/null)" '"confirm_within": [1-6]?[0-9],' "and to users"
is "$(shim "$moves" class)" "$group/one" "as long as there is time, it is in force"
began=$(date +%s%3N)
"$netshim" up --confirm 2 2>/dev/null
wait_until nobody_waits
took=$(($(date +%s%3N) - began))
same_state "$down" "up, not confirmed: netshim is down again, and nothing is left"
ok $((took < 2000)) "not before its time"
like "$("$netshim" status --json 2>/dev/null)" '"confirm_within": null,' "status --json when it is down"

# --- reload: the text that was in force, though its files are others by now

printf "class two { action = reject }\n" >"$scratch/more/two.conf"
printf "app '%s' { class = two }\n" "$moves" >"$scratch/more/moves.conf"
printf "# old\nclass one { }\ninclude('%s/*.conf') /* , and more */" "$scratch/more" >"$config"
"$netshim" up
like "$("$netshim" status --json)" '"confirm_within": null,' "status --json where nothing waits"
two=$(state)
is "$(stat -c %a "$run/config")" 600 "only root may read the text that is in force"
change() { # in every way in which files can
	printf "class one { action = reject }\nclass three { classid = '10:3' }\napp '%s' { class = three }\n" "$moves" >"$config"
	rm -f "$scratch"/more/*
	echo "class four { }" >"$scratch/more/four.conf"
}
change
"$netshim" reload --confirm 60 2>/dev/null
is "$(shim "$moves" class)" "$group/three" "reload --confirm puts it into force"
like "$("$netshim" which "$moves")" "$config:3" "from its file"
no_confirmation
same_state "$two" "reload, not confirmed: the state before, from files that are gone"
is "$(shim "$moves" class) $("$netshim" which "$moves")" "$group/two $moves: class two, by rule '$moves' at $scratch/more/moves.conf:1" \
	"programs are in their class, and rules at their places"
"$netshim" reload --confirm 60 2>/dev/null && "$netshim" confirm >/dev/null
three=$(state)
is "$(shim "$moves" class)" "$group/three" "reload, confirmed: it stays"
printf "class one { }\n" >"$scratch/other.conf"
"$netshim" -c "$scratch/other.conf" reload --confirm 60 2>/dev/null
no_confirmation
same_state "$three" "reload with another file: back to the state before"
(cd "$scratch" && "$netshim" -c other.conf up)
relative=$(state)
"$netshim" -c "$config" up --confirm 60 2>/dev/null
no_confirmation
same_state "$relative" "and by a path that is not absolute"
"$netshim" -c "$config" up

# --- it cannot be gone back

absolute=$(state)
"$netshim" -c "$scratch/other.conf" reload --confirm 1 2>/dev/null
mkdir "$run/rules.new" # which is to be a file
until_like "not confirmed, and going back to what was in force before has failed, and is tried again:.*cannot write $run/rules.new: File exists" \
	"status says that going back fails, and why" "$netshim" status
like "$(as_user "$netshim" status 2>&1)" "has failed, and is tried again$" "to users, that it does"
rmdir "$run/rules.new"
"$netshim" -c "$scratch/other.conf" reload --confirm 8 2>/dev/null
like "$("$netshim" status 2>&1)" "not confirmed: in [0-9]+ seconds?, what was in force before" "another change after that has its own time"
wait_until nobody_waits
same_state "$absolute" "then it goes back"

# --- a default deny: what it is for

reaches() { [ "$(curl -s --max-time 2 "http://$lan_host/")" = hello ]; }
reaches
ok $? "another host can be reached"
echo "unclassified { action = reject }" >"$scratch/deny.conf"
cp "$scratch/deny.conf" "$config"
"$netshim" reload --confirm 60 2>/dev/null
reaches
is $? 1 "by a default deny, it cannot"
no_confirmation
reaches
ok $? "and when that was not confirmed, it can again"
"$root/etc/network/if-up.d/netshim"
reaches
ok $? "also when an interface has come up since, which must not put the file into force again"

# --- another change meanwhile

printf "class five { }\n" >"$scratch/five.conf"
"$netshim" -c "$scratch/other.conf" up
other=$(state)
"$netshim" -c "$scratch/deny.conf" reload --confirm 70 2>/dev/null
like "$("$netshim" -c "$scratch/five.conf" reload --confirm 900 2>&1)" "in (900|8[0-9]{2}) seconds" "a further change that has to be confirmed begins its time anew"
one_waits() { [ "$(pgrep -cf "^$netshim .*--confirm")" -eq 1 ]; }
wait_until one_waits
[ -n "$(waiting -c "$scratch/five.conf" reload --confirm 900)" ]
ok $? "and one only waits, the newer"
no_confirmation
same_state "$other" "not confirmed, it goes back past the first: to what was confirmed last"
"$netshim" -c "$scratch/deny.conf" reload --confirm 60 2>/dev/null
like "$("$netshim" -c "$scratch/five.conf" reload 2>&1)" "not confirmed: in [0-9]+ second" "a reload without --confirm says that it still goes back"
no_confirmation
same_state "$other" "and it does"
"$netshim" -c "$scratch/deny.conf" reload --confirm 60 2>/dev/null
"$netshim" down
wait_until nobody_waits
same_state "$down" "down meanwhile is down for good"

"$netshim" -c "$scratch/other.conf" up
changes=()
for file in deny five other deny five other deny five other deny five other; do
	"$netshim" -c "$scratch/$file.conf" reload --confirm 60 2>/dev/null &
	changes+=($!)
done
wait "${changes[@]}"
wait_until one_waits
like "$("$netshim" status 2>&1)" "in [3-6][0-9] seconds" "of twelve at a time, one waits"
no_confirmation
same_state "$other" "and goes back to what was before all of them"

# --- a change that fails; what cannot be gone back to

echo "class { mistake }" >"$scratch/bad.conf"
"$netshim" -c "$scratch/bad.conf" reload --confirm 60 2>/dev/null
is "$?" 1 "a configuration with a mistake"
same_state "$other" "changes nothing"
nobody_waits
ok $? "and nobody waits"
for failure in rename:ENOSPC:1 rename:ENOSPC:3 sendmsg:ENOBUFS:1+ link:EPERM:1 link:EPERM:2 socketpair:EMFILE:1 write:EIO:1; do
	IFS=: read -r call error when <<<"$failure"
	strace -qq -o /dev/null -e trace="$call" -e inject="$call:error=$error:when=$when" "$netshim" -c "$scratch/five.conf" reload --confirm 60 \
		2>"$scratch/out"
	is "$? $(grep -c ^netshim: "$scratch/out" | sed 's/[1-9]/some/')" "1 some" "a $call that fails"
	same_state "$other" "changes nothing"
	wait_until nobody_waits
	ok $? "and nobody waits"
done
"$netshim" -c "$scratch/deny.conf" reload --confirm 60 2>/dev/null
strace -qq -o /dev/null -e trace=sendmsg -e inject=sendmsg:error=ENOBUFS "$netshim" -c "$scratch/five.conf" reload --confirm 50 2>/dev/null
like "$? $("$netshim" status 2>&1)" "1 .*in [2-5][0-9] seconds" "a second change that fails: the first one still waits"
no_confirmation
same_state "$other" "and is gone back from"
mv "$run/config" "$scratch/kept"
like "$("$netshim" -c "$scratch/five.conf" reload --confirm 60 2>&1; echo $?)" "no copy of the configuration in force.*1$" \
	"without a copy of what is in force, nothing that has to be confirmed is begun"
head -c 40 "$scratch/kept" >"$run/config"
chmod 600 "$run/config"
like "$("$netshim" -c "$scratch/five.conf" reload --confirm 60 2>&1; echo $?)" "config.before is damaged.*could not be gone back to.*1$" "nor with half of one"
like "$("$netshim" reload --hook 2>&1; echo $?)" "config is damaged.*1$" "which reload --hook does not take either"
mv "$scratch/kept" "$run/config"
same_state "$other" "and nothing changes"
printf "class a { classid = '10:1' }\nclass b { classid = '10:2' }\n" >"$scratch/numbers.conf"
printf "class a { classid = '10:2' }\n" >"$scratch/swapped.conf"
"$netshim" -c "$scratch/numbers.conf" up
numbers=$(state)
like "$("$netshim" -c "$scratch/swapped.conf" reload --confirm 60 2>&1; echo $?)" "numbers.conf:2: classid 10:2 still belongs to class 'a'.*could not be gone back to.*nothing was changed"$'\n1' \
	"nor where going back would be refused"
same_state "$numbers" "and nothing changes"
nobody_waits
ok $? "and nobody waits"

# --- going back that fails at first

"$netshim" down
mount -t tmpfs -o size=256k run "$root/run"
"$netshim" -c "$scratch/other.conf" up
other=$(state)
in_terminal() { # in_terminal NAME COMMAND: what it says is in a file of that name; it stays until NAME.end is there
	in_background script -qefc "$2; touch $scratch/$1.ready; until [ -e $scratch/$1.end ]; do sleep 0.05; done" /dev/null </dev/null >"$scratch/$1"
	wait_until [ -e "$scratch/$1.ready" ]
}
in_terminal full "$netshim -c $scratch/five.conf reload --confirm 60"
cat /dev/zero >"$root/run/full" 2>/dev/null
pkill -TERM -f "^$netshim .*--confirm"
wait_until grep -q "cannot write .*rules.new" "$scratch/full"
wait_until grep -q "cannot go back to what was in force before; trying again" "$scratch/full"
like "$("$netshim" status 2>&1)" $'\nfive .*not confirmed' "where going back fails, it says why, and the change is still in force"
rm "$root/run/full"
wait_until nobody_waits
same_state "$other" "and it is tried again until it succeeds"
touch "$scratch/full.end"
"$netshim" -c "$scratch/five.conf" reload --confirm 60 2>/dev/null
# Whoever may read the note may have a lock to read, and wait for it.
in_background "${user[@]}" python3 -c 'import fcntl, struct, sys, time
note = open(sys.argv[1])
print("waits", flush=True)
fcntl.fcntl(note, fcntl.F_OFD_SETLKW, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0))
print("has it", flush=True)
time.sleep(300)' "$run/confirm" >"$scratch/locks"
wait_until grep -q waits "$scratch/locks"
like "$("$netshim" status 2>&1)" "not confirmed: in [1-6]?[0-9] seconds" "somebody else waits for a lock of the note: who goes back is there"
pkill -KILL -f "^$netshim .*--confirm"
wait_until grep -q "has it" "$scratch/locks"
until_like "the process that goes back has been ended: nothing goes back by itself" "who goes back has been killed: status says so" "$netshim" status
like "$(as_user "$netshim" status 2>&1)" "the process that goes back has been ended" "to users, too"
kill $!
like "$("$netshim" confirm)" confirmed "and it can be confirmed"
strace -qq -o "$scratch/trace" -e trace=/open,/chmod,/fcntl "$netshim" -c "$scratch/five.conf" reload --confirm 60 2>/dev/null
like "$(grep -A9 "confirm.new" "$scratch/trace")" "O_EXCL.*, 0600\).*F_OFD_SETLK,.*F_WRLCK.*chmod\(.*, 0644\)" "nobody else can lock it before who goes back does"
"$netshim" confirm >/dev/null
wait_until nobody_waits
"$netshim" down
wait_until is_unwatched
umount "$root/run"

# --- the session ends; the system's log

"$netshim" -c "$scratch/other.conf" up
other=$(state)
script -qefc "$netshim -c $scratch/five.conf reload --confirm 2" /dev/null </dev/null >"$scratch/out"
like "$(cat "$scratch/out")" "in [0-2] second" "in a terminal that is closed afterwards"
wait_until nobody_waits
same_state "$other" "it goes back"
in_terminal open "$netshim -c $scratch/five.conf reload --confirm 60"
no_confirmation
wait_until grep -q "netshim: not confirmed: what was in force before is in force again" "$scratch/open"
ok $? "in a terminal that is still there, it says so"
touch "$scratch/open.end"
{ setsid bash -c "$netshim -c $scratch/five.conf reload --confirm 60 2>/dev/null; kill -KILL 0"; } 2>/dev/null
[ -n "$(waiting -c "$scratch/five.conf" reload --confirm 60)" ]
ok $? "what ends a whole session does not end who goes back"
no_confirmation
same_state "$other" "and what a session's manager sends it makes it go back at once"

# --- the command is killed, at any moment

kill_at_each_call() { # kill_at_each_call BEFORE VERB
	local n at points=0 badly=0 late status
	for ((n = 1; n < 500; n += 2 * slow)); do
		if [ "$1" = down ]; then "$netshim" down; else "$netshim" -c "$scratch/other.conf" up; fi
		at=$("$scratch/kill" $n "$netshim" -c "$scratch/five.conf" "$2" --confirm 60 2>/dev/null)
		status=$?
		[ $status -eq 0 ] || break
		points=$((points + 1))
		late=$(ls "$run/confirm" 2>/dev/null)
		no_confirmation
		# Killed before anybody waits: half of a note is no change; the next up is as ever.
		[ -n "$late" ] || [ "$1" = down ] || "$netshim" -c "$scratch/other.conf" up
		[ -n "$late" ] || [ "$1" != down ] || "$netshim" down
		[ "$(state)" = "${states[$1]}" ] && continue
		diff <(echo "${states[$1]}") <(state) | sed "s/^/# $2, call $n, $at: /" >&2
		badly=$((badly + 1))
	done
	is "$status $((points * 2 * slow > 50)) $badly" "1 1 0" "$2 --confirm killed at $points system calls: each time, all is as before"
	no_confirmation
}
declare -A states=([down]=$down [up]=$other)
kill_at_each_call up reload
"$netshim" down
kill_at_each_call down up

finish
