#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# up, reload and down can be repeated, do all or nothing, and leave nothing behind.
# status tells what is in force. A wrong command line gets a message and exit code 2.
. "$(dirname "$0")/lib.sh"

ip link set lo up
run=$root/run/netshim
groups=$run/net_cls$group
in_class() { cat "$run/net_cls$group/$1/cgroup.procs" "$run/net_cls$group/$1/locked/cgroup.procs" 2>/dev/null; }

"$netshim" down
is "$? $(ls "$root/run")" "0 " "down when it is not up"
like "$("$netshim" status 2>&1)" "not up" "status when it is not up"
"$netshim" status >/dev/null
is $? 1 "with exit code 1"
"$netshim" reload 2>/dev/null
is "$? $(ls "$root/run")" "1 " "reload when it is not up"

configure <<EOF
class one { action = reject }
class two { action = drop classid = '10:43' }
app '$root/bin/probe-static' { class = one }
app '$root/bin/launcher'     { class = two }
EOF
is $? 0 "up"
grep -q " $run/net_cls cgroup " /proc/self/mounts
ok $? "net_cls is mounted under the run-time folder"
is "$(cat "$groups/two/net_cls.classid" "$groups/two/locked/net_cls.classid" | paste -sd' ')" "1048643 1048643" \
	"the group and its locked one have the class's classid"
[ "$(cat "$groups/one/net_cls.classid")" -ne 0 ]
ok $? "a class that states no classid is given one"
before=$(nft -s list ruleset; rules_say "$run/rules"; find "$groups" | sort)
"$netshim" up
is "$? $(nft -s list ruleset; rules_say "$run/rules"; find "$groups" | sort)" "0 $before" "up again changes nothing"
(umask 077 && "$netshim" up)
is "$(stat -c %a "$run" "$run/rules" | paste -sd' ')" "755 644" "whatever the umask, everybody can read the rules"

in_background "${user[@]}" LD_PRELOAD="$preload" "$netshim" run one sleep 60
sleeper=$!
wait_until grep -q . "$groups/one/locked/cgroup.procs"
like "$("$netshim" status)" $'\none +4e53:[0-9a-f]+ +1 +1 +0 +0 +0 +0 +0\n' "status: classid, rules, processes, packets, bytes"
like "$("$netshim" status)" $'\ntwo +10:43 +1 +0 ' "status: an explicit classid"
shim "$netshim" run one "$root/bin/probe" send 127.0.0.1 9
like "$("$netshim" status)" $'\none +4e53:[0-9a-f]+ +1 +1 +1 +29 +0 +0 +0\n' "status counts a packet and its bytes"

inode=$(stat -c %i "$run/rules")
sed -i 's/drop/reject/' "$config"
"$netshim" reload
is $? 0 "reload"
[ "$(stat -c %i "$run/rules")" != "$inode" ]
ok $? "the rules file is another one, by rename"
like "$("$netshim" status)" $'\none .* 1 +29 +0 +0 +[0-9]+\n' "counters go on over a reload"
sed -i '/one/d' "$config"
"$netshim" reload
is "$? $(ls -d "$groups/one" 2>/dev/null)" "0 " "reload removes the group of a vanished class"
like "$(cat /proc/$sleeper/cgroup)" "net_cls:/"$'\n' "and moves its processes to the root class"
nft list chain inet netshim class_one >/dev/null 2>&1
is $? 1 "and its packet rules are gone"

# transactional: the new classid of a running class, a failing nftables, a failing disk
configure <<EOF
class two { action = drop classid = '10:44' }
EOF
is "$(cat "$groups/two/net_cls.classid")" 1048644 "reload gives a class its new classid"
before=$(nft -s list ruleset; cksum "$run/rules"; find "$groups" | sort; cat "$groups/two/net_cls.classid")
cat >"$config" <<EOF
class two   { action = drop classid = '10:45' }
class three { }
EOF
strace -qq -f -o /dev/null -e trace=sendmsg -e inject=sendmsg:error=ENOBUFS "$netshim" reload 2>/dev/null
is "$? $(nft -s list ruleset; cksum "$run/rules"; find "$groups" | sort; cat "$groups/two/net_cls.classid")" "1 $before" \
	"nftables fails: all is as before"
strace -qq -f -o /dev/null -e trace="$(calls rename)" -e inject="$(calls rename):error=ENOSPC" "$netshim" up 2>/dev/null
is "$? $(cksum "$run/rules"; find "$groups" | sort)" "1 $(cksum "$run/rules"; find "$groups" -not -path '*three*' | sort)" \
	"the rules file cannot be replaced: the rules and groups are as before"
echo "class two { action = drop classid = '10:44' } class kept { }" >"$config"
"$netshim" reload
strace -o "$scratch/renames" -e trace="$(calls rename)" "$netshim" reload
nth=$(grep -n '/config.new' "$scratch/renames" | head -n 1 | cut -d: -f1)
strace -qq -o /dev/null -e trace="$(calls rename)" -e inject="$(calls rename):error=ENOSPC:when=$nth+" "$netshim" reload
echo "class two { action = drop classid = '10:44' } class edited { }" >"$config"
"$netshim" reload --hook
is "$? $(ls -d "$groups"/{kept,edited} 2>/dev/null)" "0 $groups/kept" \
	"the text of what is in force cannot be put into its place: a hook does not take the edited file for it"
cat >"$config" <<EOF
class two   { action = drop classid = '10:46' }
class three { classid = '10:44' }
EOF
like "$("$netshim" reload 2>&1)" "$config:2: classid 10:44 still belongs to class 'two'" \
	"a classid that goes over to another class is refused"

"$netshim" down
is "$? $(ls "$root/run")" "0 " "down"
is "$(nft list ruleset)" "" "no table is left"
grep -q "$run" /proc/self/mounts
is $? 1 "no mount is left"
configure <<<"class one { }"
"$netshim" down && "$netshim" down
is $? 0 "down twice"
# its own mount, whatever others have mounted
own_mounts() { grep -c " $run/net_cls cgroup " /proc/self/mounts; }
mkdir -p "$scratch/groups"
mount -t cgroup -o net_cls net_cls "$scratch/groups"
configure <<<"class one { }
app '$scratch/program' { class = one }"
cp "$root/bin/probe" "$scratch/program"
is "$(own_mounts) $(shim "$scratch/program" class)" "1 $group/one" "another's net_cls mount: netshim has one of its own beside it"
[ -d "$scratch/groups$group/one/locked" ]
ok $? "of the same hierarchy"
umount "$scratch/groups"
is "$(shim "$scratch/program" class)" "$group/one" "the other one goes: programs are started in their class as before"
mount -t cgroup -o net_cls net_cls "$scratch/groups"
umount "$run/net_cls"
like "$("$netshim" status 2>&1; echo $?) $(shim "$scratch/program" class 2>&1)" \
	"the net_cls hierarchy is not mounted at $run/net_cls .*'netshim reload'.*(not started \(class one\)|one +[^ ]+ +1 +-).*1 .*not started \(class one\)" \
	"its own goes: status says so, while another's is there"
like "$("$netshim" status --json 2>/dev/null)" '"processes": null' "the number of processes is no 0 then"
like "$("$netshim" ps 2>&1; echo $?)" "not mounted at $run/net_cls.*'netshim reload'.*1$" "so does ps"
"$netshim" reload
is "$? $(own_mounts) $(shim "$scratch/program" class)" "0 1 $group/one" "reload mounts it again"
umount "$run/net_cls"
"$netshim" up
is "$? $(own_mounts) $(shim "$scratch/program" class)" "0 1 $group/one" "and so does up"
"$netshim" up
is "$? $(own_mounts)" "0 1" "which mounts it but once"
"$netshim" down
is "$(own_mounts) $(ls -d "$scratch/groups/tasks" "$scratch/groups$group" 2>/dev/null)" "0 $scratch/groups/tasks" \
	"down: its groups and its mount are gone, the other's mount stays"
umount "$scratch/groups"
# 'ip netns exec' puts a new /sys over the old one
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/net_cls
mount -t cgroup -o net_cls net_cls /sys/fs/cgroup/net_cls
"$netshim" up
ip netns add there
is "$(ip netns exec there "${user[@]}" LD_PRELOAD="$preload" env "$scratch/program" class)" "$group/one" \
	"the only other mount is beneath /sys, and 'ip netns exec' hides it: started in its class"
"$netshim" down
ip netns del there
umount /run/netns /sys/fs/cgroup/net_cls /sys/fs/cgroup
# as in a unit with PrivateTmp: what is mounted there does not reach where it comes from
in_unit() {
	unshare --mount --propagation shared sh -c 'unshare --mount --propagation slave sh -c "mount --make-rshared / && \"\$@\"" sh "$@"; exit $?' \
		sh "$netshim" "$@"
}
like "$(in_unit up 2>&1; echo $?)" \
	"in this mount namespace, net_cls would be mounted for nobody else.*PrivateTmp=.*1$" "in a mount namespace that others do not see into, up refuses"
is "$(ls "$run" 2>/dev/null)" "" "and leaves nothing"
"$netshim" up
in_unit reload
is "$? $(shim "$scratch/program" class)" "0 $group/one" "where it is up already, reload works there too"
"$netshim" down

# where it is not up
configure <<<"class one { action = reject }"
before=$(nft list table inet netshim; cksum "$run/rules"; ls -R "$run/net_cls$group")
for verb in up "-c $scratch/other reload" down status "status --json" "blocked --follow one" "lift one 5m"; do
	# shellcheck disable=SC2086 # words
	like "$(unshare --net "$netshim" $verb 2>&1; echo $?)" \
		"^netshim: netshim is up in another network namespace; run 'nsenter --net=/proc/[0-9]+/ns/net netshim $verb'"$'\n1$' "${verb/$scratch\/other/FILE} in another network namespace: refused"
done
is "$(unshare --net "$netshim" reload --hook 2>&1; echo $?)" 0 "reload --hook does nothing"
is "$(nft list table inet netshim; cksum "$run/rules"; ls -R "$run/net_cls$group")" "$before" "all is as before"
way=$(unshare --net "$netshim" status 2>&1 | sed "s/.*\(nsenter [^ ]*\).*/\1/")
# shellcheck disable=SC2086 # words
is "$(unshare --net $way "$netshim" status 2>&1)" "$("$netshim" status)" "what it says to run does it"
# Numbers begin anew: the lowest may be the latest process, and gone when somebody does it.
# shellcheck disable=SC2016 # expanded by that shell
like "$(unshare --net --pid --fork --mount-proc sh -c '
	for last in 2000 1000; do
		echo $last >/proc/sys/kernel/ns_last_pid
		nsenter --net=/proc/self/fd/3 sleep 60 >/dev/null &
		until grep -qx sleep /proc/$!/comm; do :; done
		sleep 0.05
	done
	"$1" status 2>&1' sh "$netshim" 3</proc/self/ns/net)" "nsenter --net=/proc/2001/ns/net netshim status" "by the process that has been there longest"
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
"$netshim" down
ip netns add there
nsenter --net=/run/netns/there "$netshim" up
like "$("$netshim" reload 2>&1)" "run 'nsenter --net=/run/netns/there netshim reload'" "one that has a name, and no process"
ip netns del there
umount /run/netns
"$netshim" reload
is "$? $(nft list table inet netshim | head -n 1)" "0 table inet netshim {" "one that is gone: reload puts it into force here"
"$netshim" down

# without what puts programs into their class
configure <<<"class one { }"
lacks() { # lacks WHAT NAME
	local verb
	for verb in up reload status; do
		like "$("$netshim" $verb 2>&1; echo $?)" "not started: $helper: $1.*$([ $verb = status ] && echo 1 || echo 0)$" "$2: $verb says so"
	done
}
mv "$helper" "$scratch/helper"
lacks "No such file or directory; install netshim again" "the helper is gone"
cp "$scratch/helper" "$helper"
lacks "it has not its capability; run 'netshim grant' as root" "it has not its capability"
like "$(as_user "$netshim" status 2>&1)" "run 'netshim grant' as root" "to users, too"
"$netshim" grant >/dev/null
is "$? $("$netshim" reload 2>&1; "$netshim" status 2>&1 >/dev/null)" "0 " "what it says to run does it"
mount --bind "${helper%/*}" "${helper%/*}"
mount -o remount,bind,nosuid "${helper%/*}"
lacks "its file system is mounted nosuid" "mounted nosuid"
umount "${helper%/*}"
mv "$scratch/helper" "$helper"
closed() { # closed PATH MODE NAME
	local mode verb
	mode=$(stat -c %a "$1")
	chmod "$2" "$1"
	for verb in up reload status; do
		like "$("$netshim" $verb 2>&1; echo $?)" "not started for users who may not use $1; run 'chmod 755 $1' as root"$'\n'"(.*"$'\n'")?$([ $verb = status ] && echo 1 || echo 0)$" \
			"$3: $verb says so"
	done
	like "$(as_user "$netshim" status 2>&1; echo $?)" "may not use $1; run.*1$" "to users, too"
	chmod "$mode" "$1"
	is "$("$netshim" reload 2>&1; "$netshim" status 2>&1 >/dev/null; as_user "$netshim" status 2>&1 >/dev/null)" \
		"netshim: packets, bytes, and what runs outside its class are shown to root only" "and nothing of it any more"
}
closed "$helper" 700 "a helper that users may not execute"
closed "${helper%/*}" 700 "its folder that they may not go through"
"$netshim" up
chmod 711 "$helper"
is "$(as_user "$netshim" status 2>&1 >/dev/null; shim "$scratch/program" class)" \
	"netshim: packets, bytes, and what runs outside its class are shown to root only
/" "a helper that they may execute and not read is none of these"
chmod 755 "$helper"
unreadable() { # unreadable NAME
	like "$("$netshim" status 2>&1; echo $?)" "users may not read $run/rules, and what they start is in no class; run 'netshim reload' as root.*1$" "$1: status says so"
	like "$(as_user "$netshim" status 2>&1; echo $?)" "this user may not read $run/rules; run 'netshim reload' as root"$'\n1$' "to users, too"
	"$netshim" reload
	is "$? $("$netshim" status 2>&1 >/dev/null)" "0 " "what it says to run does it"
}
chmod 600 "$run/rules"
unreadable "a rules file that users may not read"
chmod 700 "$run"
unreadable "its folder that they may not go through"
gone() { # gone NAME CLASS SAYS...
	local says=${*:3}
	like "$("$netshim" status 2>&1; echo $?)" "$says; run 'netshim reload' as root.*1$" "$1: status says so"
	like "$(as_user "$netshim" status 2>&1; echo $?)" "$says; run 'netshim reload' as root.*1$" "to users, too"
	"$netshim" reload
	is "$? $("$netshim" status 2>&1 >/dev/null)" "0 " "what it says to run does it"
}
ours=$run/net_cls$group
rmdir "$ours/one/locked"
gone "a class's group for what is locked is gone" one "$ours/one/locked is not there: what is to be in it is not started"
rmdir "$ours/one/locked" "$ours/one"
gone "a class's group is gone" one "$ours/one is not there: what is to be in it is not started"
rmdir "$ours/one/locked" "$ours/one" "$ours"
gone "all groups are gone" one "$ours/one is not there: what is to be in it is not started"
echo 77 >"$ours/one/net_cls.classid"
gone "a group with another number" one "$ours/one has the classid 0:4d, and the rules in force say [0-9a-f:]*: it is filtered as another class"
"$netshim" down

# which configuration
in_force() { "$netshim" status | awk '$2 ~ /:/ { print $1 }' | xargs; }
echo "class other { }" >"$scratch/other.conf"
echo "class one { }" >"$config"
(cd "$scratch" && "$netshim" -c other.conf up)
"$root/etc/network/if-up.d/netshim"
is "$? $(in_force)" "0 other" "reload, by a hook too, takes the configuration that up was given with -c"
sed -i 's/other/further/' "$scratch/other.conf"
"$root/etc/network/if-up.d/netshim"
is "$? $(in_force)" "0 other" "a hook's, in the text that it had then"
like "$("$netshim" -c "$config" reload --hook 2>&1; echo $?)" "leave out -c.*2" "reload --hook reads no file"
"$netshim" -c "$config" reload
sed -i 's/further/{/' "$scratch/other.conf"
"$netshim" -c "$scratch/other.conf" reload 2>/dev/null
is "$? $("$netshim" reload; in_force)" "1 one" "or the last reload that did not fail"
sed -i 's/{ /mine /' "$scratch/other.conf"
"$netshim" -c "$scratch/other.conf" up
"$netshim" up
"$netshim" reload
is "$? $(in_force)" "0 one" "up without it takes the usual one"
"$netshim" -c "$scratch/other.conf" up
truncate -s 20 "$run/rules"
like "$("$netshim" reload 2>&1; echo $?) $(in_force)" "does not tell .*taking $config.*0 one" "so does reload where the rules are damaged, and says so"
"$netshim" down

# usage
for verb in check up reload ruleset; do
	like "$("$netshim" $verb --help)" "^usage: netshim \[-c FILE\] $verb" "$verb --help"
done
for verb in down status ps move which run grant; do
	like "$("$netshim" $verb --help)" "^usage: netshim $verb" "$verb --help"
done
"$netshim" -c "$config" which sh >/dev/null 2>&1
is $? 2 "-c where no configuration is read: exit 2"
is "$("$netshim" -c "$config" check "$scratch/other.conf" 2>&1; echo $?)" "netshim: check: FILE and -c name two configurations; leave one out"$'\n2' "check of two configurations"
like "$("$netshim" --help)" "usage: netshim" "--help"
"$netshim" >/dev/null 2>&1
is $? 2 "no verb: exit 2"
"$netshim" fly >/dev/null 2>&1
is $? 2 "an unknown verb: exit 2"
"$netshim" up now >/dev/null 2>&1
is $? 2 "too many words: exit 2"
"$netshim" run one >/dev/null 2>&1
is $? 2 "too few: exit 2"
for words in "which --" "which --json" "run -c true" "run -- true" "ps -x" "move -9 1" "down --confirm" "check -x" "up --json" "up x" "status -j" \
	"suggest x" "suggest --json=1" "trace -x" "trace -x true" "trace --to true" "doctor --too" "blocked --too"; do
	# shellcheck disable=SC2086 # words
	like "$("$netshim" $words 2>&1; echo $?)" "^(netshim: ${words%% *}: what is '|usage: netshim .*${words%% *}).*2$" "$words: exit 2, and says what it does not know"
done
lacks_word() { # lacks_word WORDS MESSAGE
	# shellcheck disable=SC2086 # words
	is "$("$netshim" $1 2>&1; echo $?)" "netshim: $2"$'\n2' "$1: exit 2, and says what the option takes"
}
for verb in up reload; do lacks_word "$verb --leave-running --confirm" "$verb: '--confirm' takes a number of seconds, as in --confirm 60"; done
for words in "doctor --to" "doctor sh --json --to"; do
	lacks_word "$words" "doctor: '--to' takes an address and a port, as in --to 192.0.2.1:443"
done
lacks_word "suggest --json --for" "suggest: '--for' takes a time, as in --for 10m"
lacks_word "trace --json -u" "trace: '-u' takes a user, as in -u nobody"
lacks_word "trace -o" "trace: '-o' takes a file, as in -o trace.txt"
lacks_word -c "'-c' takes a configuration, as in -c other.conf"
for words in "trace -xu true" "trace --json -xu true" "blocked -xf" "blocked one --json -fx"; do
	# shellcheck disable=SC2086 # words
	like "$("$netshim" $words 2>&1; echo $?)" "^netshim: ${words%% *}: what is '-x'.*2$" "$words: of several letters, it says which"
done
for words in -x --fly; do
	is "$("$netshim" $words 2>&1; echo $?)" "netshim: what is '$words'? 'netshim --help' tells what it takes"$'\n2' "$words before the verb"
done
configure <<<"class one { }"
is "$("$netshim" ps nosuch 2>&1; echo $?)" "netshim: there is no class 'nosuch'; 'netshim status' lists them"$'\n1' "ps: an unknown class, and no list of it"
is "$("$netshim" move nosuch $$ 2>&1; echo $?)" "netshim: there is no class 'nosuch'; 'netshim status' lists them; 'none' takes a process out of its class"$'\n1' \
	"move: an unknown class, and what none is"
like "$("$netshim" ps one; echo $?)" "^ *PID .*0$" "ps: a class that is empty"
is "$("$netshim" watch nosuch 2>&1; echo $?)" "netshim: there is no class 'nosuch'; 'netshim status' lists them"$'\n1' "watch: an unknown class"
is "$("$netshim" watch one 2>&1; echo $?)" "netshim: class one has no network namespace of its own; its rules are watched by 'netshim watch'"$'\n1' \
	"watch: a class that needs none of its own"
sleep 300 &
sleeper=$!
its_class() { sed -n 's/.*:net_cls://p' /proc/$sleeper/cgroup; }
is "$("$netshim" move one $sleeper 2x 2>&1; echo $?; its_class)" "netshim: cannot move process '2x', and so none: that is no process ID"$'\n1\n/' "move: what is no process ID: nobody is moved"
is "$("$netshim" move one $sleeper 0 2>&1; echo $?; its_class)" "netshim: cannot move process '0', and so none: that is no process ID"$'\n1\n/' "move: 0, which would be itself"
kill $sleeper
# shellcheck disable=SC2016 # expanded there
first() { unshare --pid --fork --mount-proc sh -c '"$1" move "$2" $$ 2>&1; echo $?; sed -n "s/.*:net_cls://p" /proc/1/cgroup' sh "$netshim" "$1"; } # of a namespace of its own
like "$(first one)" "^netshim: process 1 is what starts every service.*: all that it starts from then on would be in class one; .* write a rule for a service, as unit 'NAME.service' \{ class = one \}"$'\n1\n/$' \
	"move: the first process stays where it is"
is "$(first none)" $'0\n/' "move: and may be taken out of a class"
"$netshim" down
is "$("$netshim" status 2>&1 >/dev/null; echo $?)" "netshim: netshim is not up; run 'netshim up' as root"$'\n1' "status of what is not up says so to standard error"
like "$(as_user "$netshim" up 2>&1)" "is for root" "up is for root"
configure <<<"class one { action = reject }"
end_watching
nft flush ruleset
like "$? $("$netshim" status 2>&1)" "nothing is filtered.*run 'netshim reload'" "status says that the table is gone"
"$netshim" reload && "$netshim" status >/dev/null 2>&1
is $? 0 "reload brings it back"
is "$("$netshim" ruleset | nft -c -f - 2>&1)" "" "what ruleset prints is what nft takes"
cat >"$config" <<EOF
class one { action = reject  mark = 7  dns = { '127.0.0.1' } }
class two { interface = 'nosuch0'  nft = { 'ip dscp set ef' } }
EOF
"$netshim" reload
is "$("$netshim" ruleset | unshare --net sh -c 'nft -f - && nft -s list ruleset')" "$(nft -s list ruleset)" \
	"what ruleset prints is what is loaded"
like "$("$netshim" ruleset)" "# class two, $config:2"$'\n'"[[:space:]]chain class_two " "with a line on each class and where it is from"
configure <<<"class source { interface = 'nosuch0'  dns = { '127.0.0.1' }  nft = { 'counter' } }"
is "$? $("$netshim" ruleset | sed -n 's/^\tchain \([^ ]*\) {$/\1/p' | sort | uniq -d)" "0 " "no class's chain has the name of another chain"
configure <<EOF
class one { mark = 9  action = reject }
class two { mark = 9 }
class three { mark = 10 }
EOF
is "$? $("$netshim" ruleset | grep -c '0x00000009 : goto class_') $("$netshim" ruleset | grep -c '0x0000000a : goto class_three')" "0 0 1" \
	"of two classes with one mark, no connection's mark tells which it is"
"$netshim" down
# shellcheck disable=SC2016 # expanded by that shell
hold_at openat "$root/run/netshim/lock" sh -c '"$@"; echo $?' sh "$netshim" up
rmdir "$root/run/netshim" # as the end of a down does
let_go
until_like '^0$' "up makes the folder again that a down takes away at that moment" cat "$scratch/said"
mkdir "$scratch/bin"
printf '#!/bin/sh\ncat >>%s/logged\n' "$scratch" >"$scratch/bin/logger"
chmod 755 "$scratch/bin/logger"
configure <<<"class one { } app '$scratch/bin/later' { class = one }"
mkdir "$scratch/bin/later"
like "$(PATH=$scratch/bin:$PATH "$root/etc/network/if-up.d/netshim" 2>&1; echo $?) $(cat "$scratch/logged")" \
	"later' is a folder.*"$'\n'"0 .*later' is a folder" "the hook for interfaces tells and logs a mistake, and does not fail for it"
configure <<<"class one { }"
is "$(strace -f -o /dev/stdout -e trace=capset,openat "$netshim" check 2>/dev/null | grep -n -e capset -e netshim.conf |
	head -n 1 | grep -c capset)" 1 "capabilities are given up before the configuration is opened"

# who starts it ignores the end of children, as Perl's $SIG{CHLD} = 'IGNORE' and some daemons do
deaf() {
	python3 -c 'import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])' "$@"
}
configure <<<"class one { }"
is "$(deaf "$netshim" reload 2>&1; echo $?)" 0 "SIGCHLD is ignored: reload looks at all running programs"
is "$(deaf "$netshim" enable --dry-run 2>&1 >/dev/null)" "$("$netshim" enable --dry-run 2>&1 >/dev/null)" "programs start as ever when enable tries them"
for verb in "run one" "trace -o /dev/null"; do
	# shellcheck disable=SC2086 # words
	is "$(deaf "$netshim" $verb grep SigIgn /proc/self/status)" "$(deaf "$(command -v grep)" SigIgn /proc/self/status)" \
		"what ${verb%% *} starts has the signals ignored that it would"
done

is "$(strace -qq -o /dev/null -e trace=removexattr -e inject=removexattr:error=EROFS "$netshim" reload 2>&1; echo $?)" 0 \
	"where netshim-netns has no capability, none is taken from it, so it may be read-only"

for ((n = 6; n < 12; n++)); do timeout 20 prlimit --nofile=$n "$netshim" status; echo "$n $?"; done >"$scratch/few" 2>&1
is "$(grep -c '^[0-9]* 124$' "$scratch/few")" 0 "with few descriptors, status does not hang"

# what nobody gets is no answer
configure <<<"class one { action = reject  log = true }"
cannot="netshim: cannot write (all of )?the answer(: No space left on device)?"
for words in --help --version "ps --help" check ruleset status "status --json" ps "ps --json" "which $netshim" doctor "doctor --json" \
	suggest "suggest --json" "blocked --json" "lift one 1m" "lift one off"; do
	# shellcheck disable=SC2086 # words
	like "$("$netshim" $words 2>&1 >/dev/full; echo $?)" "(^|"$'\n'")$cannot"$'\n'"(.*"$'\n'")?1$" "$words: cannot be written: exit 1"
done
like "$("$netshim" ruleset -x 2>&1 >/dev/full; echo $?)" "what is '-x'.*2$" "the exit code of what has failed stays"
mkfifo "$scratch/unread"
exec {reader}<>"$scratch/unread"
exec {unread}>"$scratch/unread" {reader}>&-
is "$(trap '' PIPE; "$netshim" status >&"$unread" 2>&1; echo $?)" 1 "a pipe that nobody reads, and no SIGPIPE: exit 1"
like "$("$netshim" trace -o /dev/full true 2>&1; echo $?)" "^netshim: trace: not all could be written to /dev/full.0$" "trace says so, and exits as the command did"

finish
