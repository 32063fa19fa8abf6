#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The network namespace of a class is made, joined to the machine and filtered as the
# configuration says, by what the neighbours see; and taken away without a trace.
. "$(dirname "$0")/lib.sh"

# Names of this test's own: nobody else sees them.
mkdir -p /run/netns
mount -t tmpfs -o mode=755 none /run/netns

make_hosts 80 81
lan=(nsenter --net="/proc/$other_host/ns/net")
make_exit vpn0 11
exit0=("${in_exit[@]}")
watch_far "${lan[@]}"
# A third network, which only forwarding would lead to.
ip link add aside type veth peer name aside-peer netns "$exit_host"
ip addr add 198.51.100.1/24 dev aside
ip addr add 2001:db8:51::1/64 dev aside nodad
ip link set aside up
"${exit0[@]}" sh -c 'ip addr add 198.51.100.2/24 dev aside-peer; ip addr add 2001:db8:51::2/64 dev aside-peer nodad; ip link set aside-peer up
	ip route add default via 198.51.100.1; ip -6 route add default via 2001:db8:51::1'
"${lan[@]}" ip route add 198.51.100.0/24 via 192.168.77.1
"${lan[@]}" ip -6 route add 2001:db8:51::/64 via fd77::1
"${lan[@]}" ip route add 10.97.0.0/16 via 192.168.77.1
"${lan[@]}" ip -6 route add fd00:97::/32 via fd77::1
serve -- 8000

in_jail() { nsenter --net=/run/netns/jail "${user[@]}" "$@"; }
in_other() { nsenter --net=/run/netns/other "${user[@]}" "$@"; }
get() { # get [RUNNER...] URL: the status of curl
	"${@:1:$#-1}" curl -sS -g -m 3 -o /dev/null "${@: -1}" 2>/dev/null
	echo $?
}
gets() { # gets RUNNER URL...: each
	local url
	for url in "${@:2}"; do get "$1" "$url"; done | xargs
}
bring_here_back() { # with what it has lost
	ip link set here up
	ip addr add fd77::1/64 dev here nodad 2>/dev/null
	ip route replace default via $lan_host
	ip -6 route replace default via fd77::2
}
quiet() { "$@" >/dev/null 2>&1; }
# Link-local addresses come when the kernel has looked for doubles.
state() {
	{
		ip -d link
		ip addr
		ip rule
		ip -6 rule
		ip route show table all
		ip -6 route show table all
		nft -s list ruleset
		ls /run/netns "$root/run/netshim/jails"
		grep -r . /proc/sys/net/ipv4/conf/*/{forwarding,rp_filter} /proc/sys/net/ipv6/conf/*/{forwarding,accept_ra}
		for name in jail other; do
			[ ! -e /run/netns/$name ] || nsenter --net=/run/netns/$name sh -c 'ip -d link; ip addr; ip route; ip -6 route; nft -s list ruleset'
		done
	} 2>/dev/null | sed 's/ nodad//' | grep -v -e fe80 -e valid_lft -e '^multicast '
}
changed() { diff <(echo "$1") <(state) | grep '^[<>]'; } # changed STATE: what is not as it was then
# shellcheck disable=SC2016 # expanded each time
wait_until eval '[ "$(ip -6 addr show tentative | wc -l)" -eq 0 ]'
echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range
before=$(state)

# --- one with an uplink

configure <<EOF
class jail { netns = 'jail'  address = { '10.97.10.2/24', 'fd00:97::2/64' }  uplink = 'here' }
EOF
is "$? $(cat /proc/sys/net/ipv4/ip_forward)" "0 0" "up, and what the kernel forwards for all stays as it was"
is "$(gets in_jail "http://$far_host/" 'http://[2001:db8::7]/')" "0 0" "a process in the namespace reaches what the uplink leads to, by IPv4 and IPv6"
is "$(gets in_jail "http://$lan_host/" 'http://[fd77::2]/')" "0 0" "and who is on the uplink's network"
peer() { # peer ADDRESS: whom a server there sees
	"${lan[@]}" nft "table inet seen {
		set them { type ipv4_addr; flags dynamic; }
		set them6 { type ipv6_addr; flags dynamic; }
		chain in {
			type filter hook input priority 0
			tcp flags syn add @them { ip saddr }
			tcp flags syn add @them6 { ip6 saddr }
		}
	}"
	get in_jail "http://$1/" >/dev/null
	"${lan[@]}" nft list table inet seen | grep -o 'elements = .*' | xargs
	"${lan[@]}" nft delete table inet seen
}
is "$(peer $far_host) $(peer '[2001:db8::7]')" "elements = { 192.168.77.1 } elements = { fd77::1 }" "outside, they have this machine's address"
is "$(gets in_jail http://10.97.10.1:8000/ http://192.168.77.1:8000/ 'http://[fd00:97::1]:8000/' 'http://[fd77::1]:8000/')" "7 7 7 7" \
	"this machine's own services are refused at once, by each of its addresses"
is "$(get env http://127.0.0.1:8000/) $(get in_jail http://127.0.0.1:8000/)" "0 7" "127.0.0.1 in there is not this machine's"
"${exit0[@]}" nft add rule inet watch in ip daddr 10.11.0.2 counter name far
is "$(get in_jail http://10.11.0.2/) $(far_packets "${exit0[@]}")" "28 0" "a network behind another interface goes by the uplink too"
is "$(in_jail xargs -a /proc/sys/net/ipv4/ping_group_range)" "0 2147483647" "who may ping without a privilege here may do so in there"
is "$(quiet in_jail ping -c 1 -W 2 10.97.10.1; echo $?) $(quiet in_jail ping -c 1 -W 2 $far_host; echo $?)" "0 0" "ping"
is "$(gets "${lan[0]}" 'http://127.0.0.1/' >/dev/null; get "${lan[@]}" http://10.97.10.2:1/) $(quiet "${lan[@]}" ping -c 1 -W 1 10.97.10.2; echo $?)" \
	"28 1" "nobody outside reaches it by its address"
is "$(quiet "${lan[@]}" ping -c 1 -W 1 198.51.100.2; echo $?) $(quiet "${lan[@]}" ping -c 1 -W 1 2001:db8:51::2; echo $?)" "1 1" \
	"this machine still forwards nothing for others"
echo 1 >/proc/sys/net/ipv4/conf/aside/forwarding # for what comes back
nft "table inet leads { chain c { type nat hook prerouting priority -100; tcp dport 8888 dnat ip to 198.51.100.2:80; }; }"
is "$(get "${lan[@]}" http://192.168.77.1:8888/)" 0 "but what others have translated"
nft delete table inet leads
echo 0 >/proc/sys/net/ipv4/conf/aside/forwarding
echo 1 >/proc/sys/net/ipv4/ip_forward
"$netshim" reload
is "$? $(quiet "${lan[@]}" ping -c 1 -W 3 198.51.100.2; echo $?) $(get in_jail "http://$far_host/")" "0 0 0" "somebody has the kernel forward: it does, after a reload"
is "$("$netshim" down; echo $?) $(quiet "${lan[@]}" ping -c 1 -W 3 198.51.100.2; echo $?) $(cat /proc/sys/net/ipv4/ip_forward)" "0 0 1" "and after a down"
echo 0 >/proc/sys/net/ipv4/ip_forward
"$netshim" up
echo 1 >/proc/sys/net/ipv4/ip_forward
is "$("$netshim" down; echo $?) $(quiet "${lan[@]}" ping -c 1 -W 3 198.51.100.2; echo $?)" "0 0" "without a reload before that, too"
echo 0 >/proc/sys/net/ipv4/ip_forward
"$netshim" up
is "$? $(quiet "${lan[@]}" ping -c 1 -W 1 198.51.100.2; echo $?) $(get in_jail "http://$far_host/")" "0 1 0" "nobody has any more: nothing for others again"
ip link set here down
"$netshim" reload --hook
is "$(gets in_jail "http://$far_host/" 'http://[2001:db8::7]/')" "7 7" "the uplink is down: refused at once"
bring_here_back
ip route add default via 10.11.0.2 metric 1
"$netshim" reload --hook
"${exit0[@]}" nft reset counter inet watch far >/dev/null
is "$(get in_jail "http://$far_host/") $(far_packets "${exit0[@]}")" "0 0" "it comes back, and the machine's own way leads elsewhere: by the uplink, and not a packet there"
# Marks, by whoever is root inside, and by tables of others here: the kernel takes a packet's away where it
# leaves a namespace, and what loses netshim's is refused.
ip rule add fwmark 0x5 lookup 205
ip route add default via 10.11.0.2 table 205
meddle() { # meddle [RUNNER...] HOOK PRIORITY STATEMENT
	"${@:1:$#-3}" nft "table inet meddle { chain c { type filter hook ${*: -3:1} priority ${*: -2:1}; ${*: -1}; }; }"
	in_jail curl -sS -m 0.3 -o /dev/null "http://$far_host/" >/dev/null 2>&1
	in_jail probe send $far_host 9 >/dev/null 2>&1
	in_jail probe send $far_host 53 >/dev/null 2>&1
	"${@:1:$#-3}" nft delete table inet meddle
}
for marking in 'meta mark set 5 ct mark set 5' 'meta mark set 0 ct mark set 0' 'meta mark set ct mark'; do
	for priority in -200 -140 0; do
		meddle nsenter --net=/run/netns/jail output $priority "$marking"
		meddle env prerouting $priority "$marking"
		meddle env forward $priority "$marking"
	done
done
is "$(far_packets "${exit0[@]}") $(get in_jail "http://$far_host/")" "0 0" "whatever becomes of marks, inside and out: not a packet there"
cat >"$scratch/named.conf" <<EOF
class jail { netns = 'jail'  address = { '10.97.10.2/24', 'fd00:97::2/64' }  uplink = 'here'
	action = reject  allow = '$far_host'  dns = '10.11.0.2' }
EOF
"$netshim" -c "$scratch/named.conf" reload
meddle env prerouting -100 'meta mark set 0'
is "$(far_packets "${exit0[@]}") $(get in_jail "http://$far_host/")" "0 0" "nor of what is for a single address that allow lists, or a resolver"
ip link set here down
meddle env prerouting -100 'meta mark set 0'
is "$(far_packets "${exit0[@]}")" 0 "with the uplink down neither"
bring_here_back
"$netshim" -c "$config" reload
ip rule del fwmark 0x5 lookup 205
ip route flush table 205
ip route del default via 10.11.0.2 metric 1
# The ordinary way lacks a family, and a VPN has it.
cat >"$scratch/ordinary.conf" <<EOF
class jail { netns = 'jail'  address = { '10.97.10.2/24', 'fd00:97::2/64' }  uplink = 'ordinary' }
EOF
ip route add default via 10.11.0.2 table 205
ip -6 route add default via fd11::2 table 205
for ip in -4 -6; do
	ip $ip rule add priority 30001 not fwmark 0x6d6f6c65 lookup 205
	ip $ip rule add priority 30000 lookup main suppress_prefixlength 0
done
"$netshim" -c "$scratch/ordinary.conf" reload
is "$(gets in_jail "http://$far_host/" 'http://[2001:db8::7]/') $(far_packets "${exit0[@]}")" "0 0 0" "the ordinary way, past a VPN that others' rules lead all into"
ip -6 route del default via fd77::2
is "$(get in_jail 'http://[2001:db8::7]/') $(far_packets "${exit0[@]}")" "7 0" "it has no IPv6: not a packet there, at once"
"$netshim" reload --hook
is "$(gets in_jail "http://$far_host/" 'http://[2001:db8::7]/') $(far_packets "${exit0[@]}")" "0 7 0" "nor after a reload"
ip route del default via $lan_host
"$netshim" reload --hook
is "$(get in_jail "http://$far_host/") $(far_packets "${exit0[@]}")" "7 0" "nor IPv4"
bring_here_back
for ip in -4 -6; do
	ip $ip rule del priority 30001
	ip $ip rule del priority 30000
	ip $ip route flush table 205
done
"$netshim" -c "$config" reload

# A router's advertisement, as from this machine.
cat >"$scratch/advertise.py" <<'END'
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex('ns-jail'))
prefix = struct.pack('!BBBBIII', 3, 4, 64, 0xc0, 3600, 3600, 0) + socket.inet_pton(socket.AF_INET6, '2001:db8:66::')
s.sendto(struct.pack('!BBHBBHII', 134, 0, 0, 64, 0, 1800, 0, 0) + prefix, ('ff02::1', 0, 0, 0))
END
nsenter --net=/run/netns/jail nft 'table inet heard { counter heard { }; chain in { type filter hook input priority 0; icmpv6 type nd-router-advert counter name heard; }; }'
# shellcheck disable=SC2016 # expanded each time
wait_until eval '[ "$(ip -6 addr show dev ns-jail tentative | wc -l)" -eq 0 ]'
python3 "$scratch/advertise.py"
wait_until eval 'nsenter --net=/run/netns/jail nft list counter inet heard heard | grep -q "packets [1-9]"'
is "$(nsenter --net=/run/netns/jail ip -6 route show default | wc -l) $(nsenter --net=/run/netns/jail ip -6 addr | grep -c 2001:db8:66)" "1 0" \
	"a router's advertisement gives no route and no address there"
nsenter --net=/run/netns/jail nft delete table inet heard

# --- lists, resolvers, counters, inside

resolver 203.0.113.53 "${lan[@]}" -- --listen-address=$lan_host --port=53
resolver 203.0.113.54 "${lan[@]}" -- --listen-address=$far_host --port=53
cat >"$config" <<EOF
class jail  { netns = 'jail'  address = { '10.97.10.2/24', 'fd00:97::2/64' }
	action = reject  allow = { 'tcp/80', '10.97.10.1:8000', '10.97.20.2:80' }  dns = { '$lan_host' } }
class other { netns = 'other'  address = { '10.97.20.2/24', 'fd00:98::2/64' } }
EOF
"$netshim" reload
is "$?" 0 "reload: another namespace, and what the first may send"
serve nsenter --net=/run/netns/other -- 80
serve nsenter --net=/run/netns/jail -- 80
is "$(gets in_jail "http://$far_host/" "http://$far_host:81/" 'http://[2001:db8::7]:81/')" "0 7 7" "only what allow lists is sent"
is "$(nsenter --net=/run/netns/jail curl -sS -m 3 -o /dev/null "http://$far_host:81/" 2>/dev/null; echo $?)" 7 "whoever sends it, root in no class too"
is "$(get in_jail http://10.97.10.1:8000/) $(get in_other http://10.97.20.1:8000/)" "0 7" "a service of this machine's that allow lists by its address"
is "$(get in_jail http://10.97.20.2/) $(get in_other http://10.97.10.2/) $(get in_other 'http://[fd00:97::2]/')" "0 7 7" \
	"two namespaces do not reach each other, but for what one may by its address"
is "$(in_jail dig +short +tries=1 +timeout=2 a.test @192.0.2.99) $(in_jail dig +short +tries=1 +timeout=2 a.test @127.0.0.53)" \
	"203.0.113.53 203.0.113.53" "name queries go to the class's resolver, whatever server they are for"
counts() { "$netshim" status | awk '$1 == "jail" { print $5, $7 }'; } # packets sent, and received
sent=$(counts)
is "$([ "${sent% *}" -ge 10 ] && [ "${sent#* }" -ge 5 ] && echo counted)" counted "status has the packets of the namespace"
"$netshim" reload
again=$(counts)
is "$([ "${again% *}" -ge "${sent% *}" ] && echo kept)" kept "and goes on from there after a reload"
ip link add late type veth peer name late-peer netns "$exit_host"
"${exit0[@]}" sh -c 'ip addr add 198.18.0.2/24 dev late-peer; ip addr add 2001:db8:18::2/64 dev late-peer nodad; ip link set late-peer up
	ip route add 192.168.77.0/24 via 198.18.0.1; ip -6 route add fd77::/64 via 2001:db8:18::1'
"${lan[@]}" sh -c 'ip route add 198.18.0.0/24 via 192.168.77.1; ip -6 route add 2001:db8:18::/64 via fd77::1'
ip link set late up
ip addr add 198.18.0.1/24 dev late
ip addr add 2001:db8:18::1/64 dev late nodad
wait_until quiet ping -c 1 -W 1 2001:db8:18::2
is "$(quiet "${exit0[@]}" ping -c 1 -W 1 $lan_host; echo $?) $(quiet "${exit0[@]}" ping -c 1 -W 1 fd77::2; echo $?)" "1 1" \
	"an interface that comes later: at once, nothing is forwarded for others from there either"
wait_until grep -qx 1 /proc/sys/net/ipv4/conf/late/forwarding
is "$(gets in_other http://198.18.0.2/ 'http://[2001:db8:18::2]/') $(quiet "${exit0[@]}" ping -c 1 -W 1 $lan_host; echo $?)" "0 0 1" "but answers to the namespace"
ip link del late

# --- ports

sed -i "s/dns = /ports = { '8080:80', 'udp\/5353:5300' }  dns = /" "$config"
"$netshim" reload
is "$(get "${lan[@]}" http://192.168.77.1:8080/) $(get "${lan[@]}" 'http://[fd77::1]:8080/')" "0 0" "from outside, a port of this machine's leads to a server inside, which answers"
is "$(get env http://192.168.77.1:8080/) $(get env http://10.97.10.1:8080/) $(get env http://127.0.0.1:8080/)" "0 0 0" "from this machine too"
is "$(get in_other http://192.168.77.1:8080/)" 7 "not from another namespace"
is "$(get "${lan[@]}" http://10.97.10.2/)" 28 "nor by its own address"

# --- a VPN whose routing rule leads all away, before the main table

cat >"$scratch/led.conf" <<EOF
class jail  { netns = 'jail'   address = { '10.97.10.2/24', 'fd00:97::2/64' }  uplink = 'here'  ports = '8080:80' }
class other { netns = 'other'  address = { '10.97.20.2/24', 'fd00:98::2/64' }  uplink = 'ordinary' }
class third { netns = 'third'  address = { '10.97.30.2/24', 'fd00:99::2/64' } }
EOF
"$netshim" -c "$scratch/led.conf" reload
in_third() { nsenter --net=/run/netns/third "${user[@]}" "$@"; }
"${exit0[@]}" nft 'table inet led { counter led { }; chain in { type filter hook prerouting priority -300; ip saddr & 255.255.0.0 == 10.97.0.0 counter name led
	ip daddr & 255.255.0.0 == 10.97.0.0 counter name led; ip6 saddr fd00:90::/28 counter name led; ip6 daddr fd00:90::/28 counter name led; }; }'
led() { "${exit0[@]}" nft list counter inet led led | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
ip route add default via 10.11.0.2 table 52
ip -6 route add default via fd11::2 table 52
ip rule add pref 5270 lookup 52
ip -6 rule add pref 5270 lookup 52
"${exit0[@]}" nft reset counter inet watch far >/dev/null
both=("http://$far_host/" 'http://[2001:db8::7]/')
is "$(gets in_jail "${both[@]}") $(gets in_other "${both[@]}") $(far_packets "${exit0[@]}")" "0 0 0 0 0" "past it, by an interface and the ordinary way: answers come"
is "$(gets in_third "${both[@]}") $(($(far_packets "${exit0[@]}") > 0))" "0 0 1" "without an uplink, by it"
is "$(gets env http://10.97.10.2/ 'http://[fd00:97::2]/' http://10.97.10.1:8080/)" "0 0 0" "this machine reaches a server inside, by its address and by a port"
is "$(led)" 0 "no packet of theirs is led away"
rules() { { ip rule; ip -6 rule; } | sed 's/^[0-9]*:.//' | sort; }
there=$(rules)
ip rule del to 10.97.10.0/24 lookup main
ip -6 rule add lookup 52 # without a priority: before all others
is_led_right() { [ "$(gets in_jail "${both[@]}")" = "0 0" ]; }
wait_until is_led_right
ip -6 rule del lookup 52 # the first
is "$(ip rule | grep -c 'to 10.97.10.0/24 lookup main proto')" 1 "a rule of netshim's that somebody takes away is there again"
"$netshim" reload
is "$(rules)" "$there" "after a reload, they are the same"
ip rule del pref 5270
ip -6 rule del pref 5270
ip route flush table 52
ip -6 route flush table 52
"$netshim" -c "$config" reload
is "$(rules | grep -o ' to .*' | xargs)" \
	"to 10.97.10.0/24 lookup main proto 78 to 10.97.20.0/24 lookup main proto 78 to fd00:97::/64 lookup main proto 78 to fd00:98::/64 lookup main proto 78" \
	"without a namespace, its rule goes"

# --- the local table's rule behind others', as virtual routers (VRF) want it

late_gets() {
	ip -n jail neigh flush all
	ip -n other neigh flush all
	gets in_jail "http://$far_host/" 'http://[2001:db8::7]/'
}
for version in -4 -6; do
	ip $version rule add pref 32765 lookup local
	ip $version rule del pref 0
done
until_like "^0 0$" "what a namespace asks its gateway, this machine answers" late_gets
"$netshim" reload
is "$(late_gets)" "0 0" "after a reload, too"
for version in -4 -6; do
	ip $version rule add pref 0 lookup local
	ip $version rule del pref 32765
done
"$netshim" reload
is "$(rules | grep -c ' to .* lookup local')" 0 "the rules for that go with the reason"

# --- a firewall of others' that drops what is forwarded: the page's lines

page() { # page PATTERN: lines that it shows
	sed -n '/^\.Bd/,/^\.Ed/p' conf/netshim.conf.5 | sed -e ':a; /\\e$/{N; s/\\e\n//; ta}' | grep -E "$1"
}
through() { gets in_jail "http://$far_host/" 'http://[2001:db8::7]/'; }
nft 'table inet others { chain forward { type filter hook forward priority 0; policy drop; }; }'
is "$(through)" "28 28" "it drops what comes from the namespace"
page '^[io]ifname "ns' | head -n 2 | sed 's/^/add rule inet others forward /' | nft -f -
is "$(through) $(get "${lan[@]}" http://192.168.77.1:8080/)" "0 0 28" "with two lines that the page has, it does not"
page '^[io]ifname "ns' | tail -n 1 | sed 's/^/add rule inet others forward /' | nft -f -
is "$(get "${lan[@]}" http://192.168.77.1:8080/) $(get "${lan[@]}" 'http://[fd77::1]:8080/')" "0 0" "with the third one, nor what goes to a port"
is "$(get "${lan[@]}" http://10.97.10.2/) $(get in_other http://192.168.77.1:8080/)" "28 7" "and netshim's own rules hold"
nft delete table inet others
for tables in iptables-nft ip6tables-nft; do
	$tables -N DOCKER-USER && $tables -A FORWARD -j DOCKER-USER && $tables -P FORWARD DROP
done
is "$(through) $(get "${lan[@]}" http://192.168.77.1:8080/)" "28 28 28" "Docker's chains drop it"
for tables in iptables-nft ip6tables-nft; do
	page '^iptables ' | sed "s/^iptables/$tables/" | bash
done
is "$(through) $(get "${lan[@]}" http://192.168.77.1:8080/) $(get "${lan[@]}" 'http://[fd77::1]:8080/')" "0 0 0 0" "with the lines for it, they do not"
nft 'delete table ip filter; delete table ip6 filter'

# --- rates, servers, logs, marks

cat >"$scratch/shaped.conf" <<EOF
class jail  { netns = 'jail'  address = { '10.97.10.2/24', 'fd00:97::2/64' }  action = reject  allow = { 'tcp/80', 'udp/9' }
	rate = '1 mbit'  mark = 7  log = true  serve = { '$lan_host' }  ports = { '8080:80' } }
EOF
"$netshim" -c "$scratch/shaped.conf" reload
cat >"$scratch/flood.py" <<'END'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.monotonic() + 2
while time.monotonic() < end:
    for i in range(20):
        try: s.sendto(bytes(1000), (sys.argv[1], 9))
        except OSError: pass
    time.sleep(0.01)
END
"${lan[@]}" nft 'table inet flood { counter came { }; chain in { type filter hook input priority 0; udp dport 9 counter name came; }; }'
begun=$(date +%s%N)
in_jail python3 "$scratch/flood.py" $lan_host
most=$((($(date +%s%N) - begun) / 8000 + 125000 + 131072)) # 125 bytes a millisecond; for a burst nft keeps a second's more
came=$("${lan[@]}" nft list counter inet flood came | sed -n 's/.*bytes //p')
[ "$came" -gt 200000 ] && [ "$came" -lt $((most + most / 20)) ]
ok $? "rate: of 4 MB, what 1 Mbit/s and a burst are, arrives ($came bytes, at most $most)"
nsenter --net=/run/netns/jail nft 'table inet marked { counter seven { }; chain out { type filter hook postrouting priority 0; meta mark 7 counter name seven; }; }'
in_jail probe send $lan_host 9 >/dev/null
is "$(nsenter --net=/run/netns/jail nft list counter inet marked seven | grep -c 'packets [1-9]')" 1 "mark: packets have it inside"
nsenter --net=/run/netns/jail nft delete table inet marked
is "$(get "${lan[@]}" http://192.168.77.1:8080/) $("${lan[@]}" curl -sS -m 2 -o /dev/null --interface $far_host http://192.168.77.1:8080/ 2>/dev/null; echo $?)" "0 28" "serve: who may connect to a server inside is answered, others are not"
get in_jail http://$lan_host:81/ >/dev/null
like "$("$netshim" blocked jail)" "jail +nobody +1 tcp $lan_host:81 " "log: what is refused inside is kept"
"$netshim" -c "$config" reload
serve nsenter --net=/run/netns/other -- 80

# --- all or nothing

state_before=$(state)
cat >"$scratch/other.conf" <<EOF
class jail  { netns = 'jail'  address = '10.97.11.2/24'  uplink = 'vpn0'  rate = '10 mbit' }
class third { netns = 'third'  address = '10.97.30.2/24' }
EOF
strace -qq -o /dev/null -e trace="$(calls link)" -e inject="$(calls link):error=EPERM" "$netshim" -c "$scratch/other.conf" reload 2>/dev/null
is "$? $(changed "$state_before")" "1 " "a reload that fails late leaves namespaces, interfaces, addresses, routes, filters and settings as they were"
is "$(get in_jail "http://$far_host/")" 0 "and what goes on in there"
sed "s/10.97.20.2\/24/192.168.77.9\/24/" "$config" >"$scratch/taken.conf"
like "$("$netshim" -c "$scratch/taken.conf" reload 2>&1)" "taken.conf:3: this machine is in that network already, by here; choose another one" "a network that this machine is in"
like "$(echo "class a { netns = 'nosuch'  deny = 'lan' }" >"$scratch/nosuch.conf"; "$netshim" -c "$scratch/nosuch.conf" reload 2>&1)" \
	"nosuch.conf:1: there is no network namespace 'nosuch'; run 'ip netns add nosuch', or give" "a namespace that there is not"
is "$(changed "$state_before")" "" "and all is as before"
ip link add ns-fourth type veth peer name aside-fourth
fourth=$(state)
echo "class fourth { netns = 'fourth'  address = '10.97.40.2/24' }" | cat "$config" - >"$scratch/fourth.conf"
like "$("$netshim" -c "$scratch/fourth.conf" reload 2>&1)" "fourth.conf:4: there is an interface ns-fourth already; remove it, or give" "an interface of others by the name of one that is to be made"
is "$(changed "$fourth")" "" "stays there"
ip link del ns-fourth
dirty=0
for ((n = 4; n < 64; n += 6)); do
	said=$(strace -qq -o /dev/null -e trace=sendmsg -e inject="sendmsg:error=ENOBUFS:when=$n" "$netshim" -c "$scratch/other.conf" reload 2>&1) && break
	[[ $said != *"the new configuration is in force, but "*" are left"* ]] || break
	[ -z "$(changed "$state_before")" ] || dirty=$((dirty + 1))
done
is "$dirty $((n > 10))" "0 1" "so it is whatever step fails"
"$netshim" -c "$config" reload
in_background nsenter --net=/run/netns/other sleep 300
# shellcheck disable=SC2016
wait_until eval 'pgrep -f "^sleep 300" --ns $$ --nslist mnt >/dev/null'
sed -i '/class other/d' "$config"
like "$("$netshim" reload 2>&1)" "in network namespace 'other', which is taken away, are still [1-9] process.*sleep" "who is still in one that is taken away is told, and goes on"
is "$? $(ls /run/netns) $(ip link show ns-other 2>/dev/null)" "0 jail " "it and its interface have gone"
# The file that it runs lies on a file system that does not answer any more.
mkdir "$scratch/packed" "$scratch/mounted"
cp "$(command -v sleep)" "$scratch/packed"
mksquashfs "$scratch/packed" "$scratch/image" -quiet -no-progress
in_background squashfuse -f -o attr_timeout=0 "$scratch/image" "$scratch/mounted"
silent=$!
wait_until test -x "$scratch/mounted/sleep"
in_background nsenter --net=/run/netns/jail "$scratch/mounted/sleep" 300
wait_until grep -qx sleep "/proc/$!/comm"
suspend "$silent"
like "$(timeout -s KILL $((20 * slow)) "$netshim" down 2>&1; echo $?)" "in network namespace 'jail', which is taken away, are still [1-9] process.*sleep.*0\$" \
	"who runs a file that nobody can look at is told, too, and waited for by nobody"
kill -KILL "$silent"
wait "$silent" 2>/dev/null
umount -l "$scratch/mounted"
"$netshim" up
for _ in 1 2 3 4 5 6; do
	timeout -s KILL "0.0$((RANDOM % 9 + 1))" "$netshim" -c "$scratch/other.conf" reload 2>/dev/null
	timeout -s KILL "0.0$((RANDOM % 9 + 1))" "$netshim" down 2>/dev/null
done
"$netshim" down 2>/dev/null
"$netshim" up
for ((n = 1; n < 16; n += 3)); do
	strace -qq -o /dev/null -e trace=sendmsg -e inject="sendmsg:error=ENOBUFS:when=$n" "$netshim" down 2>/dev/null
	{ "$netshim" down 2>/dev/null && [ -z "$(changed "$before")" ]; } || ok 1 "a down after one that failed (the ${n}th message)"
	"$netshim" up
done
is "$? $(get in_jail "http://$far_host/")" "0 0" "after reloads and downs that were killed, up puts all right"
"$netshim" down 2>/dev/null
is "$(changed "$before")" "" "down leaves no namespace, interface, address, route, filter or setting"

# --- an interface that is moved in

install -m 644 "$tests/programs/sender.py" "$scratch"
install -m 755 "$root/bin/probe-static" "$scratch/moved"
addresses() { # addresses [RUNNER...]: and routes of the interface
	"$@" ip -o addr show vpn0 | grep -v fe80 | sed 's/^[0-9]*: vpn0 *//; s/ *\\.*//'
	"$@" ip route show dev vpn0
	"$@" ip -6 route show dev vpn0 | grep -v fe80
}
in_vpn() { nsenter --net=/run/netns/vpn "${user[@]}" "$@"; }
forget() {
	"${lan[@]}" nft reset counter inet watch far >/dev/null
	"${exit0[@]}" nft reset counter inet watch far >/dev/null
}
ip route add 203.0.113.128/25 via 10.11.0.2
had=$(addresses)
echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range
before=$(state)
configure <<EOF
class vpn { netns = 'vpn'  interface = 'vpn0'  gateway = { '10.11.0.2', 'fd11::2' }  dns = '10.11.0.2' }
app '$scratch/moved' { class = vpn }
EOF
is "$? $(ip link show vpn0 2>/dev/null) $(addresses in_vpn | grep -v default)" "0  $had" "the interface is in the namespace, with its addresses and routes, and no more outside"
forget
is "$(gets in_vpn "http://$far_host/" 'http://[2001:db8::7]/') $([ "$(far_packets "${exit0[@]}")" -ge 10 ] && echo seen)" "0 0 seen" "all goes out there"
is "$(gets in_vpn http://192.168.77.1:8000/ http://127.0.0.1:8000/)" "28 7" "and nothing to this machine"
is "$(shim "$scratch/moved" where | sed 's/.* net:/net:/')" "net:[$(stat -Lc %i /run/netns/vpn)]" "a program of the class starts in it"
here_index=$(ip -o link show here | sed 's/:.*//')
attack() { # attack RUNNER [COMMAND]: is told each way to ask for another one
	local address way
	for address in $far_host 2001:db8::7; do
		"${@:2}" "$1" python3 "$scratch/sender.py" device "$address" 80 here
		for way in pktinfo unicast-if; do
			"${@:2}" "$1" python3 "$scratch/sender.py" $way "$address" 80 "$here_index"
		done
		"${@:2}" "$1" python3 "$scratch/sender.py" dont-route "$address" 80
		"${@:2}" "$1" python3 "$scratch/sender.py" large "$address" 80
	done
	"${@:2}" "$1" python3 "$scratch/sender.py" bind $far_host 80 192.168.77.1
	"${@:2}" "$1" python3 "$scratch/sender.py" multicast-if 239.1.1.1 80 "$here_index"
	"${@:2}" "$1" ping -c 1 -W 1 -I here $far_host
	"${@:2}" "$1" probe send $far_host 80
	"${@:2}" get "$1" "http://$far_host/"
} >>"$scratch/attacks" 2>&1
arrives() { # arrives COMMAND...: or what it said
	local said
	forget
	said=$("$@" 2>&1)
	[ "$(far_packets "${lan[@]}")" -gt 0 ] || echo "${*/*sender.py }: $said"
}
"${lan[@]}" nft add rule inet watch in ip daddr 239.1.1.1 counter name far
is "$(attack as_user arrives; cat "$scratch/attacks")" "as_user python3 $scratch/sender.py dont-route $far_host 80: ENETUNREACH" \
	"(outside, each way leads to the local network but that one)"
forget
attack in_vpn
ip -n vpn link set vpn0 down
attack in_vpn
is "$(get in_vpn "http://$far_host/") $(far_packets "${lan[@]}")" "7 0" "whatever way is asked for, with the interface up or down, not a packet goes another way"
ip -n vpn link set vpn0 up
state_before=$(state)
strace -qq -o /dev/null -e trace="$(calls link)" -e inject="$(calls link):error=EPERM" "$netshim" -c "$scratch/other.conf" reload 2>/dev/null
is "$? $(changed "$state_before")" "1 " "a reload that fails moves it back to where it was: into the namespace"
"$netshim" reload
is "$? $(addresses in_vpn | grep -c default) $(get in_vpn "http://$far_host/")" "0 2 0" "a reload leaves it there"
strace -qq -o "$scratch/calls" -e trace=sendmsg "$netshim" down
dirty=
for ((n = 1; n <= 4; n++)); do # that call of those that give it something back
	"$netshim" up
	call=$(grep -n RTM_NEW "$scratch/calls" | sed -n "${n}s/:.*//p")
	strace -qq -o /dev/null -e trace=sendmsg -e inject="sendmsg:signal=KILL:when=$call" "$netshim" down
	"$netshim" up
	"$netshim" down
	[ "$(addresses)" = "$had" ] || dirty+=" $n"
done 2>/dev/null
is "$dirty" "" "whenever down is killed while it gives it back, the next one gives back the rest"
"$netshim" up
for _ in 1 2 3 4; do
	timeout -s KILL "0.0$((RANDOM % 9 + 1))" "$netshim" down
	timeout -s KILL "0.0$((RANDOM % 9 + 1))" "$netshim" up
done 2>/dev/null
"$netshim" down 2>/dev/null
is "$(addresses)" "$had" "after downs and ups that were killed, down puts it back, with the addresses and routes that it had"
is "$(changed "$before")" "" "and leaves nothing"
"$netshim" up
ip route add 203.0.113.128/25 via $lan_host
like "$("$netshim" down 2>&1; echo $?)" "^netshim: a route to 203.0.113.128/25 is not given back to vpn0, as there is another one by now.0\$" "a route that others have made meanwhile is told"
is "$(ip route show 203.0.113.128/25 | xargs)" "203.0.113.128/25 via $lan_host dev here" "and stays"
ip route replace 203.0.113.128/25 via 10.11.0.2
is "$(changed "$before")" "" "all else is back"
ip addr add 10.11.0.9/32 dev vpn0 valid_lft 3000 preferred_lft 2000
# As NetworkManager has an address and the route to its network.
ip addr add 10.14.0.2/24 dev vpn0 noprefixroute
ip route add 10.14.0.0/24 dev vpn0 proto kernel scope link src 10.14.0.2 metric 600
ip route add 198.51.104.0/24 via 10.14.0.1
ip addr add 192.168.77.9/32 dev here
ip route add 198.51.100.128/25 via 10.12.0.1 dev vpn0 onlink
ip route add 10.13.0.0/24 dev vpn0 proto dhcp src 10.11.0.9
ip route add 198.51.101.0/24 via 10.13.0.2 src 10.11.0.9 mtu 1300 advmss 1200
ip route add 198.51.102.0/24 via inet6 fd11::2 dev vpn0
ip route add 198.51.103.0/24 via 10.11.0.2 src 192.168.77.9
had=$(addresses)
strace -qq -o /dev/null -e trace="$(calls link)" -e inject="$(calls link):error=EPERM" "$netshim" up 2>/dev/null
is "$? $(addresses)" "1 $had" "an up that fails gives back all that the kernel knows of addresses and routes"
"$netshim" up
is "$? $(addresses in_vpn | grep -cE "10.14.0.2/24 scope global noprefixroute vpn0|198.51.104.0/24 via 10.14.0.1|10.12.0.1 onlink|10.13.0.2 mtu 1300 advmss 1200|inet6 fd11::2|198.51.103.0/24 via")" "0 6" \
	"inside, all but how long an address lives and which one of this machine's is to be the source"
ip addr del 192.168.77.9/32 dev here
like "$("$netshim" down 2>&1; echo $?)" "^netshim: cannot give a route to 198.51.103.0/24 back to vpn0: [^
]*
0\$" "what the kernel does not take back is told"
is "$(addresses)" "$(grep -v 198.51.103 <<<"$had")" "and all else is back"
like "$(ip -o addr show vpn0 to 10.11.0.9)" " valid_lft (2[0-9]{3}|3000)sec preferred_lft (1[0-9]{3}|2000)sec" "for as long as it was to live"
ip addr del 10.11.0.9/32 dev vpn0
for net in 198.51.100.128/25 10.13.0.0/24 198.51.101.0/24 198.51.102.0/24 198.51.104.0/24; do ip route del $net; done 2>/dev/null
ip addr del 10.14.0.2/24 dev vpn0
ip route add $far_host via inet6 fd11::2 dev vpn0
sed -i "s/interface = 'vpn0'/& action = reject allow = 'link'/" "$config"
"$netshim" up
is "$? $(get in_vpn "http://$far_host/") $(get in_vpn http://10.11.0.2/)" "0 7 0" "in there, too, who is behind a router of IPv6 is no neighbour by IPv4"
"$netshim" down
sed -i "s/ action = reject allow = 'link'//" "$config"
ip route del $far_host
is "$(changed "$before")" "" "(nothing is left of that)"
sed -i "s/'vpn0'/'vpn9'/" "$config"
"$netshim" up
is "$? $(get in_vpn "http://$far_host/")" "0 7" "one that is not there yet: no way out"
ip link add vpn9 type veth peer name peer9 netns "$exit_host"
ip addr replace 10.19.0.1/24 dev vpn9
ip link set vpn9 up
"${exit0[@]}" sh -c 'ip addr add 10.19.0.2/24 dev peer9; ip link set peer9 up'
sed -i "s/10.11.0.2', 'fd11::2/10.19.0.2/" "$config"
"$netshim" reload
is "$? $(get in_vpn "http://$far_host/")" "0 0" "it comes: reload moves it in"
"$netshim" down
ip link del vpn9

# --- a real tunnel, as wg-quick leaves it for the whole machine

make_wireguard "${exit0[@]}"
wg-quick up "$scratch/wg0.conf" 2>/dev/null
# shellcheck disable=SC2016 # expanded each time
wait_until eval '[ "$(ip -6 addr show tentative | wc -l)" -eq 0 ]'
before=$(state)
forget
is "$(get env "http://$far_host/") $(far_packets "${lan[@]}")" "0 0" "(wg-quick's tunnel carries everything)"
configure <<<"class vpn { netns = 'vpn'  interface = 'wg0' }"
"${exit0[@]}" nft 'table inet wg { counter carried { }; chain in { type filter hook input priority 0; udp dport 5555 counter name carried; }; }'
carried() { "${exit0[@]}" nft list counter inet wg carried | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
forget
is "$(gets in_vpn "http://$far_host/" 'http://[2001:db8::7]/') $([ "$(far_packets "${exit0[@]}")" -ge 10 ] && [ "$(carried)" -ge 10 ] && echo carried) $(far_packets "${lan[@]}")" \
	"0 0 carried 0" "WireGuard: moved, it goes on, and carries all of the namespace"
attack in_vpn
is "$(far_packets "${lan[@]}") $(gets in_vpn http://$lan_host/ http://192.168.77.1:8000/)" "0 28 28" "and not a packet goes another way, whatever is asked for, nor to the local network"
"${exit0[@]}" ip link set wg1 down
attack in_vpn
is "$(get in_vpn "http://$far_host/") $(far_packets "${lan[@]}")" "28 0" "nor when the other end is gone"
"${exit0[@]}" ip link set wg1 up
"${exit0[@]}" ip route add 10.99.0.1 dev wg1
"${exit0[@]}" ip route add fd99::1 dev wg1
is "$(get in_vpn "http://$far_host/")" 0 "back: the traffic is too"
"$netshim" down
is "$(changed "$before")" "" "down: it is back, with the routes of its own table"
forget
is "$(get env "http://$far_host/") $(far_packets "${lan[@]}")" "0 0" "and carries everything again"
wg-quick down "$scratch/wg0.conf" 2>/dev/null
is "$(grep -c Traceback "$scratch/attacks")" 0 "each time, each way was asked for"

# --- one that others have made

ip netns add mine
ip -n mine link set lo up
serve nsenter --net=/run/netns/mine -- 80
nsenter --net=/run/netns/mine nft add table inet theirs
configure <<<"class jail { netns = 'mine'  deny = { 'tcp/80' } }"
is "$? $(get nsenter --net=/run/netns/mine http://127.0.0.1/)" "0 7" "the rules of a class in a namespace that others have made"
"$netshim" down
is "$(ls /run/netns) $(nsenter --net=/run/netns/mine nft list tables) $(get nsenter --net=/run/netns/mine http://127.0.0.1/)" \
	"mine table inet theirs 0" "down takes only the rules away"
ip link add vpn7 type veth peer name aside7
ip -n mine link add vpn7 type veth peer name aside7
mine=$(state)
like "$(configure <<<"class jail { netns = 'mine'  interface = 'vpn7' }" 2>&1)" "netshim.conf:1: in network namespace 'mine' is an interface vpn7 already; remove it, or move" "an interface of theirs by the name of one that is to be moved in"
is "$(changed "$mine") $("$netshim" down; echo $?) $(ip -n mine -br link show vpn7 | wc -l)" " 0 1" "stays there"
ip link del vpn7
configure <<<"class jail { netns = 'mine'  interface = 'vpn7' }" 2>/dev/null
is "$? $("$netshim" down; echo $?) $(ip -n mine -br link show vpn7 | wc -l)" "1 0 1" "and so it does where there is none here"
touch /run/netns/here
mount --bind /proc/self/ns/net /run/netns/here
like "$(configure <<<"class jail { netns = 'here'  deny = { 'tcp/80' } }" 2>&1)" "network namespace 'here' is the one that netshim is in" "not the machine's own"
umount /run/netns/here
ip netns del mine

finish
