#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# netshim watch: when others take netshim's table away, or parts of it, it is there again
# within a second, as it was in force. What a class sends meanwhile is counted at the
# neighbour. And classes follow their interfaces without a hook.
. "$(dirname "$0")/lib.sh"

make_hosts 80
make_exit vpn0 11
watch_far on_other_host # what has gone the ordinary way
on_other_host nft 'table inet watch { counter cut { }; chain cut { type filter hook prerouting priority -300; udp dport 9 counter name cut; }; }'
cut_packets() { on_other_host nft list counter inet watch cut | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
restored=$root/run/netshim/restored
configure <<END
class cut { action = reject }
class vpn { interface = 'vpn0'  gateway = '10.11.0.2' }
END

cat >"$scratch/flood.py" <<'END'
import os, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
test = os.getppid()
while os.getppid() == test:
    try:
        s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
    except OSError:
        pass
    time.sleep(0.001)
END
in_background "${user[@]}" "$netshim" run cut python3 "$scratch/flood.py" $lan_host 9
floods=($!)
in_background "${user[@]}" "$netshim" run vpn python3 "$scratch/flood.py" $far_host 7
floods+=($!)
at_exit() { [ "$(far_packets "${in_exit[@]}")" -gt 0 ]; }
wait_until at_exit

rules() { nft -s list table inet netshim 2>/dev/null; }
wanted=$(rules)
is_back() { [ "$(rules)" = "$wanted" ]; }
within_a_second() { # within_a_second COMMAND...: has come true
	local end=$(($(date +%s%N) + 1000000000 * slow))
	until "$@"; do
		[ "$(date +%s%N)" -lt $end ] || return 1
		sleep 0.01
	done
}
sent() { echo $(($(cut_packets) + $(far_packets on_other_host))); }
is_noted() { [ "$(cat "$restored" 2>/dev/null)" != "$noted" ]; }
harm() { # harm NAME COMMAND...: takes rules away
	local before noted
	before=$(sent)
	noted=$(cat "$restored" 2>/dev/null)
	"${@:2}"
	within_a_second is_back
	is $? 0 "$1: all is back within a second"
	wait_until is_noted
	echo "# $(($(sent) - before)) packets of two programs that send a thousand a second each were sent meanwhile" >&2
	before=$(sent)
	sleep 0.2
	is $(($(sent) - before)) 0 "$1: no packet of a class goes the ordinary way any more"
}
polls=$(call_number poll ppoll | paste -sd '|')
waits() { # waits FOR: ever, or a while, for events
	local call='' patience='' for="a while"
	read -r call _ _ patience _ <"/proc/$watcher/syscall"
	[[ ! $patience =~ ^0x(0|f{8}|f{16})$ ]] || for=ever
	[[ $call =~ ^($polls)$ ]] && [ "$for" = "$1" ]
}
# What has happened so far, it has heard and done, and so has what follows interfaces.
is_idle() { waits ever && ! pgrep -P "$watcher" >/dev/null && waits ever; }

# --- what others do

is "$(sent)" 0 "nothing of a class goes the ordinary way"
nft 'table inet others { chain c { type filter hook input priority 0; }; }'
harm "nft flush ruleset" nft flush ruleset
is "$(nft list tables)" "table inet netshim" "others' tables stay away"
like "$(cat "$restored")" "^1 [0-9]+ nft$" "it is known who that was"
like "$("$netshim" status 2>&1 >/dev/null)" "netshim: 'nft' has taken netshim's nftables table away at [0-9:]*; netshim has put it back, " "and status says so"
for seconds in 86400 -86400; do
	echo $seconds >"$scratch/clock"
	like "$(LD_PRELOAD=$root/bin/clock.so CLOCK_SET=$scratch/clock "$netshim" status 2>&1 >/dev/null)" "'nft' has taken .* at [0-9:]*; " "also where the clock has been set by $seconds seconds"
done
rm "$restored"
watcher=$(watcher)
in_background strace -qq -o /dev/null -e trace=recvfrom -e inject=recvfrom:error=EAGAIN:when=2+3 -p "$watcher"
is_traced() { ! grep -qx "TracerPid:.0" "/proc/$1/status"; }
wait_until is_traced "$watcher"
harm "the kernel tells the end of it later than its beginning" nft flush ruleset
like "$(cat "$restored")" "^[0-9]+ [0-9]+ nft$" "it is known who that was, too"
kill $!
harm "the table is deleted" nft delete table inet netshim
harm "the table is emptied" nft flush table inet netshim
harm "a chain is emptied" nft flush chain inet netshim output
harm "the table is put to sleep" nft 'add table inet netshim { flags dormant; }'
another_table() { nft 'delete table inet netshim; table inet netshim { comment "netshim 0123456789abcdef"; chain c { type filter hook output priority 0; }; }'; }
harm "another table has its name" another_table
# Who loads a file may begin so; and it is more than a socket has room for.
large() {
	{
		printf 'flush ruleset\ntable inet large {\n'
		printf 'chain c%d { counter; }\n' {1..5000}
		echo "}"
	} | nft -f -
}
harm "a large file that flushes first" large
is "$(nft list tables | sort | xargs)" "table inet large table inet netshim" "what it has loaded stays"
nft delete table inet large
rm "$restored"
{ echo "flush ruleset"; nft list ruleset; } >"$scratch/ruleset"
nft -f "$scratch/ruleset"
wait_until is_idle
is_back
is "$? $(ls "$restored" 2>/dev/null)" "0 " "who loads the same table is left alone"

# --- as it was in force, and by nobody but who was asked

echo "class cut { }" >"$config"
harm "the configuration has been edited since" nft flush ruleset
cat >"$config" <<END
class cut { action = drop }
class vpn { interface = 'vpn0'  gateway = '10.11.0.2' }
END
watcher=$(watcher)
"$netshim" reload
wanted=$(rules)
wait_until is_idle
is_back
is "$? $("$netshim" status 2>&1 >/dev/null | grep nftables)" "0 " "after a reload nothing is put back, and nothing more is said"
is "$(watcher)" "$watcher" "it is the same process"
harm "what the reload has loaded is taken away" nft flush ruleset
rm "$restored"
count() { nft list counter inet netshim out_cut | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
before=$(count)
echo "flush ruleset" >"$scratch/own.nft"
"$root/usr/libexec/netshim-nftables" "$scratch/own.nft"
wait_until is_idle
counts_on() { [ "$(count)" -gt "$before" ]; }
wait_until counts_on
is "$(ls "$restored" 2>/dev/null)" "" "netshim-nftables is left alone: the counts go on"
echo "add table inet own" >>"$scratch/own.nft"
mkdir -p "$scratch/impatient"
printf '#!/bin/sh\nexec %s -w 0.1 9\n' "$(command -v flock)" >"$scratch/impatient/flock" # instead of 10 seconds
chmod 755 "$scratch/impatient/flock"
like "$(exec 8<"$root/run/netshim/lock"; flock 8
	PATH=$scratch/impatient:$PATH "$root/usr/libexec/netshim-nftables" "$scratch/own.nft" 2>&1; echo "$?"; nft list tables)" \
	"netshim-nftables: .*/lock for 10 seconds; loading all the same"$'\n0\n'".*table inet own" "where the lock is not to be had, it loads all the same, and says so"
nft delete table inet own
kill "${floods[@]}"

# --- interfaces, addresses and routes, without any hook

far() { shim "$netshim" run "$1" curl -sS -m 4 -o /dev/null "http://$far_host/" 2>/dev/null; }
comes_true() { # comes_true NAME COMMAND...: within a second
	within_a_second "${@:2}"
	is $? 0 "$1"
}
routes() { ip route show table 4711 2>/dev/null; }
leads() { routes | grep -q -e "$1"; } # leads ROUTE
no_way() { ! routes | grep -q -e "^default via" -e "^default dev [^l]"; }
cat >"$config" <<END
class cut { action = reject }
class vpn { interface = 'vpn0'  table = 4711 }
END
"$netshim" reload
ip route add default via 10.11.0.2 dev vpn0 metric 5000
comes_true "a route that DHCP would add: a gateway" leads "default via 10.11.0.2 dev vpn0"
far vpn
is $? 0 "by which the class goes out"
ip route replace default via 10.11.0.3 dev vpn0 metric 5000
comes_true "another one" leads "default via 10.11.0.3 dev vpn0"
ip route del default dev vpn0
comes_true "none" leads "default dev vpn0 "
far_back() { ip route replace default via 10.11.0.2 dev vpn0 metric 5000; }
far_back
ip link set vpn0 down
comes_true "the interface goes down" no_way
ip link set vpn0 up
far_back
comes_true "up: it is used again" leads "default via 10.11.0.2 dev vpn0"
ip link set vpn0 down
ip link set vpn0 name vpn9
ip link set vpn9 up
comes_true "renamed: it is the class's no more" no_way
far vpn
is $? 7 "which is refused"
ip link set vpn9 down
ip link set vpn9 name vpn0
ip link set vpn0 up
far_back
comes_true "with its name again: it is" leads "default via 10.11.0.2 dev vpn0"
ip link del vpn0
comes_true "taken away" no_way
connect_exit vpn0 11 "$exit_host"
far_back
comes_true "another one with its name" leads "default via 10.11.0.2 dev vpn0"
within_a_second far vpn
is $? 0 "by which the class goes out"
ip addr flush dev vpn0
ip addr add 10.11.0.77/24 dev vpn0
far_back
has_address() { rules | grep -q 10.11.0.77; }
comes_true "it has another address" has_address
within_a_second far vpn
is $? 0 "the class goes out by that"
ip link add bridge0 type bridge
ip addr add 172.20.0.1/16 dev bridge0
ip link set bridge0 up
comes_true "a local network" leads "172.20.0.0/16 dev bridge0"
ip link del bridge0
gone() { ! leads bridge0; }
comes_true "no more" gone
ip addr add fd11::1/64 dev vpn0 nodad
leads_by_ipv6() { ip -6 route show table 4711 2>/dev/null | grep -q "^default dev vpn0"; }
wait_until leads_by_ipv6
wait_until is_idle
ip route del default dev vpn0 table 4711
comes_true "somebody takes the way out of the class's table: it is there again" leads "default via 10.11.0.2 dev vpn0"
wait_until is_idle
ip -6 route flush table 4711
comes_true "by IPv6 too" leads_by_ipv6
sed -i "s/table = 4711/table = 4713/" "$config"
wait_until is_idle
in_background strace -qq -o "$scratch/forks" -e trace="/^(clone3?|v?fork)\$" -p "$watcher"
wait_until is_traced "$watcher"
"$netshim" reload
wait_until is_idle
is "$(routes) $(grep -c . "$scratch/forks")" " 0" "who reloads takes routes out of a table: nothing to follow"
"$netshim" down
wait_until is_unwatched
is "$(grep -c . "$scratch/forks")" 0 "nor when all are taken away"
sed -i "s/table = 4713/table = 4711/" "$config"
"$netshim" up
watcher=$(watcher)
echo "class vpn { action = reject }" >"$config"
ip route replace default via 10.11.0.3 dev vpn0 metric 5000
comes_true "with the configuration as it was put into force" leads "default via 10.11.0.3 dev vpn0"
is "$("$netshim" status 2>/dev/null | awk '$2 ~ /:/ { print $1 }' | xargs)" "cut vpn" "and no other classes"

faults_of_children() { awk '{ print $11 }' "/proc/$watcher/stat"; } # of those that have ended
cp /etc/passwd "$scratch/passwd"
echo "visitor:x:4242:4242::/:/bin/sh" >>"$scratch/passwd"
mount --bind "$scratch/passwd" /etc/passwd
cat >"$config" <<END
class cut    { action = reject }
class vpn    { interface = 'vpn0'  table = 4711 }
class guests { users = { 'visitor' }  action = reject }
END
"$netshim" reload
grep -v '^visitor:' "$scratch/passwd" >"$scratch/fewer"
cat "$scratch/fewer" >"$scratch/passwd"
far_back
comes_true "a user of a class is deleted: interfaces are followed all the same" leads "default via 10.11.0.2 dev vpn0"
like "$("$netshim" lift guests 1m 2>&1; echo $?)" "^class guests: for 1 min, .*0$" "and what the class refuses can be lifted"
wait_until is_idle
chmod 644 "$root/run/netshim/config" # so it is not believed
faults=$(faults_of_children)
ip route replace default via 10.11.0.4 dev vpn0 metric 5000
has_tried() { [ "$(faults_of_children)" != "$faults" ]; }
wait_until has_tried
chmod 600 "$root/run/netshim/config"
wait_until leads "default via 10.11.0.4 dev vpn0"
ok $? "what could not be followed is tried again, with no other event"
umount /etc/passwd

cat >"$config" <<END
class vpn   { interface = 'vpn*'  table = 4711 }
class plain { interface = 'ordinary'  table = 4712 }
END
"$netshim" reload
ip link add vpn1 type dummy 2>/dev/null || ip link add vpn1 type veth peer name peer1
ip addr add 10.12.0.1/24 dev vpn1
ip link set vpn1 up
ip link set vpn0 down
comes_true "an interface by pattern: the one that is up" leads "dev vpn1"
plain() { ip route show table 4712 2>/dev/null | grep -q -e "$1"; }
ip tuntap add tun0 mode tun
ip addr add 10.13.0.1/24 dev tun0
ip link set tun0 up
ip route add 0.0.0.0/1 dev tun0
ip route add 128.0.0.0/1 dev tun0
comes_true "a tunnel takes everything: the ordinary way past it" plain "default via $lan_host dev here"
ip route replace default via 192.168.77.3
comes_true "by another gateway" plain "default via 192.168.77.3 dev here"
# The kernel tells of routes with a changed nexthop object only while that mode is 1, and of those that a removed one takes
# away not even then.
for mode in 1 0; do
	sysctl -qw net.ipv4.nexthop_compat_mode=$mode
	ip nexthop add id 1 via 192.168.77.4 dev here
	ip nexthop add id 2 group 1
	ip route replace default nhid 2
	comes_true "mode $mode: by a group of nexthop objects" plain "default via 192.168.77.4 dev here"
	ip nexthop replace id 1 via 192.168.77.5 dev here
	comes_true "mode $mode: one is changed" plain "default via 192.168.77.5 dev here"
	ip nexthop add id 3 via 192.168.77.6 dev here
	ip nexthop replace id 2 group 3
	comes_true "mode $mode: the group is" plain "default via 192.168.77.6 dev here"
	ip nexthop del id 3
	not_plain() { ! plain "default via"; }
	comes_true "mode $mode: one is removed, and so is the route" not_plain
	ip nexthop del id 1
done
sysctl -qw net.ipv4.nexthop_compat_mode=1
ip route replace default via 192.168.77.3
comes_true "and by a gateway again" plain "default via 192.168.77.3 dev here"

ticks() { awk '{ print $14 + $15 + $16 + $17 }' "/proc/$watcher/stat"; } # with its children
spent() { awk '{ print $16 + $17 }' "/proc/$$/stat"; } # by what this test has started
wait_until is_idle
before="$(ticks) $(stat -c %i "$root/run/netshim/table")"
spent_before=$(spent)
for i in {1..50}; do
	ip link add "v$i" type veth peer name "w$i"
	ip link set "v$i" up
	ip link set "w$i" up
	ip link del "v$i"
done
making=$(($(spent) - spent_before))
wait_until is_idle
used=$(($(ticks) - ${before% *}))
echo "# looking at them has cost $used hundredths of a second, making them $making" >&2
is "$((used > making / 5)) $(stat -c %i "$root/run/netshim/table")" "0 ${before#* }" "50 containers come and go: nothing to do"
ip route replace default via $lan_host
comes_true "and by that of before" plain "default via $lan_host dev here"
wait_until is_idle

cp "$config" "$scratch/with-interfaces.conf"
cat >"$config" <<END
class proxied { proxy = { '127.0.0.1:12345', '[::1]:12345' }  proxy-udp = { '127.0.0.1:12346', '[::1]:12346' }  table = 4714 }
END
"$netshim" reload
wait_until is_idle
proxied() { [ "$(ip "$1" route show table 4714 2>/dev/null | grep -c "^local default dev lo")" = 1 ]; }
both_proxied() { proxied -4 && proxied -6; }
ip route flush table 4714
ip -6 route flush table 4714
comes_true "no class has an interface: what somebody takes away of the way to a proxy is there again" both_proxied
ip link set lo down
ip link set lo up
comes_true "and what goes with the loopback interface" both_proxied
wait_until is_idle
in_background strace -qq -o "$scratch/forks" -e trace="/^(clone3?|v?fork)\$" -p "$watcher"
wait_until is_traced "$watcher"
ip link add bridge0 type bridge
ip addr add 172.20.0.1/16 dev bridge0
ip link set bridge0 up
ip route del default
ip route add default via $lan_host
wait_until is_idle
is "$(wc -l <"$scratch/forks")" 0 "other routes and addresses are nothing to it"
ip link del bridge0
kill "${background[-1]}"
cat >"$config" <<END
class led { action = reject  allow = { 'loopback', 'link' }  mark = 20 }
END
"$netshim" reload
chain_has() { nft list chain inet netshim "$1" | grep -q -e "$2"; } # chain_has CHAIN RULE
ip link add bridge0 type bridge
ip addr add 172.20.0.1/16 dev bridge0
ip link set bridge0 up
comes_true "a class whose mark leads elsewhere has neighbours in another network" chain_has note_led "172.20.0.0/16"
ip link del bridge0
ip -4 route add default via inet6 fd77::2 dev here metric 5
comes_true "a router of IPv6 for IPv4: its destinations are no neighbours" chain_has note_neighbours "192.168.77.0/24"
ip route del default metric 5
cp "$scratch/with-interfaces.conf" "$config"
"$netshim" reload
wait_until is_idle
wanted=$(rules)

# --- in network namespaces

mkdir -p /run/netns
mount -t tmpfs -o mode=755 none /run/netns
cat >>"$config" <<END
class jail  { netns = 'jail'  address = '10.97.10.2/24'  deny = { 'udp/19' } }
class other { netns = 'other'  address = '10.97.20.2/24'  action = reject }
class alone { netns = 'private' }
END
"$netshim" reload
in_jail() { nsenter --net=/run/netns/jail "$@"; }
watchers_in() { # watchers_in NAMESPACE
	local process
	for process in $(ip netns pids "$1" 2>/dev/null); do
		[ "$(tr '\0' ' ' <"/proc/$process/cmdline")" != "netshim watch $1 " ] || echo "$process"
	done
}
is_watched_in() { [ -n "$(watchers_in "$1")" ]; }
wait_until is_watched_in jail
wait_until is_watched_in other
of_namespaces() { find "$root/run/netshim" -maxdepth 1 -name '*-*' -printf '%f\n' | grep '^watch-\|^table-\|^restored-' | sort | xargs; }
is "$(of_namespaces)" "table-jail table-other watch-jail watch-other" "one process watches in each namespace that has rules"
is "$(sed -n 's/CapEff:\t//p; s/NoNewPrivs:\t//p' "/proc/$(watchers_in jail)/status" | xargs)" "0000000000001000 1" "with CAP_NET_ADMIN alone"
rules_in_jail() { in_jail nft -s list table inet netshim 2>/dev/null; }
wanted_in_jail=$(rules_in_jail)
is_back_in_jail() { [ "$(rules_in_jail)" = "$wanted_in_jail" ]; }
on_other_host nft 'table inet watch { counter inside { }; chain cut { udp dport 19 counter name inside; }; }'
inside_packets() { on_other_host nft list counter inet watch inside | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
in_background nsenter --net=/run/netns/jail "${user[@]}" python3 "$scratch/flood.py" $lan_host 19
for command in "flush ruleset" "delete table inet netshim" "flush chain inet netshim output"; do
	in_jail nft "$command"
	comes_true "$command there: all is back" is_back_in_jail
done
before=$(inside_packets)
echo "# $before packets of a program that sends a thousand a second were sent meanwhile" >&2
sleep 0.2
is $(($(inside_packets) - before)) 0 "and no packet is sent any more"
like "$("$netshim" status 2>&1 >/dev/null)" "'nft' has taken netshim's nftables table in the network namespace of class jail away" "status says so"
before=$(watchers_in jail)
"$netshim" lift jail 1m >/dev/null
in_jail nft flush ruleset
is_lifted() { in_jail nft list set inet netshim lifted_others 2>/dev/null | grep -q expires; }
comes_true "what is lifted stays so" is_lifted
"$netshim" lift jail off >/dev/null
sed -i "s/udp\/19/udp\/20/" "$config"
"$netshim" reload
wanted_in_jail=$(rules_in_jail)
is "$(watchers_in jail) $(grep -q 'dport 20' <<<"$wanted_in_jail"; echo $?)" "$before 0" "after a reload, it is the same process"
in_jail nft flush ruleset
comes_true "which puts back what that has loaded" is_back_in_jail
kill "$before"
is_unwatched_in() { [ -z "$(watchers_in "$1")" ] && is_given_up "$root/run/netshim/watch-$1"; }
wait_until is_unwatched_in jail
in_jail nft flush ruleset
out=$("$netshim" status 2>&1 >/dev/null)
is "$? $(grep -c "in the network namespace of class jail: nftables has lost\|nobody puts back .* in the network namespace of class jail" <<<"$out")" "1 2" "where nobody does, status says so, and fails"
sed -i '/class other/d' "$config"
is "$("$netshim" reload 2>&1)" "" "reload takes a namespace away, and names no watcher as still in it"
wait_until is_watched_in jail
is "$(of_namespaces | sed 's/restored-[^ ]* *//')" "table-jail watch-jail" "nothing is left of it"
comes_true "and puts back what is gone in another" is_back_in_jail
sed -i '/class jail\|class alone/d' "$config"
"$netshim" reload 2>/dev/null
is "$(of_namespaces)" "" "no namespace, no watcher"
wait_until is_idle
wanted=$(rules)

# --- again and again

before=$(ticks)
seconds=$((3 * slow))
end=$((SECONDS + seconds))
while [ $SECONDS -lt $end ]; do nft flush ruleset; done
used=$(($(ticks) - before))
wait_until is_back
[ $used -lt $((50 * seconds)) ]
ok $? "the ruleset is flushed again and again: putting it back has cost $used hundredths of a second in $seconds"
says_so() { "$netshim" status 2>&1 >/dev/null | grep -q "'nft' takes netshim's nftables table away again and again: [0-9]* times"; }
wait_until says_so
ok $? "status says so"

# --- what nftables does not take, it takes later

kill "$watcher"
wait_until is_unwatched
like "$("$netshim" status 2>&1 >/dev/null)" "nobody puts back what others take away" "where nobody watches, status says so"
like "$(strace -f -qq -o /dev/null -e trace=inotify_init1 -e inject=inotify_init1:error=EMFILE "$netshim" reload 2>&1; echo $?)" \
	"^netshim: nobody puts back what others take away \(run 'netshim reload'\): cannot start netshim watch: cannot watch files .*: Too many open files"$'\n'"0$" \
	"a reload that cannot start it says so, and why"
in_background "$netshim" watch
watcher=$!
wait_until is_idle # who follows interfaces loads what is in force, and keeps its text
cp "$root/run/netshim/table" "$scratch/table"
echo nonsense >"$root/run/netshim/table"
nft flush ruleset
wait_until waits "a while" # to try again
is "$(rules)" "" "a text that nftables does not take"
cat "$scratch/table" >"$root/run/netshim/table"
wait_until is_back
ok $? "is tried again"

# --- whose it is

cat >"$config" <<<"class cut { action = reject }"
"$netshim" down
wait_until is_unwatched
is "$(nft list tables; ls "$root/run")" "" "after netshim down nothing is there, and nobody watches"
"$netshim" up
wait_until is_watched
is "$(sed -n 's/CapEff:\t//p; s/NoNewPrivs:\t//p' "/proc/$(watcher)/status" | xargs)" "0000000000001000 1" "who watches has CAP_NET_ADMIN alone, and can get no more"
kill "$(watcher)"
wait_until is_unwatched
exec 8<"$root/run/netshim/watch"
flock -s 8 # as status does for a moment
"$netshim" reload
exec 8<&-
wait_until is_watched
ok $? "who only asks is not taken for who watches"
"$netshim" down
wait_until is_unwatched
strace -qq -o /dev/null -e trace=flock -e inject=flock:delay_enter=500000:when=2 "$netshim" up 2>"$scratch/said" &
up=$!
wait_until test -e "$root/run/netshim/watch"
"$netshim" watch 2>/dev/null & # as that of an earlier up that has not come to it yet
earlier=$!
wait $up
is "$? $(cat "$scratch/said") $(wc -l <"$root/run/netshim/watch")" "0  1" "who watches first is told what to watch"
kill $earlier 2>/dev/null
wait $earlier
end_watching
"$netshim" reload
wait_until is_watched
before=$(watcher)
in_background strace -qq -o "$scratch/calls" -e '/^unlink(at)?$' -e 'inject=/^unlink(at)?$:delay_enter=500000' -p "$before"
wait_until is_traced "$before"
"$netshim" down
ends() { [ -s "$scratch/calls" ] || is_unwatched; }
wait_until ends
"$netshim" up
wait_until test ! -e "/proc/$before/exe"
ok "$(test -e "$root/run/netshim/table"; echo $?)" "who ends with a down takes nothing away from the up that follows"
wait_until is_watched
before=$(watcher)
touch "$(command -v "$netshim")" # as an upgrade does
"$netshim" reload
another() { is_watched && [ "$(watcher)" != "$before" ]; }
wait_until another
ok $? "one of another version takes its place"

# --- started in a group that a service manager ends, as systemd a unit's

groups=$scratch/groups starter=$groups/$own-starter
leave_starter() {
	rmdir "$starter"
	umount "$groups"
}
in_starter() { # in_starter COMMAND...
	bash -c 'echo 0 >"$1/cgroup.procs" && "${@:2}"' in "$starter" "$@"
}
mkdir "$groups"
# shellcheck disable=SC2016 # expanded there
if mount -t cgroup2 none "$groups" && mkdir "$starter" && in_starter sh -c 'echo 0 >"$1/cgroup.procs"' sh "$groups" 2>/dev/null; then
	trap 'leave_starter 2>/dev/null; clean_up' EXIT
	before=$(watcher)
	touch "$(command -v "$netshim")"
	in_starter "$netshim" reload --confirm 60 2>/dev/null
	wait_until another
	is "$(cat "$starter/cgroup.procs")" "" "who watches, and who goes back without a confirmation, are not in it"
	"$netshim" confirm >/dev/null
	leave_starter
	trap clean_up EXIT
else
	skip "needs a group of version 2" "who watches, and who goes back without a confirmation, are not in it"
fi

# --- what is taken away before the one who watches could have begun to listen

"$netshim" reload
wanted=$(rules)
end_watching
# shellcheck disable=SC2016 # expanded by the inner shell
strace -f -qq -o /dev/null -e trace=bind -e inject=bind:delay_enter=300000 \
	bash -c '"$1" reload; nft flush chain inet netshim output; touch "$2"' - "$netshim" "$scratch/flushed" &
background+=($!)
wait_until test -e "$scratch/flushed"
wait_until is_back
is "$(rules)" "$wanted" "what is taken away as soon as reload has ended is back"

# --- while a reload waits for a name service

cat >"$config" <<END
class cut  { action = reject  users = { 'root' } }
class late { }
END
waiting_reload() { # waiting_reload: for the users
	# shellcheck disable=SC2016 # expanded by that shell
	hold_at openat /etc/passwd sh -c '"$1" reload; echo $?' sh "$netshim"
}
reload_says() { # reload_says PATTERN NAME
	let_go
	until_like "$1" "$2" cat "$scratch/said"
}
waiting_reload
nft flush ruleset
comes_true "nft flush ruleset: all is back" is_back
reload_says '^0$' "the reload goes on"
like "$(rules)" "chain class_late" "and puts into force what it has read"
waiting_reload
"$netshim" down
reload_says "^netshim: netshim is not up; run 'netshim up'"$'\n1$' "after a down it does nothing"
is "$(ls "$root/run")" "" "and leaves nothing"
"$netshim" up
wait_until is_watched
waiting_reload
echo "class other { }" >"$scratch/other.conf"
"$netshim" -c "$scratch/other.conf" reload
reload_says "^netshim: nothing was changed: another netshim has put another configuration than $config into force meanwhile; .*"$'\n1$' "nor after another configuration"
like "$(rules)" "chain class_other" "which stays in force"
hold_at flock "$root/run/netshim/lock" "$netshim" -c "$scratch/other.conf" reload
echo "class newer { }" >"$scratch/other.conf"
"$netshim" -c "$scratch/other.conf" reload
let_go
wait_until has_ended "$held"
like "$(rules)" "chain class_newer" "a reload that has waited for another one puts the file into force as it is by then"
"$netshim" down
hold_at flock "$root/run/netshim/lock" "$netshim" -c "$scratch/other.conf" up
echo "class newest { }" >"$scratch/other.conf"
"$netshim" -c "$scratch/other.conf" up
let_go
wait_until has_ended "$held"
like "$(rules)" "chain class_newest" "and so does an up"
printf '%s: files nosuch\n' passwd group >"$scratch/nsswitch.conf"
mount --bind "$scratch/nsswitch.conf" /etc/nsswitch.conf
asked() { sed -n '/flock(/,$p' "$scratch/calls" | grep -c 'libnss_nosuch'; }
echo "class vpn { interface = 'vpn0' }" >"$config"
strace -f -o "$scratch/calls" -e trace=openat,flock "$netshim" -c "$config" reload
is "$? $(asked)" "0 0" "who has the lock asks no name service, as nftables does whether somebody is named 0"
kill "$(watcher)"
wait_until is_unwatched
in_background strace -f -o "$scratch/calls" -e trace=openat,flock "$netshim" watch
is_held() { ! is_given_up "$root/run/netshim/watch"; }
wait_until is_held
wanted=$(rules)
nft flush ruleset
wait_until is_back
is "$(asked)" 0 "nor does who puts the table back"
kill $!
umount /etc/nsswitch.conf
hold_at openat "$root/run/netshim/rules.new" "$netshim" reload
is "$((0x$(sed -n 's/^SigBlk:.*\(.\{6\}\)$/\1/p' "/proc/$held/status") & 7 << 19))" $((7 << 19)) "what would stop it (^Z) waits for as long as it has the lock"
let_go
wait_until has_ended "$held"

finish
