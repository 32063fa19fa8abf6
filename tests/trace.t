#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# netshim trace tells of each program that a command starts which rule it falls under, or
# why it is not where that says; and beneath it, all runs as without it.
. "$(dirname "$0")/lib.sh"

build() { gcc -O1 -D_GNU_SOURCE "$@" -x c - || exit 1; }
build -static -o "$scratch/static" <<'END'
#include <unistd.h>
int main(int argc, char **argv) { (void)argc; execv(argv[1], argv + 1); return 9; }
END
build -o "$scratch/raw" <<'END'
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv) { (void)argc; syscall(SYS_execve, argv[1], argv + 1, environ); return 9; }
END
build -o "$scratch/again" <<'END'
#include <unistd.h>
int main(int argc, char **argv) { (void)argc; execv(argv[0], argv + 1); return 9; }
END
build -o "$scratch/unseen" <<'END'
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) { if (!syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0)) for (;;) pause(); for (;;) pause(); }
END
build -o "$scratch/setuid" <<'END'
#include <stdio.h>
#include <unistd.h>
int main(void) { printf("%u\n", geteuid()); return 0; }
END
build -pthread -o "$scratch/threads" <<'END'
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static char **args;
static void *run(void *from) { if (from) system(args[1]); else execv(args[2], args + 2); return from; }
int main(int argc, char **argv)
{
	pthread_t id[2];
	(void)argc;
	args = argv;
	pthread_create(&id[0], NULL, run, argv);
	pthread_join(id[0], NULL);
	pthread_create(&id[1], NULL, run, NULL);
	for (;;) pause();
}
END
chmod 4755 "$scratch/setuid"
for copy in program link-target; do cp "$root/bin/probe" "$scratch/$copy"; done
for copy in program-static soft closed foreign; do cp "$root/bin/probe-static" "$scratch/$copy"; done
cp "$(command -v sleep)" "$scratch/daemon"
ln -s link-target "$scratch/link"
# shellcheck disable=SC2016 # the script's
printf '#!/bin/sh\nexec "$@"\n' >"$scratch/script"
chmod 755 "$scratch/script"
configure <<END
class c { }
class lone { lock = true }
class soft { on-error = allow }
class closed { users = { 'root' } }
app '$scratch/program'        { class = c }
app '$scratch/program-static' { class = c }
app '$scratch/script'         { class = c }
app '$scratch/link'           { class = lone }
app '$scratch/soft'           { class = soft }
app '$scratch/closed'         { class = closed }
app '$scratch/foreign'        { class = c  users = { 'root' } }
END
chmod 755 "$scratch"

# With the library in the session. What it tells is in $told, without the numbers of processes,
# blanks and the folder; what the command prints in $out.
traced() { # traced COMMAND...
	out=$(LD_PRELOAD=$preload "$netshim" trace -u nobody -o "$scratch/told" -- "$@" 2>&1)
	code=$?
	told=$(sed -E "s|$scratch/||g; s|$config|CONFIG|g; s/^ *[0-9]* +//; s/  +/ /g" "$scratch/told")
}
rule() { echo "$1: rule at CONFIG:$(grep -n "'$scratch/$1'" "$config" | cut -d : -f 1)"; }
says() { # says PROGRAM: the line about it, and what is behind that
	grep -A 1 -F " $1: " <<<"$told" | grep -E "(^| )$1: |^not " | uniq | paste -sd '|'
}

# --- which rule, and where it is

traced sh -c "$scratch/program class; $scratch/program-static class; env true"
is "$told" "PID CLASS PROGRAM
none /usr/bin/sh: no rule
none -> c $(rule program)
none -> c $(rule program-static)
none /usr/bin/env: no rule
none /usr/bin/true: no rule
netshim: 5 programs, 2 moved, 0 not where a rule says" "each program, its class before and after, and its rule"
is "$out" "$group/c"$'\n'"$group/c" "and they are there"
traced sh -c "$scratch/link class; $scratch/script true; netshim run lone true; $scratch/foreign class"
is "$(says link)" "none -> lone $(rule link)" "a symbolic link"
is "$(says script)|$(grep true <<<"$told" | head -n 1)" "none -> c $(rule script)|c /usr/bin/true: no rule" "a script, and what it starts in its class"
is "$(says foreign)" "none foreign: no rule for this user; for others, rule 'foreign' at CONFIG:$(grep -n foreign "$config" | cut -d : -f 1)" \
	"a rule that is for other users"
traced "$netshim" run lone "$scratch/program" class
is "$(says program)" "none -> lone $(rule program)|not in class c: it is locked in class lone, which nothing leaves" "held by a lock"

# --- why it is not there

traced "$scratch/static" "$scratch/program-static" class
is "$(says program-static) $out" "none $(rule program-static)|not in class c: started by static, which is static; and is static itself /" \
	"a static launcher"
traced "$scratch/raw" "$scratch/program-static" class
is "$(says program-static) $out" "none $(rule program-static)|not in class c: started by raw past libc, by a system call; and is static itself /" \
	"a raw system call"
traced env -i "$scratch/static" "$scratch/program" class
like "$(says program) $out" "none $(rule program)\|not in class c: started by static, which is static; and has no LD_PRELOAD with the library itself /$" \
	"a cleaned environment"
traced env -u LD_PRELOAD sh -c "$scratch/program class; :"
like "$(says program) $out" "started by /usr/bin/sh, which has no LD_PRELOAD with the library; and has no LD_PRELOAD with the library itself /$" \
	"the same, of its launcher"
traced setpriv --no-new-privs "$scratch/soft" class
is "$(says soft) $out" "none $(rule soft)|not in class soft: the helper could not move it, and the class says on-error = allow; it may gain no privilege (no_new_privs) /" \
	"no_new_privs, on-error = allow"
traced setpriv --no-new-privs "$scratch/program" class
is "$(says program)" "none program: a rule|not started: it may gain no privilege (no_new_privs)" "no_new_privs, not started"
like "$out" "not started \(class c\)" "and the helper says so as ever"
traced "$scratch/closed" class
is "$(says closed) $code" "none closed: a rule|not started: the helper's message says why 125" "not among the class's users"
LD_PRELOAD=$scratch/missing.so "$netshim" trace -u nobody -o "$scratch/told" sh -c "$scratch/program class; :" 2>/dev/null >"$scratch/out"
like "$(cat "$scratch/told")" "not in class c: started by /usr/bin/sh, which has no" "another library in LD_PRELOAD"
traced "$scratch/static" "$scratch/program" class
is "$(says program) $out" "none -> c $(rule program) $group/c" "what puts itself right at its start is told of once, where it is then"
traced "$scratch/threads" "$scratch/program class" "$scratch/program-static" class
is "$(says program)|$(says program-static)" "none -> c $(rule program)|none -> c $(rule program-static)" "threads that start programs, and become one"
loader=$(readelf -lW "$scratch/program" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
loader=$(readlink -f "$loader")
traced "$scratch/static" "$loader" "$scratch/program" class
is "$(says "$loader") $out" "none $loader: no rule|none -> c $loader: it loads program, which has a rule $group/c" \
	"a program that is run by hand through its loader"

# --- what it loses sight of

traced sh -c "$scratch/daemon 20 >/dev/null 2>&1 & while [ ! /proc/\$!/exe -ef $scratch/daemon ]; do :; done"
like "$told" "lost sight of 1 that still runs: daemon [0-9]+" "who goes on after the command"
daemon=$(grep -oE 'daemon [0-9]+$' <<<"$told" | cut -d ' ' -f 2)
is "$(sed -n 's/^TracerPid:\t//p' "/proc/$daemon/status")" 0 "and goes on by itself"
traced sh -c "$scratch/unseen >/dev/null 2>&1 & while ! pgrep -P \$! >/dev/null; do :; done"
like "$told" "lost sight of 2 that still run: unseen [0-9]+, unseen [0-9]+" "a child that was never seen (CLONE_UNTRACED)"
end_programs

# --- as JSON

json() { python3 -c 'import json, sys; lines = [json.loads(line) for line in open(sys.argv[1])]; print(eval(sys.argv[2]))' "$scratch/told" "$1"; }
LD_PRELOAD=$preload "$netshim" trace -u nobody --json -o "$scratch/told" sh -c "$scratch/link class; setpriv --no-new-privs $scratch/closed; :" >/dev/null 2>&1
is "$(json '[(line["program"].split("/")[-1], line["started_as"].split("/")[-1], line["class"], line["before"], line["after"], line["locked"], line["started"]) for line in lines[:-1] if "tests" in line["program"] or "scratch" in line["program"]]')" \
	"[('link-target', 'link', 'lone', None, 'lone', True, True), ('closed', 'closed', None, None, None, False, False)]" "--json: one object a program"
is "$(json 'lines[1]["rule"]["path"], lines[1]["rule"]["line"], lines[-1]')" \
	"('$scratch/link', 8, {'programs': 4, 'moved': 1, 'elsewhere': 1, 'lost': []})" "with its rule, and the sum"

# --- the command runs as without it

user=(setpriv --reuid nobody --regid nogroup --init-groups env HOME=/nonexistent SHELL=/usr/sbin/nologin USER=nobody LOGNAME=nobody)
for command in 'exit 7' 'kill -TERM $$' 'kill -SEGV $$' 'umask' 'id' 'env | grep -v ^_= | sort' 'trap' 'ls -l /proc/self/fd | sed "s/.* \([0-9]*\) ->.*/\1/"' \
	'grep -E "^(Sig[^Q]|Cap|Shd|NoNew|Seccomp)" /proc/self/status' 'ulimit -a' 'trap "echo term; exit 3" TERM; kill $$; sleep 1' \
	'sleep 9 & kill -STOP $!; while ! grep -q ^State:.[Tt] /proc/$!/status; do :; done; kill -CONT $!; kill $!; wait $!; echo $?'; do
	plain=$("${user[@]}" bash -c "$command" 2>&1; echo $?)
	is "$("$netshim" trace -u nobody -o "$scratch/told" bash -c "$command" 2>&1; echo $?)" "$plain" "the same as without it: $command"
done
(umask 027 && "$netshim" trace -u nobody -o "$scratch/told" bash -c umask) >"$scratch/out"
is "$(cat "$scratch/out")" 0027 "and the mask of file modes"
(umask 027 && "$netshim" run c bash -c umask) >"$scratch/out"
is "$(cat "$scratch/out")" 0027 "which run leaves as well"
traced "$scratch/setuid"
is "$out" 0 "a set-user-ID program gains what it gains"
is "$("$netshim" trace -o "$scratch/told" id -u)" 0 "without -u, as root"
"$netshim" trace -u nobody -o "$scratch/told" nothing-like-this 2>/dev/null
is $? 127 "a command that is not there: 127"
"$netshim" trace -u nobody -o "$scratch/told" "$config" 2>/dev/null
is $? 126 "one that cannot be executed: 126"

"$netshim" trace -u nobody -o "$scratch/told" bash -c 'trap "echo caught; exit 5" TERM; echo ready; while :; do sleep 0.05; done' >"$scratch/out" &
tracer=$!
wait_until grep -q ready "$scratch/out"
kill -TERM $tracer
wait $tracer
is "$? $(paste -sd ' ' "$scratch/out")" "5 ready caught" "who ends it ends the command"
"$netshim" trace -u nobody -o "$scratch/told" "$scratch/daemon" 30 &
tracer=$!
wait_until grep -q daemon "$scratch/told"
kill -KILL $tracer
wait $tracer 2>/dev/null
daemon=$(pgrep -xf "$scratch/daemon 30")
is "$(sed -n 's/^TracerPid:\t//p' "/proc/$daemon/status")" 0 "if it is killed, the command goes on"
end_programs

cat >"$scratch/terminal.py" <<'END'
import os, pty, sys, time
pid, fd = pty.fork()
if not pid:
    os.execv(sys.argv[1], sys.argv[1:])
said = b''
def until(text):
    global said
    while text not in said:
        said += os.read(fd, 1000)
    said = b''
until(b'ready')
os.write(fd, b'\x03')
until(b'caught 2')
os.write(fd, b'\x1a')
until(b'Stopped')
os.write(fd, b'go on\n')
until(b'awake')
os.write(fd, b'\x1c')
until(b'quit 3')
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
cat >"$scratch/asked.sh" <<'END'
trap 'echo caught 2' INT
trap 'echo awake' CONT
trap 'echo quit 3; exit 6' QUIT
echo ready
while :; do read -t 0.05 line; done
END
is "$(timeout 20 python3 "$scratch/terminal.py" /bin/bash --norc -ic "set -m; '$netshim' trace -u nobody -o '$scratch/told' bash $scratch/asked.sh; echo Stopped; read x; fg; exit \$?" </dev/null)" 6 \
	"a terminal's ^C, ^Z, fg and ^\\ are the command's"

cat >"$scratch/late.py" <<'END'
import os, pty, re, sys
pid, fd = pty.fork()
if not pid:
    os.execv(sys.argv[1], sys.argv[1:])
said = b''
for text, typed in (b'ready', b'\x1a'), (b'Stopped', b'typed\n'), (b'typed is for the shell', b''):
    while text not in said:
        said += os.read(fd, 1000)
    os.write(fd, typed)
print(*re.findall(r'cleaned|is for the shell', said.decode()))
END
cat >"$scratch/late.sh" <<'END'
trap 'sleep 0.5; read -t 0.01 line; echo "cleaned"; trap - TSTP; kill -TSTP $$' TSTP
echo ready
while :; do read -t 0.05 line; done
END
is "$(timeout 20 python3 "$scratch/late.py" /bin/bash --norc -ic "set -m; '$netshim' trace -u nobody -o '$scratch/told' bash $scratch/late.sh; echo Stopped; read x; echo \"\$x is for the shell\"; kill -KILL %1" </dev/null)" \
	"cleaned is for the shell" "it has stopped when the command has: what is typed then is for the shell"

# --- a root folder of a user's own, with anything in it

mkdir -p "$scratch/own/etc" "$scratch/own/bin"
cp "$root/bin/probe-static" "$scratch/own/bin/probe"
chown -R nobody "$scratch/own"
in_own_root() { timeout 20 "$netshim" trace -u nobody -o "$scratch/told" unshare --user --map-root-user chroot "$scratch/own" /bin/probe loaded; }
mkfifo -m 666 "$scratch/own/etc/ld.so.preload"
is "$(in_own_root; echo $?)" $'no\n1' "a pipe for a file that the loader reads: it is not waited for"
rm "$scratch/own/etc/ld.so.preload"
mkfifo -m 600 "$scratch/secret"
exec {secret}<>"$scratch/secret"
echo kept >&$secret
ln -s "$scratch/secret" "$scratch/own/etc/ld.so.preload"
in_own_root >/dev/null
read -r -t 1 -u $secret said
is "$said" kept "a link to what is root's alone: it is not read"

# --- where others decide what the name of its file leads to

into() { # into FILE: what it says and its exit code; then the heading, if that is a file
	timeout 20 "$netshim" trace -o "$1" true 2>&1
	echo "$?"
	[ ! -f "$1" ] || head -n 1 "$1" | xargs
}
echo kept >"$scratch/kept"
mkdir "$scratch/roots" "$scratch/sticky"
chmod 1777 "$scratch/sticky"
as_user ln -s "$scratch/kept" "$scratch/own/link"
as_user ln -s "$scratch/kept" "$scratch/sticky/link"
as_user ln -s "$scratch/roots" "$scratch/own/folder"
as_user mkfifo "$scratch/own/pipe" "$scratch/sticky/pipe"
for file in own/link sticky/link own/folder/new; do
	like "$(into "$scratch/$file")" "^netshim: cannot open '$scratch/$file' with the rights of who can change '$scratch/(own|sticky/link)': Permission denied.125" \
		"a user's link to what is root's is not followed: $file"
done
is "$(cat "$scratch/kept"; ls "$scratch/roots")" kept "and that stays as it was"
for file in own/pipe sticky/pipe; do
	like "$(into "$scratch/$file")" "cannot open '$scratch/$file' .*125$" "a user's pipe is not waited for: $file"
	exec {reader}<>"$scratch/$file"
	like "$(into "$scratch/$file")" "'$scratch/$file' is not a regular file.*125$" "nor one that somebody reads"
	exec {reader}>&-
done
is "$(cd "$scratch/own" && into new) $(stat -c %U "$scratch/own/new")" $'0\nPID CLASS PROGRAM nobody' "a new file in a user's folder is the user's"
is "$(into "$scratch/sticky/new") $(stat -c %U "$scratch/sticky/new")" $'0\nPID CLASS PROGRAM root' "one where all may write is root's"
like "$(into /dev/null) $(into /dev/full) $(into /dev/stderr)" "^0 .*not all could be written to /dev/full.0  *PID .*0$" "devices"
# shellcheck disable=SC2016 # that shell's
like "$(python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' sh -c 'chown nobody "$(tty)" && "$1" trace -o /dev/stderr true' sh "$netshim" </dev/null)" "^ *PID .*1 program" \
	"a terminal of a user's"

# --- what is wrong

like "$("$netshim" trace -u nothing-like-this true 2>&1; echo $?)" "there is no user 'nothing-like-this'.125$" "a user that is not there"
like "$("$netshim" trace -u nobody 2>&1; echo $?)" "which command\?.*2$" "no command"
like "$(as_user "$netshim" trace true 2>&1; echo $?)" "'trace' is for root.*1$" "not root"
"$netshim" down
like "$("$netshim" trace true 2>&1; echo $?)" "netshim is not up.*125$" "netshim is not up"

finish
