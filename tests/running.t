#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# What runs when its rule comes or changes goes where a start would put it now, with its
# threads, its open sockets, and what it has started that has no rule of its own; what run,
# move, another tool or a locked class holds stays. Nothing of it makes a load fail.
. "$(dirname "$0")/lib.sh"

make_hosts 80
on_other_host nft 'table inet watch { counter got { }
	chain in { type filter hook prerouting priority -300; udp dport 9 counter name got drop; }; }'
got() { on_other_host nft list counter inet watch got | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
gcc -std=gnu11 -D_GNU_SOURCE -I. -I"$tests/.." -Wall -Wextra -Werror -O1 -pthread "$tests/programs/runner.c" -o "$scratch/runner"
gcc -std=gnu11 -D_GNU_SOURCE -I. -I"$tests/.." -Wall -Wextra -Werror -O1 -static "$tests/programs/runner.c" -o "$scratch/static"
one=$scratch/one two=$scratch/two
cp "$scratch/runner" "$one"
cp "$scratch/runner" "$two"
run=$root/run/netshim

declare -A pid fd job
runs() { # runs NAME COMMAND...: goes on; its first line is its pid
	mkfifo "$scratch/$1.in"
	: >"$scratch/$1.out"
	exec {descriptor}<>"$scratch/$1.in"
	fd[$1]=$descriptor
	"${@:2}" <"$scratch/$1.in" >"$scratch/$1.out" 2>&1 {descriptor}>&- &
	job[$1]=$!
	background+=($!)
	wait_until test -s "$scratch/$1.out"
	pid[$1]=$(head -n 1 "$scratch/$1.out")
}
has_lines() { [ "$(wc -l <"$2")" -ge "$1" ]; }
ask() { # ask NAME LINE [LINES]: what it answers
	local before
	before=$(wc -l <"$scratch/$1.out")
	echo "$2" >&"${fd[$1]}"
	wait_until has_lines "$((before + ${3:-1}))" "$scratch/$1.out"
	tail -n +$((before + 1)) "$scratch/$1.out"
}
ends() { # ends NAME...
	local name
	for name; do
		descriptor=${fd[$name]}
		exec {descriptor}>&-
		kill -KILL "${pid[$name]}" 2>/dev/null
		wait "${job[$name]}" 2>/dev/null
		wait_until [ ! -e "/proc/${pid[$name]}/exe" ]
		rm "$scratch/$name".{in,out}
	done
}
class_of() (cd /proc && sed -n "s,.*:net_cls:\($group\)\?,,p" "${@/%//cgroup}") # of each: /CLASS, /CLASS/locked or /
classes_of() { class_of "$@" | paste -sd ' '; }
load() { # load OPTION... <<<CONFIGURATION: what reload says
	cat >"$config"
	"$netshim" reload "$@" 2>&1 || echo "failed"
}

# --- netshim comes up while it runs

runs one as_user "$one" $lan_host 9
runs two as_user "$two" $lan_host 9
child=$(ask one fork)
grandchild=$(ask one grandchild)
thread=$(ask one thread)
is "$(ask one send) $(ask two send)" "sent sent" "before, both send"
has_got() { [ "$(got)" -eq "$1" ]; }
wait_until has_got 2
cat >"$config" <<<"class blocked { action = reject } app '$one' { class = blocked }"
like "$("$netshim" up; echo $?)" "^moved 4 running programs into class blocked \(one [0-9]+, one [0-9]+, one [0-9]+, \.\.\.\)
--leave-running would have left them where they were
0$" "up says how many it has moved"
is "$(classes_of "${pid[one]}" "$child" "$grandchild" "${pid[one]}/task/$thread")" "/blocked /blocked /blocked /blocked" \
	"a program that runs when its rule comes, its children and its threads"
is "$(ask one send) $(got)" "1 2" "what it has open is refused from now on, and no packet comes through"
is "$(class_of "${pid[two]}") $(ask two send)" "/ sent" "another one goes on"
is "$("$netshim" up; "$netshim" reload)" "" "what is in force is put into force again: nothing is moved, nothing is said"

# --- the rule moves to another class; the class is renamed; a lock comes and goes

like "$(load <<<"class blocked { action = reject } class open { } app '$one' { class = open }")" "moved 4 .* class open" \
	"reload says it too"
is "$(class_of "${pid[one]}") $(ask one send)" "/open sent" "a rule that leads to another class: it is there, and sends"
load <<<"class blocked { action = reject } class open { } app '$one' { class = blocked }" >/dev/null
cp "$one" "$scratch/ticking"
load <<<"class blocked { action = reject } app '$one' { class = blocked } app '$scratch/ticking' { class = blocked }" >/dev/null
cat >"$scratch/tick.py" <<EOP
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print(__import__("os").getpid(), flush=True)
while True:
    try: s.sendto(b"x", ("$lan_host", 9))
    except OSError: pass
EOP
runs python as_user "$(command -v python3)" "$scratch/tick.py"
"$netshim" move blocked "${pid[python]}"
work() { awk '{ print $14 + $15 }' "/proc/${pid[python]}/stat"; }
worked=$(work)
goes_on() { [ "$(work)" -gt $((worked + 2)) ]; }
wait_until goes_on # and what was on its way has arrived
before=$(got)
like "$(load <<<"class renamed { action = reject } app '$one' { class = renamed } app '$(readlink -f "$(command -v python3)")' { class = renamed }")" \
	"moved [0-9]+ running programs into class renamed" "a class that has another name now"
is "$(classes_of "${pid[one]}" "$child" "${pid[python]}")" "/renamed /renamed /renamed" "all that it held and that has a rule is there"
is "$(($(got) - before))" 0 "not a packet of what sends all the time has come through meanwhile"
ends python
like "$(load <<<"class renamed { action = reject lock = true } app '$one' { class = renamed }")" "moved 4 .* class renamed" "a class that locks from now on"
is "$(classes_of "${pid[one]}" "$child")" "/renamed/locked /renamed/locked" "holds what runs in it"
is "$(load <<<"class renamed { action = reject } app '$one' { class = renamed }")$(class_of "${pid[one]}")" "/renamed/locked" \
	"one that does not lock any more lets nothing go that it has locked"
is "$(load <<<"class renamed { } class open { } app '$one' { class = open }")$(class_of "${pid[one]}")" "/renamed/locked" \
	"nor has a rule that leads elsewhere any say there"
like "$(load <<<"class other { } app '$one' { class = other }")$(classes_of "${pid[one]}" "$child")" "moved 4 .*/other /other" \
	"until that class is no more: then its rule has"

# --- the rule goes

is "$(load <<<"class other { }")$(class_of "${pid[one]}")" "/other" "a rule that is gone leaves what runs where it is"
load <<<"class other { } app '$one' { class = other }" >/dev/null
like "$(load <<<"class other { } app '$one' { class = none }")$(classes_of "${pid[one]}" "$child")" "moved 4 running programs out of any class.*/ /" \
	"class = none takes it out"
load <<<"class other { } app '$one' { class = other }" >/dev/null
is "$(class_of "${pid[one]}")" /other "and a class in again"
is "$(load <<<"class third { }")$(class_of "${pid[one]}")" / "a class that is gone with its rules leaves it in none"

# --- users

load <<<"class a { users = { 'root' } } app '$one' { class = a }" >/dev/null
is "$(class_of "${pid[one]}")" / "a class that is for others does not get it"
like "$(load <<<"class a { users = { 'root', 'nobody' } } app '$one' { class = a }")" "moved 4" "one that is for its user from now on does"
is "$(load <<<"class a { users = { 'root' } } app '$one' { class = a }")$(class_of "${pid[one]}")" /a "and keeps it when it is for others again"
load <<<"class b { }" >/dev/null
load <<<"class b { } app '$one' { class = b users = { 'root', '@adm' } }" >/dev/null
is "$(class_of "${pid[one]}")" / "a rule for other users is none"
runs root "$one"
runs member setpriv --reuid 65534 --regid 65534 --groups adm env "$one"
like "$(load <<<"class b { } class c { } app '$one' { class = c users = { 'root', '@adm' } }")$(classes_of "${pid[one]}" "${pid[root]}" "${pid[member]}")" \
	"/ / /" "what is outside before stays there"
load <<<"class b { }" >/dev/null
load <<<"class b { } app '$one' { class = b users = { 'root', '@adm' } }" >/dev/null
is "$(classes_of "${pid[one]}" "${pid[root]}" "${pid[member]}")" "/ /b /b" "it is for users and groups that it names"
load <<<"class b { } app '$one' { class = b }" >/dev/null
is "$(classes_of "${pid[one]}" "${pid[root]}")" "/b /b" "and then for all"
ends root member

# --- each kind of rule

load <<<"class a { } class b { }" >/dev/null
"$netshim" move none "${pid[one]}"
mkdir "$scratch/tree" "$scratch/links"
cp "$scratch/runner" "$scratch/tree/program"
ln -s "$one" "$scratch/links/name"
printf '#!%s/static\n' "$scratch" >"$scratch/script"
chmod 755 "$scratch/script"
runs tree as_user "$scratch/tree/program"
runs link as_user "$scratch/links/name"
runs script as_user "$scratch/script"
cd "$scratch" || exit
runs relative as_user ./links/name
cd /
kinds() { classes_of "${pid[tree]}" "${pid[link]}" "${pid[relative]}" "${pid[script]}"; }
is "$(kinds)" "/ / / /" "programs by a tree, by links and a script"
load <<<"class a { } class b { } app '$scratch/tree/' { class = a }" >/dev/null
is "$(kinds)" "/a / / /" "a rule for a tree"
load <<<"class a { } class b { } app '$scratch/tree/*' { class = b }" >/dev/null
is "$(kinds)" "/b / / /" "a pattern in its place"
load <<<"class a { } class b { } app '$scratch/links/name' { class = b }" >/dev/null
is "$(kinds) $(class_of "${pid[one]}")" "/b /b /b / /" "a rule for a symlink: what was started by it, by a relative path too"
load <<<"class a { } class b { } app '$scratch/script' { class = a }" >/dev/null
is "$(kinds)" "/b /b /b /a" "a rule for a script, not for its interpreter"
load <<<"class a { } class b { } app '$scratch/static' { class = b } app '$scratch/script' { class = none }" >/dev/null
is "$(kinds)" "/b /b /b /" "class = none for a script, and a rule for its interpreter"
load <<<"class a { } class b { } app '$scratch/static' { class = b }" >/dev/null
is "$(kinds)" "/b /b /b /b" "and the interpreter's then"
ends tree link script relative
cp "$scratch/runner" "$scratch/replaced"
runs replaced as_user "$scratch/replaced"
cp "$scratch/runner" "$scratch/new"
mv "$scratch/new" "$scratch/replaced"
load <<<"class a { } app '$scratch/replaced' { class = a }" >/dev/null
is "$(class_of "${pid[replaced]}")" /a "what was replaced by an upgrade while it runs: the rule for its name"
ends replaced

gcc -x c -O1 -pthread - -o "$scratch/headless" <<'END'
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *go_on(void *text)
{
	printf("%d %s", getpid(), (char *)text);
	fflush(stdout);
	for (;;)
		pause();
}
int main(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, go_on, "goes on\n");
	pthread_exit(NULL);
}
END
runs headless as_user "$scratch/headless"
pid[headless]=${pid[headless]%% *}
has_no_head() { grep -q "^State:.Z" "/proc/${pid[headless]}/status"; }
wait_until has_no_head
load <<<"class a { } app '$scratch/headless' { class = a }" >/dev/null
is "$(sed -n 's/State:\t//p' "/proc/${pid[headless]}/status" | cut -c1) $(cat "/proc/${pid[headless]}/task/"*/cgroup | grep -c "net_cls:$group/a$")" \
	"Z 1" "one whose first thread has ended"
ends headless

# --- what stays

load <<<"class a { } class b { } class held { }" >/dev/null
runs plain as_user "$one"
runs ran as_user "$netshim" run held "$one"
runs moved as_user "$one"
"$netshim" move held "${pid[moved]}"
load <<<"class a { } class b { } class held { } app '$two' { class = a }" >/dev/null
runs parent shim "$two"
ask parent "fork-exec $one" 2 >/dev/null # it has ended
runs inherits shim "$scratch/static"
"$netshim" move held "${pid[inherits]}"
held=$(ask inherits fork)
like "$(load <<<"class a { } class b { } class held { } app '$one' { class = b }")" "moved 5 .*class b" "a rule comes"
is "$(classes_of "${pid[plain]}" "${pid[ran]}" "${pid[moved]}")" "/b /held/locked /held" "what run or move has put elsewhere stays there"
load <<<"class a { } class b { } class held { } app '$one' { class = b } app '$scratch/static' { class = a }" >/dev/null
is "$(classes_of "${pid[inherits]}" "$held")" "/held /held" "and so does what has inherited it"
like "$(load <<<"class a { } class b { } app '$one' { class = b } app '$scratch/static' { class = a }")" "moved 2 .*moved 2 " \
	"a class that is gone holds nobody"
is "$(classes_of "${pid[ran]}" "${pid[moved]}" "${pid[inherits]}" "$held")" "/b /b /a /a" "what has a rule goes where that says, its children with it"
ends plain ran moved parent inherits
load <<<"class a { } class b { }" >/dev/null
mkdir "$run/net_cls$group-others"
runs others as_user "$one"
echo "${pid[others]}" >"$run/net_cls$group-others/tasks"
load <<<"class a { } class b { } app '$one' { class = a }" >/dev/null
like "$(class_of "${pid[others]}")" "-others$" "another tool's group keeps what it has"
ends others
rmdir "$run/net_cls$group-others"
runs elsewhere setsid --fork unshare --net "$two"
load <<<"class a { } app '$two' { class = a }" >/dev/null
is "$(classes_of "${pid[elsewhere]}" "${pid[two]}")" "/ /a" "in another network namespace, where netshim is not in force, it stays"
ends elsewhere
mkdir "$scratch/patterned"
load <<<"class a { } class b { } app '$scratch/patterned/*' { class = b }" >/dev/null
cp "$scratch/runner" "$scratch/patterned/late"
runs late as_user "$scratch/patterned/late"
is "$("$netshim" reload --hook)$("$netshim" which "$scratch/patterned/late") $(class_of "${pid[late]}")" \
	"$scratch/patterned/late: class b, by rule '$scratch/patterned/late' at $config:1 /" "a hook moves nobody"
ends late
load <<<"class a { } class b { }" >/dev/null
"$netshim" move none "${pid[one]}"
is "$(load --leave-running <<<"class a { } class b { } app '$one' { class = a }")$(class_of "${pid[one]}")" / "--leave-running leaves all where they are"
"$netshim" down
is "$("$netshim" up --leave-running)$(class_of "${pid[one]}")" / "and so does that of up"

# --- what fails

load <<<"class a { } class b { }" >/dev/null
"$netshim" move b "${pid[two]}"
is "$(load <<<"class a { } app '$one' { class = a } app '$two' { klass = a }" | grep -c -e moved -e failed) $(class_of "${pid[one]}")" "1 /" \
	"a configuration with a mistake moves nobody"
to_c="class c { } app '$one' { class = c } app '$two' { class = c }"
done_without=0
start_over() {
	load <<<"class a { } class b { }" >/dev/null
	"$netshim" move none "${pid[one]}"
	"$netshim" move b "${pid[two]}"
}
fails() { # fails WHEN
	echo "$to_c" >"$config"
	strace -qq -o "$scratch/sent" -e trace=sendmsg -e inject="sendmsg:error=ENOBUFS:when=$1" "$netshim" reload >"$scratch/said" 2>&1
}
for ((n = 1; n <= 100; n++)); do
	fails $n
	now="$? $(classes_of "${pid[one]}" "${pid[two]}") $(grep -c '^moved' "$scratch/said")"
	[ "$now" != "1 / /b 0" ] || continue
	# What is asked only to be quicker is asked in another way then.
	if [ "$now" != "0 /c /c 1" ] || ! grep -q INJECTED "$scratch/sent"; then break; fi
	done_without=$((done_without + 1))
	start_over
done
is "$((n - done_without > 3)) $now" "1 0 /c /c 1" "whatever message to nftables fails ($((n - 1))), it moves nobody, or all is in force"
# The last transaction but one takes the rules of a class away in which nobody is; where it fails, that
# is tried in another way.
nth=$(batches "$scratch/sent" | tail -n 2 | head -n 1)
start_over
fails "$nth"
is "$? $(grep -c -e '^moved 5' -e ' are left' "$scratch/said")" "0 1" "one of them does not matter"
again=$(batches "$scratch/sent" | tail -n 1)
start_over
fails "$nth+$((again - nth))"
is "$? $(classes_of "${pid[one]}" "${pid[two]}")" "1 /c /c" "all is in force"
like "$(<"$scratch/said")" "moved 5 running .*in force, but packet rules of classes that are no more are left" "which is told"
"$netshim" reload
is "$(nft list table inet netshim | grep -c 'meta cgroup.*drop$')" 0 "and the next reload takes them away"
load <<<"class a { }" >/dev/null
like "$(cat >"$config" <<<"class a { } app '$one' { class = a }"
	strace -f -qq -o /dev/null -P "$run/net_cls$group/a/cgroup.procs" -e trace=write -e inject=write:error=EINVAL "$netshim" reload 2>&1; echo $?)" \
	"could not move 4 running programs into class a \(one.*restart them.*0$" "what cannot be moved is told, and no failure"

# What lies on a file system of a user's is waited for by the kernel, which nothing ends.
gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 "$tests/programs/silent.c" -o "$scratch/silent"
mkdir "$scratch/mounted" "$scratch/named"
mknod "$scratch/fuse" c 10 229
load <<<"class a { }" >/dev/null
runs silent "$scratch/silent" "$scratch/mounted" "$scratch/fuse"
runs named "$scratch/silent" "$scratch/named" "$scratch/fuse" name
runs after as_user "$two"
load --leave-running <<<"class a { } app '$two' { class = a }" >/dev/null
SECONDS=0
like "$(timeout -s KILL 30 "$netshim" status 2>&1; echo $?)" \
	"could not look at 2 running programs \(silent ${pid[silent]}, silent ${pid[named]}\): a file system does not answer; restart them if their rule has changed
.*for 2 running programs outside of it.*0$" "status names what lies on a file system that never answers, and looks at the others"
load <<<"class a { }" >/dev/null
echo "class a { } app '$two' { class = a }" >"$config"
like "$(timeout -s KILL 30 "$netshim" reload 2>&1; echo $?)" "could not look at 2 running.*0$" "so does reload"
is "$(classes_of "${pid[two]}" "${pid[after]}")" "/a /a" "which moves what comes after it"
ok $((SECONDS > 25)) "neither waits for long"
like "$(ps -o wchan:40= -C netshim)" "request_wait_answer" "(who looked at it waits there)"
is "$("$netshim" reload --hook 2>&1; echo $?) $((SECONDS > 30))" "0 0" "and nobody else waits for that"
pkill -KILL -fx "$scratch/silent .*"
umount -l "$scratch/mounted" "$scratch/named"
ends silent named after
# move: the program lies there, and what is asked is asked with its user's rights (ovl_getattr)
mkdir "$scratch/packed" "$scratch/lower" "$scratch/none" "$scratch/over"
cp "$(command -v sleep)" "$scratch/packed"
mksquashfs "$scratch/packed" "$scratch/image" -quiet -no-progress
in_background squashfuse -f -o attr_timeout=0 "$scratch/image" "$scratch/lower"
server=$!
wait_until test -x "$scratch/lower/sleep"
mount -t overlay -o "lowerdir=$scratch/lower:$scratch/none" over "$scratch/over"
load <<<"class a { lock = true }" >/dev/null
in_background "$scratch/over/sleep" 300
pid[lies]=$!
in_background sleep 300
pid[other]=$!
wait_until grep -qx sleep "/proc/${pid[lies]}/comm"
wait_until grep -qx sleep "/proc/${pid[other]}/comm"
suspend $server
timeout -s KILL 20 "$netshim" move a "${pid[lies]}" "${pid[other]}"
is "$? $(classes_of "${pid[lies]}" "${pid[other]}")" "0 /a/locked /a/locked" "move asks no such file system, and moves all"
kill -KILL "$server" "${pid[lies]}" "${pid[other]}"
wait "$server" "${pid[lies]}" "${pid[other]}" 2>/dev/null
umount -l "$scratch/over" "$scratch/lower"

# --- many, each started by the one before

gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 "$tests/programs/chain.c" -o "$scratch/chain"
cp "$(command -v bash)" "$scratch/starter"
# What they take of the processor, and not how long, which others on the machine have a say in.
work_with() { # work_with COUNT: milliseconds that a reload takes which moves so many, and then one that moves none
	local TIMEFORMAT=%U head moved stayed
	load <<<"class a { } class b { }" >/dev/null
	"$scratch/starter" -c "'$scratch/chain' $1; :" >"$scratch/last" &
	head=$!
	wait_until test -s "$scratch/last"
	echo "class a { } class b { } app '$scratch/starter' { class = a }" >"$config"
	moved=$({ time "$netshim" reload >"$scratch/said"; } 2>&1)
	stayed=$({ time "$netshim" reload; } 2>&1)
	echo "$((10#${moved/./})) $((10#${stayed/./})) $(class_of "$(<"$scratch/last")")"
	kill -KILL $head
	wait $head
	wait_until has_ended "$(<"$scratch/last")"
} 2>/dev/null
few=$((2000 / slow)) many=$((8000 / slow))
read -r few_moved few_stayed _ < <(work_with $few)
read -r many_moved many_stayed where < <(work_with $many)
like "$where $(<"$scratch/said")" "^/a moved $((many + 2)) running programs into class a" "the last of a long chain goes with the first"
echo "# with $few and with $many: $few_moved and $many_moved ms, $few_stayed and $many_stayed ms" >&2
is "$((many_moved > 8 * few_moved + 500)) $((many_stayed > 8 * few_stayed + 500))" "0 0" "four times as many take no more than some four times as long"

# --- status

load <<<"class a { } class b { } class c { lock = true }" >/dev/null
"$netshim" move none "${pid[one]}" "${pid[two]}" "$child" "$grandchild"
runs third as_user "$one"
load --leave-running <<<"class a { users = { 'nobody' } } class b { } class c { lock = true } app '$one' { class = a } app '$two' { class = c }" >/dev/null
like "$("$netshim" status 2>&1)" "class a has a rule for 5 running programs outside of it \(one [0-9]+, one [0-9]+, one [0-9]+, \.\.\.\): restart them, or run 'netshim move a PID'
netshim: class c has a rule for 1 running program outside of it \(two ${pid[two]}\): restart it" "status says who runs outside the class of its rule"
outside() { "$@" status --json 2>/dev/null | grep -o '"outside": [^,}]*' | paste -sd ' '; }
is "$(outside "$netshim")" '"outside": 5 "outside": 0 "outside": 1' "also in JSON"
is "$(outside as_user "$netshim")" '"outside": null "outside": null "outside": null' "to root"
"$netshim" move a "${pid[one]}"
"$netshim" move c "${pid[third]}" "${pid[two]}"
is "$(outside "$netshim")" '"outside": 3 "outside": 0 "outside": 0' "who is in it, or held by a lock, is none of them"
"$netshim" move b "${pid[one]}"
is "$(outside "$netshim")" '"outside": 4 "outside": 0 "outside": 0' "who is in another is one"
load --leave-running <<<"class a { users = { 'root' } } class b { } class c { lock = true } app '$one' { class = a }" >/dev/null
is "$(outside "$netshim")" '"outside": 0 "outside": 0 "outside": 0' "who would not be let in is none"
load --leave-running <<<"class a { } class b { } class c { lock = true } app '$one' { class = none }" >/dev/null
like "$("$netshim" status 2>&1)" "class none has a rule for 1 running program outside of it \(one ${pid[one]}\)" "class = none"
runs link as_user "$scratch/links/name"
load --leave-running <<<"class a { } class b { } class c { lock = true } app '$scratch/links/name' { class = b }" >/dev/null
like "$("$netshim" status 2>&1)" "class b has a rule for 1 running program outside of it \(name ${pid[link]}\)" "a rule for a symlink: a user's program that was started by it"
ends link
ends third

# --- what is not confirmed

load <<<"class a { } class b { }" >/dev/null
runs first as_user "$one"
runs second as_user "$two"
load <<<"class a { } class b { } app '$two' { class = b }" >/dev/null
state() { classes_of "${pid[first]}" "${pid[second]}"; }
is "$(state)" "/ /b" "before a change that is to be confirmed"
is "$(load --confirm 60 <<<"class a { lock = true } class b { } app '$one' { class = a } app '$two' { class = a }" | grep -c ^moved) $(state)" \
	"1 /a/locked /a/locked" "by the change, into a class that locks"
forked=$(ask first fork)
is "$(load <<<"class a { lock = true } class b { } class c { } app '$two' { class = c }" | grep -c ^moved) $(class_of "$forked")" "0 /a/locked" \
	"a further change meanwhile"
pkill -TERM -f "^$netshim .*--confirm"
wait_until [ ! -e "$run/confirm" ]
is "$(state) $(class_of "$forked")" "/ /b /" "when it is not confirmed, all go back to where they were, out of a lock too"
is "$(cd "$run" && echo *)" "config lock net_cls rules table watch" "and no note is left of it"
ends first second
cp "$(command -v bash)" "$scratch/shell"
runs shell as_user "$scratch/shell" -c "echo \$\$; $netshim run a sleep 301 </dev/null & read -r line; sleep 302 </dev/null & echo; read -r line"
runs_in_shell() { found=$(pgrep -fx "$1" -P "${pid[shell]}"); }
wait_until runs_in_shell "sleep 301"
jailed=$found
sleep 0.02 # what the kernel tells of a process's age has hundredths of a second
load --confirm 60 <<<"class a { lock = true } class b { } app '$scratch/shell' { class = a }" >/dev/null
ask shell go >/dev/null
wait_until runs_in_shell "sleep 302"
forked=$found
is "$(classes_of "${pid[shell]}" "$forked" "$jailed")" "/a/locked /a/locked /a/locked" "a class that locks, where run has locked a child before"
pkill -TERM -f "^$netshim .*--confirm"
wait_until [ ! -e "$run/confirm" ]
is "$(classes_of "${pid[shell]}" "$forked" "$jailed")" "/ / /a/locked" "what run holds does not go back with its parent, what was started since does"
kill -KILL "$jailed" "$forked"
ends shell
runs first as_user "$one"
load --confirm 60 <<<"class a { } class b { } app '$one' { class = a }" >/dev/null
"$netshim" confirm >/dev/null
is "$(class_of "${pid[first]}") $(cd "$run" && echo *)" "/a config lock net_cls rules table watch" "when it is confirmed, they stay"
ends first

# --- what is left outside, starts itself once more, and may gain no privilege

load <<<"class a { } class b { }" >/dev/null
"$netshim" down
ln -s one "$scratch/name"
cp "$scratch/runner" "$scratch/same"
printf '#!%s\n' "$one" >"$scratch/script"
chmod 755 "$scratch/script"
cat >"$config" <<<"class a { } class b { } class held { } app '$one' { class = a } app '$scratch/name' { class = a } app '$two' { class = b } app '$scratch/same' { class = a }"
rules=$(<"$config")
starts_again() { # starts_again PRELOAD HOW PATH [LINES]: from outside, and what comes of it
	echo "class a { } class b { } class held { }" | load >/dev/null
	runs again "${from[@]}" "${user[@]}" LD_PRELOAD="$1" "$one"
	[ -z "$hold" ] || "$netshim" move $hold "${pid[again]}"
	load --leave-running <<<"$rules" >/dev/null
	[ "$(ask again no-new-privs)" = 0 ] || echo "no_new_privs failed"
	ask again "$2 $3" "${4:-1}" | sed "s,$group,,"
	ends again
}
from=() hold=
"$netshim" up
for how in exec fork-exec spawn; do
	for path in /proc/self/exe "$one"; do
		# Of a child, the exit status comes after what it says.
		like "$(starts_again "$preload" $how "$path")" "^/($|"$'\n'"0$)" "$how of $path: it starts, where it is"
	done
	for path in "$scratch/name" "$scratch/same" "$two" "$scratch/script"; do
		like "$(starts_again "$preload" $how "$path")" "not started" "$how of $path: refused, as another program"
	done
done
like "$(starts_again "$preload" fork-raw-exec /proc/self/exe 2)" "^/"$'\n'"0$" "by the system call itself, of a child: it starts"
like "$(starts_again "$preload" raw-exec "$one")" "not started" "in the same process: refused, as nobody has seen what it was"
hold=held
like "$(starts_again "$preload" exec /proc/self/exe)" "^/held$" "from a class: it stays in that one"
like "$(starts_again "$preload" exec "$two")" "not started" "and another program is refused"
hold=
from=("$netshim" run held)
is "$(starts_again "$preload" exec /proc/self/exe)" /held/locked "from a locked class, as ever: it stays there"
is "$(starts_again "$preload" exec "$two")" /held/locked "and so does another program"
from=()
runs again as_user LD_PRELOAD="$preload" "$one"
is "$(ask again "exec /proc/self/exe" | sed "s,$group,,")" /a "without no_new_privs it goes where its rule says"
ends again
"$netshim" down

# --- what forks all the time

"$netshim" down
cp "$scratch/runner" "$scratch/forker"
all_are_there() { [ "$(pgrep -cfx "$scratch/forker")" -eq 601 ]; }
for ((i = 0; i < 5; i++)); do
	runs forker as_user "$scratch/forker"
	cat >"$config" <<<"class a { } app '$scratch/forker' { class = a }"
	echo "many 300" >&"${fd[forker]}"
	"$netshim" up >/dev/null
	wait_until all_are_there
	mapfile -t all < <(pgrep -fx "$scratch/forker")
	is "$(class_of "${all[@]}" | sort | uniq -c | xargs)" "601 /a" "600 processes that are forked meanwhile are all there"
	pkill -KILL -fx "$scratch/forker"
	ends forker
	"$netshim" down
done

finish
