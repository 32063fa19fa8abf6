#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The hook that ifupdown, NetworkManager and networkd-dispatcher run: whatever happens
# to interfaces, and to netshim meanwhile, it ends in a time, complains of nothing that
# is no fault, and the last one leaves what is right.
. "$(dirname "$0")/lib.sh"

make_hosts 80
lan=(nsenter --net="/proc/$other_host/ns/net")
new_host
exit_host=$new_host
in_exit=(nsenter --net="/proc/$exit_host/ns/net")
"${in_exit[@]}" ip addr add $far_host/32 dev lo
serve "${in_exit[@]}" -- 80
ip link add vpn0 type veth peer name peer netns $exit_host
ip addr add 10.11.0.1/24 dev vpn0
ip link set vpn0 up
"${in_exit[@]}" ip addr add 10.11.0.2/24 dev peer
"${in_exit[@]}" ip link set peer up
"${lan[@]}" nft -f - <<EOF
table inet watch {
	counter far { }
	chain in { type filter hook prerouting priority -300; ip daddr $far_host counter name far; }
}
EOF
leaked() { "${lan[@]}" nft list counter inet watch far | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
get() { # get CLASS URL: the status of curl
	shim "$netshim" run "$1" curl -sS -m 15 -o /dev/null "$2" 2>/dev/null
	echo $?
}
hook() { "$root/etc/NetworkManager/dispatcher.d/50-netshim" "$@" >>"$scratch/said" 2>&1; }
in_force() { # all that a reload sets, but for what the kernel gives addresses for later
	nft -s list table inet netshim
	ip rule
	{ ip route show table 4711; ip -6 route show table 4711; } | grep -v fe80
}
is_right() { # is_right NAME: a further reload changes nothing, and no hook has said anything
	local before
	before=$(in_force)
	"$netshim" reload
	is "$(cat "$scratch/said"; in_force)" "$before" "$1"
	: >"$scratch/said"
}
: >"$scratch/said"
configure <<EOF
class vpn     { interface = 'vpn0'  gateway = '10.11.0.2'  table = 4711 }
class offline { action = reject }
EOF

# --- many at once
fewer=$((1 + slow / 5)) # no hook waits more than 10 seconds for the one before it
for ((i = 1; i <= 25 / fewer; i++)); do
	{
		ip link add "v$i" type veth peer name "w$i"
		ip addr add "172.18.$i.1/24" dev "v$i"
		ip link set "v$i" up
		hook "v$i" up
		ip link del "v$i"
		hook "v$i" down
	} &
	storm[i]=$!
done
wrong=0
for _ in {1..10}; do
	[ "$(get offline http://$lan_host/) $(get vpn http://$far_host/)" = "7 0" ] || wrong=$((wrong + 1))
done
wait "${storm[@]}"
is "$wrong $(leaked)" "0 0" "$((25 / fewer)) interfaces come and go: every class keeps to its rules all the time"
is_right "no hook complains, and what the last one has left is right"

# --- an interface that is going while the hook looks
for event in "link set going down" "addr flush dev going" "link del going"; do
	ip link add going type veth peer name gone 2>/dev/null
	ip addr replace 172.19.0.1/24 dev going
	ip addr replace fd19::1/64 dev going nodad
	ip link set gone up
	ip link set going up
	# shellcheck disable=SC2016 # expanded by that shell
	hold_at openat "$root/run/netshim/rules.new" sh -c '"$@"; echo $?' sh "$netshim" reload
	# shellcheck disable=SC2086 # words
	ip $event
	let_go
	until_like '^0$' "ip $event: while a reload is under way, which says nothing" cat "$scratch/said"
done
: >"$scratch/said"
hook going down
is_right "after which all is right"

# --- sleep and waking up
for interface in here vpn0; do
	ip link set $interface down
	hook $interface down
done
like "$(cat "$scratch/said")" "^netshim: $config:1: class vpn has no way out by IPv4 over vpn0, [^"$'\n'"]*$" "a class's interface goes down: told, and no more"
: >"$scratch/said"
is "$(get vpn http://$far_host/) $(get offline http://$lan_host/) $(leaked)" "7 7 0" "all interfaces go down"
waking=()
for interface in vpn0 here; do
	ip link set $interface up
	hook $interface up &
	waking+=($!)
done
ip route add default via $lan_host
wait "${waking[@]}"
is "$(get vpn http://$far_host/) $(get vpn http://$lan_host/) $(get offline http://$lan_host/) $(leaked)" "0 0 7 0" \
	"they come back, all at once: the class goes by its interface again"
is_right "no hook complains, and all is right"

# --- other names
rename() { # rename OLD NEW
	ip link set "$1" down
	ip link set "$1" name "$2"
	ip link set "$2" up
}
rename vpn0 vpn9
is "$(get vpn http://$far_host/)" 7 "the class's interface is renamed: refused"
hook vpn9 up
is "$(get vpn http://$far_host/) $(leaked)" "7 0" "after the hook too"
rename vpn9 vpn0
hook vpn0 up
is "$(get vpn http://$far_host/)" 0 "it has its name again: the class goes out there"
rename here there0
ip route add default via $lan_host
hook there0 up
is "$(get vpn http://$lan_host/) $(leaked)" "0 0" "another interface is renamed: its network is in reach"
is_right "and all is right"

# --- another netshim
lock=$root/run/netshim/lock
hold() { # as another netshim does; $holder is to be ended
	: >"$scratch/held"
	in_background flock --no-fork "$lock" sh -c 'echo held && exec sleep 60' >"$scratch/held"
	holder=$!
	wait_until test -s "$scratch/held"
}
hold
ip addr add 172.20.0.1/24 dev there0
hooks=()
for ((i = 1; i <= 20 / fewer; i++)); do
	hook there0 up &
	hooks+=($!)
done
one_waits() { [ "$(ps -o pid= -p "$(IFS=,; echo "${hooks[*]}")" | wc -l)" -eq 1 ]; }
wait_until one_waits
ok $? "$((20 / fewer)) hooks while another netshim is busy: one waits, for all of them"
kill $holder
wait "${hooks[@]}"
is "$(ip route show table 4711 172.20.0.0/24 | wc -l)" 1 "and does its work"
is_right "silently"

ended_after() { # ended_after COMMAND...: its exit status, how many times five seconds that took, what it said
	local start said
	start=$(date +%s%N)
	said=$("$@" 2>&1)
	echo "$? $((($(date +%s%N) - start) / 5000000000)) $said"
}
sed -i "s/class offline {/& users = { 'root', 'visitor' }/" "$config"
cp /etc/passwd "$scratch/passwd"
mount --bind "$scratch/passwd" /etc/passwd
echo "visitor:x:4242:4242::/:/bin/sh" >>"$scratch/passwd"
mkfifo "$scratch/unanswered"
names_late() { # in a world where the lock is another one
	mount -t tmpfs -o mode=755 tmpfs "$root/run"
	"$netshim" up
	# An older version's text does not say who the users are.
	sed -i '/^[0-9]* \x00# /,$d' "$root/run/netshim/config"
	mount --bind "$scratch/unanswered" /etc/passwd
	ended_after "$netshim" reload --hook
	umount /etc/passwd
	"$netshim" down
}
export -f ended_after names_late
root=$root netshim=$netshim scratch=$scratch unshare --net --mount bash -c names_late >"$scratch/names-late" &
late=($!)
hold
ended_after "$root/etc/network/if-up.d/netshim" >"$scratch/hook-late" &
late+=($!)
ended_after "$netshim" down >"$scratch/down-late" &
late+=($!)
wait "${late[@]}"
kill $holder
"$netshim" reload
id_is() { [ "$(od -An -t u4 -v "$root/run/netshim/rules" | grep -cw 4242)" = 1 ]; }
id_is
is "$? $(grep -v '^visitor:' "$scratch/passwd" >"$scratch/fewer"; cat "$scratch/fewer" >"$scratch/passwd"; "$netshim" reload --hook 2>&1; echo $?)" "0 0" \
	"a user of a class is deleted: the hook does its work"
id_is
ok $? "and the class is still that user's, and nobody else's"
like "$("$netshim" reload 2>&1; echo $?)" "unknown user 'visitor'.*1$" "reload tells it"
umount /etc/passwd
like "$(cat "$scratch/hook-late")" "^0 2 netshim: gave up after 10 seconds: another netshim holds $lock" "another netshim hangs: the hook ends after 10 seconds, and tells"
like "$(cat "$scratch/down-late")" "^1 2 netshim: gave up after 10 seconds: another netshim holds $lock" "so does down"
like "$(cat "$scratch/names-late")" "^1 2 netshim: gave up after 10 seconds: .*users and groups" "users cannot be looked up: a hook does not wait for them"
"$netshim" down
hook there0 up
is "$? $("$netshim" reload --hook 2>&1; echo $?) $(cat "$scratch/said")" "0 0 " "netshim is not up: nothing to do, and nothing to say"

finish
