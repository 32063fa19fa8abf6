#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# make install over a netshim that is up: programs are started all the time, by sessions
# that began before, and each is in its class, whatever version replaces which, and
# wherever an installation is ended.
. "$(dirname "$0")/lib.sh"

cd "$tests/.." || exit 1
ip link set lo up
paths=(WERROR=-Werror PREFIX="$root/usr" SYSCONFDIR="$root/etc" RUNDIR="$root/run" STATEDIR="$root/var" GROUP="$NETSHIM_TEST_GROUP")
gcc -std=gnu11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -O1 tests/programs/load.c -o "$scratch/load"
ok $? "the driver builds"

mkdir "$scratch/next"
tar --exclude=./build --exclude=./.git -cf - . | tar -xf - -C "$scratch/next" && python3 tests/programs/next_version.py "$scratch/next" &&
	make -s -j2 -C "$scratch/next" build "${paths[@]}" WERROR= >/dev/null
ok $? "a next version builds"
install_this() { make -s install "${paths[@]}" BUILD="$root/build"; }
install_next() { make -s -C "$scratch/next" install "${paths[@]}" WERROR=; }
version_of() { strings "$1" | sed -n 's/^netshim \([0-9][0-9.]*\)/\1/p' | sort -u; }
this=$("$netshim" --version)
this=${this#netshim }

configure <<END
class one { action = reject }
class two { on-error = allow }
$(for program in "" -static -musl-static; do echo "app '$root/bin/probe$program' { class = one }"; done)
app '$root/bin/target-static' { class = two }
END

# --- again and again, while four users start programs

cat >"$scratch/installer" <<'END'
#!/bin/bash
number=$(($(cat "$scratch/number" 2>/dev/null) + 1))
echo $number >"$scratch/number"
# Again, an upgrade, again, and back.
case $((number % 4)) in
2 | 3) cd "$scratch/next" && build=() ;;
*) build=(WERROR=-Werror BUILD="$root/build") ;;
esac
make -s install "${paths[@]}" "${build[@]}" >"$scratch/said.$number" 2>&1 || exit
pgrep -c -P $PPID >>"$scratch/launching" # it, and those who start programs
END
sed -i "2i scratch=$scratch root=$root\npaths=(${paths[*]:1})" "$scratch/installer"
chmod 755 "$scratch/installer"
launches=20000
out=$(LD_PRELOAD=$preload "$scratch/load" 4 "$launches" 10 "$scratch/installer" "$config" -- "$group/one" -- \
	"$root"/bin/probe{-musl-static,-static,})
is "$out" "$launches launches, $launches in a class in force, 0 in another, 0 in none, 0 failed; 10 reloads, 0 failed; 0 descriptors and 0 pages more" \
	"4 users start $launches programs during 10 installations"
is "$(sort "$scratch/launching" | uniq -c | xargs)" "10 5" "all that time"
is "$(cat "$scratch"/said.* | sort | uniq -c | xargs)" "10 $helper: cap_dac_override=p" "and nothing more is said"

# --- wherever it is ended

# Each step of an installation is one of these commands: the one whose number is in the
# file "last" is never run, and ends it all.
mkdir "$scratch/steps"
for command in install mv sed chmod; do
	printf '%s\n' '#!/bin/bash' "step=\$((\$(cat $scratch/step) + 1))" "echo \$step >$scratch/step" \
		"[ \$step -ne \$(cat $scratch/last) ] || kill -9 -- -\$(cat $scratch/job)" "exec $(command -v $command) \"\$@\"" >"$scratch/steps/$command"
done
chmod 755 "$scratch"/steps/*
export -f install_this install_next
install_until() { # install_until STEP VERSION: an installation that ends before that step; 0: none
	echo 0 >"$scratch/step"
	echo "$1" >"$scratch/last"
	# shellcheck disable=SC2016 # expanded by the inner shell
	PATH=$scratch/steps:$PATH setsid bash -c "$(declare -p paths root scratch)"'; echo $$ >"$scratch/job"; install_$0' "$2" >/dev/null 2>&1
}
# A session that began before: its shell starts each program that it is told.
# shellcheck disable=SC2016 # expanded by the inner shell
coproc old_session { LD_PRELOAD=$preload "${user[@]}" bash -c 'while read -r line; do $line class 2>&1 | tail -n 1; done'; }
from_old_session() {
	echo "$1" >&"${old_session[1]}"
	read -r -t 10 -u "${old_session[0]}"
	echo "$REPLY"
}
works() { # all that may be started is in its class
	local program
	for program in "" -static; do
		from_old_session "$root/bin/probe$program"
		shim "$root/bin/probe$program" class
		as_user "$netshim" run one "$root/bin/probe$program" class
	done
	as_user LD_PRELOAD="$preload" launcher-static execv "$root/bin/probe" class
	"$netshim" status >/dev/null && echo up
}
expected=$(printf '%s\n' "$group/one" "$group/one" "$group/one/locked" "$group/one" "$group/one" "$group/one/locked" "$group/one" up)
is "$(works)" "$expected" "all is well"
paths+=(LIB32=) # which takes as long again to be tried
install_until 0 next
is "$? $("$netshim" --version) $(version_of "$helper") $(version_of "$preload")" "0 netshim 99.0.0 99.0.0 99.0.0" "an upgrade"
steps=$(cat "$scratch/step")
mixed=0 tried=0 odd=0
for version in this next; do
	for ((step = 1; step <= steps; step++)); do
		# One at even steps and one at odd ones; a few of those where texts follow.
		((step % 2 == odd && (step < 32 || step % 5 == 0))) || [ -n "${NETSHIM_ALL:-}" ] || continue
		install_until $step $version 2>/dev/null
		[ "$(version_of "$helper")" = "$(version_of "$netshim")" ] || mixed=$((mixed + 1))
		state=$(works)
		[ "$state" = "$expected" ] || is "$state" "$expected" "$version, ended before step $step of $steps"
		tried=$((tried + 1))
	done
	odd=1
done
ok $((mixed < 10)) "ended before $tried steps of $((2 * steps)), back and forth, $mixed times between helper and command: all that is started is in its class"
unset "paths[-1]"
mkdir "$root/etc/tmpfiles.d"
printf 'R! %s\n' "$root/usr/lib/netshim" "$root/usr/lib/netshim/lib" "$root/usr/lib/libnetshim.so" "$root/usr/lib/netshim-more" >"$root/etc/tmpfiles.d/netshim-left.conf"
install_this >/dev/null
is "$? $("$netshim" --version) $(version_of "$helper") $(version_of "$preload")" "0 netshim $this $this $this" "an installation after that"
is "$(cat "$root/etc/tmpfiles.d/netshim-left.conf")" "R! $root/usr/lib/netshim-more" "goes away at no boot, whoever has left what was there before"
rm -r "$root/etc/tmpfiles.d"
is "$(find "$root/usr" "$root/etc" -name '*.new*')" "" "leaves nothing of it"
is "$(works)" "$expected" "and all is well"

# --- what does not go as it should

before=$(find "$root/usr" -type f -exec cksum {} + | sort)
unchanged() { find "$root/usr" -type f -exec cksum {} + | sort | diff <(echo "$before") -; }
mkdir "$scratch/copy"
cp -a "$root/build" "$scratch/copy/build"
install_copy() { make -s install "${paths[@]}" BUILD="$scratch/copy/build" 2>&1; }
printf '#!/bin/false\n' >"$scratch/copy/build/netshim-helper"
like "$(install_copy; echo $?)" "nothing has been installed: $helper.new does not run.*2" "a helper that does not run is not installed"
is "$(unchanged)" "" "and all stays as it was"
is "$(works)" "$expected" "and works"
cp "$root/build/netshim-helper" "$scratch/copy/build"
chmod g+w "$root/usr/libexec"
like "$(install_copy; echo $?)" "others than root can change $root/usr/libexec.*2" "nor one that others could replace"
is "$(unchanged)" "" "and all stays as it was"
chmod g-w "$root/usr/libexec"
echo "class one { action = perhaps }" >"$config"
like "$(install_copy; echo $?)" "$config:1.*the new version is installed, but the old rules are in force.*2" "a configuration that is wrong by now: it says so"
is "$(works)" "$expected" "and what was in force stays"
like "$(unshare --net make -s install "${paths[@]}" BUILD="$root/build" 2>&1; echo $?)" \
	"the old rules are in force; run 'netshim reload' where 'netshim up' was run.*0" "from another network namespace, it loads nothing there"

# --- while a change waits to be confirmed

change() { # change FROM TO: and nobody confirms it
	configure <<<"class one { } class two { } app '$root/bin/probe' { class = $1 }"
	echo "class one { } class two { } app '$root/bin/probe' { class = $2 }" >"$config"
	"$netshim" reload --confirm 3600 >/dev/null 2>&1
}
waits() { "$netshim" status --json 2>/dev/null | grep -c '"confirm_within": [0-9]'; }
started() { shim "$root/bin/probe" class; }
change one two
like "$(install_next 2>&1; echo $?) $(started) $(waits)" "not confirmed: in [0-9]+ seconds.*0 $group/two 1$" "an upgrade: what waits is in force, and goes on waiting"
pkill -TERM -f "^$netshim .*--confirm"
wait_until [ ! -e "$root/run/netshim/confirm" ]
is "$(started) $(waits)" "$group/one 0" "where it is not confirmed, what was in force before is again"
change one two
install_this >/dev/null 2>&1
is "$? $("$netshim" confirm) $(started) $(waits)" "0 confirmed: what is in force stays $group/two 0" "the way back, confirmed"
"$netshim" down
is "$(install_this; echo $?) $(ls "$root/run")" "$helper: cap_dac_override=p"$'\n'"0 " "where netshim is not up, it brings nothing up"

finish
