#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# netshim doctor finds nothing wrong where all is well. Each of its checks is shown the one
# thing that it is for: it names that, and no other check does. What it says of packets is
# what becomes of them.
# shellcheck disable=SC2016 # what is in single quotes is for other shells, or for later
. "$(dirname "$0")/lib.sh"

command -v visudo >/dev/null || cannot_run "needs visudo"
word=$root/usr/lib/netshim/\$LIB/libnetshim.so
groups=$root/run/netshim/net_cls

# All of /etc and /run is this test's own.
mkdir "$scratch/etc"
mount -t overlay -o "lowerdir=/etc,upperdir=$scratch/etc,workdir=$(mktemp -d -p "$scratch")" etc /etc 2>/dev/null ||
	{ cp -a /etc/. "$scratch/etc" && mount --bind "$scratch/etc" /etc; }
mount -t tmpfs -o mode=755 own /run
rm -rf /etc/ld.so.preload /etc/sudoers.d/netshim /etc/nftables.conf /etc/systemd/system/*.wants/nftables.service /etc/ufw /etc/X11
: >/etc/environment
echo "hosts: files dns" >/etc/nsswitch.conf
make_hosts 80 443
ip link add way type veth peer name out
ip addr add 192.168.80.1/24 dev way
ip link set way up
ip link set out up

mkdir "$scratch/games"
cp "$root/bin/probe" "$scratch/program"
cp "$root/bin/probe" "$scratch/games/one"
cp "$(command -v sleep)" "$scratch/with-rule"
cat >"$scratch/good.conf" <<EOF
class lan { classid = 7f3a:1  action = reject  allow = { 'loopback', 'lan' } }
class web { classid = 7f3a:2  action = reject  allow = { 'tcp/80', '2001:db8::7' }  deny = { '$lan_host' } }
class four { classid = 7f3a:3  ipv6 = false  log = true }
class vpn { classid = 7f3a:4  interface = 'way'  dns = { '10.8.0.1' } }
class games { classid = 7f3a:5  action = drop }
app '$scratch/program' { class = lan }
app '$scratch/with-rule' { class = lan }
app '$scratch/games/*' { class = games }
EOF
cp "$scratch/good.conf" "$config"
"$netshim" enable >/dev/null
"$netshim" up

in_shell() { # in_shell COMMAND...: from a shell that has the library
	LD_PRELOAD="${in_environment-$word}" bash -c '"$@"; exit $?' bash "$@"
}
answer() { # answer FILTER...: the checks that are not ok, of what doctor says as JSON; or an expression of c
	python3 -c 'import json, sys
for c in json.load(sys.stdin)["checks"]:
    if eval(sys.argv[1]): print(c["check"], c["result"], sep="=")' "$1" | grep -v '^other groups=note$\|^user managers=note$' | paste -sd ' '
}
named() { # named [RUNNER...]: which checks have a fault or a note
	in_shell "$@" "$netshim" doctor --json 2>/dev/null | answer 'c["result"] in ("fault", "note")'
}
sentences() { # what is not ok, of what doctor says as JSON, in one line
	python3 -c 'import json, sys
for c in json.load(sys.stdin)["checks"]:
    for f in c["findings"]:
        if f["result"] != "ok": print(f["result"], c["check"] + ":", f["text"], "do:", f["do"])' | paste -sd ' '
}
says() { # says [RUNNER...]
	in_shell "$@" "$netshim" doctor --json 2>/dev/null | sentences
}
both() { # the one and the other
	in_shell "$netshim" doctor --json 2>/dev/null >"$scratch/answer"
	echo "$(answer 'c["result"] in ("fault", "note")' <"$scratch/answer") $(sentences <"$scratch/answer")"
}

# --- where all is well

is "$(named)" "" "no fault where all is well"
[ $failed_count -eq 0 ] || { says; echo "Bail out! the machine of this test is not well"; exit 1; }
out=$(in_shell "$netshim" doctor)
is "$? $(tail -n 1 <<<"$out")" "0 no fault" "and exit code 0"
is "$(grep -cE '^.{81}' <<<"${out//$root/}")" 0 "it fits into 80 columns"
checks=$(in_shell "$netshim" doctor --json | answer True | tr ' ' '\n' | wc -l)
[ "$checks" -ge 24 ]
ok $? "that was $checks checks"

# --- the kernel

fake() { # fake FILE TEXT: until the next umount
	echo "$2" >"$scratch/fake"
	mount --bind "$scratch/fake" "$1"
}
fake /proc/cmdline "ro cgroup_no_v1=memory,net_cls quiet"
is "$(named)" "net_cls=fault" "a machine booted with cgroup_no_v1"
like "$(says)" "booted with cgroup_no_v1=memory,net_cls: .* do: take it from the kernel's command line" "which is named, and what to do"
umount /proc/cmdline
fake /proc/cmdline "cgroup_no_v1=all"
is "$(named)" "net_cls=fault" "or all of them"
umount /proc/cmdline
fake /proc/cgroups "memory 0 1 1"
is "$(named)" "net_cls=fault" "a kernel without net_cls"
umount /proc/cgroups
fake /proc/cgroups "net_cls 0 1 0"
is "$(named)" "net_cls=fault" "a kernel where it is disabled"
umount /proc/cgroups

# What a kernel says that lacks a part of nftables.
cat >"$scratch/lacks.c" <<EOF
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
struct nft_ctx;
static const char *lacking;
static int failed;
__attribute__((constructor)) static void begin(void) { lacking = strdup(getenv("LACKING")); }
int nft_run_cmd_from_buffer(struct nft_ctx *ctx, const char *text)
{
	int (*next)(struct nft_ctx *, const char *) = dlsym(RTLD_NEXT, "nft_run_cmd_from_buffer");
	return (failed = !!strstr(text, lacking)) ? -1 : next(ctx, text);
}
const char *nft_ctx_get_error_buffer(struct nft_ctx *ctx)
{
	const char *(*next)(struct nft_ctx *) = dlsym(RTLD_NEXT, "nft_ctx_get_error_buffer");
	return failed ? "Error: Could not process rule: No such file or directory" : next(ctx);
}
EOF
gcc -shared -fPIC -D_GNU_SOURCE "$scratch/lacks.c" -o "$scratch/lacks.so"
lacking() { in_shell env LD_PRELOAD="$word:$scratch/lacks.so" LACKING="$1" "$netshim" doctor --json; }
is "$(lacking "meta cgroup 1" | answer 'c["result"] == "fault"')" "nftables=fault" "nftables without meta cgroup"
is "$(lacking "limit rate 1/second" | answer 'c["result"] == "fault"')" "nftables=fault" "nftables without what an option needs"
like "$(lacking "limit rate 1/second")" "$config:3: class four: log needs limits" "which is named, with its line"
is "$(lacking "table inet" | answer 'c["check"] == "nftables"')" "nftables=fault" "nftables that does not answer"

umount -l "$groups"
is "$(named)" "hierarchy=fault" "the hierarchy is not mounted"
"$netshim" reload
rmdir "$groups$group/web/locked" "$groups$group/web"
like "$(both)" "^groups=fault .*$group/web is not there: what is to be in it is not started do: run 'netshim reload'" "a class's group is gone"
"$netshim" reload

other=$groups/$NETSHIM_TEST_GROUP-other
mkdir "$other"
like "$(says)" "note other groups: other tools have groups in net_cls \([^)]*/$NETSHIM_TEST_GROUP-other[,)]" "another tool's group"
chown 65534 "$other/tasks"
is "$(named)" "open groups=fault" "a group that a user may move processes to"
like "$(says)" "may move processes to $other, out of locked classes" "which is named"
chown 0 "$other/tasks"
cat "$groups$group/web/net_cls.classid" >"$other/net_cls.classid"
is "$(named)" "classids=fault" "a group with the number of a class"
like "$(says)" "groups with the classid of a class: $other; what is in them is filtered as that class" "which is named"
rmdir "$other"
mkdir "$scratch/mount"
mount -t cgroup -o net_cls other "$scratch/mount" 2>/dev/null || mount -t cgroup -o net_cls,net_prio other "$scratch/mount"
like "$(says)" "also mounted at $scratch/mount: another tool" "another mount"
umount "$scratch/mount"

# --- the helper

chmod 750 "$helper"
is "$(named)" "helper=fault" "a helper that users cannot run"
chgrp 65534 "$helper" && "$netshim" grant
is "$(named)" "" "or that the users of its group can run"
chgrp 0 "$helper" && "$netshim" grant
chmod 755 "$helper"
chmod 700 "${helper%/*}"
like "$(both)" "^helper=fault .*: not all users may use ${helper%/*}: they cannot start programs that have a class do: chmod 755 ${helper%/*}( |$)" "or that is in a folder that is closed to them"
chmod 755 "${helper%/*}"
chmod 757 "$helper"
is "$(named)" "helper=fault" "one that others may write to"
chmod 755 "$helper"
chmod o+w "${helper%/*}"
like "$(both)" "^helper=fault.* others than root can change ${helper%/*}, " "one that others may replace"
chmod o-w "${helper%/*}"
mv "$helper" "$helper.away"
is "$(named)" "helper=fault capability=fault versions=fault" "no helper"
mv "$helper.away" "$helper"
setcap -r "$helper"
is "$(named)" "capability=fault" "a helper without its capability"
setcap cap_dac_override,cap_net_raw=p "$helper"
is "$(named)" "capability=fault" "or with one more"
"$netshim" grant >/dev/null
mount --bind "${helper%/*}" "${helper%/*}"
mount -o remount,bind,nosuid "${helper%/*}"
like "$(both)" "^capability=fault .*mounted nosuid" "or on a file system without"
umount "${helper%/*}"
version=$("$netshim" --version)
cp -a "$preload" "$scratch/kept.so"
sed -i "s/$version/netshim 0.0.9~old/" "$preload"
like "$(both)" "^versions=note .*$preload is of netshim 0.0.9~ol" "a library of another version"
cp -a "$scratch/kept.so" "$preload"
chown 65534 "$root/usr/lib/netshim/lib"
like "$(both)" "^library=fault .*others than root can change $root/usr/lib/netshim/lib, " "a library that others can replace"
chown 0 "$root/usr/lib/netshim/lib"
chmod 700 "$root/usr/lib/netshim/lib"
like "$(both)" "^library=fault .*not all users may read $root/usr/lib/netshim/lib: what they start is in no class do: chmod 755 $root/usr/lib/netshim/lib( |$)" "or that users cannot read"
chmod 755 "$root/usr/lib/netshim/lib"

# --- the session

is "$(named setpriv --no-new-privs)" "privileges=fault" "no_new_privs"
is "$(named setpriv --bounding-set -dac_override)" "privileges=fault" "a bounding set without the helper's capability"
like "$(named unshare --user --map-root-user)" "privileges=fault" "a user namespace"
like "$(says unshare --user --map-root-user)" "this session is in a user namespace" "which is named"
is "$(in_environment='' named)" "shell=fault" "a shell without the library"
like "$(in_environment='' says)" "do: log in anew, as 'netshim enable' has been run; or in this shell: export LD_PRELOAD='[^']*/\\\$LIB/libnetshim.so' and then exec bash" \
	"what to do where it is enabled"
is "$(bash -c 'LD_PRELOAD=$1 "$2" doctor --json; exit' bash "$word" "$netshim" | answer 'c["result"] != "ok"')" "shell=note" "one that only gives it on"
is "$(in_environment=$preload named)" "shell=note" "LD_PRELOAD for one kind of program alone"
is "$(in_environment=/nosuch/libnetshim.so named)" "shell=fault" "another netshim's library"
is "$(in_environment='' named sudo -n LD_PRELOAD="$word" bash -c '"$@"; exit' bash)" "" "behind sudo, it is the shell that counts"
is "$(in_shell sudo -n "$netshim" doctor --json | answer 'c["check"] == "shell"')" "shell=ok" "before sudo, too"
# what has dropped it
agent=$(command -v ssh-agent)
like "$(in_environment='' says "$agent" bash -c '"$@"; exit' bash)" "it is beneath ssh-agent [0-9]*, which is set-group-ID: [^:]* do: log in anew, if it is an X11 session's; have your own start 'env LD_PRELOAD=[^']*/\\\$LIB/libnetshim.so bash'" \
	"beneath ssh-agent"
cp "$(command -v bash)" "$scratch/setgid"
chgrp 43 "$scratch/setgid" && chmod 2755 "$scratch/setgid"
mount --bind "$scratch/setgid" /usr/bin/cksum # users look for it by its name
setgid_says() { # setgid_says RUNNER...
	LD_PRELOAD='' "$@" /usr/bin/cksum -c 'sh -c "\"\$0\" doctor --json; exit" "$0"; exit' "$netshim" 2>/dev/null | sentences
}
by_root=$(setgid_says env) by_user=$(setgid_says as_user)
umount /usr/bin/cksum
for said in "$by_root" "$by_user"; do
	like "$said" "beneath cksum [0-9]*, which is set-group-ID: [^:]* do: have it start 'env LD_PRELOAD=[^']*/\\\$LIB/libnetshim.so bash', as logging in anew does not help" "beneath a set-group-id terminal"
done
mkdir -p /etc/X11/Xsession.d
: >/etc/X11/Xsession.d/90x11-common_ssh-agent
echo use-ssh-agent >/etc/X11/Xsession.options
like "$(both)" "^enabled=note .*note enabled: X11 sessions are beneath ssh-agent, .* do: install netshim again, which puts /etc/X11/Xsession.d/89netshim there" "X11 sessions that do without it"
like "$(in_environment='' says "$agent" bash -c '"$@"; exit' bash)" "do: install netshim again, which puts /etc/X11/Xsession.d/89netshim there, and log in anew" "and what to do in one"
rm -r /etc/X11
if mkdir "$scratch/slices" && mount -t cgroup -o "none,name=$own" none "$scratch/slices" 2>/dev/null; then
	mkdir -p "$scratch/slices/system.slice/some.service"
	like "$(in_environment='' says sh -c 'echo $$ >"$0/system.slice/some.service/cgroup.procs"; "$@"; exit' "$scratch/slices" bash -c '"$@"; exit' bash)" \
		"fault shell: [^:]*: [^:]* do: a service of the system has it by 'netshim enable --system', or by this in its unit: Environment='LD_PRELOAD=[^']*'" "a service of the system"
	rmdir "$scratch/slices/system.slice/some.service" "$scratch/slices/system.slice"
	umount "$scratch/slices"
else
	skip "no hierarchy of groups can be made" "a service of the system"
fi
echo "Defaults log_subcmds" >/etc/sudoers.d/follow
like "$(both)" "^sudo=fault .*sudo: /etc/sudoers.d/follow:1: Defaults log_subcmds: sudo, from 1.9.11 on, follows what it starts by ptrace then, and ends .* do: add this line behind it: Defaults intercept_type=dso" "sudo that follows what it starts by ptrace"
rm /etc/sudoers.d/follow
"$netshim" disable >/dev/null
is "$(named)" "enabled=note" "no session is enabled, but this one has it"
is "$(in_environment='' named)" "shell=fault enabled=fault" "nor has this one it"
like "$(in_environment='' says)" "fault shell: .* do: run 'netshim enable', then log in anew" "what to do then"
"$netshim" enable >/dev/null
mkdir "$scratch/manager"
cp "$(command -v bash)" "$scratch/manager/systemd"
managers() { in_shell "$netshim" doctor --json 2>/dev/null | sentences | grep -o 'user manager[s]* give.*([^)]*)'; }
in_background "${user[@]}" "$scratch/manager/systemd" -c 'sleep 900; :' --user
manager=$!
wait_until pgrep -P $manager >/dev/null
like "$(managers)" "user managers* gives* the library to nothing that is started .*systemd ${manager}[,)]" "a user manager that does not give the library on"
pkill -P $manager
in_background "${user[@]}" "LD_PRELOAD=$word" "$scratch/manager/systemd" -c 'LD_PRELOAD= sleep 900; :' --user
one=$!
in_background "${user[@]}" "$scratch/manager/systemd" -c "LD_PRELOAD='$word' sleep 900; :" --user
other=$!
wait_until pgrep -P $one >/dev/null
wait_until eval 'grep -qs libnetshim "/proc/$(pgrep -P $other)/maps"'
is "$(managers | grep -c "systemd $one\b\|systemd $other\b")" 0 "one that does is not named, nor one whose own environment has it"
pkill -P $one
pkill -P $other
mkdir "$scratch/nothing"
echo '__attribute__((constructor)) void end(void) { __builtin_trap(); }' | gcc -shared -fPIC -x c - -o "$scratch/breaks.so"
native=$(LD_PRELOAD="$word" sh -c 'sed -n "s|.* /|/|p" /proc/$$/maps | grep -m 1 libnetshim')
mount --bind "$scratch/breaks.so" "$native"
is "$("$netshim" doctor --json | answer 'c["check"] == "loaders"')" "loaders=fault" "a library that ends programs"
umount "$native"
if [ -e /lib/ld-linux.so.2 ] && [ -e "$root/usr/lib/netshim/lib32" ]; then
	mount --bind "$scratch/nothing" "$root/usr/lib/netshim/lib32"
	is "$(named)" "loaders=note" "no library for 32-bit programs"
	umount "$root/usr/lib/netshim/lib32"
fi
LD_PRELOAD=$word sleep 900 &
background+=($!)
held=$!
wait_until grep -q libnetshim "/proc/$held/maps"
file=$(sed -n 's|.* \(/.*/libnetshim.so\)$|\1|p' "/proc/$held/maps" | head -n 1)
cp -a "$file" "$file.new"
mv "$file.new" "$file"
like "$(both)" "^older library=note .*sleep $held" "a process with a library that was replaced"
kill "$held"
wait "$held" 2>/dev/null

# --- the rules

echo "# more" >>"$config"
is "$(named)" "fresh=fault" "a configuration that was changed since"
echo "class x {" >>"$config"
is "$(named)" "fresh=fault" "or has a mistake"
cp "$scratch/good.conf" "$config"
cp "$root/bin/probe" "$scratch/games/two"
like "$(both)" "^fresh=fault .*not there when it was loaded: $scratch/games/two" "a file that a pattern names has come"
rm "$scratch/games/two" "$scratch/games/one"
is "$(named)" "fresh=note programs=note" "one that has gone"
cp "$root/bin/probe" "$scratch/games/one"
echo "app '$scratch/home/linked/tool' { class = lan }" >>"$config"
"$netshim" reload
install -D -o daemon "$root/bin/probe" "$scratch/home/real/tool"
ln -s real "$scratch/home/linked"
chown -h daemon "$scratch/home" "$scratch/home/real" "$scratch/home/linked"
chmod 700 "$scratch/home"
like "$(both)" "fresh=fault .*not there when it was loaded: $scratch/home/linked/tool" "a home that was not there yet, closed to others, with a folder's link in it"
cp "$scratch/good.conf" "$config"
"$netshim" reload
as_user "$scratch/with-rule" 900 &
background+=($!)
wait_until pgrep -f "^$scratch/with-rule 900" >/dev/null
like "$(both)" "^running=fault .*1 running program is in another class than the rule names, or in none: with-rule [0-9]" "a program that runs outside the class of its rule"
kill "$(pgrep -f "^$scratch/with-rule 900")"
wait_until eval '! pgrep -f "^$scratch/with-rule 900" >/dev/null'

cp "$root/bin/probe" "$scratch/setuid" && chmod u+s "$scratch/setuid"
for file in snap/foo/1/bin/x snap/bin/x flatpak/app/y flatpak/exports/bin/y .mount_FooABCDEF/z; do install -D "$root/bin/probe" "$scratch/$file"; done
mkdir "$scratch/users" && cp "$root/bin/probe" "$scratch/users/z" && chown 65534 "$scratch/users"
mkfifo -m 600 "$scratch/secret"
exec {secret}<>"$scratch/secret"
echo kept >&$secret
echo "#!$scratch/secret" >"$scratch/users/names-it" && echo "#!$scratch/secret" >"$scratch/names-it"
chmod 755 "$scratch"/{,users/}names-it && chown 65534 "$scratch/users/names-it"
{ cat "$scratch/good.conf" && cat; } >"$config" <<EOF
app '$scratch/absent' { class = lan }
app '$scratch/names-it' { class = lan }
app '$scratch/users/names-it' { class = lan }
app '$root/bin/probe-static' { class = lan }
app '$scratch/setuid' { class = lan }
app '$scratch/snap/foo/1/bin/x' { class = lan }
app '$scratch/snap/bin/x' { class = lan }
app '$scratch/flatpak/app/y' { class = lan }
app '$scratch/flatpak/exports/bin/y' { class = lan }
app '$scratch/.mount_FooABCDEF/z' { class = lan }
app '$scratch/users/z' { class = lan }
app '/var/lib/docker/overlay2/' { class = lan }
EOF
"$netshim" reload
is "$(named)" "programs=note" "programs that are special"
out=$(says)
for expected in "not there[^:]*: [^ ]* ?$scratch/absent" "static programs[^/]*: $root/bin/probe-static" "setuid or setgid[^/]*: $scratch/setuid" \
	"snaps[^/]*: .*$scratch/snap/foo/1/bin/x" "flatpaks[^/]*: .*$scratch/flatpak/app/y" "AppImages[^/]*: .*$scratch/.mount_FooABCDEF/z" "can replace[^/]*: [^:]*$scratch/users/z" "containers[^/]*: /var/lib/docker/"; do
	like "$out" "$expected" "one is named: ${expected%%\[*}"
done
read -r -t 1 -u $secret said
is "$said" kept "and what a script names as its interpreter is not read if no program can be in it"
[[ $out != *$scratch/snap/bin/x* && $out != *exports/bin/y* ]]
ok $? "what starts a snap or a flatpak is not"
cp "$scratch/good.conf" "$config"
"$netshim" reload

# what is on a file system of a user's: one that never answers, and one that is closed to root
gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 "$tests/programs/silent.c" -o "$scratch/silent"
mknod "$scratch/fuse" c 10 229
mkdir "$scratch/mounted" "$scratch/closed" "$scratch/memory"
for file in mounted/file mounted/nothing closed/file; do cp "$root/bin/probe" "$scratch/$file"; done
echo "app '$scratch/mounted/file' { class = lan }" >>"$config"
"$netshim" reload
mounts() { # mounts FOLDER WORD: $mounted is who has done it
	: >"$scratch/mounter"
	in_background "$scratch/silent" "$scratch/$1" "$scratch/fuse" "$2" >"$scratch/mounter"
	wait_until test -s "$scratch/mounter"
	mounted=$(cat "$scratch/mounter")
}
ends_silence() { # ends_silence FOLDER
	# shellcheck disable=SC2046 # words
	kill -KILL $(<"/proc/$mounted/task/$mounted/children") "$mounted" # pgrep may look at its memory
	umount -l "$scratch/$1"
}
mounts closed --closed
of_program() { timeout -s KILL $((30 * slow)) "$netshim" doctor --json "$scratch/$1" --to 127.0.0.1:80 >"$scratch/answer" 2>"$scratch/said"; sentences <"$scratch/answer"; } # of_program FILE
unknown() { echo "note (group|chain|packet): nobody can tell: $scratch/$1 could not be looked at, so its class is not known"; } # unknown FILE
like "$(of_program closed/file)" "fault rule: $scratch/closed/file could not be looked at: Permission denied do: ask as the user who has mounted.* $(unknown closed/file) .* $(unknown closed/file) .* $(unknown closed/file)" \
	"a program that root may not look at: what becomes of a packet is not known"
is "$(answer 'c["check"] in ("group", "chain", "packet")' <"$scratch/answer")" "group=note chain=note packet=note" "in no step"
ends_silence closed
mounts mounted name
SECONDS=0
for file in file nothing; do
	like "$(of_program mounted/$file)" "fault rule: $scratch/mounted/$file could not be looked at: the file system does not answer do: look at what serves.* $(unknown "mounted/$file") " "a program on a file system that never answers: $file"
done
like "$(cd "$scratch/mounted" && timeout -s KILL $((30 * slow)) "$netshim" doctor ./file 2>/dev/null | tr -s ' \n' ' ')" "\./file could not be looked at: the file system does not answer" "from its folder, too"
timeout -s KILL $((60 * slow)) "$netshim" doctor --json >"$scratch/answer" 2>/dev/null
is "$(answer 'c["check"] in ("fresh", "programs")' <"$scratch/answer")" "fresh=note programs=note" "doctor of all says so"
like "$(sentences <"$scratch/answer")" "note programs: could not look at what rules name, as a file system does not answer: $scratch/mounted/file do:" "which is named"
ok $((SECONDS > 45 * slow)) "it waits for a few seconds"
ends_silence mounted
echo "app '$scratch/mounted/nothing' { class = lan }" >>"$config"
"$netshim" reload
mounts mounted name
like "$(timeout -s KILL $((30 * slow)) "$netshim" doctor 2>&1; echo $?)" "gave up after 10 seconds: a file system on which a program with a rule lies does not answer"$'\n1$' "a rule's name that cannot be looked up"
ends_silence mounted
mounts memory --memory
timeout -s KILL $((60 * slow)) "$netshim" doctor --json >"$scratch/answer" 2>/dev/null
like "$(sentences <"$scratch/answer")" "note older library: could not look at 1 running program \(silent $mounted\): a file system of its user's does not answer" "a process whose memory cannot be looked at"
ends_silence memory
few() { (ulimit -n 6 && "$@") 2>&1 | tr -s ' \n' ' '; } # few COMMAND...: with few descriptors
like "$(few "$netshim" doctor)" "older library: could not look at [0-9]* running programs: Too many open files do: end what uses so many" "where descriptors have run out, that is what is said"
like "$(few "$netshim" status)" "could not look at [0-9]* running programs? \([^)]*\): Too many open files; restart" "by status, too"
cp "$scratch/good.conf" "$config"
"$netshim" reload

echo 1 >"$root/run/netshim/last"
is "$(named)" "in force=fault" "the configuration had a mistake at boot"
rm "$root/run/netshim/last"
printf '\377' | dd of="$root/run/netshim/rules" bs=1 seek=200 conv=notrunc 2>/dev/null
is "$(named | grep -o "in force=fault")" "in force=fault" "the rules file is damaged"
"$netshim" reload
chmod 600 "$root/run/netshim/rules"
like "$(both)" "^in force=fault .*: users may not read $root/run/netshim/rules: what they start is in no class do: run 'netshim reload'" "or cannot be read by users"
like "$(as_user "$netshim" doctor | tr -s ' \n' ' ')" "FAULT in force: this user may not read $root/run/netshim/rules: programs that have a class are not started, or are in none" "a user is told, too"
"$netshim" reload
like "$(named unshare --net)" "^in force=fault" "another network namespace"

# --- the network

nft add rule inet netshim class_lan accept
like "$(both)" "^table=fault .*it has \"accept\" where netshim had loaded" "a rule that somebody has added"
"$netshim" reload
end_watching
reload_killed
like "$(both)" "^table=fault .*was killed: table netshim_handover is left.* fault watch: " "a reload that was killed in the last moment"
"$netshim" reload
nft flush chain inet netshim class_games
until_like "^watch=note .*'nft' has taken netshim's nftables table away" "watch has put something back" both
rm -f "$root/run/netshim/restored"
end_watching
is "$(named)" "watch=fault" "nobody watches"
ip rule del pref "$(ip rule | sed -n '/fwmark/s/:.*//p' | head -n 1)"
is "$(named)" "watch=fault routing=fault" "a routing rule is gone"
"$netshim" reload
end_watching
ip route flush table "$(ip rule | sed -n 's/.*fwmark.*lookup \([0-9]*\).*/\1/p' | head -n 1)"
is "$(named)" "watch=fault routing=fault" "routes are gone"
nft flush ruleset
is "$(named)" "table=fault watch=fault routing=fault" "the table is gone"
"$netshim" reload
ip link del way
until_like "^routing=note .*interface way of class vpn is not there" "the interface of a class is gone" both
ip link add way type veth peer name out
ip addr add 192.168.80.1/24 dev way
ip link set way up
ip link set out up
"$netshim" reload
is "$(named)" "" "it is back"
strictly() { # who follows the interface may come after this, and put it right
	echo 1 >/proc/sys/net/ipv4/conf/way/rp_filter
	named
}
until_like '^settings=fault$' "a strict reverse-path filter" strictly
"$netshim" reload
mark=$(ip rule | sed -n 's/.*fwmark \(0x[0-9a-f]*\).*/\1/p' | head -n 1)
ip rule add fwmark "$mark" lookup main pref 30000
until_like '^marks=fault$' "a routing rule of others for a class's mark" named
like "$(says)" "marks: a routing rule of somebody else's \(IPv4, table 254\) is for mark $mark, which packets of class vpn have" "which is named"
ip rule del fwmark "$mark" lookup main pref 30000
echo "class past { mark = 51820 }  class office { mark = 43 }  class around { interface = 'ordinary' }" >>"$config"
"$netshim" reload
ip -4 rule add not fwmark 51820 table 51820
ip -6 rule add fwmark 43 table 43
in_shell "$netshim" doctor --json >"$scratch/answer"
is "$(answer 'c["result"] in ("fault", "note")' <"$scratch/answer")" "" "wg-quick's rule, and one for a class's own mark, are no fault"
is "$(python3 -c 'import json, sys
for c in json.load(sys.stdin)["checks"]:
    if c["check"] == "marks": print(*sorted(f["text"] for f in c["findings"]), sep="\n")' <"$scratch/answer")" \
	"packets of class around go past table 51820 (IPv4), as a routing rule for all marks but 0xca6c says
packets of class office go by table 43 (IPv6), as a routing rule for mark 0x2b says
packets of class past go past table 51820 (IPv4), as a routing rule for all marks but 0xca6c says" "where they lead is told"
ip -4 rule del not fwmark 51820 table 51820
ip -6 rule del fwmark 43 table 43
cp "$scratch/good.conf" "$config"
"$netshim" reload
echo "hosts: files resolve [!UNAVAIL=return] dns" >/etc/nsswitch.conf
is "$(named)" "" "nss-resolve without systemd-resolved"
mkdir -p /run/systemd/resolve /run/nscd
: >/run/systemd/resolve/io.systemd.Resolve
is "$(named)" "resolvers=fault" "systemd-resolved by nss-resolve"
echo "hosts: files dns" >/etc/nsswitch.conf
: >/run/nscd/socket
is "$(named)" "resolvers=fault" "nscd"
rm /run/nscd/socket
echo "class proxied { classid = 7f3a:6  proxy = { '127.0.0.1:4711' } }" >>"$config"
"$netshim" reload
is "$(named)" "" "a class with a proxy"
serve "$netshim" run proxied -- 4711
is "$(named)" "proxies=fault" "whose proxy is in it"
kill "${background[-1]}"
wait_until eval '[ -z "$(named)" ]'
cp "$scratch/good.conf" "$config"
"$netshim" reload

"$netshim" lift lan 10m >/dev/null
is "$(named)" "lifts=note" "a class whose refusals are lifted"
like "$("$netshim" doctor "$scratch/program" --to "$far_host:80" | tr -s ' \n' ' ')" "netshim lets it through, as long as the refusals of class lan at $config:1 are lifted" \
	"a packet that passes because of it"
"$netshim" lift lan off >/dev/null

# --- network namespaces

echo "class jail { classid = 7f3a:6  netns = 'jail'  address = '10.97.10.2/24'  deny = { 'tcp/80' } }" >>"$config"
"$netshim" reload
in_jail() { nsenter --net=/run/netns/jail "$@"; }
is "$(named)" "" "a class with a network namespace"
nft 'table ip others { chain FORWARD { type filter hook forward priority 0; policy drop; }; chain more { }; }
	table ip6 others { chain forward { type filter hook forward priority 0; policy drop; }; }
	table inet others { chain input { type filter hook input priority 0; policy drop; ct state established accept; iif lo accept; }; chain forward { type filter hook forward priority 0; }; }'
is "$(named)" "others=note" "a firewall that drops what is forwarded"
like "$(says)" "chain FORWARD of nftables' table ip others drops what is forwarded: so what the network namespace of class jail sends" "which is named"
nft 'add rule ip others more iifname "ns-*" accept'
is "$(named)" "" "one that knows of the namespaces"
nft 'delete table ip others; delete table ip6 others; delete table inet others'
in_jail ip route del default
like "$(both)" "^namespaces=fault .*network namespace of class jail has no default route for IPv4" "it has no way out"
"$netshim" reload
in_jail ip link set eth0 down
like "$(both)" "^namespaces=fault .*eth0 in the network namespace of class jail is down" "its interface is down"
"$netshim" reload
ip link set ns-jail down
like "$(both)" "^namespaces=fault .*ns-jail, by which the network namespace of class jail is joined to this machine, is down" "this machine's end is"
"$netshim" reload
in_jail ip link del eth0
like "$(both)" "^namespaces=fault .*eth0 is not in the network namespace of class jail" "there is none"
"$netshim" reload
is "$(named)" "" "a reload mends each of these"
in_jail ip link set lo down
like "$(both)" "^namespaces=note .*lo in the network namespace of class jail is down: .*ip -n jail link set lo up" "its loopback interface is down"
in_jail ip link set lo up
setcap -r "$root/usr/libexec/netshim-netns"
like "$(both)" "^namespaces=fault .*netshim-netns: it has not its capability" "the program that enters it has no capability"
"$netshim" reload
in_jail nft add rule inet netshim class_jail accept
like "$(both)" "^namespaces=fault .*table in the network namespace of class jail: it has \"accept\" where" "a rule that somebody has added there"
"$netshim" reload
in_jail nft flush ruleset
until_like "^namespaces=note .*'nft' has taken netshim's nftables table in the network namespace of class jail away" "watch has put something back there" both
rm "$root"/run/netshim/{restored,watch}-jail
until_like "^namespaces=fault .*nobody puts back .* in the network namespace of class jail" "nobody watches there" both
in_jail nft flush ruleset
like "$(both)" "^namespaces=fault .*has lost netshim's table in the network namespace of class jail: nothing is filtered" "the table there is gone"
ip netns del jail
like "$(both)" "^namespaces=fault .*the network namespace 'jail' of class jail is not there" "the namespace is gone"
cp "$scratch/good.conf" "$config"
"$netshim" reload
is "$(named)" "" "no namespace any more"

# --- neighbours

printf '#!/usr/sbin/nft -f\n\nflush ruleset\n' >/etc/nftables.conf
mkdir -p /etc/systemd/system/sysinit.target.wants
ln -s /usr/lib/systemd/system/nftables.service /etc/systemd/system/sysinit.target.wants/nftables.service
is "$(named)" "nftables.service=note" "nftables.service flushes the ruleset"
mkdir -p /etc/systemd/system/nftables.service.d
sed 's,/usr/local/libexec,/of/its/own,' scripts/nftables.service.conf >/etc/systemd/system/nftables.service.d/00-netshim.conf
is "$(named)" "" "with netshim's drop-in, it does not"
printf '[Service]\nExecReload=\nExecReload=/usr/sbin/nft -f /etc/nftables.conf\n' >/etc/systemd/system/nftables.service.d/own.conf
is "$(named)" "nftables.service=note" "with an administrator's, behind it, that loads the file without netshim, it does again"
rm /etc/systemd/system/nftables.service.d/own.conf
cp "$(command -v sleep)" "$scratch/dockerd"
in_background "$scratch/dockerd" 900
wait_until pgrep -x dockerd >/dev/null
like "$(both)" "^others=note .*others: Docker: containers are started by its daemon" "Docker"
end_programs
mkdir /etc/ufw
echo ENABLED=yes >/etc/ufw/ufw.conf
like "$(says)" "others: ufw: its own rules" "ufw"
rm -r /etc/ufw

# --- one program

steps() { in_shell "$netshim" doctor --json "$@" | answer True; }
is "$(steps "$scratch/program")" "shell=ok rule=ok helper=ok capability=ok privileges=ok hierarchy=ok group=ok chain=ok packet=ok" "a program's way"
like "$(in_shell "$netshim" doctor "$scratch/program" | tr -s ' \n' ' ')" "class lan, by rule '$scratch/program' at $config:6" "its rule is named"
like "$(PATH=$scratch:/bin in_shell "$netshim" doctor program | tr -s ' \n' ' ')" "rule: $scratch/program: class lan" "a command is looked for on PATH"
printf '#!/usr/bin/env -S %s class\n' "$scratch/program" >"$scratch/script"
chmod 755 "$scratch/script"
is "$(steps "$scratch/script")" "shell=ok rule=ok helper=ok capability=ok privileges=ok hierarchy=ok group=ok chain=ok packet=ok" "a script's way by env"
like "$(in_shell "$netshim" doctor "$scratch/script" | tr -s ' \n' ' ')" "rule: $scratch/program, which env starts: class lan" "what env starts is named"
is "$(in_shell "$netshim" doctor --json /bin/true | answer 'c["result"] == "fault"')" "rule=fault" "one without a rule"
echo 77 >"$groups$group/lan/net_cls.classid"
is "$(in_shell "$netshim" doctor --json "$scratch/program" | answer 'c["result"] == "fault"')" "group=fault" "a group with another number"
"$netshim" reload
end_watching
nft flush ruleset
is "$(in_shell "$netshim" doctor --json "$scratch/program" | answer 'c["result"] == "fault"')" "chain=fault" "no chain"
"$netshim" reload
sed -i "s/^class lan {/& users = { 'root' } /" "$config"
"$netshim" reload
like "$(as_user "$netshim" doctor --json "$scratch/program" | answer 'c["check"] == "rule"')" "rule=fault" "a class that is not for this user"
cp "$scratch/good.conf" "$config"
"$netshim" reload
like "$("$netshim" doctor nosuch-program 2>&1; echo $?)" "^netshim: nosuch-program: .*1$" "no such program"
for words in "--to 1.2.3.4:5" "ls --to 1.2.3.4" "ls --to example.org:80" "ls --to ::1" "ls --to" "ls ls" "-x"; do
	# shellcheck disable=SC2086 # words
	like "$("$netshim" doctor $words 2>&1; echo $?)" "^netshim: doctor: .*2$" "doctor $words: exit 2, and says why"
done

# --- packets: what is said is what becomes of them

rules="$(sed 's/^class \([a-z]*\) .*/app '"${scratch//\//\\/}"'\/as-\1 { class = \1 }/; /^app .*as-/!d' "$scratch/good.conf")"
{ cat "$scratch/good.conf" && echo "$rules" && cat; } >"$config" <<EOF
class inside { classid = 7f3a:6  netns = 'inside'  address = { '10.97.10.2/24', 'fd00:97::2/64' }  action = reject  allow = { 'tcp/80', '10.97.10.1:443' } }
class empty  { classid = 7f3a:7  netns = 'private' }
class narrow { classid = 7f3a:8  action = reject  allow = { '$lan_host:80', 'tcp/8000-8010' }  deny = { '[2001:DB8:0::7]:80', '203.0.113.0/24' } }
class gone   { classid = 7f3a:9  interface = 'tun9' }
class asking { classid = 7f3a:a  interface = 'tun9'  dns = { '127.0.0.1' } }
class behind { classid = 7f3a:b  netns = 'behind'  address = '10.97.11.2/24'  uplink = 'tun9' }
$(for class in inside empty narrow gone asking behind; do echo "app '$scratch/as-$class' { class = $class }"; done)
EOF
for class in lan web four vpn games inside empty narrow gone asking behind; do cp "$root/bin/probe" "$scratch/as-$class"; done
"$netshim" reload
said() { # said CLASS DESTINATION
	case $("$netshim" doctor "$scratch/as-$1" --to "$2" | tr -s ' \n' ' ') in
	*"refused outside of the namespace"*) echo refused ;;
	*"netshim lets it through"*) echo through ;;
	*) echo refused ;;
	esac
}
becomes() { # becomes CLASS DESTINATION
	if "$netshim" run "$1" curl -s -o /dev/null --connect-timeout 3 "http://$2/"; then echo through; else echo refused; fi
}
serve -- 443
for class in lan web four games inside empty; do
	for to in "$lan_host:80" "$far_host:80" "$far_host:443" "[2001:db8::7]:443" "[fd77::2]:80"; do
		is "$(said $class "$to")" "$(becomes $class "$to")" "class $class to $to"
	done
done
for to in 192.168.77.1:80 192.168.77.1:443 10.97.10.1:443; do
	is "$(said inside $to)" "$(becomes inside $to)" "class inside to $to, this machine"
done
like "$("$netshim" doctor "$scratch/as-inside" --to $far_host:80 | tr -s ' \n' ' ')" "leads out by eth0, by a gateway.*through, by 'tcp/80' in allow of class inside .*outside of the namespace, the route for it leads to here" \
	"the way out of a namespace, and on"
like "$("$netshim" doctor "$scratch/as-vpn" --to udp/9.9.9.9:53 | tr -s ' \n' ' ')" "it goes to the resolver of the class instead, 10.8.0.1 port 53" "a name query"
like "$("$netshim" doctor "$scratch/as-vpn" --to 9.9.9.9:80 | tr -s ' \n' ' ')" "leads out by way.*, with the mark of the class" "the route is that of the class's mark"
like "$("$netshim" doctor "$scratch/as-lan" --to 127.0.0.1:80 | tr -s ' \n' ' ')" "by 'loopback' in allow of class lan at $config:1" "the word is named, and where"
in_words() { "$netshim" doctor "$scratch/as-$1" --to "$2" | tr -s ' \n' ' '; } # in_words CLASS DESTINATION
for entry in "$lan_host:80 $lan_host:80" "$lan_host:8001 tcp/8000-8010" "[2001:db8::7]:80 [2001:DB8:0::7]:80" "$far_host:1 203.0.113.0/24"; do
	is "$(in_words narrow "${entry% *}" | grep -o "by '[^']*' in")" "by '${entry#* }' in" "as it is written there: ${entry#* }"
done
before=$(nft list counter inet netshim out_lan)
"$netshim" doctor "$scratch/as-lan" --to "$lan_host:80" >/dev/null
is "$(nft list counter inet netshim out_lan)" "$before" "nothing has been sent"

# A class whose interface leads nowhere.
has_no_way() { echo "FAULT packet: it is refused$2: class $1 at $config:[0-9]* has no way out by $3 \(not there, down, or without an address\) do: bring the interface up"; }
like "$(in_words vpn "[2001:db8::7]:80")" "note packet: it is refused: class vpn at $config:4 has a way out by way for IPv4 alone" "no address of one family: that may be meant"
is "$(becomes vpn "[2001:db8::7]:80")" refused "and it is so"
ip link set way down
for class in gone vpn; do
	for to in "$far_host:80" "[2001:db8::7]:80" "$lan_host:80"; do
		is "$(said $class "$to")" "$(becomes $class "$to")" "class $class to $to, without its interface"
	done
done
like "$(in_words gone 192.0.2.1:80)" "$(has_no_way gone "" tun9).* [0-9] fault" "an interface that is not there is a fault"
[[ $(in_words gone 192.0.2.1:80) != *"leads out by"* ]]
ok $? "and its last route is no way out"
like "$(in_words vpn 192.0.2.1:80)" "$(has_no_way vpn "" way)" "one that is down, too"
like "$(in_words gone "$lan_host:80")" "leads out by here.*lets it through" "but what is local goes out by the other one"
like "$(in_words vpn udp/9.9.9.9:53)" "it goes to the resolver of the class instead, 10.8.0.1 port 53 $(has_no_way vpn "" way)" "a query goes where its resolver is"
like "$(in_words asking udp/9.9.9.9:53)" "instead, 127.0.0.1 port 53 [0-9] fault" "which may be on this machine"
like "$(in_words behind 192.0.2.1:80)" "$(has_no_way behind " outside of the namespace" tun9)" "from a network namespace, too"
ip link set way up
"$netshim" reload

# --- a user

out=$(as_user LD_PRELOAD="$word" bash -c '"$@"; exit $?' bash "$netshim" doctor)
is $? 0 "a user can run it"
like "$out" "only root can see" "and is told what only root can see"
like "$(tail -n 1 <<<"$out")" "^no fault; [0-9]+ checks only root can make: sudo netshim doctor$" "and how many"
chmod 711 "$helper"
like "$(as_user "$netshim" doctor)" "capability: only root can see what capability the helper has" "of a helper that users may not read, too"
chmod 755 "$helper"
out=$(as_user "$netshim" doctor "$scratch/as-lan" --to 192.0.2.1:1)
like "$out" "packet: only root can see" "of packets, too"
like "$(tail -n 1 <<<"$out")" "sudo netshim doctor $scratch/as-lan --to 192.0.2.1:1$" "what is to be asked as root is what was asked"

"$netshim" down
is "$(named)" "in force=fault" "netshim is not up"
finish
