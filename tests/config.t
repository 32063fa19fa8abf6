#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Every mistake in a configuration is reported with its place and what would be
# right, all at once, and nothing is applied.
. "$(dirname "$0")/lib.sh"

ip link set lo up
file=$scratch/test.conf
mkdir "$scratch/d"

complains() { # complains LINE PATTERN NAME <<EOF: the file is wrong there, and so
	local out status
	cat >"$file"
	out=$("$netshim" check "$file" 2>&1)
	status=$?
	like "$status $out" "^1 (.*"$'\n'")?$file:$1: [^"$'\n'"]*$2" "$3"
}

accepts() { # accepts NAME <<EOF
	local out
	cat >"$file"
	out=$("$netshim" check "$file" 2>&1)
	is "$? $out" "0 ${out:-ok}" "$1"
}

accepts "an empty file" <<<""
accepts "the sample that is installed" <"$tests/../conf/netshim.conf"
mkdir "$scratch/theirs"
ln -s /usr/bin "$scratch/theirs/link"
chown -h 65534 "$scratch/theirs" "$scratch/theirs/link"
printf '%s\n' "class a { }" "app '$scratch/theirs/link/x' { class = a }" >"$file"
is "$("$netshim" check "$file" 2>&1 | grep -c 'this rule has no effect')" 1 "a warning is told once"
accepts "what packets can be given" <<EOF
class a { action = reject allow = { 'lan' } deny = { 'tcp/22' } ipv6 = false log = true rate = '10 mbit'
          priority = '1:10' mark = 43 nft = { 'ip dscp set ef', 'tcp dport { 1, 2 } counter' } }
class b { deny = { '203.0.113.0/24' } mark = 0x2c rate = '1gbit' }
EOF
accepts "interfaces" <<<"class a { interface = 'tun0' gateway = { '10.0.0.1', 'fd00::1' } mark = 7 table = 9 } class b { interface = 'wg0' }"
accepts "interfaces by the beginning of their name, and the ordinary way" <<<"class a { interface = 'tun*' } class b { interface = 'ordinary' } class c { interface = 'ordinary' }"
accepts "local networks" <<<"class a { interface = 'tun0' local = { 'lan', 'link', '203.0.113.0/24', '2001:db8::1' } } class b { interface = 'tun0' local = { 'none' } }"
for bad in '' . .. a/b 'a b' "$(printf 'n%.0s' {1..65})"; do
	complains 1 "bad netns '$bad'; it is a name" "a bad network namespace: $bad" <<<"class a { netns = '$bad' }"
done
for option in 'action = reject' "address = '10.0.0.2/24'" "deny = { 'lan' }" "dns = { '127.0.0.1' }" "interface = 'x'" 'ipv6 = false' \
	'log = true' 'mark = 7' "nft = { 'counter' }" "ports = '8080:80'" "rate = '1 mbit'" "rate-in = '1 mbit'" "serve = { 'lan' }" "priority = '1:1'" "uplink = 'x'"; do
	complains 1 "${option%% *} has no effect in a private network namespace, which has no network; remove it" "a private namespace, and ${option%% *}" \
		<<<"class a { $option netns = 'private' }"
done
accepts "network namespaces: one that is there, one with addresses, one with an interface" <<'END'
class a { netns = 'a'  action = reject  allow = { 'lan' }  dns = { '192.0.2.53' }  rate = '1 mbit' }
class b { netns = 'b'  address = { '10.97.10.2/24', 'fd00:97::2/64' }  gateway = '10.97.10.9'  uplink = 'eth0'  ports = { '8080:80', 'udp/5353:53' } }
class c { netns = 'c'  address = '10.97.11.1/31'  uplink = 'ordinary' }
class d { netns = 'd'  interface = 'wg0' }
END
for bad in 10.97.10.2 10.97.10.0/24 10.97.10.255/24 10.97.10.2/32 fd00::/64 fd00::1/128 10.97.10.2/33 x/24 ''; do
	complains 1 "bad address '$bad'; it is one with the prefix" "a bad address: $bad" <<<"class a { netns = 'a' address = '$bad' }"
done
for bad in 80 80:80:80 0:80 80:0 65536:80 icmp/80:80 ' 80:80' x:80; do
	complains 1 "bad port '$bad'; it is one of this machine's, a colon" "a bad port: $bad" <<<"class a { netns = 'a' address = '10.0.0.2/24' ports = '$bad' }"
done
complains 1 "bad address 'fd00::3/64'.*at most one of IPv4 and one of IPv6" "two addresses of a family" <<<"class a { netns = 'a' address = { 'fd00::2/64', 'fd00::3/64' } }"
complains 1 "this gateway is in no network of the class's address" "a gateway elsewhere" <<<"class a { netns = 'a' address = '10.97.10.2/24' gateway = '10.97.11.1' }"
for option in "ports = '8080:80'" 'table = 9' "uplink = 'x'"; do
	complains 1 "${option%% *} is for a network namespace with an address; remove it" "no address, and ${option%% *}" <<<"class a { netns = 'a' $option }"
done
for option in "address = '10.97.10.2/24'" "ports = '8080:80'" "uplink = 'x'"; do
	complains 1 "${option%% *} is for a class in a network namespace: it needs netns" "no namespace, and ${option%% *}" <<<"class a { $option }"
done
complains 1 "proxy leads out of a network namespace; remove it" "a namespace and a proxy" <<<"class a { netns = 'a' proxy = '127.0.0.1:1' }"
complains 1 "a network namespace has no other interfaces; remove local" "a namespace and local" <<<"class a { netns = 'a' local = 'lan' }"
complains 1 "an interface that is moved .* has its own addresses; remove address, or write uplink = 'wg0'" "an address and an interface" \
	<<<"class a { netns = 'a' address = '10.97.10.2/24' interface = 'wg0' }"
complains 1 "'tun\*' cannot be moved into a network namespace" "an interface by the beginning of its name" <<<"class a { netns = 'a' interface = 'tun*' }"
complains 2 "network namespace 'a' is already that of class 'one' at .*:1; it has the rules of one class" "two classes in one namespace" <<'END'
class one { netns = 'a' action = reject }
class two { netns = 'a' }
END
complains 2 "this address is in the network of class 'one' at .*:1; choose another network" "two classes in one network" <<'END'
class one { netns = 'a' address = '10.97.10.2/24' }
class two { netns = 'b' address = '10.97.0.2/16' }
END
complains 2 "port 8080 already leads to class 'one' at .*:1; choose another one" "two classes with one port" <<'END'
class one { netns = 'a' address = '10.97.10.2/24' ports = { '8080:80', 'udp/8080:80' } }
class two { netns = 'b' address = '10.97.11.2/24' ports = '8080:81' }
END
complains 2 "port 80 already leads to class 'a' at .*:2; choose another one" "one port twice, and no address for it" <<'END'
class a { netns = 'a'
          ports = { '80:80', '80:81' } }
END
complains 2 "port 80 already leads to class 'one' at .*:1; choose another one" "two classes with one port, and no address" <<'END'
class one { netns = 'a' ports = '80:80' }
class two { netns = 'b' ports = '80:80' }
END
complains 1 "no program leaves a network namespace: remove lock = false" "a namespace without a lock" <<<"class a { netns = 'jail' lock = false }"
for bad in loopback tcp/80 192.0.2.1:80 10.0.0.1/8 x ''; do
	complains 1 "bad local network '$bad'; it is lan, link" "a bad local network: $bad" <<<"class a { interface = 'x' local = { '$bad' } }"
done
complains 1 "remove one or the other" "none and some" <<<"class a { interface = 'x' local = { 'none', 'lan' } }"
accepts "who may connect" <<EOF
class a { action = reject serve = { 'tcp/80', 'udp/1-2', 'lan', 'link', 'loopback', '192.0.2.0/24', 'fd00::1', '192.0.2.1:80', '[fd00::1]:80-90' } }
class b { serve = 'none' }
class c { interface = 'tun0' serve = 'lan' }
EOF
for bad in tcp/0 tcp tcp/90-80 192.0.2.1:0 10.0.0.1/8 x ''; do
	complains 2 "bad client or port '$bad'; it is loopback, lan" "a bad client: $bad" <<<"class a {
	serve = { '$bad' } }"
done
complains 1 "none of the clients, and some of them; remove one or the other" "no client and some" <<<"class a { serve = { 'none', 'lan' } }"
complains 1 "serve lists nobody; write serve = \{ 'none' \}" "an empty list of clients" <<<"class a { serve = { } }"
for empty in "dns lists no resolver" "local lists no network" "proxy lists no proxy" "users lists nobody"; do
	complains 2 "$empty; write ${empty%% *} = .*'.*, or remove it" "an empty list, as no list would let everything: ${empty%% *}" <<<"class a { ${empty%% *} = { }
	}"
done
complains 1 "users lists nobody" "an empty list in an app" <<<"app '/x' { class = none users = { } }"
complains 1 "users lists nobody" "in a package" <<<"package 'x' { class = none users = { } }"
accepts "empty lists that let nothing" <<<"class a { action = reject allow = { } deny = { } } unclassified { except-users = { } tunnels = { } }"
complains 2 "deny is given once more, as an empty list; remove one of them" "a list, and an empty one after it" <<'EOF'
class a {
  deny = 'lan'
  deny = { }
  log = true
}
EOF
complains 3 "a class with a proxy answers this machine alone" "clients of a class with a proxy" <<EOF
class a {
	proxy = '127.0.0.1:9040'
	serve = 'lan'
}
EOF
complains 1 "local says what is not reached .*; add interface" "local networks without an interface" <<<"class a { local = { 'lan' } }"
complains 1 "remove gateway and local" "the ordinary way with a gateway" <<<"class a { interface = 'ordinary' gateway = '10.0.0.1' }"
accepts "marks with masks" <<<"class a { mark = '0x10/0xff0000' } class b { mark = 0x20/0xff interface = 'x' } class c { mark = '1/1' }"
complains 2 "mark 768 cannot be told from that of class 'a' at $file:1; .* needs its own" "a mark that another packet may have too" <<EOF
class a { mark = '0x100/0x100' interface = 'x' }
class b { mark = '0x300/0xf00' }
EOF
for bad in 0/1 1/ /1 1/x 1/4294967296; do
	complains 1 "bad mark" "a bad mark: $bad" <<<"class a { mark = '$bad' }"
done
complains 2 "mark 51820 is already that of class 'a'" "a class that wg-quick's mark leads to an interface, beside the ordinary way" <<EOF
class a { interface = 'ordinary' }
class b { interface = 'x' mark = 51820 }
EOF
complains 1 "bad table '0'" "a bad table" <<<"class a { interface = 'x' table = 0 }"
for bad in a/b 'a b' sixteencharacters '' 'x"y' '*' 'a*b' 't**'; do
	complains 1 "bad interface" "a bad interface: $bad" <<<"class a { interface = '$bad' }"
done
complains 1 "'lo' leads to this machine alone; " "the loopback interface" <<<"class a { interface = 'lo' }"
complains 1 "'lo' leads to this machine alone; " "as an uplink" <<<"class a { netns = 'a' address = '10.97.10.2/24' uplink = 'lo' }"
complains 1 "'lo' leads to this machine alone; " "in a namespace" <<<"class a { netns = 'a' interface = 'lo' }"
complains 1 "bad gateway '10.0.0.2'; .* at most one of IPv4" "two gateways of a family" \
	<<<"class a { interface = 'x' gateway = { '10.0.0.1', '10.0.0.2' } }"
complains 1 "add interface" "a gateway without an interface" <<<"class a { gateway = { '10.0.0.1' } }"
complains 1 "table 254 is the kernel's own" "the kernel's own table" <<<"class a { interface = 'x' table = 254 }"
complains 2 "mark 7 is already that of class 'a'" "a mark twice" <<EOF
class a { interface = 'x' mark = 7 }
class b { interface = 'y' mark = 7 }
EOF
complains 2 "table 9 is already that of class 'a' at $file:1; .* table = N" "a table twice" <<EOF
class a { interface = 'x' mark = 1 table = 9 }
class b { interface = 'y' mark = 9 }
EOF
ip link add uplink type veth peer downlink
ip link property add dev uplink altname uplink9
complains 2 "interface 'uplink9' is named 'uplink'; write interface = 'uplink'" "an interface by another of its names" <<EOF
class a {
  interface = 'uplink9' }
EOF
accepts "the highest rate" <<<"class a { rate = '118 gbit' } class b { rate = '118000000 kbit' rate-in = '2000000 kbit' }"
for more in '118900000 kbit' '119000 mbit' '99999999999999999999 kbit' "$((1 << 61)) mbit"; do
	complains 1 "rate '$more' is more than the kernel can count; at most '118 gbit'" "more than that: $more" <<<"class a { rate = '$more' }"
done
complains 2 "rate '119 gbit' is more than the kernel can count; at most '118 gbit'" "more than that" <<EOF
class a {
  rate = '119 gbit' }
EOF
complains 2 "ipv6 = false lets no query out to resolver 'fd00::1'" "an IPv6 resolver without IPv6" <<EOF
class a { ipv6 = false dns = { '127.0.0.1:5354', '[fe80::/1',
  'fd00::1' } }
EOF
accepts "resolvers" <<<"class a { dns = { '127.0.0.1:5354', '192.0.2.53', '[fd00::1]:53', 'fd00::2' } }"
for bad in x 10.0.0.1/8 1.2.3.4:0 '[fd00::1' 1.2.3.4:1-2 lan; do
	complains 1 "bad resolver" "a bad resolver: $bad" <<<"class a { dns = { '$bad' } }"
done
accepts "tunnels" <<<"unclassified { tunnels = { '192.0.2.1:51820', '[fd00::1]:51820', '192.0.2.2' } }"
for bad in lan udp/51820 x 192.0.2.1:0; do
	complains 1 "bad tunnel" "a bad tunnel: $bad" <<<"unclassified { tunnels = { '$bad' } }"
done
for bad in "ipv6 = no" "log = 1" "rate = 10" "rate = '10 mbyte'" "rate = '0 mbit'" "rate = '1.5 mbit'" "priority = 5" \
	"priority = '0:0'" "mark = 0" "mark = -1" "mark = 4294967296" "nft = { 'drop }' }" "nft = { '' }" \
	"nft = { 'drop } chain x {' }" "nft = { 'counter; drop' }" "nft = { 'counter # {' }" "nft = { 'log prefix \"x' }" \
	"nft = { 'counter \\ drop' }" "nft = { 'policy drop' }" "nft = { 'include \"/etc/nftables.conf\"' }" \
	"nft = { 'type filter hook input priority 0' }"; do
	complains 1 "(bad (value|rate|priority|mark)|nft statement)" "a bad value: $bad" <<<"class a { $bad }"
done
accepts "an nft statement with braces and a semicolon in quotes" <<<'class a { nft = { "log prefix \"};{\"" } }'
complains 2 "nft statement 'ip dscp sat ef': syntax error" "an nft statement that nftables does not take" <<EOF
class a { nft = { 'ip dscp set ef',
  'ip dscp sat ef' } }
EOF
for bad in masquerade synproxy 'fib saddr . iif oif missing drop'; do
	complains 2 "nft statement '$bad': Could not process rule: .*hook output" "one that has no place there: $bad" <<EOF
class a { nft = { 'oif "lo" counter',
  '$bad' } }
EOF
done
like "$("$netshim" -c "$file" up 2>&1)" "^$file:2: nft statement[^"$'\n'"]*$" "nor does up take it"
statement='meta l4proto { tcp, udp } ct original proto-dst 53 counter' # which later versions do list well
# shellcheck disable=SC2016 # expanded by the inner shell
put_back() { unshare --net sh -c 'nft -f - && nft list ruleset >"$1" && nft -c -f "$1"' put_back "$scratch/listed" 2>/dev/null; }
if put_back <<<"table inet t { chain c { $statement; }; }"; then
	accepts "one that can be put back here" <<<"class a { nft = { '$statement' } }"
else
	complains 1 "nft lists it in a way that it does not read again.*say it in another way" "one that could not be put back" \
		<<<"class a { nft = { '$statement' } }"
fi
accepts "many that could" <<'EOF'
class a { nft = { 'ip dscp set cs1', 'limit rate 10/second burst 5 packets counter accept', 'quota over 10 mbytes drop', 'meta mark set 7 ct mark set 7',
  'tcp flags syn tcp option maxseg size set rt mtu', 'udp dport { 53, 123 } counter log prefix "x " level info', 'ip daddr . th dport vmap { 192.0.2.1 . 80 : accept }' } }
EOF
complains 1 "deny has no effect" "deny where everything is refused" <<<"class a { action = reject deny = { 'tcp/22' } }"
accepts "comments and quotes within each other" <<'EOF'
# don't { /* "
// it's
/* a ' and a " and a { # */ class a { } # }
app '/it"s/{#/*' { class = a } /***/ app "/it's\"{" { class = a }
EOF
accepts "and what it keeps out of force" < <(sed 's/^#: //' "$tests/../conf/netshim.conf")
accepts "everything there is" <<EOF
class a { action = reject allow = { 'loopback', 'lan', 'link', '10.0.0.0/8', '192.0.2.1', 'fd00::/8', '2001:db8::1',
          'tcp/443', 'udp/5000-5010', '192.0.2.1:443', '[fd00::1]:80', '192.0.2.1:1-65535' }
          classid = '10:43'  lock = true  on-error = allow  users = { 'root', '@root', '65534', '@65534' } }
class b_-2 { classid = '0x100044' }
class $(printf '%064d' 0) { action = drop }
unclassified { action = reject allow = { 'lan' } except-users = { 'root' } }
app '/usr/bin/ssh' { class = a }
app "/opt/games/"  { class = b_-2 users = { 'nobody' } }
app '/not/installed/yet' { class = none }
app '/usr/bin/python3*' { class = a }
/* a comment */ // another
include('$scratch/d/*.conf')
EOF

complains 2 "no such option 'colour'.*action, address, allow, classid, deny, dns, gateway, interface, ipv6, local, .*netns, nft, on-error, ports, priority, proxy, proxy-udp, rate, rate-in, serve, table, uplink, users" "an unknown option" <<EOF
class a {
  colour = red
}
EOF
complains 1 "no such option 'klass'.*class, unclassified, app, package, unit, include" "an unknown section" <<<"klass a { }"
complains 2 "unknown class 'vnp'; define it with: class vnp" "an unknown class" <<EOF
class vpn { }
app '/usr/bin/ssh' { class = vnp }
EOF
complains 2 "class 'a' is already defined at $file:1" "a class twice" <<EOF
class a { }
class a { }
EOF
complains 3 "classid 10:43 is already that of class 'a'" "a classid twice" <<EOF
class a { classid = '10:43' }
class b {
  classid = '0x100043'
}
EOF
complains 3 "in class b here and, as '/bin/sh', in class a at $file:2; a file has one class" "a file in two classes" <<EOF
class a { } class b { }
app '/bin/sh' { class = a }
app '/usr/../usr/bin/sh' { class = b }
EOF
accepts "a pattern, and a rule that names a file that it matches" <<EOF
class a { } class b { }
app '/usr/bin/en*' { class = a }
app '/bin/env' { class = b }
app '/usr/bin/e*v' { class = b }
EOF
complains 4 "'/usr/bin/env' by pattern '/usr/bin/en\*' is in class a here and, as '/usr/bin/env', in class b at $file:3; remove users there, so that it is an exception from the pattern" \
	"a pattern, and a rule for some users that names a file" <<EOF
class a { }
class b { }
app '/usr/bin/env' { class = b  users = { 'root' } }
app '/usr/bin/en*' { class = a }
EOF
complains 3 "'/usr/bin/env' by pattern '/usr/bin/e\*v' is in class b here and, as '/usr/bin/env' by pattern '/usr/bin/en\*', in class a at $file:2; name it in a rule of its own, which comes before both" \
	"a file in the classes of two patterns" <<EOF
class a { } class b { }
app '/usr/bin/en*' { class = a }
app '/usr/bin/e*v' { class = b }
EOF
complains 2 "'/usr/bin/env' has a rule for other users" "a file with two rules for different users" <<EOF
class a { } app '/usr/bin/env' { class = a }
app '/usr/bin/env' { class = a users = { 'root' } }
EOF
accepts "a file with two rules for the same users, in another order and one of them twice" <<EOF
class a { } app '/usr/bin/env' { class = a users = { 'root', '@daemon', 'daemon' } }
app '/usr/bin/env' { class = a users = { 'daemon', 'root', '@daemon', 'root' } }
EOF
complains 2 "'/usr/bin/env' has a rule for other users" "a file with two rules, for a user and for the group of that number" <<EOF
class a { } app '/usr/bin/env' { class = a users = { '0', '1' } }
app '/usr/bin/env' { class = a users = { '0', '@1' } }
EOF
complains 1 "path 'bin/sh' is not absolute; begin it with a slash" "a relative path" <<<"class a { } app 'bin/sh' { class = a }"
complains 1 "'sshd.service' is a service's name; write unit 'sshd.service'" "a service as an app" <<<"class a { } app 'sshd.service' { class = a }"
complains 1 "'/usr/bin' is a folder; write '/usr/bin/'" "a folder without its slash" <<<"class a { } app '/usr/bin' { class = a }"
accepts "a tree with 64 slashes" <<<"class a { } app '/$(printf 'd/%.0s' {1..63})' { class = a }"
complains 1 "'/d/.*' is too deep for a tree, .* at most 64 slashes" "a tree with more" <<<"class a { } app '/$(printf 'd/%.0s' {1..64})' { class = a }"
for path in /nosuch/.. /nosuch/. /usr/bin/.. '/usr/*/..'; do
	complains 1 "'${path//\*/\\*}' ends in '.' or '..'; write the path without it" "a last name that is no file's: $path" \
		<<<"class a { } app '$path' { class = a }"
done
complains 1 "'/nosuch/..' ends in '.' or '..'; write the path without it" "one in with" \
	<<<"class a { } app '/bin/x' { class = a with = '/nosuch/..' }"
mkdir "$scratch/Game [GOG]"
touch "$scratch/Game [GOG]/start" "$scratch/more[1].conf"
printf '%s\n' "class a { }" "app '$scratch/Game [GOG]/start' { class = a }" "app '$scratch/G* [GOG]/' { class = a }" \
	"app '$scratch/Game [GOG]/' { class = a }" "include('$scratch/more[1].conf')" >"$file"
is "$("$netshim" check "$file" 2>&1; echo $?)" "$(for at in "2: '$scratch/Game [GOG]/start'" "4: '$scratch/Game [GOG]/'" "5: '$scratch/more[1].conf'"; do
	echo "$file:$at is a pattern that matches nothing, though this very path is there; write \[ for each [ in it"
done)
$file: ok, 1 class, 0 rules
0" "a pattern that is a file's name"
sed -i -e '3d' -e 's/\[/\\[/' "$file"
is "$("$netshim" check "$file" 2>&1)" "$file: ok, 1 class, 2 rules" "the name, with a backslash"
complains 1 "app '/bin/x' has no class; add class = NAME" "an app without a class" <<<"app '/bin/x' { }"
for bad in 10.0.0.0/33 10.0.0/8 tcp/0 tcp/65536 udp/9-8 sctp/1 1.2.3.4:0 1.2.3.4:x '[::1]' ::1:80:x lann '' 300.1.1.1 \
	'10.0.0.1/8 ' fe80::/129 tcp/ 'tcp/80,81' ']' 'x]' example.org:443 http://example.org/ \
	example..org -a.example.org a_.b-.c 'a*.example.org' '*.' '.example.org' tcp/443@ tcp/443@192.0.2.1 tcp/0@example.org \
	lan@example.org example.org@tcp/443 'example.org tcp' x23456789-123456789-123456789-123456789-123456789-123456789-1234.org; do
	complains 1 "bad network, port or name '${bad//[][*]/.}'; it is loopback, lan" "a bad network, port or name: $bad" \
		<<<"class a { action = reject allow = { '$bad' } }"
done
for pair in "nas;a name has a dot in it" "tcp/80@nas;a name has a dot in it" "*.org;behind '\*\.' there are two labels at least" \
	"localhost;this machine, by its loopback interface, is loopback" "tcp/80@localhost;this machine" "icmp;pings have no port: write nft"; do
	complains 1 "bad network, port or name '${pair%%[;*]*}.*; ${pair#*;}" "what is near to one: ${pair%%;*}" <<<"class a { deny = { '${pair%%;*}' } }"
done
complains 1 "allow has a name, and no names can be had in a network namespace" "a name where the class has a network namespace" \
	<<<"class a { action = reject allow = { 'example.org' } netns = 'x' }"
complains 1 "deny has a name, which nobody can be asked for past the proxy" "a name where there is no way to ask for it" \
	<<<"class a { deny = { 'example.org' } proxy = '127.0.0.1:9040' }"
complains 1 "bad client or port 'example.org'" "a name in serve" <<<"class a { serve = { 'example.org' } }"
complains 1 "network '10.0.0.1/8' has bits set beyond" "a network with host bits" \
	<<<"class a { action = reject allow = { '10.0.0.1/8' } }"
complains 1 "unknown user 'nosuchuser'; it is a name" "an unknown user" <<<"class a { users = { 'nosuchuser' } }"
complains 1 "unknown group '@nosuch'" "an unknown group" <<<"class a { users = { '@nosuch' } }"
for bad in 0 0:0 010x 10000:1 1:10000 10:43:1 -1 x 4294967296; do
	complains 1 "classid '$bad'" "a classid out of range: $bad" <<<"class a { classid = '$bad' }"
done
for bad in "a b" "a/b" ../x "" "$(printf '%065d' 0)" "ä" none locked unclassified tasks notify_on_release 'x;y' "a'b" -x -; do
	complains 1 "class name|cannot be named|unexpected|no end" "a bad class name: ${bad:0:20}" <<<"class \"$bad\" { }"
done
complains 1 "unknown action 'refuse'; it is accept, reject or drop" "an unknown action" <<<"class a { action = refuse }"
complains 1 "bad value 'yes'; it is true or false" "a bad truth value" <<<"class a { lock = yes }"
complains 1 "bad on-error 'ask'; it is deny" "a bad on-error" <<<"class a { on-error = ask }"
complains 1 "except-users has no effect where nothing is refused; add action = reject, or deny" "users who are excepted from nothing" \
	<<<"unclassified { except-users = { 'root' } }"
complains 1 "allow has no effect" "allow without an action to except from" <<<"class a { allow = { 'lan' } }"
complains 3 "action is already given at line 2" "an option twice" <<EOF
class a {
  action = drop
  action = accept
}
EOF
complains 3 "allow is already given at line 2" "a list twice" <<EOF
class a { action = drop
  allow = { 'lan', 'tcp/80' }
  allow = { 'loopback' }
}
EOF
complains 3 "deny is already given at line 2" "a list of one value twice, without braces" <<EOF
class a {
  deny = 'tcp/80'
  deny = 'tcp/81'
}
EOF
complains 4 "deny is already given at line 2" "a list again, after more was added to it" <<EOF
class a {
  deny = { 'tcp/80' }
  deny += { 'tcp/81' }
  deny = { 'tcp/82' }
}
EOF
complains 5 "bad network, port or name 'x]'" "the line of a value that is added" <<EOF
class a {
  deny = {
    'tcp/80', 'tcp/81' }
  deny += 'tcp/82'
  deny += { 'x]', 'tcp/83' }
}
EOF
ruleset_of() { cat >"$file" && "$netshim" -c "$file" ruleset 2>&1; }
is "$(ruleset_of <<<"class a { deny += 'tcp/80'  deny += { 'tcp/81', 'tcp/82' }  deny += 'tcp/83'  deny += { } }")" \
	"$(ruleset_of <<<"class a { deny = { 'tcp/80', 'tcp/81', 'tcp/82', 'tcp/83' } }")" "+= adds to a list"
complains 2 "unclassified is already given at $file:1" "unclassified twice" <<EOF
unclassified { action = accept }
unclassified { action = reject }
EOF
complains 3 "comment that begins here has no end; close it with" "an open comment, which would hide the rest" <<EOF
class a { }
# what's quoted '
/* no end
app '/usr/bin/ssh' { class = nosuch }
EOF
complains 6 "unknown class 'nosuch'" "the line of a mistake that stands behind comments" <<EOF
# one
//// two /* # */
/* three // *
   four ***/ class a { } # five '
class b { nft = { 'counter' } /* six */ ipv6 = /**/ true }// seven {
app /usr//bin/true /**/ { /*/ eight */ class = nosuch }
EOF
printf "class a { }\napp '/bin/\0sh' { class = a }\n" >"$file"
like "$("$netshim" check "$file" 2>&1)" "^$file:2: there is a NUL byte in this line; take it out$" "a NUL byte, where a value would end"
mark=$'\xef\xbb\xbf'
accepts "a byte order mark" <<<"${mark}class a { }"
complains 1 "no such option 'klass'" "one before a mistake" <<<"${mark}klass a { }"
complains 2 "no such option '${mark}class'" "one that is not at the beginning" <<<$'\n'"${mark}class a { }"
complains 1 "quoted value that begins here has no end" "an open quote" <<<"class 'a { }"
complains 2 "section or list that begins here has no end" "an open section" <<<$'\nclass a { action = drop\n\n'
complains 2 "'app' is still within class a here; close that with } before it" "a section that is closed too late" <<'EOF'
class a { action = reject
app '/bin/x' { class = a } }
EOF
says() { # says EXPECTED NAME <<EOF: all that is said of it
	cat >"$file"
	is "$("$netshim" check "$file" 2>&1)" "$1" "$2"
}
says "$file:1: a semicolon has no meaning here; take it out, or put it into 'single quotes' with the value
$file:2: a semicolon has no meaning here; take it out, or put it into 'single quotes' with the value" "semicolons, and nothing else about those lines" <<'EOF'
class a { action = reject; };
app '/bin/;' { class = a ; } # ;
app /bin/a;b { class = a }
EOF
cp /bin/true "$scratch/a tool"
mkdir -p "$scratch/share/netshim"
echo "app '/nosuch/ready' { class = a }" >"$scratch/share/netshim/ready.conf"
until_it_is="; this rule has no effect until it is"
says "$file:2: '/nosuch/program' is not there$until_it_is
$file:3: '/nosuch/tree/' is not there$until_it_is
$file:4: '$scratch/{a,b}' is not there (braces are not expanded: write a rule for each path)$until_it_is
$file:5: '$scratch/a tool run it' is not there (if it is '$scratch/a tool' with arguments, they go into 'with')$until_it_is
$file:6: '/nosuch/script' is not there$until_it_is
$file:11: '/usr/bin/env/' is no folder, and this rule has no effect; write '/usr/bin/env' for the file
$file: ok, 1 class, 11 rules" "paths where there is nothing, each rule once" <<EOF
class a { }
app '/nosuch/program' { class = a }
app '/nosuch/tree/' { class = a }
app '$scratch/{a,b}' { class = a }
app '$scratch/a tool run it' { class = a }
app '/nosuch/script' { with = { 'one', 'two' } class = a }
app '$scratch/a tool' { class = a }
app '/nosuch/exception' { class = none }
include('$scratch/share/netshim/ready.conf')
app '$scratch/share/' { class = a }
app '/usr/bin/env/' { class = a }
EOF
is "$("$netshim" -c "$file" up 2>&1)" "" "up says nothing of it"
"$netshim" down
comma="a comma has no meaning here; options stand side by side, and a list stands in braces: allow = { 'A', 'B' }"
between="a comma has no meaning here; sections stand side by side, and each path has an app of its own"
says "$file:1: $comma
$file:1: $between
$file:2: $between
$file:3: $comma
$file:6: $comma
$file:6: unknown class 'c'; define it with: class c { ... }, or write class = none" "commas between options and sections, and whatever else is wrong" <<'EOF'
class a { action = reject, allow = { 'lan', 'link' }, log = true, },
class b { deny = { 'lan' } }, include('/nosuch/*,*')
app '/bin/a,b' { class = a, }
# a, b
// c, d
app '/bin/sh' { users = { 'root' }, class = c }
EOF
says "$(for line in 1 3 4 6; do echo "$file:$line: $comma"; done)" "lists without braces, and nothing else about their values" <<'EOF'
class a { action = reject allow = 'lan', 'link' , "tcp/80" log = true }
class b { action = reject
  allow = lan,
    link, /* , */ tcp/80 # ,
  log = true
  deny = 'tcp/25', tcp/26 }
EOF
accepts "commas in lists, quotes and comments" <<'EOF'
class a { users = /* , { */ { 'root' /* , } */, 'daemon', } // ,
  nft += { 'meta mark { 1, 2 } accept', "log prefix \",\"" } } # ,
EOF
takes="a configuration takes class, unclassified, app, package, unit, include, at-boot"
says "$file:1: no such option 'clas'; $takes" "a section of a wrong name, and nothing that follows from it" <<'EOF'
clas a { action = reject log = yes }
class b { log = true }
EOF
says "$file:2: no such option 'rule'; $takes" "a rule of a wrong name, before another rule" <<'EOF'
class b { }
rule '/bin/sh' { class = b }
app '/bin/sh' { class = b }
EOF
says "$file:2: no such option 'clas'; $takes" "a class behind a section of a wrong name, which has rules" <<'EOF'
app '/bin/sh' { class = b }
clas a { action = reject }
class b { }
EOF
says "$file:1: cannot open '/nosuch/policy.conf': No such file or directory" "a class in a file that is not there" <<'EOF'
include('/nosuch/policy.conf')
app '/bin/sh' { class = b }
EOF
like "$(printf '%s\n' "include('d/*.conf')" "app '/bin/sh' { class = b }" >"$file"; "$netshim" check "$file" 2>&1)" "^[^"$'\n'"]*:1: include takes one absolute path[^"$'\n'"]*$" "or in one without its folder"
says "$file:1: no such option 'colour'; $takes
$file:2: unknown class 'b'; define it with: class b { ... }, or write class = none" "and one that is nowhere, where all has been read" <<'EOF'
colour = red
app '/bin/sh' { class = b }
EOF
printf '%s\n' "class b { rate = 10 mbit" "  deny = lan }" >"$file"
like "$("$netshim" check "$file" 2>&1)" "^$file:1: no such option 'mbit'; class takes [^"$'\n'"]*$" "a value with a blank in it, and no quotes"
says "$file:1: no such option 'x'; $takes
$file:3: class has no name; write class 'NAME' { ... }" "a class without a name, and what comes before it" <<'EOF'
x = y

class { action = reject }
EOF
says "$file:1: app has no path; write app '/PATH' { ... }" "a rule without a path" <<<"app { class = none }"
says "$file:1: missing opening brace for section 'app'; write app '/PATH' { ... }" "a path of two words" <<<"app /bin/a b { class = none }"
says "$file:1: missing opening brace for section 'unclassified'; write unclassified { ... }" "unclassified with a name" <<<"unclassified a { }"
says "$file:1: missing parenthesis for function 'include'; write include('/PATH')" "include without parentheses" <<<"include '/x'"
says "$file:2: missing equal sign after option 'action'; write action = VALUE" "no equal sign" <<'EOF'
class a {
  action reject
}
EOF
says "$file:1: missing equal sign after option 'users'; write users = { 'VALUE' }" "for a list" <<<"app '/bin/x' { users { 'root' } }"
complains 1 "cannot open '$scratch/nosuch.conf'" "an include that is not there" <<<"include('$scratch/nosuch.conf')"
complains 1 "include takes one absolute path" "a relative include" <<<"include('d/*.conf')"

# --- what cannot be read is not taken for empty
mkdir "$scratch/theirs/folder"
chown 65534 "$scratch/theirs/folder"
echo "class b { }" >"$scratch/d/one.conf"
cat >"$file" <<EOF
include('$scratch/d/*.conf')
app '/usr/bin/true*' { class = none }
app '$scratch/theirs/folder/*' { class = none }
package 'dpkg' { class = none }
EOF
unread() { # unread PATH CALL ERROR: what check says where that call fails there
	strace -qq -o /dev/null -P "$1" -e trace="$2" -e inject="$2:error=$3" "$netshim" check "$file" 2>&1
	echo $?
}
fails() { # fails LINE PATTERN PATH CALL ERROR
	like "$(unread "${@:3}")" "^$file:$1: cannot $2; mend that, as [^"$'\n'"]*"$'\n1$' "$4 of $3: $5"
}
for failure in openat:EIO openat:EMFILE getdents64:EIO; do
	fails 1 "look for all files of '$scratch/d/\*.conf': .*" "$scratch/d" ${failure/:/ }
	fails 2 "look into '/usr/bin/': .*" /usr/bin ${failure/:/ }
	like "$(unread "$scratch/theirs/folder" ${failure/:/ })" "^$file:3: cannot look into '$scratch/theirs/folder/': .* as others than root can change '$scratch/theirs'.*ok, 1 class.*0$" \
		"where others have a say, ${failure/:/: } is a warning"
done
fails 2 "look into '/usr/bin/': .*" /usr/bin/true newfstatat EIO
for error in ENOENT ENOTDIR EACCES; do
	like "$(unread "$scratch/d" openat $error)" "ok, 0 classes.*0$" "an include's folder that is not there, or not to be seen, is empty: $error"
done
if [ -e /var/lib/dpkg/info/dpkg.list ]; then
	for failure in openat:EIO openat:EMFILE read:EIO; do
		fails 4 "read '/var/lib/dpkg/info/dpkg.list': .*" /var/lib/dpkg/info/dpkg.list ${failure/:/ }
	done
	fails 4 "read '/var/lib/dpkg/info/dpkg:\*.list': .*" /var/lib/dpkg/info openat EIO
	fails 4 "read '/usr/bin/dpkg': .*" /usr/bin/dpkg newfstatat EIO
else
	skip "needs dpkg" "a package's list"
fi
echo "include('$scratch/d/one.conf')" >"$file"
is "$(strace -qq -o /dev/null -P "$scratch/d/one.conf" -e trace=fstat,newfstatat -e inject=newfstatat:error=EIO:when=2 -e inject=fstat:error=EIO:when=1 \
	"$netshim" check "$file" 2>&1)" "$file:1: cannot open '$scratch/d/one.conf': Input/output error" "a file that is open, and about which nothing can be had"
rm "$scratch/d/one.conf"

# --- names in nftables: no class has one that is another's, or netshim's own
echo "nameserver 192.0.2.53" >"$scratch/resolv.conf"
mount --bind "$scratch/resolv.conf" "$(readlink -f /etc/resolv.conf)"
cat >"$file" <<'EOF'
class CLASS1 { action = reject allow = { 'lan', 'link', 'a.example', 'tcp/80@b.example' } log = true rate = '1 mbit' rate-in = '1 mbit'
               mark = 5 serve = { 'lan', 'tcp/80' } }
class CLASS2 { proxy = '127.0.0.1:9040' proxy-udp = '127.0.0.1:9041' dns = '192.0.2.53' deny = { 'lan', 'link', 'c.example' } }
class CLASS3 { interface = 'ordinary' deny = 'lan' dns = '192.0.2.53:54' ipv6 = false }
class CLASS4 { interface = 'tun0' local = { 'lan', 'link' } action = drop allow = 'lan' log = true }
class CLASS5 { netns = 'x' address = '10.97.10.2/24' ports = '80:80' action = reject allow = { 'lan', 'link' } serve = 'lan' log = true }
unclassified { action = reject allow = { 'lan', 'link', 'd.example' } deny = 'e.example' log = true }
EOF
names=$("$netshim" -c "$file" ruleset | sed -nE 's/^\t((chain|set|map|counter) [^ ]*) \{.*/\1/p')
ok $((! ($(grep -c CLASS <<<"$names") > 40))) "each class has its own: $(grep -c CLASS <<<"$names") of $(wc -l <<<"$names") names"
is "$(grep -v -e CLASS -e '_unclassified$' <<<"$names" | grep -E "^($(sed -n 's/CLASS[0-9]$//p' <<<"$names" | sort -u | paste -sd'|'))")" "" \
	"and none of the others begins as they do"
cat >"$file" <<'EOF'
class zone { proxy = '127.0.0.1:9040' }
unclassified { action = reject allow = { 'a.example' } }
EOF
is "$("$netshim" -c "$file" ruleset | unshare --net nft -c -f - 2>&1)" "" "a class named zone, beside names"

# all at once, in several files
cat >"$scratch/d/one.conf" <<EOF
class b { colour = red }
class c { classid = '0:0' }
EOF
cat >"$file" <<EOF
include('$scratch/d/*.conf')
class b { action = perhaps }
app '/x' { class = a }
include('$file')
EOF
out=$("$netshim" check "$file" 2>&1)
is "$(grep -c . <<<"$out")" 5 "all mistakes of all files at once, each once"
like "$out" "one.conf:1: no such option" "the included file's with its own name and line"

# nothing is applied
for mode in 666 664 646; do
	chmod $mode "$file"
	like "$("$netshim" check "$file" 2>&1)" "$file: '$file' can be changed by others than root; run: chown root" \
		"a file that others may write: $mode"
done
chmod 644 "$file"
chown 65534 "$file"
like "$("$netshim" check "$file" 2>&1)" "can be changed by others than root" "a file that is not root's"
chown 0 "$file"
chmod 666 "$scratch/d/one.conf"
like "$("$netshim" check "$file" 2>&1)" "$file:1: '$scratch/d/one.conf' can be changed by others" "an included one"
rm "$scratch/d/one.conf"
"$netshim" -c "$file" up 2>/dev/null
is "$? $(ls "$root/run")" "1 " "up with mistakes: exit 1, nothing made"
configure <<<"class a { action = reject }"
before=$(nft list table inet netshim; cksum "$root/run/netshim/rules")
"$netshim" -c "$file" reload 2>/dev/null
is "$? $(nft list table inet netshim; cksum "$root/run/netshim/rules")" "1 $before" \
	"reload with mistakes: exit 1, what was in force still is"
is "$(HOME='/bin/sh' "$netshim" check <(echo) 2>&1 | grep -c 'not a regular file')" 1 "a pipe is no configuration"
cat >"$file" <<'EOF'
class a { }
app "${HOME}/x" { class = a }
EOF
like "$(HOME=/evil "$netshim" -c "$file" check 2>&1; cat "$file" >/dev/null)" "ok" "the environment is not looked at"

finish
