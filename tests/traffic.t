#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# A class that is cut off sends nothing, and one with a list what is listed and nothing
# else, together with all that it starts. netshim run puts any command into a class.
# Under a default deny, only what is in a class may send.
. "$(dirname "$0")/lib.sh"

make_hosts 80 443 8080
cp /usr/bin/curl "$scratch/curl-web"
cp /usr/bin/curl "$scratch/curl-exact"
cp /usr/bin/curl "$scratch/curl-drop"
configure <<EOF
class blocked { action = reject }
class lan     { action = reject  allow = { 'loopback', 'lan' } }
class web     { action = reject  allow = { 'tcp/443', 'tcp/80' } }
class exact   { action = reject  allow = { '203.0.113.7:8080', 'fd77::/64', '[2001:db8::7]:80' } }
class quiet   { action = drop }
class open    { action = accept }
app '/usr/bin/curl'          { class = blocked }
app '/usr/bin/ping'          { class = lan }
app '$scratch/curl-web'      { class = web }
app '$scratch/curl-exact'    { class = exact }
app '$scratch/curl-drop'     { class = quiet }
EOF

# Whether a class's packets reach a host: "yes", or the program's error.
fetch() { # fetch RUNNER... URL
	local out
	if out=$("${@:1:$#-1}" curl -sS -g -m 5 "${!#}" 2>&1); then
		echo yes
	else
		echo "${out:-silence}"
	fi
}

refused="Couldn't connect to server|Could not connect"
plain_get() { # plain_get RUNNER... HOST: a program that no rule names
	"${@:1:$#-1}" python3 -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).status)' \
		"http://${!#}/" 2>&1 | tail -n 1
}

# --- cut off
like "$(fetch shim http://$lan_host/)" "$refused" "a blocked program reaches nobody, IPv4"
like "$(fetch shim 'http://[fd77::2]/')" "$refused" "nor IPv6"
is "$(fetch as_user http://$lan_host/)" yes "the same program without the shim does"
like "$(shim sh -c "env curl -sS -m 5 http://$lan_host/" 2>&1)" "$refused" "started from a shell and env"
like "$(shim "$netshim" run blocked ping -c 1 -W 2 $lan_host 2>&1)" "$ping_is_refused" "ping says that it is refused"
is "$(shim "$netshim" run blocked python3 -c "
import subprocess, sys
r = subprocess.run(['sh', '-c', 'probe class; probe send $lan_host 80'], capture_output=True)
print(r.stdout.decode().strip(), r.returncode)")" "$group/blocked/locked 1" \
	"children and their children are in the class too, and cut off (EPERM)"
is "$(plain_get shim $far_host)" 200 "an unconfigured program is untouched"

# --- only some networks and ports
like "$(shim ping -c 1 -W 2 $lan_host)" " 0% packet loss" "a LAN program reaches the LAN"
like "$(shim ping -c 1 -W 2 $far_host 2>&1)" "$ping_is_refused" "and nothing beyond"
like "$(shim ping -c 1 -W 2 127.0.0.1 2>&1)" " 0% packet loss" "and loopback, as listed"
like "$(shim ping -c 1 -W 2 2001:db8::7 2>&1)" "$ping_is_refused" "nothing beyond by IPv6"
is "$(shim "$scratch"/curl-web -sS -m 5 http://$far_host:80/)" hello "a listed port is reached"
shim "$scratch"/curl-web -sS -m 5 http://$far_host:8080/ >/dev/null 2>&1
is $? 7 "another port is refused at once"
is "$(shim "$scratch"/curl-exact -sS -m 5 http://$far_host:8080/)" hello "a listed address with its port"
shim "$scratch"/curl-exact -sS -m 5 http://$far_host:80/ >/dev/null 2>&1
is $? 7 "another port there is refused"
is "$(shim "$scratch"/curl-exact -sS -g -m 5 'http://[fd77::2]:8080/')" hello "a listed IPv6 network"
is "$(shim "$scratch"/curl-exact -sS -g -m 5 'http://[2001:db8::7]/')" hello "a listed IPv6 address with its port"
# What other protocols have where these have the port: a ping with that for its checksum.
cat >"$scratch/checksum.py" <<'END'
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
s.settimeout(2)
s.bind(('0.0.0.0', 0))
ping = struct.pack('!BBHHH', 8, 0, 0, s.getsockname()[1], 1)
rest = sum(struct.unpack('!4H', ping)) + int(sys.argv[2])
ping += struct.pack('!H', 65535 - (rest % 65535))
try:
    s.sendto(ping, (sys.argv[1], 0))
    print(len(s.recv(100)))
except OSError as e:
    print(type(e).__name__)
END
echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range
on_other_host nft 'table inet pings { counter pings { }; chain in { type filter hook input priority 0; icmp type echo-request icmp checksum 8080 counter name pings; }; }'
is "$(shim "$netshim" run open python3 "$scratch/checksum.py" $far_host 8080) $(on_other_host nft list counter inet pings pings | grep -c 'packets 1 ')" "10 1" "(a ping that looks like it)"
is "$(shim "$netshim" run exact python3 "$scratch/checksum.py" $far_host 8080)" PermissionError "and what has no ports is refused there, whatever is in their place"
# Root's own packets of TCP, UDP, DCCP, SCTP and UDP-Lite, which have a checksum of zeros.
is "$(LD_PRELOAD=$preload "$netshim" run exact python3 -c '
import socket, struct, sys
for protocol in 6, 17, 33, 132, 136:
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    for port in 8080, 80:
        try: print(s.sendto(struct.pack("!HHHHQQ", 1234, port, 24, 0, 0, 0), (sys.argv[1], 0)))
        except OSError as e: print(type(e).__name__)' $far_host | uniq -c | xargs)" \
	"$(for _ in {1..5}; do printf '1 24 1 PermissionError '; done | xargs)" "what has ports is let through to that one by each protocol"
shim "$scratch"/curl-drop -sS -m 1 http://$lan_host/ >/dev/null 2>&1
is $? 28 "drop: silence until the time-out"

# --- the local networks that an address tells, by what arrives
on_other_host nft -f - <<EOF
table inet lan {
	set four { type ipv4_addr; flags dynamic; }
	set six  { type ipv6_addr; flags dynamic; }
	chain in {
		type filter hook prerouting priority -300
		meta l4proto != udp accept
		add @four { ip daddr }
		add @six { ip6 daddr }
	}
}
EOF
link_local=$(on_other_host ip -6 -o addr show dev there scope link | sed 's/.*inet6 \([^/]*\).*/\1/')
lan=(169.254.9.9 224.0.0.251 239.1.1.1 255.255.255.255 "$link_local%here" ff02::fb%here ff15::1)
send_to_each() { # send_to_each CLASS ADDRESS...: the errors
	shim "$netshim" run "$1" python3 -c '
import errno, socket, sys
for address in sys.argv[1:]:
    family, _, _, _, to = socket.getaddrinfo(address, 9)[0]
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    try: s.sendto(b"x", to)
    except OSError as e: print(errno.errorcode[e.errno])' "${@:2}" | paste -sd' '
}
arrived() { { on_other_host nft list set inet lan four; on_other_host nft list set inet lan six; } | grep -oE '[0-9a-f:.]{6,}' | sort | xargs; }
is "$(send_to_each lan "${lan[@]}")" "" "a LAN program sends to link-local, multicast and broadcast addresses"
until_like "$(printf '%s\n' "${lan[@]%\%here}" | sort | xargs)" "and all of that arrives" arrived
is "$(send_to_each exact "${lan[@]}")" "EPERM EPERM EPERM EPERM EPERM EPERM EPERM" "another does not"
is "$(send_to_each lan 10.255.0.9 172.{16,31}.255.9 192.168.255.9)" "" "and to the private ones, to their ends"
is "$(send_to_each lan 9.255.255.9 11.0.0.9 172.{15.255,32.0}.9 192.{167.255,169.0}.9 169.{253.255,255.0}.9 223.255.255.9 240.0.0.9 "fec0::9" | tr ' ' '\n' | sort | uniq -c | xargs)" "11 EPERM" \
	"not to what is beside them"

# --- netshim run
is "$(shim "$netshim" run open sh -c 'exec env probe class')" "$group/open/locked" \
	"run puts any command into a class"
like "$(shim "$netshim" run lan "$netshim" run open true 2>&1)" "already assigned" "inside, run is refused"
shim "$netshim" run lan "$netshim" run open true 2>/dev/null
is $? 125 "with exit code 125"
is "$(shim "$netshim" run lan sh -c "curl -sS -m 5 http://$lan_host/")" hello \
	"nor does starting a program with a class of its own (blocked) change it"
is "$(shim "$netshim" run lan sh -c 'exec env probe class')" "$group/lan/locked" "the lock is inherited"
shim "$netshim" run nosuch true 2>/dev/null
is $? 125 "run: an unknown class is refused"
shim "$netshim" run open no-such-command 2>/dev/null
is $? 127 "run: a command that is not there is 127"
shim "$netshim" run open "$config" 2>/dev/null
is $? 126 "run: a file that is not executable is 126"
shim "$netshim" run open sh -c 'exit 9'
is $? 9 "run: the command's own exit code"

# --- default deny
configure <<EOF
class trusted { action = accept }
unclassified  { action = reject  allow = { 'loopback' }  except-users = { 'daemon', '@4242' } }
app '/usr/bin/curl' { class = trusted }
EOF
is "$(fetch shim http://$far_host/)" yes "under default deny, a classified program talks"
is "$(fetch shim 'http://[2001:db8::7]/')" yes "by IPv6 too, so neighbours are found"
like "$(plain_get shim $far_host)" "refused|not permitted" "everything else is refused, IPv4"
like "$(plain_get shim '[fd77::2]')" "refused|not permitted" "and IPv6"
like "$(fetch as_user http://$far_host/)" "$refused" "the same program unclassified too"
is "$(plain_get setpriv --reuid daemon --regid daemon --clear-groups env $far_host)" 200 "but for the users listed"
is "$(plain_get setpriv --reuid 65534 --regid 4242 --clear-groups env $far_host)" 200 "and the groups"
like "$(plain_get setpriv --reuid 65534 --regid 65534 --groups 4242 env $far_host)" "refused|not permitted" "of which only the effective one counts"
serve "${user[@]}" -- 8081
is "$(on_other_host curl -sS -m 5 http://192.168.77.1:8081/)" hello "answers to accepted connections go out"
is "$(plain_get as_user 127.0.0.1:8081)" 200 "what is allowed for all works"

on_other_host nft 'table inet joined { chain in { type filter hook prerouting priority -300; ip protocol igmp counter; icmpv6 type mld2-listener-report counter; }; }'
in_background "${user[@]}" python3 -c '
import socket, struct, time
four, six = (socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6))
here = socket.if_nametoindex("here")
four.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.1.1.1") + struct.pack("4si", bytes(4), here))
six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, "ff15::1") + struct.pack("i", here))
time.sleep(900)'
until_like "igmp.*packets [1-9].*mld2.*packets [1-9]" "multicast groups are joined" on_other_host nft list table inet joined

# --- what is forwarded for others: a container with a namespace and an address of its own
new_host
inside=(nsenter --net="/proc/$new_host/ns/net")
ip link add bridge type veth peer name eth0 netns "$new_host"
ip addr add 10.77.0.1/24 dev bridge
ip link set bridge up
"${inside[@]}" ip addr add 10.77.0.2/24 dev eth0
"${inside[@]}" ip link set eth0 up
"${inside[@]}" ip route add default via 10.77.0.1
sysctl -qw net.ipv4.ip_forward=1
nft -f - <<EOF
table ip nat {
	chain post { type nat hook postrouting priority srcnat; ip saddr 10.77.0.0/24 oifname "here" masquerade; }
}
EOF
is "$(plain_get "${inside[@]}" $far_host)" 200 "what a container sends is forwarded: no program here sends it"
is "$(plain_get "${inside[@]}" 10.77.0.1:8081)" 200 "and it reaches what listens here"
like "$(plain_get as_user $far_host)" "refused|not permitted" "while programs here are refused"

# --- what is refused can be logged
sed -i 's/^unclassified *{/& log = true /' "$config"
"$netshim" reload
begin_logging
mark="netshim test $$ $RANDOM"
echo "$mark" >/dev/kmsg
start=$(date +%s)
for _ in {1..60}; do echo "url = http://$lan_host:8080/"; done | as_user curl -sS -K - 2>/dev/null
plain_get as_user 127.0.0.1:8081 >/dev/null
shim curl -sS -o /dev/null "http://$lan_host/"
seconds=$(($(date +%s) - start + 1))
end_logging
logged=$(dmesg | sed "1,/$mark/d" | grep "netshim unclassified: ")
count=$(grep -c "DST=$lan_host .*PROTO=TCP.*DPT=8080 .*SYN" <<<"$logged")
[ "$count" -ge 20 ] && [ "$count" -le $((20 + 10 * seconds)) ]
ok $? "unclassified log: what is refused, no more than 10 a second after the first 20 ($count of 60)"
is "$(grep -v "DPT=8080" <<<"$logged")" "" "and nothing that is not"

# --- what comes in is counted for the class that it is for, whatever the numbers of the classes are
count_in() { # count_in CLASS...: that has fetched something
	local class
	for class in "$@"; do "$netshim" run "$class" curl -sS -m 5 http://$lan_host/ >/dev/null; done
	"$netshim" status --json | python3 -c "
import json, sys
print(*(c['name'] for c in json.load(sys.stdin)['classes'] if c['in_packets'] > 2))"
}
configure <<<"class one { } class two { } class three { rate-in = '100 mbit' }"
is "$(count_in one) $(count_in three)" "one one three" "by their names"
"$netshim" down
configure <<<"class one { classid = '1:2' } class two { classid = '201:0' } class three { classid = '200:100' }"
is "$(count_in one) $(count_in three)" "one one three" "by numbers of which one is another with its bytes turned round"
"$netshim" down
configure <<<"class one { classid = '100:1' } class two { classid = '1:100' }"
is "$(count_in one)" "one" "or itself"

finish
