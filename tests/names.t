#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Users have a say in names: of files that a pattern matches, of folders on the way to
# a program. That changes their own fate only: never another's rule, never whether the
# configuration loads, never what root writes where all can read.
. "$(dirname "$0")/lib.sh"

ip link set lo up
rules=$root/run/netshim/rules
home=$scratch/home
mkdir -p "$home"/{alice,bob}/bin
chown -R 65534 "$home/alice"
chown -R daemon "$home/bob"

# --- one rule for each name, whatever its hash

key() { od -An -t x8 -j 24 -N 16 "$rules"; }
for i in {1..300}; do echo "app '/opt/many/program-$i' { class = one }"; done >"$scratch/many"
configure < <(echo "class one { }" && cat "$scratch/many")
first=$(key)
"$netshim" reload
[ "$(key)" != "$first" ]
ok $? "each load hashes with another key"
damaged_write() { # damaged_write WHICH: up, with that write to the new file damaged
	strace -qq -o /dev/null -P "$rules.new" -e trace=write -e "inject=write:poke_enter=@arg2=ffffffffffffffff:when=$1" \
		"$netshim" up 2>&1
}
before=$(cksum "$rules")
like "$(damaged_write 1) $(cksum "$rules")" "^netshim: $rules.new is not what was written there; try again $before" \
	"a new rules file that is damaged is not put into force"
like "$(damaged_write 2) $(cksum "$rules")" "^netshim: $config:[0-9]+: the rule for '/opt/many/program-[0-9]+' cannot be read back from $rules.new; try again $before" \
	"nor one of whose rules one is"

finish
