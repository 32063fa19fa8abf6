#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# While the rules change, programs that are started are in a class of the old rules or of the
# new ones: none is refused, none is in no class. What both rules refuse or let through is, to
# the last packet.
. "$(dirname "$0")/lib.sh"

ip link set lo up
bin=$root/bin
programs=(probe-static probe)
launches=$((1000 / slow))

launch_all() { # launch_all CONFIGURATION...: during reloads with each of them in turn
	local program pids=() config_file
	reloads=0
	for program in "${programs[@]}"; do
		shim bash -c "for ((i = 0; i < $launches; i++)); do $bin/$program class || echo failed; done" \
			>"$scratch/$program.out" 2>&1 &
		pids+=($!)
	done
	while [ -d "/proc/${pids[0]}" ] || [ -d "/proc/${pids[1]}" ]; do
		for config_file; do
			"$netshim" -c "$config_file" reload || echo "# reload failed" >&2
			reloads=$((reloads + 1))
		done
	done
	wait "${pids[@]}"
}

# the classes stay, the programs' class changes
for class in one two three; do
	{
		echo "class one { } class two { } class three { }"
		for program in "${programs[@]}"; do echo "app '$bin/$program' { class = $class }"; done
	} >"$scratch/$class.conf"
done
configure <"$scratch/one.conf"
launch_all "$scratch/two.conf" "$scratch/three.conf" "$scratch/one.conf"
for program in "${programs[@]}"; do
	is "$(sort "$scratch/$program.out" | uniq -c | grep -v -E " $group/(one|two|three)$")" "" \
		"$launches launches of $program during $reloads reloads: all in a class"
	is "$(wc -l <"$scratch/$program.out")" $launches "and all of them ran"
done

# the classes come and go: what runs in one that goes is in no class then, by design
for class in four five; do
	{
		echo "class $class { }"
		for program in "${programs[@]}"; do echo "app '$bin/$program' { class = $class }"; done
	} >"$scratch/$class.conf"
done
launch_all "$scratch/four.conf" "$scratch/five.conf"
for program in "${programs[@]}"; do
	is "$(sort "$scratch/$program.out" | uniq -c | grep -v -E " ($group/(one|four|five)|/)$")" "" \
		"$launches launches of $program while their class is removed again and again ($reloads reloads): none fails"
	[ "$(grep -c -x / "$scratch/$program.out")" -le $reloads ]
	ok $? "and in no class is only what was in a class just as that went: at most one a reload"
done

# what is refused stays refused and what is let through goes on, packet by packet, whatever is reloaded
make_hosts 80
on_other_host nft 'table inet watch { counter got { }; chain in { type filter hook prerouting priority -300; udp dport 9 counter name got drop; }; }'
got() { on_other_host nft list counter inet watch got | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
configure <<<"class open { } unclassified { action = reject }"
stdbuf -oL nft monitor chains >>"$scratch/heard" 2>/dev/null &
background+=($!)
# shellcheck disable=SC2016 # expanded each time
wait_until eval 'nft "add table ip listens; add chain ip listens c; delete table ip listens"; grep -q listens "$scratch/heard"'
heard() { grep -o "add chain inet $1[a-z]* { type" "$scratch/heard" | sed 's/.* \([a-z_]*\) { type/\1/' | sort; }
left() { nft list chains | grep -c -E "netshim_handover|ahead_"; }
: >"$scratch/heard"
"$netshim" reload
wait_until eval "grep -q 'delete chain inet netshim_handover output' '$scratch/heard'"
is "$(heard 'netshim_handover ' | uniq)" "$(heard 'netshim ')" "chains with hooks are there twice for a moment"
is "$(left)" 0 "and no longer"
wide() { # wide NUMBER: a class with a long text
	echo "class wide-$1 { action = reject allow = {"
	for ((i = 1000; i < 8000; i++)); do echo "'2001:db8:1111:2222:3333:4444:$i:$1',"; done
	echo "'2001:db8::' } }"
}
{ echo "class open { } unclassified { action = reject }" && wide 1; } >"$config"
"$netshim" reload
for kept in "the text that was loaded" "what nft lists"; do
	: >"$scratch/heard"
	"$netshim" reload
	wait_until eval "grep -q 'delete chain inet netshim ahead_output' '$scratch/heard'"
	is "$(heard 'netshim ahead_')" "$(heard 'netshim ' | sed 's/^/ahead_/')" "where that takes long, only those that go, by $kept"
	is "$(left)" 0 "and no longer"
	rm "$root/run/netshim/table"
done
handle() { nft -a list table inet netshim | sed -n '1s/.*# handle //p'; }
batch() { batches "$scratch/calls" | sed -n "$1p"; } # batch NUMBER
fails() { # fails WHEN
	: >"$scratch/heard"
	strace -o "$scratch/calls" -e trace=sendmsg -e inject=sendmsg:error=ENOBUFS:when="$1" "$netshim" reload 2>&1
}
refused() { # refused WHEN WHAT: where nftables does not take the new table
	local old table
	old=$(handle)
	table=$(nft -s list table inet netshim)
	said=$(fails "$1")
	like "$? $said" "^1 .*nftables refuses" "where nftables refuses the new table"
	is "$(handle) $(left) $(nft -s list table inet netshim)" "$old 0 $table" "$2 are taken away again"
}
"$netshim" reload
strace -o "$scratch/calls" -e trace=sendmsg "$netshim" reload
refused "$(batch 2)" "those of a large one"
configure <<<"class open { } unclassified { action = reject }"
"$netshim" reload
strace -o "$scratch/calls" -e trace=sendmsg "$netshim" reload
twice=$(batch 2)
is "$(fails "$twice") $? $(left)" " 0 0" "where nftables does not take it twice, it is loaded once"
once=$(batch 5) # after what takes the second away, and the chains ahead
refused "$twice+$((once - twice))" "those of a second one, and of a large one"
nft flush chain inet netshim output
wait_until grep -q 'add chain inet netshim output' "$scratch/heard"
is "$(grep -c 'add chain inet netshim output' "$scratch/heard")" 1 "and who watches takes that for nothing that was lost"
{ echo "class open { } unclassified { action = reject }" && wide 1; } >"$scratch/wide.conf"
for next in reload "-c $scratch/wide.conf reload" down; do
	"$netshim" -c "$config" reload
	end_watching
	reload_killed
	like "$(left)" "^[1-9]" "killed in the last moment, a reload leaves the second one"
	# shellcheck disable=SC2086 # words
	"$netshim" $next
	is "$(left)" 0 "which ${next##* } takes away"
done
"$netshim" up
: >"$scratch/heard"
reload_killed
wait_until grep -q 'delete chain inet netshim_handover output' "$scratch/heard"
is "$(left)" 0 "as does who watches"
mkdir -m 777 "$scratch/open"
cat >"$scratch/server.py" <<EOP
import socket
server = socket.create_server(("$lan_host", 7))
print("listens", flush=True)
connection = server.accept()[0]
while connection.recv(1 << 16): pass
EOP
cat >"$scratch/sender.py" <<EOP
import os, socket, sys
name, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if port == 7 else socket.SOCK_DGRAM)
s.connect(("$lan_host", port))
refused = sent = 0
open("$scratch/open/" + name, "w").close()
while not os.path.exists("$scratch/open/end"):
    for _ in range(100):
        try:
            s.send(bytes(1000))
            sent += 1
        except OSError as error:
            if port == 7: sys.exit(str(error))
            refused += not isinstance(error, ConnectionRefusedError) # nobody listens, of one before this
print(refused, sent)
EOP
on_other_host python3 "$scratch/server.py" >"$scratch/server.out" &
background+=($!)
wait_until test -s "$scratch/server.out"
python=$(readlink -f "$(command -v python3)")
for number in 1 2; do
	cat >"$scratch/$number.conf" <<-EOF
		unclassified { action = reject }
		class refused { action = reject }
		class open { }
		class number-$number { }
		app '$scratch/refused' { class = refused }
		app '$scratch/open-class' { class = open }
	EOF
	{ cat "$scratch/$number.conf" && wide $number; } >"$scratch/wide-$number.conf"
done
cp "$python" "$scratch/refused"
cp "$python" "$scratch/open-class"
cp "$python" "$scratch/python"
configure <"$scratch/1.conf"
declare -A sender
send() { # send PROGRAM NAME PORT
	shim "$scratch/$1" "$scratch/sender.py" "$2" "$3" >"$scratch/$2.out" 2>&1 &
	sender[$2]=$!
	wait_until test -e "$scratch/open/$2"
}
send refused first 9
send refused second 9
send open-class datagrams 8
send open-class stream 7
# As packets are held up where an interrupt comes, or the host takes the processor away, by another's
# rules that come before: each takes longer than a small table.
{
	echo "table inet slow { chain first { type filter hook output priority -400; udp dport != 9 accept;"
	for ((i = 0; i < 50000 / slow; i++)); do echo "udp sport 1"; done
	echo "}; }"
} >"$scratch/slow.nft"
reload_all() { # reload_all TIMES CONFIGURATION...: what fails, and the packets that got out
	local i before failed=0
	before=$(got)
	for ((i = 0; i < $1; i++)); do
		"$netshim" -c "${@:2 + i % ($# - 1):1}" reload || failed=$((failed + 1))
	done
	echo "$failed $(($(got) - before))"
}
times=$((100 / (1 + slow / 5)))
is "$(reload_all $times "$scratch"/{1,2}.conf)" "0 0" "$times reloads: of what two programs that are refused send all the time, nothing gets out"
wide=$((5 / (1 + slow / 5) + 1))
is "$(reload_all $wide "$scratch"/wide-{1,2}.conf)" "0 0" "nor in $wide of a large configuration"
nft -f "$scratch/slow.nft"
is "$(reload_all $((times / 4)) "$scratch"/{1,2}.conf)" "0 0" "nor where packets are held up on their way"
touch "$scratch/open/end"
wait "${sender[@]}"
is "$(cut -d ' ' -f 2 "$scratch/first.out" "$scratch/second.out" | xargs)" "0 0" "not even where nobody counted it"
is "$(cut -d ' ' -f 1 "$scratch/datagrams.out")" 0 "no datagram of a class that is let through is refused"
like "$(cat "$scratch/stream.out")" "^0 [0-9]+$" "and no connection of it breaks"

# what one chain has noted for another goes over, too
for number in 1 2; do
	echo "unclassified { action = reject allow = { link } } class number-$number { }" >"$scratch/$number.conf"
done
"$netshim" -c "$scratch/1.conf" reload
rm "$scratch/open/end"
nft delete table inet slow
sed 's/-400/-200/' "$scratch/slow.nft" | nft -f -
send python neighbour 9
reload_all $((times / 4)) "$scratch"/{1,2}.conf >"$scratch/said"
touch "$scratch/open/end"
wait "${sender[neighbour]}"
is "$(cut -d ' ' -f 1 "$scratch/said" "$scratch/neighbour.out" | xargs)" "0 0" "no datagram to a neighbour is refused"

finish
