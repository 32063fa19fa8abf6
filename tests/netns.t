#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Programs of a class with a network namespace start in it, whoever starts them, and stay
# in it with all that they start; and no user can make more of what leads into it.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
netns=$root/usr/libexec/netshim-netns
mkdir -p /run/netns
mount -t tmpfs -o mode=755 none /run/netns

# For each class a shell, and a static program that tells where it is.
names=(jailed:jail lenient:lenient private:private other:other web:web exempt:none members:members)
for name in "${names[@]}"; do
	cp "$(command -v bash)" "$scratch/${name%:*}"
	cp "$bin/probe-static" "$scratch/${name%:*}-static"
done
cp "$bin/probe" "$scratch/jailed-dynamic"
put_far_down jailed
cp "$bin/probe" "$scratch/told-dynamic"
cp "$bin/probe-static" "$scratch/told-static"
{
	cat <<EOF
class jail    { netns = 'jail' }
class lenient { netns = 'jail' on-error = allow }
class other   { netns = 'other' }
class private { netns = 'private' }
class members { netns = 'jail' users = { 'daemon' } }
class web     { }
class held    { lock = true }
app '$scratch/jailed-dynamic' { class = jail }
app '$far_down/jailed' { class = jail }
app '$scratch/told-*' { with = 'inside' class = jail }
EOF
	for name in "${names[@]}"; do
		echo "app '$scratch/${name%:*}' { class = ${name#*:} }"
		echo "app '$scratch/${name%:*}-static' { class = ${name#*:} }"
	done
} >"$scratch/jails"
inode() { stat -Lc %i "$1"; }
host="net:[$(inode /proc/self/ns/net)]"
at() { echo "$1 $group/$2/locked net:[$(inode "/run/netns/$3")]"; } # at PROGRAM CLASS NAMESPACE
exec_request="NETSHIM_REQUEST=1 exec 4294967196 0 0 0 0 0 0 8388608"

# --- before there is such a class, nobody has the capabilities

configure <<<"class web { }"
"$netshim" grant >/dev/null
is "$(getcap "$netns")" "" "without such a class, netshim-netns has no capability, and grant gives it none"
for name in jail other; do ip netns add $name; done
configure <"$scratch/jails" 2>"$scratch/said"
is "$? $(getcap "$netns" | sed 's/.* //') $(<"$scratch/said")" "0 cap_net_admin,cap_sys_admin=p " "with one in force it has them"

# --- a namespace of a name

not_started() { echo "netshim: $scratch/$1-static: not started (class $2): $3"; } # not_started PROGRAM CLASS WHY
none="its network namespace is not there; run 'netshim reload' as root, or 'ip netns add' for a class without address and interface"
ip netns del jail
is "$(shim "$scratch/jailed-static" where 2>&1; echo $?)" "$(not_started jailed jail "$none")"$'\n'125 "no namespace of that name: not started"
is "$(shim "$scratch/lenient-static" where)" "lenient-static / $host" "on-error decides: allow starts it where it is"
ip netns add jail
is "$(shim "$scratch/jailed-static" where)" "$(at jailed-static jail jail)" "it starts in its namespace and its class"
is "$(shim "$scratch/jailed-dynamic" where)" "$(at jailed-dynamic jail jail)" "a dynamic program too"
is "$(shim "$scratch/other-static" where)" "$(at other-static other other)" "another class in another one"
is "$(shim python3 -c "import os; os.waitpid(os.posix_spawn('$scratch/jailed-static', ['x', 'where'], os.environ), 0)")" "$(at jailed-static jail jail)" \
	"by posix_spawn"
is "$(shim "$netshim" run jail "$bin/probe-static" where)" "$(at probe-static jail jail)" "by netshim run"
is "$(LD_PRELOAD=$preload env "$scratch/jailed-static" where)" "$(at jailed-static jail jail)" "by root"
is "$(as_user LD_PRELOAD="$preload" "$scratch/jailed-dynamic" where)" "$(at jailed-dynamic jail jail)" "at its start, by a program without the library"
is "$(shim "$scratch/jailed" -c "sh -c 'env $bin/probe where'; :")" "$(at probe jail jail)" "its children stay in it"
if has_32bit "a 32-bit one, too"; then
	is "$(shim "$scratch/jailed" -c "LD_PRELOAD= $bin/probe-32 where; :")" "$(at probe-32 jail jail)" "a 32-bit one, too"
fi
state() { "$@" "$scratch/jailed-static" state a "" "b c" 2>&1 | sed 's/^pid.*//'; }
for with in "" "setpriv --pdeathsig TERM" "prlimit --stack=16000000:" "setarch -R"; do
	# shellcheck disable=SC2086 # words
	is "$(state shim $with)" "$(state as_user LD_PRELOAD="$preload" $with)" "arguments, environment and all that an exec carries over are as ever: ${with:-plain}"
done
# shellcheck disable=SC2016 # expanded by that shell
is "$(shim "$scratch/jailed" -c 'grep -c "^Cap\(Inh\|Prm\|Eff\|Amb\):.0*$" /proc/self/status')" 4 "it has no capability"
is "$(shim "$scratch/jailed" -c 'readlink /proc/self/ns/mnt')" "$(readlink /proc/self/ns/mnt)" "and the mounts that it has without"

# --- nobody comes out

for program in web exempt private other lenient; do
	is "$(shim "$scratch/jailed" -c "$scratch/$program-static where; :")" "$(at $program-static jail jail)" "nobody comes out: a program $program stays inside"
done
for class in web private other; do
	like "$(shim "$scratch/jailed" -c "$netshim run $class true" 2>&1)" "already assigned to a locked class" "netshim run $class, inside: refused"
done
like "$(shim "$scratch/private" -c "$scratch/jailed-static where; :")" "^jailed-static $group/private/locked net:" "from a private one neither"
for program in "$netns" "$helper"; do
	is "$(shim "$scratch/jailed" -c "attacker request '$exec_request' $scratch/other-static $program where; :")" "$(at other-static jail jail)" \
		"a locked process stays, by hand too: $(basename "$program")"
done
is "$(shim "$netshim" run held attacker request "$exec_request" "$scratch/jailed-static" "$netns" where)" "jailed-static $group/held/locked $host" \
	"so does one in a class without a namespace"
in_other=(nsenter --net=/run/netns/other "${user[@]}" "LD_PRELOAD=$preload" env)
from_other="this process is in another network namespace, which nothing leaves by being started"
is "$("${in_other[@]}" "$scratch/jailed-static" where 2>&1)" "$(not_started jailed jail "$from_other")" "from another namespace: not started"
is "$("${in_other[@]}" "$scratch/lenient-static" where)" "lenient-static / net:[$(inode /run/netns/other)]" "on-error = allow: started there"
is "$("${in_other[@]}" "$scratch/web-static" where)" "web-static $group/web net:[$(inode /run/netns/other)]" "a class without a namespace: there"
is "$("${in_other[@]}" "$scratch/other-static" where)" "$(at other-static other other)" "of its own namespace: in it"
private=$("${in_other[@]}" "$scratch/private-static" where)
like "$private" "^private-static $group/private/locked net:" "private: started"
is "$(grep -cF -e "$host" -e "net:[$(inode /run/netns/other)]" <<<"$private")" 0 "in one of its own"

# --- what netshim-netns does, seen by root

traced() { # traced COMMAND...: as the user, with the shim; of netshim-netns alone
	"${from[@]}" strace -f -u nobody -qq -o "$scratch/trace" "${strace_more[@]}" env LD_PRELOAD="$preload" env "$@" 2>&1
	awk -v netns="execve(\"$netns\"" 'index($0, netns) { inside = 1; next } / execve/ && !/AT_EXECVE_CHECK/ { inside = 0 } inside' \
		"$scratch/trace" >"$scratch/netns-trace"
}
while_effective() {
	awk '/capset/ { effective = !/effective=0,|effective=0}/; if (effective) times++; next }
		effective && !/capget/ { sub(/^[0-9]* */, ""); sub(/[ (].*/, ""); print }
		END { print "times: " times + 0 }' "$scratch/netns-trace" | xargs
}
opened() { grep -o 'openat([^,]*, "[^"]*", [A-Z_]*' "$scratch/netns-trace" | sed 's/.*, "//; s/", / /' | sort -u; }
strace_more=() from=()
is "$(traced "$scratch/jailed-static" where)" "$(at jailed-static jail jail)" "under root's strace it works as without"
is "$(while_effective)" "setns times: 1" "its capabilities are effective around one setns, and never else"
is "$(grep capset "$scratch/netns-trace" | grep -o 'effective=[^,]*' | xargs)" "effective=1<<CAP_SYS_ADMIN effective=0" "of the two, one"
is "$(sed -n '/capset.*effective=0/,$p' "$scratch/netns-trace" | grep -o -e 'capset' -e 'capget' -e setns | head -n 2 | xargs)" "capset capget" \
	"then they are gone, and that is read back"
files="$root/run/netshim/rules O_RDONLY
/proc/self/cgroup O_RDONLY
/run/netns O_RDONLY
jail O_RDONLY"
is "$(opened)" "$(sort <<<"$files")" "what it opens: its rules file, its group, the namespace"
traced "$netshim" run jail true >/dev/null
is "$(opened)" "$(sort <<<"$files")" "and for netshim run"
from=(nsenter --net=/run/netns/other)
is "$(traced "$scratch/lenient-static" where)" "lenient-static / net:[$(inode /run/netns/other)]" "(from where it enters none)"
is "$(while_effective) $(grep -o 'capset.*' "$scratch/netns-trace" | grep -c 'permitted=0')" "times: 0 1" "where it enters none, they are gone, too"
from=()
traced "$scratch/private-static" where >/dev/null
is "$(while_effective)" "unshare socket ioctl close times: 1" "private: they are effective around one unshare and what brings lo up"
like "$(grep 'ioctl(.*SIOCSIFFLAGS' "$scratch/netns-trace")" "\"lo\".*IFF_UP.*= 0" "(it does)"
strace_more=(-e inject=capset:retval=0:when=2)
like "$(traced "$scratch/jailed-static" where)" "not started: netshim-netns could not drop its capabilities" "where it cannot drop them, it ends"
strace_more=(-e inject=capset:error=EPERM:when=2)
like "$(traced "$scratch/private-static" where)" "not started: netshim-netns could not drop its capabilities" "where the kernel says so, too"
for what in setns:jailed unshare:private ioctl:jailed ioctl:private; do
	strace_more=(-e "inject=${what%:*}:error=EIO")
	like "$(traced "$scratch/${what#*:}-static" where)" "not started .class" "where ${what%:*} fails, the program is not started: ${what#*:}"
done
strace_more=(-e inject=setns:retval=0)
like "$(traced "$scratch/jailed-static" where)" "the kernel would not put this process" "nor where it is said to have been entered, and has not"
strace_more=(-e inject=unshare:retval=0)
like "$(traced "$scratch/private-static" where)" "the kernel would not put this process" "nor where an empty one is said to have been made"
strace_more=()

# --- what a loader would listen to

gcc -shared -fPIC -o "$scratch/evil.so" -xc - <<EOF
#include <fcntl.h>
unsigned la_version(unsigned v) { return v; }
__attribute__((constructor)) static void evil(void) { open("$scratch/evil-was-here", O_RDONLY); }
EOF
chmod 755 "$scratch/evil.so"
is "$(traced LD_AUDIT="$scratch/evil.so" LD_LIBRARY_PATH="$scratch" LD_PRELOAD="$scratch/evil.so $preload" env "$scratch/jailed-static" where)" \
	"$(at jailed-static jail jail)" "with LD_*"
is "$(opened)" "$(sort <<<"$files")" "it listens to none of them"

# --- requests of one's own making

by_hand() { as_user attacker request "$exec_request$1" "$scratch/$2-static" "$3" where 2>&1; } # by_hand NUMBERS PROGRAM BY
changed="the rules, the program or the network namespace has changed meanwhile; try again"
for by in "$netns" "$helper"; do
	name=$(basename "$by")
	is "$(by_hand "" jailed "$by")" "$(at jailed-static jail jail)" "$name by hand: the program in its namespace"
	is "$(by_hand "" members "$by")" "$(not_started members members "this user is not among the users of the class")" "$name: not into one that is for others"
	like "$(as_user attacker request "NETSHIM_REQUEST=1 run:members 4294967196 0 0 0 0 0 0 0" /bin/true "$by" 2>&1)" "not among the users" \
		"$name: nor by netshim run"
	is "$(by_hand "" web "$by")" "web-static $group/web $host" "$name: a program of another class where that is"
	like "$(as_user "$by" --help 2>&1; echo $?)" "not started: it is for .* not to be run by hand.*125" "$name: takes no option"
done
for program in jailed private; do
	like "$(by_hand " 0 1" $program "$helper")" "not started .class .*: $changed" "the helper by hand moves nobody who is outside, whatever the request says: $program"
done
like "$(by_hand " 0 4294967295" jailed "$helper")" "not started .* may not be entered" "a failure that is made up fails"
like "$(by_hand " 0 1" web "$helper")" "not started .*$changed" "who says that he was led into a namespace starts nothing else"
tasks=$root/run/netshim/net_cls$group
is "$(cat "$tasks"/{jail,private,other,lenient}{,/locked}/tasks)" "" "nobody is in those classes"
# Between the two, the name is made to lead to another program.
mkdir "$scratch/users"
chown nobody "$scratch/users"
link=$scratch/users/link
for other in web lenient exempt; do
	as_user ln -sfn "$scratch/jailed-static" "$link"
	hold_at execve "$helper" "${user[@]}" LD_PRELOAD="$preload" env "$link" where
	as_user ln -sfn "$scratch/$other-static" "$link"
	let_go
	wait_until has_ended "$held"
	said=$(<"$scratch/said")
	if [ $other = lenient ]; then
		is "$said" "$(at lenient-static lenient jail)" "a program that is swapped for one of that namespace: started in its own class"
	else
		like "$said" "^netshim: $link: not started.*: $changed" "a program that is swapped for $other: not started"
	fi
done

# --- what has the name of a namespace, and is none

bad="what has the name of its network namespace is none, or is not root's alone"
instead() { # instead NAME COMMAND...: makes that of the name
	[ -L /run/netns/other ] || umount -q /run/netns/other # it would follow the link
	rm -rf /run/netns/other
	"${@:2}"
	is "$(shim "$scratch/other-static" where 2>&1)" "$(not_started other other "$bad")" "$1: not started"
}
bind() { # bind NAMESPACE: to the name
	touch /run/netns/other
	mount --bind "$1" /run/netns/other
}
instead "a file" touch /run/netns/other
instead "a folder" mkdir /run/netns/other
instead "a link" ln -s jail /run/netns/other
instead "another kind of namespace" bind /proc/self/ns/uts
in_background unshare -Un sleep 900
wait_until grep -qx sleep "/proc/$!/comm"
instead "one that belongs to a user namespace" bind "/proc/$!/ns/net"
umount /run/netns/other
bind /run/netns/jail
is "$(shim "$scratch/other-static" where)" "$(at other-static other jail)" "(one of root's is one)"
chown nobody /run/netns
is "$(shim "$scratch/other-static" where 2>&1)" "$(not_started other other "$bad")" "a folder of others: not started"
chown root /run/netns
chmod 777 /run/netns
is "$(shim "$scratch/other-static" where 2>&1)" "$(not_started other other "$bad")" "one that others may write: not started"
chmod 755 /run/netns
umount /run/netns/other
rm /run/netns/other
ip netns add other

until_like "^jailed-static $group/jail/locked net:.$(inode /run/netns/jail).\$" "what shares the working directory and ends when netshim-netns is executed" \
	shim caller sharing "$scratch/jailed-static" where

# --- where the kernel gives no capability: on-error decides

refused() { # refused NAME COMMAND...: what is before the program
	like "$("${@:2}" "$scratch/jailed-static" where 2>&1)" "(not started|Operation not permitted)" "without capabilities, $1: not started"
	like "$("${@:2}" "$scratch/lenient-static" where 2>/dev/null)" "^lenient-static / net:" "$1: on-error = allow starts it in no class"
}
mount --bind "$root/usr/libexec" "$root/usr/libexec"
mount -o remount,bind,nosuid "$root/usr/libexec"
refused "a nosuid mount" shim
umount "$root/usr/libexec"
refused "a tracer of the same user" shim strace -f -qq -o /dev/null
refused "no_new_privs" shim setpriv --no-new-privs
refused "no bounding set" setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all env LD_PRELOAD="$preload" env
refused "no CAP_SYS_ADMIN in it" setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -sys_admin env LD_PRELOAD="$preload" env
for kind in Ur Urm Urn UrmpfCniuT; do
	refused "unshare -$kind" shim unshare -$kind
done
setcap -r "$netns"
like "$(shim "$scratch/jailed-static" where 2>&1)" "may not be entered: $netns has no capability here .run 'netshim grant' as root" "it has been taken: that is said"
like "$("$netshim" status 2>&1; echo $?)" "programs whose class has a network namespace are not started: $netns: it has not its capability.*1$" "by status, too"
is "$("$netshim" grant)" "$helper: cap_dac_override=p"$'\n'"$netns: cap_net_admin,cap_sys_admin=p" "grant gives it back"
mv "$netns" "$netns.gone"
like "$(shim "$scratch/jailed-static" where 2>&1)" "Operation not permitted" "a program that is missing: not started"
like "$(shim "$netshim" run jail true 2>&1)" "not started .class jail.: cannot execute .*; install netshim again" "by netshim run neither"
mv "$netns.gone" "$netns"
cat >"$scratch/fake" <<EOF
#!/bin/bash
mount -t tmpfs none $root/run/netshim && cat $scratch/rules >$root/run/netshim/rules &&
	touch $root/run/netshim/jail && mount --bind /run/netns/jail $root/run/netshim/jail &&
	mount -t tmpfs none /run/netns && touch /run/netns/other && mount --bind $root/run/netshim/jail /run/netns/other || exit 1
$scratch/other-static where
EOF
chmod 755 "$scratch/fake"
cp "$root/run/netshim/rules" "$scratch/rules"
like "$(shim unshare -Urm "$scratch/fake" 2>&1)" "^netshim: .*not started" "fake rules and a fake name, in a user namespace: not started"
mkdir "$root/run/netshim/net_cls$group-of-others"
for name in told-dynamic told-static; do
	is "$(shim "$scratch/$name" where inside) $(shim "$scratch/$name" where outside)" "$(at $name jail jail) $name / $host" "$name: by its arguments"
done
in_group_of_others() {
	echo 0 >"$root/run/netshim/net_cls$group-of-others/tasks"
	as_user attacker request "$exec_request" "$scratch/jailed-static" "$netns" where 2>&1
}
is "$(in_group_of_others)" "$(not_started jailed jail "this process is in another tool's net_cls group, which netshim leaves alone")" \
	"another tool's group: left alone"
rmdir "$root/run/netshim/net_cls$group-of-others"

# --- limits

be() { shim attacker be "$@" stop; }
no_room="127 : error while loading shared libraries: cannot create search path" # as in attack.t
for limits in nofile={0,1,2,3,4,5} fsize=0 nproc=0 cpu=1 as=1000000 stack=4096 data=0 "nofile=3 closed" closed blocked; do
	# shellcheck disable=SC2086 # words
	like "$(be $limits -- "$scratch/jailed-static")" "^($group/jail/locked|exit (125|98|$no_room) .*|signal (9|11|24|25))$" "with $limits"
	# shellcheck disable=SC2086
	like "$(be $limits -- "$scratch/private-static")" "^($group/private/locked|exit (125|98|$no_room) .*|signal (9|11|24|25))$" "with $limits, private"
done
is "$(be nofile=64 full -- "$scratch/jailed-static")" "$group/jail/locked" "descriptors all taken, but closed on exec"
# shellcheck disable=SC2016 # expanded by that shell
like "$(shim bash -c 'ulimit -Sn 4; exec 3</dev/null "$0" state' "$scratch/jailed-static" 2>&1)" $'\n'"rlimit 7 4 " "a limit of descriptors is what it was"
is "$(shim attacker peek 10 "$far_down/jailed" class)" "0 of 10" "while it is stopped, nobody gets at its memory or descriptors"
is "$(shim attacker harass stop 100 "$far_down/jailed" class | sed 's/: [0-9]*$//')" "$group/jail/locked" "stopped and continued at random moments"

finish
