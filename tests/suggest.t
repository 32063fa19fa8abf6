#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# netshim suggest names the programs that talk to other machines from no class, and prints
# rules for them, with which a default deny lets them do the same.
. "$(dirname "$0")/lib.sh"

make_hosts 8080
cat >"$scratch/slow.py" <<'END'
import socket, sys, threading, time
def serve(connection, port):
    time.sleep({22: 3, 81: 900}.get(port, 1))
    connection.recv(4096)
    connection.sendall(b'HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nhi\n')
    connection.close()
def listen(port):
    listener = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0], port), daemon=True).start()
for port in 80, 443, 22, 81:
    threading.Thread(target=listen, args=(port,)).start()
print('ready', flush=True)
END
in_background nsenter --net="/proc/$other_host/ns/net" python3 "$scratch/slow.py" >"$scratch/ready"
wait_until grep -q ready "$scratch/ready"
resolver 203.0.113.7 nsenter --net="/proc/$other_host/ns/net" -- --port=53 --listen-address=$lan_host
wait_until dig +short +tries=1 +time=1 @$lan_host x.test

# A repository with one package.
cat >"$scratch/repository.py" <<'END'
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.3)
        there = self.path.endswith('/Packages')
        text = b'Package: one\nVersion: 1\nArchitecture: all\nFilename: ./one.deb\nSize: 9\nMD5sum: 0\n' if there else b''
        self.send_response(200 if there else 404)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)
server = http.server.ThreadingHTTPServer(('203.0.113.7', 8081), Handler)
print('ready', flush=True)
server.serve_forever()
END
in_background nsenter --net="/proc/$other_host/ns/net" python3 "$scratch/repository.py" >"$scratch/repository" 2>/dev/null
wait_until grep -qs ready "$scratch/repository"
mkdir -p "$scratch"/apt/{lists/partial,cache,etc/apt.conf.d}
touch "$scratch/apt/status"
echo "deb [trusted=yes] http://$far_host:8081/ ./" >"$scratch/apt/sources"
cat >"$scratch/apt/conf" <<END
Dir::Etc "$scratch/apt/etc/";
Dir::Etc::SourceList "$scratch/apt/sources";
Dir::State::Lists "$scratch/apt/lists/";
Dir::State::Status "$scratch/apt/status";
Dir::Cache "$scratch/apt/cache/";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "0";
Acquire::http::Proxy "DIRECT";
END
update() { "$@" APT_CONFIG="$scratch/apt/conf" apt-get update; }

mkdir "$scratch/bin"
cp "$(command -v curl)" "$scratch/bin/fetch"
cp "$(command -v curl)" "$scratch/bin/daemon"
cp "$(command -v python3)" "$scratch/bin/service"
cat >"$scratch/bin/script" <<'END'
#!/usr/bin/python3
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(80):
    s.sendto(b'x', ('203.0.113.7', 123))
    time.sleep(0.05)
END
chmod 755 "$scratch/bin/script"
cat >"$scratch/rules" <<END
class known { }
class fetch { }
app '$scratch/bin/known' { class = known }
app '$scratch/bin/ruled' { class = known }
END
cp "$scratch/bin/fetch" "$scratch/bin/known"
cp "$scratch/bin/fetch" "$scratch/bin/ruled"
configure <"$scratch/rules"

nft add table inet tracks
nft 'add chain inet tracks out { type filter hook output priority 10; ct state new accept; }'

get() { curl -s -m 3 "$@"; }
session() {
	local all=()
	as_user "$scratch/bin/fetch" -s -m 9 http://$far_host/ 'http://[2001:db8::7]/' http://$lan_host:443/ &
	all+=($!)
	timeout 9 ssh -F /dev/null -o BatchMode=yes -o ConnectTimeout=2 nobody@$far_host &
	all+=($!)
	as_user "$scratch/bin/script" &
	all+=($!)
	as_user "$scratch/bin/service" -c "import urllib.request as u; u.urlopen('http://$far_host:443/').read()" &
	all+=($!)
	# As a system's manager of services starts one.
	setsid setpriv --reuid daemon --regid daemon --clear-groups env -i "$scratch/bin/daemon" -s -m 9 http://$lan_host:443/ &
	all+=($!)
	shim "$scratch/bin/known" -s -m 9 http://$far_host/ &
	all+=($!)
	as_user "$scratch/bin/ruled" -s -m 9 http://$far_host/ &
	all+=($!)
	update env
	wait "${all[@]}"
} >/dev/null 2>&1
# Somebody connects to a server here: no program of this machine begins that.
in_background python3 -m http.server -b :: 8000 >/dev/null 2>&1
wait_until get -o /dev/null http://127.0.0.1:8000/
cp "$(command -v python3)" "$scratch/bin/taker"
udp="import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 7000));"
in_background "${user[@]}" "$scratch/bin/taker" -c "$udp time.sleep(900)"
wait_until eval "ss -unaH | grep -q :7000"
on_other_host python3 -c "$udp s.sendto(b'x', ('192.168.77.1', 7000))"

watches() { awk '$2 == 4 && $4 !~ /^0*$/ { found = 1 } END { exit !found }' /proc/net/netlink; } # is told of sockets that go (sock_diag)
# It may miss what is there for a second, where others take all the processor's time.
nice -n -19 "$netshim" suggest --for 10m >"$scratch/said" &
suggest=$!
wait_until watches
session
on_other_host curl -s -m 3 -o /dev/null http://192.168.77.1:8000/
kill -INT $suggest
wait $suggest
is $? 0 "it watches, until it is ended"
said=$(cat "$scratch/said")
rule() { sed -n "/^# ${1//\//\\/}, as /,/^app/p" <<<"$said"; }
is "$(rule "$scratch/bin/fetch")" "# $scratch/bin/fetch, as nobody:
#   tcp $far_host:80
#   tcp [2001:db8::7]:80
#   tcp $lan_host:443
class fetch-2 {
    action = reject
    allow  = { 'tcp/80', '$lan_host:443' }
}
app '$scratch/bin/fetch' { class = fetch-2 }" "a program, where it has connected to, and a rule; its class has a name that is free"
is "$(rule /usr/bin/ssh | grep -v '^#')" "class ssh {
    action = reject
    allow  = { 'tcp/22' }
}
app '/usr/bin/ssh' { class = ssh }" "ssh"
like "$(rule "$scratch/bin/script")" "#   udp $far_host:123
class script \{
    action = reject
    allow  = \{ 'udp/123' \}
\}
app '$scratch/bin/script'" "a script, which sends UDP without a connection"
like "$(rule "$scratch/bin/service")" "tcp/443" "a program in Python"
is "$(sed -n '\,^# /usr/lib/apt/,,/^app/p' <<<"$said")" "# /usr/lib/apt/methods/http, as _apt:
#   tcp $far_host:8081
class http {
    action = reject
    allow  = { 'tcp/8081' }
}
app '/usr/lib/apt/methods/http' { class = http }" "apt: the program that does it for apt, as its own user"
is "$(grep "^# $scratch/bin/daemon, as " <<<"$said")" "# $scratch/bin/daemon, as daemon:" \
	"a service: a session, a user and an environment of its own"
is "$(grep -c "bin/known\|bin/ruled\|8000\|taker\|7000\|loopback" <<<"$said")" 0 "none in a class, none with a rule, no server, no talk within this machine"
is "$("$netshim" check "$scratch/said" 2>&1 | sed 's/.*: //')" "ok, 6 classes, 6 rules" "what is printed has no mistake"

# --- a default deny that lets them do the same

{
	cat "$scratch/rules"
	echo "unclassified { action = reject }"
} >"$config"
"$netshim" reload
fetch() { shim "$scratch/bin/fetch" -s -m 9 "$@"; }
is "$(fetch http://$far_host/; echo $?)" 7 "with a default deny, they are refused"
update env LD_PRELOAD="$preload" >"$scratch/updated" 2>&1
is "$?" 100 "and apt"
cat "$scratch/said" >>"$config"
"$netshim" reload >/dev/null
is "$(fetch http://$far_host/ http://$lan_host:443/ | paste -sd ' ')" "hi hi" "with the rules, they do as before"
is "$(fetch http://$lan_host:8080/; echo $?)" 7 "and no more"
update env LD_PRELOAD="$preload" >"$scratch/updated" 2>&1
is "$? $(grep -c '^Get:.* Packages' "$scratch/updated")" "0 1" "apt too"
is "$(shim "$scratch/bin/service" -c "import urllib.request as u; print(u.urlopen('http://$far_host:443/').read().decode().strip())")" hi "the service too"
session
is "$("$netshim" suggest | head -n 1)" "# 0 programs without a rule, in no class, talk to other machines." "and nothing is left to suggest"

# --- what is short, what is now, and as JSON

configure <"$scratch/rules"
json() { python3 -c 'import json, sys; said = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$scratch/json" "$1"; }
nice -n -19 "$netshim" suggest --for 4s --json >"$scratch/json" &
wait_until watches
for i in {1..40}; do as_user "$scratch/bin/service" -c "import socket; socket.create_connection(('$lan_host', 8080)).close()"; done
wait $!
is "$(json "sorted({(d['protocol'], d['address'], d['port']) for p in said['programs'] for d in p['destinations']} | {(d['protocol'], d['address'], d['port']) for d in said['missed']})")" \
	"[('tcp', '$lan_host', 8080)]" "connections that are too short to tell whose they were are told of, too"
in_background "${user[@]}" "$scratch/bin/fetch" -s http://$far_host:81/ >/dev/null
wait_until eval "ss -tnH state established | grep -q $far_host:81"
"$netshim" suggest --json >"$scratch/json"
is "$(json "[(p['program'], p['user'], p['class'], p['allow'], p['destinations']) for p in said['programs']], said['missed']")" \
	"([('$scratch/bin/fetch', 'nobody', 'fetch-2', ['tcp/81'], [{'protocol': 'tcp', 'address': '$far_host', 'port': 81}])], [])" "without --for, who talks now; --json"
kill $!

# --- names that no class can have, a path that cannot be written, a user whose name is no UTF-8

cp /etc/passwd "$scratch/passwd"
printf 'caf\xe9:x:12345:12345::/:/bin/sh\n' >>"$scratch/passwd"
mount --bind "$scratch/passwd" /etc/passwd
talkers=()
for name in tasks locked -dash Straße $'del\x7f'; do
	cp "$scratch/bin/fetch" "$scratch/bin/$name"
	in_background setpriv --reuid 12345 --regid 12345 --clear-groups "$scratch/bin/$name" -s http://$far_host:81/ >/dev/null
	talkers+=($!)
done
wait_until eval "[ \"\$(ss -tnH state established | grep -c $far_host:81)\" -eq 5 ]"
"$netshim" suggest >"$scratch/said"
is "$(grep '^app' "$scratch/said" | sort)" "$(printf "app '$scratch/bin/%s' { class = %s }\n" -dash _dash Straße Stra__e locked locked-2 tasks tasks-2)" \
	"each class has a name that it can have, and each path is as it is"
is "$("$netshim" check "$scratch/said" 2>&1 | sed 's/.*: //')" "ok, 4 classes, 4 rules" "what is printed has no mistake"
is "$(sed -n '/del/,/printed/p' "$scratch/said")" "# $scratch/bin/del?, as caf?:
#   tcp $far_host:81
# no rule for this path can be printed" "where a path would not be as it is, it says so"
"$netshim" suggest --json >"$scratch/json"
is "$(json "sorted((p['program'].rsplit('/')[-1], ascii(p['user']), p['class']) for p in said['programs'])")" \
	"[('-dash', \"'caf\\\\ufffd'\", '_dash'), ('Straße', \"'caf\\\\ufffd'\", 'Stra__e'), ('del\\x7f', \"'caf\\\\ufffd'\", None), ('locked', \"'caf\\\\ufffd'\", 'locked-2'), ('tasks', \"'caf\\\\ufffd'\", 'tasks-2')]" \
	"JSON has them all"
kill "${talkers[@]}"
umount /etc/passwd

# In a network namespace of its own, where somebody has a socket that is not connected: what
# suggest says of such sockets after some commands.
unconnected() {
	unshare --net bash -c "ip link set lo up; $1
		python3 -c 'import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((\"\", 99)); time.sleep(900)' &
		while ! ss -unaH | grep -q :99; do :; done; '$netshim' suggest; kill %1" | grep "not connected"
}
unseen="# UDP that is not connected was not seen: nothing uses conntrack here"
tracks() { echo "nft 'add table $1 t; add chain $1 t o { type filter hook output priority 0; }; add rule $1 t o ct state new accept';"; }
is "$(unconnected "")" "$unseen." "without conntrack, it says what it does not see"
is "$(unconnected "$(tracks inet)")" "" "with it, it sees"
is "$(unconnected "$(tracks ip)")" "$unseen for IPv6." "where it is in use for IPv4 alone, that is told"
is "$(unconnected "$(tracks inet) python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b\"x\", (\"127.0.0.1\", 9))'; nft flush ruleset;")" \
	"$unseen." "an entry from when it was in use is not taken for that it is"

# --- a process that lies about what it was started as

gcc -std=gnu11 -D_GNU_SOURCE -Wall -Werror -x c -o "$scratch/bin/liar" - <<'END'
#include <arpa/inet.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(81) };
	int s = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, argv[1], &to.sin_addr);
	if (argc < 3 || connect(s, (struct sockaddr *)&to, sizeof(to)))
		return 1;
	strcpy((char *)getauxval(AT_EXECFN), argv[2]);
	for (;;)
		pause();
}
END
talks_to_81() { ss -tnH state established | grep -q "$far_host:81"; }
talks_to_nobody() { ! talks_to_81; }
suggested() { # suggested AS: for one that says to be that
	in_background "${user[@]}" "$scratch/bin/liar" "$far_host" "$1"
	wait_until talks_to_81
	suggested=$(timeout 20 "$netshim" suggest | sed -n "s/^app '\(.*\)' .*/\1/p")
	kill $!
	wait_until talks_to_nobody
}
suggested /usr/bin/ldd
is "$suggested" "$scratch/bin/liar" "a program that says to be somebody's script is suggested as what it is"
mkfifo -m 666 "$scratch/fifo"
suggested "$scratch/fifo"
is "$suggested" "$scratch/bin/liar" "and what else it names is not opened"

like "$("$netshim" suggest --for soon 2>&1; echo $?)" "'soon' is no time.*2$" "a time that is none"
like "$("$netshim" suggest 5m 2>&1; echo $?)" "^netshim: suggest: what is '5m'.*2$" "a word too many"
"$netshim" down
like "$("$netshim" suggest 2>&1; echo $?)" "netshim is not up.*1$" "netshim is not up"

finish
