#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Whatever the rules file, the request, the configuration or a resolver's answer hold, their readers do
# not crash, read out of bounds, leak or hang: libFuzzer tries, from the inputs in
# fuzz/. NETSHIM_FUZZ_SECONDS=1800 makes it try for half an hour each, from another
# seed every time; what it finds is left in the current folder.
. "$(dirname "$0")/lib.sh"

cd "$tests/.." || exit 1
flags=(-std=gnu11 -D_GNU_SOURCE -I. -I/usr/include/libnl3 -Wall -Wextra -Werror -O1 -g
	-fsanitize=fuzzer -fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -DNETSHIM_RUNDIR='"/mnt"' -DNETSHIM_GROUP='"netshim"')
for function in open glob globfree getpwnam getgrnam; do
	replaced+=("-Wl,--wrap=$function")
done
clang "${flags[@]}" tests/programs/fuzz-rules.c conf/contract/{rules,match,walk,with,process,sys}.c -o "$scratch/fuzz-rules" &&
	clang "${flags[@]}" -Dopendir=fuzz_opendir tests/programs/fuzz-conf.c conf/language/*.c conf/kernel/{policy*,counters,dump,marks,ways,routing*,networks,rtnetlink,namespace,sysctl,setting}.c \
		conf/contract/{rules,match,walk,with,process,sys,netns}.c "${replaced[@]}" -lconfuse -lidn2 -lnl-route-3 -lnl-3 -o "$scratch/fuzz-conf" &&
	clang "${flags[@]}" tests/programs/fuzz-queries.c conf/kernel/queries.c conf/contract/sys.c -lresolv -o "$scratch/fuzz-queries" &&
	clang "${flags[@]}" tests/programs/fuzz-answers.c conf/kernel/answers.c -lresolv -o "$scratch/fuzz-answers"
ok $? "the fuzzers build"

# In turns of a few minutes, as the command gives back no memory on purpose.
turns=1
if [ -n "${NETSHIM_FUZZ_SECONDS:-}" ]; then
	turns=$((NETSHIM_FUZZ_SECONDS / 300 + 1))
	bound=("-max_total_time=$((NETSHIM_FUZZ_SECONDS / turns + 1))")
else
	bound=(-seed=1 -runs=10000)
fi
fuzz() { # fuzz NAME LEAKS OPTION...: into its log
	local turn
	# A fixed place, which the inputs name, a fast one, and each fuzzer's own.
	local there=(unshare -m sh -c 'mount -t tmpfs none /mnt && exec "$@"' sh)
	mkdir "$scratch/$1.found" "$scratch/$1.place"
	for ((turn = 0; turn < turns; turn++)); do
		ASAN_OPTIONS=detect_leaks=$2 "${there[@]}" "$scratch/fuzz-$1" "${bound[@]}" -detect_leaks="$2" -max_len=2500 \
			-timeout=30 -rss_limit_mb=0 -close_fd_mask=2 -print_final_stats=1 "${@:3}" "$scratch/$1.found" "tests/fuzz/$1" || return
	done >"$scratch/$1.log" 2>&1
}

fuzz rules 1 &
pids=($!)
fuzz conf 0 -dict=tests/fuzz/conf.dict &
pids+=($!)
fuzz queries 1 &
pids+=($!)
fuzz answers 1 &
pids+=($!)
for name in rules conf queries answers; do
	wait "${pids[0]}"
	status=$?
	pids=("${pids[@]:1}")
	log=$(<"$scratch/$name.log")
	runs=$(awk '/^stat::number_of_executed_units:/ { n += $2 } END { print n + 0 }' <<<"$log")
	ok $status "fuzz-$name finds nothing in $runs runs"
	[ $status -eq 0 ] || tail -n 50 <<<"$log" | sed 's/^/# /' >&2
done

finish
