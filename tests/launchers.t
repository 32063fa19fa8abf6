#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Launchers whose LD_PRELOAD the loader drops, as they gain a group or capabilities: a
# session beneath Debian's ssh-agent, all that a compositor with cap_sys_nice starts.
# /etc/ld.so.preload is in all of them.
. "$(dirname "$0")/lib.sh"

mkdir "$scratch/etc"
mount -t overlay -o "lowerdir=/etc,upperdir=$scratch/etc,workdir=$(mktemp -d -p "$scratch")" etc /etc 2>/dev/null ||
	{ cp -a /etc/. "$scratch/etc" && mount --bind "$scratch/etc" /etc; }
agent=$(command -v ssh-agent) || cannot_run "there is no ssh-agent"
install -d -o 65534 "$scratch/home"
export HOME=$scratch/home # from OpenSSH 10.1 on, the agent's socket is there
program=$scratch/program
cp "$root/bin/probe" "$program"
cp "$root/bin/probe-static" "$program-static"
cp /usr/bin/env "$scratch/compositor"
setcap cap_sys_nice+ep "$scratch/compositor"
configure <<EOF
class c { }
class lone { lock = true }
app '$program'        { class = c }
app '$program-static' { class = lone }
EOF

[ -g "$agent" ]
ok $? "ssh-agent is set-group-id"
session() { "$@" "$agent" sh -c "'$program' class; :"; }
is "$(session shim)" / "with LD_PRELOAD alone: beneath ssh-agent, a program is in no class"
is "$(shim "$scratch/compositor" "$program" class)" / "nor is one that a launcher with a capability starts"

echo "$preload" >/etc/ld.so.preload
is "$(session as_user)" "$group/c" "with /etc/ld.so.preload: in its class, beneath ssh-agent"
is "$(as_user "$scratch/compositor" "$program" class)" "$group/c" "and so is one that a launcher with a capability starts"
is "$(as_user "$scratch/compositor" "$program-static" class) $(as_user "$agent" "$program-static" class)" "$group/lone/locked $group/lone/locked" \
	"a static one too"
is "$(session shim)" "$group/c" "with both: once"
like "$(as_user "$scratch/compositor" grep CapEff /proc/self/status)" "0000000000000000$" "no capability goes further than before"
# shellcheck disable=SC2016 # the inner shell's
is "$(as_user "$agent" sh -c 'exit 7'; echo $?) $(as_user "$agent" sh -c 'echo $SSH_AGENT_PID' | grep -c '^[0-9]')" "7 1" \
	"the agent does its work as ever"
"$netshim" down
is "$(session as_user)" / "netshim is down: as if the library were not there"
rm /etc/ld.so.preload
umount /etc

finish
