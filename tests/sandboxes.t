#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# In sandboxes and namespaces, a program is in the class that its sandbox was started in,
# or is not started, or the manual pages say what becomes of it.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
for copy in strict static lenient members rooted; do cp "$bin/probe" "$scratch/$copy"; done
cp "$bin/probe-static" "$scratch/static"
configure <<EOF
class net     { }
class lenient { on-error = allow }
app '$scratch/strict'  { class = net }
app '$scratch/static'  { class = net }
app '$scratch/lenient' { class = lenient }
app '$scratch/members' { class = net  users = { 'nobody' } }
app '$scratch/rooted'  { class = net  users = { 'root' } }
EOF
refused="^netshim: $scratch/[a-z]*: not started"
not_root="the rules file does not belong to root here"

# --- bubblewrap: a user namespace and no new privileges; more of it hidden each time

bubble=(bwrap --ro-bind / /)
for program in strict static; do
	like "$(shim "${bubble[@]}" "$scratch/$program" class 2>&1)" "$refused .class net.: $not_root" "bwrap, $program: not started"
	like "$(shim "${bubble[@]}" sh -c "$scratch/$program class; :" 2>&1)" "$refused" "nor by a program in it"
	is "$(shim "${bubble[@]}" --tmpfs "$root/run" "$scratch/$program" class 2>&1)" / "bwrap hides the rules, $program: in no class"
	like "$(shim "${bubble[@]}" --tmpfs "$root/usr/libexec" "$scratch/$program" class 2>&1)" "^bwrap: .*Operation not permitted" \
		"bwrap hides the helper, $program: not started"
	like "$(shim "${bubble[@]}" --tmpfs "$root/usr/lib" "$scratch/$program" class 2>&1)" "$refused" \
		"bwrap hides the library, $program: bwrap itself has it"
	is "$(shim "${bubble[@]}" --tmpfs "$root/usr/lib" sh -c "$scratch/$program class; :" 2>/dev/null)" / "what a program in it starts: in no class"
	for hides in run usr/lib usr/libexec usr; do
		is "$(shim "$netshim" run net "${bubble[@]}" --tmpfs "$root/$hides" sh -c "$scratch/$program class; :" 2>/dev/null)" "$group/net/locked" \
			"netshim run CLASS bwrap, which hides $hides, $program: in its class"
	done
done
is "$(shim "${bubble[@]}" "$scratch/lenient" class)" / "bwrap, on-error = allow: in the class of its starter"
is "$(shim "$netshim" run net "${bubble[@]}" sh -c "$scratch/lenient class; $bin/probe class")" "$group/net/locked"$'\n'"$group/net/locked" \
	"netshim run CLASS bwrap: all that runs in it is in the class"
like "$(shim "$netshim" run net "${bubble[@]}" --unshare-cgroup "$scratch/strict" class 2>&1)" "$refused" \
	"with a cgroup namespace: a program with a rule is not started, as it cannot tell where it is"
# shellcheck disable=SC2016 # expanded by that shell
is "$(shim "$netshim" run net "${bubble[@]}" --unshare-cgroup sh -c 'echo $$; grep -x $$ "$0"' "$root/run/netshim/net_cls$group/net/locked/tasks" |
	uniq | wc -l)" 1 "but it is in it"

# --- a seccomp filter that refuses what it takes to find a rule: what has one is not started in no class

for name in plain lenient; do cp "$bin/probe-static" "$scratch/$name-static"; done
ln -s static "$scratch/way"
ln -s plain-static "$scratch/plain-way"
ln -s lenient-static "$scratch/lenient-way"
echo "app '$scratch/lenient-static' { class = lenient }" >>"$config"
"$netshim" reload
cd "$scratch" || exit
PATH=$PATH:$scratch
# What comes of a static program that is started by its path, relative to a folder, by a
# search or by a link. It says "no" where it is started: the library is not in it.
tried() { # tried LIBRARY ERROR CALLS PREFIX [RUNNER...]
	local number way how
	# shellcheck disable=SC2086 # words
	mapfile -t number < <(call_number $3)
	for way in "$scratch/$4static" "./$4static" "$4static" "$scratch/${4}way" "spawn $scratch/$4static"; do
		how=${way%"${way##* }"}
		as_user LD_PRELOAD="$1" "${@:5}" sandbox ${how:+"${how% }"} refuse "$2" "${number[@]}" -- "${way##* }" loaded 2>&1
	done
}
by_others="open statx lseek readlink"
all="openat newfstatat pread64 read readlinkat getcwd $by_others"
for calls in openat newfstatat pread64 read readlinkat getcwd "openat open" "newfstatat statx" "pread64 lseek" "readlinkat readlink" "$all"; do
	for error in 0 1 13 24; do
		[[ $error != 0 || $calls == pread64* || $calls == read ]] || continue
		is "$(tried "$preload" $error "$calls" "" | grep -Ev 'not started|Operation not permitted')" "" \
			"error $error of $calls: no program with a rule is started"
	done
	[[ $calls == *open* || $calls == read || $calls == "$all" ]] ||
		is "$(tried "$preload" 1 "$calls" "" "$netshim" run net | uniq -c | xargs)" "5 no" "error 1 of $calls: in a locked class it stays there"
done
# Where there is another way to learn the same, all else is as ever.
replaceable=(newfstatat pread64 read "$by_others")
[ "$(uname -m)" != x86_64 ] || replaceable+=(openat readlinkat) # arm64 has none of the older calls
for calls in "${replaceable[@]}"; do
	for start in "1 plain-" "1 lenient-" "38 plain-"; do
		is "$(tried "$preload" "${start% *}" "$calls" "${start#* }" | uniq -c | xargs)" "5 no" "error ${start% *} of $calls: ${start#* }static starts as ever"
	done
done
# shellcheck disable=SC2046 # words
like "$(as_user LD_PRELOAD="$preload" sandbox refuse 1 $(call_number readlinkat readlink) -- "$scratch/way" 2>&1; echo $?)" \
	"^netshim: $scratch/way: not started: a sandbox refuses the system calls .*125$" "it says why"
mv "$root/run/netshim/rules" "$scratch/rules"
for calls in openat newfstatat "$all"; do
	is "$(tried "$preload" 1 "$calls" "" | uniq -c | xargs)" "5 no" "no rules file, $calls: as ever"
done
mv "$scratch/rules" "$root/run/netshim/rules"

# --- what systemd gives a user's service with NoNewPrivileges, and with PrivateTmp, ProtectSystem and the like

no_new_privs=(setpriv --no-new-privs)
own_mounts=(unshare --user --map-current-user --mount)
for name in no_new_privs own_mounts; do
	declare -n option=$name
	like "$(shim "${option[@]}" "$scratch/strict" class 2>&1)" "$refused .class net.: " "$name: not started"
	like "$(as_user LD_PRELOAD="$preload" "${option[@]}" launcher-static execve "$scratch/strict" class 2>&1)" "$refused" "$name: nor at its start"
	like "$(as_user "${option[@]}" "$netshim" run net "$scratch/strict" class 2>&1)" "$refused" "$name: nor by netshim run"
	is "$(shim "${option[@]}" "$scratch/lenient" class)" / "$name, on-error = allow: in the class of its starter"
	is "$(as_user "$netshim" run net "${option[@]}" "$scratch/strict" class)" "$group/net/locked" "netshim run CLASS, and then $name: in its class"
	is "$(shim "$netshim" run net "${option[@]}" "$scratch/strict" class)" "$group/net/locked" "with the library, too"
done

# --- whom a rule is for, in a user namespace: the kernel tells the ids that the process has there

is "$(shim "$scratch/members" class)" "$group/net" "a rule for this user"
is "$(shim "$scratch/rooted" class)" / "and one for another"
like "$(shim unshare --map-current-user "$scratch/members" class 2>&1)" "$refused .class net.: $not_root" "in a user namespace, as who it is: not started"
is "$(shim unshare --map-root-user "$scratch/members" class)" / "as root: a rule for this user does not count there"
like "$(shim unshare --map-root-user "$scratch/rooted" class 2>&1)" "$refused .class net.: $not_root" "as root: one for root does"
is "$(shim "$netshim" run net unshare --map-root-user "$scratch/members" class)" "$group/net/locked" "but no namespace leads out of a class"

# --- a socket that is registered with io_uring stays in the class in which it was

make_hosts 80
configure <<<"class cut { action = reject }"
on_other_host nft -f - <<<"table inet watch { counter come { }; chain in { type filter hook input priority 0; udp dport 80 counter name come; }; }"
coproc URING { exec "${user[@]}" uring $lan_host 80; }
uring=$URING_PID
send() { # what it says, and how many datagrams have come
	echo go >&"${URING[1]}"
	read -r -t 30 sent <&"${URING[0]}"
	echo "$sent; $(on_other_host nft list counter inet watch come | grep -o 'packets [0-9]*')"
}
is "$(send)" "socket: Success, registered: Success; packets 2" "in no class, both sockets send"
"$netshim" move cut "$uring"
is "$(send)" "socket: Operation not permitted, registered: Success; packets 3" "in a class: what io_uring alone has still sends as before"
eval "exec ${URING[1]}>&-"
wait "$uring"

# --- a seccomp filter that kills: which system calls a program makes with the library, and not without

page=$tests/../shim/libnetshim.7
if [ "$(uname -m)" != x86_64 ]; then # the page has those of amd64
	finish
	exit
fi
ln -s "$scratch/plain" "$scratch/link"
cp "$bin/probe-musl" "$scratch/musl"
cp "$bin/probe" "$scratch/plain"
cd "$scratch" || exit
PATH=$PATH:$scratch

rule() { configure <<<"class net { on-error = allow } app '$1' { class = net ${2:-} }"; }
kernel=() # of which it is made to be
calls_of() { # calls_of LIBRARY COMMAND...
	local trace
	trace=$(mktemp "$scratch/trace.XXXXXX")
	chmod 666 "$trace"
	# As with a filter: a user's takes no_new_privs.
	"${kernel[@]}" "${user[@]}" setpriv --no-new-privs strace -f -qq -o "$trace" -E LD_PRELOAD="$1" "${@:2}" >/dev/null
	sed -n 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' "$trace" | sort -u
}
allowed() { # allowed CALLS COMMAND...: how it ends where there are no others
	local number
	# shellcheck disable=SC2086 # words
	mapfile -t number < <(call_number $1)
	"${kernel[@]}" "${user[@]}" LD_PRELOAD="$preload" sandbox-static allow "${number[@]}" -- "${@:2}" >/dev/null 2>&1
	echo $?
}
more() { # more ROW CALLS COMMAND...: what the page has in that row and CALLS; no fewer will do
	local told alone call
	alone=$(calls_of "$empty" "${@:3}")
	told=$(sed -n "/^\.It Sy System calls/,/^\.It Sy The first/s/^\.It \(of glibc\|$1\) Ta //p" "$page" | sed 's/none//')
	told=$(tr ' ' '\n' <<<"$told $2" | grep . | sort -u | comm -23 - <(echo "$alone"))
	is "$(comm -13 <(echo "$alone") <(calls_of "$preload" "${@:3}"))" "$told" "$1: more system calls with the library"
	is "$(allowed "$alone $told" "${@:3}")" 0 "$1: where no others are allowed it runs"
	for call in $told; do
		# shellcheck disable=SC2086 # words
		is "$(allowed "$alone $(printf '%s\n' $told | grep -vx "$call")" "${@:3}")" 159 "$1: without $call it is killed"
	done
}
env=$(command -v env)
rule /opt/none
more "of glibc" "" "$scratch/plain" class
more "of musl" "" "$scratch/musl" class
more "behind a symbolic link" "" "$scratch/link" class
more "without a rule" "" "$env" "$scratch/plain" class
more "of musl, without a rule" "" "$bin/launcher-musl" execve "$scratch/musl" class
more "that is searched for" "" "$env" plain class
more "by its descriptor" "" "$bin/launcher" fexecve "$scratch/plain" class
rule /opt/tree/
more "of a relative path" "" ./plain class
rule "$scratch/plain" "users = { 'daemon', '@daemon' }"
more "of a rule for some users" "" "$scratch/plain" class
configure <<<"class net { } app '$scratch/plain' { class = none }"
more "in its class already" "" "$scratch/plain" class
rule "$scratch/plain"
more "in another class" "sendto socket" "$scratch/plain" class
with=$(calls_of "$preload" "$scratch/plain" class)
strace -u nobody -f -qq -o "$scratch/trace" -E LD_PRELOAD="$preload" "$scratch/plain" class >/dev/null
is "$(sed -n 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' "$scratch/trace" | sort -u | comm -13 <(echo "$with") - | xargs)" "capset fstatfs" "where it may enter the class"
like "$(tr '\n' ' ' <"$page")" "enters the class: capset, fstatfs, write" "(the page says so)"
! since 6.8 ||
	more "with a rule" "sendto socket" "$env" "$scratch/plain" class
rule "$scratch/plain" "with = 'other'"
more "for other arguments" "" "$env" "$scratch/plain" class
rule "$scratch/plain" "with = 'class'"
! since 6.8 ||
	more "with a rule for arguments" "sendto socket" "$env" "$scratch/plain" class
rule "$scratch/plain"
kernel=(older-kernel 6.7)
more "before Linux 6.8" "sendto socket" "$env" "$scratch/plain" class
kernel=()
for ((i = 0; i < 5000; i++)); do echo "app '/opt/many/$i' { class = net }"; done | cat <(echo "class net { }") - | configure
# By chance of the key, a name may be among those that are read with the header.
for _ in 1 2 3 4 5; do
	calls_of "$preload" "$scratch/musl" class | grep -qx pread64 && break
	"$netshim" reload
done
more "of musl, thousands of rules" "" "$scratch/musl" class
rule "$scratch/musl"
more "of musl, in another class" "sendto socket" "$scratch/musl" class

finish
