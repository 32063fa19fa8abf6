#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# serve says who may connect to a class's servers and at which ports, whatever allow and
# deny say of what the class begins itself; by what arrives at the other host.
. "$(dirname "$0")/lib.sh"

make_hosts 80
on_other_host ip addr add 198.51.100.9/32 dev there
from_there() { # from_there ADDRESS PORT [SECONDS]: the status of curl, from one of the other host's addresses
	local to=192.168.77.1
	[[ $1 != *:* ]] || to='[fd77::1]'
	on_other_host curl -sS -g -m "${3:-0.5}" -o /dev/null --interface "$1" "http://$to:$2/" 2>/dev/null
	echo $?
}
clients=("$lan_host" fd77::2 "$far_host" 2001:db8::7)
reached() { # reached PORT [CLIENT]...: by each of the clients, those who have been answered; the given ones may take longer
	local client seconds asking=()
	for client in "${clients[@]}"; do
		seconds=0.5
		[[ " ${*:2} " != *" $client "* ]] || seconds=9
		from_there "$client" "$1" $seconds >"$scratch/from.$client" &
		asking+=($!)
	done
	wait "${asking[@]}"
	for client in "${clients[@]}"; do
		[ "$(cat "$scratch/from.$client")" -ne 0 ] || echo "$client"
	done | paste -sd' '
}
lan=("$lan_host" fd77::2)
get() { # get CLASS URL: the status of curl
	shim "$netshim" run "$1" curl -sS -g -m 9 -o /dev/null "$2" 2>/dev/null
	echo $?
}
class_serves() { # class_serves CLASS PORT...
	serve "${user[@]}" LD_PRELOAD="$preload" "$netshim" run "$1" -- "${@:2}"
}
configure <<EOF
class ports   { action = reject  serve = { 'tcp/8081', 'udp/8081' } }
class lan     { action = reject  serve = { 'lan' } }
class mixed   { action = reject  allow = { '$far_host' }  serve = { 'tcp/8087', 'lan' } }
class pair    { action = drop  serve = { '$far_host:8083', '[2001:db8::7]:8083' } }
class deaf    { serve = { 'none' } }
class host    { deny = { 'lan' }  serve = { 'lan' } }
class self    { action = reject  serve = { 'loopback' } }
class six     { ipv6 = false  serve = { '::/0', '0.0.0.0/0' } }
class near    { action = reject  serve = { 'link' } }
class before  { action = reject  allow = { 'lan' } }
class slow    { rate = '8 mbit'  action = reject  serve = { 'lan' } }
EOF
is $? 0 "up"
class_serves ports 8081 8082
class_serves mixed 8087 8088
class_serves pair 8083 8084
class_serves deaf 8085
class_serves host 8086
class_serves self 8089
class_serves six 8090
class_serves near 8091
class_serves before 8092

# --- who and where
is "$(reached 8081 "${clients[@]}")" "${clients[*]}" "a port: for all, by IPv4 and IPv6"
is "$(reached 8082)" "" "another port of the same server: for nobody"
is "$(reached 8087 "${clients[@]}") $(reached 8088 "${lan[@]}")" "${clients[*]} ${lan[*]}" "a port for all, every port for the lan"
is "$(reached 8083 $far_host 2001:db8::7) $(reached 8084)" "$far_host 2001:db8::7 " "one client at one port"
is "$(reached 8085) $(get deaf http://$lan_host/) $(get deaf 'http://[fd77::2]/')" " 0 0" "none: nobody connects to it, and it connects to all"
is "$(reached 8090 $lan_host $far_host)" "$lan_host $far_host" "ipv6 = false holds for answers, too"
is "$(reached 8092 "${lan[@]}")" "${lan[*]}" "without serve, a class answers whom allow lists"

# --- whatever allow and deny say
is "$(get ports http://$lan_host/) $(get mixed http://$lan_host/) $(get mixed http://$far_host/)" "7 7 0" \
	"what it begins itself goes by allow alone"
is "$(reached 8086 "${lan[@]}") $(get host http://$lan_host/) $(get host http://$far_host/)" "${lan[*]} 7 0" \
	"it answers the lan, to which it may not connect"
is "$(curl -sS -m 9 -o /dev/null http://127.0.0.1:8089/ && echo yes) $(curl -sS -g -m 9 -o /dev/null 'http://[fd77::1]:8089/' && echo yes) $(reached 8089)" \
	"yes yes " "loopback: this machine, whichever of its addresses it asks"
is "$(curl -sS -m 0.5 -o /dev/null http://127.0.0.1:8085/ 2>/dev/null; echo $?) $(curl -sS -m 9 -o /dev/null http://127.0.0.1:8081/ && echo yes)" "28 yes" \
	"and without it, this machine is a client like others"
is "$(reached 8091 "${lan[@]}")" "${lan[*]}" "link: who is reached without a router"
ip route add 198.51.100.9 dev here
is "$(from_there 198.51.100.9 8091 9) $(from_there 198.51.100.9 8087 9) $(from_there 198.51.100.9 8088)" "0 0 28" "whatever the address"

# --- TCP is held at the SYN/ACK
on_other_host nft -f - <<EOF
table inet watch {
	counter answers { }
	chain in { type filter hook prerouting priority -300; tcp sport { 8082, 8093 } tcp flags & syn == syn counter name answers; udp sport 8093 counter name answers; }
}
EOF
answers() { on_other_host nft reset counter inet watch answers | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
cat >"$scratch/count.py" <<'EOF'
import select, socket, sys
tcp = socket.create_server(("::", 8093), family=socket.AF_INET6, dualstack_ipv6=True)
tcp.setsockopt(socket.IPPROTO_TCP, 23, 16) # TCP_FASTOPEN
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
udp.bind(("::", 8093))
print("ready", flush=True)
while True:
    for s in select.select([tcp, udp], [], [])[0]:
        if s is tcp:
            c, sender = s.accept()
            c.settimeout(0.2)
            try:
                c.recv(9)
            except OSError:
                pass
            print("connection", flush=True)
            continue
        data, sender = s.recvfrom(99)
        try:
            s.sendto(data, sender)
            print("answered", flush=True)
        except OSError as e:
            print(e.strerror, flush=True)
EOF
cat >"$scratch/ask.py" <<'EOF'
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(float(sys.argv[3]))
if sys.argv[4:]:
    s.bind((sys.argv[4], 0))
s.sendto(b"hello", (sys.argv[1], int(sys.argv[2])))
try:
    print(s.recv(9).decode())
except OSError:
    print("silence")
EOF
counting() { # counting CLASS [PROGRAM]: a server that says what has come
	: >"$scratch/came"
	in_background "${user[@]}" LD_PRELOAD="$preload" "$netshim" run "$1" python3 "$scratch/${2:-count.py}" >"$scratch/came"
	counter=$!
	wait_until grep -q ready "$scratch/came"
}
came() { # came [NUMBER]: so many at least
	has_come() { [ "$(wc -l <"$scratch/came")" -gt "$1" ]; }
	wait_until has_come "${1:-0}"
	sed 1d "$scratch/came" | paste -sd' '
}
end_counting() {
	kill $counter
	wait $counter 2>/dev/null
}
chmod 644 "$scratch"/*.py
counting ports
is "$(from_there $lan_host 8093) $(from_there fd77::2 8093) $(from_there $lan_host 8082) $(came) $(answers)" "28 28 28  0" \
	"a connection that is refused: no SYN/ACK has left, and the server has not been told of it"
sysctl -qw net.ipv4.tcp_syncookies=2
is "$(from_there $lan_host 8093) $(from_there fd77::2 8093) $(reached 8081 "${clients[@]}") $(answers)" "28 28 ${clients[*]} 2" \
	"with SYN cookies, the kernel answers in nobody's name, as the manual says: one SYN/ACK each, and nothing after it"
sysctl -qw net.ipv4.tcp_syncookies=1
end_counting
counting ports

# --- UDP at the answer
is "$(on_other_host python3 "$scratch/ask.py" 192.168.77.1 8093 0.5) $(on_other_host python3 "$scratch/ask.py" fd77::1 8093 0.5) $(answers)" "silence silence 0" \
	"a datagram that is refused has no answer"
is "$(came 2)" "Operation not permitted Operation not permitted" "but the server has had it, and is told when it answers"
end_counting
counting lan
is "$(on_other_host python3 "$scratch/ask.py" 192.168.77.1 8093 9) $(on_other_host python3 "$scratch/ask.py" fd77::1 8093 9) $(came 2)" "hello hello answered answered" \
	"one that may come is answered"
end_counting

cat >"$scratch/other-port.py" <<'EOF'
import socket
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("", 8093))
print("ready", flush=True)
while True:
    data, sender = udp.recvfrom(99)
    for port in udp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM):
        try:
            port.sendto(b"asked" if port is udp else b"other", sender)
            print("sent", flush=True)
        except OSError as e:
            print(e.strerror, flush=True)
EOF
chmod 644 "$scratch/other-port.py"
counting mixed other-port.py
is "$(on_other_host python3 "$scratch/ask.py" 192.168.77.1 8093 9 $lan_host) $(on_other_host python3 "$scratch/ask.py" 192.168.77.1 8093 9 $far_host)" \
	"asked other" "what comes from another port than was asked goes by allow, and reaches whom that lists"
is "$(came 4)" "sent Operation not permitted Operation not permitted sent" "and nobody else"
end_counting

# --- TCP Fast Open: data comes with the SYN
cat >"$scratch/fast.py" <<'EOF'
import socket
s = socket.socket()
s.settimeout(0.5)
try:
    s.sendto(b"hello", socket.MSG_FASTOPEN, ("192.168.77.1", 8093))
    s.recv(1)
except OSError:
    pass
EOF
sysctl -qw net.ipv4.tcp_fastopen=0x603
on_other_host sysctl -qw net.ipv4.tcp_fastopen=0x5
counting ports
answers >/dev/null
on_other_host python3 "$scratch/fast.py"
is "$(came 1) $(answers)" "connection 0" "with TCP Fast Open, what comes with the SYN reaches the server, too, and it cannot answer"
end_counting

# --- whose a socket is
cat >"$scratch/activate.py" <<'EOF'
import os, socket, sys
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.execvp(sys.argv[2], sys.argv[2:])
EOF
cat >"$scratch/activated.py" <<'EOF'
import socket
s = socket.socket(fileno=3)
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.recv(999)
    try:
        c.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello\n")
        c.close()
    except OSError:
        pass
EOF
chmod 644 "$scratch"/*.py
in_background "${user[@]}" LD_PRELOAD="$preload" python3 "$scratch/activate.py" 8094 "$netshim" run lan python3 "$scratch/activated.py" >"$scratch/activated"
wait_until grep -q ready "$scratch/activated"
is "$(reached 8094 "${lan[@]}")" "${lan[*]}" "a listening socket that the server has inherited, made in no class (socket activation)"
in_background "${user[@]}" LD_PRELOAD="$preload" "$netshim" run deaf python3 "$scratch/activate.py" 8095 sleep 60
listener=$!
wait_until eval 'ss -Hltn "sport = 8095" | grep -q .'
is "$(reached 8095)" "" "one in the class of its maker"
kill $listener

cat >"$scratch/hand.py" <<'EOF'
import os, socket, subprocess, sys
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.recv(999)
    subprocess.Popen([*sys.argv[2:], "printf", "HTTP/1.0 200 OK\\r\\n\\r\\nhello\\n"], stdout=c)
    c.close()
EOF
cat >"$scratch/pass.py" <<'EOF'
import socket, sys
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.recv(999)
    other = socket.socket(socket.AF_UNIX)
    other.connect(sys.argv[2])
    socket.send_fds(other, [b"x"], [c.fileno()])
    other.close()
    c.close()
EOF
cat >"$scratch/take.py" <<'EOF'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
print("ready", flush=True)
while True:
    giver, _ = s.accept()
    _, fds, _, _ = socket.recv_fds(giver, 1, 1)
    c = socket.socket(fileno=fds[0])
    try:
        c.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello\n")
    except OSError:
        pass
    c.close()
EOF
chmod 644 "$scratch"/*.py
mkdir -m 777 "$scratch/sockets"
taking() { # taking CLASS
	in_background "${user[@]}" LD_PRELOAD="$preload" "$netshim" run "$1" python3 "$scratch/take.py" "$scratch/sockets/$1" >"$scratch/taking.$1"
	wait_until grep -q ready "$scratch/taking.$1"
}
for class in deaf lan; do taking $class; done
in_background "${user[@]}" LD_PRELOAD="$preload" python3 "$scratch/hand.py" 8096 "$netshim" run deaf >"$scratch/ready.8096"
in_background "${user[@]}" LD_PRELOAD="$preload" python3 "$scratch/hand.py" 8097 "$netshim" run lan >"$scratch/ready.8097"
in_background "${user[@]}" LD_PRELOAD="$preload" python3 "$scratch/pass.py" 8098 "$scratch/sockets/deaf" >"$scratch/ready.8098"
in_background "${user[@]}" LD_PRELOAD="$preload" python3 "$scratch/pass.py" 8099 "$scratch/sockets/lan" >"$scratch/ready.8099"
for port in 8096 8097 8098 8099; do wait_until grep -q ready "$scratch/ready.$port"; done
is "$(reached 8096)|$(reached 8097 "${lan[@]}")" "|${lan[*]}" "an accepted connection that a program of another class inherits goes by that class"
is "$(reached 8098)|$(reached 8099 "${lan[@]}")" "|${lan[*]}" "and so does one that it is given"

# --- a reload, a rate, conntrack that looks away
cat >"$scratch/hold.py" <<'EOF'
import socket, sys
s = socket.create_connection(("192.168.77.1", 8081))
print("open", flush=True)
for line in sys.stdin:
    try:
        s.settimeout(0.7)
        s.send(b"GET / HTTP/1.0\r\n\r\n")
        print(s.recv(15).decode() or "closed", flush=True)
    except OSError as e:
        print(type(e).__name__, flush=True)
EOF
coproc HOLD { exec nsenter --net="/proc/$other_host/ns/net" python3 "$scratch/hold.py"; }
read -r -t 30 held <&"${HOLD[0]}"
sed -i "s|^class ports.*|class ports { action = reject  serve = { 'tcp/8082' } }|" "$config"
"$netshim" reload
echo go >&"${HOLD[1]}"
read -r -t 30 after <&"${HOLD[0]}"
# The reset for a connection that is no more, Linux 6.1 sends in nobody's name, 6.18 in the listener's.
like "$held $after" "^open (TimeoutError|ConnectionResetError)$" "a reload that no longer lets a client connect holds its open connections, too"
kill "$HOLD_PID"
is "$(reached 8081)|$(reached 8082 "${clients[@]}")" "|${clients[*]}" "and the new port is served"
cat >"$scratch/pour.py" <<'EOF'
import socket
s = socket.create_server(("::", 8100), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.recv(999)
    c.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes(3000000))
    c.recv(1) # what follows a close is the kernel's own
EOF
chmod 644 "$scratch/pour.py"
in_background "${user[@]}" LD_PRELOAD="$preload" "$netshim" run slow python3 "$scratch/pour.py" >"$scratch/pouring"
wait_until grep -q ready "$scratch/pouring"
took=$(on_other_host curl -sS -m 60 -o /dev/null -w '%{time_total} %{size_download}' http://192.168.77.1:8100/)
awk '{ exit !($1 > 1.2 && $2 == 3000000) }' <<<"$took"
ok $? "the class's rate holds for what it answers, too ($took)"
nft -f - <<EOF
table inet untrack {
	chain in { type filter hook prerouting priority raw; tcp dport { 8082, 8085, 8088 } notrack; }
	chain out { type filter hook output priority raw; tcp sport { 8082, 8085, 8088 } notrack; }
}
EOF
is "$(reached 8085)" "" "without conntrack, nobody is answered who may not connect"
is "$(reached 8082)" "" "nor who may, where allow has not the client, too"
nft delete table inet untrack

# --- in a network namespace
mkdir -p /run/netns
mount -t tmpfs -o mode=755 none /run/netns
configure <<EOF
class inside  { netns = 'inside'  address = { '10.97.10.2/24', 'fd00:97::2/64' }  ports = { '8102:8101', '8104:8103' }
                action = reject  serve = { 'tcp/8101' } }
EOF
class_serves inside 8101 8103
# shellcheck disable=SC2016 # for eval
wait_until eval '[ "$(ip -6 addr show tentative | wc -l)" -eq 0 ] && [ "$(nsenter --net=/run/netns/inside ip -6 addr show tentative | wc -l)" -eq 0 ]'
is "$(reached 8102 "${clients[@]}")|$(reached 8104)" "${clients[*]}|" "ports that lead into one: who may connect, by the ports inside"
ip netns add mine
ip -n mine link set lo up
serve nsenter --net=/run/netns/mine -- 8105
in_mine() { nsenter --net=/run/netns/mine curl -sS -m "$1" -o /dev/null http://127.0.0.1:8105/ 2>/dev/null; }
in_mine 9
before=$?
configure <<<"class jail { netns = 'mine'  serve = { 'none' } }"
is "$? $before $(in_mine 0.5; echo $?)" "0 0 28" "in one that others have made, serve alone is in force"
like "$("$netshim" ruleset jail)" "chain in_jail" "ruleset CLASS has it"
"$netshim" down

# --- what does not use it has nothing of it
echo "class lan { action = reject  allow = { 'lan' } }" >"$config"
is "$("$netshim" ruleset | grep -cE 'serve|shaped|\bct ')" 0 "a configuration without serve has no rule of it"
finish
