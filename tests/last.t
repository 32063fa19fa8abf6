#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# At boot, a configuration with a mistake does not take the rules away: what was last in
# force is in force again, which up and status say.
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

left() { find "$root/run" -mindepth 1; }
for harm in "chown nobody $kept" "truncate -s 20 $kept" "rm $kept"; do
	cp -p "$kept" "$scratch/kept"
	$harm
	like "$(boot)" "^1  .*$config:1.*$kept is damaged or missing.*no rules are in force.*'netshim up'" "nothing is in force: $harm"
	is "$(left)" "" "and nothing is left"
	cp -p "$scratch/kept" "$kept"
done
echo "class four { }" >"$config"
rm -r "${kept%/*}"
touch "${kept%/*}"
like "$("$netshim" up 2>&1; echo "$? $(in_force)")" "cannot keep a copy .*$kept.*0 four$" "where nothing can be kept, up says so, and is up"
rm "${kept%/*}"

finish
