#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The Debian packages with everything enabled, through two boots: with the library in every
# program from the first process on, the machine is as content as ever; and the packages are
# purged from a session that runs with it, without a word in any session. A boot later,
# nothing is left.
export NETSHIM_IN_WORLD=1 # this machine's own: there is nothing on it to lose
. "$(dirname "$0")/../lib.sh"
trap 'rm -rf "$scratch"' EXIT # what is in force stays
cd "$tests/.." || exit 1
netshim=/usr/bin/netshim
native=$(dpkg --print-architecture)
other=i386
[ "$native" != arm64 ] || other=armhf
ruled=/usr/local/bin/ruled
boots=/var/tmp/boots-enabled
kept=/var/tmp/before-enable
echo boot >>$boots

again() { # goes on after the next boot
	echo tests/machines/enable.t >/var/tmp/again
	finish
	exit
}

# What there is, and what could be of netshim's making.
state() {
	find / -xdev \( -path "$root" -o -path /root -o -path '/var/tmp/*' -o -path '/var/cache/*' -o -path '/var/lib/dpkg/*' -o -path '/var/log/*' \
		-o -path '/tmp/*' \) -prune -o -name '*netshim*' -print | sort
	find /run -xdev -name '*netshim*'
	find /home /etc/environment /etc/ld.so.preload /etc/sudoers* /etc/profile* /etc/bash* /etc/zsh /etc/fish /etc/csh* /etc/pam.d /etc/tmpfiles.d \
		-type f -exec cksum {} + 2>/dev/null | grep -v history | sort
	getent passwd
	getent group
	findmnt -rno TARGET | grep -v -e ^/run/user -e ^/proc | sort
	nft list ruleset
	ip rule
	systemctl list-unit-files --no-legend | grep -v ' transient ' | sort
	systemctl list-units --failed --plain --no-legend
	dpkg-divert --list
	dpkg-query -W
}
complaints() { grep 'cannot be preloaded'; }
log_of_loader() { journalctl -q -b --no-pager | complaints; }
in_ssh() { ssh -q -i "$scratch/key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "$1@127.0.0.1" "${@:2}"; }
make_key() {
	ssh-keygen -q -t ed25519 -N '' -f "$scratch/key"
	for user in ada bob; do cat "$scratch/key.pub" >>"/home/$user/.ssh/authorized_keys"; done
}
has_library() { grep -c /usr/lib/netshim/ "/proc/$1/maps" | sed 's/^[1-9][0-9]*$/yes/; s/^0$/no/'; }

# --- the first boot: installed and enabled

if [ "$(wc -l <$boots)" -eq 1 ]; then
	grep -q "$(hostname)" /etc/hosts || echo "127.0.1.1 $(hostname)" >>/etc/hosts # sudo asks for it
	install -m 755 "$root/bin/probe" $ruled
	state >$kept
	# There are 32-bit programs on the machine: they have to have the library, too.
	dpkg --add-architecture $other
	dpkg -i build/deb/libnetshim_*.deb build/deb/netshim_*_"$native".deb >"$scratch/dpkg" 2>&1
	is $? 0 "the packages are installed"
	echo "class ruled { } app '$ruled' { class = ruled }" >/etc/netshim.conf
	"$netshim" up
	is $? 0 "netshim up"
	out=$("$netshim" enable --login --system 2>&1)
	is "$? $(grep -c '^writes into' <<<"$out")" "0 3" "netshim enable --login --system"
	su bob -c "$netshim enable" >/dev/null
	is $? 0 "netshim enable, by a user"
	# A service that runs since before finds the library in what it starts.
	is "$(systemd-run --wait --collect --pipe -q $ruled class)" /netshim/ruled "a service's program is in its class"
	again
fi

# --- the second boot: every program has the library

if [ "$(wc -l <$boots)" -eq 2 ]; then
	is "$(systemctl is-system-running)" running "the machine has booted, and no unit has failed"
	is "$(log_of_loader)" "" "no loader has complained"
	is "$(has_library 1) $(has_library "$(systemctl show -P MainPID ssh)") $(has_library "$(systemctl show -P MainPID cron)")" "yes yes yes" \
		"the first process has the library, and so have services"
	is "$(systemctl is-active netshim)" active "netshim is up"
	systemctl reload netshim # lib.sh has taken the mount away, which tests have their own of
	is "$(systemd-run --wait --collect --pipe -q $ruled class)" /netshim/ruled "a service's program is in its class"
	is "$("$netshim" status --json | grep -o '"enabled": .*')" '"enabled": ["login", "system"]}' "status tells what is enabled"

	make_key
	is "$(in_ssh bob $ruled class)" /netshim/ruled "by ssh"
	is "$(in_ssh ada "sudo -n $ruled class; sudo -n -i $ruled class" | xargs)" "/netshim/ruled /netshim/ruled" "by sudo, and by sudo -i"
	# A package's script: apt, dpkg and a shell are between it and sudo.
	mkdir -p "$scratch/hello/DEBIAN"
	printf 'Package: hello-netshim\nVersion: 1\nArchitecture: all\nMaintainer: none <none@example.org>\nDescription: none\n' >"$scratch/hello/DEBIAN/control"
	printf '#!/bin/sh\n%s class >/var/tmp/class\n' $ruled >"$scratch/hello/DEBIAN/postinst"
	chmod 755 "$scratch/hello/DEBIAN/postinst"
	dpkg-deb -b "$scratch/hello" /var/tmp/hello.deb >/dev/null
	in_ssh ada "sudo -n apt-get -q -y install /var/tmp/hello.deb" >/dev/null 2>&1
	is "$(cat /var/tmp/class)" /netshim/ruled "sudo apt: what a package's script starts"
	in_ssh ada "sudo -n dpkg -P hello-netshim" >/dev/null 2>&1
	rm -f /var/tmp/hello.deb /var/tmp/class

	# --- purged, from a session with everything on, while others start programs

	loginctl enable-linger bob
	systemctl start "user@$(id -u bob)" # returns when it can be asked
	: >/var/tmp/goes-on
	chmod 644 /var/tmp/goes-on
	loop='while [ -e /var/tmp/goes-on ]; do /bin/true; /bin/true | /bin/true; done; echo ended'
	in_ssh bob "$loop" >"$scratch/session" 2>&1 &
	in_ssh bob "bash -lc '$loop'" >"$scratch/login" 2>&1 &
	su bob -c "XDG_RUNTIME_DIR=/run/user/$(id -u bob) systemd-run --user --wait --collect --pipe -q sh -c '$loop'" >"$scratch/service" 2>&1 &
	systemd-run --wait --collect --pipe -q sh -c "$loop" >"$scratch/system" 2>&1 &
	sleep 5
	out=$(in_ssh ada "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get -q -y purge netshim libnetshim libnetshim:$other" 2>&1)
	is "$? $(complaints <<<"$out")" "0 " "sudo apt purge, from a session with everything on"
	like "$out" "takes netshim's lines out of /etc/environment.*/home/bob.*it stays, does nothing, and goes at the next boot" "it says what it does"
	sleep 5
	is "$(in_ssh ada 'sudo -n /bin/true; bash -lc /bin/true' 2>&1)" "" "new sessions have nothing to say"
	rm /var/tmp/goes-on
	wait
	is "$(cat "$scratch"/{session,login,service,system} | xargs)" "ended ended ended ended" "nor has any that ran all the time"
	is "$(log_of_loader)" "" "no loader has complained"
	is "$(in_ssh bob 'env; cat ~/.profile ~/.bashrc' | grep -c -e LD_PRELOAD -e netshim)" 0 "a new session knows nothing of it"
	is "$(find /etc/ld.so.preload /etc/sudoers.d/netshim /etc/netshim.conf /home/bob/.config 2>/dev/null; systemctl is-enabled netshim 2>&1)" "not-found" \
		"no way in, no configuration and no unit is left"
	is "$(nft list ruleset; find /run/netshim 2>/dev/null; findmnt -rno TARGET -t cgroup | grep netshim)" "" "no rule and no mount"
	loginctl disable-linger bob
	again
fi

# --- the third boot: nothing is left

is "$(systemctl is-system-running)" running "the machine has booted"
is "$(log_of_loader)" "" "no loader has complained"
for user in ada bob; do sed -i '/ root@machine$/d' "/home/$user/.ssh/authorized_keys"; done
is "$(diff $kept <(state))" "" "a boot later, nothing is left"
rm $kept $boots

finish
