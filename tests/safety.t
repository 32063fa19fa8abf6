#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The helper enters a class for those who may be in it, leaves no locked class and no
# other tool's group, and does what on-error says where it cannot enter.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
make_hosts 80
cp "$bin/probe-static" "$scratch/denied"
cp "$bin/probe-static" "$scratch/allowed"
cp "$bin/probe" "$scratch/allowed-dynamic"
printf '#!%s state\n' "$scratch/allowed" >"$scratch/allowed-script"
chmod 755 "$scratch/allowed-script"
cp "$bin/probe-static" "$scratch/members-only"
cp "$bin/probe-static" "$scratch/locking"
cp "$bin/probe" "$scratch/locking-dynamic"
configure <<EOF
class strict  { action = reject }
class lenient { on-error = allow }
class members { users = { 'daemon', '@daemon' } }
class jail    { lock = true }
class b       { }
app '$scratch/denied'          { class = strict }
app '$scratch/allowed'         { class = lenient }
app '$scratch/allowed-dynamic' { class = lenient }
app '$scratch/members-only'    { class = members }
app '$scratch/locking'         { class = jail }
app '$scratch/locking-dynamic' { class = jail }
EOF

# The system log of this world.
in_background /usr/bin/python3 -c "
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('$scratch/log')
os.chmod('$scratch/log', 0o666)
out = open('$scratch/logged', 'ab', 0)
while True: out.write(s.recv(4096) + b'\n')"
wait_until test -S "$scratch/log"
mkdir "$scratch/dev"
mount -t tmpfs dev "$scratch/dev"
cp -a /dev/null /dev/zero /dev/urandom "$scratch/dev"
ln -s "$scratch/log" "$scratch/dev/log"
mount --move "$scratch/dev" /dev

is "$(getcap "$helper" | sed 's/.* //')" "cap_dac_override=p" "the helper has one file capability"
is "$(shim "$scratch/denied" class)" "$group/strict" "before: classified"

# --- locked classes
is "$(shim "$scratch/locking" class)" "$group/jail/locked" "lock = true: enters the locked group"
is "$(shim "$scratch/locking-dynamic" class)" "$group/jail/locked" "lock = true: a dynamic program too"
is "$(shim "$netshim" run b "$scratch/denied" class)" "$group/b/locked" \
	"a locked process does not leave by a program of another class"
is "$(shim "$netshim" run b "$scratch/locking" class)" "$group/b/locked" "nor by one that locks"
is "$(shim "$netshim" run b "$bin/launcher-static" execv "$scratch/locking-dynamic" class)" "$group/b/locked" "nor at start"
is "$(shim "$netshim" run b "$netshim" run b "$bin/probe" class)" "$group/b/locked" "running the same class again is no leaving"
like "$(shim "$netshim" run b "$netshim" run jail true 2>&1)" \
	"^netshim: /usr/bin/true: not started \(class jail\): already assigned" "nor by netshim run"
is "$(shim "$netshim" run b sh -c "NETSHIM_REQUEST=x $helper" 2>&1 | head -c 24)" "netshim: netshim-helper:" \
	"nor by the helper run by hand"
as_root() { LD_PRELOAD=$preload env "$@"; }
is "$(as_root "$netshim" run b "$scratch/denied" class)" "$group/b/locked" "root's neither"

like "$(as_root "$netshim" run b unshare -C "${user[@]}" LD_PRELOAD="$preload" "$scratch/denied" class 2>&1)" \
	"not started .class strict.: cannot tell the class of this process" "nor where no group shows, in a cgroup namespace of root's"

# The helper waits behind its look at its own group, as a user can have it wait (SIGSTOP).
move_on_the_way() { # move_on_the_way COMMAND...: that comes in between
	hold_at openat "$root/run/netshim/net_cls$group/strict/tasks" "${user[@]}" LD_PRELOAD="$preload" env "$scratch/denied" stop
	"$@"
	"$netshim" move jail "$held" &
	moving=$!
	wait_until waits $moving # for the helper to end
	let_go
	wait $moving
	moved="$? $(sed -n 's/.*:net_cls://p' "/proc/$held/cgroup")"
	wait_until grep -qx denied "/proc/$held/comm"
	kill -KILL "$held"
}
waits() { grep -q "^$nanosleep " "/proc/$1/syscall"; }
nanosleep=$(call_number clock_nanosleep)
move_on_the_way true
is "$moved" "0 $group/jail/locked" "moved into a locked class while it is started: it stays there"
replace_helper() { cp "$helper" "$helper.new" && "$netshim" grant "$helper.new" >/dev/null; }
move_on_the_way replace_helper
is "$moved" "0 $group/jail/locked" "by a helper that has been replaced meanwhile, too"

is "$(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps +net_raw --ambient-caps +net_raw "$netshim" run b true 2>&1)" \
	"netshim: true: not started (class b): the helper would take its ambient capabilities away" "run with ambient capabilities"
is "$(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps +net_raw "$netshim" run b grep CapInh /proc/self/status)" \
	$'CapInh:\t0000000000002000' "run keeps inheritable capabilities"

# --- another tool's group
mkdir "$root/run/netshim/net_cls/${group#/}-foreign"
foreign=$root/run/netshim/net_cls/${group#/}-foreign
in_foreign() { sh -c 'echo 0 >"$0/tasks" && exec "$@"' "$foreign" "$@"; }
like "$(in_foreign "${user[@]}" LD_PRELOAD="$preload" env "$scratch/denied" class 2>&1)" "another tool's net_cls group" \
	"another tool's class is not left"
is "$(in_foreign "${user[@]}" LD_PRELOAD="$preload" env "$scratch/allowed" class 2>&1)" "$group-foreign" \
	"on-error = allow: the program runs there, where it was"
exits() { # exits NAME: up and status name the other tool's group
	local verb
	for verb in up status; do
		like "$("$netshim" $verb 2>&1)" "^netshim: $foreign: others than root may move processes there, out of locked classes too" "$1: $verb says so"
	done
}
is "$("$netshim" up 2>&1)" "" "a group that is root's"
chown 65534 "$foreign/tasks"
exits "a tasks file that is a user's"
is "$(shim "$netshim" run b sh -c "echo 0 >'$foreign/tasks' && exec '$bin/probe-static' class")" "$group-foreign" "(who is locked walks out by it)"
chown 0 "$foreign/tasks"
chmod 664 "$foreign/cgroup.procs"
exits "a cgroup.procs that a group may write to"
chmod 644 "$foreign/cgroup.procs"
chown 65534 "$foreign"
exits "a folder that is a user's"
as_user mkdir "$foreign"/{1,2,3,4}
like "$("$netshim" status 2>&1 | tr '\n' ' ')" "net_cls: and 2 folders more like these" "many of them: so many more"
rmdir "$foreign"/{1,2,3,4} "$foreign"

# --- users
like "$(shim "$scratch/members-only" 2>&1)" "not started \(class members\): this user is not among" "not a member: not started"
like "$(shim "$netshim" run members true 2>&1)" "this user is not among the users" "not a member: run refused"
like "$("$netshim" which "$scratch/members-only")" "but this user is not among" "which says so"
is "$(setpriv --reuid 65534 --regid 65534 --groups "$(getent group daemon | cut -d: -f3)" env LD_PRELOAD="$preload" \
	env "$scratch/members-only" class)" "$group/members" "a member by a supplementary group"

# --- no capability: on-error decides
setcap -r "$helper"
out=$(shim "$scratch/denied" class 2>&1)
is "$?" 125 "deny: the helper without its capability starts nothing"
like "$out" "^netshim: $scratch/denied: not started \(class strict\): .*run 'netshim grant' as root" "it says what to do"
is "$(as_user LD_PRELOAD="$preload" "$bin/launcher-static" execv "$scratch/allowed-dynamic" class 2>&1)" / \
	"allow: started unclassified, at start, once"
is "$(shim "$scratch/allowed" class 2>&1)" / "allow: started unclassified"
wait_until grep -q "allowed-dynamic: started unclassified (class lenient)" "$scratch/logged"
like "$(cat "$scratch/logged")" "netshim\[[0-9]*\]: $scratch/allowed: started unclassified \(class lenient\)" "and logged"
is "$(shim "$scratch/allowed-dynamic" state | grep -c NETSHIM_DECIDED)" 0 \
	"allow: no mark is left in a dynamic program's environment"
is "$(shim "$scratch/allowed" state | grep -c NETSHIM_DECIDED)" 0 "allow: nor in a static program's"
is "$(shim "$scratch/allowed-script" | grep -c NETSHIM_DECIDED)" 0 "allow: nor in a static interpreter's"
is "$(shim env -i "$scratch/allowed-dynamic" state | grep -c NETSHIM_DECIDED)" 0 \
	"allow: nor in a dynamic program's that does not load the library"
"$netshim" grant >/dev/null
is "$(shim "$scratch/denied" class)" "$group/strict" "grant gives it back"
chmod 000 "$helper"
out=$(shim "$bin/launcher" errno execv "$scratch/denied")
is "$out" "Operation not permitted" "deny: a helper that cannot be executed: EPERM"
is "$(shim "$bin/launcher" execv "$scratch/allowed" class)" / "allow: a helper that cannot be executed"
is "$(shim "$bin/launcher" posix_spawn "$scratch/allowed" class)" / "allow: the same by posix_spawn"
is "$(shim "$bin/launcher" errno posix_spawn "$scratch/denied")" "Operation not permitted" "deny: the same by posix_spawn"
chmod 755 "$helper"
"$netshim" grant >/dev/null
like "$(setpriv --no-new-privs "${user[@]}" LD_PRELOAD="$preload" env "$scratch/denied" 2>&1)" "no_new_privs" \
	"deny: under no_new_privs"
is "$(setpriv --no-new-privs "${user[@]}" LD_PRELOAD="$preload" env "$scratch/allowed" class)" / "allow: under no_new_privs"
like "$("${user[@]}" LD_PRELOAD="$preload" unshare -Ur env "$scratch/denied" 2>&1)" "not started" "deny: in a user namespace"
is "$("${user[@]}" LD_PRELOAD="$preload" unshare -Ur env "$scratch/allowed" class)" / "allow: in a user namespace"
is "$(shim sh -c "ulimit -n 5; exec 3</dev/null; exec $scratch/denied class" 2>&1)" "$group/strict" \
	"one free descriptor is enough"
is "$(shim sh -c "exec <&- 2>&-; $scratch/denied class")" "$group/strict" "with descriptors 0 and 2 closed"
is "$(shim sh -c "exec >&- 2>&-; $scratch/members-only"; echo $?)" 125 "with 1 and 2 closed, an error has nowhere to go"

# --- the helper by itself
like "$(as_user "$helper" 2>&1)" "not to be run by hand" "the helper by hand is refused"
is "$(as_user "$helper" 2>/dev/null; echo $?)" 125 "with exit code 125"
for request in "1 exec" "1 exec 4294967196 0 0 0 0 0" "1 exec 4294967196 0 0 0 0 0 0 0 0 x" \
	"1 run:../x 4294967196 0 0 0 0 0 0 0" "1 run: 4294967196 0 0 0 0 0 0 0" "1 exec 99999999999 0 0 0 0 0 0 0" \
	"1 exec 4294967196 0 0 0 0 0 0 99999999999999999999"; do
	like "$(as_user python3 -c "
import os
os.execve('$helper', ['x'], {'NETSHIM_REQUEST': '$request', 'Z': 'z'})" 2>&1)" "not to be run by hand" \
		"a malformed request is refused: $request"
done

like "$(as_user attacker request "NETSHIM_REQUEST=3 exec 1 2 3" /bin/true "$helper" 2>&1; echo $?)" "of another netshim; log in anew.*125" \
	"one of another version is refused by name"

# --- the rules file
rules=$root/run/netshim/rules
cp -p "$rules" "$scratch/rules"
chmod 666 "$rules"
like "$(shim "$scratch/denied" 2>&1)" "others than root may write to the rules file; run 'netshim reload' as root" "a rules file that others may write is not acted on"
like "$("$netshim" status 2>&1)" "others than root may write to $rules; run 'netshim reload' as root" "status says so, too"
chmod 600 "$rules"
like "$(shim "$netshim" run b true 2>&1)" "this process may not read the rules file; run 'netshim reload' as root, or" "nor one that it may not read, which it says"
chmod 644 "$rules"
chown 65534 "$rules"
like "$(shim "$scratch/denied" 2>&1)" "does not belong to root here" "nor one that is not root's"
like "$("$netshim" status 2>&1)" "$rules does not belong to root here" "status says so, too"
head -c 100 "$scratch/rules" >"$rules" && chown 0 "$rules"
is "$(shim "$scratch/denied" class)" / "a damaged rules file is none to the shim"
like "$(shim "$netshim" run b true 2>&1)" "damaged" "the helper says that it is damaged"
like "$("$netshim" status 2>&1)" "damaged" "status too"
rm "$rules"
is "$(shim "$scratch/denied" class)" / "without a rules file everything is as without netshim"
is "$(as_user LD_PRELOAD="$preload" "$bin/launcher-static" execv "$bin/probe" class)" / "at start too"
like "$(shim "$netshim" run b true 2>&1)" "netshim is not up" "run says that netshim is not up"

finish
