#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Programs are classified, and their callers unharmed, also where a caller may do
# little (a vfork child) or has nothing left (descriptors).
. "$(dirname "$0")/lib.sh"

bin=$root/bin
cp "$bin/probe-static" "$scratch/plain"
cp "$bin/probe-static" "$scratch/denied"
cp "$bin/probe-static" "$scratch/allowed"
printf '#!%s class\n' "$scratch/denied" >"$scratch/script"
chmod 755 "$scratch/script"
configure <<EOF
class net     { }
class strict  { }
class lenient { on-error = allow }
app '$bin/probe-static' { class = net }
app '$scratch/denied'   { class = strict }
app '$scratch/allowed'  { class = lenient }
EOF

# --- the dynamic loader's lock

gcc -shared -fPIC -x c - -o "$scratch/endless.so" <<EOF
#include <unistd.h>
__attribute__((constructor)) static void endless(void) { write(50, "x", 1); for (;;) pause(); }
EOF
is "$(shim caller loading "$scratch/endless.so" "$bin/probe-static" class)" "$group/net" \
	"a vfork child does not wait for a thread that loads a library"
is "$(shim caller loading "$scratch/endless.so" "$scratch/plain" class)" / "nor for a program without a rule"

cat >"$scratch/spawns.c" <<'EOF'
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

static void *spawn(void *unused)
{
	posix_spawn_file_actions_t actions;
	char *argv[] = { getenv("NAME"), "class", NULL };

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 5, "/dev/null", O_WRONLY, 0);
	if (getenv("FOLDER"))
		posix_spawn_file_actions_addchdir_np(&actions, getenv("FOLDER"));
	posix_spawnp(&(pid_t){ 0 }, argv[0], &actions, NULL, argv, environ);
	wait(NULL);
	return unused;
}

__attribute__((constructor)) static void constructor(void)
{
	pthread_t thread;

	if (getenv("IN_THREAD") && !pthread_create(&thread, NULL, spawn, NULL))
		pthread_join(thread, NULL);
}

int main(void)
{
	dlopen("/missing.so", RTLD_NOW);
	spawn(NULL);
	puts(dlerror() ? "kept" : "lost");
}
EOF
gcc -D_GNU_SOURCE -fPIC -shared "$scratch/spawns.c" -o "$scratch/spawns.so"
gcc -D_GNU_SOURCE "$scratch/spawns.c" -o "$scratch/spawns"
spawns() { # spawns CLASS NAME VARIABLE...: in a constructor's thread, and beside a message
	is "$(IN_THREAD=1 shim PATH="$PATH:$scratch" "${@:3}" timeout 20 python3 -c "import ctypes; ctypes.CDLL('$scratch/spawns.so')")" "$1" \
		"$2: posix_spawnp with file actions in a thread that a library's constructor waits for"
	is "$(shim PATH="$PATH:$scratch" "${@:3}" "$scratch/spawns" | xargs)" "$1 kept" "$2: and what dlerror would say is kept"
}
spawns "$group/net" "a program with a rule" NAME=probe-static
spawns / "one without" NAME=plain

# --- memory

is "$(shim caller environment 1000 20 "$bin/probe-static" class | tail -n 1)" "grown by 0" \
	"the parent of vfork children with 1,000 variables does not grow"
is "$(shim caller environment 5000 20 "$bin/probe-static" class | tail -n 1)" "grown by 0" "5,000 variables: but once"

is "$(shim caller limited 5000 "$scratch/plain" class)" / "no right to more data: a program without a rule starts"
is "$(shim caller limited 5000 "$bin/probe-static" class)" "Cannot allocate memory" "one with a rule cannot, and its caller is told"

for count in 1500 5000; do
	is "$(shim caller changing $count $((5000 / slow)) "$bin/probe-static")" "unharmed" "$count variables, which another thread takes and gives back"
done

# --- the stack

for count in 0 100 200 500 1500 5000; do
	is "$(shim caller handler $count "$bin/probe-static" class)" "$group/net" "a signal handler's small stack, $count variables"
done
for entry in execvpe posix_spawnp; do
	for size in 70000 10000000; do
		of="$entry, a small stack and $size bytes of PATH"
		is "$(PATH=$PATH:$scratch shim caller path $size $entry plain class)" / "$of: a program without a rule"
		is "$(shim caller path $size $entry probe-static class)" "$group/net" "$of: one with a rule"
		is "$(shim caller path $size $entry missing)" "No such file or directory" "$of: an error"
	done
	is "$(shim caller path 3000 $entry probe-static class)" "$(as_user caller path 3000 $entry probe-static class)" \
		"$entry: a folder on PATH whose error ends libc's search"
done

# --- a program that starts itself by /proc/self/exe, where its rule has come meanwhile

mkdir "$scratch/tree"
mkfifo "$scratch/go"
chmod 666 "$scratch/go"
cat >"$scratch/start" <<'EOF'
read -r _ <"$1"
[ -z "$2" ] || export LD_PRELOAD="$2"
exec /proc/self/exe -c 'while read -r line; do case $line in *:net_cls*) echo "${line##*:}" ;; esac; done </proc/self/cgroup'
EOF
cat >"$scratch/spawn.py" <<'EOF'
import os, sys
open(sys.argv[1]).read()
os.posix_spawn('/proc/self/exe', ['x', '-c', "print([l.split(':')[2].strip() for l in open('/proc/self/cgroup') if 'net_cls' in l][0])"], os.environ)
os.wait()
EOF
rules=$(cat "$config")
runs() { [ "$(readlink "/proc/$1/exe")" = "$2" ]; } # runs PID FILE
starts_itself() { # starts_itself kept|deleted PROGRAM COMMAND...: starts it, then comes its rule
	local said
	cp "$(readlink -f "$(command -v "$2")")" "$scratch/tree/$2"
	"${@:3}" >"$scratch/said" 2>&1 &
	wait_until runs $! "$scratch/tree/$2"
	echo "$rules"$'\n'"app '$scratch/tree/' { class = strict }" >"$config"
	"$netshim" up --leave-running
	[ "$1" = kept ] || rm "$scratch/tree/$2"
	echo go >"$scratch/go"
	wait $!
	configure <<<"$rules"
	cat "$scratch/said"
}
for file in kept deleted; do
	is "$(starts_itself $file bash "${user[@]}" LD_PRELOAD="$preload" "$scratch/tree/bash" "$scratch/start" "$scratch/go" "")" \
		"$group/strict" "a program whose file is $file"
	is "$(starts_itself $file bash "${user[@]}" "$scratch/tree/bash" "$scratch/start" "$scratch/go" "$preload")" \
		"$group/strict" "without the library, put right at its start, $file"
	is "$(starts_itself $file python3 "${user[@]}" LD_PRELOAD="$preload" PYTHONHOME=/usr "$scratch/tree/python3" "$scratch/spawn.py" "$scratch/go")" \
		"$group/strict" "by posix_spawn, $file"
done

# --- threads

for launcher in launcher launcher-musl; do
	for count in 100 1000; do
		of="$launcher, a thread that is waited for, $count variables"
		mapfile -t many < <(seq -f 'V%.0f=x' $count)
		is "$(shim "${many[@]}" $launcher waited posix_spawn "$bin/probe-static" class | xargs)" "$group/net started, told ended" \
			"$of: by posix_spawn"
		is "$(shim "${many[@]}" $launcher waited bad-argument "$bin/probe-static" | xargs)" "Bad address, told ended" \
			"$of: by an exec that fails"
	done
done
is "$(shim caller outlived "$bin/probe-static" class)" "$group/net" "by a descriptor, when the first thread is gone"
mkdir "$scratch/other"
cp "$bin/probe-static" "$scratch/other/denied"
is "$(shim caller table "$scratch" "$scratch/other" denied class)" "$group/strict" "a thread with descriptors of its own: its folder counts"
is "$(shim caller table "$scratch/other" "$scratch" denied class)" / "and not the others'"

# --- another thread is being made, or shares what a process has one of

until_like "^$group/net\$" "what shares the working directory and ends when the helper is executed" shim caller sharing "$bin/probe-static" class

# --- descriptors

for entry in execve posix_spawn; do
	for free in 0 1 2; do
		of="$entry, all descriptors close-on-exec, $free free"
		is "$(shim caller full cloexec $free $entry "$scratch/denied" class)" "$group/strict" "$of: classified"
		is "$(shim caller full cloexec $free $entry "$scratch/script")" "$group/strict" "$of: a script by its interpreter's rule"
		is "$(shim caller full cloexec $free $entry "$scratch/plain" class)" / "$of: without a rule"
		is "$(shim caller full cloexec $free $entry "$scratch/missing")" "No such file or directory" "$of: an error"
	done
	is "$(shim caller full soft 0 $entry "$scratch/denied" class)" "$group/strict" "$entry, a full soft limit: classified"
	is "$(shim caller full soft 0 $entry "$scratch/denied" state | grep 'rlimit 7')" \
		"$(as_user caller full soft 0 $entry "$scratch/denied" state | grep 'rlimit 7')" "$entry, and it has its limit back"
	of="$entry, no descriptor for the helper"
	is "$(shim caller full kept 0 $entry "$scratch/denied" class)" "Operation not permitted" "$of: on-error = deny"
	is "$(shim caller full kept 0 $entry "$scratch/allowed" class)" / "$of: on-error = allow"
	is "$(shim caller full kept 0 $entry "$scratch/plain" class)" / "$of: without a rule"
done
# What is process 1 of a namespace ends it: nobody can fork there any more.
for program in plain:/ denied:"$group/strict"; do
	of="all descriptors in use, children that are to be in a namespace of their own, ${program%%:*}"
	# shellcheck disable=SC2016 # expanded by the inner shell
	is "$(unshare --pid "${user[@]}" LD_PRELOAD="$preload" env caller full cloexec 0 execve /bin/sh -c '"$0" class; :' "$scratch/${program%%:*}")" \
		"${program#*:}" "$of: by a shell, which starts as ever"
	is "$(unshare --pid "${user[@]}" LD_PRELOAD="$preload" env caller full cloexec 0 posix_spawn "$scratch/${program%%:*}" class)" \
		"${program#*:}" "$of: by posix_spawn"
	is "$(LD_PRELOAD=$preload env caller apart "$scratch/${program%%:*}" class)" "${program#*:}" "$of: in a thread"
done
is "$(shim caller full kept 0 closing "$scratch/denied" class)" "$group/strict" "descriptors that posix_spawn's actions close: classified"
is "$(shim caller full kept 0 closing "$scratch/allowed" class)" "$group/lenient" "where on-error = allow, too"
for limits in "0 100" "1 100" "2 2"; do
	# shellcheck disable=SC2086 # words
	{
		shim caller few $limits "$scratch/plain" nonsense
		is $? 64 "limits of $limits descriptors: a program without a rule starts"
		expected=
		[ "$limits" != "2 2" ] || expected="Operation not permitted"
		is "$(shim caller few $limits "$scratch/denied" nonsense)" "$expected" "one with a rule: ${expected:-starts}"
	}
done
"$netshim" down
is "$(shim caller full cloexec 0 execve "$scratch/denied" class)" / "netshim is not up: a program as ever"
spawns / "and in another folder" NAME=./plain FOLDER="$scratch"

finish
