#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Other firewalls beside netshim keep working, and netshim touches nothing of
# theirs.
. "$(dirname "$0")/lib.sh"

make_hosts 80 8080
get() { # get CLASS PORT: the status of curl
	shim "$netshim" run "$1" curl -sS -m "$([ "$2" = 80 ] && echo 15 || echo 1)" -o /dev/null "http://$lan_host:$2/" 2>/dev/null
	echo $?
}
foreign() { # all but netshim's
	nft -s list ruleset | awk '/^table inet netshim / { ours = 1 } !ours { print } /^}/ { ours = 0 }' | sed 's/packets [0-9]* bytes [0-9]*//'
	ip rule
	ip route show table all | grep -v fe80 # comes when the interface is ready
	iptables-nft-save | sed 's/^#.*//; s/\[[0-9:]*\]//'
}

nft -f - <<EOF
table inet filter {
	chain output {
		type filter hook output priority 10; policy drop;
		oifname "lo" accept
		ip daddr $lan_host tcp dport 80 accept
		ct state established accept
	}
}
EOF
ip rule add from 192.0.2.1 lookup 4242
ip route add blackhole 192.0.2.0/24 table 4242
before=$(foreign)
configure <<EOF
class open { classid = '10:43'  mark = 7  rate = '100 mbit' }
class shut { action = reject }
class away { interface = 'nosuch0'  dns = { '192.0.2.53' } }
EOF
is "$(get open 80) $(get open 8080) $(get shut 80)" "0 28 7" "a foreign table with a policy of drop: both are in force"
is "$(foreign | grep -v -e 'proto 78' -e 'table [0-9]* proto 78')" "$before" "nothing foreign is changed by up"
iptables-nft -A OUTPUT -m cgroup --cgroup 0x100043 -p tcp --dport 80 -j REJECT --reject-with tcp-reset
ok $? "iptables takes a rule on the same classid"
is "$(get open 80)" 7 "and it works: the class's port 80 is refused by it"
is "$(shim curl -sS -m 15 http://$lan_host/)" hello "but nobody else's"
with=$(foreign | grep -v 'proto 78')
"$netshim" reload
is "$(foreign | grep -v 'proto 78')" "$with" "nor by reload"
is "$(get open 80)" 7 "after which the iptables rule still works"
iptables-nft -F OUTPUT
is "$(get open 80)" 0 "and taken away, the class talks again"
with=$(foreign | grep -v 'proto 78')
"$netshim" down
is "$(foreign)" "$with" "nor by down"
is "$(nft list tables | grep -c netshim)" 0 "whose own table is gone"

# O(1): a packet of a class meets one map, whatever the number of classes
for i in {1..1000}; do echo "class c$i { action = reject }"; done | configure
is "$(nft -a list chain inet netshim output | grep -c '# handle')" 3 "1,000 classes are one rule on a packet's way, not 1,000"
is "$(get c777 80)" 7 "and one of them does what it says"

finish
