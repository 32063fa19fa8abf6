#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# What programs of a class with a network namespace reach, and what they do not; and what
# the command says of such classes.
. "$(dirname "$0")/lib.sh"

bwrap=$(command -v bwrap) || cannot_run "needs bwrap"
bin=$root/bin
netns=$root/usr/libexec/netshim-netns
tasks=$root/run/netshim/net_cls$group
make_hosts 80
serve -- 8080
mkdir -p /run/netns
mount -t tmpfs -o mode=755 none /run/netns
for name in jail other; do
	ip netns add $name
	ip -n $name link set lo up
done
in_jail() { nsenter --net=/run/netns/jail "$@"; }
in_other() { nsenter --net=/run/netns/other "$@"; }

# The jail's own way out is a host of its own, which sees who asks.
new_host
jail_host=$new_host
at_jail_host() { nsenter --net="/proc/$jail_host/ns/net" "$@"; }
in_jail ip link add out type veth peer name "in" netns "$jail_host"
in_jail ip addr add 10.97.10.2/24 dev out
in_jail ip link set out up
at_jail_host ip addr add 10.97.10.1/24 dev "in"
at_jail_host ip link set "in" up
cat >"$scratch/who.py" <<'END'
import socket
server = socket.create_server(("10.97.10.1", 81))
print("ready", flush=True)
while True:
    connection, address = server.accept()
    connection.sendall((address[0] + "\n").encode())
    connection.close()
END
in_background nsenter --net="/proc/$jail_host/ns/net" python3 "$scratch/who.py" >"$scratch/ready"
wait_until test -s "$scratch/ready"

for name in jailed private other; do
	cp "$(command -v bash)" "$scratch/$name"
	cp "$bin/probe-static" "$scratch/$name-static"
done
cp "$bwrap" "$scratch/bwrap"
cat >"$scratch/jails" <<EOF
class jail    { netns = 'jail' }
class other   { netns = 'other' }
class private { netns = 'private' }
class web     { }
app '$scratch/jailed'         { class = jail }
app '$scratch/jailed-static'  { class = jail }
app '$scratch/bwrap'          { class = jail }
app '$scratch/private'        { class = private }
app '$scratch/private-static' { class = private }
app '$scratch/other'          { class = other }
EOF
configure <"$scratch/jails"
inode() { stat -Lc %i "$1"; }

# --- packets

# shellcheck disable=SC2016 # expanded by those shells
reach() { # reach PROGRAM ADDRESS PORT: what it is told
	shim "$scratch/$1" -c 'exec 3<>"/dev/tcp/$0/$1" && read -t 5 -r -u 3 line && echo "$line"' "$2" "$3" 2>&1 | tail -n 1 | sed 's/.*: //'
}
is "$(as_user bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080 && echo yes')" yes "(the host's loopback has a server, and the LAN one, too:"
is "$(as_user bash -c "exec 3<>/dev/tcp/$lan_host/80 && echo yes")" yes "they answer)"
for to in $lan_host 192.168.77.1 $far_host fd77::2; do
	like "$(reach private "$to" 80)" "^(Network is unreachable|Cannot assign requested address)$" "private: no way to $to"
done
is "$(reach private 127.0.0.1 8080)" "Connection refused" "its loopback interface is its own"
cat >"$scratch/lo.py" <<'END'
import socket
for family, address in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
    server = socket.create_server((address, 8080), family=family)
    socket.create_connection((address, 8080)).close()
    print(address)
END
is "$(shim "$netshim" run private python3 "$scratch/lo.py" 2>&1 | xargs)" "127.0.0.1 ::1" "which works, also where the host has a server at that port"
cat >"$scratch/abstract.py" <<'END'
import socket, sys
name = "\0netshim-" + sys.argv[2]
unix = socket.socket(socket.AF_UNIX)
if sys.argv[1] == "listen":
    unix.bind(name)
    unix.listen()
    print("ready", flush=True)
    unix.accept()[0].recv(1)
    unix.accept()
else:
    print(unix.connect_ex(name))
END
in_background python3 "$scratch/abstract.py" listen $$ >"$scratch/abstract"
wait_until test -s "$scratch/abstract"
is "$(as_user python3 "$scratch/abstract.py" connect $$) $(shim "$netshim" run private python3 "$scratch/abstract.py" connect $$)" "0 111" \
	"abstract sockets of the host are not there"
is "$(reach jailed 10.97.10.1 81)" 10.97.10.2 "a namespace of a name: the other end sees its own address"
like "$(reach jailed $lan_host 80)" "Network is unreachable" "it has no other way"
like "$(reach other 10.97.10.1 81)" "Network is unreachable" "another namespace does not have this one"
in_background nsenter --net=/run/netns/other python3 -u "$bin/server.py" 90 >"$scratch/ready-other"
wait_until test -s "$scratch/ready-other"
is "$(reach jailed 127.0.0.1 90)" "Connection refused" "two namespaces do not see each other"

count_at() { # count_at RUNNER...: counts datagrams to port 9 there
	"$@" nft -f - <<'END'
table inet watch {
	counter arrived { }
	chain in { type filter hook input priority 0; udp dport 9 counter name arrived; }
}
END
}
arrived() { "$@" nft list counter inet watch arrived | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
count_at on_other_host
count_at at_jail_host
launches=${NETSHIM_LAUNCHES:-300}
shim sh -c "i=0; while [ \$i -lt $launches ]; do
	$scratch/private-static send $lan_host 9; $scratch/jailed-static send $lan_host 9
	$scratch/jailed-static send 10.97.10.1 9; i=\$((i + 1)); done"
both_arrived() { echo "$(arrived at_jail_host) $(arrived on_other_host)"; }
until_like "^$launches 0$" "of $launches launches that send as their first act, every packet is sent in the namespace, none outside" both_arrived

# --- what is in the class and not in its namespace may send nothing

by_hand() { # by_hand COMMAND...: as root puts it into the class
	bash -c "echo 0 >'$tasks/jail/tasks'; exec \"\$@\"" - "$@"
}
like "$(by_hand bash -c "exec 3<>/dev/tcp/$lan_host/80" 2>&1)" "Connection refused" "outside: refused"
like "$(by_hand bash -c "exec 3<>/dev/tcp/127.0.0.1/8080" 2>&1)" "Connection refused" "its own machine, too"
"$netshim" lift jail 1m >/dev/null 2>&1
like "$(by_hand bash -c "exec 3<>/dev/tcp/$lan_host/80" 2>&1)" "Connection refused" "lift does not open that"
"$netshim" lift jail off >/dev/null 2>&1
like "$(bash -c "exec 3<>/dev/tcp/$lan_host/80; LD_PRELOAD=$preload exec env $scratch/jailed -c 'echo GET / >&3 && read -t 2 -r -u 3 line; echo \$line'" 2>&1)" \
	"^$|reset by peer$" "a socket that it brings along sends nothing"

# --- programs that make namespaces of their own

# shellcheck disable=SC2016 # expanded by those shells
where='echo "$(sed -n "s/.*net_cls[^:]*://p" /proc/self/cgroup) $(readlink /proc/self/ns/net)"'
jail="$group/jail/locked net:[$(inode /run/netns/jail)]"
bubble=("$scratch/bwrap" --ro-bind / / --proc /proc --dev /dev)
is "$(shim "${bubble[@]}" bash -c "$where")" "$jail" "bubblewrap starts in it, and what it starts"
is "$(shim "${bubble[@]}" --unshare-user --unshare-pid --unshare-ipc bash -c "$where")" "$jail" "with other namespaces"
like "$(shim "${bubble[@]}" --unshare-net bash -c "$where")" "^$group/jail/locked net:" "and with a network namespace of its own, in the class"
is "$(shim "$scratch/jailed" -c "unshare -rn bash -c '$where'" | sed 's/ .*//')" "$group/jail/locked" "unshare -rn"
like "$(shim "$scratch/jailed" -c "nsenter --net=/proc/$$/ns/net true" 2>&1)" "Permission denied|Operation not permitted" "nobody comes out by nsenter"
# As a service manager: root, without the library, starts it as a user in a session of its own.
is "$(env -i LD_PRELOAD="$preload" setsid --wait launcher-static execve "$(command -v setpriv)" --reuid 65534 --regid 65534 --clear-groups \
	--no-new-privs=0 "$scratch/jailed" -c "$where" 2>/dev/null || env -i LD_PRELOAD="$preload" setsid --wait setpriv --reuid 65534 --regid 65534 \
	--clear-groups "$scratch/jailed" -c "$where")" "$jail" "as a service manager starts it"
is "$(setsid --wait "$netshim" run jail setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs bash -c "$where")" "$jail" "a service without new privileges, by netshim run"

# --- what the command says

is "$(shim "$netshim" which "$scratch/jailed" "$scratch/private")" "$scratch/jailed: class jail, by rule '$scratch/jailed' at $config:5
$scratch/jailed: in network namespace jail
$scratch/private: class private, by rule '$scratch/private' at $config:8
$scratch/private: in an empty network namespace of its own" "which: where it would be started"
mkfifo -m 666 "$scratch/wait" "$scratch/do"
# shellcheck disable=SC2016 # expanded by that shell
in_background "${user[@]}" "LD_PRELOAD=$preload" env "$scratch/jailed" -c 'read -r line <>"$0"' "$scratch/wait"
inside=$!
wait_until grep -qx jailed "/proc/$inside/comm"
like "$("$netshim" ps jail)" "$inside +nobody +jail +locked +jailed" "ps shows it"
like "$("$netshim" status)" $'\n'"jail .* netns jail *"$'\n'"other .* netns other *"$'\n'"private .* netns private" "status tells each class's"
is "$("$netshim" status --json | grep -o '"name": "[a-z]*"\|"netns": [^,}]*' | xargs)" \
	"name: jail netns: jail name: other netns: other name: private netns: private name: web netns: null" "in JSON, too"
is "$("$netshim" move jail $$ 2>&1; echo $?)" "netshim: class jail has a network namespace, into which no running process can be put; end it, and start it anew by 'netshim run jail COMMAND'
1" "move into one: refused"
for class in web none; do
	like "$("$netshim" move $class $inside 2>&1; echo $?)" "process '$inside' is in the network namespace of class jail, which no running process leaves.*1$" "move out of one, to $class: refused"
done
is "$(grep -x "$inside" "$tasks/jail/locked/tasks")" "$inside" "and it is where it was"
like "$("$netshim" ruleset jail 2>&1)" "class jail has no rules in a network namespace" "ruleset: inside, there is nothing where the class says nothing"
like "$("$netshim" ruleset)" "chain class_jail \{[^}]*goto refuse" "ruleset: outside, the class is refused"

# --- what ran before

configure <<EOF
class jail { netns = 'jail' }
EOF
# shellcheck disable=SC2016 # expanded by that shell
in_background "${user[@]}" "LD_PRELOAD=$preload" env "$scratch/other" -c 'while read -r line; do eval "$line"; done <>"$0"' "$scratch/do"
running=$!
wait_until grep -qx other "/proc/$running/comm"
cp "$scratch/jails" "$config"
like "$("$netshim" reload 2>&1)" "1 running program .other $running. whose class has a network namespace is not in it: restart it" "reload names what runs outside"
like "$("$netshim" status 2>&1)" "class other has a rule for 1 running program outside of it .other $running.: restart it($|"$'\n'")" "status, too, and does not say that it could be moved"
is "$(grep -x "$running" "$tasks/other/tasks")" "$running" "it is in the class"
mkdir -m 777 "$scratch/answers"
echo "(exec 3<>/dev/tcp/$lan_host/80) 2>/dev/null || echo refused >$scratch/answers/one" >"$scratch/do"
wait_until test -s "$scratch/answers/one"
is "$(<"$scratch/answers/one")" refused "and may send nothing"
echo "$scratch/other -c 'readlink /proc/self/ns/net' >$scratch/answers/two" >"$scratch/do"
wait_until test -s "$scratch/answers/two"
is "$(<"$scratch/answers/two")" "net:[$(inode /run/netns/other)]" "what it starts comes into the namespace"
kill $running

# --- what is in force decides about capabilities, and the way back is whole

configure <<<"class web { }"
is "$(getcap "$netns")" "" "no class with a namespace any more: no capabilities"
is "$(shim "$scratch/jailed" -c 'readlink /proc/self/ns/net')" "net:[$(inode /proc/self/ns/net)]" "its program is started as ever"
is "$(cat "$tasks"/*/locked/tasks | grep -cx "$inside")" 0 "who was in the class is in none"
cp "$scratch/jails" "$config"
mv "$netns" "$netns.gone"
like "$("$netshim" reload 2>&1; echo $?)" "cannot open $netns.*1$" "where netshim-netns is missing, nothing is changed"
like "$("$netshim" status)" $'\n'"web .*"$'\n'".unclassified" "what was in force is"
mv "$netns.gone" "$netns"
"$netshim" reload
is "$(getcap "$netns" | sed 's/.* //')" "cap_net_admin,cap_sys_admin=p" "with it, they are there again"
"$netshim" down
is "$(getcap "$netns")" "" "down takes them away"
is "$(ip netns | sed 's/ .*//' | sort | xargs)" "jail other" "the namespaces are as they were"

finish
