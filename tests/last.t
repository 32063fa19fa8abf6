#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# At boot, a configuration with a mistake does not take the rules away: what was last in
# force is in force again, which up and status say; or what it says with at-boot.
. "$(dirname "$0")/lib.sh"

kept=$root/var/netshim/config
good="class one { action = reject }
include('$scratch/more.conf')"
echo "app '$root/bin/probe' { class = one }" >"$scratch/more.conf"
in_force() { "$netshim" status 2>/dev/null | awk '$2 ~ /:/ { print $1 }' | xargs; }
boot() { # boot: the machine is started; the exit code, what is in force, and what is said
	"$netshim" down
	"$netshim" up --boot >"$scratch/said" 2>&1
	echo "$? $(in_force) $(cat "$scratch/said")"
}

configure <<<"$good"
is "$(stat -c %a "${kept%/*}" "$kept" | xargs)" "700 600" "what is in force is kept, for root alone"
is "$(boot)" "0 one " "without a mistake, up --boot is up"
echo "class one { acton = reject }" >"$config"
"$netshim" down
like "$("$netshim" up 2>&1; echo $?)" "^$config:1: .*acton.*1$" "with one, up fails"
like "$(boot)" "^0 one .*$config:1: .*acton.*$config could not be put into force.*'netshim reload'" "up --boot tells it, and what was in force is in force again"
is "$(shim "$root/bin/probe" class)" "$group/one" "with what it included"
like "$("$netshim" status 2>&1 >/dev/null)" "$config could not be put into force when the machine started" "status says so"
"$root/etc/network/if-up.d/netshim"
like "$("$netshim" status 2>&1 >/dev/null)" "could not be put into force" "and still after a hook's reload"
rm "$scratch/more.conf"
like "$("$netshim" reload 2>&1; echo $?)" "acton.*1$" "reload goes by the file"
like "$(boot)" "^0 one " "nor does the next boot, with a file that is gone, change what was kept"
rm "$config"
like "$(boot)" "^0 one .*cannot open '$config'.*could not be put" "a configuration that is gone is a mistake too"
echo "class two { }" >"$config"
is "$("$netshim" reload; echo "$? $(in_force) $("$netshim" status 2>&1 >/dev/null)")" "0 two " "mended and reloaded, nothing is said any more"
echo "class {" >"$config"
like "$("$netshim" up --boot 2>&1; echo "$? $(in_force)")" "$config:1.*1 two$" "where netshim is up already, up --boot leaves that"
like "$(boot)" "^0 two " "and it is what the next boot takes"

# --- what is not kept

echo "class other { }" >"$scratch/other.conf"
"$netshim" -c "$scratch/other.conf" up
like "$(boot)" "^0 two " "another configuration than that of the boot"
echo "class three { }" >"$config"
"$netshim" reload --confirm 60 2>/dev/null
echo "class {" >"$config"
like "$(boot)" "^0 two " "one that was not confirmed"
echo "class three { }" >"$config"
"$netshim" up --confirm 60 2>/dev/null
"$netshim" confirm >/dev/null
echo "class {" >"$config"
like "$(boot)" "^0 three " "one that was"

# --- nothing that could be taken

left() { find "$root/run" -mindepth 1 -printf '%f\n' | grep -vx netshim | sort; }
for harm in "chown nobody $kept" "truncate -s 20 $kept" "rm $kept"; do
	cp -p "$kept" "$scratch/kept"
	$harm
	like "$(boot)" "^1  .*$config:1.*$kept is damaged or missing.*no rules are in force.*'netshim up'" "nothing is in force: $harm"
	is "$(left)" $'last\nlock' "of which only a note is left"
	like "$("$netshim" status 2>&1)" "is not up.*could not be put into force when the machine started: no rules" "for status"
	"$netshim" down
	is "$(left)" "" "until netshim down"
	cp -p "$scratch/kept" "$kept"
done
echo "class four { }" >"$config"
rm -r "${kept%/*}"
touch "${kept%/*}"
like "$("$netshim" up 2>&1; echo "$? $(in_force)")" "cannot keep a copy .*$kept.*0 four$" "where nothing can be kept, up says so, and is up"
rm "${kept%/*}"
like "$(strace -qq -o /dev/null -e trace=fsync -e inject=fsync:error=ENOSPC "$netshim" up 2>&1; echo "$? $(ls "${kept%/*}")")" "cannot keep a copy .*$kept.*No space.*"$'\n0 $' \
	"and leaves no part of one"
strace -qq -y -o "$scratch/calls" -e trace=fsync "$netshim" up
is "$(sed -n 's/.*<\(.*\)>.*/\1/p' "$scratch/calls" | xargs -n 1 basename)" $'config.new\nnetshim' "it is on the disk, and so is its name"
rm "$scratch/calls"

# --- at-boot

for wrong in "at-boot = never" $'at-boot = open\nat-boot = last'; do
	echo "$wrong" >"$config"
	like "$("$netshim" check 2>&1; echo $?)" "^$config:[12]: .*at-boot.*1$" "check: '${wrong//$'\n'/, }'"
done
cp "$root/bin/probe" "$scratch/soft"
with() { # with LINE: a configuration that has been in force, and has a mistake now
	echo "$1
class one { action = reject }
class soft { on-error = allow }
app '$root/bin/probe' { class = one }
app '$scratch/soft' { class = soft }" >"$config"
	cp "$config" "$scratch/right.conf"
	"$netshim" up
	echo "class {" >>"$config"
}
start() { shim "$1" class 2>&1; }
# Where nothing is in force, the kernel has a net_cls hierarchy as long as something of an earlier one is left.
refused="not started .class one.: (its control group is missing|cannot tell .*: net_cls is not mounted .run 'netshim up')"
is_refused() { # is_refused NAME
	like "$(start "$root/bin/probe")" "$refused" "$1: a program with a rule is not started"
	like "$(shim "$scratch/soft" loaded 2>/dev/null) $(shim "$scratch/soft" class 2>/dev/null) $(shim sh -c 'echo others')" "^yes /? others$" "but one with on-error = allow, and all others"
}
with "at-boot = refuse"
like "$(boot)" "^1 one soft .*$config:6.*not started; mend it" "at-boot = refuse: up says so"
is_refused "at-boot = refuse"
"$netshim" down
like "$(strace -f -qq -o /dev/null -P "$config" -e trace=openat -e inject=openat:signal=SEGV:when=1 "$netshim" up --boot 2>&1)" \
	"$config could not be read: Segmentation fault.*not started; mend it" "reading it does not come to an end"
is_refused "that at boot"
is "$("$netshim" status 2>&1 >/dev/null)" "netshim: $config could not be put into force when the machine started: programs that had a rule when it last was are not started; mend it, then run 'netshim reload'" "status says so"
"$root/etc/network/if-up.d/netshim"
like "$(start "$root/bin/probe")" "$refused" "a hook changes nothing"
"$netshim" up --boot 2>/dev/null
like "$? $(start "$root/bin/probe")" "^1 .*$refused" "nor does another up --boot"
cp "$scratch/right.conf" "$config"
is "$("$netshim" reload; echo "$? $(start "$root/bin/probe") $("$netshim" status 2>&1 >/dev/null | grep boot)")" "0 $group/one " "mended and reloaded, it is started in its class"
"$netshim" down
rm "$kept"
echo "app '$root/bin/probe-static' { class = missing }
class {" >>"$config"
like "$(boot)" "^1 one soft .*$config:7: .*it never was before, .*a rule could be read in it.*not started; mend it" "never in force: up says so"
is_refused "never in force"
like "$(start "$root/bin/probe-static")" "$refused" "nor one whose class there is not"
cp "$scratch/right.conf" "$config"
is "$("$netshim" reload; echo "$? $(start "$root/bin/probe") $("$netshim" status 2>&1 >/dev/null | grep boot)")" "0 $group/one " "mended and reloaded, it is started in its class"
echo "class one { action = reject  users = { 'daemon' } }" >"$config"
"$netshim" reload
"$netshim" down
mkfifo "$scratch/unanswered"
mount --bind "$scratch/unanswered" /etc/passwd
# shellcheck disable=SC2016 # expanded by that shell
in_background strace -f -qq -o "$scratch/calls" -e '/^(alarm|setitimer)$' sh -c '"$1" up --boot; echo $?' sh "$netshim" >"$scratch/said" 2>&1
wait_until test -s "$scratch/calls"
like "$(cat "$scratch/calls")" "alarm\(40\)|tv_sec=40, tv_usec=0" "a name service does not answer: there are 40 seconds for it"
kill -ALRM "$(sed 's/ .*//' "$scratch/calls")" # they are over
until_like "^netshim: $config could not be read: a name service, for a user in it, or a file system does not answer.*"$'\n0$' "after which up says so" \
	cat "$scratch/said"
umount /etc/passwd
is "$(in_force)" one "what was in force last is in force again"
"$netshim" down
printf '%s: nosuch files\n' passwd group >"$scratch/nsswitch.conf"
mount --bind "$scratch/nsswitch.conf" /etc/nsswitch.conf
# shellcheck disable=SC2016 # expanded by that shell
in_background strace -f -qq -o "$scratch/calls" -e trace=openat sh -c '"$1" up --boot; echo $? >"$2"' sh "$netshim" "$scratch/ended"
wait_until test -s "$scratch/ended"
is "$(cat "$scratch/ended") $(sed -n '/libnss_nosuch/s/ .*//p' "$scratch/calls" | sort -u | wc -l)" "0 1" "where one answers, it is asked within those, and not once more"
umount /etc/nsswitch.conf
with "at-boot = open"
like "$(boot)" "^1  .*no rules are in force" "at-boot = open: up says so"
is "$(start "$root/bin/probe")" / "and what has a rule is started in no class"
with ""
{ echo "at-boot = open"; cat "$config"; } >"$scratch/new.conf"
cp "$scratch/new.conf" "$config"
like "$(boot)" "^0 one soft " "the line of what was in force last counts, not that of what has a mistake: without one, that is in force again"
"$netshim" down
strace -f -qq -o /dev/null -e trace=mount -e inject=mount:error=ENODEV "$netshim" up --boot >"$scratch/said" 2>&1
like "$? $(cat "$scratch/said")" "^1 .*cannot mount the net_cls hierarchy.*not started; mend it" "where that cannot be put into force either, on a kernel without net_cls: up says so"
is_refused "without net_cls"
cp "$scratch/right.conf" "$config"
"$netshim" down
strace -f -qq -o /dev/null -e trace=mount -e inject=mount:error=ENODEV "$netshim" up --boot >"$scratch/said" 2>&1
like "$? $(cat "$scratch/said")" "^1 .*cannot mount the net_cls hierarchy.*not started; mend it" "the same where the configuration has no mistake"
"$netshim" down
is "$(left)" "" "netshim down: nothing is left"
"$netshim" up --boot
is "$? $(start "$root/bin/probe")" "0 $group/one" "without a mistake it is in force"

finish
