#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# netshim blocked tells what was refused: the class, the program, the user, where to, how
# often; while it happens, of every class, and later of those that have log = true. Nobody
# is asked longer than somebody listens, and a flood costs who sends it little.
. "$(dirname "$0")/lib.sh"

make_hosts 80 8080
make_exit vpn0 11
write() { # write [LINE...]
	cat >"$config" <<EOF
class shut { action = reject }
class gone { action = drop }
class some { action = reject  allow = { 'tcp/80' } }
class v4   { ipv6 = false }
class vpn  { interface = 'vpn0'  gateway = '10.11.0.2'  local = { 'none' } }
class kept { action = reject  log = true }
$(printf '%s\n' "$@")
EOF
}
write "unclassified { deny = { 'tcp/8080' } }"
"$netshim" up
run() { "${user[@]}" "$netshim" run "$@" >/dev/null 2>&1; }

# --- while it happens

heard=$scratch/heard
is_asked() { nft list map inet netshim tell 2>/dev/null | grep -q tell_; }
# What one has asked outlives it for a while. The other table, which it makes after that, goes with it.
nobody_listens() { ! nft list table inet netshim-names >/dev/null 2>&1; }
listening() { is_asked && ! nobody_listens; }
listen() { # listen [OPTION...]: into $heard
	: >"$heard"
	in_background "$netshim" blocked -f "$@" >>"$heard" 2>&1
	listener=$!
	wait_until listening
}
stop() {
	kill "$listener"
	wait "$listener" 2>/dev/null
	wait_until nobody_listens # which is done by a child that is killed after it
}
hears() { until_like "$1" "$2" cat "$heard"; }
until_heard() { # until_heard PATTERN NAME COMMAND...: a change of an interface has rules loaded meanwhile
	local tries
	for ((tries = 0; tries < 50; tries++)); do
		"${@:3}"
		sleep 0.1
		[[ ! $(<"$heard") =~ $1 ]] || break
	done
	like "$(<"$heard")" "$1" "$2"
}
time='[0-9]{2}:[0-9]{2}:[0-9]{2}' nl=$'\n'
hears_of_waiting() { # hears_of_waiting CLASS URL PATTERN NAME
	in_background "${user[@]}" "$netshim" run "$1" curl -m 60 "$2" >/dev/null 2>&1
	hears "${@:3}"
	kill $!
	wait $! 2>/dev/null
}
python=$(readlink -f "$(command -v python3)")
mkfifo -m 644 "$scratch/go"
in_background "${user[@]}" "$netshim" run some "$python" -c "
import socket, time
kept = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print(flush=True)
open('$scratch/go').read()
socket.socket().connect_ex(('$lan_host', 8080))
time.sleep(900)" >"$scratch/ready"
goes_on=$!
wait_until test -s "$scratch/ready"
listen
hears_of_waiting gone "http://$lan_host/" "$time  gone +nobody +1  tcp $lan_host:80 +/usr/bin/curl [0-9]+\$" \
	"who waits for an answer: the program and the process, by its socket"
in_background "${user[@]}" "$netshim" run some sleep 60
echo >"$scratch/go"
hears "some +nobody +1  tcp $lan_host:8080 +(perhaps |)$python $goes_on\$" "who is refused at once, and goes on: the program, and nobody else"
kill "$goes_on"
wait "$goes_on" 2>/dev/null
follower=$(pgrep -P "$listener")
suspend "$follower"
run some curl -m 2 "http://$lan_host:8081/"
kill -CONT "$follower"
hears "some +nobody +1  tcp $lan_host:8081 +.not there any more.\$" "who has ended: that, and nobody else"
run shut curl -g -m 2 'http://[fd77::2]:8080/'
hears "shut +nobody +[12]  tcp \[fd77::2\]:8080 " "IPv6"
cp "$(command -v curl)" "$scratch/"$'Прß\u202e'
in_background "${user[@]}" "$netshim" run gone "$scratch/"$'Прß\u202e' -m 60 "http://$lan_host:84/"
hears "gone +nobody +1  tcp $lan_host:84 +$scratch/Прß\\?\\?\\? [0-9]+\$" "a program's name: letters, and nothing that turns them round"
kill $!
wait $! 2>/dev/null
run shut ping -c 1 -W 1 $far_host
hears "shut +nobody +1  icmp $far_host " "what has no ports"
run v4 curl -g -m 2 'http://[fd77::2]/'
hears "v4 +nobody +[12]  tcp \[fd77::2\]:80 " "ipv6 = false"
ip link set vpn0 down
until_heard "vpn +nobody +1  udp $far_host:7 " "what an interface that is down keeps back" run vpn python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try: s.sendto(b'x', ('$far_host', 7))
except OSError: pass"
until_heard "vpn +nobody +[0-9]+  tcp $far_host:80 " "by TCP" run vpn curl -m 2 "http://$far_host/"
until_heard "vpn +nobody +[0-9]+  tcp \[2001:db8::7\]:80 " "by IPv6" run vpn curl -g -m 2 "http://[2001:db8::7]/"
ip link set vpn0 up
get_unclassified() { as_user curl -m 2 "$1" >/dev/null 2>&1; }
until_heard "unclassified +nobody +[12]  tcp $lan_host:8080 " "what is in no class" get_unclassified "http://$lan_host:8080/"
run some curl -m 2 "http://$lan_host/"
get_unclassified "http://$lan_host/"
run shut curl -m 2 "http://$lan_host:83/"
hears "shut +nobody +1  tcp $lan_host:83 " "what comes after it"
is "$(grep -E ' (some|unclassified) .*:80 ' "$heard")" "" "of what is let through, nothing is told"
like "$("$netshim" blocked -f 2>&1)" "another process listens" "there is one listener at a time"

# --- the table is replaced meanwhile
"$netshim" reload
wait_until listening
run shut curl -m 2 "http://$lan_host:81/"
hears "shut +nobody +1  tcp $lan_host:81 " "after a reload"
nft delete table inet netshim
wait_until listening
run shut curl -m 2 "http://$lan_host:82/"
hears "shut +nobody +1  tcp $lan_host:82 " "and where others take the table away"

# --- nobody reads it any more
stop
mkfifo "$scratch/unread"
head -n 1 <"$scratch/unread" >"$scratch/first" &
in_background sh -c "trap '' PIPE; exec '$netshim' blocked -f" >"$scratch/unread" # as systemd starts services
wait_until has_ended $!
like "$(cat "$scratch/first")" "^LAST " "its reader goes: it ends, also where no signal says so"
wait_until nobody_listens
like "$(timeout 9 "$netshim" blocked -f 2>&1 >/dev/full; echo $?)" "^netshim: cannot write the answer: No space left on device"$'\n'"1$" "where nothing can be written: it ends, and says so"
wait_until nobody_listens

# --- the clock is set back meanwhile
export LD_PRELOAD=$root/bin/clock.so CLOCK_SET=$scratch/clock
listen
unset LD_PRELOAD CLOCK_SET
echo -86400 >"$scratch/clock"
sleep 12 # longer than what one has asked is in force
run shut curl -m 2 "http://$lan_host:84/"
hears "shut +nobody +1  tcp $lan_host:84 " "where the clock is set back, it goes on"

# --- it ends by itself
kill -KILL "$listener"
wait "$listener" 2>/dev/null
is_over() { ! is_asked; }
"$netshim" lift shut 1m >/dev/null # which changes the table, too
for ((tries = 0; tries < 60; tries++)); do is_over && break; sleep 0.2; done
is_over
is $? 0 "who listens is killed: after 10 seconds at most, nobody is told any more"
"$netshim" lift shut off >/dev/null

# --- one class, for a script
listen --json shut
run gone curl -m 0.2 "http://$lan_host/"
run shut curl -m 1 "http://$lan_host/"
hears '"class": "shut"' "JSON: a line for each"
is "$(python3 -c '
import json, sys
for line in sys.stdin:
    e = json.loads(line)
    print(e["class"], e["uid"], e["user"], e["protocol"], e["address"], e["port"], e["packets"], e["last"][10], sorted(e))
' <"$heard")" "shut 65534 nobody tcp $lan_host 80 1 T ['address', 'candidates', 'class', 'last', 'name', 'packets', 'pid', 'port', 'program', 'protocol', 'sure', 'uid', 'user']" \
	"JSON: its members, and one class alone where one is asked for"
stop

# --- the names of addresses, as its resolver has told them to the class
write "class own { action = reject  dns = { '127.0.0.1:5354' } }" \
	"class plain { deny = { '192.0.2.0/24', '2001:db8::/32' } }" "unclassified { deny = { '192.0.2.0/24' } }"
"$netshim" reload
resolver 192.0.2.1 nsenter --net="/proc/$other_host/ns/net" -- --listen-address=$lan_host --address=/test/2001:db8::1 \
	--host-record=real.test,192.0.2.3 --cname=alias.test,real.test
resolver 192.0.2.2 -- --port=5354 --listen-address=127.0.0.1
echo "nameserver $lan_host" >"$scratch/resolv.conf"
mount --bind "$scratch/resolv.conf" "$(readlink -f /etc/resolv.conf)"
printf 'hosts: dns\n' >"$scratch/nsswitch.conf"
mount --bind "$scratch/nsswitch.conf" /etc/nsswitch.conf
wait_until sh -c "dig +short +tries=1 +time=1 @$lan_host name.test | grep -q 192.0.2.1"
wait_until sh -c "dig +short +tries=1 +time=1 -p 5354 @127.0.0.1 name.test | grep -q 192.0.2.2"
listen
run plain curl -4 -m 9 http://before.test:79/ http://name.test/
hears " plain +nobody +1  tcp name.test \(192.0.2.1:80\)  " "a name, as the class was told it last"
run plain curl -6 -m 9 http://name.test/
hears " plain +nobody +[12]  tcp name.test \(\[2001:db8::1\]:80\)  " "IPv6"
run plain curl -4 -m 9 http://alias.test/
hears " plain +nobody +1  tcp alias.test \(192.0.2.3:80\)  " "what was asked for, and not what it is another name of"
run own curl -4 -m 9 http://own.test/
hears " own +nobody +1  tcp own.test \(192.0.2.2:80\)  " "a class with a resolver of its own"
run own curl -m 9 http://192.0.2.1/
hears " own +nobody +1  tcp 192.0.2.1:80  " "what another class was told is not told of it"
until_heard " unclassified +nobody +[0-9]+  tcp here.test \(192.0.2.1:80\)  " "what is in no class" get_unclassified http://here.test/
"$netshim" reload
wait_until listening
run plain curl -4 -m 9 http://after.test:81/
hears " plain +nobody +1  tcp after.test \(192.0.2.1:81\)  " "after a reload"
nft flush ruleset
wait_until listening
run plain curl -4 -m 9 http://flushed.test:82/
hears " plain +nobody +1  tcp flushed.test \(192.0.2.1:82\)  " "and where others flush all tables"

# A resolver that means no good. The last address is an honest answer's.
cat >"$scratch/liar.py" <<'EOF'
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("203.0.113.7", 53))
print("ready", flush=True)
while True:
    query, whom = s.recvfrom(512)
    number, question, kind = query[:2], query[12:], query[13:query[12] + 13].decode("latin1")
    def head(count): return b"\x81\x80" + struct.pack("!4H", 1, count, 0, 0)
    def record(last, owner=b"\xc0\x0c", size=4): return owner + struct.pack("!HHIH", 1, 1, 60, size) + bytes([192, 0, 2, last])
    at = 12 + len(question)
    answers = {
        "loop": [number + head(1) + question + record(20, struct.pack("!H", 0xc000 | at))],
        "beyond": [number + head(1) + question + record(21, b"\xff\xff")],
        "short": [number + head(1) + question + record(22, size=400)],
        "many": [number + head(65535) + question + record(23)],
        "number": [bytes([number[0] ^ 1, number[1]]) + head(1) + question + record(24)],
        "other": [number + head(1) + b"\x04bank" + question[1 + len(kind):] + record(25)],
        "second": [number + head(0) + question, number + head(1) + question + record(26)],
        "end": [number, number + head(1), number + head(1) + question[:3], number + head(0) + question],
    }.get(kind, [number + head(1) + question + record(28 if kind == "honest" else 27)])
    for answer in answers:
        s.sendto(answer, whom)
    s.sendto(b"", whom)
EOF
cat >"$scratch/believer.py" <<'EOF'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
for i, name in enumerate([b"loop", b"beyond", b"short", b"many", b"number", b"other", b"second", b"end", b"\x1b[31m\n\xc3\xa4 ", b"honest"]):
    s.sendto(bytes([7, i, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, len(name)]) + name + b"\x04test\0\0\1\0\1", ("203.0.113.7", 53))
    while s.recv(4096):
        pass
for last in range(20, 29):
    try: socket.create_connection(("192.0.2.%d" % last, 80), 1)
    except OSError: pass
EOF
in_background nsenter --net="/proc/$other_host/ns/net" python3 "$scratch/liar.py" >"$scratch/liar"
wait_until grep -qs ready "$scratch/liar"
run plain python3 "$scratch/believer.py"
hears "tcp honest.test \(192.0.2.28:80\)  " "answers that are no answers do it no harm: the honest one is heard behind them"
is "$(sed -n 's/.* tcp \(.*192\.0\.2\.2[0-7]:80)\?\) .*/\1/p' "$heard")" \
	"$(printf '%s\n' 192.0.2.{20..26}:80 '\027[31m\010\195\164\032.test (192.0.2.27:80)')" \
	"nobody's name comes from a broken one, one to another query or a second one; and a name does nothing to the terminal"
kill -KILL "$listener"
wait "$listener" 2>/dev/null
wait_until nobody_listens
ok 0 "who listens is killed: no query is logged any more"
listen --json plain
as_user curl -4 -m 9 http://name.test/ >/dev/null 2>&1
run plain curl -4 -m 9 http://name.test:81/ http://192.0.2.77:82/
hears '"port": 82' "(JSON)"
is "$(python3 -c '
import json, sys
print([(e["class"], e["name"], e["address"], e["port"]) for e in map(json.loads, sys.stdin)])' <"$heard")" \
	"[('plain', 'name.test', '192.0.2.1', 81), ('plain', None, '192.0.2.77', 82)]" "names for a script"
stop
write "unclassified { deny = { 'tcp/8080' } }"
"$netshim" reload

# --- a flood
cat >"$scratch/flood.py" <<'EOF'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sent, begun = 0, time.monotonic()
end = time.process_time() + 1
while time.process_time() < end:
    for port in range(1, 1001):
        try:
            s.sendto(b"x", (sys.argv[1], port))
        except OSError:
            pass
        sent += 1
print(sent, int(time.monotonic() - begun) + 1)
EOF
flood() { "${user[@]}" "$netshim" run gone python3 "$scratch/flood.py" $lan_host; }
flood_lines() { grep -c ' udp ' "$heard"; }
are_told() { [ "$(flood_lines)" -ge 20 ]; }
# What is told is bounded by time, and a second's work takes longer where others work, too.
for try in 1 2 3; do # the machine itself may be slower for one of the two
	read -r quiet seconds < <(flood)
	listen
	read -r loud seconds < <(flood)
	wait_until are_told
	stop
	lines=$(flood_lines)
	echo "# a second's work sends $quiet refused packets; with a listener, in $seconds seconds, $loud" >&2
	[ $((loud * 2)) -le "$quiet" ] || break
done
[ "$lines" -le $((40 + 20 * seconds)) ] && [ "$lines" -lt "$loud" ]
is $? 0 "of a flood, some are told and not each ($lines)"
is "$((loud * 2 > quiet))" 1 "and it costs its sender less than the sending"

# --- what is kept
run kept curl -m 9 "http://$lan_host:81/"
run kept curl -m 9 "http://$lan_host:81/"
run kept ping -c 2 -i 0.2 -W 1 $far_host
run kept curl -g -m 9 'http://[fd77::2]:81/'
run shut curl -m 9 "http://$lan_host:81/"
like "$("$netshim" blocked)" "^LAST +CLASS +USER +PACKETS +TO +PROGRAM$nl$time kept +nobody +2 tcp $lan_host:81 +\(not there any more\)$nl$time kept +nobody +2 icmp $far_host +\(not there any more\)$nl$time kept +nobody +[12] tcp \[fd77::2\]:81 +\(not there any more\)\$" \
	"log = true: what was refused, how often, and when last"
is "$("$netshim" blocked --json kept | python3 -c '
import json, sys
print([(e["class"], e["protocol"], e["port"], e["packets"], e["program"]) for e in json.load(sys.stdin)["blocked"]][0])')" \
	"('kept', 'tcp', 81, 2, None)" "the same for a script"
in_background "${user[@]}" "$netshim" run kept python3 -c "
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(('$far_host', 9))
try: s.send(b'x')
except OSError: pass
time.sleep(60)"
kept_udp() { "$netshim" blocked | grep -q ' udp '; }
wait_until kept_udp
like "$("$netshim" blocked)" "kept +nobody +1 udp $far_host:9 +/usr/bin/python3[^ ]* [0-9]+\$" "who is still there is found by its socket"
is "$("$netshim" blocked shut 2>&1; echo $?)" "netshim: nothing that class shut was refused is kept: nothing was in the last day, or it has no log = true
0" "of a class without log, nothing is kept, and it says so"
is "$("$netshim" blocked unclassified 2>&1; echo $?)" "netshim: nothing that unclassified programs were refused is kept: nothing was in the last day, or it has no log = true
0" "nor of what is in no class"
is "$("$netshim" blocked | awk 'length > 80')" "" "it fits into 80 columns"
# Older kernels say of what a rule has added for how long it is kept, even where that is the set's own time.
table() { nft -s list table inet netshim | sed 's/ timeout 1d//g'; }
rules=$(table)
write "class wrong { nft = { 'ct state 5 accept' 'nonsense' } }"
"$netshim" reload >/dev/null 2>&1
is "$(table)" "$rules" "a reload that fails changes nothing of what was kept"
write
# For one who listens, there are chains that the text has not. nft 1.1.7 turns a key's bytes round.
kept=$(($(classid kept)))
turned=$((kept >> 24 | kept >> 8 & 0xff00 | (kept & 0xff00) << 8 | (kept & 0xff) << 24))
nft "flush map inet netshim tell; add element inet netshim tell { $kept timeout 1h : jump tell_kept, $turned timeout 1h : jump tell_kept }"
rules=$(table)
strace -qq -o /dev/null -e trace="$(calls rename)" -e inject="$(calls rename):error=ENOSPC:when=2" "$netshim" reload 2>"$scratch/said"
is "$? $(grep -o 'jump tell_kept' <<<"$rules" | wc -l) $(table)" "1 2 $rules" "nor one that has loaded another table, and puts back this one"
nft flush map inet netshim tell
"$netshim" reload
run kept curl -m 9 "http://$lan_host:81/"
rules=$(table)
strace -qq -o /dev/null -e trace="$(calls rename)" -e inject="$(calls rename):error=ENOSPC:when=2" "$netshim" reload 2>"$scratch/said"
is "$? $(grep -c "refused_tcp4\|elements.*$lan_host" <<<"$rules") $(table)" "1 3 $rules" "where it is the text that it puts back"
strace -qq -o "$scratch/calls" -e trace=sendto "$netshim" reload
is "$? $(grep -o 'GETTABLE\|GETRULE' "$scratch/calls" | sort -u)" "0 GETTABLE" "nftables is not asked for all rules, to keep that"
# One of the class has thousands of descriptors open, which are not looked through for each refusal.
cat >"$scratch/holder.py" <<'EOF'
import os, resource, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
held = [os.open("/dev/null", os.O_RDONLY) for i in range(4000)]
print("ready", flush=True)
time.sleep(3600)
EOF
cat >"$scratch/sockets.py" <<'EOF'
import socket, sys, time
held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for port in range(40)]
for port, s in enumerate(held):
    s.connect((sys.argv[1], 101 + port))
    try: s.send(b"x")
    except OSError: pass
time.sleep(3600)
EOF
in_background "${user[@]}" "$netshim" run kept python3 "$scratch/holder.py" >"$scratch/held"
holder=$!
wait_until test -s "$scratch/held"
listen
in_background strace -qq -o "$scratch/calls" -e trace=readlinkat -p "$(pgrep -P "$listener")"
is_traced() { grep -q 'TracerPid:[[:space:]]*[1-9]' "/proc/$(pgrep -P "$listener")/status"; }
wait_until is_traced
in_background "${user[@]}" "$netshim" run kept python3 "$scratch/sockets.py" $far_host
sender=$!
hears "kept +nobody +1  udp $far_host:101 +/usr/bin/python3[^ ]* $sender$nl" "the first one is found at once by its socket"
hears "kept +nobody +1  udp $far_host:140 " "and the last one is heard"
stop
looked=$(grep -c '"/dev/null"' "$scratch/calls")
is "$((looked < 10 * 4000))" 1 "others' descriptors are looked through seldom meanwhile ($looked)"
strace -qq -o "$scratch/calls" -e trace=readlinkat "$netshim" blocked kept >"$scratch/said"
looked=$(grep -c '"/dev/null"' "$scratch/calls")
is "$(grep -c " udp $far_host:1[0-4].* /usr/bin/python3[^ ]* $sender\$" "$scratch/said") $((looked < 2 * 4000))" "40 1" \
	"and once for all that is kept ($looked)"
kill "$holder" "$sender"
# As the kernel would have kept them, of all kinds.
for kind in tcp4 tcp6 udp4 udp6 other4 other6; do
	for ((i = 0; i < 1000; i++)); do
		printf 'add element inet netshim refused_%s { %s . 65534 . ' "$kind" "$kept"
		[[ $kind == *4 ]] && printf '198.18.%d.%d . ' $((i / 250)) $((i % 250)) || printf '2001:db8::%x . ' "$i"
		[[ $kind == other* ]] && printf '132 }\n' || printf '9 }\n'
	done
done >"$scratch/kept"
nft -f "$scratch/kept"
is "$("$netshim" blocked kept | grep -cE ' ((tcp|udp) .*:9|132 .*) ')" 6000 "of thousands, all are listed"
write "unclassified { action = reject  allow = { 'tcp/8080' }  log = true }"
sed -i '/^class kept/d' "$config"
"$netshim" reload
as_user curl -m 9 "http://$lan_host:81/" >/dev/null 2>&1
like "$("$netshim" blocked)" "unclassified +nobody +[12] tcp $lan_host:81 " "and of what is in no class"
write
sed -i '/^class kept/d' "$config"
"$netshim" reload
said=$("$netshim" blocked 2>&1)
is "$? $said" "1 netshim: nothing is kept of what is refused: no class has log = true; 'netshim blocked -f' shows it while it happens" \
	"where nothing is kept, it says so"

# --- in network namespaces
mkdir -p /run/netns
mount -t tmpfs -o mode=755 none /run/netns
one="{ netns = 'one'  address = { '10.97.10.2/24', 'fd00:97::2/64' }  deny = { 'tcp/80' }  log = true }"
write "class of_a_name_that_is_long $one" "class two { netns = 'two'  address = '10.97.20.2/24'  action = drop }"
"$netshim" reload
listen
is_listening() { nsenter --net=/run/netns/"$1" nft list map inet netshim tell 2>/dev/null | grep -q tell_; }
wait_until is_listening one
wait_until is_listening two
run of_a_name_that_is_long curl -m 1 "http://$lan_host/"
hears "of_a_name_that_is_long +nobody +1  tcp $lan_host:80 " "what is refused in one, of its class"
hears_of_waiting two "http://$lan_host:81/" "two +nobody +1  tcp $lan_host:81 +/usr/bin/curl [0-9]+\$" "in another, with the program"
nsenter --net=/run/netns/one curl -m 1 "http://$lan_host/" >/dev/null 2>&1
hears "of_a_name_that_is_long +root +[12]  tcp $lan_host:80 " "whoever sends it there, also root in no class"
# By this machine, of what goes through it, or to it.
run of_a_name_that_is_long curl -m 1 http://192.168.77.1:81/
hears "of_a_name_that_is_long +[?] +1  tcp 192.168.77.1:81 " "what this machine refuses of one: its own services"
run of_a_name_that_is_long curl -m 1 -g 'http://[fd77::1]:81/'
hears "of_a_name_that_is_long +[?] +1  tcp \[fd77::1\]:81 " "by IPv6"
run of_a_name_that_is_long curl -m 1 http://10.97.20.2:82/
hears "of_a_name_that_is_long +[?] +1  tcp 10.97.20.2:82 " "and another namespace"
is "$(awk '{ print match($0, /TO  |tcp |icmp /) }' "$heard" | sort -u | wc -l)" 1 "the columns are as wide as the longest name of a class"
write "class of_a_name_that_is_long $one" "class three { netns = 'three'  address = '10.97.30.2/24'  action = drop }"
is "$("$netshim" reload 2>&1)" "" "a reload takes a namespace away, and does not name who listens there"
wait_until is_listening three
wait_until is_listening one
run three ping -c 1 -W 1 $lan_host
hears "three +nobody +1  icmp $lan_host " "in one that a reload has made"
run of_a_name_that_is_long curl -m 1 -g "http://[fd77::2]/"
hears "of_a_name_that_is_long +nobody +[12]  tcp \[fd77::2\]:80 " "and in one that it has left"
stop
for name in one three; do
	is_quiet() { ! is_listening "$name"; }
	wait_until is_quiet
done
like "$("$netshim" blocked)" "^[^$nl]*${nl}[0-9:]* of_a_name_that_is_long nobody +[12] tcp .fd77::2.:80 [^$nl]*\$" "log = true: what was refused there is kept"
is "$("$netshim" blocked three 2>/dev/null)$("$netshim" blocked --json shut 2>/dev/null | xargs)" "{blocked: []}" "and is no other class's"
write "class of_a_name_that_is_long { netns = 'private' }"
"$netshim" reload
like "$("$netshim" blocked of_a_name_that_is_long 2>&1)" "nothing is kept|nothing that class" "an empty one keeps nothing"

# --- mistakes
is "$("$netshim" blocked none 2>&1)" "netshim: there is no class 'none'; 'netshim status' lists them; 'unclassified' stands for what is in no class" \
	"a class that is not there"
for words in "-x" "shut gone" "--jso=1" "-f --all"; do
	# shellcheck disable=SC2086 # several words
	timeout 5 "$netshim" blocked $words >/dev/null 2>&1
	[ $? -eq 2 ] || ok 1 "usage: blocked $words"
done
like "$(as_user "$netshim" blocked 2>&1)" "is for root" "who is not root"

finish
