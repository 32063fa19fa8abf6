#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Which way a class's packets go where there are several: by a mark of the
# administrator's, to the local networks and to what only claims to be one, by the
# machine's ordinary way. With what arrives counted on the other hosts.
. "$(dirname "$0")/lib.sh"

make_hosts 80
lan=(nsenter --net="/proc/$other_host/ns/net")
far6=2001:db8::7
make_exit vpn0 11
vpn=("${in_exit[@]}")
watch_far "${lan[@]}"
for runner in lan vpn; do
	declare -n on_host=$runner
	"${on_host[@]}" nft 'table inet watch { counter others { }; counter service { }; chain from { type filter hook prerouting priority -300; }; }'
done
"${lan[@]}" nft 'add rule inet watch from ip saddr 10.11.0.0/16 counter name others; add rule inet watch from ip6 saddr fd11::/64 counter name others
	add rule inet watch from ip saddr 198.51.100.5 counter name service'
"${vpn[@]}" nft 'add rule inet watch from ip saddr 192.168.77.0/24 counter name others; add rule inet watch from ip6 saddr fd77::/64 counter name others'
counted() { "${@:2}" nft list counter inet watch "$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
aliens() { echo $(($(counted others "${lan[@]}") + $(counted others "${vpn[@]}"))); } # packets with the other network's address
forget() {
	"${lan[@]}" nft reset counters table inet watch >/dev/null
	"${vpn[@]}" nft reset counters table inet watch >/dev/null
}
get() { # get CLASS URL [CURL OPTION...]: the status of curl
	shim "$netshim" run "$1" curl -sS -g -m "${SECONDS_FOR:-4}" -o /dev/null "${@:2}" 2>/dev/null
	echo $?
}
# Both families, to the far host: "lan", "vpn" or what curl says, and by which way the packets went.
way() { # way CLASS
	local said
	forget
	said=$(get "$1" http://$far_host/)$(get "$1" "http://[$far6]/")
	[ "$said" = 00 ] || echo -n "curl $said "
	[ "$(counted far "${lan[@]}")" = 0 ] || echo -n "lan"
	[ "$(counted far "${vpn[@]}")" = 0 ] || echo -n "vpn"
	[ "$(aliens)" = 0 ] || echo -n ", with another's address"
}

# --- mark: the administrator's own rule, beside a VPN that takes everything else (as wg-quick's)
full_tunnel() { # full_tunnel add|del
	local ip
	for ip in -4 -6; do
		ip $ip rule "$1" not fwmark 51820 table 51820
		ip $ip rule "$1" table main suppress_prefixlength 0
	done
}
ip route add default via 10.11.0.2 table 51820
ip -6 route add default via fd11::2 table 51820
full_tunnel add
configure <<EOF
class direct { mark = 51820 }
class masked { mark = '0x10/0xff0000' }
class plain  { }
EOF
is "$? $(way direct)" "0 lan" "mark: its packets go by the rule for it, with the address of the interface by which they leave"
is "$(way plain) $(way masked)" "vpn vpn" "others do not"
forget
nft 'table inet others { counter kept { }; chain before { type filter hook output priority -200; meta mark set 0xab0005; };
	chain after { type filter hook postrouting priority 0; meta mark 0x15 ct mark 0x10 counter name kept; }; }'
get masked http://$lan_host/ >/dev/null
[ "$(nft list counter inet others kept | sed -n 's/.*packets \([0-9]*\).*/\1/p')" -ge 4 ]
ok $? "mark with a mask: the other bits stay as they were"
nft delete table inet others
"${lan[@]}" ip route add 198.51.100.5 via 192.168.77.1
ip addr add 198.51.100.5/32 dev lo
forget
is "$(get direct http://$far_host/ --interface 198.51.100.5) $(($(counted service "${lan[@]}") > 0))" "0 1" \
	"mark: an address that the program has chosen stays"
ip addr del 198.51.100.5/32 dev lo
full_tunnel del
"$netshim" down

# --- what the local network says is local
"${lan[@]}" ip addr add 10.11.0.2/32 dev lo # the attacker there answers for what is the VPN's
"${lan[@]}" ip addr add 10.9.0.1/32 dev lo
"${lan[@]}" nft 'add rule inet watch from ip daddr { 10.11.0.0/16, 10.9.0.1 } counter name service'
vpn_class="interface = 'vpn0'  gateway = { '10.11.0.2', 'fd11::2' }"
configure <<<"class vpn { $vpn_class  dns = { '10.9.0.1' } }"
hook() { "$root/etc/NetworkManager/dispatcher.d/50-netshim" here dhcp4-change; }
announced() { # announced NAME IP-COMMAND...: that, and the class still goes by its interface
	local word undo=()
	for word in "${@:2}"; do undo+=("${word/%add/del}"); done
	ip "${@:2}"
	hook
	is "$(way vpn)" vpn "$1"
	ip "${undo[@]}"
}
is "$(way vpn)" vpn "a class with an interface"
for network in 203.0.113.0/24 203.0.113.7/32 203.0.0.0/8 128.0.0.0/1; do
	announced "DHCP says that $network is on the link" route add $network dev here proto dhcp scope link
done
for address in 203.0.113.99/24 203.0.113.99/8 203.0.113.99/1; do
	announced "DHCP gives the address $address" address add $address dev here
done
for network in 2001:db8::/64 2000::/3 8000::/1 2001:db8::7/128; do
	announced "a router says that $network is on the link" -6 route add $network dev here proto ra
done
ip route add 100.64.0.0/10 dev here proto dhcp scope link
hook
is "$(ip route show table all proto 78 | grep -c 100.64)" 0 "100.64/10 is the provider's, and no private network"
ip route del 100.64.0.0/10
to_vpn_only() { # to_vpn_only ADDRESS: packets there, and to the resolver, that arrive on the local network
	forget
	shim "$netshim" run vpn probe send "$1" 80 >/dev/null 2>&1
	shim "$netshim" run vpn probe send $lan_host 53 >/dev/null 2>&1
	SECONDS_FOR=0.3 get vpn "http://$1/" >/dev/null
	SECONDS_FOR=0.3 get vpn "http://$1/" --interface here >/dev/null
	counted service "${lan[@]}"
}
for network in 10.11.0.2/32 10.9.0.1/32 10.11.0.0/25 10.9.0.0/24 10.0.0.0/8 8.0.0.0/5; do
	ip route add $network dev here proto dhcp scope link
	hook
	is "$(to_vpn_only 10.11.0.2) $(to_vpn_only 10.11.0.77) $(way vpn)" "0 0 vpn" "the local network says that $network is there: not what is the VPN's"
	ip link set vpn0 down
	is "$(to_vpn_only 10.11.0.2)" 0 "nor when that is down"
	hook
	is "$(to_vpn_only 10.11.0.2)" 0 "and after a reload"
	ip route del $network dev here
	ip link set vpn0 up
	ip addr add fd11::1/64 dev vpn0 nodad 2>/dev/null
	hook
done
is "$(get vpn http://$lan_host/) $(get vpn 'http://[fd77::2]/')" "0 0" "private networks are in reach"

# --- and what the administrator says
ip route add 203.0.113.0/24 via $lan_host
ip -6 route add 2001:db8::/64 dev here proto ra
like "$("$netshim" check "$config" 2>&1)" "^$config:1: class vpn goes to 2001:db8::/64 over vpn0.* by here: .*local = . 'lan', '2001:db8::/64' .; if not: local = . 'lan' ." \
	"check says which network is local and no private one, and what to write"
configure <<<"class vpn { $vpn_class  local = { 'lan', '203.0.113.0/24' } }"
is "$(get vpn http://$far_host/) $(get vpn http://$lan_host/) $(counted far "${vpn[@]}")" "0 0 0" "local: a network goes the ordinary way, also behind a router"
is "$(get vpn "http://[$far6]/") $(($(counted far "${vpn[@]}") > 0))" "0 1" "others do not"
"$netshim" check "$config" >/dev/null 2>"$scratch/said"
is "$(cat "$scratch/said")" "" "check has nothing to say then"
configure <<<"class vpn { $vpn_class  local = { 'link' } }"
forget
is "$(get vpn "http://[$far6]/") $(($(counted far "${lan[@]}") > 0)) $(get vpn http://$lan_host/)" "0 1 0" "local = link: whatever is on the link"
configure <<<"class vpn { $vpn_class  local = { '192.168.77.2' } }"
is "$(get vpn http://$lan_host/) $(get vpn 'http://[fd77::2]/')" "0 7" "local: one address"
configure <<<"class vpn { $vpn_class  local = { 'none' } }"
forget
"${lan[@]}" nft 'add counter inet watch every; add rule inet watch from ip saddr 192.168.77.1 counter name every; add rule inet watch from ip6 saddr fd77::1 icmpv6 type != nd-neighbor-solicit counter name every'
for url in http://$lan_host/ 'http://[fd77::2]/'; do
	SECONDS_FOR=0.5 get vpn $url >/dev/null
	SECONDS_FOR=0.5 get vpn $url --interface here >/dev/null
done
shim "$netshim" run vpn python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("192.168.77.1"))
s.sendto(b"x", ("224.0.0.251", 5353))' 2>/dev/null
is "$(counted every "${lan[@]}") $(get vpn http://$far_host/) $(get vpn http://127.0.0.1:1/)" "0 0 7" "local = none: nothing but this machine itself"
ip -6 route del 2001:db8::/64 dev here
ip route del 203.0.113.0/24
"$netshim" down

finish
