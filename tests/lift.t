#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# netshim lift: for a time, a class may send what its action and deny refuse, and the
# kernel ends it; what keeps it at an interface, at its resolvers, away from IPv6 or at a
# proxy stays. It is still there after a reload, a change that is taken back and a flush,
# with the time that is left.
. "$(dirname "$0")/lib.sh"

# The system's log of this world.
cat >"$scratch/log.py" <<'EOF'
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode(), flush=True)
EOF
in_background python3 "$scratch/log.py" "$scratch/log" >"$scratch/logged"
wait_until test -S "$scratch/log"
mkdir "$scratch/dev"
mount -t tmpfs dev "$scratch/dev"
cp -a /dev/null /dev/zero /dev/urandom "$scratch/dev"
ln -s "$scratch/log" "$scratch/dev/log"
mount --move "$scratch/dev" /dev

mkdir -p /run/netns
mount -t tmpfs -o mode=755 none /run/netns
make_hosts 80 8080
make_exit vpn0 11
watch_far on_other_host # what has gone the ordinary way
write() { # write [LINE...]: the configuration, with these lines more
	cat >"$config" <<EOF
class shut  { action = reject }
class gone  { action = drop }
class some  { action = reject  allow = { 'tcp/80' }  deny = { 'lan' } }
class not   { deny = { 'tcp/8080', 'lan' } }
class v4    { action = reject  ipv6 = false }
class vpn   { interface = 'vpn0'  gateway = '10.11.0.2'  action = reject  allow = { 'tcp/81' } }
class named { action = reject  dns = { '$lan_host' } }
class proxied { action = reject  allow = { 'loopback' }  proxy = '127.0.0.1:9' }
class jail  { netns = 'jail'  address = { '10.97.10.2/24', 'fd00:97::2/64' }  deny = { 'tcp/80' } }
class alone { netns = 'private' }
class free  { }
unclassified { action = reject  allow = { 'tcp/8080' } }
$(printf '%s\n' "$@")
EOF
}
write
"$netshim" up
get() { # get CLASS URL...: the status of curl for each
	local url
	for url in "${@:2}"; do
		"${user[@]}" "$netshim" run "$1" curl -sS -g -m "${seconds:-9}" -o /dev/null "$url" >/dev/null 2>&1
		echo -n "$? "
	done
}
get_unclassified() {
	"${user[@]}" curl -sS -m 9 -o /dev/null $lan >/dev/null 2>&1
	echo $?
}
lan=http://$lan_host/ lan6='http://[fd77::2]/' far=http://$far_host:80/ port=http://$far_host:8080/
left() { # left CLASS|unclassified: seconds, as status --json has it
	"$netshim" status --json 2>/dev/null | python3 -c '
import json, sys
status = json.load(sys.stdin)
print(dict([(c["name"], c["lifted"]) for c in status["classes"]], unclassified=status["unclassified"]["lifted"])[sys.argv[1]])' "$1"
}
expiries() { # of the elements themselves, in seconds
	nft -j list set inet netshim "${1:-lifted}" | python3 -c '
import json, sys
print(sorted(e["elem"]["expires"] for e in json.load(sys.stdin)["nftables"][1]["set"].get("elem", [])))'
}
between() { # between LEAST NUMBER MOST
	[ "$1" -le "$2" ] && [ "$2" -le "$3" ]
}

# --- what it lifts, and what it does not
refusing="gone some not v4 vpn named proxied"
is "$(get shut $lan "$lan6" $far)$(seconds=1 get gone $lan)$(get some $lan $far $port)$(get not $lan $far $port)$(get vpn $far)" \
	"7 7 7 28 7 0 7 7 0 7 7 " "before: each class is refused what it says"
is "$("$netshim" lift shut)" "class shut: for 10 min, it may send what action and deny refuse" "lift says what it does"
for class in $refusing; do "$netshim" lift "$class" 1m >/dev/null || ok 1 "lift $class"; done
is "$(get shut $lan "$lan6" $far)$(get gone $lan)$(get some $lan $far $port)$(get not $lan $far $port)" "0 0 0 0 0 0 0 0 0 0 " \
	"lifted: action and deny refuse nothing, of IPv4 and IPv6, near and far"
is "$(get v4 $lan "$lan6")" "0 7 " "ipv6 = false stays"
is "$(get proxied $lan $far)" "7 7 " "a proxy stays: past one that does not answer there is no way"
before=$(far_packets on_other_host)
is "$(get vpn $far)$(($(far_packets on_other_host) - before))" "0 0" "interface: what was refused goes out there"
ip link set vpn0 down
is "$(get vpn $far)$(($(far_packets on_other_host) - before))" "7 0" "and nowhere else when that is down"
ip link set vpn0 up
resolver 192.0.2.9 nsenter --net="/proc/$other_host/ns/net" -- --listen-address=$lan_host
asked() { "${user[@]}" "$netshim" run named dig +short +time=1 +tries=1 a.test @192.0.2.1 2>/dev/null; }
answered() { [ "$(asked)" = 192.0.2.9 ]; }
wait_until answered
ok 0 "queries go to the class's resolver all the same"
is "$(get_unclassified)" 7 "what is in no class is refused as before"
serve -- 8081
comes_in() { on_other_host curl -sS -m 9 -o /dev/null http://192.168.77.1:8081/ >/dev/null 2>&1; }
comes_in
is $? 0 "and who connects to it from outside is answered as before"
like "$(<"$scratch/logged")" "netshim: class shut: for 10 min, it may send what action and deny refuse" "the system's log knows"

# --- off, and by the kernel
for class in $refusing; do "$netshim" lift "$class" off >/dev/null || ok 1 "lift $class off"; done
is "$(seconds=1 get gone $lan)$(get some $lan $far $port)$(get not $lan $far $port)$(get vpn $far)" "28 7 0 7 7 0 7 7 " "off: all is as before"
is "$(get shut $lan)" "0 " "but for who is still lifted"
"$netshim" lift shut off >/dev/null
is "$("$netshim" lift shut off) $(left shut)" "class shut: action and deny refuse again None" "off once more does no harm"
wait_until grep -q "class shut: action and deny refuse again" "$scratch/logged"
ok $? "the system's log knows that, too"
"$netshim" lift --unclassified 1m >/dev/null
is "$(get_unclassified) $(get shut $lan)" "0 7 " "--unclassified: what is in no class may send, and a class may not"
is_over() { [ "$(left "$1")" = None ]; }
"$netshim" lift --unclassified 1s >/dev/null
wait_until is_over unclassified
is "$(get_unclassified) $(expiries lifted_others)" "7 []" "after its time the kernel ends it, with nobody's help"

# --- in a network namespace
is "$(get jail $lan "$lan6" http://$lan_host:8080/)" "7 7 0 " "before: a class in a namespace"
is "$("$netshim" lift jail 1m)" "class jail: for 1 min, it may send what action and deny refuse" "it is lifted, too"
is "$(get jail $lan "$lan6" http://192.168.77.1:8081/)" "0 0 7 " "and may send there, but still not to this machine's own services"
is "$(nsenter --net=/run/netns/jail curl -sS -m 9 -o /dev/null $lan 2>&1; echo $?) $(get shut $lan)" "0 7 " "and whoever else is in there; no other class"
"$netshim" reload
between 30 "$(left jail)" 60
is "$? $(get jail $lan)" "0 0 " "after a reload, for the time that is left"
"$netshim" lift jail off >/dev/null
is "$(get jail $lan)" "7 " "off"
"$netshim" lift jail 1m >/dev/null
is "$(get jail $lan)" "0 " "(on again)"
"$netshim" lift jail 1s >/dev/null
wait_until is_over jail
is "$(get jail $lan)" "7 " "and after its time, the kernel ends it there"

# --- a connection that is open goes on while it may, and not after that
cat >"$scratch/send.py" <<'EOF'
import socket, sys, time
s = socket.create_connection((sys.argv[1], 82), 5)
while True:
    s.send(b"x")
    time.sleep(0.05)
EOF
cat >"$scratch/take.py" <<'EOF'
import socket
server = socket.create_server(("", 82))
print("ready", flush=True)
connection, _ = server.accept()
while connection.recv(4096):
    pass
EOF
in_background nsenter --net="/proc/$other_host/ns/net" python3 -u "$scratch/take.py" >"$scratch/taken"
wait_until test -s "$scratch/taken"
"$netshim" lift gone 1m >/dev/null
in_background "${user[@]}" "$netshim" run gone python3 -u "$scratch/send.py" $lan_host 2>/dev/null
on_other_host nft 'table inet watch { counter taken { }; chain taken { type filter hook input priority 0; tcp dport 82 counter name taken; }; }'
taken() { on_other_host nft list counter inet watch taken | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
sends() { [ "$(taken)" -gt "$before" ]; }
before=10
wait_until sends
"$netshim" lift gone 1s >/dev/null
wait_until is_over gone
before=$(taken)
sleep 0.5
is "$(taken)" "$before" "of an open connection, nothing is sent any more when it is over"
"$netshim" lift gone 1m >/dev/null
wait_until sends
ok 0 "and it goes on when it is lifted again"
"$netshim" lift gone off >/dev/null

# --- what outlives what
"$netshim" lift shut 60s >/dev/null
sleep 1
like "$("$netshim" status 2>&1)" "netshim: lifted: for 5[0-9] s more, class shut may send .* 'netshim lift shut off' ends it" \
	"status says so, and for how long"
"$netshim" lift shut 600s >/dev/null
"$netshim" lift --unclassified 600s >/dev/null
sleep 1
write "class more { }"
"$netshim" reload
between 500 "$(left shut)" 599 && [ "$(get shut $lan) $(get_unclassified)" = "0  0" ]
is $? 0 "after a reload, they are lifted for the time that is left"
like "$(expiries)$(expiries lifted_others)" '^\[5[0-9]{2}\]\[5[0-9]{2}, 5[0-9]{2}\]$' "and for no longer, nor is anything else"
write "class wrong { nft = { 'nonsense' } }"
! "$netshim" reload >/dev/null 2>&1 && [ "$(get shut $lan)" = "0 " ]
is $? 0 "after a reload that fails, too"
write "class other { }"
"$netshim" reload --confirm 1 >/dev/null 2>&1
is_taken_back() { "$netshim" status 2>/dev/null | grep -q ^more; }
wait_until is_taken_back
like "$(expiries) $(get shut $lan)" '^\[5[0-9]{2}\] 0 $' "after a change that is not confirmed"
sed -i "/^class shut/ s/action/classid = '4e53:7'  action/" "$config"
"$netshim" reload
like "$(expiries) $(get shut $lan)" '^\[5[0-9]{2}\] 0 $' "where a class gets another classid"
nft delete table inet netshim
is_back() { nft list set inet netshim lifted >/dev/null 2>&1; }
wait_until is_back
like "$(expiries) $(get shut $lan)" '^\[5[0-9]{2}\] 0 $' "and where others take the table away"
"$netshim" lift shut 1h30m >/dev/null
between 5390 "$(left shut)" 5400
is $? 0 "another time takes the place of the one before"
write
sed -i '/^class shut/d' "$config"
"$netshim" reload
is "$(expiries)" '[]' "a class that is gone is lifted no more"
printf 'class free { }\n' >"$config"
"$netshim" reload
like "$("$netshim" lift --unclassified 2>&1)" "unclassified. refuses nothing by action or deny" "nor can anything be where nothing is refused"
"$netshim" down
is "$("$netshim" lift shut 2>&1)" "netshim: netshim is not up; run 'netshim up'" "nor where netshim is not up"
write
"$netshim" up
is "$(left shut) $(get shut $lan)" "None 7 " "down has ended it"

# --- mistakes change nothing
for words in "shut 0s" "shut 10" "shut 8d" "shut 1m1" "shut -1s" "shut 1ms" "shut m" "shut 99999999999999999999s" "shut 10m off" "--all 10m"; do
	# shellcheck disable=SC2086 # several words
	"$netshim" lift $words >/dev/null 2>&1
	[ $? -eq 2 ] || ok 1 "usage: lift $words"
done
for name in none unclassified; do
	is "$("$netshim" lift $name 2>&1)" "netshim: there is no class '$name'; 'netshim status' lists them; for what is in no class: netshim lift --unclassified" \
		"a class that is not there: $name"
done
like "$("$netshim" lift --unclassified shut 10m 2>&1)" "^usage: netshim lift CLASS\|--unclassified \[DURATION\|off\]"$'\n' "both: the usage says that it takes one"
like "$("$netshim" lift free 2>&1)" "free refuses nothing by action or deny" "one that refuses nothing"
like "$("$netshim" lift alone 2>&1)" "alone refuses nothing by action or deny" "one that has an empty namespace"
like "$(as_user "$netshim" lift shut 2>&1)" "is for root" "who is not root"
is "$(expiries)$(expiries lifted_others)" "[][]" "nothing is lifted by a mistake"

umount -l /dev
finish
