#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Every way to start a program, in every context, with every kind of target:
# neither the caller nor the target can tell whether the library is there, for
# programs that no rule names, that one names, and that are in their class already.
# MATRIX_TARGETS takes only these targets, MATRIX_EVERY=N each Nth cell, MATRIX_SHOW=N shows
# N cells that differ.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
every=${MATRIX_EVERY:-$((slow | 1))} # odd, so as to meet each call in turn
gcc -shared -fPIC -D_GNU_SOURCE -O1 "$tests/programs/spoil.c" -o "$scratch/spoil.so"

named=(dynamic static musl musl-static script setuid setuid-static setcap applet not-executable unreadable
	dangling missing loop no-interpreter no-loader empty no-shebang truncated busy)

make_folder() { # make_folder FOLDER [-32]
	mkdir -p "$1/folder"
	cp "$bin/matrix${2-}" "$1/matrix"
	cp "$bin/target${2-}" "$1/dynamic"
	cp "$bin/target-static${2-}" "$1/static"
	cp "$bin/target-musl" "$1/musl"
	cp "$bin/target-musl-static" "$1/musl-static"
	printf '#!%s an argument\n' "$bin/target" >"$1/script"
	printf '#!%s an argument\n' "$1/dynamic" >"$1/script-by-interpreter"
	printf '#!/usr/bin/env dynamic\n' >"$1/env-script"
	printf '#!/no/such/interpreter\n' >"$1/no-interpreter"
	printf 'exit 7\n' >"$1/no-shebang"
	sed 's|/ld-linux|/no-linux|' "$1/dynamic" >"$1/no-loader"
	head -c 40 "$1/static" >"$1/truncated"
	: >"$1/empty"
	chmod 755 "$1"/*
	for kind in setuid-static not-executable unreadable busy; do cp "$1/static" "$1/$kind"; done
	cp "$1/dynamic" "$1/setuid"
	cp "$1/dynamic" "$1/setcap"
	chmod 4755 "$1/setuid" "$1/setuid-static"
	setcap cap_net_raw+ep "$1/setcap"
	chmod 644 "$1/not-executable"
	chmod 711 "$1/unreadable"
	chown 65534 "$1/busy" # before Linux 6.8 only its owner is told
	ln -s dynamic "$1/symlink"
	ln -s "$bin/target-static" "$1/applet"
	ln -s . "$1/folder-symlink"
	ln -s nowhere "$1/dangling"
	ln -s loop "$1/loop"
	in_background sleep $((3600 * slow)) 9>>"$1/busy"
}

# With the empty library the environment has as many variables. Those in the background would
# have another standard input than the others, where this test has something else, and (bash 5.3)
# leave two signals alone.
run_matrix() { # run_matrix OUTPUT DRIVER FOLDER PRELOAD [TARGET...]
	${as:-as_user} LD_PRELOAD="$4" env --default-signal=INT,QUIT "$2" "$3" "$every" "${@:5}" </dev/null >"$1" 2>"$1.err"
}

# The class is not for programs to notice. A program with a rule that is started by
# a descriptor's name has its file's name as its own (netshim-helper(8) has it).
comparable() {
	sed -e 's/ class=[^ |]*//g' -e '/ruled/{ / \(cloexec-\|in-\)\?\(descriptor\|dev-fd\): /s/ \(execfn\|comm\)=[^ ]*//g }' "$1"
}

same() { # same WITHOUT WITH NAME
	local differences
	differences=$(diff <(comparable "$1") <(comparable "$2") | grep '^[<>]')
	is "$(grep -c '^>' <<<"$differences") of $(wc -l <"$2") cells differ" "0 of $(wc -l <"$1") cells differ" "$3"
	[ -z "$differences" ] || head -n "${MATRIX_SHOW:-6}" <<<"$differences" | cut -c 1-1500 >&2
}

read -r -a targets <<<"${MATRIX_TARGETS:-}"
make_folder "$scratch/plain"
make_folder "$scratch/ruled"
run_matrix "$scratch/plain.without" "$scratch/plain/matrix" "$scratch/plain" "$empty" "${targets[@]}" &
run_matrix "$scratch/ruled.without" "$scratch/plain/matrix" "$scratch/ruled" "$empty" "${targets[@]}"
wait $!
{
	echo "class net { }"
	echo "class other { }"
	for name in "${named[@]}"; do echo "app '$scratch/ruled/$name' { class = net }"; done
	echo "app '$scratch/ruled/matrix' { class = net }"
} | configure
run_matrix "$scratch/plain.with" "$scratch/plain/matrix" "$scratch/plain" "$preload" "${targets[@]}" &
runs=($!)
run_matrix "$scratch/ruled.with" "$scratch/plain/matrix" "$scratch/ruled" "$preload" "${targets[@]}" &
runs+=($!)
run_matrix "$scratch/already.with" "$scratch/ruled/matrix" "$scratch/ruled" "$preload" "${targets[@]}"
wait "${runs[@]}"

ok "$(($(wc -l <"$scratch/plain.without") < 3300 / every))" "there are cells enough ($(wc -l <"$scratch/plain.without"))"
same "$scratch/plain.without" "$scratch/plain.with" "not configured"
same "$scratch/ruled.without" "$scratch/ruled.with" "configured"
same "$scratch/ruled.without" "$scratch/already.with" "configured and already in its class"

is "$(grep -o ' class=[^ |]*' "$scratch/plain.with" | sort -u)" " class=/" "not configured: in no class"
# A static program that is started by a raw system call is out of sight, a memfd has
# no path, and a rule on a symlink is not for what is behind it.
dynamic='dynamic|musl|symlink|script|script-by-interpreter|env-script'
seen() {
	grep ' class=' "$1" | grep -v '^\([a-z-]* syscall\|[^:]* memfd:\|.*\(fexecve\|-empty\) applet:\)'
	grep -E "^[a-z-]* syscall ($dynamic):.* class=" "$1"
}
is "$(seen "$scratch/ruled.with" | grep -v " class=$group/net" | cut -d : -f 1)" "" "configured: all that start are in their class"
is "$(grep ' class=' "$scratch/already.with" | grep -v " class=$group/net" | cut -d : -f 1)" "" "already in its class: they stay"

# --- for processes that may gain nothing, or have something to lose

no_new_privs() { setpriv --no-new-privs "${user[@]}" "$@"; }
ambient() { setpriv --inh-caps +net_raw --reuid 65534 --regid 65534 --clear-groups --ambient-caps +net_raw env "$@"; }
# Those with a rule cannot be moved: on-error decides. (netshim-helper(8) has what is
# left in a set-capability program's environment.)
sed -i 's/^class net { }/class net { on-error = allow }/' "$config"
"$netshim" reload
for as in no_new_privs ambient; do
	for folder in plain ruled; do
		some=(dynamic static script missing)
		[ $folder = ruled ] || some+=(setcap)
		for way in empty:without preload:with; do
			[ $way = empty:without ] && library=$empty || library=$preload
			run_matrix "$scratch/$as.$folder.${way#*:}" "$scratch/plain/matrix" "$scratch/$folder" "$library" "${some[@]}"
		done
	done
	same "$scratch/$as.plain.without" "$scratch/$as.plain.with" "not configured, $as"
	same "$scratch/$as.ruled.without" "$scratch/$as.ruled.with" "configured, on-error = allow, $as"
	is "$(grep -o ' class=[^ |]*' "$scratch/$as.ruled.with" | sort -u)" " class=/" "in no class"
done
like "$(cat "$scratch/no_new_privs.plain.with")" " nnp=1 " "they had no_new_privs"
like "$(cat "$scratch/ambient.plain.with")" " ambient=2000 " "they had an ambient capability"
as=as_user

# --- from 32-bit programs, and of some, where the kernel has any

if has_32bit "what 32-bit programs start"; then
	lib=$root/usr/lib/netshim/\$LIB/libnetshim.so
	empties=([32]=$bin/empty-32.so [64]=$empty)
	find "$root/usr/lib/netshim" -mindepth 2 -name libnetshim.so -printf '%P\n' | while read -r library; do
		mkdir -p "$scratch/empty/${library%/*}"
		kind=$(readelf -h "$root/usr/lib/netshim/$library" | sed -n 's/.*Class: *ELF//p')
		cp "${empties[$kind]}" "$scratch/empty/$library"
	done
	make_folder "$scratch/plain-32" -32
	make_folder "$scratch/ruled-32" -32
	run_matrix "$scratch/plain-32.without" "$scratch/plain-32/matrix" "$scratch/plain-32" "$scratch/empty/\$LIB/libnetshim.so"
	run_matrix "$scratch/ruled-32.without" "$scratch/plain-32/matrix" "$scratch/ruled-32" "$scratch/empty/\$LIB/libnetshim.so"
	sed -i "s|$scratch/ruled/|$scratch/ruled-32/|" "$config"
	"$netshim" reload
	run_matrix "$scratch/plain-32.with" "$scratch/plain-32/matrix" "$scratch/plain-32" "$lib"
	run_matrix "$scratch/ruled-32.with" "$scratch/plain-32/matrix" "$scratch/ruled-32" "$lib"
	same "$scratch/plain-32.without" "$scratch/plain-32.with" "32-bit, not configured"
	same "$scratch/ruled-32.without" "$scratch/ruled-32.with" "32-bit, configured"
	is "$(seen "$scratch/ruled-32.with" | grep -v " class=$group/net" | cut -d : -f 1)" "" "32-bit, configured: all are in their class"
fi

# --- and this is no test that cannot fail

every=1
run_matrix "$scratch/static.without" "$scratch/plain/matrix" "$scratch/plain" "$empty" static
run_matrix "$scratch/missing.without" "$scratch/plain/matrix" "$scratch/plain" "$empty" missing
for what in argv environment fds cloexec cwd umask mask disposition deathsig personality nice limits nnp memory children errno; do
	[ $what = errno ] && target=missing || target=static
	SPOIL=$what run_matrix "$scratch/spoilt" "$scratch/plain/matrix" "$scratch/plain" "$scratch/spoil.so" "$target"
	! cmp -s <(comparable "$scratch/spoilt") <(comparable "$scratch/$target.without")
	ok $? \
		"a library that spoils this is noticed: $what"
done

finish
