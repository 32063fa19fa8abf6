#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The name queries of a class go to its own resolvers and to no other,
# with real resolvers and real clients.
. "$(dirname "$0")/lib.sh"

make_hosts 80
on_other_host ip addr add 192.168.77.3/24 dev there
on_other_host ip addr add fd77::3/64 dev there nodad
there=(nsenter --net="/proc/$other_host/ns/net")
resolver 192.0.2.1 "${there[@]}" -- --listen-address=$lan_host,fd77::2,$far_host
resolver 192.0.2.2 -- --port=5354 --listen-address=127.0.0.1,::1
resolver 192.0.2.3 "${there[@]}" -- --port=5353 --listen-address=192.168.77.3,fd77::3
resolver 192.0.2.4 -- --listen-address=127.0.0.53
echo "nameserver 127.0.0.53" >"$scratch/resolv.conf"
mount --bind "$scratch/resolv.conf" "$(readlink -f /etc/resolv.conf)"
printf 'hosts: dns\n' >"$scratch/nsswitch.conf"
mount --bind "$scratch/nsswitch.conf" /etc/nsswitch.conf

before=$(cat /proc/sys/net/ipv4/conf/all/route_localnet)
configure <<EOF
class local  { dns = { '127.0.0.1:5354' } }
class both   { dns = { '127.0.0.1:5354', '[::1]:5354' }  action = reject  allow = { 'tcp/443' } }
class remote { dns = { '192.168.77.3:5353', '[fd77::3]:5353' } }
class two    { dns = { '127.0.0.1:5354', '192.168.77.3:5353' } }
class denied { dns = { '127.0.0.1:5354' }  deny = { '127.0.0.1' } }
class plain  { }
EOF
ask() { # ask CLASS OPTION...: the answer, or why there is none
	local out
	out=$(shim "$netshim" run "$1" dig +short +tries=1 +time=9 "${@:2}" name.test 2>&1)
	case $out in
	192.0.2.*) echo "$out" ;;
	*"timed out"* | *"no servers"* | *refused* | *"not permitted"* | *"communications error"*) echo none ;;
	*) echo "$out" ;;
	esac
}
wait_until sh -c "dig +short +tries=1 +time=1 @$lan_host name.test | grep -q 192.0.2.1"
wait_until sh -c "dig +short +tries=1 +time=1 -p 5354 @127.0.0.1 name.test | grep -q 192.0.2.2"
wait_until sh -c "dig +short +tries=1 +time=1 -p 5353 @192.168.77.3 name.test | grep -q 192.0.2.3"
wait_until sh -c "dig +short +tries=1 +time=1 @127.0.0.53 name.test | grep -q 192.0.2.4"

on_other_host nft -f - <<EOF
table inet watch {
	counter queries { }
	chain in { type filter hook input priority 0; meta l4proto { tcp, udp } th dport 53 counter name queries; }
}
EOF
leaked() { on_other_host nft list counter inet watch queries | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }

for transport in "" +tcp; do
	for server in $lan_host $far_host 127.0.0.53 192.0.2.99; do
		is "$(ask local $transport "@$server")" 192.0.2.2 "a local resolver: asked ${transport:-udp} for $server"
		is "$(ask remote $transport "@$server")" 192.0.2.3 "a remote resolver: asked ${transport:-udp} for $server"
	done
	is "$(ask local $transport @fd77::2)" none "no IPv6 resolver: IPv6 is refused ${transport:-udp}"
	is "$(ask both $transport @fd77::2)" 192.0.2.2 "an IPv6 resolver: asked ${transport:-udp} by IPv6"
	is "$(ask remote $transport @fd77::2)" 192.0.2.3 "a remote IPv6 resolver: asked ${transport:-udp} by IPv6"
done
nft 'table inet fast { chain out { type filter hook output priority raw; meta l4proto { tcp, udp } th dport 53 notrack; }
	chain in { type filter hook prerouting priority raw; meta l4proto { tcp, udp } th sport 53 notrack; }; }'
for class in local remote both; do
	is "$(for server in $lan_host $far_host 127.0.0.53 fd77::2; do ask $class "@$server"; ask $class +tcp "@$server"; done | sort -u)" none \
		"with another table that keeps conntrack from queries (notrack), they are refused: class $class"
done
is "$(ask local -p 5354 @127.0.0.1)" 192.0.2.2 "what goes to the resolver by itself goes there"
nft delete table inet fast
is "$(ask both @$lan_host)" 192.0.2.2 "the resolver needs no place in the allow list"
is "$(ask denied @$lan_host)" none "but deny has the last word"
is "$(leaked)" 0 "not one query of these arrived where it was sent to"
is "$(shim "$netshim" run local getent ahostsv4 name.test | awk '{ print $1; exit }')" 192.0.2.2 "getent, by /etc/resolv.conf"
is "$(shim "$netshim" run remote getent ahostsv4 name.test | awk '{ print $1; exit }')" 192.0.2.3 \
	"getent, from 127.0.0.53 to a remote resolver"
is "$(for _ in 1 2 3 4; do ask two @$lan_host; done | sort -u | paste -sd' ')" "192.0.2.2 192.0.2.3" \
	"of two resolvers, both are used"
is "$(ask plain @$lan_host) $(ask plain @127.0.0.53)" "192.0.2.1 192.0.2.4" "another class's queries go where they are sent"
[ "$(leaked)" -gt 0 ]
ok $? "which the counter on the other host sees"
is "$(dig +short +tries=1 +time=9 @$lan_host name.test)" 192.0.2.1 "and so do unclassified ones"
is "$(for _ in 1 2 3 4; do ask two @127.0.0.53; ask two +tcp @127.0.0.53; done | sort -u | paste -sd' ')" "192.0.2.2 192.0.2.3" \
	"also from one on this machine, to one here and one elsewhere"
# The answer to another address than 127.0.0.1 could not be told from one to that.
since=$(leaked)
is "$(ask remote -b 127.0.0.1 @127.0.0.53) $(ask remote -b 127.0.0.5 @127.0.0.53) $(ask remote -b 127.0.0.5 +tcp @127.0.0.53) $(ask local -b 127.0.0.5 @127.0.0.53) $(($(leaked) - since))" \
	"192.0.2.3 none none 192.0.2.2 0" "to one elsewhere from 127.0.0.1 only: from other addresses of 127.0.0.0/8 it is refused"
is "$(cat /proc/sys/net/ipv4/conf/all/route_localnet)" "$before" "for that, 127.0.0.0/8 is not opened to the neighbours (route_localnet)"
cat >"$scratch/forge.py" <<'EOF'
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for source in "127.0.0.53", "192.168.77.2":
    udp = struct.pack("!HHHH", 53, 5399, 9, 0) + b"x"
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 9, 17, 0) + socket.inet_aton(source) + socket.inet_aton("192.168.77.1")
    s.sendto(ip + udp, ("192.168.77.1", 0))
EOF
cat >"$scratch/listen.py" <<'EOF'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("192.168.77.1", 5399))
s.settimeout(10)
print("ready", flush=True)
print(s.recvfrom(9)[1][0])
EOF
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.here.rp_filter=0
on_other_host sysctl -qw net.ipv4.conf.all.route_localnet=1
python3 "$scratch/listen.py" >"$scratch/heard" &
wait_until grep -qs ready "$scratch/heard"
on_other_host python3 "$scratch/forge.py"
wait $!
is "$(sed 1d "$scratch/heard")" 192.168.77.2 "but nothing comes in from outside in the name of a loopback address"
serve -- 8088
on_other_host sh -c 'ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via 192.168.77.1; ip route add 192.0.0.8 via 192.168.77.1'
neighbour_gets() { on_other_host curl -sS -m "$2" -o /dev/null "http://$1:8088/" 2>/dev/null && echo yes; }
sysctl -qw net.ipv4.conf.all.route_localnet=1
end_watching
nft 'table inet netshim; delete table inet netshim'
is "$(neighbour_gets 127.0.0.1 9)" yes "(which would let a neighbour reach a service on 127.0.0.1, once the table is gone)"
echo 0 >"$root/run/netshim/before:all:route_localnet"
"$netshim" reload
is "$? $(cat /proc/sys/net/ipv4/conf/all/route_localnet)" "0 0" "an older version's is put back"
end_watching
nft flush ruleset
is "$(neighbour_gets 127.0.0.1 0.5)" "" "all tables are flushed, as 'systemctl reload nftables' does: no neighbour reaches it"
"$netshim" reload
is "$(ip route show table local proto 78 | wc -l) $(ask remote @127.0.0.53)" "1 192.0.2.3" "reload: back"
# --- other resolvers than before, asked from one and the same socket
cat >"$scratch/asking.py" <<'EOP'
import select, socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 53))
query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04name\x04test\x00\x00\x01\x00\x01"
for _ in sys.stdin:
    try:
        s.send(query)
        answer = s.recv(512) if select.select([s], [], [], 9)[0] else b""
        print(".".join(map(str, answer[-4:])) if answer else "none", flush=True)
    except OSError as e:
        print(e.strerror, flush=True)
EOP
from_one_socket() { # from_one_socket SERVER: $asker asks there, in class plain; ask_again is the answer
	coproc ASK { exec "${user[@]}" LD_PRELOAD="$preload" "$netshim" run plain python3 "$scratch/asking.py" "$1"; }
	# shellcheck disable=SC2153 # set by coproc
	asker=$ASK_PID
}
ask_again() {
	echo >&"${ASK[1]}"
	read -r -t 10 answer <&"${ASK[0]}"
	echo "$answer"
}
resolvers() { # resolvers [RESOLVER...]: those of class plain from now on
	local dns=${*:+"dns = { $* }"}
	echo "class plain { $dns }
class moved { dns = { '192.168.77.3:5353', '[fd77::3]:5353' } }" >"$config"
	"$netshim" reload
}
resolver 192.0.2.5 -- --port=5355 --listen-address=127.0.0.1,::1
wait_until sh -c "dig +short +tries=1 +time=1 -p 5355 @127.0.0.1 name.test | grep -q 192.0.2.5"
for server in $lan_host fd77::2; do
	resolvers
	from_one_socket "$server"
	is "$(ask_again)" 192.0.2.1 "a socket that asks $server"
	resolvers "'127.0.0.1:5354', '[::1]:5354'"
	is "$(ask_again)" 192.0.2.2 "its class is given a resolver: the next query goes there"
	resolvers "'127.0.0.1:5355', '[::1]:5355'"
	is "$(ask_again)" 192.0.2.5 "another one: there"
	resolvers "'192.168.77.3:5353', '[fd77::3]:5353'"
	is "$(ask_again)" 192.0.2.3 "a remote one"
	resolvers "'127.0.0.1:5354', '[::1]:5354', '127.0.0.1:5355', '[::1]:5355'"
	like "$(ask_again)" '^192.0.2.[25]$' "several"
	resolvers "'127.0.0.1:5354', '[::1]:5354'"
	is "$(ask_again)" 192.0.2.2 "back to the first: there"
	"$netshim" move moved "$asker"
	is "$(ask_again)" 192.0.2.3 "the program is moved to a class with another: there"
	"$netshim" move none "$asker"
	is "$(ask_again)" 192.0.2.1 "and in no class: where it is sent"
	eval "exec ${ASK[1]}>&-"
	wait "$asker"
done
"$netshim" down
is "$(ip route show table all proto 78; cat /proc/sys/net/ipv4/conf/all/route_localnet)" 0 "down leaves nothing of it"

finish
