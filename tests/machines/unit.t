#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The unit of the Debian package, through two boots: rules are in force before the first
# interface is up, until the machine stops, and while nftables.service flushes the ruleset,
# by the packets that the neighbour gets; also if the configuration has a mistake by then.
# What is flushed by hand comes back.
export NETSHIM_IN_WORLD=1 # this machine's own: there is nothing on it to lose
. "$(dirname "$0")/../lib.sh"
trap 'rm -rf "$scratch"' EXIT # what is in force stays
cd "$tests/.." || exit 1
netshim=/usr/bin/netshim
boots=/var/tmp/boots
echo boot >>$boots

again() { # goes on after the next boot
	echo tests/machines/unit.t >/var/tmp/again
	finish
	exit
}

since_boot() { # since_boot UNIT: when it has become active
	systemctl show -P ActiveEnterTimestampMonotonic "$1"
}
before() { # before UNIT UNIT
	ok $(($(since_boot "$1") == 0 || $(since_boot "$1") > $(since_boot "$2"))) "$1 is up before $2"
}

# --- the first boot: installed; two users send from the next boot's beginning on

talker() { # talker USER PORT: a unit that sends from before the first interface is up until the machine stops
	cat >"/etc/systemd/system/talk-$1.service" <<END
[Unit]
DefaultDependencies=no
After=local-fs.target
Before=network-pre.target
[Service]
User=$1
ExecStart=/usr/local/bin/talk $2
[Install]
WantedBy=sysinit.target
END
	systemctl -q enable "talk-$1"
}

first_boot() {
	apt-get -q -y install ./build/deb/{lib,}netshim_*_"$(dpkg --print-architecture)".deb >"$scratch/apt" 2>&1
	is $? 0 "the package is installed"
	is "$(systemctl is-active netshim; systemctl is-enabled netshim)" $'active\nenabled' "its unit is up, and will be at boot"
	is "$(systemd-analyze --man=no verify netshim.service 2>&1)" "" "systemd-analyze verify has nothing to say"
	systemd-analyze --no-pager security netshim.service | tail -n 1 | sed 's/^/# /' >&2
	is "$(systemctl show -P NeedDaemonReload nftables run-netshim-net_cls.mount | xargs)" "no no" "and has read the drop-ins"

	"$netshim" down
	like "$(systemd-run -q --pipe --wait -p PrivateTmp=yes "$netshim" up 2>&1; echo $?)" "mounted for nobody else.*1$" "a unit with PrivateTmp=: up fails"
	cat >/usr/local/bin/talk <<'END'
#!/usr/bin/python3
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try:
        s.sendto(b'x', ('10.0.2.2', int(sys.argv[1])))
    except OSError:
        pass
    time.sleep(.02)
END
	chmod 755 /usr/local/bin/talk
	cat >/etc/netshim.conf <<'END'
class cut { action = reject }
unclassified { action = reject  allow = { 'loopback' }  except-users = { 'root', 'systemd-network' } }
END
	systemctl restart netshim
	is "$? $(systemctl is-active netshim)" "0 active" "systemctl restart"
	talker root 9998
	talker bob 9999

	# what goes by way of nftables.service
	systemctl -q enable --now nftables
	setpriv --reuid root "$netshim" run cut /usr/local/bin/talk 9997 &
	/usr/local/bin/talk 9996 &
	for ((i = 0; i < 5; i++)); do
		systemctl reload nftables
		systemctl restart nftables
	done
	is "$(nft list tables | xargs)" "table inet filter table inet netshim" "nftables.service has loaded its own file"
	like "$(nft list counter inet netshim out_cut)" "packets [1-9]" "netshim's table is as it was, with its counts"
	systemctl stop nftables
	is "$(nft list tables)" "table inet netshim" "stopped, it leaves that alone"
	kill %1 %2
	systemctl start nftables
	systemctl stop run-netshim-net_cls.mount 2>"$scratch/stop"
	like "$? $(cat "$scratch/stop") $("$netshim" status)" "^[1-9].*refused.*cut" "systemctl stop takes no mount away"
	umount /run/netshim/net_cls
	like "$("$netshim" status 2>&1)" "not mounted at /run/netshim/net_cls.*netshim reload" "umount does, and status says so"
	systemctl reload netshim
	is "$? $("$netshim" status >/dev/null 2>&1; echo $?)" "0 0" "systemctl reload mends it"

	# what goes by nobody's service
	setpriv --reuid root "$netshim" run cut /usr/local/bin/talk 9995 &
	sleep 1
	nft flush ruleset
	for ((i = 0; i < 100; i++)); do
		nft list table inet netshim >/dev/null 2>&1 && break
		sleep 0.1
	done
	is "$(nft list tables)" "table inet netshim" "nft flush ruleset by hand: netshim's table comes back"
	like "$("$netshim" status 2>&1) $(journalctl -q -b -t netshim --no-pager)" "'nft' has taken .* nft .process [0-9]+. has taken" "status and the journal say who that was"
	like "$(systemctl status netshim)" "netshim watch" "by a process of the unit"
	before=$(pgrep -ofx "netshim watch")
	touch "$netshim" # as an upgrade by a service, whose processes systemd ends behind it
	systemd-run -q --wait -p Type=oneshot "$netshim" reload
	sleep 1
	like "$(pgrep -ofx "netshim watch" | grep -vx "$before") $(systemctl status netshim)" "^[0-9]+ .*netshim watch" \
		"after a reload of another version by another unit, the process that it leaves is netshim.service's"
	sleep 5
	kill $!
	again
}

# --- the second boot

second_boot() {
	is "$(on_wire 9997)" 0 "of the class without a network, nothing was on the wire while nftables.service came and went"
	ok $(($(on_wire 9996) < 50)) "$(on_wire 9996) datagrams of a program in no class were, meanwhile"
	ok $(($(on_wire 9995) > 50)) "$(on_wire 9995) datagrams of the 300 that the class sent around a flush by hand were on the wire"
	is "$(systemctl is-active netshim nftables | xargs)" "active active" "both are up after a boot"
	before netshim.service nftables.service
	before netshim.service network-pre.target
	before netshim.service systemd-networkd.service
	before netshim.service ssh.service
	before talk-bob.service systemd-networkd.service
	is "$(nft list tables | xargs)" "table inet filter table inet netshim" "so are their tables"
	echo "class wrong { nft = { 'masquerade' } }" >>/etc/netshim.conf # which only a trial in a namespace finds
	again
}

# --- the third, with a mistake in the configuration: what of the second was on the wire,
# from its beginning to its end

third_boot() {
	is "$(on_wire 9999)" 0 "a default deny from the first interface on until the machine stops: nothing was on the wire"
	ok $(($(on_wire 9998) < 50)) "$(on_wire 9998) datagrams of a user that it leaves out were, meanwhile"
	like "$(systemctl is-active netshim) $(journalctl -q -b -u netshim --no-pager)" "^active .*/etc/netshim.conf:3: nft statement 'masquerade': .*what was in force last is in force again" \
		"the mistake is in the journal, and the rules of before are in force"
	like "$("$netshim" status 2>&1)" "cut .*could not be put into force" "status says so"

	# as at a boot
	cat >/etc/netshim.conf <<'END'
at-boot = refuse
class cut { action = reject }
app '/usr/bin/id' { class = cut }
END
	systemctl restart netshim
	echo "class {" >>/etc/netshim.conf
	systemctl stop netshim
	systemctl start netshim 2>"$scratch/start"
	is "$? $(systemctl is-active netshim)" "1 failed" "at-boot = refuse: the unit fails"
	like "$(su bob -c 'LD_PRELOAD=/usr/lib/netshim/libnetshim.so sh -c "id; echo others"' 2>&1)" "not started .class cut.*others" "a program with a rule is not started, and others are"
	finish
}

case $(wc -l <$boots) in
1) first_boot ;;
2) second_boot ;;
3) third_boot ;;
esac
