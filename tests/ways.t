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
	shim "$netshim" run "$1" curl -sS -g -m "${SECONDS_FOR:-9}" -o /dev/null "${@:2}" 2>/dev/null
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

# --- marks that nobody has chosen
marks() { ip rule | sed -n 's/.*fwmark \(0x[0-9a-f]*\) lookup \([0-9]*\) proto 78/\2 \1/p' | sort; }
ip rule add fwmark 0x1002 lookup 52 priority 30000
configure <<<"class b { interface = 'vpn0' } class c { interface = 'vpn0' }"
before=$(marks)
is "$(grep -c . <<<"$before") $(grep -c 0x1002 <<<"$before")" "2 0" "every class has its own, and none that another's routing rule has"
ip rule del fwmark 0x1002 lookup 52
configure <<<"class a { interface = 'vpn0' } class b { interface = 'vpn0' } class c { interface = 'vpn0' } class d { mark = 0x1002 }"
is "$(comm -12 <(echo "$before") <(marks)) $(marks | wc -l)" "$before 3" "others that come leave it alone"
is "$(marks | grep -c 0x1002)" 0 "nor is one taken that the configuration gives"
priority() { ip rule | sed -n 's/^\([0-9]*\):.* proto 78/\1/p' | sort -u; }
ip rule add priority 3000 lookup 52
ip rule add priority 1000 l3mdev 2>/dev/null # where there are virtual routers
"$netshim" reload
is "$(priority)" 2998 "netshim's routing rules go before others', but not before virtual routers'"
ip rule del priority 1000 2>/dev/null
ip rule del priority 3000
"$netshim" reload
is "$(priority)" 20000 "and no further than they have to"
for ((i = 0; i < 1000; i++)); do echo "class c$i { interface = 'vpn0' }"; done >"$scratch/many.conf"
"$netshim" -c "$scratch/many.conf" ruleset | sed -n 's/^\t\tmeta mark set \(0x[0-9a-f]*\) .*/\1/p' | sort -u >"$scratch/marks"
is "$(wc -l <"$scratch/marks") $(while read -r mark; do echo $((mark & 0xffffcf00)); done <"$scratch/marks" | sort -u)" "1000 0" \
	"a thousand, clear of the bits of kube-proxy, Tailscale, Cilium and Calico"
is "$(grep -c -e 0x0000ca6c -e 0x6d6f6c65 "$scratch/marks")" 0 "and of wg-quick's and Mullvad's"
"$netshim" down

# --- what the local network says is local
"${lan[@]}" ip addr add 10.11.0.2/32 dev lo # the attacker there answers for what is the VPN's
"${lan[@]}" ip addr add 10.11.0.77/32 dev lo
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
# Before the VPN comes, so that its route is the first to that very network.
ip addr add 10.11.0.99/24 dev here
ip addr del 10.11.0.1/24 dev vpn0
ip addr add 10.11.0.1/24 dev vpn0
hook
is "$(to_vpn_only 10.11.0.2) $(to_vpn_only 10.11.0.77) $(way vpn)" "0 0 vpn" "the local network has given an address of the VPN's own network before the VPN came"
ip addr del 10.11.0.99/24 dev here
hook
is "$(get vpn http://$lan_host/) $(get vpn 'http://[fd77::2]/')" "0 0" "private networks are in reach"

# --- and what the administrator says
ip route add 203.0.113.0/24 via $lan_host
ip -6 route add 2001:db8::/64 dev here proto ra
like "$("$netshim" check "$config" 2>&1)" "^$config:1: class vpn goes to 2001:db8::/64 over vpn0.* by here: .*; to leave it so, add: local = . 'lan' .; to have it go there past vpn0: local = . 'lan', '2001:db8::/64' ."$'\n' \
	"check says which network is local and no private one, and what to write"
# What went to the local network once and no longer does.
check_says() { # check_says CLASS-OPTIONS: addresses and reasons
	echo "class vpn { $1 }" >"$scratch/told.conf"
	"$netshim" check "$scratch/told.conf" 2>&1 >/dev/null | grep -v 2001:db8 | sed -n "s/^.*told.conf:1: class vpn goes to \\([^ ]*\\) over \\([^,]*\\), .* by \\([^:]*\\): \\(.*\\); to leave it so.*local = { 'lan', '\\([^']*\\)' }.*/\\1 \\2 \\3 \\5: \\4/p"
}
is "$(check_says "interface = 'vpn0'  dns = { '$lan_host', '10.11.0.9', '127.0.0.1', '192.168.77.1', '[fd77::9]:5353' }")" \
	"$lan_host/32 vpn0 here $lan_host/32: it is a resolver of the class's
fd77::9/128 vpn0 here fd77::9/128: it is a resolver of the class's" "a resolver in a local network, unless it is this machine"
is "$(check_says "interface = 'gone0'  gateway = '$lan_host'")" "$lan_host/32 gone0 here $lan_host/32: it is the class's gateway" "a gateway, also where the interface is not there yet"
ip addr add 192.168.77.99/24 dev vpn0
is "$(check_says "interface = 'vpn0'")" "192.168.77.0/24 vpn0 here 192.168.77.0/24: the class's interface is part of it too" "a network of the class's interface and of another before it"
is "$(check_says "interface = 'here'")" "" "not of one behind it"
ip addr del 192.168.77.99/24 dev vpn0
is "$(check_says "interface = 'vpn0'  local = { 'lan' }  dns = '$lan_host'")" "" "with local, there is nothing to say"
configure <<<"class vpn { $vpn_class  dns = { '$lan_host' }  local = { 'lan', '$lan_host' } }"
resolver 192.0.2.77 "${lan[@]}" -- --listen-address=$lan_host
answers() { on_other_host dig +short +tries=1 +time=1 @$lan_host name.test | grep -q .; }
wait_until answers
is "$(shim "$netshim" run vpn dig +short +tries=1 +time=2 @$far_host name.test)" 192.0.2.77 "what check says to write has the queries go to that resolver"
configure <<<"class vpn { $vpn_class  local = { 'lan', '203.0.113.0/24' } }"
forget
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
	SECONDS_FOR=0.5 get vpn "$url" >/dev/null
	SECONDS_FOR=0.5 get vpn "$url" --interface here >/dev/null
done
shim "$netshim" run vpn python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("192.168.77.1"))
s.sendto(b"x", ("224.0.0.251", 5353))' 2>/dev/null
is "$(counted every "${lan[@]}") $(get vpn http://$far_host/) $(get vpn http://127.0.0.1:1/)" "0 0 7" "local = none: nothing but this machine itself"
ip -6 route del 2001:db8::/64 dev here
ip route del 203.0.113.0/24
"$netshim" down

# --- the ordinary way, past whatever VPN there is
[ -c /dev/net/tun ] || cannot_run "there is no /dev/net/tun"
ordinary="class ordinary { interface = 'ordinary' } class out { interface = 'ordinary'  deny = { '203.0.113.99' } } class plain { }"
hook_for() { "$root/etc/NetworkManager/dispatcher.d/50-netshim" "$1" up; }
only_ordinary() { # only_ordinary NAME: and both classes of that kind go by the local network's router
	is "$(way ordinary) $(way out)" "lan lan" "$1"
	forget
	SECONDS_FOR=0.5 get plain http://$far_host/ >/dev/null
	is "$(counted far "${lan[@]}")" 0 "(others do not)"
}
# Others' rules come at any moment; netshim's are moved before them then.
first_is() { [ "$(priority | head -n 1)" = "$1" ]; }
is_first() { # all of netshim's: one of others' between them would take what goes on to the second
	local ip
	for ip in -4 -6; do
		ip $ip rule | grep -v '^0:' | awk '/ proto 78$/ { ours++; if (others) wrong = 1; next } { others = 1 } END { exit wrong || !ours }' || return 1
	done
}
in_both_orders() { # in_both_orders NAME START STOP [no]: a VPN's functions, before netshim and after it; "no" hook is run then
	"$2"
	configure <<<"$ordinary"
	only_ordinary "$1, which was there before"
	"$3"
	is "$(way ordinary) $(way plain)" "lan lan" "and when it has gone"
	hook_for here
	"$2"
	[ -n "${4-}" ] || hook_for tun0
	wait_until is_first
	only_ordinary "$1, which came later"
	"$netshim" down
	"$3"
}
make_tun() {
	ip tuntap add tun0 mode tun
	ip addr add 10.66.0.2/24 dev tun0
	ip addr add fd66::2/64 dev tun0 nodad
	ip link set tun0 up
}
wg_quick_up() {
	ip route add default via 10.11.0.2 table 51820
	ip -6 route add default via fd11::2 table 51820
	full_tunnel add
}
wg_quick_down() {
	full_tunnel del
	ip route flush table 51820
	ip -6 route flush table 51820
}
in_both_orders "a full tunnel of wg-quick's" wg_quick_up wg_quick_down no
# The real one, with WireGuard in user space.
make_wireguard "${vpn[@]}"
real_up() { wg-quick up "$scratch/wg0.conf" >"$scratch/said" 2>&1; }
real_down() { wg-quick down "$scratch/wg0.conf" >"$scratch/said" 2>&1; }
real_up
forget
is "$(as_user curl -sS -m 9 http://$far_host/ 2>&1) $(($(counted far "${vpn[@]}") > 0)) $(counted far "${lan[@]}")" "hello 1 0" "(wg-quick's tunnel carries everything)"
real_down
in_both_orders "wg-quick" real_up real_down no
configure <<<"$ordinary"
real_up
wait_until is_first
is "$(way ordinary)" lan "wg-quick, which came later and ran no hook"
real_down
# shellcheck disable=SC2016 # as that page writes it
sed -i '/^Address/a PostUp = iptables -I OUTPUT ! -o %i -m mark ! --mark $(wg show %i fwmark) -m addrtype ! --dst-type LOCAL -j REJECT\nPreDown = iptables -D OUTPUT ! -o %i -m mark ! --mark $(wg show %i fwmark) -m addrtype ! --dst-type LOCAL -j REJECT' "$scratch/wg0.conf"
real_up
wait_until is_first
is "$(way ordinary) $(get plain http://127.0.0.1:1/)" "lan 7" "nor is it held back by the kill switch of wg-quick's manual page"
real_down
"$netshim" down
configure <<<"class ordinary { interface = 'ordinary' } class direct { mark = 51820 } class later { interface = 'ordinary' } unclassified { tunnels = { '10.11.0.2:5555' } }"
real_up
wait_until is_first
is "$(way ordinary) $(way later) $(way direct)" "lan lan lan" "beside a class with that mark, and the tunnel listed"
forget
is "$(as_user curl -sS -m 9 http://$far_host/ 2>&1) $(($(counted far "${vpn[@]}") > 0))" "hello 1" "which still works"
real_down
"$netshim" down
# A second one has another mark, which nobody knows before it comes.
sed -i '/^PostUp\|^PreDown/d' "$scratch/wg0.conf"
sed "s|^Address.*|Address = 10.98.0.1/32, fd98::1/128|" "$scratch/wg0.conf" >"$scratch/wg9.conf"
chmod 600 "$scratch/wg9.conf"
two_up() { real_up && wg-quick up "$scratch/wg9.conf" >"$scratch/said" 2>&1; }
two_down() { wg-quick down "$scratch/wg9.conf" >"$scratch/said" 2>&1; real_down; }
in_both_orders "two tunnels of wg-quick's" two_up two_down no
configure <<<"$ordinary"
two_up
wait_until is_first
is "$(get plain http://$lan_host/)" 0 "the local network stays everybody's, as wg-quick's rules say in the order that it gives them"
sleep 0.2
"$netshim" reload
is "$(is_first; echo $?) $(way ordinary)" "0 lan" "after a reload too"
two_down
wait_until first_is 20000
ok $? "when others' rules go, netshim's go back"
"$netshim" down

# --- who sees to that
there_are() { [ "$(watchers | wc -l)" = "$1" ]; }
is "$(watchers)" "" "nobody watches when netshim is down"
sleep 100 9>"$scratch/theirs" &
background+=($!)
configure <<<"$ordinary" 9>>"$scratch/theirs"
wait_until there_are 1
watcher=$(watcher)
wait_until test -e "/proc/$watcher/fd/6"
is "$(readlink "/proc/$watcher/fd/"{0,1,2} | sort -u) $(readlink "/proc/$watcher/fd/"* | grep -c theirs) $(sed -n 's/CapEff:\t//p; s/SigBlk:\t//p' "/proc/$watcher/status" | paste -sd' ') $(readlink "/proc/$watcher/cwd")" \
	"/dev/null 0 0000000000000000 0000000000001000 /" "one process does, with nothing of whoever started it, and with CAP_NET_ADMIN alone"
before=$(ip rule; ip -6 rule)
put_back() { [ "$(ip rule; ip -6 rule)" = "$before" ]; }
ip rule flush
ip rule add priority 32766 lookup main
ip rule add priority 32767 lookup default
wait_until put_back
ok $? "rules of netshim's that others take away come back"
for ip in -4 -6; do ip $ip rule flush proto 78; done
wait_until put_back
ok $? "all of them"
for ip in -4 -6; do ip $ip rule del lookup main proto 78; done
wait_until put_back
ok $? "and that to the main table, before the one that ends there"
# One goes once all are back, before the watcher asks which there are.
ours() { for ip in -4 -6; do ip $ip rule; done | grep -c " proto 78$"; }
count=$(ours)
all_are() { [ "$(ours)" = "$count" ]; }
is_traced() { ! grep -qx "TracerPid:.0" "/proc/$watcher/status"; }
exec 8<"$root/run/netshim/lock"
flock 8
for ip in -4 -6; do ip $ip rule flush proto 78; done
in_background strace -qq -o /dev/null -e trace=sendmsg -e inject=sendmsg:delay_enter=$((1000000 * slow)):when=$((count + 1)) -p "$watcher" 8<&-
wait_until is_traced
exec 8<&-
wait_until all_are
ip rule del proto 78
wait_until put_back
ok $? "one that goes while the others are put back"
kill "${background[-1]}"
wait "${background[-1]}"
in_background strace -qq -o "$scratch/calls" -e trace=sendmsg -e inject=sendmsg:error=ENOBUFS -p "$watcher"
wait_until is_traced
ip rule flush
ip rule add priority 32766 lookup main
ip rule add priority 32767 lookup default
wait_until grep -q INJECTED "$scratch/calls"
kill "${background[-1]}"
wait_until put_back
ok $? "also when the kernel can be asked again"
ip rule add priority 1 lookup 52
wait_until first_is 1
sleep 0.3
used() { awk '{ print $14 + $15 }' "/proc/$watcher/stat"; }
ticks=$(used)
sleep 1
is "$(($(used) - ticks < 10)) $(way ordinary)" "1 lan" "where there is no room before others', it does not try for ever"
ip rule del priority 1
kill "$watcher"
wait_until is_unwatched
like "$("$netshim" status 2>&1)" "nobody puts back what others take away.*run 'netshim reload'" "status says that it is missing"
"$netshim" reload
wait_until there_are 1
is "$("$netshim" status 2>&1 >/dev/null)" "" "and a reload starts another"
"$netshim" watch 2>"$scratch/said"
is "$? $(cat "$scratch/said")" "1 netshim: netshim is not up, or another process watches already" "a second one there is not"
"$netshim" down
wait_until there_are 0
ok $? "it ends with netshim down"
[ ! -e "$root/run/netshim" ] && ! ip rule | grep -q "proto 78"
ok $? "and nothing is left"
configure <<<"$ordinary"
wait_until there_are 1
rm -rf "$root/run/netshim/rules"
wait_until there_are 0
ok $? "and where what is in force has been removed"
"$netshim" up
"$netshim" down

# --- others' rules at every priority, which come later
make_tun
ip route add default dev tun0 table 52
ip -6 route add default dev tun0 table 52
configure <<<"$ordinary class vpn { $vpn_class }"
for others in "" "priority 3" "priority 4" "priority 999" "priority 1000" "priority 19999" "priority 20000" "priority 20001" "priority 32765"; do
	# shellcheck disable=SC2086 # two words, or none
	for ip in -4 -6; do ip $ip rule add $others lookup 52; done
	wait_until is_first
	is "$(way ordinary) $(way vpn)" "lan vpn" "a rule of others', ${others:-no priority}: netshim's go before it"
	for ip in -4 -6; do ip $ip rule del lookup 52; done
done
for others in 0 1; do
	wait_until first_is 20000
	for ip in -4 -6; do ip $ip rule add priority $others lookup 52; done
	sleep 0.3
	forget
	for class in vpn ordinary; do
		SECONDS_FOR=0.3 get $class http://$far_host/ >/dev/null
		SECONDS_FOR=0.3 get $class "http://[$far6]/" >/dev/null
	done
	is "$(counted far "${lan[@]}")" "0" "one at priority $others stays first: nothing of a class with an interface goes elsewhere, one without goes where that leads"
	for ip in -4 -6; do ip $ip rule del priority $others lookup 52; done
done
wait_until first_is 20000
is "$(way ordinary) $(way vpn)" "lan vpn" "when it has gone"
# What follows interfaces moves the rules too, and may have done so before this is heard of.
before=$(ours)
ip rule add lookup 52
wait_until is_first
wait_until there_are 1
watcher=$(watcher)
exec 8<"$root/run/netshim/lock"
flock 8
ip link set vpn0 mtu 1400
wait_until there_are 2 # that one waits for the lock
suspend "$watcher"
ip rule del lookup 52
ip rule add priority 3 lookup 52
exec 8<&-
wait_until there_are 1
kill -CONT "$watcher"
wait_until is_first
is "$(ours) $(way ordinary) $(way vpn)" "$before lan vpn" "rules that have been moved meanwhile are not there twice"
read -r table mark < <(marks)
ip rule add priority 30000 fwmark "$mark" lookup "$table" proto 78
ours_are() { [ "$(ours)" = "$1" ]; }
wait_until ours_are "$before"
ok $? "nor one that somebody has kept and put back where it was once"
ip rule del lookup 52
"$netshim" down
ip link del tun0

openvpn_routes() { # redirect-gateway def1
	ip route add 0.0.0.0/1 via 10.66.0.1
	ip route add 128.0.0.0/1 via 10.66.0.1
	ip -6 route add 2000::/3 dev tun0
}
openvpn_up() {
	make_tun
	openvpn_routes
}
tun_down() { ip link del tun0; }
in_both_orders "OpenVPN (def1)" openvpn_up tun_down
# A router of IPv6 for IPv4 (RFC 5549), and nobody who answers for an address beyond it.
openvpn_up
ip route del default via $lan_host
ip -4 route add default via inet6 fd77::2 dev here
"${lan[@]}" sysctl -qw net.ipv4.conf.all.arp_ignore=8
configure <<<"$ordinary"
only_ordinary "by a router of IPv6, for IPv4 too"
"$netshim" down
tun_down
"${lan[@]}" sysctl -qw net.ipv4.conf.all.arp_ignore=0
ip route del default dev here
ip route add default via $lan_host
networkmanager_up() {
	make_tun
	ip route del default via $lan_host
	ip route add default via $lan_host metric 600
	ip route add default dev tun0 metric 50
	ip -6 route add default dev tun0 metric 50
}
sysctl -qw net.ipv4.conf.all.rp_filter=1
networkmanager_down() {
	tun_down
	ip route add default via $lan_host
	ip route del default via $lan_host metric 600
}
in_both_orders "NetworkManager's, with the better metric (and a strict reverse-path filter)" networkmanager_up networkmanager_down
sysctl -qw net.ipv4.conf.all.rp_filter=0
tailscale() { # tailscale add|del: with an exit node
	local ip
	for ip in -4 -6; do
		ip $ip rule "$1" priority 5210 fwmark 0x80000/0xff0000 lookup main
		ip $ip rule "$1" priority 5270 lookup 52
	done
}
tailscale_up() {
	make_tun
	ip route add default dev tun0 table 52
	ip -6 route add default dev tun0 table 52
	tailscale add
}
tailscale_down() {
	tailscale del
	tun_down
}
in_both_orders "Tailscale with an exit node" tailscale_up tailscale_down no
mullvad() { # mullvad add|del
	local ip
	for ip in -4 -6; do
		ip $ip rule "$1" not fwmark 0x6d6f6c65 table 1836018789
		ip $ip rule "$1" table main suppress_prefixlength 0
	done
}
mullvad_up() {
	make_tun
	ip route add default dev tun0 table 1836018789
	ip -6 route add default dev tun0 table 1836018789
	mullvad add
	nft -f - <<-END
	table inet mullvad {
		chain prerouting { type filter hook prerouting priority -199; iif != "tun0" ct mark 0x00000f41 meta mark set 0x6d6f6c65; }
		chain output { type filter hook output priority 0; policy drop; oif "lo" accept; ct mark 0x00000f41 accept; icmpv6 type nd-neighbor-solicit accept; icmpv6 type nd-neighbor-advert accept; oif "tun0" accept; reject; }
		chain input { type filter hook input priority 0; policy drop; iif "lo" accept; ct mark 0x00000f41 accept; icmpv6 type nd-neighbor-solicit accept; icmpv6 type nd-neighbor-advert accept; iif "tun0" ct state established accept; }
		chain nat { type nat hook postrouting priority srcnat; oif "tun0" ct mark 0x00000f41 drop; oif != "lo" ct mark 0x00000f41 masquerade; }
	}
	END
}
mullvad_down() {
	nft delete table inet mullvad
	mullvad del
	tun_down
}
in_both_orders "Mullvad" mullvad_up mullvad_down no
all_up() { mullvad_up; tailscale add; ip route add default dev tun0 table 52; ip route add 0.0.0.0/1 dev tun0; wg_quick_up; }
all_down() { wg_quick_down; tailscale del; mullvad_down; }
in_both_orders "all at once" all_up all_down
# The uplink lacks a family, and the VPN has it: what has no ordinary way is refused at once, and nothing goes into the VPN.
nft "table inet leaving { counter tun { }; chain after { type filter hook postrouting priority 300; oifname tun0 ip daddr $far_host counter name tun; oifname tun0 ip6 daddr $far6 counter name tun; }; }"
into_vpn() { echo $(($(nft list counter inet leaving tun | sed -n 's/.*packets \([0-9]*\).*/\1/p') + $(counted far "${vpn[@]}"))); }
sent_to_neighbour() {
	shim "$netshim" run ordinary python3 -c 'import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
try: print(s.sendto(b"x", ("fe80::99", 9, 0, socket.if_nametoindex("here"))))
except OSError as e: print(e)'
}
none_of_family() { # none_of_family NAME START STOP
	local ip router said
	"$2"
	configure <<<"$ordinary"
	for ip in -4 -6; do
		router=$lan_host said="curl 70 lan"
		[ "$ip" = -4 ] || router=fd77::2 said="curl 07 lan"
		ip $ip route del default via $router
		[ "$1" != def1 ] || hook_for here
		nft reset counters table inet leaving >/dev/null
		is "$(way ordinary) $(way out) $(into_vpn)" "$said $said 0" "$1, and an uplink without IPv${ip#-}"
		is "$(sent_to_neighbour)" 1 "a link-local address is no matter of default routes"
		ip $ip route add default via $router
		hook_for here
		is "$(way ordinary)" lan "and when it has that again"
	done
	"$netshim" down
	"$3"
}
by_rules() { # by_rules add|del RULE...: those that lead to table 52, and so to the exit
	local ip rule
	for ip in -4 -6; do for rule in "${@:2}"; do
		# shellcheck disable=SC2086 # words
		ip $ip rule "$1" $rule
	done; done
}
to_exit() {
	ip route add default via 10.11.0.2 table 52
	ip -6 route add default via fd11::2 table 52
	by_rules add "$@"
}
not_to_exit() {
	by_rules del "$@"
	ip route flush table 52
	ip -6 route flush table 52
}
mullvads=("priority 30001 not fwmark 0x6d6f6c65 lookup 52" "priority 30000 lookup main suppress_prefixlength 0")
by_mullvads() { to_exit "${mullvads[@]}"; }
not_by_mullvads() { not_to_exit "${mullvads[@]}"; }
by_tailscales() { to_exit "priority 5270 lookup 52"; }
not_by_tailscales() { not_to_exit "priority 5270 lookup 52"; }
none_of_family "Mullvad's rules" by_mullvads not_by_mullvads
none_of_family "Tailscale's rule" by_tailscales not_by_tailscales
none_of_family def1 openvpn_up tun_down
nft delete table inet leaving
# The network changes: another router, elsewhere.
openvpn_up
configure <<<"$ordinary"
"${lan[@]}" ip addr add 192.168.99.2/24 dev there
ip addr add 192.168.99.1/24 dev here
ip route replace default via 192.168.99.2
ip addr del 192.168.77.1/24 dev here
hook_for here
forget
is "$(get ordinary http://$far_host/) $(($(counted far "${lan[@]}") > 0))" "0 1" "another network, with another router"
ip addr add 192.168.77.1/24 dev here
ip route replace default via $lan_host
ip addr del 192.168.99.1/24 dev here
tun_down

# --- the local table's rule behind others', as virtual routers (VRF) want it
serve -- 8001
make_late() { for ip in -4 -6; do ip $ip rule add pref 32765 lookup local; ip $ip rule del pref 0; done; }
make_first() { for ip in -4 -6; do ip $ip rule add pref 0 lookup local; ip $ip rule del pref 32765; done; }
reaches() { # reaches CLASS: the far host, and this machine
	way "$1"
	echo " $(get "$1" http://127.0.0.1:8001/) $(get "$1" http://192.168.77.1:8001/) $(get "$1" 'http://[::1]:8001/')"
}
all_reach() { [ "$(reaches vpn)$(reaches ordinary)" = "vpn 0 0 0lan 0 0 0" ]; }
SECONDS_FOR=3
openvpn_up
make_late
configure <<<"class vpn { $vpn_class } $ordinary"
is "$(reaches vpn)$(reaches ordinary)" "vpn 0 0 0lan 0 0 0" "the local table's rule comes late: what is this machine's stays so"
wait_until is_watched
before=$(ip rule; ip -6 rule)
for ip in -4 -6; do ip $ip rule flush proto 78; done
wait_until put_back
ok $? "what sees to that comes back"
make_first
"$netshim" reload
is "$(for ip in -4 -6; do ip $ip rule; done | grep -c 'lookup local proto 78')" 0 "it comes first again: then there is none"
make_late
wait_until all_reach
ok $? "it is moved later on"
"$netshim" down
is "$(for ip in -4 -6; do ip $ip rule; done | grep -c 'proto 78')" 0 "down leaves nothing of it"
make_first
tun_down
unset SECONDS_FOR

# --- an interface whose router DHCP or an advertisement has given
ip link add eth9 type veth peer name there9 netns "$other_host"
ip addr add 10.19.0.1/24 dev eth9
ip addr add fd19::1/64 dev eth9 nodad
ip link set eth9 up
"${lan[@]}" sh -c 'ip addr add 10.19.0.2/24 dev there9; ip addr add fd19::2/64 dev there9 nodad; ip link set there9 up; sysctl -qw net.ipv4.conf.all.arp_ignore=1'
ip tuntap add tun9 mode tun
ip addr add 10.29.0.1/24 dev tun9
ip link set tun9 up
checks() { { "$netshim" check "$scratch/checked.conf" >/dev/null; } 2>&1; }
for interface in eth9 tun9 here; do echo "class $interface { interface = '$interface'  local = { 'lan' } }"; done >"$scratch/checked.conf"
like "$(checks)" "^[^ ]*checked.conf:1: class eth9 knows no router behind eth9, .* add: gateway = [^"$'\n'"]*$" "an Ethernet interface without a router is told, and no other"
sed -i "1s/eth9' /eth9'  gateway = '10.19.0.2' /" "$scratch/checked.conf"
is "$(checks)" "" "with gateway, it is not"
ip link del tun9
ip route add default via 10.19.0.2 dev eth9 proto dhcp metric 900
ip -6 route add default via fd19::2 dev eth9 proto ra metric 900
configure <<<"class other { interface = 'eth9' }"
is "$(get other http://$far_host/) $(get other "http://[$far6]/")" "0 0" "an interface without gateway: the router that it has been given"
like "$(ip route show table all proto 78)" "default via 10.19.0.2 dev eth9" "by that"
"${lan[@]}" ip addr del 10.19.0.2/24 dev there9
"${lan[@]}" ip addr add 10.19.0.3/24 dev there9
ip route del default dev eth9
ip route add default via 10.19.0.3 dev eth9 proto dhcp metric 900
hook_for eth9
is "$(get other http://$far_host/)" 0 "it is given another one"
ip route del default dev eth9
ip -4 route add default via inet6 fd19::2 dev eth9 proto dhcp metric 900
"${lan[@]}" sysctl -qw net.ipv4.conf.all.arp_ignore=8
hook_for eth9
is "$(get other http://$far_host/)" 0 "one of IPv6, for IPv4 too"
"${lan[@]}" sysctl -qw net.ipv4.conf.all.arp_ignore=1
configure <<<"class other { interface = 'eth9'  gateway = { '10.9.9.9', 'fd99::9' } }"
forget
is "$(get other http://$far_host/) $(get other "http://[$far6]/") $(counted far "${lan[@]}")" "7 7 0" "another one, which cannot be set: not by the one that was there"
# A VPN's on an Ethernet interface (OpenVPN's tap with def1): nobody there answers for an address beyond the router.
ip route del default dev eth9
ip -6 route del default dev eth9
for half in 0.0.0.0/1 128.0.0.0/1; do ip route add $half via 10.19.0.3 dev eth9; done
ip -6 route add 2000::/4 via fd19::2 dev eth9
configure <<<"class other { interface = 'eth9' }"
is "$(get other http://$far_host/) $(get other "http://[$far6]/")" "0 0" "the router of the halves by which a VPN leads everything"
for half in 0.0.0.0/1 128.0.0.0/1; do ip route del $half dev eth9; done
ip -6 route del 2000::/4 dev eth9
# A provider's, which is in none of the interface's networks.
ip addr flush dev eth9 scope global
ip addr add 198.51.100.20/32 dev eth9
ip addr add 2001:db8:50::20/128 dev eth9 nodad
"${lan[@]}" sh -c 'ip addr add 172.31.1.1/32 dev there9; ip addr add fd31::1/128 dev there9 nodad
	ip route add 198.51.100.20 dev there9; ip -6 route add 2001:db8:50::20 dev there9'
ip route add default via 172.31.1.1 dev eth9 onlink metric 900
ip -6 route add default via fd31::1 dev eth9 onlink metric 900
for gateway in "" "gateway = { '172.31.1.1', 'fd31::1' }"; do
	configure <<<"class other { interface = 'eth9'  $gateway }" 2>"$scratch/said"
	is "$(cat "$scratch/said") $(get other http://$far_host/) $(get other "http://[$far6]/")" " 0 0" "onlink: a router in none of its networks${gateway:+, as the configuration says}"
done
ip route del default via $lan_host
ip -6 route del default via fd77::2
openvpn_up
configure <<<"$ordinary" 2>"$scratch/said"
is "$(cat "$scratch/said")$(way ordinary)" lan "the ordinary way by such a router, past a VPN"
# The kernel may list the routes by nexthop objects without their hops.
sysctl -qw net.ipv4.nexthop_compat_mode=0
ip nexthop add id 1 via 172.31.1.1 dev eth9 onlink
ip nexthop add id 2 via fd31::1 dev eth9 onlink
ip nexthop add id 3 group 1
in_background python3 -c 'import fcntl, signal, struct # gives it a carrier
tun = open("/dev/net/tun", "r+b", buffering=0)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"tun0", 0x1001)) # TUNSETIFF, IFF_TUN | IFF_NO_PI
signal.pause()'
wait_until eval 'ip link show tun0 | grep -q LOWER_UP'
ip nexthop add id 4 dev tun0
ip -6 nexthop add id 5 dev tun0
ip route replace default nhid 3 metric 900
ip -6 route replace default nhid 2 metric 900
for half in 0.0.0.0/1 128.0.0.0/1; do ip route replace $half nhid 4; done
ip -6 route replace 2000::/3 nhid 5
configure <<<"$ordinary class other { interface = 'eth9' }"
is "$(way ordinary) $(get other http://$far_host/) $(get other "http://[$far6]/")" "lan 0 0" "by routes with nexthop objects, past a VPN that has such, too"
ip nexthop flush >/dev/null
kill "${background[-1]}"
openvpn_routes
configure <<<"$ordinary"
sysctl -qw net.ipv4.nexthop_compat_mode=1
ip route add 172.31.1.9 dev here
ip route replace default via 172.31.1.9 dev here metric 900
ip route del 172.31.1.9
ip -6 route del default dev eth9 2>/dev/null
like "$("$netshim" reload 2>&1)" "^[^ ]* $config:1: class ordinary has no way out by IPv4 over here, .* gateway is in no network of the interface" \
	"one that cannot be set is told"
SECONDS_FOR=3
is "$(way ordinary)" "curl 77 " "and the class is refused"
unset SECONDS_FOR
"$netshim" down
tun_down
ip route del default dev here
ip route add default via $lan_host
ip -6 route add default via fd77::2
"${lan[@]}" sysctl -qw net.ipv4.conf.all.arp_ignore=0
ip link del eth9

# --- tun*: the first by name that is up and has an address
for name in tun1 tun2 tunx; do
	ip tuntap add $name mode tun
done
ip link set tun1 up # no address
ip addr add 10.66.2.1/24 dev tunx
ip link set tunx up
configure <<<"class any { interface = 'tun*' }"
device() { ip route show table all proto 78 default | sed -n 's/^default dev \(tun[^ ]*\) .*/\1/p'; }
is "$? $(device)" "0 tunx" "tun*: the one that is up with an address"
ip addr add 10.66.1.1/24 dev tun2
ip link set tun2 up
hook_for tun2
is "$(device)" tunx "it stays while that is so"
ip link set tunx down
hook_for tunx
is "$(device)" tun2 "then the next"
is "$(sed -n 's/.*\(oifname "tun[^"]*"\).*/\1/p' < <(nft list chain inet netshim way0) | sort -u)" 'oifname "tun2"' "and no other is let out by"
ip link del tun2
forget
is "$(get any http://$far_host/) $(counted far "${lan[@]}") $(hook_for tun2; get any http://$far_host/) $(counted far "${lan[@]}")" "7 0 7 0" "none: refused, at once and after a reload"
"$netshim" check "$config" >/dev/null
is $? 0 "which is no mistake"
ip addr add 10.66.3.1/24 dev tun1
hook_for tun1
is "$(device)" tun1 "another one comes"

finish
