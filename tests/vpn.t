#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The traffic of a class with an interface leaves by that one and by no other, whatever
# becomes of the interface and of others' routes: counted on the other hosts.
. "$(dirname "$0")/lib.sh"

make_hosts 80
lan=(nsenter --net="/proc/$other_host/ns/net")

get() { # get CLASS URL: the status of curl
	shim "$netshim" run "$1" curl -sS -g -m 9 -o /dev/null "$2" 2>/dev/null
	echo $?
}
# Link-local addresses come when the kernel has looked for doubles.
routing() { { ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; } | grep -v fe80; }

watch_far "${lan[@]}"
make_exit vpn0 11
exit0=("${in_exit[@]}") host0=$exit_host
make_exit vpn1 12
exit1=("${in_exit[@]}")
sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.vpn0.rp_filter=1
before=$(routing)
filter_before=$(cat /proc/sys/net/ipv4/conf/vpn1/rp_filter)
configure <<EOF
class one   { interface = 'vpn0'  gateway = { '10.11.0.2', 'fd11::2' } }
class two   { interface = 'vpn1'  gateway = { '10.12.0.2', 'fd12::2' }  mark = 43  table = 4711 }
class later { interface = 'vpn2'  gateway = '10.13.0.2' }
class plain { }
EOF
is $? 0 "up, with an interface that is not there too"

for url in "http://$far_host/" 'http://[2001:db8::7]/'; do
	is "$(get one "$url") $(get two "$url")" "0 0" "classes with interfaces of their own reach $url"
done
[ "$(far_packets "${exit0[@]}")" -ge 10 ] && [ "$(far_packets "${exit1[@]}")" -ge 10 ]
ok $? "each by its interface"
is "$(far_packets "${lan[@]}")" 0 "not one packet of them went another way"
is "$(get one http://$lan_host/)" 0 "the local network is reached as before"
is "$(get one http://127.0.0.1:1/)" 7 "and this machine"
is "$(get plain http://$far_host/)" 0 "another class goes the ordinary way"
[ "$(far_packets "${lan[@]}")" -gt 0 ]
ok $? "which the counter there sees"
is "$("${lan[@]}" nft reset counter inet watch far >/dev/null; shim "$netshim" run one ping -c 2 -i 0.2 -W 2 $far_host >/dev/null; echo $?)" \
	0 "ping"
"${exit0[@]}" sysctl -qw net.ipv6.conf.all.forwarding=1
is "$(shim "$netshim" run one ping -c 1 -W 2 fd11:: >/dev/null; echo $?)" 0 "ping to the routers of its interface's network, by the address that they share"

# What the kernel learns on the way, it lists with the routes that led there.
"${exit1[@]}" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
"${exit1[@]}" ip link add narrow mtu 1300 type veth peer name narrower
"${exit1[@]}" ip link set narrower up
"${exit1[@]}" ip link set narrow up
"${exit1[@]}" ip route add 198.51.100.9 dev narrow
"${exit1[@]}" ip -6 route add 2001:db8:9::9 dev narrow
learned() { { ip route show cache table 4711; ip -6 route show cache table 4711; } | grep -o ' mtu [0-9]*' | tr -d '\n'; }
for far in "10.12.0.1 198.51.100.9" "fd12::1 2001:db8:9::9"; do
	# By what has the mark from the beginning, as a packet in a tunnel of the kernel's.
	ping -m 43 -I "${far% *}" -M "do" -s 1400 -c 2 -i 0.2 -W 1 "${far#* }" >/dev/null 2>&1
done
known=$(learned)
like "$known" "^( mtu 1300){1,2}$" "path MTUs are learned, of IPv4 at least (in a machine with Debian 13, not of IPv6)"
out=$("$netshim" reload 2>&1)
is "$? $out$(learned)" "0 $known" "a reload goes on, and leaves them"

is "$(cat /proc/sys/net/ipv4/conf/vpn0/rp_filter)" 2 "a strict reverse-path filter is loosened on the interface"

is "$(get later http://$far_host/)" 7 "an interface that is not there: refused at once"
ip link set vpn0 down
is "$(get one http://$far_host/) $(get one 'http://[2001:db8::7]/') $(get one http://$lan_host/)" "7 7 0" \
	"the interface goes down: refused at once, the local network stays"
is "$(shim "$netshim" run one probe send $far_host 80; echo $?)" 1 "a datagram too (EPERM)"
ip link set vpn0 up
ip addr add fd11::1/64 dev vpn0 nodad 2>/dev/null
IFACE=vpn0 "$root/etc/network/if-up.d/netshim"
is "$? $(get one http://$far_host/) $(get one 'http://[2001:db8::7]/')" "0 0 0" "it comes back: the hook that ifupdown runs, and so does the traffic"
ip link del vpn0
is "$(get one http://$far_host/) $(get one 'http://[2001:db8::7]/')" "7 7" "the interface is deleted: refused at once"
"$netshim" reload
is "$(get one http://$far_host/)" 7 "reload without it: still"
connect_exit vpn0 11 "$host0"
"$root/etc/NetworkManager/dispatcher.d/50-netshim" vpn0 up
is "$(get one http://$far_host/)" 0 "another one of that name: NetworkManager's hook, and it goes there"
coproc HOLD { exec "${user[@]}" LD_PRELOAD="$preload" "$netshim" run one probe hold $far_host 80; }
# shellcheck disable=SC2153 # set by coproc
holder=$HOLD_PID
read -r -t 30 connected <&"${HOLD[0]}"
ip link set vpn0 down
for _ in 1 2 3; do
	[ -z "${HOLD[1]:-}" ] || echo go >&"${HOLD[1]}"
	sleep 0.2
done
sleep 1
is "$connected $(far_packets "${lan[@]}")" "connected 0" \
	"all that time, and with a connection open, not one packet went another way"
[ -z "${HOLD[1]:-}" ] || eval "exec ${HOLD[1]}>&-"
wait "$holder" 2>/dev/null
ip link set vpn0 up

configure <<EOF
class two { interface = 'vpn1'  gateway = { '10.12.0.2' }  mark = 43 }
EOF
is "$(ip rule | grep -c 'proto 78')" 1 "reload removes the routing of a vanished class"
is "$(get two http://$far_host/)" 0 "and keeps the other's, in its new table"
# a table that is in use already, and a step that fails late
ip route add blackhole 198.51.100.0/24 table 99
before_failure=$(routing; nft -s list ruleset; cksum "$root/run/netshim/rules")
sed "s/mark = 43/mark = 44 table = 99/" "$config" >"$scratch/taken.conf"
like "$("$netshim" -c "$scratch/taken.conf" reload 2>&1)" "taken.conf:1: table 99 is in use by others" "a table in use by others"
is "$(routing; nft -s list ruleset; cksum "$root/run/netshim/rules")" "$before_failure" "and all is as before"
ip route del blackhole 198.51.100.0/24 table 99
before_failure=$(routing; nft -s list ruleset; cksum "$root/run/netshim/rules")
{
	cat "$config"
	echo "class three { interface = 'vpn0' }"
} >"$scratch/more.conf"
strace -qq -f -o /dev/null -e trace="$(calls rename)" -e inject="$(calls rename):error=ENOSPC" "$netshim" -c "$scratch/more.conf" reload 2>/dev/null
is "$? $(routing; nft -s list ruleset; cksum "$root/run/netshim/rules")" "1 $before_failure" \
	"the last step of a reload fails: rules, routes and packet filter are as before"

"$netshim" down
is "$(routing | grep -v -e vpn0)" "$(grep -v -e vpn0 <<<"$before")" "down leaves no rule and no route"
is "$(cat /proc/sys/net/ipv4/conf/vpn1/rp_filter)" "$filter_before" "and no setting"

# --- interfaces that have another name by then
ip link add eth0 type veth peer name eth1
filters() { for name in "$@"; do cat "/proc/sys/net/ipv4/conf/$name/rp_filter"; done | xargs; }
rename() { ip link set "$1" name "$2"; } # rename OLD NEW
have() { [ "$(filters "${@:2}")" = "$1" ]; } # have FILTERS NAME...
sysctl -qw net.ipv4.conf.eth0.rp_filter=1 net.ipv4.conf.eth1.rp_filter=0
for verb in reload down; do
	configure <<<"class one { interface = 'eth0' }"
	end_watching
	rename eth0 eth8
	"$netshim" $verb
	is "$? $(filters eth8)" "0 1" "$verb puts back the setting of an interface that has another name by now"
	rename eth8 eth0
done
configure <<<"class one { interface = 'eth0' }"
rename eth0 eth8
wait_until have 1 eth8
is $? 0 "so does watch"
rename eth8 eth0
wait_until have 2 eth0
is $? 0 "and changes it when it has its name again"
configure <<<"class one { interface = 'eth0' } class two { interface = 'eth1' }"
end_watching
rename eth0 eth8
rename eth1 eth0
rename eth8 eth1
is "$("$netshim" reload; filters eth0 eth1; end_watching; "$netshim" down; filters eth0 eth1)" "2 2
0 1" "two have each other's names: each gets back what it had"
configure <<<"class one { interface = 'eth0' }"
end_watching
ip link del eth0
ip link add eth0 type veth peer name eth1
sysctl -qw net.ipv4.conf.eth0.rp_filter=1
is "$("$netshim" reload; filters eth0; end_watching; "$netshim" down; filters eth0)" "2
1" "another one has the name: it gets back what it had itself"
ip link del eth0

# --- this machine's own networks
route_to() { ip route show table 4711 "$1" | grep -o 'dev [^ ]*' | paste -sd' '; }
ip link add 'a"b' type veth peer name ab
ip addr add 10.17.0.1/24 dev 'a"b'
ip link set 'a"b' up
configure <<<"class vpn { interface = 'vpn1'  table = 4711 }"
is "$? $("$netshim" reload 2>&1)" "0 " "an interface whose name nftables cannot be given"
ip link del 'a"b'
ip addr add 172.31.0.1/24 dev here noprefixroute
ip route add 172.31.0.0/24 dev here proto dhcp
ip route add 172.30.0.0/24 dev here proto static
ip route add 172.29.0.0/24 via $lan_host proto dhcp
ip addr add 2001:db8:77::1/64 dev here nodad noprefixroute
ip -6 route add 2001:db8:77::/64 dev here proto ra
"${lan[@]}" ip addr add 172.31.0.2/24 dev there
"${lan[@]}" ip addr add 2001:db8:77::2/64 dev there nodad
"$netshim" reload
is "$(get vpn http://172.31.0.2/) $(get vpn 'http://[2001:db8:77::2]/')" "0 7" \
	"networks whose routes are by DHCP and router advertisements are in reach, if they are private"
is "$(route_to 172.30.0.0/24)$(route_to 172.29.0.0/24)" "" "what is behind a router, or somebody's static route, is not"
ip link add wifi type veth peer name wifi-peer
ip addr add 192.168.77.9/24 dev wifi metric 600
ip link set wifi up
"$netshim" reload
is "$(route_to 192.168.77.0/24)" "dev here dev wifi" "two interfaces in one network: both routes, in the main table's order"
ip addr change 192.168.77.1/24 dev here metric 700
"$netshim" reload
is "$(route_to 192.168.77.0/24)" "dev wifi dev here" "also when that changes"
ip link del wifi
configure <<<"class vpn { interface = 'vpn1'  gateway = { '10.9.9.9', 'fd99::9' } }"
like "$? $("$netshim" reload 2>&1)" "^0 [^
]*$config:1: class vpn has no way out by IPv4 .*gateway is in no network of the interface.*by IPv6 .*netshim watch lets it out" \
	"a gateway that cannot be reached: told, and what to do"
is "$(get vpn http://$far_host/)" 7 "and the class is refused"

"$netshim" down

# --- a real VPN: WireGuard, in user space
if [ ! -c /dev/net/tun ]; then
	cannot_run "there is no /dev/net/tun"
fi
export WG_PROCESS_FOREGROUND=1 LOG_LEVEL=error
# Its sockets have a fixed place, which the machine may use itself.
mkdir -p /var/run/wireguard
mount -t tmpfs tmpfs /var/run/wireguard
keys() { wg genkey | tee "$scratch/$1.key" | wg pubkey >"$scratch/$1.pub"; }
keys here && keys there
in_background wireguard-go -f wg0 >/dev/null 2>&1
in_background "${exit1[@]}" wireguard-go -f wg1 >/dev/null 2>&1
wait_until test -S /var/run/wireguard/wg0.sock
wait_until test -S /var/run/wireguard/wg1.sock
wg set wg0 private-key "$scratch/here.key" peer "$(cat "$scratch/there.pub")" allowed-ips 0.0.0.0/0,::/0 endpoint 10.12.0.2:5555
"${exit1[@]}" wg set wg1 listen-port 5555 private-key "$scratch/there.key" peer "$(cat "$scratch/here.pub")" \
	allowed-ips 10.99.0.1/32,fd99::1/128
ip addr add 10.99.0.1/32 dev wg0
ip addr add fd99::1/128 dev wg0
ip link set wg0 up
"${exit1[@]}" ip link set wg1 up
"${exit1[@]}" ip route add 10.99.0.1 dev wg1
"${exit1[@]}" ip route add fd99::1 dev wg1
"${exit1[@]}" nft reset counter inet watch far >/dev/null
configure <<<"class vpn { interface = 'wg0' }"
is "$(get vpn http://$far_host/) $(get vpn 'http://[2001:db8::7]/')" "0 0" "through WireGuard, IPv4 and IPv6"
like "$("${exit1[@]}" wg show wg1 transfer)" "[1-9][0-9]+.*[1-9][0-9]+" "which carried it"
ip link set wg0 down
is "$(get vpn http://$far_host/) $(far_packets "${lan[@]}")" "7 0" "WireGuard goes down: refused, and nothing goes another way"

"$netshim" down
ip link set lo down
configure <<<"class vpn { interface = 'nosuch0' }"
is "$? $(ip route show table all | grep -c '^unreachable default .*proto 78')" "0 2" "without a loopback interface, the last route refuses"

finish
