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
	"--host-record=twin.test,$far_host" "--host-record=short.test,203.0.113.11,2001:db8::11,1" "--host-record=xn--bcher-kva.test,203.0.113.11")
# nft shows 127 bytes of a name: all of one of them, and of the other what is before a dot, with it.
long=$(printf 'a%.0s' {1..63}).$(printf 'b%.0s' {1..58}).test
longer=$(printf 'a%.0s' {1..63}).$(printf 'c%.0s' {1..62}).test
records+=("--host-record=$long,203.0.113.9" "--host-record=$longer,203.0.113.10")
# svc.test. HTTPS 1 hosts.test. alpn=h2 ipv4hint=203.0.113.9,203.0.113.10 ipv6hint=2001:db8::9
records+=("--dns-rr=svc.test,65,$(printf %s 0001 05686f737473 0474657374 00 0001 0003 026832 0004 0008 cb007109 cb00710a 0006 0010 20010db8 000000000000000000000009)")
resolver 192.0.2.1 "${there[@]}" -- --listen-address=$lan_host,fd77::2 "${records[@]}"
echo "nameserver $lan_host" >"$scratch/resolv.conf"
mount --bind "$scratch/resolv.conf" "$(readlink -f /etc/resolv.conf)"
printf 'hosts: dns\n' >"$scratch/nsswitch.conf"
mount --bind "$scratch/nsswitch.conf" /etc/nsswitch.conf
wait_until sh -c "dig +short +tries=1 +time=1 @$lan_host web.test | grep -q $far_host"

in_class() { as_user LD_PRELOAD="$preload" "$netshim" run "$@"; }
get() { # get CLASS URL [OPTION...]: the code, or why there is none
	if ! in_class "$1" curl -sS -m 15 -o /dev/null -w '%{http_code}' "${@:3}" "$2" >"$scratch/code" 2>"$scratch/why"; then
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
resolver_of() { # resolver_of CLASS: that of a configuration before may take a moment to end
	local process found tries
	for ((tries = 0; tries < 500; tries++)); do
		found=()
		for process in $(resolvers); do
			! grep -qs "net_cls.*/$1\$" "/proc/$process/cgroup" || found+=("$process")
		done
		[ ${#found[@]} -ne 1 ] || break
		sleep 0.02
	done
	echo "${found[*]}"
}
about_to_end() { # about_to_end ADDRESS MILLISECONDS
	local set=open4_any_web
	[[ $1 != *:* ]] || set=open6_any_web
	nft "delete element inet netshim $set { $1 }; add element inet netshim $set { $1 expires $2ms comment \"web.test\" }"
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
class service { action = reject  allow = { 'svc.test' } }
class stops   { deny = { 'hosts.test' } }
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
for class in service stops; do
	in_class $class dig +tries=1 +time=9 svc.test HTTPS >"$scratch/asked"
	is "$(grep -c ipv4hint "$scratch/asked") $(get $class http://203.0.113.9/) $(get $class http://203.0.113.10/) $(get $class 'http://[2001:db8::9]/') $(get $class http://203.0.113.8/)" \
		"$([ $class = service ] && echo 1 200 200 200 refused || echo 1 refused refused refused 200)" \
		"$class: the addresses in a record of a service (HTTPS), of its name or whose service it is"
done
in_class web dig +tries=1 +time=9 +tcp wEb.tEsT >"$scratch/asked"
is "$(grep -c "^wEb.tEsT.*$far_host" "$scratch/asked")" 1 "asked by TCP, in letters of any size"
for server in $lan_host fd77::2 127.0.0.53 192.0.2.99; do
	is "$(in_class web dig +short +tries=1 +time=9 web.test "@$server")" $far_host "asked for at $server"
done

# --- what is told of how long an answer is valid, and how long it is open
in_class web dig +noall +answer web.test AAAA >"$scratch/asked"
like "$(awk '{ print $2 }' "$scratch/asked")" '^([0-9]|[1-9][0-9]|[12][0-9][0-9]|300)$' "no answer is valid for longer than five minutes"

short=$(in_class short dig +noall +answer short.test A | awk '{ print $2 }')
is "$short" 1 "a shorter time stays as it is"
sleep 1.2
is "$(get short http://203.0.113.11/)" 200 "and the address is open for longer than that"
about_to_end $far_host 100000
left=$(expires open4_any_web $far_host)
is "$(get web http://web.test/ -4)" 200 "asked again"
[ "$(expires open4_any_web $far_host)" -gt 200 ] && [ "$left" -le 100 ]
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
about_to_end $far_host 100000
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

# --- a reload that fails
listed() { printf '%s\n' "class web { action = reject  allow = { 'web.test' } }" "class lets { deny = { 'web.test' } }" >"$config"; }
others_listed() { printf '%s\n' "class web { action = reject  allow = { 'other.test' } }" "class lets { }" >"$config"; }
goes_on() { # goes_on PATTERN COMMAND...: what is open and closed by names, when that reload, with other names, fails
	local left
	listed
	"$netshim" reload
	for v in 4 6; do get web http://web.test/ -$v >"$scratch/ignored"; done
	in_class lets dig +short +tries=1 +time=3 web.test >"$scratch/ignored"
	about_to_end $far_host 100000
	left=$(expires open4_any_web $far_host)
	talk web $far_host
	others_listed
	like "$("${@:2}" 2>&1; echo $?)" "netshim: .*$1.*1\$" "reload fails: $1"
	is "$(get web "http://$far_host/") $(get web 'http://[2001:db8::7]/') $(get lets "http://$far_host/") $(say on)" "200 200 refused answered" \
		"what was open or closed by a name is so, and connections go on"
	end_talk
	[ "$(expires open4_any_web $far_host)" -le "$left" ] && [ -n "$left" ]
	ok $? "for as long as before: $left seconds were left, $(expires open4_any_web $far_host) are"
	nft flush set inet netshim open4_any_web
	is "$(get web http://web.test/ -4) $(in_class lets dig +short +tries=1 +time=3 web.test)" "200 $far_host" "and names are looked up as ever"
}
listed
"$netshim" reload
others_listed
strace -o "$scratch/calls" -e trace=sendmsg "$netshim" reload
goes_on "nftables refuses" \
	strace -qq -o /dev/null -e trace=sendmsg -e inject=sendmsg:error=ENOBUFS:when="$(batches "$scratch/calls" | head -n 1)+" "$netshim" reload
later() { strace -qq -o /dev/null -P "$root/run/netshim/rules.new" -e trace="$(calls rename)" -e inject="$(calls rename):error=ENOSPC" "$netshim" reload; }
goes_on "cannot replace $root/run/netshim/rules" later
later_as_listed() { rm "$root/run/netshim/table" && later; }
goes_on "cannot replace $root/run/netshim/rules" later_as_listed

# --- others take the table away
flush() { # and wait until it is back
	nft flush ruleset
	wait_until nft list chain inet netshim refuse >"$scratch/ignored" 2>&1
}
web "allow = { 'web.test', 'tcp/80@a.wild.test' }" "class lets { deny = { 'web.test' } }"
for v in 4 6; do get web http://web.test/ -$v >"$scratch/ignored"; done
in_class lets dig +short +tries=1 +time=3 web.test >"$scratch/ignored"
get web http://other.test/ >"$scratch/ignored"
left=$(expires open4_any_web $far_host)
talk web $far_host
flush
is "$said $(say on) $(get web "http://$far_host/") $(get web 'http://[2001:db8::7]/') $(get web http://203.0.113.8/) $(get lets "http://$far_host/")" \
	"connected answered 200 200 refused refused" "others flush nftables' ruleset: what was open or closed is so again with the table, and connections go on"
[ "$(expires open4_any_web $far_host)" -le "$left" ] && [ -n "$left" ] && [ "$(expires known4_any_web $far_host)" -gt 86000 ]
ok $? "for as long as before: $left seconds were left, $(expires open4_any_web $far_host) are"
end_talk
is "$(get web http://a.wild.test/) $(get web http://203.0.113.9:81/)" "200 refused" "and names are opened as ever"
nft delete element inet netshim open6_any_web '{ 2001:db8::7 }'
flush
is "$(get web http://203.0.113.9/) $(get web 'http://[2001:db8::7]/')" "200 refused" "flushed again: what has come since then is open, too, and what was taken out is not"
web "allow = { 'web.test', 'other.test' }"
get web http://other.test/ >"$scratch/ignored" # whoever keeps the table has looked at it by then
flush
is "$(get web "http://$far_host/") $(get web http://203.0.113.9/)" "200 refused" "and what a reload has left is so, and of a name that is gone nothing is"
web "allow = { '$long', '$longer' }"
is "$(get web "http://$long/") $(get web "http://$longer/")" "200 200" "names of ${#long} and ${#longer} characters"
web "allow = { '$long', '$longer' }" "class plain { }"
is "$(get web http://203.0.113.9/) $(get web http://203.0.113.10/)" "200 200" "reload: what is open by them stays open"
get web "http://$long/" >"$scratch/ignored"
get web "http://$longer/" >"$scratch/ignored"
flush
is "$(get web http://203.0.113.9/) $(get web http://203.0.113.10/)" "200 200" "flushed: it is open again with the table"
web "allow = { 'other.test' }"
get web http://other.test/ >"$scratch/ignored"
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
is "$(in_class web dig +short +tries=1 +time=9 web.test) $(in_class web dig +short +tries=1 +tcp +time=9 web.test)" "203.0.113.8 203.0.113.8" \
	"or the class's own (dns)"
is "$(get web http://203.0.113.8/) $(get other http://203.0.113.8/)" "200 refused" "and what that says"
process=$(resolver_of web)
is "$(awk '/^(Uid|Gid|Groups|Cap...|NoNewPrivs):/ { print $1, $2, $3 }' "/proc/$process/status" | grep -v CapBnd | paste -sd' ')" \
	"Uid: 4294856275 4294856275 Gid: 4294856275 4294856275 Groups:   CapInh: 0000000000000000  CapPrm: 0000000000001000  CapEff: 0000000000001000  CapAmb: 0000000000000000  NoNewPrivs: 1 " \
	"they are a user of their own, with CAP_NET_ADMIN and nothing else"
suspend "$process"
is "$(get web http://web.test/ -m 1)" "timed out" "one that hangs: names fail closed"
kill -KILL "$process"
is "$(in_class web dig +short +tries=3 +time=2 web.test)" 203.0.113.8 "one that dies is started again, and has lost no query"
[ "$(resolver_of web)" != "$process" ]
ok $? "as another process"
for process in $(resolvers); do
	[ "$(ps -o ppid= -p "$process" | tr -d ' ')" != "$(watcher)" ] || top=$process
done
kill -KILL "$top"
is "$(in_class web dig +short +tries=3 +time=2 web.test) $(in_class other dig +short +tries=3 +time=2 web.test)" "203.0.113.8 $far_host" \
	"and so is who looks after them"

# --- who answers wrong
on_other_host ip addr add 192.168.77.4/24 dev there
in_background "${there[@]}" "$(command -v python3)" "$root/bin/hostile.py" 192.168.77.4
web "allow = { 'web.test', 'many.test', '*.wild.test' }  dns = { '192.168.77.4' }"
listens_there() { on_other_host ss -lnut | grep -c "192.168.77.4:53" | grep -qx 2; }
wait_until listens_there
is "$(in_class web dig +short +tries=1 +time=9 'x\.wild.test' | head -n 1) $(get web http://203.0.113.10/)" "203.0.113.10 refused" \
	"a dot within a label ends none: x\.wild.test is no name beneath wild.test"
is "$(in_class web dig +short +tries=1 +time=9 web.test | paste -sd' ')" "203.0.113.8 203.0.113.10" "a server that lies: what is no answer is not passed on"
is "$(get web http://203.0.113.8/) $(get web http://203.0.113.9/) $(get web http://203.0.113.10/)" "200 refused refused" \
	"and opens nothing, nor does what an answer says of other names"
is "$(get web http://many.test/ --resolve many.test:80:203.0.113.11)" refused "an answer that is cut off opens nothing"
is "$(in_class web dig +short +tries=1 +time=9 many.test | wc -l) $(get web http://203.0.113.11/)" "40 200" "and is asked for again, by TCP"
web "allow = { 'seventy.test', 'behind.test' }  dns = { '192.168.77.4' }" "class stops { deny = { 'seventy.test', 'behind.test' }  dns = { '192.168.77.4' } }" \
	"class aside { deny = { 'web.test' }  dns = { '192.168.77.4' } }"
says_of() { # says_of CLASS NAME [OPTION...]: what the answer is
	in_class "$1" dig +tries=1 +time=9 "${@:2}" | sed -n 's/.*status: \([A-Z]*\).*/\1/p'
}
for name in seventy behind; do
	is "$(says_of stops $name.test) $(says_of stops $name.test +tcp)" "SERVFAIL SERVFAIL" "$name.test is denied, and not all that it leads to can be closed: it is not answered"
	is "$(says_of web $name.test) $(says_of web $name.test +tcp)" "NOERROR NOERROR" "but for who allows it"
done
is "$(get web http://203.0.113.9/) $(in_class web dig +short +tries=1 +time=9 seventy.test | wc -l)" "refused 70" "to whom not all of it is open"
is "$(says_of aside seventy.test) $(says_of aside behind.test) $(says_of aside web.test) $(says_of aside many.test)" "NOERROR SERVFAIL SERVFAIL NOERROR" \
	"nor is what may lead to a denied name, behind too many others, or has addresses beside it that are no name's that was asked for"
web "allow = { 'web.test' }" "class stops { deny = { 'web.test' } }"
full() { python3 -c 'print("add element inet netshim deny4_any_stops {", ", ".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(65536)), "}")'; }
full | nft -f -
is "$(says_of stops web.test) $(says_of stops web.test +tcp) $(says_of stops other.test)" "SERVFAIL SERVFAIL NOERROR" "a set that is full closes no more: what is denied is not answered"
nft flush set inet netshim deny4_any_stops
is "$(says_of stops web.test) $(get stops http://$far_host/)" "NOERROR refused" "until there is room again"
fails() { # fails CLASS [OPTION...]: what the answer is, or none, which takes nine seconds
	in_class "$1" dig +tries=1 +time=9 "${@:2}" web.test | sed -n 's/.*status: \([A-Z]*\).*/\1/p; s/.*\(no servers could be reached\).*/\1/p'
}
web "allow = { 'web.test' }  dns = { '192.168.77.4:5399', '192.168.77.4:5398' }"
is "$(fails web) $(fails web +noedns +cdflag) $(fails web +tcp)" "SERVFAIL SERVFAIL SERVFAIL" "where nobody listens, a query fails at once"
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
the_silent_one_listens() { "${there[@]}" ss -Hlun "src 192.168.77.5" | grep -q .; }
wait_until the_silent_one_listens
is "$(in_class web dig +short +tries=2 +time=4 web.test) $(in_class web dig +short +tries=2 +time=4 web.test)" "$far_host $far_host" \
	"of two servers, one does not answer: the other is asked"
process=$(resolver_of web)
in_class web python3 "$scratch/flood.py" $lan_host 2>"$scratch/ignored"
[ "$(find "/proc/$process/fd" | wc -l)" -le 300 ] && [ "$(awk '/^VmRSS/ { print $2 }' "/proc/$process/status")" -lt 16384 ]
ok $? "a flood of queries takes no more than there is for them: $(find "/proc/$process/fd" | wc -l) descriptors, $(awk '/^VmRSS/ { print $2 }' "/proc/$process/status") kB"
is "$(in_class web dig +short +tries=5 +time=4 web.test | tail -n 1)" $far_host "and is over when it is over"

# --- nobody else asks one that is a class's
web "allow = { 'web.test' }" "class lets { deny = { 'other.test' } }" "class box { action = reject  allow = 'loopback'  lock = true }" "class plain { }"
read -r _ port4 port6 <<<"$(grep '^lets ' "$root/run/netshim/names")"
heard() { # heard RUNNER...: how many of the resolver's sockets answer
	local heard=0 way
	for way in "127.0.0.1 -p $port4" "127.0.0.1 -p $port4 +tcp" "::1 -p $port6" "::1 -p $port6 +tcp"; do
		# shellcheck disable=SC2086 # words
		! "$@" dig +short +tries=1 +time=2 web.test @$way | grep -qx $far_host || heard=$((heard + 1))
	done
	echo $heard
}
is "$(heard in_class box) $(heard in_class plain) $(heard as_user) $(heard env) $(heard in_class lets)" "0 0 0 0 0" \
	"who asks it by its own address is refused: a class that may ask nobody, one that may, a user, root, its own class"
is "$(get box "http://127.0.0.1:$port4/")" refused "at once"
read -r _ port4 _ <<<"$(grep '^web ' "$root/run/netshim/names")"
"${there[@]}" nft 'table inet asked { counter asked { }; chain in { type filter hook input priority 0; udp dport 53 counter name asked; }; }'
in_class box dig +short +tries=1 +time=1 secret.test @127.0.0.1 -p "$port4" >"$scratch/ignored"
is "$("${there[@]}" nft list counter inet asked asked | grep -c 'packets 0 ')" 1 "nor does one ask others for it whose class refuses the answer"
"${there[@]}" nft delete table inet asked
is "$(in_class web dig +short +tries=1 +time=9 web.test) $(in_class web dig +short +tries=1 +time=9 web.test @127.0.0.1)" "$far_host $far_host" "and its class asks it as ever"
is "$(nft list chain inet netshim output | grep -c not_led)" 1 "(by a rule)"
echo "class plain { }" >"$config"
"$netshim" reload
is "$(nft list chain inet netshim output | grep -c not_led)" 0 "which is not there where there is no such resolver"

# --- what tells of it
web "allow = { 'web.test', 'tcp/80@other.test' }" "app '/usr/bin/curl' { class = web }"
get web http://web.test/ -4 >"$scratch/ignored"
says() { # says ADDRESS:PORT: what doctor says would become of it
	"$netshim" doctor /usr/bin/curl --to "$1" 2>&1 | tr -s ' \n' ' ' | grep -o "netshim lets it through, by '[^']*'\|by the action\|nobody has asked for it lately\|netshim's own resolver instead" | paste -sd' '
}
is "$(says $far_host:80)" "netshim lets it through, by 'web.test'" "doctor --to: an address that is open by a name"
in_class web dig +short other.test >"$scratch/ignored"
is "$(says 203.0.113.8:80)" "netshim lets it through, by 'tcp/80@other.test'" "with its port, as it is written"
is "$(says 203.0.113.9:80)" "by the action nobody has asked for it lately" "and one that may come to be"
is "$(says $lan_host:53)" "netshim's own resolver instead" "and a query"
is "$("$netshim" status 2>&1 | grep -c 'nobody looks up')" 0 "status: all resolvers are there"
process=$(resolver_of web)
suspend "$(ps -o ppid= -p "$process" | tr -d ' ')"
kill -KILL "$process"
wait_until grep -q '^State:.Z' "/proc/$process/status"
is "$("$netshim" status 2>&1 | grep 'nobody looks up' | cut -d, -f1)" "netshim: nobody looks up names for class web" "and where one is not"
is "$("$netshim" doctor 2>&1 | grep -c "resolver for the names of web is not there")" 1 "doctor tells it, too"
is "$(get web http://$far_host/) $(get web http://other.test/ -m 1)" "200 timed out" "names fail closed, and what is open stays open"
for process in $(resolvers); do kill -CONT "$process"; done
is "$(in_class web dig +short +tries=4 +time=2 other.test)" 203.0.113.8 "until it is there again"

# --- conntrack remembers the port that netshim's resolver asked from for 30 s
resolver_ports() { sed -n "s/.* udp .* dst=$lan_host sport=\([0-9]*\) dport=53 .* src=$lan_host .*/\1/p" /proc/net/nf_conntrack | sort -u; }
answered_from() { in_class web dig -b "0.0.0.0#$1" @$lan_host +short +tries=3 +time=3 web.test A; }
resolver_ports >"$scratch/before"
port=''
for _ in 1 2 3 4 5; do
	[ -z "$port" ] || break
	asked=$(answered_from 40000)
	port=$(resolver_ports | comm -13 "$scratch/before" - | head -n 1)
done
is "$asked" $far_host "a query"
is "$(answered_from "$port")" $far_host "is answered, too, from the port from which netshim's resolver has just asked ($port)"

# --- a class with an interface: its resolver asks by that one, and by no other
make_exit vpn0 11
vpn=("${in_exit[@]}")
watch_far "${there[@]}"
asked_at() { # asked_at ANSWER RUNNER...: a resolver beyond the local network, and a count of what it is asked
	"${@:2}" ip addr add 198.51.100.53/32 dev lo
	"${@:2}" ip addr add 2001:db8:53::53/128 dev lo nodad
	"${@:2}" nft 'table inet asked { counter queries { }; chain in { type filter hook prerouting priority -300;
		ip daddr 198.51.100.53 counter name queries; ip6 daddr 2001:db8:53::53 counter name queries; }; }'
	resolver "$1" "${@:2}" -- --listen-address=198.51.100.53,2001:db8:53::53 --address=/test/2001:db8::7
}
queries_at() { "$@" nft list counter inet asked queries | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
asked_at 203.0.113.8 "${there[@]}"
asked_at $far_host "${vpn[@]}"
wait_until sh -c "dig +short +tries=1 +time=1 @198.51.100.53 web.test | grep -q 203.0.113.8"
"${there[@]}" nft reset counters table inet asked >/dev/null
by_vpn="action = reject  allow = { 'web.test' }  interface = 'vpn0'  gateway = { '10.11.0.2', 'fd11::2' }"
cat >"$config" <<EOF2
class by4  { $by_vpn  dns = { '198.51.100.53' } }
class by6  { $by_vpn  dns = { '[2001:db8:53::53]:53' } }
class both { $by_vpn }
class asks { action = reject  allow = { 'loopback' }  interface = 'vpn0'  gateway = { '10.11.0.2', 'fd11::2' }  dns = { '198.51.100.53' } }
EOF2
"$netshim" reload
printf 'nameserver 198.51.100.53\n' >"$scratch/resolv.conf"
cat >"$scratch/end.py" <<'EOP'
import os, socket, struct, sys
query = b"\1\2\1\0\0\1\0\0\0\0\0\0\3web\4test\0\0\1\0\1"
for _ in range(5):
    s = socket.create_connection((sys.argv[1], 53), timeout=3)
    s.sendall(struct.pack("!H", len(query)) + query)
EOP
for class in by4 by6 both; do
	is "$(in_class $class dig +short +tries=1 +time=9 web.test) $(in_class $class dig +short +tries=1 +time=9 +tcp other.test)" \
		"$far_host $far_host" "$class: who is behind its interface answers, by UDP and TCP"
	is "$(get $class http://web.test/ -4) $(get $class http://web.test/ -6) $(get $class http://203.0.113.8/)" "200 200 refused" \
		"$class: and opens what that says"
done
asked=$(queries_at "${vpn[@]}")
[ "$asked" -ge 20 ] && [ "$(far_packets "${vpn[@]}")" -ge 20 ]
ok $? "with $asked packets to the resolver there"
is "$(in_class asks dig +short +tries=1 +time=9 +tcp web.test) $(in_class asks python3 "$scratch/end.py" 198.51.100.53)" "$far_host " \
	"a class without names, and a program that ends before the answer comes"
is "$(queries_at "${there[@]}") $(far_packets "${there[@]}")" "0 0" "and none by another way"
ip link set vpn0 down
for class in by4 by6 both; do
	is "$(get $class http://web.test/ -m 5) $(get $class http://$far_host/)" "resolve host refused" "$class: the interface goes down: names fail closed, and what was open, too"
	is "$(fails $class) $(fails $class +noedns +cdflag) $(fails $class +tcp)" "SERVFAIL SERVFAIL SERVFAIL" "$class: and at once"
done
is "$(queries_at "${there[@]}") $(far_packets "${there[@]}")" "0 0" "with not one packet another way"
ip link set vpn0 up
ip addr add fd11::1/64 dev vpn0 nodad
IFACE=vpn0 "$root/etc/network/if-up.d/netshim"
for class in by4 by6 both; do
	is "$(get $class http://web.test/ -4) $(get $class http://web.test/ -6)" "200 200" "$class: it is there again, and so are names"
done
is "$(queries_at "${there[@]}") $(far_packets "${there[@]}")" "0 0" "all that time, no packet went another way"
# Who follows an interface loads the table, and then cannot note the setting that it changes.
note=$root/run/netshim/before:vpn0:rp_filter
rm -f "$note"
mkdir "$note"
echo 1 >/proc/sys/net/ipv4/conf/vpn0/rp_filter
about_to_be_loaded=$(nft -a list table inet netshim | head -n 1)
is_loaded() { [ "$(nft -a list table inet netshim | head -n 1)" != "$about_to_be_loaded" ]; }
ip addr add 10.11.0.9/24 dev vpn0
wait_until is_loaded
wait_until flock -n "$root/run/netshim/lock" true
loaded=$(nft list table inet netshim)
echo 2 >/proc/sys/net/ipv4/conf/vpn0/rp_filter
is "$(grep -c '10\.11\.0\.9' <<<"$loaded") $(get by4 http://$far_host/) $(get by6 'http://[2001:db8::7]/')" "0 200 200" \
	"what follows an interface fails: the table is as before, and what was open is so"
rmdir "$note"
ip addr del 10.11.0.9/24 dev vpn0
echo "nameserver $lan_host" >"$scratch/resolv.conf"
# A reload with other names, while watch waits to follow an interface.
exec {held}<"$root/run/netshim/lock"
flock "$held"
echo "class by4 { $by_vpn  deny = { 'other.test' }  dns = { '198.51.100.53' } }" >"$config"
"$netshim" reload {held}<&- &
reloading=$!
wait_until sh -c "grep -q -e '->.* FLOCK .* $reloading ' /proc/locks"
ip link set vpn0 down
# shellcheck disable=SC2016 # expanded by the inner shell
wait_until sh -c 'test "$(grep -c -e "->.* FLOCK .*:$1 " /proc/locks)" = 2' sh "$(stat -c %i "$root/run/netshim/lock")"
ip link set vpn0 up
exec {held}<&-
wait $reloading
reloaded=$?
wait_until flock -n "$root/run/netshim/lock" true
is "$reloaded $(in_class by4 dig +short +tries=5 +time=1 web.test)" "0 $far_host" "a reload with other names overtakes what follows an interface: queries go to who is there now"
ip link del vpn0

# --- other options of the class
in_background python3 "$root/bin/proxy.py" tcp 12345 192.168.77.1 fd77::1 >"$scratch/proxy" 2>&1
wait_until test -s "$scratch/proxy"
cat >"$config" <<EOF2
class proxied { action = reject  allow = { 'web.test' }  proxy = { '127.0.0.1:12345', '[::1]:12345' }  dns = { '$lan_host' } }
class odd     { action = reject  allow = { 'web.test' }  proxy = { '127.0.0.1:12345', '[::1]:12345' }  dns = { '$lan_host:5356' } }
class much    { action = reject  allow = { 'web.test' }  rate = '8 mbit'  rate-in = '8 mbit'  serve = { 'lan' }  log = true  mark = 77 }
class twins   { action = reject  allow = { 'web.test' }  deny = { 'twin.test' } }
EOF2
"$netshim" reload
resolver 192.0.2.3 "${there[@]}" -- --listen-address=$lan_host --port=5356 --host-record=web.test,$far_host,2001:db8::7
wait_until sh -c "dig +short +tries=1 +time=1 -p 5356 @$lan_host web.test | grep -q $far_host"
for class in proxied odd; do
	is "$(get $class http://$far_host/) $(get $class http://web.test/ -4) $(get $class http://web.test/ -6) $(get $class http://other.test/)" \
		"refused 200 200 refused" "$class: proxy: what names open goes to the proxy, and nothing else"
	is "$(in_class $class dig +short +tries=1 +time=9 +tcp web.test)" $far_host "$class: its resolver asks by TCP, too"
done
is "$(sed 1d "$scratch/proxy" | LC_ALL=C sort -u | paste -sd' ')" "2001:db8::7 80 $far_host 80" "but the proxy is not who is asked"
is "$(get much http://web.test/ -4) $(get much http://web.test/ -6) $(get much http://other.test/ -4)" "200 200 refused" "rate, serve, log and mark"
like "$("$netshim" blocked much 2>&1)" "203.0.113.8" "what is refused is told"
serve "${user[@]}" "LD_PRELOAD=$preload" "$netshim" run much -- 8080
is "$(on_other_host curl -sS -m 15 -o /dev/null -w '%{http_code}' http://192.168.77.1:8080/)" 200 "and its servers answer"

wait_until sh -c "dig +short +tries=1 +time=1 @$lan_host web.test | grep -q $far_host"
is "$(get twins http://web.test/ -4)" 200 "a name that is allowed"
in_class twins dig +short +tries=1 +time=9 twin.test >"$scratch/ignored"
is "$(get twins http://web.test/ -4) $(get twins http://web.test/ -6)" "refused 200" "at whose address is one that is denied: closed, once that is asked for"

# --- renewal: whatever time an address has left, an answer gives it the whole one again
cat >"$scratch/steady.py" <<'EOP'
import socket, sys, time
refused, end = 0, time.monotonic() + float(sys.argv[2]) * 3.3
while time.monotonic() < end:
    try:
        socket.create_connection((sys.argv[1], 80), timeout=2).close()
    except OSError:
        refused += 1
    time.sleep(0.01)
print(refused)
EOP
web "allow = { 'web.test' }" "class lets { deny = { 'web.test' } }"
in_class web dig +short +tries=1 +time=9 web.test A web.test AAAA >"$scratch/ignored"
nft monitor elements >>"$scratch/monitor" 2>&1 &
monitor=$!
is_monitored() { about_to_end $far_host 300000 && test -s "$scratch/monitor"; }
wait_until is_monitored
steadily() { # steadily MILLISECONDS: fails where an answer has come when they were over
	local n begun steady late=0 life=$1
	: >"$scratch/monitor"
	in_class web python3 "$scratch/steady.py" $far_host "${life}e-3" >"$scratch/steady4" &
	steady=$!
	in_class web python3 "$scratch/steady.py" 2001:db8::7 "${life}e-3" >"$scratch/steady6" &
	for ((n = 0; n < 4; n++)); do
		begun=$(date +%s%3N)
		about_to_end $far_host "$life"
		about_to_end 2001:db8::7 "$life"
		sleep "$((life * 4 / 9))e-3"
		in_class web dig +short +tries=1 +time=9 web.test A web.test AAAA >"$scratch/ignored"
		[ $(($(date +%s%3N) - begun)) -lt "$life" ] || late=1
		sleep "$((life * 4 / 9))e-3"
	done
	wait $steady $!
	return $late
}
life=$((900 * slow))
until steadily $life || [ $life -gt 10000 ]; do life=$((life * 2)); done # on a machine so slow
is "$(cat "$scratch/steady4" "$scratch/steady6" | paste -sd' ')" "0 0" "an address that is about to end, and is asked for again and again, is never closed"
# What the kernel tells of one transaction ends with its number. Four are about_to_end's.
in_one_step() {
	awk '/^delete element .* open4_any_web .*203.0.113.7/ { gone = 1 } /^# new generation/ { gone = 0 }
		/^add element .* open4_any_web .*203.0.113.7/ && gone { again++; gone = 0 } END { print (again >= 7) }' "$scratch/monitor"
}
until_like 1 "by being taken out and put in again in one step, as any kernel does it" in_one_step
kill $monitor
for address in $far_host 2001:db8::7; do
	talk web "$address"
	about_to_end "$address" 200
	sleep 0.4
	is "$said $(get web "http://$([[ $address = *:* ]] && echo "[$address]" || echo "$address")/") $(say on)" "connected refused answered" \
		"its time ends: closed, and a connection that is open goes on"
	end_talk
done

# --- what netshim's resolver does not see
serve "${there[@]}" -- 443 853
printf '%s web.test\n' $far_host >"$scratch/hosts"
mount --bind "$scratch/hosts" /etc/hosts
web "allow = { 'web.test', 'loopback' }" "class lets { deny = { 'web.test' } }" "class plain { }"
nft "flush set inet netshim open4_any_web; flush set inet netshim deny4_any_lets"
for port in 443 853; do
	is "$(get web http://$lan_host:$port/) $(get lets http://$lan_host:$port/)" "refused 200" "a resolver at port $port (DoH, DoT): allow does not lead there, deny does"
done
printf 'hosts: files dns\n' >"$scratch/nsswitch.conf"
is "$(get web http://web.test/ -4) $(get lets http://web.test/ -4)" "refused 200" "/etc/hosts: allow refuses, deny lets through"
printf 'hosts: dns\n' >"$scratch/nsswitch.conf"
umount /etc/hosts
# As nss-resolve does: a service of the machine looks it up, and says what it knows by a local socket.
cat >"$scratch/told.py" <<'EOP'
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
if sys.argv[2:]:
    s.bind(sys.argv[1] + ".new")
    s.listen()
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    while True:
        s.accept()[0].sendall(socket.gethostbyname("web.test").encode())
s.connect(sys.argv[1])
print(s.recv(99).decode())
EOP
in_background python3 "$scratch/told.py" "$scratch/told" serve
wait_until test -S "$scratch/told"
chmod 777 "$scratch/told"
told=$(in_class web python3 "$scratch/told.py" "$scratch/told")
is "$told $(get web "http://$told/") $(get lets "http://$told/")" "$far_host refused 200" "another program that has asked tells of it (nss-resolve, a cache): allow refuses, deny lets through"
is "$(get web http://web.test/ -4) $(get lets http://web.test/ -4)" "200 refused" "and once the class has asked itself: open, and closed"

# --- who looks after them is killed
# shellcheck disable=SC2046 # several
kill -KILL $(watchers)
wait_until is_unwatched
gone() { [ -z "$(resolvers)" ]; }
wait_until gone
is "$(get web http://web.test/) $(get web http://$far_host/)" "resolve host 200" "watch is killed: no resolver is left, names fail closed"
is "$("$netshim" status 2>&1 | grep -c 'nobody looks up names')" 2 "status tells of each"
"$netshim" reload
is "$? $(get web http://web.test/ -4)" "0 200" "reload starts it again"
like "$("$netshim" ps web)" "^[^"$'\n'"]*"$'\n'" *[0-9]+ +[^ ]+ +web +netshim-names$" "ps shows it by its name, in its class"
is "$(cat "/proc/$(watcher)/comm")" netshim-watch "and so do others what watches"

# --- what is in no class
cat >"$config" <<EOF2
class plain { }
unclassified { action = reject  allow = { 'web.test', 'loopback' } }
EOF2
"$netshim" reload
get_outside() { as_user curl -sS -m 15 -o /dev/null -w '%{http_code}' "$@" 2>/dev/null; }
is "$? $(get_outside http://web.test/ -4) $(get_outside http://web.test/ -6) $(get_outside http://other.test/)" "0 200 200 000" "names in unclassified"
is "$(as_user dig +short +tries=1 +time=1 @fd77::2 web.test | grep -c 203)" 0 "whoever asks others than the machine's resolvers is refused as ever"
is "$(get plain http://other.test/)" 200 "a class goes by its own rules"
echo "nameserver fd77::2" >"$scratch/resolv.conf"
asked_now() { [ "$(get_outside http://web.test/ -m 1)" = 200 ]; }
wait_until asked_now
ok 0 "resolv.conf names another resolver: that is asked"
touch "$netshim" # as an upgrade
before=$(watcher)
"$netshim" run plain "$netshim" reload
is "$? $([ "$before" = "$(watcher)" ] && echo "the same")" "0 " "a reload of another version from inside a class, as a package manager's is: another process watches"
wait_until asked_now
is "$(for process in $(watchers) $(resolvers); do grep net_cls "/proc/$process/cgroup"; done | sed 's/.*://' | sort -u)" / \
	"neither that nor its resolver is in the class, and names in unclassified are open"
touch "$netshim"
python3 -c 'import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])' "$netshim" reload 2>/dev/null
those_alone() { [ "$(resolvers | wc -l)" = 2 ]; }
wait_until those_alone
for process in $(resolvers); do
	[ "$(ps -o comm= -p "$(ps -o ppid= -p "$process")")" != netshim-names ] || kill -KILL "$process"
done
wait_until asked_now
ok 0 "whoever has run reload ignores SIGCHLD: a resolver that dies is started again"

in_sockets() { ss -Hlntup | grep -c '\(127\.0\.0\.1\|\[::1\]\):.*"netshim-\(names\|watch\)"'; }
[ "$(in_sockets)" -ge 4 ]
ok $? "their sockets are at the loopback interface: $(in_sockets)"
"$netshim" down
ended=$?
no_sockets() { [ "$(in_sockets)" = 0 ]; }
wait_until gone
wait_until no_sockets
is $ended 0 "down ends them, and their sockets"
wait_until test ! -e "$root/run/netshim"
ok 0 "and nothing is left"

finish
