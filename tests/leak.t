#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The kill switch of a class with an interface, attacked: whatever way a program
# asks its packets to go, and whatever the kernel sends for it, not one packet for
# the far hosts leaves by another interface. Counted on the other hosts.
. "$(dirname "$0")/lib.sh"

install -m 644 "$tests/programs/sender.py" "$scratch"
make_hosts 80
lan=(nsenter --net="/proc/$other_host/ns/net")
"${lan[@]}" ip addr add 10.11.0.2/32 dev lo # answers for the VPN's router, if asked
far6=2001:db8::7
new_host
vpn_host=$new_host
vpn=(nsenter --net="/proc/$vpn_host/ns/net")
"${vpn[@]}" ip addr add $far_host/32 dev lo
"${vpn[@]}" ip addr add $far6/128 dev lo nodad
ip link add vpn0 type veth peer peer netns "$vpn_host"
connect() {
	ip addr replace 10.11.0.1/24 dev vpn0
	ip addr replace fd11::1/64 dev vpn0 nodad
	ip link set vpn0 up
}
connect
"${vpn[@]}" ip addr add 10.11.0.2/24 dev peer
"${vpn[@]}" ip addr add fd11::2/64 dev peer nodad
"${vpn[@]}" ip link set peer up
serve "${vpn[@]}" -- 80

# The kernel's own, of no class: others' tables give these another address, too.
neighbours="nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld-listener-report, mld2-listener-report"
# What is for the far addresses, or sent from the VPN's, has no business on the LAN.
watch_packets() { # watch_packets RUNNER...
	"$@" nft -f - <<-END
		table inet watch {
			counter far { }
			counter alien { }
			chain in {
				type filter hook prerouting priority -300;
				ip daddr { $far_host, 239.1.1.1, 10.11.0.2 } counter name far
				ip6 daddr $far6 counter name far
				ip saddr 10.11.0.0/24 counter name far
				ip6 saddr fd11::1 counter name far
				icmpv6 type { $neighbours } accept
				ip saddr 192.168.77.0/24 counter name alien
				ip6 saddr fd77::/64 counter name alien
			}
		}
	END
}
watch_packets "${lan[@]}"
watch_packets "${vpn[@]}"
counted() { "${@:2}" nft list counter inet watch "$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
packets() { counted far "$@"; }
aliens() { counted alien "${vpn[@]}"; }
forget() {
	"${lan[@]}" nft reset counters table inet watch >/dev/null
	"${vpn[@]}" nft reset counters table inet watch >/dev/null
}
class=vpn
run() { shim "$netshim" run "$class" "$@" 2>&1; }
send() { run python3 "$scratch/sender.py" "$@"; }
get() { # get URL [CURL OPTION...]: the status of curl
	run curl -sS -g -m "${seconds:-9}" -o /dev/null "$@" >/dev/null
	echo $?
}

vpn_class="interface = 'vpn0'  gateway = { '10.11.0.2', 'fd11::2' }"
configure <<<"class vpn { $vpn_class } class plain { }"
is $? 0 "up"
is "$(get http://$far_host/) $(get "http://[$far6]/")" "0 0" "the class reaches the far hosts"
ask_for_another_way() { # ask_for_another_way [COMMAND]: that is told all the ways, each to the far addresses
	local address
	for address in $far_host $far6; do
		"$@" send device "$address" 80 here
		"$@" send pktinfo "$address" 80 here
		"$@" send unicast-if "$address" 80 here
		"$@" send dont-route "$address" 80
		"$@" send large "$address" 80
	done
	for address in $far_host "[$far6]"; do
		seconds=3 "$@" get "http://$address/" --interface here
	done
	"$@" send bind $far_host 80 192.168.77.1
	"$@" send bind $far6 80 fd77::1
	"$@" send multicast-if 239.1.1.1 80 here
	"$@" send multicast-if 239.1.1.1 80 vpn0
	"$@" send device 10.11.0.2 80 here
	"$@" send error $far_host 81
	"$@" run ping -c 1 -W 1 -I here $far_host
}
arrives() { # arrives COMMAND...: or what it said
	local said
	forget
	said=$("$@" 2>&1)
	for _ in {1..20}; do
		[ $(($(packets "${lan[@]}") + $(packets "${vpn[@]}"))) -eq 0 ] || return
		sleep 0.1
	done
	echo "$*: $said"
}
finds_router() { ping -c 1 -W 1 fd77::2 >/dev/null; }
wait_until finds_router # else what is sent waits for its address

is "$(class=plain ask_for_another_way arrives)" "send dont-route $far_host 80: ENETUNREACH" \
	"(from a class without an interface, each way leads there but that one)"
forget
ask_for_another_way >>"$scratch/attacks"
is "$(packets "${lan[@]}")" 0 "however a program asks for another way, nothing goes there"
forget
is "$(send device $far_host 80 here) $(send device $far6 80 here)" "EPERM EPERM" "the program is told (EPERM)"
is "$(send unicast-if $far_host 80 vpn0) $(send bind $far_host 80 10.11.0.1) $(send large $far_host 80) $(send large $far6 80)" \
	"sent sent sent sent" "what goes by the interface is sent, large datagrams too"
until_like "^([6-9]|[1-9][0-9]+)$" "and arrives" packets "${vpn[@]}"
before=$(packets "${vpn[@]}")
is "$(send bind $far_host 80 192.168.77.1)" "sent" "with another interface's source address too"
more_than_before() { echo "$(($(packets "${vpn[@]}") > before)) $(packets "${lan[@]}")"; }
until_like "^1 0$" "by the class's interface" more_than_before
is "$(send device $lan_host 80 here) $(get http://$lan_host/) $(get 'http://[fd77::2]/')" "sent 0 0" "the local network is in reach"

# --- others' marks, and one's own
forget
nft 'table inet qos { chain out { type route hook output priority mangle; tcp dport 80 meta mark set 0x100; }; }'
is "$(get http://$far_host/) $(get "http://[$far6]/")" "0 0" "with another table that marks its packets"
"$netshim" reload
iptables-nft -t mangle -A OUTPUT -p tcp --dport 80 -j MARK --set-mark 0x101
is "$(get http://$far_host/) $(get "http://[$far6]/")" "0 0" "and iptables, and after a reload"
is "$(packets "${lan[@]}") $(aliens)" "0 0" "nothing goes another way"
iptables-nft -t mangle -F
nft delete table inet qos
configure <<<"class vpn { $vpn_class  nft = { 'meta mark set 7' } }"
ask_for_another_way >>"$scratch/attacks"
is "$(packets "${lan[@]}")" 0 "nor does it where a statement of the class's own sets another mark"
configure <<<"class vpn { $vpn_class }"
nft "table inet strict { chain in { type filter hook prerouting priority -140; fib saddr . mark . iif oif missing drop; }; }"
is "$(get http://$far_host/) $(get "http://[$far6]/")" "0 0" "another table's strict reverse-path filter lets the answers in"
nft delete table inet strict

# --- tables of others, at every hook and at many priorities, that set, clear, save and restore marks
meddle() { # meddle TYPE HOOK PRIORITY STATEMENT [HOOK PRIORITY STATEMENT]
	nft "table inet others { chain one { type $1 hook $2 priority $3; $4; }; ${5:+chain two { type filter hook $5 priority $6; $7; \};} }"
}
stop_meddling() { nft delete table inet others; }
# Both families, connections and datagrams: what the connections said.
try_all() { # try_all [SECONDS]
	run curl -sS -g -m "${1:-9}" -o /dev/null http://$far_host/ -o /dev/null "http://[$far6]/" >/dev/null
	echo -n "$?"
	run probe send $far_host 80 >/dev/null
	run probe send $far6 80 >/dev/null
}
marks=('meta mark set 5 ct mark set 5' 'meta mark set 0 ct mark set meta mark' 'ct mark set 6 meta mark set ct mark')
hooks=(filter\ output\ {-300,-139,300} route\ output\ {-150,-139,0,300} filter\ postrouting\ {-150,109,300})
meddle_with_all() { # what got out, as "HOOK: STATEMENT"
	local header marking
	for header in "${hooks[@]}"; do
		for marking in "${marks[@]}"; do
			# shellcheck disable=SC2086 # three words
			meddle $header "$marking"
			said=$(try_all)
			stop_meddling
			[ "$said $(packets "${lan[@]}") $(aliens)" != "$1 0 0" ] || continue
			echo "$header: $marking: $said"
			forget
		done
	done
}
forget
is "$(meddle_with_all 0)" "" "whatever others do with marks, and when: the class goes by its interface, with its address"
ip link set vpn0 down
is "$(meddle_with_all 7)" "" "and when that is down, nowhere"
connect
"$netshim" reload

# --- that translate
"${lan[@]}" nft 'table inet reached { counter web { }; chain in { type filter hook prerouting priority -300; tcp dport 80 counter name web; udp dport 80 counter name web; }; }'
reached() { "${lan[@]}" nft list counter inet reached web | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
for translation in "nat output -120 ip daddr $far_host dnat ip to $lan_host" "nat output -100 ip daddr $far_host dnat ip to $lan_host" \
	"route output -139 ip daddr $far_host ip daddr set $lan_host" "route output 300 ip daddr $far_host ip daddr set $lan_host" \
	"nat output -120 ip6 daddr $far6 dnat ip6 to fd77::2" "route output 300 ip6 daddr $far6 ip6 daddr set fd77::2"; do
	read -r type hook priority statement <<<"$translation"
	meddle "$type" "$hook" "$priority" "$statement"
	try_all 0.5 >/dev/null
	is "$(reached) $(packets "${lan[@]}") $(aliens)" "0 0 0" "sent to the local network by others ($translation): it does not arrive"
	stop_meddling
done
for translation in "nat postrouting 50 meta nfproto ipv4 snat ip to 192.168.77.1" "nat postrouting 50 meta nfproto ipv6 snat ip6 to fd77::1" \
	"filter postrouting 105 ip saddr set 192.168.77.1" "filter output 10 meta nfproto ipv6 ip6 saddr set fd77::1"; do
	read -r type hook priority statement <<<"$translation"
	meddle "$type" "$hook" "$priority" "$statement"
	try_all 0.5 >/dev/null
	is "$(packets "${lan[@]}") $(aliens)" "0 0" "given another address ($translation): no packet leaves with it"
	stop_meddling
done
meddle nat output -100 "ip daddr 192.168.77.1 tcp dport 8088 dnat ip to $lan_host:80"
is "$(get http://192.168.77.1:8088/)" 0 "but what is sent to this machine, and by that to a local network, arrives (as a container's port)"
stop_meddling

# --- that keep conntrack away
meddle filter output -300 "notrack" prerouting -300 "notrack"
is "$(try_all 2) $(seconds=2 get "http://[$far6]/") $(packets "${lan[@]}") $(aliens)" "7 7 0 0" \
	"not followed by conntrack (notrack): refused at once"
is "$(send plain $far_host 80) $(get http://$lan_host/) $(get 'http://[fd77::2]/')" "EPERM 0 0" "a datagram is told; the local network is in reach"
is "$(send bind $far_host 80 10.11.0.1) $(packets "${lan[@]}") $(aliens)" "sent 0 0" "what has the interface's address anyway is sent"
stop_meddling
forget
for zone in "ct zone set 7" "ct original zone set 7"; do
	meddle filter output -300 "$zone" prerouting -300 "$zone"
	try_all 0.5 >/dev/null
	is "$(packets "${lan[@]}") $(aliens)" "0 0" "in another zone of conntrack's ($zone)"
	stop_meddling
done
iptables-nft -t mangle -A POSTROUTING -p tcp -j MARK --set-mark 5
iptables-nft -t mangle -A POSTROUTING -p tcp -j CONNMARK --save-mark
iptables-nft -t mangle -A PREROUTING -j CONNMARK --restore-mark
is "$(get http://$far_host/) $(packets "${lan[@]}") $(aliens)" "0 0 0" "the usual script for traffic control (CONNMARK --save-mark, --restore-mark)"
iptables-nft -t mangle -F

# --- other addresses and sockets than the class's own
ip addr del fd11::1/64 dev vpn0
"$netshim" reload
forget
is "$(seconds=2 get "http://[$far6]/") $(packets "${lan[@]}") $(packets "${vpn[@]}")" "7 0 0" \
	"an interface without an IPv6 address: refused at once"
connect
"$netshim" reload
serve "${lan[@]}" -- 8082
serve "${vpn[@]}" -- 8082
coproc HOLD { exec "${user[@]}" "$root/bin/probe" hold $far_host 8082; }
# shellcheck disable=SC2153 # set by coproc
holder=$HOLD_PID
read -r -t 30 connected <&"${HOLD[0]}"
"$netshim" move vpn "$holder"
forget
echo go >&"${HOLD[1]}"
sleep 0.5
is "$connected $(aliens) $(packets "${lan[@]}")" "connected 0 0" \
	"a connection from before the process was moved into the class: it is not sent on with its old address"
eval "exec ${HOLD[1]}>&-"
wait "$holder" 2>/dev/null
cat >"$scratch/mptcp.py" <<'END'
import socket, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as s:
    if sys.argv[1] == "listen":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((sys.argv[2], 8090))
        s.listen()
        print("ready", flush=True)
        c, _ = s.accept()
        while data := c.recv(999):
            c.send(data)
    else:
        s.settimeout(3)
        s.connect((sys.argv[2], 8090))
        for _ in range(4):
            s.send(b"x")
            s.recv(9)
            time.sleep(0.1)
        print("answered")
END
for runner in "" lan vpn; do
	declare -n on_host=${runner:-lan}
	${runner:+"${on_host[@]}"} ip mptcp limits set subflow 4 add_addr_accepted 4
done
ip addr add 192.168.77.11/24 dev here
ip mptcp endpoint add 192.168.77.11 dev here subflow
in_background "${vpn[@]}" python3 "$scratch/mptcp.py" listen $far_host >"$scratch/listening"
wait_until test -s "$scratch/listening"
forget
is "$(run python3 "$scratch/mptcp.py" connect $far_host) $(packets "${lan[@]}")" "answered 0" "MPTCP opens no further connection by another interface"
ip addr del 192.168.77.11/24 dev here

# --- a tunnel of the kernel's own, whose packets go the ordinary way
"${lan[@]}" ip addr add 198.51.100.9/32 dev lo
"${lan[@]}" ip link add vx0 type vxlan id 5 local 198.51.100.9 remote 192.168.77.1 dstport 4789
"${lan[@]}" ip addr add 10.44.0.2/24 dev vx0
"${lan[@]}" ip link set vx0 up
ip link add vx0 type vxlan id 5 local 192.168.77.1 remote 198.51.100.9 dstport 4789
ip addr add 10.44.0.1/24 dev vx0
ip link set vx0 up
"$netshim" down
configure <<END
class vpn  { interface = 'vx0'  gateway = '10.44.0.2' }
class some { action = reject  allow = { '10.44.0.0/24' } }
unclassified { tunnels = { '198.51.100.9:4789' } }
END
is "$(get http://$far_host/) $(shim "$netshim" run some curl -sS -m 3 http://10.44.0.2/)" "0 hello" \
	"a class's traffic through it, whether the class is led there or not"
is "$(run ping -c 1 -W 2 -I here $far_host >/dev/null; echo $?)" 1 "and what is in the tunnel goes no other way"
ip link del vx0
configure <<<"class vpn { $vpn_class }"

# --- what the kernel sends for the class's connections
"${vpn[@]}" sh -c 'echo 0 >/proc/sys/net/ipv4/tcp_synack_retries' # nothing of this later
late() { # late PORT UDP|TCP: an answer that comes when the program has gone
	"${vpn[@]}" nft -f - <<-END
		table inet late { chain out { type filter hook output priority 0; $2 sport 80 drop; }; }
	END
	if [ "$2" = udp ]; then
		send wait $far_host 80 "$1" >/dev/null
	else
		run timeout 0.3 curl -sS --local-port "$1" "http://$far_host/" >/dev/null
	fi
	"${vpn[@]}" nft delete table inet late
	forget
	answer "$1" "$2"
}
answer() { # answer PORT UDP|TCP: from the far host, as the kernel there would not send it
	"${vpn[@]}" python3 - "$2" $far_host 10.11.0.1 "$1" <<-END
		import socket, struct, sys
		_, protocol, far, source, port = sys.argv
		if protocol == "udp":
		    r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
		    r.bind((far, 0))
		    r.sendto(struct.pack("!HHHH", 80, int(port), 9, 0) + b"x", (source, 0))
		else:
		    segment = struct.pack("!HHIIBBHHH", 80, int(port), 1, 1, 0x50, 0x10, 1000, 0, 0)
		    pseudo = socket.inet_aton(far) + socket.inet_aton(source) + struct.pack("!BBH", 0, 6, len(segment))
		    total = sum(struct.unpack("!%dH" % ((len(segment) + 12) // 2), pseudo + segment))
		    total = (total >> 16) + (total & 0xffff)
		    segment = segment[:16] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + segment[18:]
		    r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
		    r.bind((far, 0))
		    r.sendto(segment, (source, 0))
	END
	sleep 0.2
}
for protocol in udp tcp; do
	late 4444 $protocol
	[ "$(packets "${vpn[@]}")" -ge 1 ]
	ok $? "$protocol: an answer that comes too late is answered by the kernel, by the class's interface"
	is "$(packets "${lan[@]}")" 0 "$protocol: and by no other"
	forget
	answer 5555 $protocol
	is "$(($(packets "${vpn[@]}") >= 1)) $(packets "${lan[@]}")" "1 0" "$protocol: one to no connection that is known too"
done
meddle route output -139 "meta mark set 5 ct mark set 5" postrouting 0 "meta mark set 5 ct mark set 5"
for protocol in udp tcp; do
	late 4446 $protocol
	is "$(packets "${lan[@]}")" 0 "$protocol: nor where others have taken the marks away"
done
stop_meddling
forget
"${vpn[@]}" ping -c 1 -W 1 -I $far6 fd11::1 >/dev/null
is "$? $(packets "${lan[@]}")" "0 0" "a ping from there is answered, by the class's interface"

# --- and what it sends for everybody else
pinged() { # pinged RUNNER... IPV4 IPV6: from the far addresses that this host has
	"${@:1:$#-2}" ping -c 1 -W 1 -I $far_host "${@: -2:1}" >/dev/null
	echo -n "$? "
	"${@:1:$#-2}" ping -c 1 -W 1 -I $far6 "${@: -1}" >/dev/null
	echo $?
}
configure <<<"class up { interface = 'here'  gateway = { '192.168.77.99', 'fd77::99' } }"
is "$(pinged "${lan[@]}" 192.168.77.1 fd77::1)" "0 0" \
	"an ordinary interface that a class has too, with a router of its own: the kernel answers as ever"
ip addr add 192.168.77.1/32 dev vpn0
ip addr add fd77::1/128 dev vpn0 nodad
ip route add $far_host via 10.11.0.2
ip -6 route add $far6 via fd11::2
"${vpn[@]}" ip route add 192.168.77.1 dev peer
"${vpn[@]}" ip route add fd77::1 dev peer
"$netshim" reload
is "$(pinged "${vpn[@]}" 192.168.77.1 fd77::1)" "0 0" "and by another one that has the same address"
ip route del $far_host
ip -6 route del $far6
ip addr del 10.11.0.1/24 dev vpn0
configure <<<"class vpn { interface = 'vpn0' }"
forget
is "$(get http://$far_host/) $(packets "${lan[@]}")" "0 0" "a class whose interface has no other address than an ordinary one has"
ip addr del 192.168.77.1/32 dev vpn0
ip addr del fd77::1/128 dev vpn0
connect
configure <<<"class vpn { $vpn_class }"

# --- the interface goes down
ip link set vpn0 down
forget
ask_for_another_way >>"$scratch/attacks"
is "$(packets "${lan[@]}")" 0 "the interface is down: not one packet by another, however asked for"
for address in $far_host $far6; do
	like "$(send plain "$address" 80)" "^(EPERM|ENETUNREACH|EHOSTUNREACH)$" "a datagram for $address: an error at once"
	like "$(send error "$address" 80)" "^(EPERM|ENETUNREACH|EHOSTUNREACH)$" "a connected one too"
	is "$(get "http://$address/" 2>&1 | tail -1; [[ $address = *:* ]] && get "http://[$address]/")" "$([[ $address = *:* ]] && printf '3\n7' || echo 7)" \
		"a connection to $address: refused at once"
done
is "$(get http://$lan_host/) $(get 'http://[fd77::2]/')" "0 0" "the local network stays in reach"
run timeout 9 ping -c 1 -W 1 $far_host >"$scratch/said"
is $? 1 "ping ends, without an answer"
connect

# --- the interface gets another name
IFACE=vpn0 "$root/etc/network/if-up.d/netshim"
is "$(get http://$far_host/)" 0 "back: the traffic is too"
ip link set vpn0 down
ip link set vpn0 name vpn9
ip link set vpn9 up
forget
is "$(get http://$far_host/) $(packets "${lan[@]}")" "7 0" "the interface has another name: refused, and nothing goes another way"
ask_for_another_way >>"$scratch/attacks"
is "$(packets "${lan[@]}")" 0 "however asked for"
"$netshim" reload
is "$(get http://$far_host/) $(packets "${lan[@]}")" "7 0" "after a reload too"
ip link set vpn9 down
ip link set vpn9 name vpn0
connect
"$netshim" reload
is "$(get http://$far_host/)" 0 "it has its name again: back"

# --- names and the interface together
resolver 192.0.2.1 "${lan[@]}" -- --listen-address=$lan_host
resolver 192.0.2.2 "${vpn[@]}" -- --listen-address=10.11.0.2
ask() { # ask SERVER: the answer
	run dig +short +tries=1 +time=2 "@$1" name.test | grep -c '^192.0.2.2$'
}
configure <<<"class vpn { $vpn_class  dns = { '10.11.0.2' } }"
"${lan[@]}" nft -f - <<'END'
table inet queries {
	counter queries { }
	chain in { type filter hook prerouting priority -300; meta l4proto { tcp, udp } th dport 53 counter name queries; }
}
END
wait_until sh -c 'dig +short +tries=1 +time=1 @10.11.0.2 name.test | grep -q 192.0.2.2'
for server in $lan_host $far_host 127.0.0.53 10.11.0.2; do
	is "$(ask "$server")" 1 "a query for $server goes to the VPN's resolver"
done
nft 'table ip others { chain out { type nat hook output priority -100; udp dport 53 redirect to :5300; }; }'
is "$(ask $lan_host)" 1 "and although another table redirects it"
"$netshim" reload
is "$(ask $lan_host)" 1 "and after a reload"
nft delete table ip others
ip link set vpn0 down
is "$(ask $lan_host) $(ask $far_host) $(ask fd77::2)" "0 0 0" "the interface is down: no query is answered"
is "$("${lan[@]}" nft list counter inet queries queries | sed -n 's/.*packets \([0-9]*\).*/\1/p')" 0 "not one query arrived on the local network"
is "$(grep -c Traceback "$scratch/attacks")" 0 "each time, each way was asked for"

finish
