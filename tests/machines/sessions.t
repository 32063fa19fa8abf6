#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# netshim is installed as README says, and people log in: libnetshim(7) tells of each
# kind of session whether its programs are classified.
export NETSHIM_IN_WORLD=1 # this machine's own: there is nothing on it to lose
. "$(dirname "$0")/../lib.sh"
cd "$tests/.." || exit 1
netshim=/usr/local/bin/netshim
page=shim/libnetshim.7
said=/home/said

# The table of the manual page: what it says of a kind of session, with that option of enable.
told() { # told OPTION SESSION
	local columns="user login system" before
	before=${columns%%"$1"*}
	sed -n "s/^\.It $2 Ta //p" "$page" | awk -F ' Ta ' -v column="$(($(wc -w <<<"$before") + 1))" '{ print $column }'
}

# --- how each session starts a command that tells its class

as_bob() { su - bob -c "$1"; }
in_ssh() { ssh -q -i "$scratch/key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null bob@127.0.0.1 "$1"; }
in_console() {
	echo ". ~/.profile; $1" >/home/bob/.bash_profile
	mkdir -p /run/systemd/system/getty@tty1.service.d
	printf '[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin bob - linux\n' >/run/systemd/system/getty@tty1.service.d/bob.conf
	systemctl daemon-reload
	systemctl restart getty@tty1
}
in_su() { su bob -c "$1"; }
in_su_login() { as_bob "$1"; }
in_sudo() { su ada -c "sudo $1"; }
in_sudo_login() { su ada -c "sudo -i $1"; }
in_tmux() { as_bob "tmux new-session -d '$1'"; }
# Cron looks at the folder's time, in seconds: in that of a look, it may have been changed.
crontab_is_new() { sleep 1 && touch /var/spool/cron/crontabs; }
in_cron() { as_bob "echo '* * * * * $1' | crontab -" && crontab_is_new; }
in_cron_told() { as_bob "printf 'LD_PRELOAD=$library\n* * * * * %s\n' '$1' | crontab -" && crontab_is_new; }
in_at() { as_bob "echo '$1' | at now"; }
in_user_service() { as_bob "XDG_RUNTIME_DIR=/run/user/$(id -u bob) systemd-run --user --wait --collect sh -c '$1'"; }
in_sandboxed_service() { # in_sandboxed_service OPTION... COMMAND: what it prints
	as_bob "XDG_RUNTIME_DIR=/run/user/$(id -u bob) systemd-run --user --wait --collect --pipe --quiet $*" 2>&1
}
in_agent() { in_ssh "ssh-agent sh -c '$1'"; }
in_setuid() { as_bob "/usr/local/bin/as-root sh -p -c '$1'"; }
in_service() { systemd-run --wait --collect sh -c "$1"; }

# What there is of netshim outside its source, and what could be of its making.
state() {
	systemctl list-units --failed --plain --no-legend
	findmnt -rno TARGET | grep -v ^/run/user | sort
	nft list ruleset
	ip rule
	find /etc /run /usr /opt -xdev -name '*netshim*' | sort
}

# What is started there writes its class into a file, which cron takes its time for.
try() { # try SESSION STARTER EXPECTED WHERE
	local file=$said/$2 class
	"$2" "/usr/local/bin/ruled class >$file.new 2>&1 && mv $file.new $file" >"$scratch/noise" 2>&1 </dev/null
	for ((tries = 0; tries < 150; tries++)); do
		[ ! -e "$file" ] || break
		sleep 1
	done
	case $(cat "$file" 2>/dev/null) in
	/netshim/ruled) class=yes ;;
	/) class=no ;;
	*) class="$(cat "$file" "$file.new" "$scratch/noise" 2>&1)" ;;
	esac
	is "$class" "$3" "$4: $1: $3"
	rm -rf "$file" /home/bob/.bash_profile /run/systemd/system/getty@tty1.service.d
	crontab -u bob -r 2>/dev/null
}

starters=("ssh:in_ssh" "console:in_console" "su:in_su" "su -:in_su_login" "tmux:in_tmux" "sudo:in_sudo" "sudo -i:in_sudo_login"
	"service of a user:in_user_service" "service of the system:in_service" "at:in_at" "cron:in_cron" "ssh-agent:in_agent"
	"setuid program:in_setuid")
each_session() { # each_session OPTION
	local starter
	systemctl restart "user@$(id -u bob)"
	for starter in "${starters[@]}"; do
		try "${starter%:*}" "${starter#*:}" "$(told "$1" "${starter%:*}")" "enable --$1"
	done
}

# --- installation

grep -q "$(hostname)" /etc/hosts || echo "127.0.1.1 $(hostname)" >>/etc/hosts # sudo asks for it

# What is in the journal before is other tests', which log.
cursor=$(journalctl -q -n 1 --no-pager -o export | sed -n 's/^__CURSOR=//p')
is "$(systemctl is-system-running) $(cat /sys/module/apparmor/parameters/enabled)" "running Y" "all is well before, and AppArmor is on"
before=$(state)
make -s install >"$scratch/installed" 2>&1
is "$? $(grep -v -e untried -e netshim-helper: "$scratch/installed")" "0 " "make install"
is "$(systemctl show -P LoadState netshim)" loaded "systemd knows its unit"
install -m 755 "$root/bin/probe" /usr/local/bin/ruled
install -d -m 1777 "$said"
loginctl enable-linger bob
ssh-keygen -q -t ed25519 -N '' -f "$scratch/key"
cat "$scratch/key.pub" >>/home/bob/.ssh/authorized_keys
cat >/etc/netshim.conf <<END
class ruled { }
app '/usr/local/bin/ruled' { class = ruled }
END

# --- a session that was there before netshim was up goes on, and is classified then

"$netshim" enable >"$scratch/enabled" 2>&1
is "$? $(grep -c '^writes into' "$scratch/enabled")" "0 2" "netshim enable"
mkfifo "$scratch/typed"
in_ssh sh <"$scratch/typed" >"$scratch/printed" 2>&1 &
exec 8>"$scratch/typed"
echo "/usr/local/bin/ruled loaded" >&8
for ((tries = 0; tries < 300; tries++)); do [ ! -s "$scratch/printed" ] || break; sleep 0.2; done
"$netshim" up
is $? 0 "netshim up"
echo "/usr/local/bin/ruled class; exit" >&8
wait $!
exec 8>&-
is "$(xargs <"$scratch/printed")" "yes /netshim/ruled" "a session from before 'netshim up' is classified from then on"

# --- what the page tells

install -m 4755 /usr/bin/env /usr/local/bin/as-root
is "$(sed -n '/^\.It Em Started from/,/^\.El/s/^\.It \([^E].*\) Ta .*/\1/p' "$page" | grep -vc "^X11 session ")" ${#starters[@]} \
	"each line of the table is tried, but that of X11, which is xsession.t's"
each_session login
"$netshim" disable >/dev/null
su bob -c "$netshim enable" >"$scratch/enabled" 2>&1
is "$? $(grep -c '^writes into /home/bob/' "$scratch/enabled")" "0 $(grep -c '^writes into' "$scratch/enabled")" "netshim enable, as a user"
each_session user
"$netshim" disable >"$scratch/disabled" 2>&1
is "$? $(grep -c /home/bob/ "$scratch/disabled")" "0 $(grep -c '^writes into' "$scratch/enabled")" "netshim disable, as root: a user's, too"
"$netshim" enable --system >"$scratch/enabled" 2>&1
is $? 0 "netshim enable --system"
each_session system
"$netshim" disable >/dev/null
is "$(find /etc/ld.so.preload /etc/sudoers.d/netshim /home -name '*netshim*' 2>/dev/null; grep -c LD_PRELOAD /etc/environment)" 0 "disable leaves nothing"
is "$(in_ssh "/usr/local/bin/ruled loaded" 2>&1)" no "a new session has no library"

# --- by hand

library=/usr/local/lib/libnetshim.so
try "cron, with the line" in_cron_told yes "by hand"
echo "LD_PRELOAD=$library" >>/etc/environment
systemctl restart "user@$(id -u bob)"
try ssh in_ssh yes "by hand"
try "service of a user" in_user_service yes "by hand"

# --- services of a user, with a sandbox of systemd's

ruled=/usr/local/bin/ruled
# Older managers of users ignore all but the first, where they cannot take a user namespace.
is_confined() { # is_confined OPTION
	in_sandboxed_service -p "$1" cat /proc/self/uid_map | grep -q '^ *[1-9][0-9]* .* 1$'
}
for option in NoNewPrivileges=yes PrivateTmp=yes ProtectSystem=strict; do
	if [ $option = NoNewPrivileges=yes ] || is_confined $option; then
		like "$(in_sandboxed_service -p $option $ruled class)" "netshim: $ruled: not started .class ruled.: " "a service with $option is not started"
		like "$(in_sandboxed_service -p $option "$netshim" run ruled $ruled class)" "netshim: $ruled: not started .class ruled.: " "nor by netshim run in it"
	else
		is "$(in_sandboxed_service -p $option $ruled class)" /netshim/ruled "a service whose manager ignores $option is in its class"
		is "$(in_sandboxed_service -p $option "$netshim" run ruled $ruled class)" /netshim/ruled/locked "and so it is by netshim run"
	fi
done
is "$(in_sandboxed_service "$netshim" run ruled setpriv --no-new-privs $ruled class)" /netshim/ruled/locked "one that enters its class, and then gives up privileges"

# --- the system is content

is "$(systemctl is-system-running)" running "no unit has failed"
is "$(journalctl -q -p warning --no-pager --after-cursor "$cursor" | grep -i -e netshim -e net_cls -e ld.so)" "" "no warning of netshim's making"
systemctl daemon-reload
systemctl restart getty@tty1
loginctl disable-linger bob
loginctl terminate-user bob
"$netshim" down
rm -f /etc/netshim.conf /usr/local/bin/ruled /usr/local/bin/as-root
like "$(make -s uninstall)" "the library.*goes at the next boot.*/usr/local/lib/netshim" "uninstalled"
is "$(systemctl show -P LoadState netshim)" not-found "systemd does not know its unit any more"
is "$(LD_PRELOAD=$library "$root/bin/probe" loaded 2>&1)" yes "a session that names the library still has one"
systemd-tmpfiles --boot --remove /etc/tmpfiles.d/netshim-left-usr-local-lib.conf
is "$(state)" "$before" "a boot later, down and uninstall have left nothing"

finish
