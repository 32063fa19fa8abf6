#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The Debian packages are installed, downgraded to the last release, upgraded from it,
# removed and purged while programs are started all the time: none is refused, and none
# is in no class while its class is in force. What was not there before is not there after.
export NETSHIM_IN_WORLD=1 # this machine's own: there is nothing on it to lose
. "$(dirname "$0")/../lib.sh"
cd "$tests/.." || exit 1
netshim=/usr/bin/netshim
rules=/run/netshim/rules
native=$(dpkg --print-architecture)
this=("$PWD"/build/deb/{lib,}netshim_*_"$native".deb)
released=(/var/tmp/released/build/deb/{lib,}netshim_*_"$native".deb)
ruled=/usr/local/bin/ruled

# What there is, and what could be of netshim's making.
state() {
	find / -xdev \( -path "$root" -o -path /root -o -path /tmp -o -path /var/tmp -o -path /var/cache -o -path '/var/lib/apt*' \
		-o -path '/var/lib/dpkg' -o -path '/var/lib/systemd/*' -o -path '/var/log/*' -o -path /var/spool \) -prune -o ! -name '*.cache' -print |
		sort
	find /run -xdev -name '*netshim*'
	getent passwd
	getent group
	findmnt -rno TARGET | grep -v ^/run/user
	nft list ruleset
	ip rule
	ip -6 rule
	# But those that come with a module of the kernel.
	sysctl -a 2>/dev/null | grep -e '^net\.' | grep -v -e netfilter -e nf_conntrack -e '_mem '
	cat /etc/environment /proc/sys/kernel/yama/ptrace_scope
	systemctl list-unit-files --no-legend
	systemctl list-units --failed --plain --no-legend
	dpkg-query -W
}

# --- programs are started all the time

starts() { # starts PROGRAM...: what is wrong with each, or a dot
	local before said
	until [ -e "$scratch/enough" ]; do
		for program; do
			before=$(grep -sc "$program" $rules)
			said=$("$program" class 2>&1; echo "exit code $?")
			said=$(grep -v 'ld.so: object' <<<"$said" | xargs)
			case $said in
			"/netshim/ruled exit code 0") said=. ;;
			# Where net_cls has been mounted by nobody, there is no group to tell. If the rule was there
			# before and after, it was all the time.
			"/ exit code 0" | "exit code 1") [ "$before" = 1 ] && grep -sq "$program" $rules || said=. ;;
			esac
			echo "$said"
		done
	done
}
export -f starts
export rules scratch

begin() { # begin PROGRAM...: in two users' sessions
	rm -f "$scratch/enough"
	for user in ada bob; do
		LD_PRELOAD=/usr/lib/netshim/\$LIB/libnetshim.so setpriv --reuid $user --regid $user --clear-groups \
			bash -c "starts $*" >"$scratch/$user" 2>"$scratch/noise" &
		sessions+=($!)
	done
}
end() { # end WHAT
	sleep 2
	touch "$scratch/enough"
	wait "${sessions[@]}"
	sessions=()
	is "$(grep -hvx '\.' "$scratch/ada" "$scratch/bob" | sort | uniq -c)" "" "$1: none refused, none in no class"
	ok $(($(cat "$scratch/ada" "$scratch/bob" | wc -l) < 10)) "$1: $(cat "$scratch/ada" "$scratch/bob" | wc -l) programs were started"
}
sessions=()

# Debian 12's systemd calls the folder of its generators /lib/systemd: dpkg, which asks by names,
# takes it for nobody else's.
others_folder='^$'
! dpkg -S /lib/systemd/system-generators >/dev/null 2>&1 || others_folder='/systemd/system-generators.*not.empty'

apt() { # apt WHAT ARGUMENT...: what it complains of
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Options::=--force-confold "$@" >"$scratch/apt" 2>&1 || tail -n 20 "$scratch/apt"
	# _apt may not read beneath /root; configuration files stay when a version comes that has none.
	grep -e '^[WE]: ' -e '^netshim: ' -e '^dpkg: ' "$scratch/apt" | grep -v -e _apt -e ' downgrading ' -e /usr/lib/netshim.*not.empty -e /base.d.*not.empty \
		-e "$others_folder"
}

install -m 755 "$root/bin/probe" $ruled
install -m 755 "$root/bin/probe-static" $ruled-static
before=$(state)

# --- installed: these sessions began without the library

begin $ruled
is "$(apt install "${this[@]}")" "" "apt installs it, without a network"
is "$(getcap /usr/libexec/netshim-helper | sed 's/.* //')" cap_dac_override=p "the helper has its capability"
cat >/etc/netshim.conf <<END
class ruled { }
app '$ruled' { class = ruled }
app '$ruled-static' { class = ruled }
END
"$netshim" up
is $? 0 "netshim up"
end "installed"
in_session() { su bob -c "LD_PRELOAD='/usr/lib/netshim/\$LIB/libnetshim.so' sh -c '$1'"; }
is "$(in_session "$ruled class; $ruled-static class; $ruled loaded" | xargs)" "/netshim/ruled /netshim/ruled yes" "its programs are in their class"
is "$(LD_PRELOAD=/usr/lib/netshim/libnetshim.so "$root/bin/probe" loaded)" yes "by the path for systemd's user manager"
is "$(LD_PRELOAD=/usr/lib/netshim/\$LIB/libnetshim.so "$root/bin/probe-musl" loaded)" yes "programs of musl have it too"

# A rule for a package, by the package's own hook and trigger.
mkdir -p "$scratch/tool/DEBIAN" "$scratch/tool/usr/bin"
cp "$root/bin/probe" "$scratch/tool/usr/bin/ns-tool"
printf '%s\n' "Package: ns-tool" "Version: 1" "Architecture: all" "Maintainer: a <a@example.org>" "Description: a" >"$scratch/tool/DEBIAN/control"
dpkg-deb --root-owner-group -b "$scratch/tool" "$scratch/ns-tool.deb" >/dev/null
cp /etc/netshim.conf "$scratch/netshim.conf"
echo "package 'ns-tool' { class = ruled }" >>/etc/netshim.conf
is "$("$netshim" reload; apt install "$scratch/ns-tool.deb"; in_session "ns-tool class")" /netshim/ruled "apt installs a package with a rule"
is "$(apt remove ns-tool; grep -c ns-tool $rules)" 0 "and removes it"
is "$(dpkg -i "$scratch/ns-tool.deb" >/dev/null 2>&1; in_session "ns-tool class")" /netshim/ruled "and so does dpkg"
is "$(dpkg -P ns-tool >/dev/null 2>&1; grep -c ns-tool $rules)" 0 "and removes it"
mv "$scratch/netshim.conf" /etc/netshim.conf
"$netshim" reload

if [ "$native" = amd64 ]; then
	dpkg --add-architecture i386
	dpkg -i build/deb/libnetshim_*_i386.deb >"$scratch/dpkg" 2>&1
	is "$? $(LD_PRELOAD=/usr/lib/netshim/\$LIB/libnetshim.so "$root/bin/probe-32" loaded)" "0 yes" "and 32-bit programs, with the package for them"
	dpkg -P libnetshim:i386 >"$scratch/dpkg" 2>&1
	dpkg --remove-architecture i386
fi

# --- downgraded, upgraded, installed again

version() { sed -n 's/^#define NETSHIM_VERSION "\(.*\)"/netshim \1/p' "$1/conf/contract/version.h"; }
begin $ruled $ruled-static
is "$(apt --allow-downgrades install "${released[@]}")" "" "apt downgrades it to the last release"
is "$("$netshim" --version)" "$(version /var/tmp/released)" "which is there"
end "downgraded"
begin $ruled $ruled-static
is "$(apt install "${this[@]}")" "" "apt upgrades it from that"
is "$("$netshim" --version)" "$(version .)" "this one is there"
is "$(apt --reinstall install "${this[@]}")" "" "apt installs it again"
end "upgraded and installed again"
is "$(getcap /usr/libexec/netshim-helper | sed 's/.* //')" cap_dac_override=p "the helper has its capability"

# --- the administrator's mode of the helper

groupadd callers
dpkg-statoverride --add root callers 750 /usr/libexec/netshim-helper
is "$(apt --reinstall install "${this[@]}")" "" "installed where dpkg-statoverride says who may call the helper"
is "$(stat -c '%U %G %a' /usr/libexec/netshim-helper) $(getcap /usr/libexec/netshim-helper | sed 's/.* //')" "root callers 750 cap_dac_override=p" "it has that mode, and its capability"
dpkg-statoverride --remove /usr/libexec/netshim-helper
groupdel callers
is "$(apt --reinstall install "${this[@]}")" "" "and without it"

# --- a file system without capabilities

mount -t ramfs none /usr/libexec
like "$(apt --reinstall install "${this[@]}")" "extended attributes.*programs that have a rule will not be started.*run 'netshim grant'" \
	"a file system without capabilities: it says what that does, and what to do"
is "$(stat -c %a /usr/libexec/netshim-helper)" 755 "and the helper is not setuid instead"
umount /usr/libexec

# --- removed

begin $ruled $ruled-static
is "$(apt remove netshim)" "" "apt removes it"
end "removed"
is "$(ls /run/netshim /usr/libexec/netshim-helper 2>/dev/null; nft list ruleset)" "" "nothing of it is in force"
is "$(head -n 1 /etc/netshim.conf)" "class ruled { }" "but the configuration is there"
is "$(apt install "${this[@]}"; head -n 1 /etc/netshim.conf)" "class ruled { }" "and still when it is installed again"
begin $ruled $ruled-static
like "$(apt purge netshim libnetshim)" "^netshim: programs that run may still name the library: it stays" "apt purges it"
end "purged"
is "$(LD_PRELOAD=/usr/lib/netshim/\$LIB/libnetshim.so "$root/bin/probe" loaded 2>&1)" yes "sessions that name the library still have one"
# As the next boot does.
cat /etc/tmpfiles.d/netshim-left-*.conf >"$scratch/left.conf"
is "$(systemd-tmpfiles --boot --remove "$scratch/left.conf" 2>&1)" "" "and then it goes"
is "$(diff <(echo "$before") <(state))" "" "nothing is left"

finish
