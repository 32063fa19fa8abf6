# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers
# shellcheck shell=bash

# What the tests share: TAP, a world of two hosts, the unprivileged user.
# The script that sources this goes on in a network and mount namespace of its
# own; all that it sets up there ends with it.

set -u
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${NETSHIM_TEST_ROOT:?run the tests with 'make check' or tests/run}
if [ -z "${NETSHIM_IN_WORLD:-}" ]; then
	export NETSHIM_IN_WORLD=1
	exec unshare --net --mount --propagation private bash "$0" "$@"
fi

export PATH=$root/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
group=/$NETSHIM_TEST_GROUP
netshim=${NETSHIM_TEST_COMMAND:-$root/usr/bin/netshim}
helper=$root/usr/libexec/netshim-helper
preload=$root/usr/lib/libnetshim.so
empty=$root/bin/empty.so # a preload that does nothing
config=$root/etc/netshim.conf
scratch=$root/${NETSHIM_TEST_SCRATCH:-scratch}
emulator32=qemu-i386
[ "$(uname -m)" != aarch64 ] || emulator32=qemu-arm
lan_host=192.168.77.2
far_host=203.0.113.7
slow=${NETSHIM_SLOW:-1}
own=netshim-test-$(stat -Lc %i /proc/self/ns/pid)-$$ # begins what is the whole machine's: tests/run takes away what is left of it
export lan_host far_host
export SYSTEMD_BUS_TIMEOUT=$((25 * slow)) # seconds that systemctl waits for an answer; 25 where nobody says

# What others have of net_cls, a netshim in use too, they keep: it goes from this
# namespace only. netshim would use their mount, not make its own.
findmnt -rno TARGET -t cgroup -O net_cls | xargs -r umount

# Debian 13's ping has no capability, and a new namespace lets no group ping without.
[ -n "$(getcap "$(command -v ping)")" ] || echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range
# It reads the kernel's ICMP or the error of its own system call, whichever comes first.
ping_is_refused="Operation not permitted|Packet filtered|prohibited"

# --- TAP

test_count=0
failed_count=0

ok() { # ok STATUS NAME
	test_count=$((test_count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $test_count - $2"
	else
		failed_count=$((failed_count + 1))
		echo "not ok $test_count - $2"
	fi
}

is() { # is GOT EXPECTED NAME
	if [ "$1" = "$2" ]; then
		ok 0 "$3"
	else
		ok 1 "$3"
		printf '#      got: %s\n# expected: %s\n' "${1//$'\n'/$'\n'#           }" "${2//$'\n'/$'\n'#           }" >&2
	fi
}

like() { # like GOT PATTERN NAME
	if [[ $1 =~ $2 ]]; then
		ok 0 "$3"
	else
		ok 1 "$3"
		printf '#      got: %s\n# expected: %s\n' "${1//$'\n'/$'\n'#           }" "$2" >&2
	fi
}

cannot_run() { # cannot_run REASON: the whole script
	if [ -n "${CI:-}${NETSHIM_NO_SKIP:-}" ]; then
		echo "1..1"
		echo "not ok 1 - cannot run here: $1"
		exit 1
	fi
	echo "1..0 # SKIP $1"
	exit 0
}

until_like() { # until_like PATTERN NAME COMMAND...: what it says by then, ten seconds from now at the latest, or later on a slow machine
	local said tries
	for ((tries = 0; tries < 500 * slow; tries++)); do
		said=$("${@:3}" 2>&1)
		[[ ! $said =~ $1 ]] || break
		sleep 0.02
	done
	like "$said" "$1" "$2"
}

skip() { # skip REASON NAME: one test
	if [ -n "${CI:-}${NETSHIM_NO_SKIP:-}" ]; then
		ok 1 "$2 (cannot run here: $1)"
	else
		test_count=$((test_count + 1))
		echo "ok $test_count - $2 # SKIP $1"
	fi
}

finish() {
	echo "1..$test_count"
	[ $failed_count -eq 0 ]
}

# --- the world

background=()
in_background() { # in_background COMMAND...: ended with the test
	"$@" &
	background+=($!)
}

# What is left of programs that the test has put there, whoever has started them.
end_programs() {
	local process
	for process in /proc/[0-9]*; do
		case $(readlink "$process/exe") in "$scratch"/*) kill -KILL "${process#/proc/}" ;; esac
	done
}

# The number of one that has ended is another's by and by.
descends() { # descends PROCESS: from this test
	local process=$1
	while [ "${process:-0}" -gt 1 ] && [ "$process" -ne $$ ]; do
		process=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$process/status")
	done
	[ "${process:-0}" -eq $$ ]
}

clean_up() {
	local process
	"$netshim" down >/dev/null 2>&1
	for process in "${background[@]}"; do ! descends "$process" || kill "$process"; done 2>/dev/null
	end_programs 2>/dev/null
	rm -rf --one-file-system "$scratch"
}
trap clean_up EXIT
trap 'exit 1' INT TERM
rm -rf --one-file-system "$scratch"
mkdir -m 755 "$scratch"

wait_until() { # wait_until COMMAND...: for at most ten seconds, or longer on a slow machine
	local tries
	for ((tries = 0; tries < 500 * slow; tries++)); do
		"$@" && return
		sleep 0.02
	done
	echo "Bail out! waited in vain at ${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}, after test $test_count, for: $*"
	exit 1
}

batches() { grep sendmsg "$1" | grep -n BATCH | sed 's/:.*//'; } # batches TRACE: which calls of sendmsg are nftables transactions

reload_killed() { # as it waits to take the second table away (handover.c)
	strace -qq -o /dev/null -e trace=membarrier -e inject=membarrier:signal=KILL:when=2 "$netshim" reload
} 2>/dev/null

on_other_host() { nsenter --net="/proc/$other_host/ns/net" "$@"; }

serve() { # serve [RUNNER...] -- PORT...: answers there when this returns
	local ready
	local runner=()
	while [ "$1" != -- ]; do
		runner+=("$1")
		shift
	done
	ready=$(mktemp "$scratch/ready.XXXXXX")
	in_background "${runner[@]}" "$(command -v python3)" -u "$root/bin/server.py" "${@:2}" >"$ready"
	wait_until test -s "$ready"
}

resolver() { # resolver ANSWER [RUNNER...] -- OPTION...: says ANSWER to every name in test, by UDP and TCP when this returns
	local answer=$1 runner=() ready
	shift
	while [ "$1" != -- ]; do
		runner+=("$1")
		shift
	done
	ready=$(mktemp "$scratch/ready.XXXXXX")
	in_background "${runner[@]}" dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces \
		--pid-file="$ready" --user=root --address="/test/$answer" "${@:2}"
	wait_until test -s "$ready"
}

new_host() { # a network namespace; $new_host is a process in it
	in_background unshare --net sleep $((3600 * slow))
	new_host=$!
	wait_until grep -qx sleep "/proc/$new_host/comm"
	nsenter --net="/proc/$new_host/ns/net" ip link set lo up
}

# No other host: an interface, and routes that no longer change.
make_settled_interface() {
	ip link set lo up
	ip link add here type veth peer name there
	ip addr add 192.168.77.1/24 dev here
	ip link set here up
	ip link set there up
	# The kernel gives link-local addresses after a second or two.
	# shellcheck disable=SC2016 # expanded each time
	wait_until eval '[ "$(ip -6 route show table local | grep -c "^local fe80:")" -eq 2 ]'
}

# Two hosts: this namespace, and another with a LAN and a far address.
make_hosts() { # make_hosts PORT...
	new_host
	other_host=$new_host
	ip link set lo up
	ip link add here type veth peer name there netns $other_host
	ip addr add 192.168.77.1/24 dev here
	ip addr add fd77::1/64 dev here nodad
	ip link set here up
	on_other_host ip addr add $lan_host/24 dev there
	on_other_host ip addr add fd77::2/64 dev there nodad
	on_other_host ip addr add $far_host/32 dev there
	on_other_host ip addr add 2001:db8::7/128 dev there nodad
	on_other_host ip link set there up
	ip route add default via $lan_host
	ip -6 route add default via fd77::2
	serve nsenter --net="/proc/$other_host/ns/net" -- "$@"
}

# Another way out: a host behind interface NAME that has the far addresses too.
make_exit() { # make_exit NAME NET
	new_host
	exit_host=$new_host
	in_exit=(nsenter --net="/proc/$exit_host/ns/net")
	"${in_exit[@]}" ip addr add $far_host/32 dev lo
	"${in_exit[@]}" ip addr add 2001:db8::7/128 dev lo nodad
	connect_exit "$1" "$2" $exit_host
	serve "${in_exit[@]}" -- 80
	watch_far "${in_exit[@]}"
}
connect_exit() { # connect_exit NAME NET HOST
	ip link add "$1" type veth peer name peer netns "$3"
	ip addr add "10.$2.0.1/24" dev "$1"
	ip addr add "fd$2::1/64" dev "$1" nodad
	ip link set "$1" up
	nsenter --net="/proc/$3/ns/net" ip addr add "10.$2.0.2/24" dev peer
	nsenter --net="/proc/$3/ns/net" ip addr add "fd$2::2/64" dev peer nodad
	nsenter --net="/proc/$3/ns/net" ip link set peer up
}
watch_far() { # watch_far RUNNER...: counts there what is for, or of, the far addresses
	"$@" nft -f - <<EOF
table inet watch {
	counter far { }
	chain in {
		type filter hook prerouting priority -300;
		ip daddr $far_host counter name far
		ip6 daddr 2001:db8::7 counter name far
	}
}
EOF
}
far_packets() { "$@" nft list counter inet watch far | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }

# A WireGuard tunnel, in user space: $scratch/wg0.conf is for wg-quick here.
make_wireguard() { # make_wireguard RUNNER...: its other end there, where 10.11.0.2 is
	local end
	export WG_PROCESS_FOREGROUND=1 LOG_LEVEL=error WG_QUICK_USERSPACE_IMPLEMENTATION=$scratch/wireguard
	# Beside the socket of an interface of that name, which goes a moment after the interface, none starts.
	cat >"$scratch/wireguard" <<-'EOF'
		#!/bin/sh
		while [ -e "/var/run/wireguard/$1.sock" ]; do sleep 0.02; done
		wireguard-go -f "$@" >/dev/null 2>&1 &
		while ! wg show "$1" >/dev/null 2>&1; do
			kill -0 $! || exit
			sleep 0.02
		done
	EOF
	chmod 755 "$scratch/wireguard"
	mkdir -p /var/run/wireguard
	mount -t tmpfs tmpfs /var/run/wireguard
	for end in here there; do wg genkey | tee "$scratch/$end.key" | wg pubkey >"$scratch/$end.pub"; done
	in_background "$@" wireguard-go -f wg1 >/dev/null 2>&1
	wait_until test -S /var/run/wireguard/wg1.sock
	"$@" wg set wg1 listen-port 5555 private-key "$scratch/there.key" peer "$(cat "$scratch/here.pub")" allowed-ips 10.99.0.1/32,fd99::1/128
	"$@" ip link set wg1 up
	"$@" ip route add 10.99.0.1 dev wg1
	"$@" ip route add fd99::1 dev wg1
	cat >"$scratch/wg0.conf" <<EOF
[Interface]
PrivateKey = $(cat "$scratch/here.key")
Address = 10.99.0.1/32, fd99::1/128
[Peer]
PublicKey = $(cat "$scratch/there.pub")
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = 10.11.0.2:5555
EOF
	chmod 600 "$scratch/wg0.conf"
}

configure() { # configure <<EOF ... EOF: and put it into force
	cat >"$config"
	"$netshim" up
}

# In a machine of tests/machines, whose wire is recorded.
on_wire() { # on_wire PORT: how many datagrams to that port the neighbour got in the last boot
	python3 - "$1" <<'END'
import struct, sys
wire = open('/var/tmp/wire', 'rb').read()
at, count = 24, 0
while at < len(wire):
    size, = struct.unpack_from('=I', wire, at + 8)
    frame = wire[at + 16:at + 16 + size]
    at += 16 + size
    if frame[12:14] == b'\x08\x00' and frame[23] == 17:
        header = 14 + (frame[14] & 15) * 4
        count += struct.unpack_from('>H', frame, header + 2)[0] == int(sys.argv[1])
print(count)
END
}

# The kernel logs what is refused in the machine's first network namespace only, unless that says
# otherwise: for one test at a time, as the setting and the log are the machine's.
log_all() { nsenter --net=/proc/$PPID/ns/net sysctl -qn net.netfilter.nf_log_all_netns"${1:+=$1}"; }
begin_logging() { # until end_logging
	exec {logging}<"/proc/$PPID/ns/net"
	flock "$logging"
	log_all_before=$(log_all)
	trap 'end_logging; clean_up' EXIT
	log_all 1
}
end_logging() {
	log_all "$log_all_before"
	flock -u "$logging" # who has been started meanwhile has it, too
	trap clean_up EXIT
}

# --- who is not to go on

is_stopped() { ! grep -h '^State:' "/proc/$1/task/"*/status | grep -qv '^State:.T'; }
suspend() { # suspend PROCESS: kill returns before its threads stand still
	kill -STOP "$1"
	wait_until is_stopped "$1"
}

# --- who puts back what others take away

watchers() { pgrep -fx "netshim watch" --ns $$ --nslist net; } # the process IDs, of this namespace
watcher() { pgrep -o -fx "netshim watch" --ns $$ --nslist net; } # not that of a child that follows interfaces
is_watched() { [ -n "$(watchers)" ]; }
is_given_up() { [ ! -e "$1" ] || flock -n "$1" true; } # is_given_up LOCK: a process that ends has no name any more before
is_unwatched() { [ -z "$(watchers)" ] && is_given_up "$root/run/netshim/watch"; }
end_watching() { # until the next up or reload
	rm -f "$root/run/netshim/watch"
	wait_until is_unwatched
}

# --- running things

put_far_down() { # put_far_down NAME: $far_down/NAME, to which the helper has to go a long way, and is met on it
	far_down=$scratch$(printf '/d%.0s' {1..600})
	mkdir -p "$far_down"
	cp "$root/bin/probe-static" "$far_down/$1"
}

user=(setpriv --reuid 65534 --regid 65534 --clear-groups env)
as_user() { "${user[@]}" "$@"; }

# As a user with the shim in the session: the second env is the one that has it.
shim() { as_user LD_PRELOAD="$preload" env "$@"; }

# A process that is held at a system call for as long as the test wants, however slow the machine is.
hold_at() { # hold_at CALL FILE COMMAND...: $held is who waits there, at the first such call for that file, until let_go
	rm -f "$scratch/held"
	in_background strace -f -qq -o "$scratch/held" -P "$2" -e trace="$1" -e inject="$1:delay_enter=600000000" "${@:3}" >"$scratch/said" 2>&1
	holder=$!
	wait_until test -s "$scratch/held"
	read -r held _ <"$scratch/held"
}
let_go() { # without strace, who was held goes on
	kill -KILL "$holder"
	wait "$holder" 2>/dev/null
}
has_ended() { [ ! -e "/proc/$1/exe" ]; }

has_32bit() { # has_32bit NAME: whether such programs run; a kernel that runs none skips that test
	"$root/bin/probe-32" loaded >/dev/null 2>&1 && return
	[ ! -e "$root/bin/probe-32" ] || skip "this kernel runs no 32-bit programs" "$1"
	return 1
}

# Newer architectures have renameat alone of rename and renameat, and so on.
calls() { # calls NAME: what strace takes for it
	echo "/^$1(at2?)?\$"
}

# Newer architectures lack some; what x86_64 has not, no call is called.
call_number() { # call_number NAME...: of those that this machine has
	local missing='SYS_.*'
	[ "$(uname -m)" != x86_64 ] || missing=''
	printf '#include <sys/syscall.h>\n%s\n' "$(printf 'SYS_%s\n' "$@")" | gcc -E -P - | tail -n $# | grep -vx "$missing"
}

since() { # since VERSION [RELEASE]: whether the kernel, or that which the test runs as on, is as new
	[ "$(printf '%s\n' "$1" "${2:-${NETSHIM_KERNEL:-$(uname -r)}}" | sort -V | head -n 1)" = "$1" ]
}

rules_say() { # rules_say FILE: what each load writes alike; the hashes have another key each time
	stat -c %s "$1"
	tail -c "+$(($(od -An -t u8 -j 88 -N 8 "$1") + 1))" "$1" | tr '\0' '\n'
}

classid() { # classid CLASS: as nft writes it
	printf '0x%08x' "$(cat "$root/run/netshim/net_cls$group/$1/net_cls.classid")"
}
