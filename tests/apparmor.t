#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# What is installed for AppArmor is read by its parser, with each profile that this machine
# has, and says no more than it should. (What it does, machines/apparmor.t tells.)
. "$(dirname "$0")/lib.sh"

command -v apparmor_parser >/dev/null || cannot_run "needs apparmor_parser"
profiles=$scratch/apparmor.d
cp -r /etc/apparmor.d "$profiles"
cp -r "$root/etc/apparmor.d/abstractions" "$profiles"
# Of kernels without AppArmor, and of profiles that are switched off here, it says so.
parse() { apparmor_parser --base "$profiles" --skip-kernel-load --skip-cache "$@" 2>&1 | grep -v -e '^Cache read/write disabled' -e '^Skipping profile'; }

for profile in "$profiles"/*; do
	[ ! -f "$profile" ] || is "$(parse "$profile")" "" "${profile##*/} is read as ever"
done
cat >"$scratch/profile" <<'END'
include <tunables/global>
profile test /usr/local/bin/test {
  include <abstractions/base>
}
profile wider /usr/local/bin/wider {
  include <abstractions/base>
  include <abstractions/netshim>
}
END
is "$(parse "$scratch/profile")" "" "a profile with the abstraction is read"
parse --preprocess "$scratch/profile" >"$scratch/whole"
of() { sed -n "/^ *profile $1 /,/^ *}/p" "$scratch/whole" | grep -e netshim -e dac_override -e '/cgroup ' | grep -v '^ *#' | sed 's/^ *//' | LC_ALL=C sort; }
base="$root/run/netshim/rules r,
$preload mr,
$root/usr/lib/netshim/{,**/}libnetshim.so mr,
owner @{PROC}/@{pid}/cgroup r,"
is "$(of test)" "$(LC_ALL=C sort <<<"$base")" "every profile reads the rules, and maps the library"
is "$(of wider | grep -vxF "$base")" "$root/run/netshim/net_cls$group/*/{,locked/}tasks w,
$helper mrix,
@{PROC}/@{pid}/cgroup r,
capability dac_override," "with the abstraction, the helper enters classes, in the same profile"

finish
