#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# No packet of a configured program is outside its class: 1,000 launches of a
# program that sends as its first act, counted by nftables on the way out and on
# the other host.
. "$(dirname "$0")/lib.sh"

launches=1000
make_hosts 80
configure <<EOF
class sender { action = accept }
app '$root/bin/probe-static' { class = sender }
app '$root/bin/probe'        { class = sender }
EOF
nft -f - <<EOF
table inet watch {
	counter inside { }
	counter outside { }
	chain out {
		type filter hook output priority -200;
		udp dport 80 meta cgroup $(classid sender) counter name inside
		udp dport 80 meta cgroup != $(classid sender) counter name outside
	}
}
EOF
on_other_host nft -f - <<EOF
table inet watch {
	counter arrived { }
	chain in { type filter hook input priority 0; udp dport 80 counter name arrived; }
}
EOF
packets() { # packets COUNTER [RUNNER...]
	"${@:2}" nft list counter inet watch "$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'
}

shim sh -c "i=0; while [ \$i -lt $((launches / 2)) ]; do
	$root/bin/probe-static send $lan_host 80; $root/bin/probe send $lan_host 80; i=\$((i + 1)); done"
is "$(packets outside)" 0 "of $launches launches from a hooked shell, no packet outside the class"
is "$(packets inside)" $launches "each sent its packet inside"
until_like "^$launches\$" "all of them arrived" packets arrived on_other_host
as_user LD_PRELOAD="$preload" busybox sh -c "i=0; while [ \$i -lt 200 ]; do
	$root/bin/probe send $lan_host 80; i=\$((i + 1)); done"
is "$(packets outside) $(packets inside)" "0 $((launches + 200))" "nor of 200 that were put right at start"

finish
