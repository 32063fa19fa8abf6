#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Whatever step of up or reload the kernel refuses, the state after is the state
# before, with a message that says what failed. Once the new rules file is in its
# place, what is left to do is taking away what is not needed any more: where that
# fails, the new rules stay in force, and the next reload or down does it.
. "$(dirname "$0")/lib.sh"

ip link set lo up
ip link add here type veth peer name there
ip addr add 192.168.77.1/24 dev here
ip link set here up
ip link set there up
sleep 2 # until the kernel has given link-local addresses, which change the routes
run=$root/run/netshim

state() {
	cksum "$run/rules" "$run"/before:* 2>/dev/null
	grep -c "$run" /proc/self/mounts
	nft -s list ruleset
	ip rule
	ip -6 rule
	ip route show table all
	[ ! -d "$run/net_cls$group" ] || find "$run/net_cls$group" -name net_cls.classid -exec grep -H . {} + | sort
	cat /proc/sys/net/ipv4/conf/{all,here}/{route_localnet,rp_filter}
}
cat >"$scratch/old.conf" <<EOF
class one { classid = '10:1' }
class two { interface = 'here' }
EOF
cat >"$scratch/new.conf" <<EOF
class one   { classid = '10:2'  action = reject }
class three { interface = 'here'  mark = 5  dns = { '192.0.2.53' } }
class four  { action = drop }
EOF

go_back() { # go_back VERB: to what was before it
	if [ "$1" = up ]; then
		"$netshim" down
	else
		"$netshim" -c "$scratch/old.conf" reload
	fi
}

# A failure of CALL, at its first use, its second and so on, until it no longer fails.
fails_cleanly() { # fails_cleanly VERB CALL ERROR
	local before rules n out status dirty=0 silent=0
	before=$(state)
	rules=$(cksum "$run/rules" 2>&1)
	for ((n = 1; n <= 60; n++)); do
		out=$(strace -qq -o /dev/null -e trace="$2" -e inject="$2:error=$3:when=$n" "$netshim" -c "$scratch/new.conf" "$1" 2>&1)
		status=$?
		[ $status -ne 0 ] || break
		[[ $out == *netshim:* ]] || silent=$((silent + 1))
		[ "$(cksum "$run/rules" 2>&1)" = "$rules" ] || go_back "$1"
		if [ "$(state)" != "$before" ]; then
			dirty=$((dirty + 1))
			diff <(echo "$before") <(state) | sed "s/^/# $2 $n: /" >&2
			go_back "$1"
		fi
	done
	is "$dirty $silent" "0 0" "$1: $2 fails with $3, each of $((n - 1)) times: all as before, and a message"
	go_back "$1"
	is "$(state)" "$before" "$1: and back, when it has not failed"
}

for failure in "mount EINVAL" "mkdir ENOSPC" "rename EROFS" "sendmsg ENOBUFS" "flock EINTR"; do
	# shellcheck disable=SC2086 # two words
	fails_cleanly up $failure
done
"$netshim" -c "$scratch/old.conf" up
for failure in "mkdir ENOSPC" "rename EROFS" "sendmsg ENOBUFS"; do
	# shellcheck disable=SC2086
	fails_cleanly reload $failure
done
"$netshim" down

finish
