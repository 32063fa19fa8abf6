#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Services of many kinds in classes by rules for their units, through two boots: each sends
# its first packet as its first act, which the class refuses, and is in all else as without
# netshim: arguments, environment, descriptors, user, capabilities, filters, main process.
# Units that come and change, what runs already, and what cannot be in its class.
export NETSHIM_IN_WORLD=1 # this machine's own: there is nothing on it to lose
. "$(dirname "$0")/../lib.sh"
trap 'rm -rf "$scratch"' EXIT # what is in force stays
cd "$tests/.." || exit 1
netshim=/usr/local/bin/netshim
units=/etc/systemd/system
generated=/run/systemd/generator
boots=/var/tmp/boots-units
echo boot >>$boots

in_class() { sed -n 's,^[0-9]*:net_cls:\(.*\),\1,p' "/proc/$1/cgroup"; }
main() { systemctl show -P MainPID "$1"; }
restart() { # restart UNIT: until its program has sent
	sysd restart "$1"
	for ((i = 0; i < 100; i++)); do
		! journalctl -q -b --no-pager "_PID=$(main "$1")" | grep -q 'first packet' || break
		sleep 0.3
	done
}
sysd() { systemctl "$@" 2>&1; }

# --- the services

services() {
	# Sends, then tells all that it has been given, half of it to each output.
	cat >/usr/local/bin/tell <<'END'
#!/usr/bin/python3 -IS
import socket, sys
port = int(open('/var/lib/tell-port').read())
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    s.sendto(b'x', ('10.0.2.2', port))
    sent = 'sent'
except OSError as error:
    sent = 'refused'
s.close()
import fcntl, os, time
out = []
def line(*words):
    out.append(' '.join(str(w) for w in words))
for fd in range(10):
    try:
        line('fd', fd, os.readlink(f'/proc/self/fd/{fd}'), oct(fcntl.fcntl(fd, fcntl.F_GETFL)), fcntl.fcntl(fd, fcntl.F_GETFD))
    except OSError:
        pass
line('same', os.stat(1) == os.stat(2))
line('arguments', open('/proc/self/cmdline').read().split('\0')[3:])
for one in open('/proc/self/environ').read().split('\0'):
    line('environment', one)
for one in open('/proc/self/status'):
    if one.split(':')[0] in ('Umask', 'Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp',
                             'SigIgn', 'SigCgt', 'SigBlk', 'Name'):
        line(one.strip())
line('limits', open('/proc/self/limits').read().split())
line('oom', open('/proc/self/oom_score_adj').read().strip(), 'nice', os.nice(0), 'cwd', os.getcwd(), 'session', os.getsid(0) == os.getpid())
for at, one in enumerate(out):
    print(one, file=sys.stderr if at % 2 else sys.stdout)
print('first packet', sent, file=sys.stderr if os.environ.get('LATE') else sys.stdout)
sys.stdout.flush()
if 'NOTIFY_SOCKET' in os.environ:
    n = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    n.sendto(b'READY=1\nSTATUS=told', os.environ['NOTIFY_SOCKET'].replace('@', '\0', 1))
if '--end' not in sys.argv:
    time.sleep(900)
END
	chmod 755 /usr/local/bin/tell
	service plain <<<"ExecStart=/usr/local/bin/tell"
	service sandbox <<'END'
User=bob
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectControlGroups=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_UNIX
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE
UMask=0027
Nice=3
OOMScoreAdjust=100
LimitNOFILE=500
WorkingDirectory=/var
StateDirectory=sandbox
LoadCredential=word:/etc/hostname
ExecStart=/usr/local/bin/tell a
END
	service dynamic <<'END'
DynamicUser=yes
SystemCallFilter=~@mount @reboot @raw-io
PrivateUsers=yes
RestrictNamespaces=yes
MemoryDenyWriteExecute=yes
LockPersonality=yes
NoExecPaths=/
ExecPaths=/usr/local/bin/tell /usr/bin /usr/lib /lib /lib64
ExecStart=/usr/local/bin/tell
END
	service hidden <<'END'
TemporaryFileSystem=/run /srv
BindReadOnlyPaths=/run/systemd/journal
InaccessiblePaths=-/opt
ExecStart=/usr/local/bin/tell
END
	service notify <<'END'
Type=notify
User=bob
ExecStart=/usr/local/bin/tell
END
	service forking <<'END'
Type=forking
PIDFile=/run/forking.pid
ExecStart=/bin/sh -c '/usr/local/bin/tell & echo $$! >/run/forking.pid'
END
	service inst@ <<'END'
Environment="TWO=1 2" DOLLAR=$
ExecStart=@/usr/local/bin/tell "a name" %i $TWO "${TWO}" $$ '%%' "in \"side\""
END
	service act <<<$'User=bob\nExecStart=/usr/local/bin/tell'
	printf '%s\n' '[Socket]' 'ListenStream=127.0.0.1:7001' 'FileDescriptorName=one' 'Service=act.service' >$units/act.socket
	printf '%s\n' '[Socket]' 'ListenDatagram=127.0.0.1:7002' 'FileDescriptorName=two' 'Service=act.service' >$units/act2.socket
	service conn@ <<<$'StandardInput=socket\nStandardError=journal\nEnvironment=LATE=1\nExecStart=-/usr/local/bin/tell --end'
	printf '%s\n' '[Socket]' 'ListenStream=127.0.0.1:7003' 'Accept=yes' >$units/conn.socket
	service quiet <<<$'StandardOutput=null\nStandardError=journal\nEnvironment=LATE=1\nExecStart=/usr/local/bin/tell'
	service many <<'END'
Type=oneshot
RemainAfterExit=yes
User=bob
ExecCondition=/usr/local/bin/tell --end condition
ExecStartPre=-+/usr/local/bin/tell --end pre
ExecStart=/usr/local/bin/tell --end 1 ; /usr/local/bin/tell --end 2
ExecStart=:-/usr/local/bin/tell --end $3
ExecStartPost=!/usr/local/bin/tell --end post
ExecReload=/usr/local/bin/tell --end reload $MAINPID
ExecStop=/usr/local/bin/tell --end stop
ExecStopPost=/usr/local/bin/tell --end stoppost
END
	systemctl daemon-reload
}
service() { # service NAME <<EOF: what is in its section Service
	{ echo '[Service]' && cat; } >"$units/$1.service"
}
all='plain sandbox dynamic hidden notify forking inst@one act quiet many'

# What each has told until it is stopped, without what differs between two starts.
told() { # told UNIT PROCESS-AFTER...
	journalctl -q -b -u "$1" --since "$since" -o short-unix --no-pager | grep -v ' systemd\[1\]: ' | grep -v '^-- ' |
		sed -E 's/^[0-9.]+ [^ ]+ //; s/\[[0-9]+\]//g; s/[0-9a-f]{32}/ID/g; s/(EXEC_PID|LISTEN_PID|MAINPID)=[0-9]+/\1=N/; s/JOURNAL_STREAM=.*/JOURNAL_STREAM/; s/(socket|pipe):/\1/; s/127.0.0.1:[0-9]+.service/N/; s/(REMOTE_PORT)=.*/\1/; s/two:one/one:two/'
}
start_all() { # start_all FOLDER PORT
	local one
	mkdir -p "$1"
	echo "$2" >/var/lib/tell-port
	since=$(date +%s.%N | sed 's/^/@/')
	for one in $all; do
		[ "$one" != act ] || systemctl start act.socket act2.socket
		sysd start "$one.service" >"$1/$one.start"
		[ "$one" != act ] || systemctl stop act.socket act2.socket 2>/dev/null
	done
	systemctl start conn.socket
	python3 -c 'import socket; s = socket.create_connection(("127.0.0.1", 7003), 60); print("".join(iter(lambda: s.recv(65536).decode(), "")))' |
		sed -E 's/[0-9a-f]{32}/ID/g; s/EXEC_PID=.*//; s/JOURNAL_STREAM=.*//; s/REMOTE_PORT=.*//; s/socket:.*/socket/; s/conn@.*service/N/' >"$1/conn"
	systemctl reload many
	sleep 15
}
stop_all() { # stop_all FOLDER
	local one
	for one in $all; do
		{ [ -n "$(main "$one")" ] && in_class "$(main "$one")"; } >"$1/$one.class" 2>/dev/null
		echo "$(main "$one") $(cat /run/forking.pid) $(systemctl is-active "$one")" >"$1/$one.main"
		systemctl stop "$one"
	done
	systemctl stop conn.socket
	journalctl --sync
	for one in $all; do
		# What two outputs tell may come in another order.
		told "$one" >"$1/$one.all"
		sort "$1/$one.all" >"$1/$one.told"
	done
	told 'conn@*' | sort >"$1/conn.told"
}

rules() { # rules CLASS
	echo "class cut { action = reject  allow = { 'loopback' } }"
	for one in $all conn@; do echo "unit '${one/@one/@}.service' { class = $1 }"; done
}

first_boot() {
	make -s install >"$scratch/install" 2>&1
	is $? 0 "make install"
	systemctl --version | sed 's/^/# /; q' >&2
	services
	start_all "$scratch/before" 9981
	stop_all "$scratch/before"

	# --- with rules

	rules cut >/etc/netshim.conf
	is "$("$netshim" check 2>&1)" "/etc/netshim.conf: ok, 1 class, 11 rules" "check has nothing against any of them"
	systemctl start netshim
	is "$? $(systemctl is-active netshim)" "0 active" "netshim.service"
	is "$(find $generated -name '~netshim.conf' | wc -l)" 11 "systemd has run the generator: a drop-in for each"
	start_all "$scratch/with" 9982
	stop_all "$scratch/with"
	for one in $all; do
		like "$(cat "$scratch/before/$one.told")" "first packet sent" "$one without a rule: its first packet was sent"
		is "$(sed 's/first packet refused/first packet sent/' "$scratch/with/$one.told" | sort)" "$(cat "$scratch/before/$one.told")" \
			"$one: in its class, all is as without netshim"
		is "$(grep -c 'first packet sent' "$scratch/with/$one.told") $(cat "$scratch/with/$one.start")" "0 " "and its first packet was refused"
		[ "$one" = many ] || is "$(cat "$scratch/with/$one.class")" /netshim/cut "its main process is in the class"
		is "$(sed 's/^[1-9][0-9]*/N/; s/ [0-9]* / /' "$scratch/with/$one.main")" "$(sed 's/^[1-9][0-9]*/N/; s/ [0-9]* / /' "$scratch/before/$one.main")" \
			"and known to systemd"
	done
	is "$(awk '{ print $1 == $2 }' "$scratch/with/forking.main")" 1 "a forking one's is that of its PID file"
	is "$(grep -c 'first packet refused' "$scratch/with/many.told")" 9 "all that a unit executes is in the class"
	like "$(cat "$scratch/with/act.told")" "LISTEN_FDNAMES=one:two|LISTEN_FDNAMES=two:one" "sockets are passed on"
	is "$(cat "$scratch/with/conn")" "$(cat "$scratch/before/conn")" "a server of one connection writes into that"
	is "$(sed 's/packet refused/packet sent/' "$scratch/with/conn.told")" "$(cat "$scratch/before/conn.told")" "and its errors into the journal"
	like "$(cat "$scratch/with/conn.told")" "first packet refused" "its first packet was refused"
	is "$(systemctl --failed --plain --no-legend)" "" "no unit has failed"
	is "$(journalctl -q -b -p warning --since "$since" --no-pager -t systemd -t netshim -t netshim-unit | grep -v 'Kernel is deprecated')" "" "no warning is in the journal"
	for one in $all; do
		is "$(systemd-analyze --man=no verify "$one.service" 2>&1 | grep "$one")" "" "systemd-analyze verify $one.service"
		is "$(systemctl show -P NeedDaemonReload "$one")" no "and systemd has read all of it"
	done
	like "$(systemctl cat plain)" "StandardError=append:/run/netshim/net_cls/netshim/cut/tasks" "systemctl cat shows the drop-in"

	# --- what comes and changes

	echo 9983 >/var/lib/tell-port
	service later <<<"ExecStart=/usr/local/bin/tell first"
	sed -i '/plain/d' /etc/netshim.conf
	echo "unit 'later.service' { class = cut }" >>/etc/netshim.conf
	mv $units/later.service /var/tmp/
	like "$("$netshim" reload 2>&1)" "12: there is no unit 'later.service'" "a rule for a unit that there is not yet"
	[ -e "$generated/plain.service.d" ]
	is $? 1 "and the one whose rule has gone has no drop-in"
	mv /var/tmp/later.service $units/
	systemctl daemon-reload
	restart later
	is "$(in_class "$(main later)")" /netshim/cut "when it comes, it is in its class"
	service later <<<"ExecStart=/usr/local/bin/tell second"
	systemctl daemon-reload
	restart later
	is "$(in_class "$(main later)") $(tr '\0' ' ' <"/proc/$(main later)/cmdline" | grep -o second)" "/netshim/cut second" "when it changes, what it starts does"
	mkdir -p $units/later.service.d
	printf '[Service]\nExecStart=\nExecStart=/usr/local/bin/tell third\n' >$units/later.service.d/zz.conf
	systemctl daemon-reload
	restart later
	is "$(in_class "$(main later)") $(tr '\0' ' ' <"/proc/$(main later)/cmdline" | grep -o third)" "/netshim/cut third" "and by a drop-in of the administrator's"
	mkdir -p /run/systemd/system.control/later.service.d
	printf '[Service]\nStandardError=journal\n' >$'/run/systemd/system.control/later.service.d/\x7f.conf'
	systemctl daemon-reload
	like "$(sysd restart later; sleep 5; journalctl -q -b -u later --no-pager | tail -n 9)" "here is no class to enter" "one that comes after netshim's: it is not started, and the journal says so"
	rm -r /run/systemd/system.control/later.service.d
	printf '[Service]\nRootDirectory=/srv\n' >$units/later.service.d/zz.conf
	systemctl daemon-reload
	like "$(sysd restart later; sysd status later)" "Assertion failed.*cannot be started in class cut: it has RootDirectory=.*was not met" "one that cannot be in its class is not started"
	rm -r $units/later.service.d
	systemctl daemon-reload
	restart later
	systemctl reset-failed
	umount /run/netshim/net_cls
	like "$(sysd restart later; sleep 5; journalctl -q -b -u later --no-pager | tail -n 9)" "later.service: Failed to set up standard error output: No such file or directory" "where the classes are gone, it is not started, and the journal says why"
	"$netshim" reload
	systemctl reset-failed

	# --- what runs

	restart later
	"$netshim" down
	is "$(in_class "$(main later)") $(find /run/systemd/generator* /run/systemd/system -name '*netshim*' | wc -l) $(find /run/netshim 2>&1 | wc -l)" "/ 0 1" "down lets it out, and leaves no drop-in"
	was=$(main later)
	"$netshim" up >"$scratch/up"
	is "$(main later) $(in_class "$(main later)")" "$was /netshim/cut" "up moves what runs, as it is"
	like "$(cat "$scratch/up") $("$netshim" ps)" "moved [1-9].*into class cut.*later|tell" "and says so"
	"$netshim" down
	echo 9984 >/var/lib/tell-port
	restart later
	sleep 5
	is "$(in_class "$(main later)")" / "restarted while netshim is down, it is in no class"
	systemctl stop later

	# --- the next boot

	service boot <<<$'User=bob\nExecStart=/usr/local/bin/tell\n[Install]\nWantedBy=multi-user.target'
	printf "class cut { action = reject  allow = { 'loopback' } }\nunit 'boot.service' { class = cut }\n" >/etc/netshim.conf
	echo 9985 >/var/lib/tell-port
	systemctl -q enable netshim boot
	echo tests/machines/units.t >/var/tmp/again
	finish
	exit
}

second_boot() {
	ok $(($(on_wire 9981) < 12)) "$(on_wire 9981) datagrams of services without a rule were on the wire in the last boot"
	is "$(on_wire 9982) $(on_wire 9983)" "0 0" "and none of those with one"
	is "$(on_wire 9984)" 1 "but the one while netshim was down"
	is "$(systemctl is-active netshim boot | xargs)" "active active" "both are up after a boot"
	is "$(in_class "$(main boot)")" /netshim/cut "the service is in its class"
	like "$(journalctl -q -b -u boot --no-pager)" "first packet refused" "since its first packet"
	is "$(systemctl --failed --plain --no-legend)" "" "no unit has failed"
	finish
}

case $(wc -l <$boots) in
1) first_boot ;;
2) second_boot ;;
esac
