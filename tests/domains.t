#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Names in allow and deny: their addresses are open, or closed, from the answer on that names them,
# and no others; with a real resolver, real clients and packets.
. "$(dirname "$0")/lib.sh"

make_hosts 80 81
there=(nsenter --net="/proc/$other_host/ns/net")
for n in 8 9 10 11; do
	on_other_host ip addr add 203.0.113.$n/32 dev there
	on_other_host ip addr add 2001:db8::$n/128 dev there nodad
done
records=("--host-record=web.test,$far_host,2001:db8::7" "--host-record=other.test,203.0.113.8,2001:db8::8"
	"--host-record=a.wild.test,203.0.113.9" "--host-record=x.y.wild.test,203.0.113.10" "--host-record=wild.test,203.0.113.8"
	"--cname=alias.test,next.test" "--cname=next.test,web.test" "--host-record=lan.test,$lan_host" "--host-record=me.test,127.0.0.1"
	"--host-record=short.test,203.0.113.11,2001:db8::11,1" "--host-record=xn--bcher-kva.test,203.0.113.11")
resolver 192.0.2.1 "${there[@]}" -- --listen-address=$lan_host,fd77::2 "${records[@]}"
echo "nameserver $lan_host" >"$scratch/resolv.conf"
mount --bind "$scratch/resolv.conf" "$(readlink -f /etc/resolv.conf)"
printf 'hosts: dns\n' >"$scratch/nsswitch.conf"
mount --bind "$scratch/nsswitch.conf" /etc/nsswitch.conf
wait_until sh -c "dig +short +tries=1 +time=1 @$lan_host web.test | grep -q $far_host"

in_class() { as_user LD_PRELOAD="$preload" "$netshim" run "$@"; }
get() { # get CLASS URL [OPTION...]: the code, or why there is none
	if ! in_class "$1" curl -sS -m 5 -o /dev/null -w '%{http_code}' "${@:3}" "$2" >"$scratch/code" 2>"$scratch/why"; then
		grep -o 'resolve host\|timed out\|Connection refused\|not permitted' "$scratch/why" | head -n 1 || cat "$scratch/why"
		[ -s "$scratch/why" ] && grep -q 'Failed to connect' "$scratch/why" && echo refused
	else
		cat "$scratch/code"
	fi | tail -n 1
}
expires() { # expires SET ADDRESS: how many seconds are left of it
	nft -j list set inet netshim "$1" 2>/dev/null | python3 -c '
import json, sys
for entry in json.load(sys.stdin)["nftables"]:
    for e in entry.get("set", {}).get("elem", []):
        if e["elem"]["val"] == sys.argv[1]: print(e["elem"]["expires"])' "$2"
}
resolvers() { # process IDs of netshim's own resolvers, and of who looks after them
	local process here
	here=$(readlink /proc/self/ns/net)
	for process in /proc/[0-9]*; do
		[ "$(readlink "$process/ns/net")" != "$here" ] || [ "$(tr '\0' ' ' <"$process/cmdline")" != "netshim names " ] || echo "${process#/proc/}"
	done 2>/dev/null
}
resolver_of() { # resolver_of CLASS
	local process
	for process in $(resolvers); do
		grep -q "net_cls.*/$1\$" "/proc/$process/cgroup" && echo "$process"
	done
}

web() { # web LINE...: class web is so from now on
	printf '%s\n' "class web { action = reject  $1 }" "${@:2}" >"$config"
	"$netshim" reload
}

configure <<EOF2
class web     { action = reject  allow = { 'web.test', '*.wild.test' } }
class alias   { action = reject  allow = { 'alias.test', 'bücher.test' } }
class ports   { action = reject  allow = { 'tcp/80@web.test', 'tcp/81@other.test', 'udp/80@a.wild.test' } }
class local   { action = reject  allow = { 'lan.test', 'me.test' } }
class lan     { action = reject  allow = { 'lan.test', 'lan' } }
class denies  { deny = { 'web.test', 'tcp/80@other.test' } }
class dropped { action = drop  allow = { 'web.test' } }
class short   { action = reject  allow = { 'short.test' } }
class plain   { }
EOF2
is "$? $(get plain http://web.test/)" "0 200" "a class without names"
for v in 4 6; do
	address=$([ $v = 4 ] && echo $far_host || echo '[2001:db8::7]')
	is "$(get web "http://$address/")" refused "IPv$v: an address that nobody has asked for is refused"
	is "$(get web http://web.test/ -$v)" 200 "IPv$v: a name that is allowed is open with its first answer"
	is "$(get web "http://$address/")" 200 "IPv$v: and so is its address, from then on"
	is "$(get web http://other.test/ -$v)" refused "IPv$v: another name is answered, and refused"
	is "$(get dropped "http://$address/" -m 0.3)" "timed out" "IPv$v: another class has not asked"
done
is "$(get web http://a.wild.test/) $(get web http://x.y.wild.test/)" "200 200" "a wildcard is for all beneath its name"
is "$(get web http://wild.test/)" refused "and not for that itself"
is "$(get alias http://alias.test/ -4) $(get alias http://alias.test/ -6)" "200 200" "a name with others between it and its addresses (CNAME)"
is "$(get alias http://xn--bcher-kva.test/)" 200 "a name with other letters, as a resolver is asked for it"
is "$(get ports http://web.test/) $(get ports http://web.test:81/) $(get ports http://other.test/) $(get ports http://other.test:81/)" \
	"200 refused refused 200" "a name with a port: only there"
is "$(get local http://lan.test/) $(get local http://me.test/)" "refused refused" "a name that leads to the local network or this machine opens neither"
is "$(get lan http://lan.test/)" 200 "but where something else allows it"
is "$(get denies http://other.test:81/) $(get denies http://web.test/ -4) $(get denies http://web.test/ -6) $(get denies http://other.test/)" \
	"200 refused refused refused" "names in deny"
is "$(get denies http://alias.test/ -4)" refused "another name that leads to one (CNAME)"
is "$(get dropped http://web.test/ -4)" 200 "a class that drops"
in_class web dig +tries=1 +time=3 +tcp wEb.tEsT >"$scratch/asked"
is "$(grep -c "^wEb.tEsT.*$far_host" "$scratch/asked")" 1 "asked by TCP, in letters of any size"
for server in $lan_host fd77::2 127.0.0.53 192.0.2.99; do
	is "$(in_class web dig +short +tries=1 +time=3 web.test "@$server")" $far_host "asked for at $server"
done

# --- what is told of how long an answer is valid, and how long it is open
in_class web dig +noall +answer web.test AAAA >"$scratch/asked"
like "$(awk '{ print $2 }' "$scratch/asked")" '^([0-9]|[1-9][0-9]|[12][0-9][0-9]|300)$' "no answer is valid for longer than five minutes"

short=$(in_class short dig +noall +answer short.test A | awk '{ print $2 }')
is "$short" 1 "a shorter time stays as it is"
sleep 1.2
is "$(get short http://203.0.113.11/)" 200 "and the address is open for longer than that"
left=$(expires open4_any_web $far_host)
is "$(get web http://web.test/ -4)" 200 "asked again"
[ "$(expires open4_any_web $far_host)" -gt "$left" ] && [ "$left" -lt 359 ]
ok $? "it is open for as long as at first: $left seconds were left, $(expires open4_any_web $far_host) are"

# --- connections that are open
cat >"$scratch/talk.py" <<'EOP'
import socket, sys
s = socket.create_connection((sys.argv[1], 80), timeout=5)
print("connected", flush=True)
for line in sys.stdin:
    try:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" if "again" in line else b"GET / HTTP/1.0\r\n\r\n")
        print("answered" if s.recv(4096) else "closed", flush=True)
    except OSError as e:
        print(e.strerror or "timed out", flush=True)
EOP
talk() { # talk CLASS NAME: $said is the first line
	coproc TALK { exec "${user[@]}" LD_PRELOAD="$preload" "$netshim" run "$1" python3 "$scratch/talk.py" "$2"; }
	# shellcheck disable=SC2034,SC2153 # set by coproc
	talker=$TALK_PID
	read -r -t 10 said <&"${TALK[0]}"
}
say() {
	echo "$1" >&"${TALK[1]}"
	read -r -t 10 said <&"${TALK[0]}"
	echo "$said"
}
end_talk() {
	eval "exec ${TALK[1]}>&-"
	wait "$talker" 2>/dev/null
}
for address in $far_host 2001:db8::7; do
	version=$([[ $address = *:* ]] && echo 6 || echo 4)
	get web http://web.test/ "-$version" >"$scratch/ignored"
	talk web "$address"
	nft delete element inet netshim "open${version}_any_web" "{ $address }"
	is "$said $(get web "http://$([ "$version" = 6 ] && echo "[$address]" || echo "$address")/")" "connected refused" \
		"IPv$version: when its time is over, an address is closed again"
	is "$(say on)" answered "but a connection that is open goes on"
	end_talk
done

# --- reload
get web http://web.test/ -4 >"$scratch/ignored"
sleep 1
left=$(expires open4_any_web $far_host)
talk web $far_host
web "allow = { 'web.test' }" "class plain { }"
is "$? $(get web "http://$far_host/") $(say on)" "0 200 answered" "reload: what is open stays open, and so do connections"
end_talk
[ "$(expires open4_any_web $far_host)" -le "$left" ] && [ -n "$left" ]
ok $? "for as long as before: $left seconds were left, $(expires open4_any_web $far_host) are"
is "$(expires known4_any_web 203.0.113.9)" "" "but for a name that is gone from the list"
talk web $far_host
web "allow = { 'other.test' }"
is "$(get web "http://$far_host/") $(say on)" "refused Connection reset by peer" "a name is taken out: closed, open connections too"
end_talk
is "$(get web http://other.test/)" 200 "and another one can be asked for"
# What is asked for while one reload follows the other.
web "allow = { 'web.test' }"
(while [ -e "$scratch/resolv.conf" ]; do "$netshim" reload; done) &
reloading=$!
lost=0
for n in $(seq 40); do
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_class web sh -c 'dig +short +tries=5 +time=1 "$1" web.test | grep -q 203.0.113.7 && nft=$(curl -s -m 5 -o /dev/null -w "%{http_code}" "http://$2/"); [ "$nft" = 200 ]' sh @$lan_host $far_host || lost=$((lost + 1))
done
kill $reloading
wait $reloading 2>/dev/null
wait_until flock -n "$root/run/netshim/lock" true
is $lost 0 "reload after reload: no answer's address is closed"

# --- who answers
web "allow = { 'web.test' }  dns = { '$lan_host:5355' }" "class other { action = reject allow = { 'web.test' } }"
resolver 192.0.2.2 "${there[@]}" -- --listen-address=$lan_host --port=5355 --host-record=web.test,203.0.113.8
is "$(get other http://web.test/ -4)" 200 "the machine's resolver"
wait_until sh -c "dig +short +tries=1 +time=1 -p 5355 @$lan_host web.test | grep -q 203.0.113.8"
is "$(in_class web dig +short +tries=1 +time=3 web.test) $(in_class web dig +short +tries=1 +tcp +time=3 web.test)" "203.0.113.8 203.0.113.8" \
	"or the class's own (dns)"
is "$(get web http://203.0.113.8/) $(get other http://203.0.113.8/)" "200 refused" "and what that says"
process=$(resolver_of web)
is "$(awk '/^(Uid|Gid|Groups|Cap...|NoNewPrivs):/ { print $1, $2, $3 }' "/proc/$process/status" | grep -v CapBnd | paste -sd' ')" \
	"Uid: 4294856275 4294856275 Gid: 4294856275 4294856275 Groups:   CapInh: 0000000000000000  CapPrm: 0000000000001000  CapEff: 0000000000001000  CapAmb: 0000000000000000  NoNewPrivs: 1 " \
	"they are a user of their own, with CAP_NET_ADMIN and nothing else"
kill -STOP "$process"
is "$(get web http://web.test/ -m 1)" "timed out" "one that hangs: names fail closed"
kill -KILL "$process"
is "$(in_class web dig +short +tries=3 +time=2 web.test)" 203.0.113.8 "one that dies is started again, and has lost no query"
[ "$(resolver_of web)" != "$process" ]
ok $? "as another process"
for process in $(resolvers); do
	[ "$(ps -o ppid= -p "$process" | tr -d ' ')" != "$(watchers)" ] || top=$process
done
kill -KILL "$top"
is "$(in_class web dig +short +tries=3 +time=2 web.test) $(in_class other dig +short +tries=3 +time=2 web.test)" "203.0.113.8 $far_host" \
	"and so is who looks after them"

# --- who answers wrong
on_other_host ip addr add 192.168.77.4/24 dev there
in_background "${there[@]}" "$(command -v python3)" "$root/bin/hostile.py" 192.168.77.4
web "allow = { 'web.test', 'many.test' }  dns = { '192.168.77.4' }"
listens_there() { on_other_host ss -lnut | grep -c "192.168.77.4:53" | grep -qx 2; }
wait_until listens_there
is "$(in_class web dig +short +tries=1 +time=3 web.test | paste -sd' ')" "203.0.113.8 203.0.113.10" "a server that lies: what is no answer is not passed on"
is "$(get web http://203.0.113.8/) $(get web http://203.0.113.9/) $(get web http://203.0.113.10/)" "200 refused refused" \
	"and opens nothing, nor does what an answer says of other names"
is "$(get web http://many.test/ --resolve many.test:80:203.0.113.11)" refused "an answer that is cut off opens nothing"
is "$(in_class web dig +short +tries=1 +time=3 many.test | wc -l) $(get web http://203.0.113.11/)" "40 200" "and is asked for again, by TCP"
cat >"$scratch/flood.py" <<'EOP'
import os, socket, sys
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
for n in range(20000):
    try:
        sockets[n % 50].sendto(os.urandom(2) + b"\1\0\0\1\0\0\0\0\0\0\6silent\4test\0\0\1\0\1", (sys.argv[1], 53))
    except OSError:
        pass
for n in range(100):
    socket.create_connection((sys.argv[1], 53), timeout=1) if n < 40 else None
EOP
web "allow = { 'web.test' }  dns = { '192.168.77.5', '$lan_host' }"
on_other_host ip addr add 192.168.77.5/24 dev there
in_background "${there[@]}" "$(command -v python3)" -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("192.168.77.5", 53)); time.sleep(60)'
is "$(in_class web dig +short +tries=2 +time=4 web.test) $(in_class web dig +short +tries=2 +time=4 web.test)" "$far_host $far_host" \
	"of two servers, one does not answer: the other is asked"
process=$(resolver_of web)
in_class web python3 "$scratch/flood.py" $lan_host 2>"$scratch/ignored"
[ "$(find "/proc/$process/fd" | wc -l)" -le 300 ] && [ "$(awk '/^VmRSS/ { print $2 }' "/proc/$process/status")" -lt 16384 ]
ok $? "a flood of queries takes no more than there is for them: $(find "/proc/$process/fd" | wc -l) descriptors, $(awk '/^VmRSS/ { print $2 }' "/proc/$process/status") kB"
is "$(in_class web dig +short +tries=5 +time=4 web.test)" $far_host "and is over when it is over"

# --- what tells of it
web "allow = { 'web.test', 'tcp/80@other.test' }" "app '/usr/bin/curl' { class = web }"
get web http://web.test/ -4 >"$scratch/ignored"
says() { # says ADDRESS:PORT: what doctor says would become of it
	"$netshim" doctor /usr/bin/curl --to "$1" 2>&1 | tr -s ' \n' ' ' | grep -o "netshim lets it through, by '[^']*'\|by the action\|nobody has asked for it lately\|netshim's own resolver instead" | paste -sd' '
}
is "$(says $far_host:80)" "netshim lets it through, by 'web.test'" "doctor --to: an address that is open by a name"
is "$(says 203.0.113.9:80)" "by the action nobody has asked for it lately" "and one that may come to be"
is "$(says $lan_host:53)" "netshim's own resolver instead" "and a query"
is "$("$netshim" status 2>&1 | grep -c 'nobody looks up')" 0 "status: all resolvers are there"
kill -STOP "$(ps -o ppid= -p "$(resolver_of web)" | tr -d ' ')"
kill -KILL "$(resolver_of web)"
is "$("$netshim" status 2>&1 | grep 'nobody looks up' | cut -d, -f1)" "netshim: nobody looks up names for class web" "and where one is not"
is "$("$netshim" doctor 2>&1 | grep -c "resolver for the names of web is not there")" 1 "doctor tells it, too"
is "$(get web http://$far_host/) $(get web http://other.test/ -m 1)" "200 timed out" "names fail closed, and what is open stays open"
for process in $(resolvers); do kill -CONT "$process"; done
is "$(in_class web dig +short +tries=4 +time=2 other.test)" 203.0.113.8 "until it is there again"

# --- what is in no class
cat >"$config" <<EOF2
class plain { }
unclassified { action = reject  allow = { 'web.test', 'loopback' } }
EOF2
"$netshim" reload
get_outside() { as_user curl -sS -m 5 -o /dev/null -w '%{http_code}' "$@" 2>/dev/null; }
is "$? $(get_outside http://web.test/ -4) $(get_outside http://web.test/ -6) $(get_outside http://other.test/)" "0 200 200 000" "names in unclassified"
is "$(as_user dig +short +tries=1 +time=1 @fd77::2 web.test | grep -c 203)" 0 "whoever asks others than the machine's resolvers is refused as ever"
is "$(get plain http://other.test/)" 200 "a class goes by its own rules"

"$netshim" down
is "$? $(resolvers | wc -l)" "0 0" "down ends them"
wait_until test ! -e "$root/run/netshim"
ok 0 "and nothing is left"

finish
