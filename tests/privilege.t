#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The command, run as root: it keeps what its verb needs, and nobody else can lead it
# astray.
. "$(dirname "$0")/lib.sh"

text="class a { action = reject }
app '/bin/true' { class = a }"
configure <<<"$text"
rules=$root/run/netshim/rules

# --- capabilities, at the moment it opens its first input

# With the library in it, it is that which opens the rules first, before main.
rules_open=1
! grep -qs libnetshim /etc/ld.so.preload || rules_open=2
held() { # held FILE VERB...: the capabilities with which it opens the file
	local when=1
	[ "$1" != "$rules" ] || when=$rules_open
	rm -f "$scratch/trace"
	strace -qq -o "$scratch/trace" -P "$1" -e trace=openat -e inject=openat:delay_enter=600000000:when=$when "$netshim" "${@:2}" >/dev/null 2>&1 &
	wait_until begins "$when"
	awk '/^Cap(Inh|Prm|Eff|Amb)/ { print $1 $2 }' "/proc/$(pgrep -P $!)/status" | xargs
	# strace would wait for the rest of the delay.
	kill -9 "$(pgrep -P $!)" $!
	wait $! 2>/dev/null
}
begins() { [ "$(grep -sc ^openat "$scratch/trace")" = "$1" ]; } # begins NUMBER: strace has told of that call, and the process waits in it
caps() { # caps NUMBER...: as /proc writes them
	local set=0 cap
	for cap; do set=$((set | 1 << cap)); done
	printf 'CapInh:%016x CapPrm:%016x CapEff:%016x CapAmb:%016x' 0 $set $set 0
}
chown=0
dac_override=1
setgid=6
setuid=7
net_admin=12
sys_ptrace=19
sys_admin=21
setfcap=31
for verb in check ruleset; do
	is "$(held "$config" $verb)" "$(caps $setgid $setuid $net_admin)" "$verb: with CAP_NET_ADMIN, and to look for files with users' rights"
done
for verb in up reload; do
	is "$(held "$config" $verb)" "$(caps $setgid $setuid $net_admin $sys_ptrace $sys_admin $dac_override $setfcap)" "$verb: also what mounts and makes groups, looks at what runs, and grants"
done
is "$(held "$root/run/netshim/lock" down)" "$(caps $net_admin $sys_admin $dac_override $sys_ptrace $setfcap)" "down: the same, but users' rights"
for verb in status ps; do
	is "$(held "$rules" $verb)" "$(caps $setgid $setuid $net_admin $sys_ptrace $sys_admin)" "$verb: with CAP_NET_ADMIN, and to look at what runs, in network namespaces too"
done
is "$(held "$rules" move a 1)" "$(caps $sys_ptrace)" "move: with what it needs to know other users' programs"
is "$(held "$rules" which sh)" "$(caps)" "which opens them with no capability"
is "$(held /etc/environment enable --login --dry-run)" "$(caps $chown $setgid $setuid $sys_admin)" "enable: with what it takes to keep a file's owner, be another user and mount"
is "$(held /etc/environment disable)" "$(caps $chown $setgid $setuid)" "disable: the same, but to mount"
is "$(held "$helper" grant)" "$(caps $setfcap)" "grant opens the helper with CAP_SETFCAP alone"

# --- environment

seen() { # seen VERB...: the programs it executes, and the files it opens
	strace -f -qq -o "$scratch/trace" -e trace=execve,openat "${hostile[@]}" "$netshim" "$@" >/dev/null 2>&1
	# Control groups come and go; it opens those of others from their folder.
	sed -n '/execve("[^"]*bin\/netshim"/,$p' "$scratch/trace" | grep -o '\(execve\|openat\)([^"]*"[^"]*"' |
		grep -v -e '/proc/[0-9]' -e '^openat([0-9]' | sort -u
}
mkdir "$scratch/evil"
for program in nft ip sh modprobe mount; do printf '#!/bin/sh\ntouch %s/evil/was-here\n' "$scratch" >"$scratch/evil/$program"; done
chmod 755 "$scratch"/evil/*
for verb in check up reload status down grant; do
	[ $verb != reload ] || "$netshim" up
	hostile=(env)
	plain=$(seen $verb)
	[ $verb != down ] || "$netshim" up
	hostile=(env PATH="$scratch/evil" IFS=/ ENV="$scratch/evil/sh" BASH_ENV="$scratch/evil/sh" HOME="$scratch/evil" TMPDIR="$scratch/evil"
		XTABLES_LIBDIR="$scratch/evil" NLDBG=4 NLCB=debug LC_ALL=de_DE.UTF-8 LANGUAGE=de NLSPATH="$scratch/evil/%N"
		LOCPATH="$scratch/evil" TZ="$scratch/evil/tz" GCONV_PATH="$scratch/evil" HOSTALIASES="$scratch/evil/h" TERM=x)
	is "$(seen $verb)" "$plain" "$verb does the same in any environment"
	is "$(grep -c execve <<<"$plain")" 1 "and executes nothing"
done
is "$(ls "$scratch/evil/was-here" 2>/dev/null)" "" "nothing on PATH was started"

# --- descriptors

"$netshim" up
before=$(rules_say "$rules")
"$netshim" reload <&- >&- 2>&-
is "$? $(rules_say "$rules")" "0 $before" "with descriptors 0 to 2 closed"
echo "class a { action = perhaps }" >"$config"
"$netshim" reload <&- >&- 2>&-
is "$? $(rules_say "$rules") $(cat "$config" "$root/run/netshim/lock")" "1 $before class a { action = perhaps }" \
	"messages go into no file then"
echo "$text" >"$config"

# --- what others can change

conf=$scratch/etc/netshim.conf
mkdir "$scratch/etc" "$scratch/theirs"
chown 65534 "$scratch/theirs"
cp "$config" "$scratch/etc"
says() { "$netshim" check "$1" 2>&1; }
is "$(says "$conf")" "$conf: ok, 1 class, 1 rule" "a configuration where only root changes anything"
chmod 775 "$scratch/etc"
like "$(says "$conf")" "$conf: on the way to '$conf', others than root can change '$scratch/etc'; keep" "in a folder of others' too: refused"
chmod 1777 "$scratch/etc"
is "$(says "$conf")" "$conf: ok, 1 class, 1 rule" "in a sticky folder, root's is root's"
(cd "$scratch/etc" && is "$(says netshim.conf)" "netshim.conf: ok, 1 class, 1 rule" "by a relative path" && exit $failed_count)
test_count=$((test_count + 1)) failed_count=$((failed_count + $?))
ln -s "$conf" "$scratch/theirs/link"
like "$(says "$scratch/theirs/link")" "others than root can change '$scratch/theirs'" "by a link in a user's folder: refused"
ln -s "$conf" "$scratch/etc/link"
is "$(says "$scratch/etc/link")" "$scratch/etc/link: ok, 1 class, 1 rule" "by root's link"
ln -s "theirs/../etc" "$scratch/round"
like "$(says "$scratch/round/netshim.conf")" "others than root can change '$scratch/theirs'" "by root's link through a user's folder: refused"
ln -s end "$scratch/end"
like "$(says "$scratch/end")" "cannot open '$scratch/end': Too many levels of symbolic links" "by a link to itself"
chown -h 65534 "$scratch/etc/link"
# With fs.protected_symlinks, the kernel follows no such link for anybody.
like "$(says "$scratch/etc/link")" "others than root can change '$scratch/etc/link'|Permission denied" "by a user's link: refused"
cp "$config" "$scratch/theirs/one.conf"
echo "include('$scratch/theirs/*.conf')" >"$conf"
like "$(says "$conf")" "$conf:1: on the way to '$scratch/theirs/\*.conf'" "a pattern of included ones, whatever it matches"
echo "include('$scratch/theirs/one.conf')" >"$conf"
like "$(says "$conf")" "$conf:1: on the way to '$scratch/theirs/one.conf'" "an included one too"
(cd "$scratch/theirs" && says one.conf) >"$scratch/said" 2>&1
like "$(cat "$scratch/said")" "others than root can change '$scratch/theirs'" "a relative path in a user's folder"

# --- rules for what is a user's

mkdir "$scratch/theirs/bin" "$scratch/theirs/own"
chown 65534 "$scratch/theirs/bin" "$scratch/theirs/own"
cat >"$conf" <<EOF
class a { }
class b { }
app '$scratch/theirs/prog'     { class = a }
app '$scratch/theirs/bin/'     { class = a }
app '$scratch/theirs/bin/true' { class = a }
app '$scratch/theirs/own/true' { class = b }
app '/usr/bin/true'            { class = b }
EOF
as_user mkdir "$scratch/theirs/prog"
"$netshim" -c "$conf" reload
is $? 0 "a folder in a program's place does not keep a reload from going on"
as_user rmdir "$scratch/theirs/bin"
as_user ln -s /usr/bin "$scratch/theirs/bin"
like "$("$netshim" -c "$conf" reload 2>&1; "$netshim" which true false)" \
	"^$conf:4: '$scratch/theirs/bin/' leads to '/usr/bin' by .*"$'\n'"/usr/bin/true: class b, [^"$'\n'"]*"$'\n'"/usr/bin/false: no class" \
	"nor does a link to others' programs, which it does not put into a class"
as_user ln -sfn own "$scratch/theirs/bin"
cp /bin/true "$scratch/theirs/own/other"
is "$("$netshim" -c "$conf" reload 2>&1) $? $("$netshim" which "$scratch/theirs/own/"{other,true} | sed 's/.*class \(.\), .*/\1/' | xargs)" \
	"$conf:5: '$scratch/theirs/bin/true' has a rule already, as '$scratch/theirs/own/true' at $conf:6: this one has no effect 0 a b" \
	"a link to the user's own is followed, and stands back where there is another rule"
"$netshim" -c "$config" reload

touch "$scratch/victim"
ln -s "$scratch/victim" "$rules.new"
"$netshim" reload
is "$? $(wc -c <"$scratch/victim")" "0 0" "a link in the place of a new file is not followed"
chown 65534 "$root/run/netshim"
like "$("$netshim" reload 2>&1)" "others than root can change $root/run/netshim; make it root's" "a folder for the rules that is a user's: refused"
chown 0 "$root/run/netshim"
chmod 777 "$root/usr/libexec"
like "$("$netshim" grant 2>&1)" "others than root can change $root/usr/libexec" "a helper that others can replace gets no capability"
chmod 755 "$root/usr/libexec"

finish
