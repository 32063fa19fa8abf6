#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Under the tools that people start programs with, such as gdb, make, sudo, ssh and tmux,
# a program with a rule is in its class, or is not started, or the LIMITS in the manual
# pages name the tool.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
probe=$bin/probe
sshd=$(command -v sshd || echo "$tests/../build/unpacked/openssh-server/usr/sbin/sshd")
[ -x "$sshd" ] || cannot_run "there is no sshd (scripts/install-packages tools unpacks one)"

mkdir "$scratch/own"
chown 65534 "$scratch/own"
gcc -g -O0 -w -D_GNU_SOURCE -I"$tests/.." "$tests/programs/probe.c" -o "$scratch/strict"
cp "$scratch/strict" "$scratch/lenient"
configure <<EOF
class net     { }
class lenient { on-error = allow }
class tunnel  { }
app '$probe'           { class = net }
app '$probe-static'    { class = net }
app '$scratch/strict'  { class = net }
app '$scratch/lenient' { class = lenient }
app '/usr/bin/ssh'     { class = tunnel }
EOF

# --- debuggers and tracers of the same user

debug=(gdb -nx -batch -ex 'break main' -ex run -ex backtrace -ex continue --args)
for tool in gdb "strace -f" ltrace; do
	command=("${debug[@]}")
	# shellcheck disable=SC2206 # words
	[ "$tool" = gdb ] || command=($tool -o "$scratch/own/trace")
	rm -f "$scratch/own/trace"
	out=$(shim "${command[@]}" "$scratch/strict" class 2>&1)
	if [ "$tool" = ltrace ]; then
		like "$out" $'(^|\n)'"$group/net"$'(\n|$)' "ltrace, which lets go of the helper: in its class"
	else
		like "$out" "netshim: $scratch/strict: not started \(class net\)" "$tool: the program is not started"
		like "$(shim "${command[@]}" "$scratch/lenient" class 2>&1)" $'(^|\n)/(\n|$)' "$tool, on-error = allow: in no class"
	fi
	rm -f "$scratch/own/trace"
	out=$(shim "$netshim" run net "${command[@]}" "$scratch/strict" class 2>&1)
	like "$out" $'(^|\n)'"$group/net/locked" "netshim run CLASS $tool: in its class"
	case $tool in
	gdb) like "$out" "Breakpoint 1, main .*#0  main .*exited normally" "gdb stops at main, tells where, goes on" ;;
	strace*) like "$(cat "$scratch/own/trace")" "execve\(\"$scratch/strict\".*exited with 0" "strace traces it" ;;
	ltrace) like "$(cat "$scratch/own/trace")" "fopen.*exited \(status 0\)" "ltrace traces it" ;;
	esac
done
like "$(shim "${debug[@]}" "$scratch/lenient" class 2>&1)" "Breakpoint 1, main .*#0  main .*exited normally" \
	"gdb, on-error = allow: stops at main, tells where, goes on"
is "$(LD_PRELOAD=$preload env strace -f -o /dev/null "$scratch/strict" class)" "$group/net" "root's strace: in its class"
# shellcheck disable=SC2016 # expanded by that shell
shim sh -c 'echo $$; exec "$0" stop' "$scratch/strict" >"$scratch/pid" &
wait_until test -s "$scratch/pid"
wait_until grep -q '^State:.*stopped' "/proc/$(cat "$scratch/pid")/status"
like "$(as_user gdb -nx -batch -p "$(cat "$scratch/pid")" -ex backtrace 2>&1)" "in main " "gdb -p: a program that runs already"
kill -KILL "$(cat "$scratch/pid")"
wait 2>/dev/null

out=$(shim valgrind "$scratch/strict" class 2>&1)
like "$out" "$group/net"$'(\n|$)' "valgrind: in its class"
is "$(grep -c 'ERROR SUMMARY' <<<"$out")" 0 "but without valgrind, which it replaces"
out=$(shim "$netshim" run net valgrind --error-exitcode=9 "$scratch/strict" class 2>&1)
is "$?" 0 "netshim run CLASS valgrind: no errors"
like "$out" "$group/net/locked.*ERROR SUMMARY: 0 errors" "in its class"
within=(valgrind -q --tool=none)
is "$(shim "${within[@]}" probe class 2>/dev/null)" "$group/net" "valgrind NAME, which it finds on PATH: in its class"
cp /usr/bin/true "$scratch/own/probe"
is "$(cd "$scratch/own" && shim "${within[@]}" probe class 2>/dev/null)" "$group/net" "whatever has that name in the folder at hand"
ln -s "$scratch/strict" "$scratch/own/link"
chown -h 65534 "$scratch/own/link"
within_it() { # within_it TOOL...
	is "$(shim "$@" "$scratch/own/link" class 2>/dev/null)" "$group/net" "${1##*/}: by a link of the user's"
	is "$(shim "$@" "$scratch/strict" state x "$scratch/strict" 2>/dev/null | grep -c '^arg ')" 4 "${1##*/}: with all its arguments, its own path among them"
	is "$(shim "$@" "$probe-static" class 2>/dev/null)" / "${1##*/}: a static program, in no class"
}
within_it "${within[@]}"
for child in "$scratch/strict" "$probe-static"; do
	is "$(shim "${within[@]}" sh -c "$child class; true" 2>/dev/null)" "$group/net" "what a program within valgrind starts, ${child##*/}: in its class"
	out=$(shim "${within[@]}" --trace-children=yes sh -c "$child class; echo \$?" 2>&1)
	like "$out" "Can't execute [^ ]* executable: $helper.*not permitted"$'\n126$' "--trace-children=yes: it is not started"
done
is "$(shim "${within[@]}" --trace-children=yes sh -c "$scratch/lenient class; true" 2>/dev/null)" / "on-error = allow: in no class"
if [ "$(uname -m)" = x86_64 ]; then
	command -v qemu-x86_64 >/dev/null || cannot_run "needs qemu-user"
	out=$(shim qemu-x86_64 -strace "$scratch/strict" class 2>&1)
	like "$out" "$group/net"$'(\n|$)' "qemu-user: in its class"
	is "$(grep -c exit_group <<<"$out")" 0 "but without qemu, which it replaces, too"
	out=$(as_user "$netshim" run net qemu-x86_64 -strace "$scratch/strict" class 2>&1)
	like "$out" "$group/net/locked.*exit_group" "netshim run CLASS qemu-x86_64: in its class, and within qemu"
	within_it qemu-x86_64
	is "$(shim qemu-x86_64 /bin/sh -c "$probe-static class; true")" "$group/net" "what a program within qemu-user starts: in its class"
fi

# --- perf

page_faults() { # page_faults RUNNER... PROGRAM: how many perf sees there
	"${@:1:$#-1}" perf stat -x , -e page-faults:u "${!#}" class 2>&1 >/dev/null | cut -d , -f 1
}
record=(perf record -q -e cpu-clock:u -o "$scratch/own/samples")
cp "$scratch/strict" "$scratch/unnamed"
printf '#!/bin/sh\nsleep 0.3\nexec "%s" class\n' "$scratch/unnamed" >"$scratch/slow"
chmod 755 "$scratch/slow"
echo "app '$scratch/slow' { class = net }" >>"$config"
"$netshim" reload
if [[ $(page_faults as_user "$scratch/strict") =~ ^[1-9] ]]; then
	like "$(page_faults shim "$scratch/unnamed")" "^[1-9]" "perf stat counts in a program without a rule"
	is "$(page_faults shim "$scratch/strict")" 0 "nothing in one with a rule"
	like "$(page_faults shim "$netshim" run net "$scratch/strict")" "^[1-9]" "netshim run CLASS perf stat counts"
	is "$(shim "${record[@]}" "$scratch/slow" 2>&1)" "" "perf record ends a program with a rule"
	rm -f "$scratch/own/samples"
	is "$(shim "$netshim" run net "${record[@]}" "$scratch/slow" 2>&1)" "$group/net/locked" "netshim run CLASS perf record does not"
else
	skip "perf counts no page faults for users" "perf"
fi

# --- what starts a program in other circumstances

# Its class, or how often which.
check() { # check EXPECTED NAME COMMAND...
	is "$(shim "${@:3}" 2>/dev/null | sort | uniq -c | awk '{ print ($1 > 1 ? $1 " " $2 : $2) }')" "$1" "$2"
}
is "$(shim setarch -R "$probe" state | grep '^personality')" "$(as_user setarch -R "$probe" state | grep '^personality')" \
	"setarch -R: addresses are not random"
check "$group/net" "setarch -R" setarch -R "$probe" class
check "$group/net" timeout timeout 5 "$probe" class
(shim timeout -s KILL 0.2 "$probe-static" stop) 2>/dev/null
is $? 137 "timeout ends it"
check "$group/net" nohup nohup "$probe" class
check "$group/net" "setsid" setsid -w "$probe" class
check "$group/net" "flock" flock "$scratch/own" "$probe" class
check "$group/net" "flock -c" flock "$scratch/own" -c "$probe class"
check "50 $group/net" "xargs -P" sh -c "seq 50 | xargs -P 4 -I {} $probe class"
printf 'all: %s\n%%:\n\t@%s class\n' "$(seq -f t%g -s ' ' 49)" "$probe" >"$scratch/Makefile"
check "50 $group/net" "make -j" make -s -j 4 -C "$scratch"
check "$group/net" "make within valgrind" "${within[@]}" make -s -C "$scratch" t1
# shellcheck disable=SC2016 # expanded by that shell
check "30 $group/net" "parallel shells" sh -c 'for i in $(seq 30); do sh -c "$0 class" & done; wait' "$probe"
check "$group/net" "env -i" env -i "$probe" class
check / "what a shell beneath env -i (cron, at) starts: in no class" env -i sh -c "$probe class"
check "$group/net" "a line LD_PRELOAD= in a crontab: in its class" env -i LD_PRELOAD="$preload" sh -c "$probe class"

in_file() { # in_file EXPECTED NAME COMMAND...: which puts its class into own/class, later
	rm -f "$scratch/own/class"
	"${@:3}"
	wait_until test -s "$scratch/own/class"
	is "$(cat "$scratch/own/class")" "$1" "$2"
}
to_file="$probe class >$scratch/own/part && mv $scratch/own/part $scratch/own/class"
in_file "$group/net" "setsid -f" shim setsid -f sh -c "$to_file"
in_file "$group/net" "a daemon that forks twice" shim perl -e 'fork and exit; setpgrp; fork and exit; exec @ARGV' sh -c "$to_file"
in_file "$group/net" "start-stop-daemon" shim start-stop-daemon --start --background --pidfile "$scratch/own/pid" \
	--startas /bin/sh -- -c "$to_file"
end_tmux() { for socket in tmux tmux-without; do tmux -S "$scratch/own/$socket" kill-server; done 2>/dev/null; }
trap 'end_tmux; clean_up' EXIT
in_file "$group/net" "tmux" shim tmux -S "$scratch/own/tmux" -f /dev/null new-session -d "$to_file"
in_file / "a tmux server without the library: in no class" \
	as_user tmux -S "$scratch/own/tmux-without" -f /dev/null new-session -d "$to_file"

# --- other users: the library comes from /etc/environment, or not at all

mount -t tmpfs world /mnt
cp -a /etc/pam.d /mnt
cp /etc/passwd /etc/sudoers /mnt
mount --bind /mnt/pam.d /etc/pam.d
for file in environment passwd sudoers; do
	touch "/mnt/$file"
	mount --bind "/mnt/$file" "/etc/$file"
done
chmod 440 /mnt/sudoers
echo "LD_PRELOAD=$preload" >/mnt/environment
echo "nobody ALL=(ALL) NOPASSWD: ALL" >/mnt/sudoers

sed -i '/pam_env/d' /mnt/pam.d/sudo # which sid's has, and Debian 13's has not
check / "sudo: in no class" sudo -n "$probe" class
echo "session required pam_env.so readenv=1 user_readenv=0" >>/mnt/pam.d/sudo
check "$group/net" "sudo, with sessions that read /etc/environment: in its class" sudo -n "$probe" class
sed -i '/pam_env/d' /mnt/pam.d/sudo
check "$group/net/locked" "sudo netshim run CLASS: in it" sudo -n "$netshim" run net "$probe" class
check "$group/net/locked" "netshim run CLASS sudo: in it" "$netshim" run net sudo -n "$probe" class
echo "Defaults env_file=/etc/environment" >>/mnt/sudoers
check "$group/net" "sudo, with env_file=/etc/environment: in its class" sudo -n "$probe" class
check "2 $group/net" "what its shell starts too" sudo -n sh -c "$probe-static class; $probe class"
ip link set lo up # sudo talks to its library over it
for follow in log_subcmds intercept; do
	echo "Defaults $follow, intercept_type=trace" >>/mnt/sudoers
	like "$(as_user sudo -n sh -c "$probe class; :" 2>&1)" "argv\[0\] mismatch" "sudo with $follow by ptrace ends it"
	echo "Defaults intercept_type=dso" >>/mnt/sudoers
	like "$(as_user sudo -n sh -c "$probe class; :" 2>&1)" "^$group/net" "by its library: in its class"
	echo "Defaults !$follow" >>/mnt/sudoers
done
is "$(su nobody -s /bin/sh -c "$probe class")" "$group/net" "su"
is "$("$netshim" run lenient su nobody -s /bin/sh -c "$probe class")" "$group/lenient/locked" "netshim run CLASS su"

# --- ssh, to a server of this world's

ip link set lo up
mount -t tmpfs run /run
mkdir -m 755 /run/sshd
mkdir -m 755 "$scratch/ssh" "$scratch/ssh/home"
printf 'sshd:*:65533:65534::/run/sshd:/usr/sbin/nologin\ntester:*:65532:65534::%s:/bin/sh\n' "$scratch/ssh/home" >>/mnt/passwd
[ -e /mnt/pam.d/sshd ] || cp "${sshd%/usr/sbin/sshd}/etc/pam.d/sshd" /mnt/pam.d
ssh-keygen -q -t ed25519 -N '' -f "$scratch/ssh/host-key"
ssh-keygen -q -t ed25519 -N '' -f "$scratch/ssh/key"
chown 65534 "$scratch/ssh/key"
cat >"$scratch/ssh/server" <<EOF
Port 2222
ListenAddress 127.0.0.1
HostKey $scratch/ssh/host-key
AuthorizedKeysFile $scratch/ssh/key.pub
StrictModes no
UsePAM yes
PidFile none
EOF
cat >"$scratch/ssh/client" <<EOF
Host *
	HostName 127.0.0.1
	Port 2222
	User tester
	IdentityFile $scratch/ssh/key
	StrictHostKeyChecking no
	UserKnownHostsFile /dev/null
	LogLevel ERROR
EOF
in_background "$sshd" -D -f "$scratch/ssh/server" -E "$scratch/ssh/log"
wait_until bash -c 'true 2>/dev/null >/dev/tcp/127.0.0.1/2222'
ssh=(ssh -F "$scratch/ssh/client")
is "$(shim "${ssh[@]}" host "$probe-static class; exit 7" 2>&1; echo $?)" "$group/net"$'\n7' \
	"what an ssh session starts there is in its class, and the exit code comes back"
is "$(shim sh -c 'printf "a\0b" | "$@" | od -c' sh "${ssh[@]}" host cat | head -n 1)" "0000000   a  \\0   b" "data passes"
cat >"$scratch/ssh/proxy" <<EOF
#!/bin/sh
grep -h net_cls /proc/self/cgroup >$scratch/own/proxy
exec ssh -F $scratch/ssh/client -W "\$1:\$2" jump
EOF
chmod 755 "$scratch/ssh/proxy"
is "$(shim "${ssh[@]}" -o ProxyCommand="$scratch/ssh/proxy %h %p" host "$probe class" 2>&1)" "$group/net" "ssh with a ProxyCommand"
like "$(cat "$scratch/own/proxy")" "$group/tunnel" "which is in ssh's class"
is "$(shim git -C "$scratch" -c core.sshCommand="${ssh[*]}" ls-remote tester@host:"$scratch/ssh/none" 2>&1 | grep -c 'not appear to be a git')" 1 \
	"git over ssh gets the other side's answer"
[ $failed_count -eq 0 ] || tail "$scratch/ssh/log" >&2

umount /run
finish
