#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Interfaces that come, go and change, under each of Debian's managers, and while the
# machine sleeps: a class that has one goes by it as it is now, and no packet of the class
# goes another way meanwhile, by what the neighbours have counted.
export NETSHIM_IN_WORLD=1 # this machine's own: there is nothing on it to lose
. "$(dirname "$0")/../lib.sh"
cd "$tests/.." || exit 1
netshim=/usr/bin/netshim

# --- two neighbours with the same far host: one on the ordinary network, one behind the
# interfaces of classes

# What a class sends has a port of its own. Only who has the gateway's address answers for it.
make_neighbour() { # make_neighbour RUNNER...
	"$@" sysctl -qw net.ipv4.conf.all.arp_ignore=1
	"$@" ip addr add $far_host/32 dev lo
	serve "$@" -- 80 81 82
	"$@" nft -f - <<-END
		table inet watch {
			counter vpn { }
			counter any { }
			counter direct { }
			chain in {
				type filter hook prerouting priority -300;
				ip daddr $far_host meta l4proto { tcp, udp } th dport vmap { 80: goto vpn, 81: goto any, 82: goto direct }
			}
			chain vpn { counter name vpn; }
			chain any { counter name any; }
			chain direct { counter name direct; }
		}
	END
}
counted() { # counted CLASS RUNNER...
	"${@:2}" nft list counter inet watch "$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'
}
leaked() { echo "$(counted vpn "${in_lan[@]}") $(counted any "${in_lan[@]}") $(counted direct "${in_exit[@]}")"; }

plug() { # plug INTERFACE NET: it comes, with a neighbour at 10.NET.0.2
	ip link add "$1" type veth peer name "peer-$1" netns $exit_host
	"${in_exit[@]}" ip addr add "10.$2.0.2/24" dev "peer-$1"
	"${in_exit[@]}" ip link set "peer-$1" up
}
unplug() { ip link del "$1"; }
# The router behind an interface has another address.
move_router() { # move_router INTERFACE OLD NEW
	"${in_exit[@]}" ip addr add "$3/24" dev "peer-$1"
	"${in_exit[@]}" ip addr del "$2/24" dev "peer-$1"
	"${in_exit[@]}" ip addr replace "$3/24" dev "peer-$1"
	ip neigh flush dev "$1"
}

# --- what a class sends and reaches

declare -A port=([vpn]=80 [any]=81 [direct]=82)
talk() { # talk CLASS: all the time
	"$netshim" run "$1" python3 - "$far_host" "${port[$1]}" <<-'END' &
		import socket, sys, time
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		while True:
		    try:
		        s.sendto(b'x', (sys.argv[1], int(sys.argv[2])))
		    except OSError:
		        pass
		    time.sleep(.05)
	END
	background+=($!)
}
reaches() { # reaches CLASS
	"$netshim" run "$1" curl -s -m $((2 * slow)) -o /dev/null "http://$far_host:${port[$1]}/"
}
follows() { # follows CLASS NAME: from now on, or soon
	local start=${EPOCHREALTIME/./} status=1
	while [ $(((${EPOCHREALTIME/./} - start) / 1000000)) -lt $((20 * slow)) ]; do
		! reaches "$1" || { status=0 && break; }
		sleep 0.2
	done
	ok $status "$name$2 ($(((${EPOCHREALTIME/./} - start) / 1000)) ms)"
	[ $status = 0 ] || { ip addr; ip rule; ip route; ip route show table 4711; ip route show table 4712; } | sed 's/^/# /' >&2
}
refused() { # refused CLASS NAME
	reaches "$1"
	ok $((! $?)) "$name$2"
}

# --- the managers: each is told of an interface's address and router, and has it so

# The machine's ordinary way goes before, and each has one of its own: the kernel has
# one default route of a metric.
declare -A metric=([vpn0]=900 [tun0]=901 [tun1]=902)
by_networkmanager() {
	case $1 in
	begin)
		cat >/etc/NetworkManager/conf.d/test.conf <<-'END'
			[keyfile]
			unmanaged-devices=interface-name:en*
			[device-test]
			match-device=interface-name:vpn0,interface-name:tun*
			managed=1
		END
		systemctl start NetworkManager-dispatcher
		systemctl restart NetworkManager
		;;
	set)
		nmcli -w 20 connection delete "$2" >/dev/null 2>&1
		nmcli connection add type ethernet ifname "$2" con-name "$2" ipv4.method manual ipv4.addresses "$3/24" ipv4.gateway "$4" \
			ipv4.route-metric "${metric[$2]}" ipv6.method disabled >/dev/null
		nmcli -w 20 connection up "$2" >/dev/null
		;;
	router)
		nmcli connection modify "$2" ipv4.gateway "$3"
		nmcli device reapply "$2" >/dev/null
		;;
	end)
		nmcli -t -f NAME connection show | grep -x 'vpn0\|tun[01]' | xargs -r nmcli connection delete >/dev/null 2>&1
		systemctl stop NetworkManager
		rm -f /etc/NetworkManager/conf.d/test.conf
		;;
	esac
}
by_networkd() {
	local file=/run/systemd/network/${2:-}.network
	case $1 in
	begin)
		mkdir -p /run/systemd/network
		systemctl start systemd-networkd
		;;
	set)
		printf '[Match]\nName=%s\n[Network]\nAddress=%s/24\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n[Route]\nGateway=%s\nMetric=%s\n' \
			"$2" "$3" "$4" "${metric[$2]}" >"$file"
		networkctl reload
		;;
	router)
		sed -i "s/^Gateway=.*/Gateway=$3/" "$file"
		networkctl reload
		;;
	end)
		rm -f /run/systemd/network/{vpn0,tun0,tun1}.network
		networkctl reload
		;;
	esac
}
by_networkd_with_dispatcher() {
	[ "$1" != begin ] || systemctl start networkd-dispatcher
	by_networkd "$@"
	[ "$1" != end ] || systemctl stop networkd-dispatcher
}
by_ifupdown() {
	local file=$scratch/${2:-}.interfaces
	case $1 in
	set | back)
		[ ! -e "$file" ] || ifdown --force -i "$file" "$2" 2>/dev/null
		printf 'iface %s inet static\n\taddress %s/24\n\tgateway %s\n\tmetric %s\n' "$2" "$3" "$4" "${metric[$2]}" >"$file"
		ifup -i "$file" "$2"
		;;
	router)
		ifdown -i "$file" "$2"
		sed -i "s/gateway .*/gateway $3/" "$file"
		ifup -i "$file" "$2"
		;;
	esac
}
by_hand() {
	case $1 in
	set | back)
		ip addr flush dev "$2"
		ip addr add "$3/24" dev "$2"
		ip link set "$2" up
		ip route add default via "$4" dev "$2" metric "${metric[$2]}"
		;;
	router) ip route replace default via "$3" dev "$2" metric "${metric[$2]}" ;;
	esac
}

# --- what happens to interfaces

comes() {
	plug vpn0 11
	"$manager" set vpn0 10.11.0.1 10.11.0.2
	follows vpn "an interface comes"
}
router() {
	move_router vpn0 10.11.0.2 10.11.0.3
	"$manager" router vpn0 10.11.0.3
	follows vpn "it gets another router"
	move_router vpn0 10.11.0.3 10.11.0.2
}
address() {
	move_router vpn0 10.11.0.2 10.12.0.2
	"$manager" set vpn0 10.12.0.1 10.12.0.2
	follows vpn "it gets another address"
}
rename() { # rename OLD NEW
	ip link set "$1" down
	ip link set "$1" name "$2"
	ip link set "$2" up
}
other_name() {
	rename vpn0 other0
	refused vpn "it gets another name"
	rename other0 vpn0
	"$manager" back vpn0 10.12.0.1 10.12.0.2
	follows vpn "it has its name again"
}
# The alarm is set when nothing but the kernel is awake.
sleeps() {
	local count
	count=$(cat /sys/power/suspend_stats/success)
	systemctl suspend
	wait_until eval "[ \$(cat /sys/power/suspend_stats/success) -gt $count ]"
	follows vpn "the machine was asleep"
}
goes() {
	unplug vpn0
	refused vpn "it goes"
}
pattern() {
	plug tun0 21
	"$manager" set tun0 10.21.0.1 10.21.0.2
	follows any "tun*: tun0 comes"
	plug tun1 22
	"$manager" set tun1 10.22.0.1 10.22.0.2
	unplug tun0
	follows any "tun*: tun1 is there, and tun0 goes"
	unplug tun1
	refused any "tun*: both are gone"
}

under() { # under MANAGER NAME CASE...
	manager=$1 name="$2: "
	"$manager" begin
	for case in "${@:3}"; do $case; done
	"$manager" end
	is "$(leaked)" "0 0 0" "${name}no packet of a class went elsewhere"
}

new_host
in_lan=(nsenter --net="/proc/$new_host/ns/net")
make_neighbour "${in_lan[@]}"
ip link add lan0 type veth peer name there netns "$new_host"
new_host
exit_host=$new_host
in_exit=(nsenter --net="/proc/$new_host/ns/net")
make_neighbour "${in_exit[@]}"
ip addr add 192.168.77.1/24 dev lan0
ip link set lan0 up
"${in_lan[@]}" ip addr add $lan_host/24 dev there
"${in_lan[@]}" ip link set there up
ip route add $far_host via $lan_host

apt-get -q -y install ./build/deb/{lib,}netshim_*_"$(dpkg --print-architecture)".deb >"$scratch/apt" 2>&1
is $? 0 "the package is installed"
cat >/etc/netshim.conf <<'END'
class vpn    { interface = 'vpn0'      table = 4711 }
class any    { interface = 'tun*'      table = 4712 }
class direct { interface = 'ordinary'  table = 4713 }
END
"$netshim" up
is $? 0 "netshim up"
install -D -m 755 /dev/stdin /usr/lib/systemd/system-sleep/test <<'END'
#!/bin/sh
[ "$1" != pre ] || for alarm in 0 +30; do echo $alarm >/sys/class/rtc/rtc0/wakealarm; done
END
name=
own_manager=$(systemctl is-active NetworkManager)
for class in vpn any direct; do talk $class; done
follows direct "ordinary"
refused vpn "no vpn0"
under by_networkmanager NetworkManager comes router address other_name sleeps goes pattern
under by_networkd networkd comes router address other_name sleeps goes pattern
under by_networkd_with_dispatcher networkd-dispatcher comes router address other_name goes pattern
under by_ifupdown ifupdown comes router address other_name goes pattern
under by_hand "by hand" comes router address other_name goes pattern
[ "$own_manager" != active ] || systemctl start NetworkManager

apt-get -q -y purge netshim libnetshim >"$scratch/apt" 2>&1
rm /usr/lib/systemd/system-sleep/test
finish
