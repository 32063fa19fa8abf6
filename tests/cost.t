#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The library adds no more system calls, instructions and memory to programs that no
# rule names than are counted here, and library and helper no more system calls to those
# that one names, on any kernel, nor a class to a reload: whoever adds one has to change a
# number. (The time that they take is 'make bench'.)
. "$(dirname "$0")/lib.sh"

command -v strace >/dev/null || cannot_run "needs strace"
command -v valgrind >/dev/null || cannot_run "needs valgrind"
configure <<EOF
class net { action = accept }
app '/opt/probe' { class = net }
EOF

tracing=()
# arm64's loader cuts off what is not between boundaries of 64 KiB, by chance, and maps code
# again that says where branches may go (PROT_BTI).
by_chance=''
[ "$(uname -m)" != aarch64 ] || by_chance='/munmap(/d; /PROT_EXEC|\(0x10\|PROT_BTI\)/d;'
# The calls beyond those with an empty preload; each run of them is a line.
calls_of() { # calls_of PRELOAD COMMAND...
	strace "${tracing[@]}" -o "$scratch/trace" -E LD_PRELOAD="$1" "${@:2}" >/dev/null
	sed "$by_chance s/^[0-9]* *//; s/(.*//" "$scratch/trace"
}
added_calls() { # added_calls COMMAND...
	calls_of "$empty" "$@" >"$scratch/without"
	calls_of "$preload" "$@" >"$scratch/with"
	diff "$scratch/without" "$scratch/with" | awk '
		/^[0-9]/ && NR > 1 { print "" }
		/^[<>]/ { printf "%s%s ", $1 == "<" ? "-" : "", $2 }
		END { print "" }' | sed 's/ $//'
}
# By chance of the key, 4 times in 100, and more with many rules, a name may seem to be
# a rule's and is looked at a little longer: then other keys are tried.
adds() { # adds EXPECTED NAME COMMAND...
	local added
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		added=$(added_calls "${@:3}")
		[ "$added" != "$1" ] || break
		"$netshim" reload
	done
	is "$added" "$1" "$2"
}

# The rules file, and whether the path is a symlink: its last name is no rule's.
start="openat read newfstatat close"
# Is it a file, or a link? The rules file; and is it a script?
exec="newfstatat openat read openat read close close"
# Is the pointer good?
search="newfstatat"
adds "$start" "system calls when a program starts" /usr/bin/true
adds "$start
$search $exec
$start" "system calls when one starts another" /usr/bin/env /usr/bin/true
# A sandbox's list may lack them: which those are that nothing else at hand makes.
mount -t tmpfs world /mnt
cp "$root/bin/probe-musl" /mnt
cd /usr/bin || exit
adds "$start" "system calls when one starts by a relative path" ./true
cd /
PATH=/nowhere:/usr/bin adds "$start
$search newfstatat newfstatat faccessat2 $exec
$start" "system calls when one starts another that it looks for" /usr/bin/env true
adds "$start" "system calls when a program of musl starts" /mnt/probe-musl nothing
mv "$root/run/netshim/rules" "$scratch/rules"
is "$(added_calls /usr/bin/true)" "openat" "system calls when a program starts, while netshim is down"
mv "$scratch/rules" "$root/run/netshim/rules"

# The library's instructions. Where they have become less, the numbers are to be lowered.
instructions() { # instructions COMMAND...
	LD_PRELOAD=$preload valgrind --tool=callgrind --callgrind-out-file="$scratch/calls" "$@" >/dev/null 2>&1
	# As the file has them (Callgrind Format Specification): callgrind_annotate counts a part
	# only, and another one when lines of the source move.
	awk '/^c?ob=/ { split($0, object, /[()]/) }
		/^c?ob=.*libnetshim\.so$/ { library = object[2] }
		/^ob=/ { inside = object[2] == library }
		/^calls=/ { getline; next } # what the call took, which is counted where it was spent
		inside && /^[0-9+*-]/ { n += $2 } END { print n + 0 }' "$scratch/calls"
}
# The least with three keys: by chance of one, a name may share a bit with the rule's, and
# is looked at a little longer.
least() { # least COMMAND...: one that prints a number
	for _ in 1 2 3; do
		"$netshim" reload && "$@"
	done | sort -n | head -n 1
}
counts() { # counts GOT EXPECTED NAME
	if [ "$(gcc -dumpversion) $(uname -m)" = "12 x86_64" ]; then
		is "$1" "$2" "$3"
	else
		ok "$(($1 > $2 * 4 / 3 || $1 < $2 / 2))" "$3: $1, as another compiler has it"
	fi
}
counts "$(least instructions /usr/bin/true)" 5788 "instructions when a program starts"
all_instructions() { # all_instructions PRELOAD
	LD_PRELOAD=$1 valgrind --tool=callgrind --callgrind-out-file=/dev/null /usr/bin/true 2>&1 | sed -n 's/,//g; s/.*refs: *//p'
}
added=$(($(least all_instructions "$preload") - $(all_instructions "$empty")))
ok $((added > 9500)) "instructions when a program starts, the loader's for the library among them: $added, beyond an empty preload's"
# One that does not start, as callgrind would start anew with it, by a path that is
# always as long.
printf 'no program\n' >/mnt/no-program
chmod 755 /mnt/no-program
counts "$(($(least instructions launcher errno execve /mnt/no-program) - $(least instructions launcher)))" 1730 \
	"instructions when one starts another"

# A child of a fork has not touched the pages of its parent's libraries.
for ((i = 0; i < 60; i++)); do
	gcc -shared -nostdlib -Wl,-soname,"libmany$i.so" -x c /dev/null -o "$scratch/libmany$i.so"
done
gcc -D_GNU_SOURCE -x c - -x none -Wl,--no-as-needed "$scratch"/libmany*.so -Wl,-rpath,"$scratch" -o "$scratch/many" <<'EOF'
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage before, after;

	if (!fork()) {
		getrusage(RUSAGE_SELF, &before);
		execve("/nowhere", argv, environ);
		getrusage(RUSAGE_SELF, &after);
		printf("%ld\n", after.ru_minflt - before.ru_minflt);
		return 0;
	}
	wait(NULL);
}
EOF
added=$(($(LD_PRELOAD=$preload "$scratch/many") - $(LD_PRELOAD=$empty "$scratch/many")))
ok $((added > 10)) "page faults when a child of a program with 60 libraries starts another: $added"

# With a rule: who starts it, the helper, and the program. Are flags looked at, and would the
# kernel execute the file? That takes two calls more where it has no AT_EXECVE_CHECK, and where it
# looks at the arguments before the file, what can be told without its own answer.
ask="execveat execveat"
since 6.14 || ask="$ask execveat execveat"
since 6.8 || ask="$ask faccessat2 openat fcntl fcntl close"
membership="gettid getpid openat read close"
rule="newfstatat pread64 pread64 pread64 close" # the folder; the slots, the path, the class
capability="capset capget openat capset capget" # raised around the opening of the tasks file
state="capget prctl personality prlimit64"	# what executing the helper would change
cp /usr/bin/true /mnt/named
{
	echo 'class net { action = accept }'
	echo "app '/mnt/named' { class = net }"
} | configure
tracing=(-f -u nobody)
adds "$start
$search newfstatat openat read $rule $membership prctl $ask rt_sigprocmask openat read close newfstatat faccessat2 $state \
execve $membership openat read newfstatat $rule readlinkat capget $capability fstatfs write close newfstatat
openat read $rule $membership" "system calls when one starts another that has a rule" /usr/bin/env /mnt/named
tracing=()

# By a symlink, whose that is and where it leads to; only with a tree, the path's parts.
ln -s /usr/bin/true "$scratch/link"
adds "openat read newfstatat newfstatat readlinkat newfstatat close" "system calls when one starts by a symlink" "$scratch/link"
configure <<EOF
class net { action = accept }
app '/opt/probe/' { class = net }
EOF
adds "openat read newfstatat newfstatat newfstatat close" "system calls when a program starts, with a rule for a tree" /usr/bin/true

# The number of rules changes little of this: not all names are read with the header.
{
	echo 'class net { action = accept }'
	for ((i = 0; i < 20000; i++)); do echo "app '/opt/many/program-$i' { class = net }"; done
} | configure
adds "${start/read/read pread64}" "system calls when a program starts, with 20,000 rules" /usr/bin/true

# The least of a few, as the stack may start anywhere in a page.
memory() { # memory PRELOAD: of a process of its own, in KiB
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		LD_PRELOAD=$1 awk '/^Anonymous/ { print $2 }' /proc/self/smaps_rollup
	done | sort -n | head -n 1
}
added=$(($(memory "$preload") - $(memory "")))
page=$(($(getconf PAGESIZE) / 1024))
echo "# $added KiB, pages of $page KiB"
ok "$((added > 3 * page || added <= 0))" "at most three pages of memory of its own in each process"

# --- a reload

# It sends no route that is there: one of IPv6 the kernel would replace, tell everybody of it, and
# forget the path MTUs that it has learned for it.
make_settled_interface
ip addr add fd77::1/64 dev here nodad
configure <<EOF
class way   { table = 1000  interface = 'here'  gateway = { '192.168.77.2', 'fd77::2' }  dns = { '192.168.77.5' }
	local = { 'lan', '10.1.0.0/16', 'fd01::/16' } }
class link  { table = 1001  interface = 'here' }
class gone  { interface = 'gone' }
class proxy { proxy = { '127.0.0.1:9', '[::1]:9' }  proxy-udp = { '127.0.0.1:9', '[::1]:9' }  dns = { '127.0.0.1:53', '[::1]:53' } }
EOF
routes_sent() { # routes_sent [OPTION...]: of strace's
	strace -v -e trace=sendmsg "$@" "$netshim" reload 2>&1 | grep -c RTM_NEWROUTE
}
routes() { ip route show table all proto 78 | sort; }
changed() { diff "$scratch/routes" <(routes); }
routes >"$scratch/routes"
end_watching # who follows interfaces would put them back, too
is "$(routes_sent) $(changed)" "0 " "routes that a reload sends where all are there"
end_watching
ip route del default table 1000 metric 100
ip -6 route del default table 1000 metric 4294967295
ip route del throw 10.1.0.0/16 table 1000 metric 40
is "$(routes_sent) $(changed)" "3 " "and where some are not"
end_watching
ip -6 route replace default via fd77::3 dev here table 1000 metric 100 proto 78
ip -6 route replace default via fd77::3 dev here table 1001 metric 100 proto 78
ip route replace default dev here scope link table 1000 metric 100 proto 78
is "$(routes_sent) $(changed)" "3 " "and where others are"
end_watching
late_failure=(-e trace="sendmsg,$(calls rename)" -e inject="$(calls rename):error=ENOSPC")
is "$(routes_sent "${late_failure[@]}") $(changed)" "0 " "routes that one sends that fails, and goes back, where all are there"
end_watching
sed -i 's/192.168.77.2/192.168.77.3/; s/fd77::2/fd77::3/' "$config"
is "$(routes_sent "${late_failure[@]}") $(changed)" "4 " "and where it has replaced two: these, and those that were there"

calls_of_reload() { # without those for memory, and for descriptors
	strace -o "$scratch/trace" -e trace='/^(socket|sendmsg|ioctl|openat|newfstatat|readlink|pread64|mkdir.*|getdents64)$' \
		"$netshim" reload
	awk '/^[a-z]/ && !/AT_EMPTY_PATH/ { sub(/\(.*/, ""); sub(/^mkdirat/, "mkdir"); n[$0]++ } END { for (call in n) print call, n[call] }' "$scratch/trace" | sort
}
for_each() { # for_each HOW-MANY-MORE
	join - "$scratch/few" | awk -v more="$1" '{ n = int(($2 - $3) / more + 0.5) } n { printf "%d %s ", n, $1 }'
}

# What more there is for each class: the classid of its groups, where its routing rules are (of
# all others the kernel knows best whether they are there), whether others may write to its groups.
calls_with_classes() { # calls_with_classes CLASSES
	local i
	for ((i = 0; i < $1; i++)); do
		echo "class c$i { interface = 'here'  dns = { '192.168.77.5' }  mark = $((5000 + i))  rate = '10 mbit'  action = reject  allow = { 'tcp/443' } }"
	done | configure
	calls_of_reload
}
calls_with_classes 10 >"$scratch/few"
is "$(calls_with_classes 30 | for_each 20)" \
	"2 getdents64 2 ioctl 2 mkdir 6 newfstatat 3 openat 2 pread64 2 sendmsg 2 socket " "system calls of a reload for each class"

# For each rule: whether it names a folder; and it is read back, by its name, slot, path and class. The
# folders of the rules are looked at once.
calls_with_rules() { # calls_with_rules RULES
	local i
	{
		echo 'class net { action = accept }'
		for ((i = 0; i < $1; i++)); do echo "app '/opt/many/folder-$((i % 10))/program-$i' { class = net }"; done
	} | configure
	calls_of_reload
}
calls_with_rules 100 >"$scratch/few"
is "$(calls_with_rules 300 | for_each 200)" "1 newfstatat 4 pread64 " "system calls of a reload for each rule"

# For each argument that a program has a rule for: it is read back, by the program's slot and path, its
# own record, its text, the path as it is written and the class, and by none of the others. (Of so few
# rules, the names are read with the header.)
with_values() { # with_values PROGRAM VALUES
	echo "app '/opt/many-$1' { class = net  with = {"
	seq -s ', ' -f 'value-%.0f' "$2"
	echo "} }"
}
calls_with_values() { # calls_with_values VALUES: of each of eight programs
	local i
	{
		echo 'class net { action = accept }'
		for ((i = 0; i < 8; i++)); do with_values "$i" "$1"; done
	} | configure
	calls_of_reload
}
calls_with_values 5 >"$scratch/few"
is "$(calls_with_values 15 | for_each 80)" "6 pread64 " "and for each rule by argument"

# What is written in one list, and what is wrong with it.
for_each_value() { # for_each_value SED-SCRIPT: in thousands; the last process is the command itself
	local n
	for n in 1000 4000; do
		{ echo 'class net { }' && with_values 0 $n; } | sed "$1" >"$scratch/values.conf"
		valgrind --tool=callgrind --callgrind-out-file=/dev/null "$netshim" check "$scratch/values.conf" 2>&1 |
			sed -n 's/,//g; s/.*refs: *//p' | sort -n | tail -n 1
	done | awk '{ more = $1 - before; before = $1 } END { printf "%.0f", more / 3000 / 1000 }'
}
each=$(for_each_value '')
ok $((each < 3 || each >= 12)) "instructions of a check for each value of a list: $each thousand"
each=$(for_each_value "s/app .*/class other { deny = {/; s,value-,tcp/x,")
ok $((each < 7 || each >= 20)) "and for each that is wrong: $each thousand"

finish
