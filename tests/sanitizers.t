#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# AddressSanitizer and UndefinedBehaviorSanitizer find nothing wrong in the command and
# in the readers that all share: in the unit tests, and in the other tests of the
# command once more.
. "$(dirname "$0")/lib.sh"

cd "$tests/.." || exit 1
sanitize=(-O1 -g -fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -static-libasan)
# The command gives back no memory on purpose.
export ASAN_OPTIONS=detect_leaks=0
paths=(PREFIX="$root/usr" SYSCONFDIR="$root/etc" RUNDIR="$root/run" STATEDIR="$root/var" GROUP="$NETSHIM_TEST_GROUP")

gcc -std=gnu11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror "${sanitize[@]}" -DNETSHIM_RUNDIR="\"$scratch/run\"" \
	-DNETSHIM_GROUP="\"${group#/}\"" tests/programs/unit.c conf/contract/rules.c conf/contract/match.c conf/contract/walk.c conf/contract/with.c conf/contract/process.c conf/contract/sys.c -o "$scratch/unit"
ok $? "the unit tests build"
configure <<EOF
class one { users = { 'root', '@daemon', 'nobody' } }
class two { lock = true }
app '/bin/sh'      { class = one  users = { 'root', 'nobody' } }
app '/usr/bin/env' { class = two }
app '/opt/tree/'   { class = two }
EOF
mkdir "$scratch/run"
cp -p "$root/run/netshim/rules" "$scratch/run"
"$netshim" down
out=$("$scratch/unit" 2>&1)
is "$? $(grep -v '^ok\|^1\.\.' <<<"$out")" "0 " "the unit tests pass ($(grep -c '^ok' <<<"$out") of them)"

make -s -j2 "${paths[@]}" BUILD="$scratch/build" CC=gcc CFLAGS="${sanitize[*]}" "$scratch/build/netshim" >/dev/null
ok $? "the command builds with sanitizers"
for test in config command matching; do
	out=$(NETSHIM_TEST_COMMAND=$scratch/build/netshim NETSHIM_IN_WORLD='' NETSHIM_TEST_SCRATCH=inner "tests/$test.t" 2>&1)
	is "$? $(grep -e '^not ok' -e Sanitizer -e 'runtime error' <<<"$out")" "0 " "$test.t passes with sanitizers"
done

finish
