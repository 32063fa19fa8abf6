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

finish
