#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The policies that are ready to be included have no mistake, alone, together and beside
# the sample, and do to real programs what they say. And all programs of one user.
. "$(dirname "$0")/lib.sh"

ready=$root/usr/share/netshim
unpacked=$tests/../build/unpacked
for program in ssh msmtp; do command -v $program >/dev/null || cannot_run "needs $program"; done
gnugo=$(PATH=$PATH:/usr/games command -v gnugo) || cannot_run "needs gnugo"
tor=$(PATH=$unpacked/tor/usr/bin:$PATH command -v tor) || cannot_run "needs tor"
all=("$ready"/*.conf)
said() { # said CHECK...: what check says of it, and all warnings
	"$netshim" check "$@" 2>&1 | sed "s|^$scratch/||"
}
for file in "${all[@]}"; do
	echo "include('$file')" >"$scratch/one.conf"
	like "$(said "$scratch/one.conf")" "^one.conf: ok, [1-9][0-9]* class(es)?, [0-9]+ rules\$" "${file##*/}: no mistake"
done
is "$(basename -a "${all[@]}" | paste -sd' ')" "$(basename -a "$tests"/../conf/policies/*.conf | paste -sd' ')" "all are installed"
is "$(grep -L 'include(.*/netshim/' "${all[@]}")" "" "each says how to include it"
{
	sed "s|^include.*||" "$tests/../conf/netshim.conf"
	printf "include('%s')\n" "${all[@]}" "${all[0]}"
} >"$scratch/together.conf"
like "$(said "$scratch/together.conf")" "^together.conf: ok, " "together, one of them twice, and beside the sample"

# What the administrator has written comes before them.
wins() { # wins SECTION NAME: in class own
	printf '%s\n' "include('$ready/browsers.conf')" "class own { }" "$1" | configure
	like "$("$netshim" which /usr/bin/w3m)" "class own, by rule" "$2"
}
wins "app '/usr/bin/w3m' { class = own }" "an app of one's own comes before theirs"
wins "app '/usr/bin/w3*' { class = own }" "a pattern of one's own"
wins "package 'w3m' { class = own }" "a package of one's own"
sed -i '$d' "$config"
echo "app '/usr/bin/w3m' { class = own  users = { 'root' } }" >>"$config"
like "$(said "$config")" "'/usr/bin/w3m' is in class web-only here and, as '/usr/bin/w3m', in class own at .*:3; remove users there, so that it is an exception from the policy\$" \
	"but not one for some users"
"$netshim" down
# Snaps' links, in a folder of our own.
mkdir "$scratch/snap"
cp /bin/true "$scratch/snap/snap"
for name in firefox firefox.geckodriver chromium chromium.chromedriver other; do ln -s snap "$scratch/snap/$name"; done
sed "s|'/snap/bin/|'$scratch/snap/|; s|'/usr/bin/snap'|'$scratch/snap/snap'|" "$ready/browsers.conf" | configure
is "$(for name in firefox firefox.geckodriver chromium chromium.chromedriver other; do
	echo "$name" "$("$netshim" which "$scratch/snap/$name")" "$("$netshim" which "$scratch/snap/snap" -- run "$name")"
done | grep -o '^[^ ]*\|class [^ ,]*' | paste -sd' ')" "$(for name in firefox firefox.geckodriver chromium chromium.chromedriver; do
	echo $name class web-only class web-only
done | paste -sd' ') other" "browsers that are snaps, by their links and by snap run"
"$netshim" down

make_hosts 22 25 80 443 465 587 993 1234 2222
on_other_host ip addr add 192.168.77.3/24 dev there
try() { # try CLASS ADDRESS PORT...: those at which the other host answers, by TCP
	shim "$netshim" run "$1" python3 -c "
import socket, sys
for port in sys.argv[1:]:
    try:
        socket.create_connection(('$2', port), 9)
        print(port)
    except OSError:
        pass" "${@:3}" | paste -sd' '
}
datagram() { # datagram CLASS ADDRESS PORT
	shim "$netshim" run "$1" python3 -c "
import socket
s = socket.socket(socket.AF_INET6 if ':' in '$2' else socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b'x', ('$2', $3))" 2>/dev/null && echo sent || echo refused
}
printf "include('%s')\n" "${all[@]}" >"$config"
cat >>"$config" <<EOF
app '$(command -v curl)' { class = offline }
app '$(command -v ssh)' { class = ssh }
app '$(command -v msmtp)' { class = mail }
app '/' { class = lan-only  users = { '4321' } }
EOF
"$netshim" up
is $? 0 "up, with all of them"
ports="22 25 80 443 465 587 993 1234"
# shellcheck disable=SC2086 # several
for address in $far_host 2001:db8::7; do
	is "$(try offline $address $ports)|$(try lan-only $address $ports)|$(try web-only $address $ports)|$(try mail $address $ports)|$(try ssh $address $ports)|$(try updates $address $ports)" \
		"||80 443|465 587 993|22|80 443" "who reaches what at $address"
	is "$(for class in offline lan-only web-only mail ssh updates; do datagram $class $address 53; done | paste -sd' ') $(datagram web-only $address 443) $(datagram web-only $address 1234)" \
		"refused refused sent sent sent sent sent refused" "and by datagrams"
done
is "$(try offline $lan_host 80) $(try lan-only $lan_host 80 1234) $(try lan-only fd77::2 80 1234)" " 80 1234 80 1234" "on the local network"
serve "${user[@]}" LD_PRELOAD="$preload" "$netshim" run lan-only -- 8081
serve "${user[@]}" LD_PRELOAD="$preload" "$netshim" run web-only -- 8082
is "$(on_other_host curl -sS -m 9 -o /dev/null http://192.168.77.1:8081/ && echo yes) $(on_other_host curl -sS -m 1 -o /dev/null --interface $far_host http://192.168.77.1:8081/ 2>/dev/null; echo $?) $(on_other_host curl -sS -m 1 -o /dev/null http://192.168.77.1:8082/ 2>/dev/null; echo $?)" \
	"yes 28 28" "and who connects to them"

# --- real programs
like "$(shim curl -sS -m 2 http://$lan_host/ 2>&1)" "onnect" "offline: curl"
says() { # in PROGRAM ARGUMENT...: what it says, at most nine seconds
	shim timeout 9 "$@" 2>&1 </dev/null
}
like "$(says ssh -o ConnectTimeout=1 -o StrictHostKeyChecking=no -F /dev/null nobody@$far_host)|$(says ssh -o ConnectTimeout=1 -F /dev/null -p 2222 nobody@$far_host)" \
	"(banner exchange|timed out|reset|closed).*\|.*port 2222: Connection refused" "ssh: port 22, and no other"
mail() { # mail PORT: what msmtp says of a server there, which says nothing; for an ID, it would ask for this host's name
	says msmtp --host=$far_host --port="$1" --timeout=1 --set-msgid-header=off --auth=off --tls=off --from=a@example.org b@example.org
}
like "$(mail 587)|$(mail 25)" "read error.*timed out.*\|.*cannot connect.*port 25: Connection refused" "mail: msmtp submits at 587, not at 25"
is "$(says w3m -dump "http://$far_host/")|$(says w3m -dump "http://$far_host:1234/" | head -c 5)" "hello|w3m: " "browsers: w3m, the Web and no other port"
update() { # update PORT: what apt's own program for HTTP is told
	rm -rf "$scratch/apt"
	mkdir -p "$scratch/apt/lists/partial" "$scratch/apt/cache/archives/partial"
	chmod -R 777 "$scratch/apt"
	echo "deb [trusted=yes] http://$far_host:$1/ ./" >"$scratch/apt/sources"
	says apt-get -o Dir::State::lists="$scratch/apt/lists" -o Dir::Cache="$scratch/apt/cache" -o Dir::Etc::sourcelist="$scratch/apt/sources" \
		-o Dir::Etc::sourceparts=/dev/null -o Debug::NoLocking=1 -o Acquire::Retries=0 -o Acquire::http::Proxy=false update
}
like "$(update 1234)" "connect.*1234.*refused" "package managers: apt, not at another port"
[[ $(update 80) != *refused* ]]
ok $? "but at port 80"
has_come() { ! on_other_host nft list counter inet games came | grep -q 'packets 0'; }
answered() { # answered COMMAND...: whether it has connected to port 1234 of the far host, before it ends
	local program
	on_other_host nft -f - <<EOF
table inet games {
	counter came { }
	chain in { type filter hook input priority 0; ip daddr $far_host tcp dport 1234 counter name came; }
}
EOF
	"${user[@]}" "$@" </dev/null >/dev/null 2>&1 &
	program=$!
	wait_until eval "has_come || [ ! -e /proc/$program/exe ]"
	has_come && echo yes || echo no
	kill $program 2>/dev/null
	wait $program 2>/dev/null # its last packet is not the next one's
	on_other_host nft delete table inet games
}
# Debian 13 has it elsewhere.
mkdir "$scratch/games"
cp "$gnugo" "$scratch/games/"
mount --bind "$scratch/games" /usr/games
gnugo=(/usr/games/gnugo --mode gtp --gtp-connect "$far_host:1234")
is "$(answered "${gnugo[@]}") $(answered LD_PRELOAD="$preload" env "${gnugo[@]}")" "yes no" "games: gnugo, which can be played over the network"
like "$(as_user "$netshim" which /usr/games/steam)" "/usr/games/steam: class none, by rule" "and who fetches games is not held"

# --- by a VPN only, and Tor
passed() { nft reset counter inet watch passed | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
nft -f - <<EOF
table inet watch {
	counter passed { }
	chain out { type filter hook postrouting priority 300; oifname "here" ip daddr { $far_host, 9.9.9.9 } counter name passed; oifname "here" ip6 daddr { 2001:db8::7, 2620:fe::fe } counter name passed; }
}
EOF
by_vpn() { # by_vpn CLASS [SECONDS]: curl's status, by both families, and what has left by another interface
	passed >/dev/null
	shim "$netshim" run "$1" curl -sS -m "${2:-2}" -o /dev/null http://$far_host/ 2>/dev/null
	echo -n "$? "
	shim "$netshim" run "$1" curl -sS -g -m "${2:-2}" -o /dev/null 'http://[2001:db8::7]/' 2>/dev/null
	echo -n "$? "
	shim "$netshim" run "$1" curl -sS -m 0.5 -o /dev/null http://$lan_host/ 2>/dev/null
	echo -n "$? "
	shim "$netshim" run "$1" probe send 192.168.77.1 53 >/dev/null 2>&1
	passed
}
is "$(by_vpn vpn-only | sed 's/ 28 / 7 /g; s/^28/7/')" "7 7 7 0" "vpn-only: without a VPN, nothing"
vpn() { # vpn NAME NET: an exit that is found without a router, as by a tunnel
	make_exit "$1" "$2"
	"${in_exit[@]}" ip addr add 2001:db8::7/128 dev peer nodad
}
vpn tun0 91
"$netshim" reload
is "$(by_vpn vpn-only 9)" "0 0 28 0" "by tun0, and nothing past it, nor to the local network"
"${in_exit[@]}" ip addr add 9.9.9.9/32 dev lo
resolver 192.0.2.77 "${in_exit[@]}" -- --listen-address=9.9.9.9
is "$(shim "$netshim" run vpn-only dig +short +time=9 +tries=1 name.test @127.0.0.53)" 192.0.2.77 "names: the resolver behind it"
ip link set tun0 down
is "$(by_vpn vpn-only | sed 's/28/7/g')" "7 7 7 0" "when it goes down, nothing"
vpn wg0 92
"$netshim" reload
is "$(by_vpn wireguard-only 9)" "0 0 28 0" "wireguard-only, by wg0"
mkdir -m 700 "$scratch/tor"
cat >"$scratch/torrc" <<EOF
$(sed -n 's/^#     \([TDAV][A-Za-z]*\(Port\|Resolve\|IPv[46]\) .*\)/\1/p' "$ready/tor.conf")
SocksPort 0
DataDirectory $scratch/tor
ControlPort unix:$scratch/tor/control
CookieAuthentication 0
Log notice file $scratch/tor/log
EOF
in_background "$tor" -f "$scratch/torrc" --defaults-torrc /dev/null --ignore-missing-torrc --quiet
# shellcheck disable=SC2016 # for eval
wait_until eval '[ -S "$scratch/tor/control" ] && ss -Hltn "sport = 9040" | grep -q .'
# Without what it asks for of its own accord: its directory servers, NAME.exit.
streams() { # what Tor has been asked for
	python3 -c "
import socket
s = socket.socket(socket.AF_UNIX)
s.connect('$scratch/tor/control')
s.sendall(b'AUTHENTICATE\r\nGETINFO stream-status\r\nQUIT\r\n')
print(s.makefile().read())" | grep -oE '[^ ]+:443' | grep -v '\.exit:' | sort -u | paste -sd' '
}
passed >/dev/null
for host in $far_host '[2001:db8::7]'; do
	in_background "${user[@]}" LD_PRELOAD="$preload" "$netshim" run tor curl -sS -g -m 90 -o /dev/null "http://$host:443/" 2>/dev/null
done
# shellcheck disable=SC2016 # for eval
wait_until eval '[ "$(streams | wc -w)" -eq 2 ]'
is "$(streams) $(datagram tor $far_host 443) $(passed)" "$far_host:443 [2001:db8::7]:443 refused 0" "tor: Tor has been asked, nothing has gone past it"
onion=2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion
address=$(shim "$netshim" run tor dig +short +time=9 +tries=1 $onion @192.0.2.53)
in_background "${user[@]}" LD_PRELOAD="$preload" "$netshim" run tor curl -sS -m 90 -o /dev/null --resolve "$onion:443:$address" "http://$onion:443/" 2>/dev/null
# shellcheck disable=SC2016 # for eval
wait_until eval '[[ $(streams) = *$onion:443* ]]'
like "$address $(streams)" "^10\..* $onion:443" "and for the address that it makes up for a name in .onion, by that name"

# --- all programs of one user
their_class() { # their_class USER COMMAND...
	setpriv --reuid "$1" --regid "$1" --clear-groups env LD_PRELOAD="$preload" env "${@:2}" 2>&1 | sed -n 's/.*:net_cls://p'
}
is "$(their_class 4321 cat /proc/self/cgroup) $(their_class 4321 sh -c 'cat /proc/self/cgroup') $(their_class 4322 cat /proc/self/cgroup)" \
	"$group/lan-only $group/lan-only /" "all programs of one user: in the class, and nobody else's"
cp "$(command -v cat)" "$scratch/own"
is "$(their_class 4321 "$scratch/own" /proc/self/cgroup)" "$group/lan-only" "one of the user's own, too"
is "$(setpriv --reuid 4321 --regid 4321 --clear-groups env LD_PRELOAD="$preload" env python3 -c "
import socket
for host in '$lan_host', '$far_host':
    try:
        socket.create_connection((host, 1234), 9)
        print('yes')
    except OSError as e:
        print(e.strerror)" | paste -sd' ')" "yes Connection refused" "the local network answers, the Internet does not"
is "$(their_class 4321 curl -s file:///proc/self/cgroup) $(their_class 4322 curl -s file:///proc/self/cgroup)" "$group/offline $group/offline" \
	"a rule for a program comes before it"

finish
