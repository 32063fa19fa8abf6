#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# deny, ipv6, nft, mark, priority, log and rate do to a class's packets what they say;
# ps shows what runs in a class, and move moves it.
. "$(dirname "$0")/lib.sh"

make_hosts 80 8080
configure <<EOF
class refused  { deny = { 'tcp/8080', '203.0.113.0/24' } }
class some     { action = reject  allow = { 'lan' }  deny = { 'tcp/8080' } }
class v4       { ipv6 = false }
class logged   { action = reject  log = true }
class slow     { rate = '10 mbit' }
class first    { priority = '1:10' }
class marked   { mark = 43 }
class raw      { nft = { 'ip dscp set ef', 'udp dport 8080 drop' } }
class blocked  { action = reject }
class free     { }
class locking  { lock = true }
EOF
get() { # get CLASS URL: the status of curl
	shim "$netshim" run "$1" curl -sS -g -m 5 -o /dev/null "$2" 2>/dev/null
	echo $?
}
counted() { # counted COUNTER [RUNNER...]
	"${@:2}" nft list counter inet watch "$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'
}
on_other_host nft -f - <<EOF
table inet watch {
	counter expedited { }
	counter every { }
	chain in { type filter hook input priority 0; udp dport { 80, 8080 } counter name every; ip dscp ef udp dport 80 counter name expedited; }
}
EOF

# --- deny, ipv6
is "$(get refused http://$lan_host/) $(get refused http://$lan_host:8080/) $(get refused http://$far_host/)" "0 7 7" \
	"deny: what is listed is refused, the rest is not"
is "$(get some http://$lan_host/) $(get some http://$lan_host:8080/) $(get some http://$far_host/)" "0 7 7" \
	"deny goes before allow"
is "$(get v4 http://$lan_host/) $(get v4 'http://[fd77::2]/')" "0 7" "ipv6 = false refuses IPv6 and nothing else"

# --- lan and link: a prefix of the provider's, for which there is no hook
neighbour=2001:db8:77::2
on_other_host ip addr add $neighbour/64 dev there nodad
on_other_host ip addr add 2001:db8:78::2/64 dev there nodad
on_other_host ip addr add 198.51.100.2/24 dev there
on_other_host ip -6 route add 2001:db8:99::/64 dev there
configure <<EOF
class guest { deny = { 'lan' } }
class house { action = reject  allow = { 'loopback', 'lan' } }
class wide  { action = reject  allow = { 'lan', 'link' } }
class beside { deny = { 'link' } }
class named { deny = { 'lan' }  dns = { '$lan_host' } }
class free { }
EOF
# Each of these, by its private, old and new address, and the far host.
reached() { # reached CLASS
	local url
	for url in "http://$lan_host/" "http://[fd77::2]/" "http://[$neighbour]/" 'http://[2001:db8:78::2]/' "http://198.51.100.2/" "http://$far_host/" 'http://[2001:db8::7]/'; do
		get "$1" "$url"
	done | paste -sd' '
}
is "$(reached guest)" "7 7 0 0 0 0 0" "deny lan: private addresses; others are behind the router"
is "$(reached house)" "0 0 7 7 7 7 7" "allow lan: these, and nothing else"
ip addr add 2001:db8:77::1/64 dev here nodad noprefixroute
ip -6 route add 2001:db8:77::/64 dev here proto ra
ip addr add 198.51.100.1/24 dev here
is "$(reached guest)" "7 7 7 0 7 0 0" "a network is on the link: its hosts are neighbours, whatever their addresses, with no reload"
is "$(reached house)" "0 0 7 7 7 7 7" "but that lets nobody out to them"
is "$(reached wide)" "0 0 0 7 0 7 7" "unless allow has link too"
is "$(reached beside)" "7 7 7 0 7 0 0" "deny link: who is on the link"
ip -6 route del 2001:db8:77::/64 dev here
ip -6 route add 2001:db8:78::/64 dev here proto ra
sleep 5.1 # for so long a neighbour is remembered
is "$(reached guest)" "7 7 0 7 7 0 0" "the prefix changes"
on_other_host ip addr add 2001:db8:79::1/64 dev there nodad
ip -6 route del default
ip addr add 2001:db8:79::2/64 dev here nodad
ip -6 route add default via 2001:db8:79::1
is "$(get guest 'http://[2001:db8::7]/') $(get guest 'http://[2001:db8:79::1]/') $(get wide 'http://[2001:db8:79::1]/')" "0 7 0" \
	"another router, which is a neighbour itself"
# One of IPv6 for IPv4 (RFC 5549), and none of whose packets says so.
ip route del default via $lan_host
ip -4 route add default via inet6 fd77::2 dev here
"$netshim" reload
is "$(get free http://$far_host/) $(get wide http://$far_host/) $(get beside http://$far_host/) $(get wide http://198.51.100.2/) $(get beside http://198.51.100.2/)" "0 7 0 0 7" \
	"behind a router of IPv6, nobody is a neighbour by IPv4, and who is on the link is"
ip -4 route del default dev here
ip route add default via $lan_host
ip -6 route del default
ip -6 route add default via fd77::2
ip tuntap add tun8 mode tun
ip link set tun8 up
ip route add 203.0.113.8 dev tun8
like "$(shim "$netshim" run guest probe send 203.0.113.8 80; echo $?)" "^0$" "what goes into a tunnel is to no neighbour"
ip link del tun8
is "$(shim "$netshim" run named probe send "$neighbour" 53 >/dev/null; echo $?)" 1 "deny goes before dns here too"
# A VPN's rule leads all away before the main table, and a class's mark past it.
configure <<EOF
class past   { interface = 'ordinary'  deny = { 'lan' } }
class beside { interface = 'here'  local = { 'link' }  deny = { 'link' } }
class marked { mark = 0x77  deny = { 'link' } }
class onlink { interface = 'ordinary'  action = reject  allow = { 'link' } }
EOF
on_other_host nft 'table inet neighbour { counter came { }; chain in { type filter hook prerouting priority -300; ip daddr 198.51.100.2 counter name came; ip6 daddr 2001:db8:78::2 counter name came; }; }'
ip tuntap add tun9 mode tun
ip link set tun9 up
for version in -4 -6; do
	ip $version route add default dev tun9 table 52
	ip $version rule add pref 5260 fwmark 0x77 lookup main
	ip $version rule add pref 5270 lookup 52
done
sleep 5.1
by_led_classes() { for class in past beside marked; do get $class "$1"; done | xargs; }
is "$(by_led_classes http://198.51.100.2/) $(by_led_classes 'http://[2001:db8:78::2]/')" "7 7 7 7 7 7" "deny lan, deny link: a neighbour is one by the way that the class goes"
is "$(on_other_host nft list counter inet neighbour came | sed -n 's/.*packets \([0-9]*\).*/\1/p')" 0 "no packet reaches it"
is "$(get past http://$far_host/) $(get past 'http://[2001:db8::7]/')" "0 0" "and what is behind the router is none"
sleep 5.1
is "$(get onlink http://198.51.100.2/) $(get onlink 'http://[2001:db8:78::2]/') $(get onlink http://$far_host/)" "0 0 7" "allow link"
serve -- 8004
is "$(by_led_classes http://198.51.100.1:8004/) $(get onlink http://198.51.100.1:8004/)" "0 0 0 7" "this machine is no neighbour of its own"
for version in -4 -6; do
	ip $version rule del pref 5260
	ip $version rule del pref 5270
done
ip link del tun9
on_other_host nft delete table inet neighbour
configure <<EOF
class free { }
unclassified { deny = { 'lan' } }
EOF
is "$(for url in "http://$lan_host/" 'http://[2001:db8:78::2]/' "http://$far_host/"; do
	as_user curl -sS -g -m 4 -o /dev/null "$url" 2>/dev/null
	echo $?
done | paste -sd' ') $(get free 'http://[2001:db8:78::2]/')" "7 7 0 0" "deny lan for what is in no class"
# More neighbours than can be remembered: nobody is taken for a stranger.
configure <<<"class guest { deny = { 'lan' } }"
cat >"$scratch/crowd.py" <<'EOF'
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sent = 0
for i in range(70000):
    try:
        s.sendto(b"x", ("2001:db8:78::1:%x:%x" % (i >> 16, i & 0xffff), 80))
        sent += 1
    except OSError:
        pass
print(sent)
EOF
chmod 644 "$scratch/crowd.py"
is "$(shim "$netshim" run guest python3 "$scratch/crowd.py")" 0 "deny lan: none of 70,000 neighbours is reached"
configure <<EOF
class pings    { action = reject  allow = { 'tcp/80' }  nft = { 'meta l4proto { icmp, ipv6-icmp } accept' } }
class past     { action = reject  allow = { 'udp/9' }  ipv6 = false  deny = { 'tcp/8080' }  rate = '8 kbit'  nft = { 'tcp dport 8080 accept' } }
class raw      { nft = { 'ip dscp set ef', 'udp dport 8080 drop' } }
class marked   { mark = 43 }
class first    { priority = '1:10' }
class logged   { action = reject  log = true }
class slow     { rate = '10 mbit' }
class fetching { rate-in = '10 mbit' }
class hearing  { rate-in = '2 mbit'  mark = 44 }
class deaf     { rate-in = '1 mbit' }
class blocked  { action = reject }
class free     { }
class locking  { lock = true }
EOF
ip -6 route del 2001:db8:78::/64
ip addr del 198.51.100.1/24 dev here

# --- raw nft statements
shim "$netshim" run raw probe send $lan_host 80
shim "$netshim" run raw probe send $lan_host 8080
both_counted() { echo "$(counted expedited on_other_host) $(counted every on_other_host)"; }
until_like "^1 1$" "nft: raw statements act on the class (dscp set, dropped)" both_counted
pings() { shim "$netshim" run "$1" ping -c 1 -W 2 "$2" 2>&1; }
ip -6 neigh flush dev here
like "$(pings pings $lan_host) $(pings pings fd77::2)" " 0% packet loss.* 0% packet loss" "nft: what it accepts is sent: pings"
is "$(get pings http://$lan_host/) $(get pings 'http://[fd77::2]/') $(get pings http://$lan_host:8080/)" "0 0 7" "and what allow lists, and nothing else"
is "$(get past http://$lan_host:8080/) $(get past 'http://[fd77::2]:8080/') $(get past 'http://[fd77::2]/')" "0 0 7" "nft: an accept overrules action, deny and ipv6"

# --- mark
nft -f - <<EOF
table inet watch {
	counter marked { }
	counter answers { }
	counter others { }
	chain out {
		type filter hook postrouting priority 0;
		ip daddr $lan_host meta mark 43 counter name marked
		ip daddr $lan_host meta mark != 43 counter name others
	}
	chain in { type filter hook prerouting priority 0; ip saddr $lan_host ct mark 43 counter name answers; }
}
EOF
is "$(get marked http://$lan_host/)" 0 "mark: a connection"
[ "$(counted marked)" -ge 4 ] && [ "$(counted others)" -eq 0 ]
ok $? "every packet of it is marked, the kernel's own too"
[ "$(counted answers)" -ge 3 ]
ok $? "and so is the connection (ct mark)"
like "$("$netshim" status | awk '$1 == "marked" { print $5, $7 }')" "^[1-9][0-9]* [1-9][0-9]*$" \
	"status counts what it sent and what came back"
is "$(get free http://$lan_host/) $(counted others | sed 's/[1-9][0-9]*/some/')" "0 some" "another class's is not"

# --- priority
if tc qdisc add dev here root handle 1: htb default 20 2>/dev/null; then
	tc class add dev here parent 1: classid 1:10 htb rate 1gbit quantum 60000
	tc class add dev here parent 1: classid 1:20 htb rate 1gbit quantum 60000
	shim "$netshim" run first probe send $lan_host 80
	shim "$netshim" run first probe send $lan_host 80
	is "$(tc -s class show dev here classid 1:10 | sed -n 's/.* \([0-9]*\) pkt.*/\1/p')" 2 \
		"priority: its packets go to their traffic-control class"
	tc qdisc del dev here root
else
	skip "the kernel has no htb queueing discipline" "priority: its packets go to their traffic-control class"
fi

# --- log
begin_logging
mark="netshim test $$ $RANDOM"
echo "$mark" >/dev/kmsg
start=$(date +%s)
for _ in {1..60}; do
	echo "url = http://$lan_host/"
done | shim "$netshim" run logged curl -sS -K - 2>/dev/null
seconds=$(($(date +%s) - start + 1))
end_logging
logged=$(dmesg | sed "1,/$mark/d" | grep -c "netshim logged: .*DST=$lan_host .*PROTO=TCP.*DPT=80 .*SYN")
[ "$logged" -ge 20 ] && [ "$logged" -le $((20 + 10 * seconds)) ]
ok $? "log: new connections, with the class's name, no more than 10 a second after the first 20 ($logged of 60)"

# --- rate
cat >"$scratch/flood.py" <<EOF
import select, socket, sys, time
flows = [socket.create_connection(("$lan_host", int(sys.argv[1]))) for _ in range(4)]
start, chunk = time.monotonic(), bytes(65536)
while time.monotonic() - start < 60:
    for flow in select.select([], flows, [], 1)[1]:
        flow.send(chunk, socket.MSG_DONTWAIT)
    time.sleep(0.005)
EOF
chmod 644 "$scratch/flood.py"
on_other_host nft -f - <<EOF
table inet rates {
	counter slow { }
	counter free { }
	chain in { type filter hook input priority 0; tcp dport 8080 counter name slow; tcp dport 80 counter name free; }
}
EOF
# what comes in: as much as there is, over four connections; and datagrams without end
cat >"$scratch/pour.py" <<EOF
import socket, threading, time
def pour(to):
    try:
        while True:
            to.sendall(bytes(65536))
    except OSError:
        pass
def answer(s):
    _, client = s.recvfrom(99)
    while True:
        for _ in range(10):
            s.sendto(bytes(1200), client)
        time.sleep(0.005)
listener = socket.create_server(("", 8082), backlog=64)
for port in 8083, 8084:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", port))
    threading.Thread(target=answer, args=(s,), daemon=True).start()
print("ready", flush=True)
while True:
    threading.Thread(target=pour, args=(listener.accept()[0],), daemon=True).start()
EOF
cat >"$scratch/fetch.py" <<EOF
import select, socket, sys, time
kind, port = sys.argv[1], int(sys.argv[2])
if kind == "tcp":
    flows = [socket.create_connection(("$lan_host", port)) for _ in range(4)]
else:
    flows = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
    flows[0].sendto(b"x", ("$lan_host", port))
def take(seconds): # all that waits to be read then is in it
    begun, got = time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        for flow in select.select(flows, [], [], 0.1)[0]:
            for _ in range(100):
                try:
                    got += len(flow.recv(65536, socket.MSG_DONTWAIT))
                except BlockingIOError:
                    break
    return got * 8 / (time.monotonic() - begun) / 1e6
take(1)
print("%.1f" % take(5))
EOF
chmod 644 "$scratch/fetch.py"
in_background nsenter --net="/proc/$other_host/ns/net" python3 "$scratch/pour.py" >"$scratch/pouring"
wait_until grep -q ready "$scratch/pouring"
fetching=()
for fetch in "fetching tcp 8082" "free tcp 8082" "hearing udp 8083" "deaf udp 8084"; do
	read -r class kind port <<<"$fetch"
	"${user[@]}" "$netshim" run "$class" python3 "$scratch/fetch.py" "$kind" "$port" >"$scratch/$class-$kind" &
	fetching+=($!)
done
arrived() { on_other_host nft list counter inet rates "$1" | sed -n 's/.*bytes \([0-9]*\).*/\1/p'; }
mbit() { awk -v bytes="$1" -v ns="$2" 'BEGIN { printf "%.1f", bytes * 8000 / ns }'; }
in_background "${user[@]}" "$netshim" run slow python3 "$scratch/flood.py" 8080
in_background "${user[@]}" "$netshim" run free python3 "$scratch/flood.py" 80
pours() { [ "$(arrived slow)" -gt 0 ] && [ "$(arrived free)" -gt 0 ]; }
wait_until pours
sleep 1
# To look takes a while, too: the least and the most that it may be.
first=$(date +%s%N) slow=$(arrived slow) free=$(arrived free) start=$(date +%s%N)
sleep 5
end=$(date +%s%N) slow=$(($(arrived slow) - slow)) free=$(($(arrived free) - free)) last=$(date +%s%N)
least=$(mbit $slow $((last - first))) most=$(mbit $slow $((end - start))) free=$(mbit $free $((last - first)))
kill "${background[-1]}" "${background[-2]}"
# Who has not come to send for a while may send that later: for nft, the burst and a second's more.
awk -v least="$least" -v most="$most" 'BEGIN { exit !(most > 7.5 && least < 13) }'
ok $? "rate: 10 mbit is held over 5 s ($least to $most mbit)"
awk -v free="$free" 'BEGIN { exit !(free > 20) }'
ok $? "and another class is not touched ($free mbit)"
wait "${fetching[@]}"
within() { awk -v got="$(cat "$scratch/$1")" -v low="$2" -v high="$3" 'BEGIN { exit !(got > low && got < high) }'; }
within fetching-tcp 7.5 13
ok $? "rate-in: 10 mbit is held over 5 s ($(cat "$scratch/fetching-tcp") mbit)"
within free-tcp 20 1000000
ok $? "and another class is not touched ($(cat "$scratch/free-tcp") mbit)"
within hearing-udp 1.5 2.7
ok $? "datagrams for a socket that is connected to nobody: 2 mbit, where the class has a mark ($(cat "$scratch/hearing-udp") mbit)"
within deaf-udp 2 30
ok $? "and not where it has none: the kernel does not tell whom they are for ($(cat "$scratch/deaf-udp") mbit)"

# --- ps, move, status
coproc HOLD { exec "${user[@]}" "$root/bin/probe" hold $lan_host 80; }
read -r -t 30 _ <&"${HOLD[0]}"
echo go >&"${HOLD[1]}"
read -r -t 30 before <&"${HOLD[0]}"
# shellcheck disable=SC2153 # set by coproc
"$netshim" move blocked "$HOLD_PID"
is "$? $(sed -n 's/.*:net_cls://p' "/proc/$HOLD_PID/cgroup")" "0 $group/blocked" "move: a running process"
packets=$("$netshim" status | awk '$1 == "blocked" { print $5 }')
echo go >&"${HOLD[1]}"
read -r -t 30 _ <&"${HOLD[0]}"
counts_more() { "$netshim" status | awk -v p="$packets" '$1 == "blocked" { exit !($5 > p) }'; }
wait_until counts_more
is "$before" "sent" \
	"the connection that it has open is in the class too"
like "$("$netshim" ps blocked)" $'\n *'"$HOLD_PID +nobody +blocked +probe" "ps: process, user, class, command"
"$netshim" move locking "$HOLD_PID"
is "$(sed -n 's/.*:net_cls://p' "/proc/$HOLD_PID/cgroup")" "$group/locking/locked" "move: a class that locks"
"$netshim" move none "$HOLD_PID"
is "$(sed -n 's/.*:net_cls://p' "/proc/$HOLD_PID/cgroup")" / "move none: out again"
is "$("$netshim" ps | wc -l)" 1 "ps lists nothing that is in no class"
in_background "${user[@]}" LD_PRELOAD="$preload" "$netshim" run free sleep 60
wait_until grep -qx sleep "/proc/$!/comm"
like "$("$netshim" ps)" " nobody +free +locked +sleep" "ps says who is locked"
"$netshim" move nosuch $$ 2>/dev/null
is $? 1 "move: an unknown class"
for bad in 0 -1 x 4194305 ''; do
	"$netshim" move free "$bad" 2>/dev/null
	is "$? $(sed -n 's/.*:net_cls://p' /proc/$$/cgroup)" "1 /" "move: not the id of a process: '$bad'"
done
"$netshim" ps nosuch 2>/dev/null >&2
is $? 1 "ps: an unknown class"
is "$("$netshim" status --json | python3 -c "
import json, sys
s = json.load(sys.stdin)
c = {c['name']: c for c in s['classes']}
print(sorted(c['free']), c['free']['processes'], c['marked']['lock'], s['unclassified']['packets'] >= 0)")" \
	"['bytes', 'classid', 'in_bytes', 'in_packets', 'lifted', 'lock', 'name', 'netns', 'outside', 'packets', 'processes', 'rules'] 1 False True" "status --json"

is "$(as_user "$netshim" status --json 2>/dev/null | python3 -c "
import json, sys
s = json.load(sys.stdin)
print(s['classes'][0]['packets'], s['unclassified']['bytes'])")" "None None" "what a user may not know is no 0"

# --- what is refused to programs in no class is not refused to the kernel
configure <<EOF
unclassified { deny = { '192.168.77.0/24' } }
class free { }
EOF
is "$(get free http://$lan_host/)" 0 "unclassified deny: a class is not touched"
like "$(as_user curl -sS -m 3 http://$lan_host/ 2>&1)" "connect" "unclassified deny: what is listed is refused"
is "$(as_user curl -sS -m 3 -o /dev/null http://$far_host/ && echo yes)" yes "unclassified deny: the rest is not"
serve "${user[@]}" -- 8081
is "$(on_other_host curl -sS -m 3 http://192.168.77.1:8081/)" hello "unclassified deny: answers go out"

# The kernel goes through all sets of a transaction for each: what thousands of classes
# have is not to grow with them.
sets_with() { # sets_with COUNT: in what is loaded for so many classes of each kind
	for ((i = 1; i <= $1; i++)); do
		echo "class vpn$i { interface = 'here' dns = '192.0.2.$i' mark = $i rate = '1mbit' action = reject allow = { '192.0.2.$i', 'lan' } local = 'lan' }"
		echo "class lan$i { deny = { 'lan', 'tcp/25' } rate-in = '1mbit' } class out$i { interface = 'ordinary' }"
	done >"$config"
	"$netshim" ruleset | sed '/^\s*counter/d' | grep -cE '\{ |^\s*(set|map) |(map|cgroup) \{$'
}
is "$(sets_with 40)" "$(sets_with 3)" "the number of sets does not grow with the number of classes"

finish
