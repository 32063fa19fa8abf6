#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# netshim top shows at each moment which class and which of its programs send and receive,
# on terminals of any kind and size, and leaves the terminal as it was.
. "$(dirname "$0")/lib.sh"

command -v tmux >/dev/null || cannot_run "needs tmux"
make_hosts 80
cat >"$scratch/sink.py" <<'END'
import socket
listener = socket.create_server(('192.168.77.2', 9000))
print('ready', flush=True)
while True:
    connection = listener.accept()[0]
    while connection.recv(65536):
        pass
END
in_background nsenter --net="/proc/$other_host/ns/net" python3 "$scratch/sink.py" >"$scratch/ready"
wait_until grep -q ready "$scratch/ready"
cp "$(command -v python3)" "$scratch/sender"
configure <<END
class busy { }
class calm { }
app '$scratch/sender' { class = busy }
END
cat >"$scratch/send.py" <<'END'
import socket, time
s = socket.create_connection(('192.168.77.2', 9000))
end = time.time() + 900
while time.time() < end:
    s.sendall(bytes(100000))
    time.sleep(0.1)
END
in_background "${user[@]}" LD_PRELOAD="$preload" env "$scratch/sender" "$scratch/send.py"
sender=$!

# A terminal of its own, where a shell says what it finds when top has ended.
screen() { tmux -u -S "$scratch/tmux.$terminal" -f /dev/null "$@"; }
terminal=none
trap 'screen kill-server 2>/dev/null; clean_up' EXIT
begin() { # begin TERM COLUMNS LINES
	terminal=$1
	screen new-session -d -x "$2" -y "$3" "LC_ALL=C.UTF-8 TERM=$1 sh -c 'trap : INT; stty -a >$scratch/before; $netshim top; echo ended \$?; stty -a >$scratch/after; sleep 900'"
}
shows() { screen capture-pane -p 2>/dev/null | grep -qE "$1"; }
sum() { screen capture-pane -p | sed -n "s/^ *$1 .*/&/p" | head -n 1; }

begin screen 80 24
wait_until shows "^busy +([4-9][0-9][0-9]K|[01]\.[0-9]M) .*[#*+]"
ok $? "some hundred kilobytes a second"
program_is_known() { [ "$(screen capture-pane -p | sed -n '3,4p' | sed -E 's/ +/ /g; s/ [0-9.]+[KM] .*/ AMOUNT/' | paste -sd,)" = "busy AMOUNT, sender AMOUNT" ]; }
wait_until program_is_known
ok $? "the class that sends most is at the top, its program beneath it"
until_like "^ *calm +0 +0$" "another class sends nothing" sum calm
is "$(screen capture-pane -p | awk 'length > 80')" "" "it fits into 80 columns"
screen send-keys n
wait_until eval "[ \"\$(screen capture-pane -p | sed -n '3,9p' | grep -o '^[(a-z][^ ]*' | paste -sd ' ')\" = '(unclassified) busy calm' ]"
ok 0 "sorted by name"
screen resize-window -x 50 -y 6
wait_until eval "[ \"\$(screen display-message -p '#{pane_width}x#{pane_height}')\" = 50x6 ]"
wait_until shows "^CLASS .*OUT/s"
wait_until shows "^busy"
ok 0 "a smaller window"
screen send-keys q
wait_until shows "^ended 0"
wait_until test -s "$scratch/after"
is "$(sed 's/rows [0-9]*; columns [0-9]*//' "$scratch/after")" "$(sed 's/rows [0-9]*; columns [0-9]*//' "$scratch/before")" \
	"q ends it, and the terminal is as it was"
screen kill-server
rm -f "$scratch/after"

kill "$sender"

# --- names

begin xterm 80 24
cp "$scratch/sender" "$scratch/größer"
in_background "${user[@]}" "$netshim" run busy "$scratch/größer" "$scratch/send.py"
wait_until shows "^  größer {20} +[4-9][0-9][0-9]K "
ok $? "a name of others than English letters, with its amounts beneath those of others"
kill $!
screen kill-server

# --- UDP, and network namespaces

mkdir -p /run/netns
mount -t tmpfs -o mode=755 none /run/netns
cp "$scratch/sender" "$scratch/datagrams"
cat >>"$config" <<END
class jail  { netns = 'jail'  address = '10.97.10.2/24' }
class jail2 { netns = 'jail2'  address = '10.97.20.2/24'  deny = { 'tcp/1' } }
class going { }
class changing { }
app '$scratch/datagrams' { class = calm }
END
"$netshim" reload
cat >"$scratch/datagrams.py" <<'END'
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 7777))
end = time.time() + 900
while time.time() < end:
    for i in range(20):
        s.sendto(bytes(1000), ('192.168.77.2', 9))
    time.sleep(0.1)
END
sysctl -qw net.netfilter.nf_conntrack_acct=0
in_background "${user[@]}" LD_PRELOAD="$preload" env "$scratch/datagrams" "$scratch/datagrams.py"
in_background "${user[@]}" "$netshim" run jail "$scratch/sender" "$scratch/send.py"
in_background "${user[@]}" "$netshim" run jail2 "$scratch/datagrams" "$scratch/datagrams.py"
begin screen 80 24
wait_until shows "^calm +[12][0-9][0-9]K "
wait_until shows "^jail +([4-9][0-9][0-9]K|[01].[0-9]M) "
ok 0 "datagrams, and what is sent in a network namespace, are counted for the class"
wait_until eval "screen capture-pane -p | grep -A 1 '^jail ' | grep -qE '^  sender +([4-9][0-9][0-9]K|[01].[0-9]M) '"
ok 0 "the program in the namespace is named"
is "$(screen capture-pane -p | grep -c '^  datagrams')" 0 "of UDP, none is, where conntrack does not count"
sysctl -qw net.netfilter.nf_conntrack_acct=1
nsenter --net=/run/netns/jail2 sysctl -qw net.netfilter.nf_conntrack_acct=1
# Only connections that begin from then on are counted.
sed -i 's/7777/7778/' "$scratch/datagrams.py"
in_background "${user[@]}" LD_PRELOAD="$preload" env "$scratch/datagrams" "$scratch/datagrams.py"
in_background "${user[@]}" "$netshim" run jail2 "$scratch/datagrams" "$scratch/datagrams.py"
for class in calm jail2; do
	wait_until eval "screen capture-pane -p | grep -A 1 '^$class ' | grep -qE '^  datagrams +[12][0-9][0-9]K '"
done
ok 0 "where it does, each program is, though one in a namespace has the same ports"
sed -i "/^class going/d; s/^class changing .*/class changing { classid = '77:77' }/" "$config"
shows "^going " && "$netshim" reload
wait_until eval '! shows "^going "'
is "$(screen capture-pane -p | grep -c '^changing ')" 1 "a class that a reload has taken away is gone, and one with a new classid is there once"
screen kill-server

# --- terminals

begin vt100 80 24
wait_until shows "^jail .*[0-9][KM] "
ok 0 "a vt100"
screen send-keys C-c
wait_until shows "^ended 0"
ok 0 "^C ends it"
screen kill-server
begin dumb 80 24
wait_until shows "^ended 1"
like "$(screen capture-pane -p -J)" "a terminal 'dumb' cannot be drawn on; 'netshim status' shows the sums" "a dumb terminal: it says what else there is"
screen kill-server
like "$("$netshim" top 2>&1 </dev/null; echo $?)" "this is no terminal.*1$" "no terminal"
is "$(python3 -c '
import os, pty, subprocess, sys
terminal, end = pty.openpty() # not its controlling one, which SIGHUP would be of
top = subprocess.Popen(sys.argv[1:], stdin=end, stdout=end, env={"TERM": "xterm"})
os.close(end)
os.read(terminal, 1)
os.close(terminal)
try: top.wait(20)
except subprocess.TimeoutExpired: top.kill()
print(top.returncode)' "$netshim" top)" 0 "a terminal that goes away, without a signal: it ends"

finish
