#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Library, helper, command and rules file of this version, of the last release and of a
# next version work together in every combination, and so in whatever order one replaces
# another. What one of them does not understand is named, and treated as on-error says.
. "$(dirname "$0")/lib.sh"

cd "$tests/.." || exit 1
run=$root/run/netshim
paths=(PREFIX="$root/usr" SYSCONFDIR="$root/etc" RUNDIR="$root/run" STATEDIR="$root/var" GROUP="$NETSHIM_TEST_GROUP")

# --- the versions: a folder each, with what make builds

next_version() { # next_version NAME [strange]
	mkdir "$scratch/$1"
	tar --exclude=./build --exclude=./.git -cf - . | tar -xf - -C "$scratch/$1" &&
		python3 tests/programs/next_version.py "$scratch/$1" "${@:2}"
}
build() { # build NAME
	make -s -j2 -C "$scratch/$1" build "${paths[@]}" >/dev/null && chmod 755 "$scratch/$1"
	ok $? "$1 builds"
}
mkdir "$scratch/this"
ln -s "$root/build" "$scratch/this/build"
next_version next && build next
next_version strange strange && build strange
versions=(this next)
released=
if [ ! -e .git ]; then
	skip "needs the repository" "the last release"
elif ! released=$(scripts/last-release 2>&1); then
	ok 1 "the last release: $released"
elif [ -z "$released" ]; then
	echo "# there is no release yet"
else
	mkdir "$scratch/released"
	git archive "${released#* }" | tar -xf - -C "$scratch/released" && build released
	versions+=(released)
fi

# --- what there is to start

cat >"$scratch/script" <<'END'
#!/bin/sh
while read -r line; do
	case $line in *:net_cls*) echo "${line##*:}" ;; esac
done </proc/self/cgroup
END
put() { # put KIND NAME: a program of that kind
	case $1 in
	script) cp "$scratch/script" "$scratch/$2" ;;
	*) cp "$root/bin/probe$1" "$scratch/$2" ;;
	esac
	chmod 755 "$scratch/$2"
}
programs=()
{
	cat <<'END'
class plain { }
class soft { on-error = allow }
class jail { lock = true }
class new-class { }
class soft-new-class { on-error = allow }
END
	for class in plain soft jail none new-class soft-new-class new-rule soft-new-rule none-new-rule; do
		for kind in "" -static -musl script; do
			case $kind:$class in
			-musl:plain | -musl:new-rule | script:plain | script:new-rule | :* | -static:*) ;;
			*) continue ;;
			esac
			program=$class-program${kind#-}
			put "$kind" "$program"
			programs+=("$program")
			of=${class%new-rule} of=${of%-}
			echo "app '$scratch/$program' { class = ${of:-plain} }"
		done
	done
	mkdir "$scratch/tree"
	put "" tree/inside
	programs+=(tree/inside)
	echo "app '$scratch/tree/' { class = plain }"
	put "" ruleless
	put -static ruleless-static
	programs+=(ruleless ruleless-static)
} >"$config"

declare -A expected
for program in "${programs[@]}"; do
	case $program in
	ruleless* | none*) expected[$program]=/ ;;
	soft-new-class*) expected[$program]=$group/soft-new-class ;;
	soft*) expected[$program]=$group/soft ;;
	jail*) expected[$program]=$group/jail/locked ;;
	new-class*) expected[$program]=$group/new-class ;;
	*) expected[$program]=$group/plain ;;
	esac
done
# What is expected of a helper that does not know the flags in the rules of the next
# version: so much of its message as there is.
by_rules_of_next() { # by_rules_of_next PROGRAM
	case $1 in
	soft-new-*) echo / ;;
	*new-*) echo "the rules file was made by a newer netshim; run 'netshim reload' as root" ;;
	*) echo "${expected[$1]}" ;;
	esac
}

# --- who is in place

library() { echo "$scratch/$1/build/libnetshim.so"; }
put_helper() { # put_helper VERSION
	install -m 755 "$scratch/$1/build/netshim-helper" "$helper.new" && "$netshim" grant "$helper.new" >/dev/null
}
put_rules() { # put_rules VERSION
	cp -p "$scratch/rules.$1" "$run/rules.new" && mv "$run/rules.new" "$run/rules"
}
make_rules() { # make_rules VERSION: as its command writes them
	"$scratch/$1/build/netshim" up && cp -p "$run/rules" "$scratch/rules.$1"
	ok $? "up, by the command of $1"
}
last_line() { # last_line COMMAND...: of all that it says, with a message's reason alone
	"$@" 2>&1 | sed -n '$s/.*: not started[^:]*: //; $p'
}
# Starts each program from a session whose library is one, while the other is in place.
starts() { # starts SESSION PLACE
	local program
	for program in "${programs[@]}"; do
		echo "$program $(last_line as_user LD_PRELOAD="$(library "$1")" env LD_PRELOAD="$(library "$2")" "$scratch/$program" class)"
		[[ $program =~ static|script|ruleless ]] ||
			echo "at start: $program $(last_line as_user LD_PRELOAD="$(library "$2")" "$root/bin/launcher-static" execv "$scratch/$program" class)"
	done
}
# The same from a 32-bit program, which qemu runs where the kernel does not.
runner32=()
"$root/bin/probe-32" loaded >/dev/null 2>&1 || runner32=("$emulator32" -E)
starts32() { # starts32 SESSION
	local program
	for program in "${programs[@]}"; do
		[[ $program =~ static|musl|script ]] || echo "$program $(last_line "${user[@]}" "${runner32[@]}" \
			LD_PRELOAD="$scratch/$1/build/libnetshim32.so" "$root/bin/launcher-32" execve "$scratch/$program" class)"
	done
}
expect() { # expect COMMAND...: that says what to expect of a program
	local program said
	for program in "${programs[@]}"; do
		said=$("$@" "$program")
		echo "$program $said"
		[[ $program =~ static|script|ruleless ]] || echo "at start: $program $said"
	done
}
in_class() { echo "${expected[$1]}"; }
expect in_class >"$scratch/all"
expect by_rules_of_next >"$scratch/no-flags"

for version in "${versions[@]}"; do make_rules "$version"; done

# --- every combination of two versions

header_version() { od -An -t u4 -j 8 -N 4 "$run/rules" | tr -d ' '; }
command_works() { # command_works VERSION RULES HELPER
	local command=$scratch/$1/build/netshim program=$scratch/plain-program out
	out=$("$command" status --json | grep -o '"name": "[^"]*"' | xargs)
	is "$out" "name: plain name: soft name: jail name: new-class name: soft-new-class" "  status of $1"
	is "$(as_user "$command" which "$program")" "$program: class plain, by rule '$program' at $config:6" "  which of $1"
	is "$(last_line as_user "$command" run soft "$program" class)" "$group/soft/locked" "  run of $1"
}
combinations() { # combinations VERSION VERSION
	local rules helper_of session place file left_open
	for rules in "$@"; do
		put_rules "$rules"
		for helper_of in "$@"; do
			put_helper "$helper_of"
			file=all
			[ "$rules" != next ] || [ "$helper_of" = next ] || file=no-flags
			for session in "$@"; do
				# A library that understands the rule asks nobody about what is to be in no
				# class, and is in none.
				left_open='^$'
				[[ $file$session != no-flags*next ]] || left_open=none-new-rule
				[ ! -e "$root/bin/probe-32" ] ||
					is "$(starts32 "$session" | grep -v "$left_open" | diff <(grep -v "^at\|static\|musl\|script\|$left_open" "$scratch/$file") -)" "" \
						"rules of $rules, helper of $helper_of, 32-bit library of $session"
				for place in "$@"; do
					left_open='^$'
					[[ $file$session$place != no-flags*next* ]] || left_open=none-new-rule
					is "$(starts "$session" "$place" | grep -v "$left_open" | diff <(grep -v "$left_open" "$scratch/$file") -)" "" \
						"rules of $rules, helper of $helper_of, library of $session in the session, of $place in its place"
				done
			done
			for place in "$@"; do command_works "$place" "$rules" "$helper_of"; done
		done
	done
}
[ -e "$root/bin/probe-32" ] || skip "the compiler builds no 32-bit programs (Debian: gcc-multilib, gcc-arm-linux-gnueabihf)" "32-bit programs"
combinations this next
[ ${#versions[@]} -eq 2 ] || combinations this released

# --- rules by argument, which the last release does not know

put "" with-program
put -static with-program-static
{
	cat "$config"
	for kind in "" -static; do
		echo "app '$scratch/with-program$kind' { with = { 'class', '*.exe' } class = plain }"
		echo "app '$scratch/with-program$kind' { with = 'soft' class = soft }"
	done
} >"$scratch/with.conf"
"$netshim" -c "$scratch/with.conf" up
ok $? "up, with rules by argument"
cp -p "$run/rules" "$scratch/rules.with"
put_rules with
newer="the rules file was made by a newer netshim; run 'netshim reload' as root"
with_starts() { # with_starts SESSION PLACE WORD...
	local kind
	for kind in "" -static; do
		last_line as_user LD_PRELOAD="$(library "$1")" env LD_PRELOAD="$(library "$2")" "$scratch/with-program$kind" "${@:3}"
	done
	last_line as_user LD_PRELOAD="$(library "$2")" "$root/bin/launcher-static" execv "$scratch/with-program" "${@:3}"
}
for helper_of in "${versions[@]}"; do
	put_helper "$helper_of"
	for session in "${versions[@]}"; do
		for place in "${versions[@]}"; do
			# What knows them asks nobody about a dynamic program that looks itself.
			wants=$(printf '%s\n' "$group/plain" "$group/plain" "$group/plain")
			[ "$helper_of" != released ] || wants=$(printf '%s\n' "$newer" "$newer" "$newer")
			is "$(with_starts "$session" "$place" class)" "$wants" \
				"rules by argument, helper of $helper_of, library of $session in the session, of $place in its place"
		done
	done
	wants=$(printf '%s\n' yes no yes)
	[ "$helper_of" != released ] || wants=$(printf '%s\n' yes "$newer" yes)
	is "$(with_starts this this loaded)" "$wants" "what they are not for starts, with a helper of $helper_of, unless that has to tell"
done
"$netshim" -c "$config" up

# --- the commands, one after another

for from in "${versions[@]}"; do
	for to in "${versions[@]}"; do
		[ "$from" != "$to" ] || continue
		"$scratch/$from/build/netshim" -c "$config" up
		made=$(header_version)
		put_rules "$from"
		is "$made" "$(header_version)" "(the rules are those of $from)"
		"$scratch/$to/build/netshim" reload
		is "$? $(header_version)" "0 $(od -An -t u4 -j 8 -N 4 "$scratch/rules.$to" | tr -d ' ')" "reload, from $from to $to"
		"$scratch/$from/build/netshim" reload
		"$scratch/$to/build/netshim" down
		status=$?
		wait_until is_unwatched # who watches removes what an older version does not know
		is "$status $(ls "$root/run")" "0 " "down of $to, of what $from has put into force"
	done
done

# --- what only the next version understands

"$netshim" up
put_helper this
put_rules next
for kind in new-rule new-class; do
	program=$scratch/$kind-program
	like "$("$netshim" which "$program")" "$program: but a newer netshim has made this rule.*'netshim reload'" "which says so: $kind"
done
like "$("$netshim" run new-class true 2>&1; echo $?)" "not started .class new-class.: the rules file was made by a newer netshim.*125" "run too"
state() { as_user LD_PRELOAD="$(library this)" env "$scratch/$1" state; }
is "$(state soft-new-rule-program | grep -c -e NETSHIM_DECIDED -e NETSHIM_REQUEST)" 0 "on-error = allow: no mark is left in the environment"
is "$(last_line as_user "$netshim" run jail env LD_PRELOAD="$(library this)" env "$scratch/plain-program" class)" "$group/jail/locked" \
	"a locked class stays one"
put_helper next
# The library of this version asks, and the helper has decided: so it is not asked again.
count_helpers() { # count_helpers PROGRAM
	strace -f -u nobody -qq -o "$scratch/trace" -e trace=execve env LD_PRELOAD="$(library this)" env "$scratch/$1" class >/dev/null
	grep -c "execve(\"$helper\"" "$scratch/trace"
}
is "$(count_helpers new-rule-program) $(count_helpers plain-program)" "1 1" "a library that does not understand a rule asks once"
is "$(state new-rule-program | grep -c -e NETSHIM_DECIDED -e NETSHIM_REQUEST)" 0 "and no mark is left"

# --- what cannot be read at all

# By chance of the key, a name may seem to be one of those with a rule: then it is loaded again.
tell_apart() { # tell_apart LIBRARY COMMAND...: that loads the rules
	local program said
	for _ in 1 2 3 4 5; do
		"${@:2}" || return
		said=$(for program in ruleless ruleless-static; do
			last_line as_user LD_PRELOAD="$(library "$1")" env LD_PRELOAD="$(library "$1")" "$scratch/$program" class
		done | xargs)
		[ "$said" != "/ /" ] || return 0
	done
}
put_helper this
cp "$config" "$scratch/other.conf"
tell_apart this "$scratch/strange/build/netshim" -c "$scratch/other.conf" up
newer() { # newer PROGRAM
	case $1 in
	ruleless*) echo / ;;
	*) by_rules_of_next new-rule ;;
	esac
}
older() { newer "$1" | sed 's/a newer/an older/'; }
expect newer >"$scratch/newer"
expect older >"$scratch/older"
is "$(starts this this | diff "$scratch/newer" -)" "" "rules of a strange version: what has one is refused by name, and all else as ever"
like "$("$netshim" status 2>&1; echo $?)" "$run/rules was made by a newer netshim; run 'netshim reload' as root.*1" "status says so"
like "$("$netshim" run plain true 2>&1; echo $?)" "made by a newer netshim.*125" "run too"
put_helper strange
is "$(starts this this | diff "$scratch/all" -)" "" "a helper that can read them puts all into their classes, whatever the library is"
rm "$config"
tell_apart strange "$netshim" reload
is "$? $(header_version)" "0 $(od -An -t u4 -j 8 -N 4 "$scratch/rules.this" | tr -d ' ')" "reload reads the configuration that is in force"
is "$(starts strange strange | diff "$scratch/older" -)" "" "the other way round, too"
put_helper this
is "$(starts strange strange | diff "$scratch/all" -)" "" "and there"
like "$("$scratch/strange/build/netshim" status 2>&1)" "was made by an older netshim" "status says so"

finish
