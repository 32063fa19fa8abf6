#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# A damaged rules file: to the shim it, or what is damaged of it, is not there. The
# helper and the command say that it is damaged and refuse. No program is put into
# another class, and none that has the shim in it crashes. The unit tests turn every bit
# for the reader alone; here NETSHIM_ALL=1 does.
. "$(dirname "$0")/lib.sh"

cd "$tests/.." || exit 1
rules=$root/run/netshim/rules
program=$scratch/p
cp "$root/bin/probe-musl-static" "$program"
gcc -std=gnu11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -O1 -DNETSHIM_RUNDIR="\"$root/run/netshim\"" \
	-DNETSHIM_HELPER="\"$helper\"" tests/programs/damage.c conf/contract/rules.c conf/contract/sys.c -o "$scratch/damage"
ok $? "the driver builds"
in_class() { echo "class a { } class b { } app '$program' { class = $1 }"; }
configure <<<"$(in_class b)"
cp -p "$rules" "$scratch/b"
configure <<<"$(in_class a)"
cp -p "$rules" "$scratch/a"

# So small a step that each byte has its turn.
[ -n "${NETSHIM_ALL:-}" ] && step=1 || step=$((7 * slow | 1))
damage() { # damage MODE: what became of the program
	LD_PRELOAD=$preload "$scratch/damage" "$1" "$step" "$netshim" "$program" in "$group/a" "$group/b"
}
is "$(damage 10)" "shim: 10 classified, 0 unclassified, 0 refused, 0 other
helper: 10 classified, 0 unclassified, 0 refused, 0 other
command: 1 classified, 0 unclassified, 0 refused, 0 other" "intact: in its class, ten times"

bytes=$(stat -c %s "$rules")
out=$(damage cut)
like "$out" "^shim: 0 classified, [0-9]* unclassified, [0-9]* refused, 0 other" \
	"cut after each of $bytes bytes: as if without a rule, or not started"
like "$out" "helper: 0 classified, 0 unclassified, $bytes refused, 0 other" "cut: the helper says so each time"
like "$out" "command: 0 classified, 0 unclassified, $(((bytes + 15) / 16)) refused, 0 other" "cut: the command too"
out=$(damage turn)
like "$out" "^shim: [0-9]+ classified, [1-9][0-9]* unclassified, [0-9]+ refused, 0 other" \
	"$((bytes * 8 / step)) of $((bytes * 8)) bits turned: in its class, as if without a rule, or not started"
like "$out" "helper: [0-9]+ classified, 0 unclassified, [1-9][0-9]* refused, 0 other" \
	"turned: the helper puts it into its class or says that the file is damaged"
like "$out" "command: 0 classified, 0 unclassified, [1-9][0-9]* refused, 0 other" "turned: the command says so each time"
is "$(damage version)" "shim: 0 classified, 0 unclassified, 1 refused, 0 other
helper: 0 classified, 0 unclassified, 1 refused, 0 other
command: 0 classified, 0 unclassified, 1 refused, 0 other" "a later version, which is no damage"

# --- while it changes
until_ended() { # until_ended PID COMMAND...: again and again
	local pid=$1
	while [ -d "/proc/$pid" ]; do "${@:2}"; done
}
damage_while() { # damage_while COMMAND...: what became of the program
	damage 300 >"$scratch/out" &
	until_ended $! "$@"
	wait $!
	cat "$scratch/out"
}
grow_and_shrink() {
	head -c 3000 /dev/zero >>"$rules"
	truncate -s "$bytes" "$rules"
}
like "$(damage_while grow_and_shrink)" "^shim: [0-9]+ classified, 0 unclassified, [0-9]+ refused, 0 other
helper: [1-9][0-9]* classified, 0 unclassified, [0-9]+ refused, 0 other
command: [0-9]+ classified, 0 unclassified, [0-9]+ refused, 0 other" "it grows and shrinks while it is read: in its class or not started"
put() { # put FILE: by rename, as up and reload do
	cp -p "$1" "$rules.new"
	mv "$rules.new" "$rules"
}
head -c 500 "$scratch/a" >"$scratch/cut"
swap() {
	put "$scratch/b"
	put "$scratch/cut"
	put "$scratch/a"
}
like "$(damage_while swap)" "^shim: [1-9][0-9]* classified, [0-9]+ unclassified, [0-9]+ refused, 0 other
helper: [1-9][0-9]* classified, 0 unclassified, [0-9]+ refused, 0 other
command: [1-9][0-9]* classified, 0 unclassified, [0-9]+ refused, 0 other" \
	"it is replaced by another, by a damaged one and back: in the class of one of them, or as above"

# --- something else in its place
not_a_file() { # not_a_file WHAT COMMAND...: that makes it
	rm -rf "$rules"
	"${@:2}"
	is "$(damage 1)" "shim: 0 classified, 1 unclassified, 0 refused, 0 other
helper: 0 classified, 0 unclassified, 1 refused, 0 other
command: 0 classified, 0 unclassified, 1 refused, 0 other" "$1 in its place"
	is "$(as_user LD_PRELOAD="$preload" "$root/bin/launcher-static" execv "$root/bin/probe" class)" / "$1: at start"
	like "$("$netshim" status 2>&1)" "$rules.*run 'netshim reload'" "$1: status"
}
not_a_file "nothing but zeros" cp <(head -c 4096 /dev/zero) "$rules"
not_a_file "an empty file" touch "$rules"
not_a_file "a FIFO" mkfifo "$rules"
not_a_file "a folder" mkdir "$rules"
not_a_file "a link to a good one" ln -s "$scratch/a" "$rules"
not_a_file "a link to nothing" ln -s "$scratch/no-such-file" "$rules"
not_a_file "a link to itself" ln -s "$rules" "$rules"
not_a_file "an endless device" mknod -m 666 "$rules" c 1 5
not_a_file "a file that nobody may read" install -m 000 "$scratch/a" "$rules"
rm -rf "$rules"
mkdir "$rules"
like "$("$netshim" reload 2>&1)" "cannot replace $rules" "a folder in its place: reload says so"
rmdir "$rules"
mkfifo "$rules"
"$netshim" reload
is "$? $(shim "$program" class)" "0 $group/a" "all else reload puts right"

finish
