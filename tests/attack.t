#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Any local user may run the helper with anything, from anywhere, in any state:
# the outcome is the program in its class, or a defined error. See also safety.t.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
cp "$bin/probe-static" "$scratch/denied"
cp "$bin/probe" "$scratch/denied-dynamic"
cp "$bin/probe-static" "$scratch/allowed"
cp "$bin/probe-static" "$scratch/exempt"
cat >"$scratch/script" <<'EOF'
#!/bin/sh
while read -r line; do
	case $line in *:net_cls*) echo "${line##*:}" ;; esac
done </proc/self/cgroup
EOF
chmod 755 "$scratch/script"
mkdir -m 700 "$scratch/secret"
cp "$bin/probe-static" "$scratch/secret/exists"
cp "$bin/probe-static" "$scratch/secret/ruled"
put_far_down denied
configure <<EOF
class strict  { action = reject }
class lenient { on-error = allow }
class members { users = { 'daemon' } }
class jail    { lock = true }
app '$scratch/denied'         { class = strict }
app '$scratch/denied-dynamic' { class = strict }
app '$far_down/denied'        { class = strict }
app '$scratch/script'         { class = strict }
app '$scratch/secret/ruled'   { class = strict }
app '$scratch/secret/none'    { class = strict }
app '$scratch/allowed'        { class = lenient }
app '$scratch/exempt'         { class = none }
EOF
tasks=$root/run/netshim/net_cls$group/strict/tasks
exec_request="NETSHIM_REQUEST=1 exec 4294967196 0 0 0 0 0 0 8388608"

# --- what the helper does, seen by root

# What was traced of the helper; its files; what it did while the capability was effective.
traced() { # traced COMMAND...: as the user, with the shim
	strace -f -u nobody -qq -o "$scratch/trace" "${strace_more[@]}" env LD_PRELOAD="$preload" env "$@" 2>&1
	awk -v helper="execve(\"$helper\"" 'index($0, helper) { inside = 1; next } / execve/ && !/AT_EXECVE_CHECK/ { inside = 0 }
		inside' "$scratch/trace" >"$scratch/helper-trace"
}
opened() { grep -o 'openat([^,]*, "[^"]*", [A-Z_]*' "$scratch/helper-trace" | sed 's/.*, "//; s/", / /' | sort -u; }
while_effective() {
	awk '/capset/ { effective = !/effective=0,|effective=0}/; if (effective) times++; next }
		effective && !/capget/ { sub(/^[0-9]* */, ""); print }
		END { print "times: " times + 0 }' "$scratch/helper-trace"
}
strace_more=()
is "$(traced "$scratch/denied" class)" "$group/strict" "under root's strace it works as without"
like "$(while_effective)" "^openat\(AT_FDCWD, \"$tasks\", O_WRONLY[^\"]*$"$'\n'"times: 1$" \
	"the capability is effective around one open of the class's tasks file, and never else"
is "$(grep -c 'write(' "$scratch/helper-trace"; grep -o 'write([0-9], "0", 1' "$scratch/helper-trace" | wc -l)" $'1\n1' \
	"the only write is a 0"
is "$(sed -n '/capset.*effective=0/,$p' "$scratch/helper-trace" | grep -o -e 'capset' -e 'capget' -e 'write(' | head -n 3 | xargs)" \
	"capset capget write(" "which comes when the capability is gone, and that is read back"
files="$root/run/netshim/rules O_RDONLY
$tasks O_WRONLY
/proc/self/cgroup O_RDONLY"
is "$(opened)" "$(sort <<<"$files")" "it opens its rules file, its /proc and the tasks file"
traced "$scratch/script" >/dev/null
is "$(opened)" "$(sort <<<"$files")" "for a script with a rule too"
traced "$netshim" run jail true >/dev/null
is "$(opened)" "$(sort <<<"${files//strict/jail/locked}")" "and for netshim run"

strace_more=(-e inject=capset:retval=0:when=2)
like "$(traced "$scratch/denied" class)" "could not drop its capability" "where it cannot drop the capability, it ends"
strace_more=(-e inject=capset:error=EPERM:when=2)
like "$(traced "$scratch/denied" class)" "could not drop its capability" "where the kernel says so, too"
is "$(grep 'write(' "$scratch/helper-trace" | grep -cv 'write(2, "netshim:')" 0 "and nothing was written but its message"
strace_more=(-P "$tasks" -e trace=all -e inject=write:retval=0)
like "$(traced "$scratch/denied" class)" "not started .class strict.: the kernel would not move" "where its write is said to have written nothing, it does not start the program"
strace_more=()

# --- what it says about files that the caller cannot see

say() { as_user attacker request "$exec_request" "$@" "$helper" 2>&1; echo $?; }
is "$(say "$scratch/secret/exists" | sed s/exists/_/)" "$(say "$scratch/secret/absent" | sed s/absent/_/)" \
	"whether a file is in a closed folder"
is "$(say "$scratch/secret/ruled" | sed s/ruled/_/)" "$(say "$scratch/secret/none" | sed s/none/_/)" \
	"the same where a rule names it"
is "$(shim "$netshim" run jail "$scratch/secret/exists" 2>&1 | sed s/exists/_/)" \
	"$(shim "$netshim" run jail "$scratch/secret/absent" 2>&1 | sed s/absent/_/)" "the same by netshim run"

# --- arguments

for how in null empty; do
	is "$(as_user attacker noargs $how "$helper" 2>&1)" \
		"netshim: netshim-helper: not started: it is for libnetshim.so and 'netshim run', not to be run by hand" "argv $how: by hand"
	is "$(shim attacker noargs $how "$scratch/script")" "$group/strict" "argv $how: a program in its class"
	is "$(shim attacker noargs $how "$scratch/denied" | grep ^arg)" "$(as_user attacker noargs $how "$scratch/denied" | grep ^arg)" \
		"argv $how: it gets what it would get"
done
for option in --help -V -c --; do
	like "$(as_user "$helper" "$option" 2>&1)" "not to be run by hand" "the helper takes no option $option"
done
is "$(as_user attacker request "$exec_request" "$scratch/denied" "$helper" class --help | head -n 1)" "$group/strict" \
	"with a request, all arguments are the program's"

# --- requests of one's own making

for class in .. . a/.. /strict strict/locked "str\nict" $'str\nict' "" @65 @100000; do
	text="NETSHIM_REQUEST=1 run:$class 4294967196 0 0 0 0 0 0 0"
	[[ $class == @* ]] && text="NETSHIM_REQUEST=1 run:$(head -c "${class#@}" /dev/zero | tr '\0' a) 4294967196 0 0 0 0 0 0 0"
	is "$(as_user attacker request "$text" /bin/true "$helper" 2>&1; echo $?)" \
		"netshim: netshim-helper: not started: it is for libnetshim.so and 'netshim run', not to be run by hand"$'\n'125 \
		"no such class can be asked for: $(tr '\n' ' ' <<<"${class:0:12}")"
done
like "$(as_user attacker request "NETSHIM_REQUEST=1 run:members 4294967196 0 0 0 0 0 0 0" /bin/true "$helper" 2>&1)" \
	"this user is not among the users" "nor one that is for others"
is "$(as_user attacker request @1000000 /bin/true "$helper")" "Argument list too long" "a request of 1 MB is the kernel's to refuse"
is "$(as_user attacker request @131000 /bin/true "$helper" 2>/dev/null; echo $?)" 125 "the longest there may be is none"
for path in "" . .. / ../../../.. $'new\nline' "$scratch/secret/.." "$tasks" "$scratch/./missing" /dev/null @4095 @4096 @131000 \
	/proc/self/fd/7 /proc/self/exe/x; do
	out=$(as_user attacker request "$exec_request" "$path" "$helper" 2>&1)
	code=$?
	like "$code $(wc -l <<<"$out") $out" "^12[67] 1 netshim: .*not started: " "a path that is no program: $(tr -d '\n' <<<"${path:0:30}")"
done
is "$(as_user attacker request "$exec_request" "$scratch/../$(basename "$scratch")/./denied" "$helper" class)" "$group/strict" \
	"a path with .. is the program that it leads to"
is "$(as_user attacker request "NETSHIM_REQUEST=1 exec 9 4294967295 1 0 0 0 0 0" denied "$helper" 2>&1 | wc -l)" 1 \
	"a descriptor and flags that are none"
is "$(as_user attacker be -- "$bin/attacker" request "NETSHIM_REQUEST=1 exec 4294967196 0 0 9 1 0 0 0" "$scratch/denied" "$helper")" \
	"signal 9" "a death signal of a parent that is none goes to itself"

# --- what a loader would listen to

gcc -shared -fPIC -o "$scratch/evil.so" -xc - <<EOF
#include <fcntl.h>
unsigned la_version(unsigned v) { return v; }
__attribute__((constructor)) static void evil(void) { open("$scratch/evil-was-here", O_RDONLY); }
EOF
chmod 755 "$scratch/evil.so"
touch "$scratch/preload"
mkdir "$scratch/etc"
mount -t overlay -o "lowerdir=/etc,upperdir=$scratch/etc,workdir=$(mktemp -d -p "$scratch")" etc /etc 2>/dev/null ||
	{ cp -a /etc/. "$scratch/etc" && mount --bind "$scratch/etc" /etc; }
echo "$scratch/evil.so" >/etc/ld.so.preload
is "$(traced LD_AUDIT="$scratch/evil.so" LD_LIBRARY_PATH="$scratch" GLIBC_TUNABLES=glibc.malloc.check=3 \
	LD_PRELOAD="$scratch/evil.so $preload" env "$scratch/denied" class)" "$group/strict" \
	"with LD_*, GLIBC_TUNABLES and /etc/ld.so.preload"
like "$(grep -c evil-was-here "$scratch/trace")" "^[1-9]" "(the launchers load the library)"
is "$(opened)" "$(sort <<<"$files")" "the helper listens to none of them"
umount /etc

# --- other ways to the helper

cp "$helper" "$scratch/copy"
like "$(as_user attacker request "$exec_request" "$scratch/denied" "$scratch/copy" 2>&1)" "not started .class strict.: .*no capability" \
	"a copy of the helper has no power"
as_user cp "$helper" /tmp/copy.$$
like "$(as_user attacker request "$exec_request" "$scratch/denied" /tmp/copy.$$ 2>&1)" "no capability" "nor has a user's own"
rm -f /tmp/copy.$$
is "$(as_user ln "$helper" "/var/tmp/link.$$" 2>&1 | grep -c 'not permitted')" "$(cat /proc/sys/fs/protected_hardlinks)" \
	"the kernel lets nobody make a hard link to it"
rm -f "/var/tmp/link.$$"
ln "$helper" "$root/usr/link"
like "$(as_user attacker request "NETSHIM_REQUEST=1 run:members 4294967196 0 0 0 0 0 0 0" /bin/true "$root/usr/link" 2>&1)" \
	"not among the users" "a hard link (root's) is the helper, and does as much"
rm "$root/usr/link"

# --- where the kernel gives no capability: on-error decides

refused() { # refused NAME COMMAND...: what is before the program
	like "$("${@:2}" "$scratch/denied" class 2>&1)" "(not started|Operation not permitted)" "$1: not started"
	is "$(wc -l <"$tasks")" 0 "$1: nobody was moved"
	is "$("${@:2}" "$scratch/allowed" class 2>/dev/null)" / "$1: on-error = allow starts it in no class"
}
mount --bind "$root/usr/libexec" "$root/usr/libexec"
mount -o remount,bind,nosuid "$root/usr/libexec"
refused "a nosuid mount" shim
umount "$root/usr/libexec"
refused "a tracer of the same user" shim strace -f -qq -o /dev/null
refused "no_new_privs" shim setpriv --no-new-privs
refused "no bounding set" setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all env LD_PRELOAD="$preload" env
for kind in U Ur UrC Urm Urn Urpf Urmpf UrmpfCniuT; do
	[ $kind != U ] || continue
	refused "unshare -$kind" shim unshare -$kind
done
refused "unshare -U" shim unshare -U
# Inside, root is the user: fake rules that are root's there, and a fake hierarchy.
cat >"$scratch/fake" <<EOF
#!/bin/bash
mount -t tmpfs none $root/run/netshim && mkdir -p $root/run/netshim/net_cls$group/strict &&
	cat $scratch/rules >$root/run/netshim/rules && : >$tasks || exit 1
[ -z "\$REAL" ] || mount --bind /proc/self/fd/3 $tasks || exit 1
$scratch/denied class
[ -n "\$REAL" ] || wc -c <$tasks
EOF
chmod 755 "$scratch/fake"
cp "$root/run/netshim/rules" "$scratch/rules"
like "$(shim unshare -Urm "$scratch/fake" 2>&1)" "^netshim: .*not started.*"$'\n'0$ "fake rules and a fake tasks file in a namespace of one's own"
like "$(REAL=1 shim unshare -Urm "$scratch/fake" 3<"$tasks" 2>&1)" "^netshim: .*not started" "the real tasks file bound over the fake one"
is "$(wc -l <"$tasks")" 0 "nobody was moved"

mkdir "$scratch/root"
mount --rbind / "$scratch/root"
mount --make-rslave "$scratch/root"
umount -R "$scratch/root/proc"
is "$(chroot --userspec=65534:65534 "$scratch/root" env LD_PRELOAD="$preload" env "$scratch/denied" state 2>&1 | head -c 8)" "netshim:" \
	"a chroot without /proc: not started"
is "$(chroot --userspec=65534:65534 "$scratch/root" env LD_PRELOAD="$preload" env "$scratch/allowed" state | grep -c ^execfn)" 1 \
	"a chroot without /proc: on-error = allow"
umount -R "$scratch/root"

# --- limits and signals

be() { shim attacker be "$@" stop; }
# Where the program itself starts, it is in its class; never elsewhere. A static one, too,
# may end for want of memory before main: glibc makes room for its search path first.
no_room="127 : error while loading shared libraries: cannot create search path"
for limits in nofile={0,1,2,3,4,5} fsize=0 nproc=0 cpu={0,1} as={0,65536,1000000,8000000} stack={0,4096,16384} data={0,4096} core=0 \
	memlock=0 sigpending=0 "nofile=3 closed" closed; do
	# shellcheck disable=SC2086 # words
	like "$(be $limits -- "$scratch/denied")" "^($group/strict|exit (125|98|$no_room) .*|signal (9|11|24|25))$" "with $limits"
	# shellcheck disable=SC2086
	like "$(be $limits -- "$scratch/denied-dynamic")" "^($group/strict|exit (125|127|98|1) .*|signal (9|11|24|25))$" "with $limits, dynamic"
done
for odd in ignored blocked "blocked pending" "ignored timer" umask nowhere closed; do
	# shellcheck disable=SC2086
	is "$(be $odd -- "$scratch/denied")" "$group/strict" "signals and such: $odd"
done
is "$(be nofile=64 full -- "$scratch/denied")" "$group/strict" "descriptors all taken, but closed on exec"
is "$(be nofile=64 full -- "$bin/probe-static")" / "a program without a rule then starts as ever"
like "$(be timer -- "$scratch/denied")" "^($group/strict|signal 14)$" "a timer of 1 microsecond"
like "$(be no-new-privs -- "$scratch/denied")" "exit 125 netshim:.*no_new_privs" "no_new_privs set by itself"
is "$(shim attacker harass stop 100 "$far_down/denied" class | sed 's/: [0-9]*$//')" "$group/strict" \
	"stopped and continued at random moments"
is "$(shim attacker peek 10 "$far_down/denied" class)" "0 of 10" "while it is stopped, nobody gets at its memory or descriptors"
for limit in nofile fsize as stack data cpu; do
	is "$(shim attacker harass $limit 50 "$far_down/denied" class |
		grep -v -e "^$group/strict: " -e '^killed: ' -e '^: ' -e '^Fatal glibc error' -e '^netshim: .*not started')" "" "$limit taken from outside"
done
is "$(wc -l <"$tasks")" 0 "nobody is left in the class"
like "$(shim attacker be closed -- "$netshim" run members true)" "^exit 125 $" "an error with nowhere to go: 125"

# --- a locked process

in_jail() { shim "$netshim" run jail "$@"; }
is "$(in_jail "$scratch/exempt" class)" "$group/jail/locked" "class = none is no way out"
is "$(in_jail "$scratch/allowed" class)" "$group/jail/locked" "on-error = allow neither"
is "$(in_jail attacker request "$exec_request" "$scratch/denied" "$helper" class)" "$group/jail/locked" "nor a request by hand"
like "$(in_jail attacker request "NETSHIM_REQUEST=1 run:strict 4294967196 0 0 0 0 0 0 0" /bin/true "$helper" 2>&1)" \
	"already assigned" "nor one for another class"
like "$(in_jail attacker be nofile=0 -- "$scratch/denied" stop)" "^($group/jail/locked|exit 125 netshim)" "nor a lack of descriptors"
is "$(in_jail unshare -Urm "$scratch/denied" class)" "$group/jail/locked" "nor namespaces"
is "$(in_jail setpriv --no-new-privs "$scratch/denied" class)" "$group/jail/locked" "nor no_new_privs"
for verb in "move none 1" down up reload; do
	# shellcheck disable=SC2086
	like "$(in_jail "$netshim" $verb 2>&1)" "is for root" "nor netshim ${verb%% *}"
done
# Another hierarchy's line comes first, and ends where a reader of pieces would begin the
# next; while it reads, the process is in a group whose longer name goes on with a lie.
name=$own
mkdir "$scratch/other"
take_groups_away() {
	xargs -r kill -KILL < <(find "$scratch/other" -mindepth 2 -name tasks -exec cat {} +)
	find "$scratch/other" -depth -mindepth 1 -type d -exec rmdir {} +
} 2>/dev/null
trap 'take_groups_away; clean_up' EXIT
mount -t cgroup -o "none,name=$name" none "$scratch/other"
line=$(grep ":name=$name:" /proc/self/cgroup)
long=/$name$(printf 'x%.0s' {1..220})
long=$long$long$long
long=${long:0:$((760 - ${#line}))}
lie=${long}x1:net_cls:$group/strict
mkdir -p "$scratch/other$long" "$scratch/other$lie"
forge() { # held before it reads on; by -D, whose file that is, is known before
	echo "$BASHPID" >"$root/run/netshim/net_cls$group/jail/locked/tasks"
	echo "$BASHPID" >"$scratch/other$long/tasks"
	exec strace -D -u nobody -qq -o "$scratch/trace" -P "/proc/$BASHPID/cgroup" -e trace=read,pread64 \
		-e inject=read,pread64:delay_enter=600000000:when=2 \
		attacker request "NETSHIM_REQUEST=1 run:lenient 4294967196 0 0 0 0 0 0 0" "$bin/probe-static" "$helper" class
}
in_background forge >"$scratch/out" 2>&1
reads_on() { [ "$(grep -soE 'read(64)?\(' "$scratch/trace" | wc -l)" -eq 2 ]; }
wait_until reads_on
for pid in $(<"$scratch/other$long/tasks"); do echo "$pid" >"$scratch/other$lie/tasks"; done
kill -KILL "$(sed -n 's/^TracerPid:\t//p' /proc/$!/status)"
wait $!
like "$(<"$scratch/out")" "already assigned" "nor a group of another hierarchy whose name changes while it is read"
take_groups_away
# While the kernel still has one of its groups, a hierarchy outlives its last mount, for
# good: a line more in each process's cgroup file, which each start of a program reads.
# Where it has none, it takes a moment; whoever mounts it meanwhile makes a new one.
is_known() { grep -q ":name=$name:" /proc/self/cgroup; }
hierarchy_is_gone() {
	umount "$scratch/other"
	for _ in {1..25}; do
		is_known || return 0
		sleep 0.02
	done
	mount -t cgroup -o "none,name=$name" none "$scratch/other"
	return 1
}
wait_until hierarchy_is_gone
is "$(in_jail sh -c "echo 0 >$root/run/netshim/net_cls/tasks" 2>&1 | grep -c 'Permission denied')" 1 "the kernel lets it not move itself"

# --- a helper that waits, as a user can have it wait (SIGSTOP), while a reload closes its class to the user

cp "$bin/probe-static" "$scratch/closing"
closing() { # closing USER FLAG: puts that into force
	configure <<EOF
class closing { users = { '$1' } $2 }
class jail    { lock = true }
app '$scratch/closing' { class = closing }
EOF
}
while_it_closes() { # while_it_closes FLAG GROUP COMMAND...: that enters the group; what it says is in $scratch/said, and its exit code
	closing nobody "$1"
	# shellcheck disable=SC2016 # expanded by that shell
	hold_at openat "$root/run/netshim/net_cls$group/$2/tasks" "${user[@]}" LD_PRELOAD="$preload" sh -c '"$@"; echo $?' sh "${@:3}"
	closing daemon "$1"
	let_go
}
for flag in "" "on-error = allow" "lock = true" "lock = true on-error = allow"; do
	case $flag in lock*) entered=closing/locked ;; *) entered=closing ;; esac
	while_it_closes "$flag" $entered "$scratch/closing" class
	until_like "^netshim: $scratch/closing: not started .class closing.: this user is not among the users.*"$'\n125$' \
		"it does not start a program there ($flag)" cat "$scratch/said"
done
while_it_closes "" closing/locked "$netshim" run closing "$scratch/closing" class
until_like "^netshim: .*this user is not among the users.*"$'\n125$' "nor by netshim run" cat "$scratch/said"

finish
