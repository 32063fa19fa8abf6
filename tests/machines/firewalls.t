#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# firewalld and ufw come, reload and go: netshim's table is the same all the time, and the
# neighbour gets nothing of a class without a network, and all of one that has it.
export NETSHIM_IN_WORLD=1 # this machine's own: there is nothing on it to lose
. "$(dirname "$0")/../lib.sh"
cd "$tests/.." || exit 1

new_host
other_host=$new_host
ip link add here type veth peer name there netns $other_host
ip addr add 192.168.77.1/24 dev here
ip link set here up
on_other_host ip addr add $lan_host/24 dev there
on_other_host ip link set there up
on_other_host nft -f - <<'END'
table inet watch {
	counter cut { }
	counter lan { }
	chain in {
		type filter hook prerouting priority -300;
		udp dport vmap { 9998: goto cut, 9999: goto lan }
	}
	chain cut { counter name cut; }
	chain lan { counter name lan; }
}
END
counted() { on_other_host nft list counter inet watch "$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
talk() { # talk CLASS PORT: all the time
	in_background "$netshim" run "$1" python3 -c "
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try:
        s.sendto(b'x', ('$lan_host', $2))
    except OSError:
        pass
    time.sleep(.02)"
}
# With the handles, which are others when it is loaded anew.
table() { nft -s -a list table inet netshim; }

configure <<'END'
class cut { action = reject }
class lan { action = reject  allow = { 'lan' } }
END
talk cut 9998
talk lan 9999
before=$(table)

try() { # try COMMAND...
	local count
	"$@" >"$scratch/said" 2>&1 || cat "$scratch/said"
	count=$(counted lan)
	wait_until eval "[ \$(counted lan) -gt $count ]"
	is "$(table)" "$before" "$*: the table is the same, and a class sends what it may"
}
try systemctl start firewalld
try firewall-cmd --reload
try firewall-cmd --complete-reload
try systemctl reload firewalld
try systemctl restart firewalld
try systemctl stop firewalld
is "$(counted cut)" 0 "nothing of a class without a network was on the wire while firewalld came and went"

ufw allow 22/tcp >"$scratch/said"
try ufw --force enable
try ufw reload
try systemctl reload ufw
try systemctl restart ufw
try ufw disable
ufw --force reset >"$scratch/said"
# It leaves its chains, and tests that come later compare all that there is, with its counts.
for family in ip ip6; do nft delete table $family filter; done
is "$(counted cut) $(nft list tables)" "0 table inet netshim" "nor while ufw did; and no other table is left"

finish
