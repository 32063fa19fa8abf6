#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# on-error = allow is a promise: whatever keeps a program from its class, it starts as it
# does without netshim.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
folder=$scratch/folder
mkdir -p "$folder/links"
cp "$bin/probe-static" "$folder/static"
cp "$bin/probe" "$folder/dynamic"
cp "$bin/probe-musl" "$folder/musl"
printf '#!%s class\n' "$folder/static" >"$folder/script"
chmod 755 "$folder/script"
chown 65534 "$folder/links"
ln -s ../dynamic "$folder/links/link"
configure <<EOF
class lenient { on-error = allow }
class strict { }
app '$folder/' { class = lenient }
app '$folder/denied' { class = strict }
EOF

# --- sandboxes, which refuse one system call or another

calls=(capset capget execveat faccessat faccessat2 readlinkat getcwd prctl personality prlimit64 socket sendto getppid gettid
	getpid fcntl geteuid getegid getgroups fstatfs statx rt_sigprocmask clone getrandom)
[ "$(uname -m)" != x86_64 ] || calls+=(readlink) # arm64 has none of the older calls
mapfile -t number < <(call_number "${calls[@]}")
is "${#number[@]}" "${#calls[@]}" "(the calls have numbers)"
say() { # say LIBRARY SANDBOX...: what comes of each program
	local library=$1
	shift
	for program in static dynamic musl script links/link; do
		as_user LD_PRELOAD="$library" "$@" "$folder/$program" class 2>&1 || echo "exit $?"
	done
}
for ((i = 0; i < ${#calls[@]}; i++)); do
	plain=$(say "$empty" sandbox refuse 1 "${number[i]}" --)
	is "$(say "$preload" sandbox refuse 1 "${number[i]}" --)" "$plain" "a sandbox refuses ${calls[i]}"
	is "$(say "$preload" sandbox refuse 1 "${number[i]}" -- env)" "$plain" "and its caller has the library"
done
execveat=$(call_number execveat)
for error in 0 2 12 13 14 22 24 38; do # a sandbox may have any
	plain=$(say "$empty" sandbox refuse $error "$execveat" --)
	is "$(say "$preload" sandbox refuse $error "$execveat" -- env)" "$plain" "a sandbox answers execveat with error $error"
	is "$(say "$preload" sandbox refuse $error "$execveat" --)" "$plain" "and its caller has the library"
done
plain=$(say "$empty" sandbox refuse 1 "${number[@]}" --)
like "$plain" "^/"$'\n' "programs start where all of them are refused"
is "$(say "$preload" sandbox refuse 1 "${number[@]}" -- env)" "$plain" "with the library, too"
like "$(as_user LD_PRELOAD="$preload" sandbox refuse 1 "${number[0]}" -- env "$folder/denied" 2>&1)" "No such file" "(there is no such program)"
cp "$folder/static" "$folder/denied"
like "$(as_user LD_PRELOAD="$preload" sandbox refuse 1 "${number[0]}" -- env "$folder/denied" class 2>&1)" "not started .class strict.: the helper may not enter it" \
	"on-error = deny stays what it is, and says why"

# --- where that leaves a program: with who has started it

cp "$bin/launcher" "$scratch/starter"
cp "$folder/static" "$scratch/exempt"
{
	cat "$config"
	echo "app '$scratch/starter' { class = strict }"
	echo "app '$scratch/exempt' { class = none }"
} >"$scratch/more"
configure <"$scratch/more"
is "$(as_user LD_PRELOAD="$preload" "$scratch/starter" execve "$(command -v setpriv)" --no-new-privs "$folder/static" class)" "$group/strict" \
	"on-error = allow: in the class of its starter"
like "$(as_user LD_PRELOAD="$preload" "$scratch/starter" execve "$(command -v setpriv)" --no-new-privs "$scratch/exempt" class 2>&1)" \
	"not started: the helper may not enter it" "class = none has no such option: not started, where it cannot be taken out of a class"
is "$(as_user LD_PRELOAD="$preload" setpriv --no-new-privs "$scratch/exempt" class)" / "but where it is in none already"

# --- whoever has the library in whichever way is asked once, and not again and again

gcc -shared -fPIC -D_GNU_SOURCE -o "$scratch/front.so" -xc - <<'EOF'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
__attribute__((constructor)) static void front(void)
{
	static char *variables[1000] = { "FRONT=1" };
	for (size_t i = 0; i < 998 && environ[i]; i++)
		variables[i + 1] = environ[i];
	environ = variables;
}
EOF
gcc -D_GNU_SOURCE -I. "$tests/programs/probe.c" -o "$folder/needs" -Wl,--no-as-needed "$preload" -Wl,-rpath,"${preload%/*}"
cp "$preload" "$scratch/copy.so"
no_new_privs=(setpriv --no-new-privs "${user[@]}")
for how in "front.so first:LD_PRELOAD=$preload $scratch/front.so:dynamic" "front.so last:LD_PRELOAD=$scratch/front.so $preload:dynamic" \
	"two copies:LD_PRELOAD=$preload $scratch/copy.so:dynamic" "two copies, of musl:LD_PRELOAD=$preload $scratch/copy.so:musl" \
	"two copies and front.so:LD_PRELOAD=$preload $scratch/front.so $scratch/copy.so:dynamic" "by DT_NEEDED:A=b:needs"; do
	IFS=: read -r name variable program <<<"$how"
	for launcher in env launcher-static; do
		start=(env)
		[ $launcher = env ] || start=(launcher-static execve)
		out=$(timeout 10 "${no_new_privs[@]}" "$variable" "${start[@]}" "$folder/$program" state 2>&1)
		is "$? $(grep -c -e "^execfn" <<<"$out") $(grep -c NETSHIM_DECIDED <<<"$out")" "0 1 0" "$name, from $launcher: started once, without a mark"
	done
done

finish
