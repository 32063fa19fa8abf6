#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# A class whose connections go to a proxy on this machine, and its datagrams to a
# transparent one; with real proxies, and with what goes past them counted on the other
# host.
. "$(dirname "$0")/lib.sh"

redsocks=$(PATH=$tests/../build/unpacked/redsocks/usr/sbin:$PATH command -v redsocks) || cannot_run "needs redsocks"
make_hosts 80 8080
ip addr add 192.168.77.5/24 dev here
ip addr add fd77::5/64 dev here nodad
from=(192.168.77.5 fd77::5) # where the proxies connect from
on_other_host nft -f - <<EOF
table inet watch {
	counter sent { }
	counter bare { }
	chain in {
		type filter hook prerouting priority -300;
		ip saddr != ${from[0]} tcp flags & (syn | fin) == 0 meta length <= 52 counter name bare accept
		ip6 saddr != ${from[1]} tcp flags & (syn | fin) == 0 meta length <= 72 counter name bare accept
		ip saddr != ${from[0]} meta l4proto { tcp, udp, icmp } counter name sent
		ip6 saddr != ${from[1]} meta l4proto { tcp, udp } counter name sent
		ip6 saddr != ${from[1]} icmpv6 type { echo-request, destination-unreachable } counter name sent
	}
}
EOF
packets() { on_other_host nft list counter inet watch "$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'; } # packets COUNTER
past() { echo $(($(packets sent) + $(packets bare))); }
# Where others take a connection from conntrack, what the kernel itself answers for its socket
# when that has ended is of nobody: a reset or an acknowledgement, without data.
sent_past() { packets sent; }
program() { # program NAME [RUNNER...] -- ARGUMENT...: proxy.py, which says in NAME what it does
	local name=$1 runner=()
	shift
	while [ "$1" != -- ]; do
		runner+=("$1")
		shift
	done
	: >"$scratch/$name"
	in_background "${runner[@]}" python3 "$root/bin/proxy.py" "${@:2}" >"$scratch/$name" 2>&1
	wait_until grep -qx ready "$scratch/$name"
}
asked() { sed 1d "$scratch/$1" | paste -sd' '; } # asked NAME: where its clients wanted to go
get() { # get CLASS URL: the status of curl
	shim "$netshim" run "$1" curl -sS -g -m "${seconds:-9}" -o /dev/null "$2" 2>/dev/null
	echo $?
}
cat >"$scratch/query.py" <<'EOF'
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(float(sys.argv[3]))
try:
    for _ in range(2):
        s.sendto(b"hello", (sys.argv[1], int(sys.argv[2])))
        data, sender = s.recvfrom(99)
    print(data.decode(), sender[0])
except OSError as e:
    print(e.strerror or "silence")
EOF
query() { shim "$netshim" run "$1" python3 "$scratch/query.py" "$2" "$3" "${seconds:-9}"; } # query CLASS ADDRESS PORT

program tcp -- tcp 12345 "${from[@]}"
program udp -- udp 12346 "${from[@]}"
program echo nsenter --net="/proc/$other_host/ns/net" -- echo 7777
serve -- 8081
routing() { { ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; } | grep -v fe80; }
before=$(routing)
configure <<EOF
class tor   { proxy = { '127.0.0.1:12345', '[::1]:12345' } }
class both  { proxy = { '127.0.0.1:12345', '[::1]:12345' }  proxy-udp = { '127.0.0.1:12346', '[::1]:12346' } }
class four  { proxy = '127.0.0.1:12345'  proxy-udp = '127.0.0.1:12346' }
class some  { proxy = { '127.0.0.1:12345', '[::1]:12345' }  action = reject  allow = { 'tcp/80' }  deny = { '203.0.113.7' } }
class socks { proxy = '127.0.0.1:12347' }
class gone  { proxy = '127.0.0.1:12399'  proxy-udp = '127.0.0.1:12399' }
class plain { }
EOF
is $? 0 "up"

# --- connections
is "$(get tor http://$far_host/) $(get tor 'http://[2001:db8::7]:8080/') $(get tor http://$lan_host/)" "0 0 0" "connections arrive"
is "$(asked tcp)" "$far_host 80 2001:db8::7 8080 $lan_host 80" "by the proxy, which is told where they were going"
is "$(get tor http://127.0.0.1:8081/) $(get tor http://192.168.77.1:8081/) $(asked tcp | wc -w)" "0 0 6" "what is for this machine goes there"
is "$(get four http://$far_host/) $(get four 'http://[2001:db8::7]/')" "0 7" "a proxy for IPv4: IPv6 is refused at once"
is "$(get gone http://$far_host/)" 7 "a proxy that is not there: refused at once"
is "$(get some http://$lan_host/) $(get some http://$lan_host:8080/) $(get some http://$far_host/)" "0 7 7" \
	"allow and deny are about where a connection was going"
program socks -- socks 1080 "${from[@]}"
cat >"$scratch/redsocks.conf" <<EOF
base { log_debug = off; log_info = off; daemon = off; redirector = iptables; }
redsocks { local_ip = 127.0.0.1; local_port = 12347; ip = 127.0.0.1; port = 1080; type = socks5; }
EOF
in_background "$redsocks" -c "$scratch/redsocks.conf" >/dev/null 2>&1
wait_until eval 'ss -Hltn "sport = 12347" | grep -q .'
is "$(get socks http://$far_host:8080/) $(asked socks)" "0 $far_host 8080" "redsocks, and a SOCKS proxy behind it"

# --- datagrams, and all else
for destination in $far_host 2001:db8::7 $lan_host; do
	is "$(query tor "$destination" 7777)" "Operation not permitted" "datagrams to $destination: refused at once"
	is "$(query both "$destination" 7777 | sed 's/ from [^ ]*//')" "hello $destination" "with proxy-udp, they arrive, and the answer"
done
is "$(asked udp | cut -d' ' -f1-4)" "$far_host 7777 $far_host 7777" "by the proxy"
is "$(query both $far_host 7777)" "hello from ${from[0]} $far_host" "which sends them"
is "$(query four 2001:db8::7 7777) $(seconds=1.5 query gone $far_host 7777)" "Operation not permitted silence" \
	"by IPv6 without a proxy for it: refused; a proxy that is not there: lost"
for class in tor both; do
	for address in $far_host 2001:db8::7; do
		like "$(shim "$netshim" run $class ping -c 1 -W 1 "$address" 2>&1)" "$ping_is_refused" "ping: refused"
	done
done
is "$(past)" 0 "not one packet of all these went past the proxies"

# --- programs that ask for another way
cat >"$scratch/bound.py" <<'EOF'
import socket, sys
for far in "203.0.113.7", "2001:db8::7":
    family = socket.AF_INET6 if ":" in far else socket.AF_INET
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
        for way in "device", "address", "interface":
            s = socket.socket(family, kind)
            s.settimeout(0.3)
            try:
                if way == "device":
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"here")
                elif way == "address":
                    s.bind(("fd77::1" if ":" in far else "192.168.77.1", 0))
                elif family == socket.AF_INET:
                    s.setsockopt(socket.IPPROTO_IP, 50, socket.htonl(socket.if_nametoindex("here")).to_bytes(4, sys.byteorder))
                else:
                    s.setsockopt(socket.IPPROTO_IPV6, 76, socket.htonl(socket.if_nametoindex("here")).to_bytes(4, sys.byteorder))
                s.connect((far, 80 if kind == socket.SOCK_STREAM else 7777))
                s.send(b"GET / HTTP/1.0\r\n\r\n")
                s.recv(9)
            except OSError:
                pass
EOF
for class in tor both; do shim "$netshim" run $class python3 "$scratch/bound.py"; done
is "$(past)" 0 "nor of programs that ask for an interface or an address (SO_BINDTODEVICE, bind, IP_UNICAST_IF)"

# --- what others do
cat >"$scratch/sends.py" <<'EOF'
import socket
for far in "203.0.113.7", "2001:db8::7":
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
        s = socket.socket(socket.AF_INET6 if ":" in far else socket.AF_INET, kind)
        s.settimeout(0.2)
        try:
            s.connect((far, 80 if kind == socket.SOCK_STREAM else 7777))
            s.send(b"x")
        except OSError:
            pass
EOF
others() { # others HOOK PRIORITY RULE
	nft "table inet others { chain c { type $1 priority $2; $3; }; }"
	shim "$netshim" run both python3 "$scratch/sends.py"
	nft delete table inet others
}
for priority in -350 -299 -141 -139 -106 -101 -99 1 300; do
	others "route hook output" $priority "meta mark set 0x6d6f6c65 ct mark set 0xf41"
	others "route hook output" $priority "meta mark set 0 ct mark set 0"
done >/dev/null 2>&1
for priority in -200 1 99 101 300; do others "filter hook postrouting" $priority "meta mark set ct mark ct mark set 7"; done >/dev/null 2>&1
for rule in "notrack" "ct zone set 7" "ct original zone set 7"; do others "filter hook output" -300 "$rule"; done >/dev/null 2>&1
for priority in -120 -107 -103 -99; do others "nat hook output" $priority "meta l4proto { tcp, udp } dnat ip to $lan_host"; done >/dev/null 2>&1
others "nat hook postrouting" 90 "meta skuid 65534 masquerade" >/dev/null 2>&1
is "$(sent_past)" 0 "nor where others mark, route, redirect and masquerade at any priority"
cat >"$scratch/ends.py" <<'EOF'
import socket
s = socket.create_connection(("203.0.113.7", 80), 9)
s.send(b"GET / HTTP/1.0\r\n\r\n")
EOF
bare=$(packets bare)
proxy=$(pgrep -fx "python3 $root/bin/proxy.py tcp 12345 .*")
suspend "$proxy"
nft "table inet others { chain c { type filter hook output priority -300; ct original zone set 7; }; }"
shim "$netshim" run both python3 "$scratch/ends.py"
nft delete table inet others
kill -CONT "$proxy"
answers_itself() { [ "$(packets bare)" -gt "$bare" ]; }
wait_until answers_itself
is "$(sent_past)" 0 "where others take a connection that has ended from conntrack, what the kernel itself answers has no data"
nft -f - <<EOF
table inet others {
	chain before { type filter hook output priority -300; tcp dport 8080 notrack; }
	chain after  { type route hook output priority -130; meta mark set 0x6d6f6c65 ct mark set 0xf41; }
	chain last   { type route hook output priority 200; meta mark set 0; }
}
EOF
like "$(get tor http://$far_host:8080/) $(get tor http://$far_host/) $(seconds=1.5 query both $far_host 7777)" "^7 0 (Operation|Permission|silence)" \
	"others take connections from conntrack, and marks away"
coproc HOLD { exec "${user[@]}" LD_PRELOAD="$preload" "$netshim" run tor probe hold $far_host 80; }
# shellcheck disable=SC2153 # set by coproc
holder=$HOLD_PID
read -r -t 30 _ <&"${HOLD[0]}"
sed -i 's/class tor .*/class tor { proxy = { "127.0.0.1:12348", "[::1]:12345" } }/' "$config"
"$netshim" reload
for _ in 1 2; do
	[ -z "${HOLD[1]:-}" ] || echo go >&"${HOLD[1]}"
	sleep 0.1
done
[ -z "${HOLD[1]:-}" ] || eval "exec ${HOLD[1]}>&-"
wait "$holder" 2>/dev/null
is "$(sent_past)" 0 "nor did one then, nor of a connection whose class was given another proxy"
nft delete table inet others
is "$(get plain http://$far_host/) $(past | sed 's/[1-9][0-9]*/some/')" "0 some" "which the counter on the other host sees of another class"

# --- a proxy in the class itself
program loop "$netshim" run tor -- tcp 12348 "${from[@]}"
is "$(seconds=0.9 get tor http://$far_host/)" 7 "the proxy is in the class itself: refused at once"
sleep 0.3
is "$(asked loop)" "" "and nothing goes round"
in_itself="the proxy of class tor is in that class itself: what it sends would come back to it for ever, and is refused; .*'netshim move none'"
for verb in up "reload --hook"; do
	# shellcheck disable=SC2086 # words
	like "$("$netshim" $verb 2>&1)" "^netshim: $config:1: $in_itself" "$verb says so"
done
like "$("$netshim" status 2>&1)" "netshim: $in_itself" "so does status"
"$netshim" move none "${background[-1]}"
"$netshim" reload
is "$("$netshim" reload 2>&1) $("$netshim" status 2>&1 >/dev/null)" " " "it is moved out of the class: no more is said"
is "$(get tor http://$far_host/) $(asked loop)" "0 $far_host 80" "and connections arrive"
kill "${background[-1]}"
unset "background[-1]"
sed -i "s/12346'/12349'/" "$config"
"$netshim" reload
program udp-loop "$netshim" run four -- udp 12349 "${from[@]}"
is "$(seconds=1.5 query four $far_host 7777) $(asked udp-loop)" "silence " "a proxy for datagrams in the class itself: they go nowhere"
like "$("$netshim" status 2>&1)" "the proxy of class four is in that class itself" "and status says so"

# --- mistakes
mistake() { # mistake OPTIONS PATTERN
	echo "class tor { $1 }" >"$config"
	like "$("$netshim" check 2>&1)" "^$config:1: $2" "$1"
}
bad="bad proxy '.*'; it is a loopback address of this machine with a port"
for address in 127.0.0.1 192.0.2.1:9040 127.0.0.1:9-10 localhost:9040 '[::2]:9040' ::1; do mistake "proxy = '$address'" "$bad"; done
mistake "proxy = { '127.0.0.1:1', '127.0.0.2:1' }" "$bad, at most one of IPv4"
mistake "proxy-udp = '127.0.0.1:1'" "proxy-udp says where .*add proxy"
mistake "proxy = '127.0.0.1:1'  interface = 'here'" "what goes to a proxy leaves by no interface"
mistake "proxy = '[::1]:1'  ipv6 = false" "ipv6 = false lets no connection through to proxy"

"$netshim" down
is "$(routing)" "$before" "down leaves no rule and no route"

finish
