#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# An X11 session as Debian starts it, beneath its set-group-id ssh-agent, has the library; one
# without the library is as it was, and the file that does this may outlive it.
. "$(dirname "$0")/lib.sh"

mkdir "$scratch/etc"
mount -t overlay -o "lowerdir=/etc,upperdir=$scratch/etc,workdir=$(mktemp -d -p "$scratch")" etc /etc 2>/dev/null ||
	{ cp -a /etc/. "$scratch/etc" && mount --bind "$scratch/etc" /etc; }
agent=$(command -v ssh-agent) || cannot_run "there is no ssh-agent"
word=$root/usr/lib/netshim/\$LIB/libnetshim.so
folder=/etc/X11/Xsession.d
library=$root/usr/lib/netshim
install -d -o 65534 "$scratch/home"
export HOME=$scratch/home
mkdir "$scratch/none"
cp "$root/bin/probe" "$scratch/program"
configure <<END
class c { }
app '$scratch/program' { class = c }
END

[ -g "$agent" ]
ok $? "ssh-agent is set-group-id"

# What Xsession(5) says: files are sourced in this order, and change STARTUP.
mkdir "$scratch/files"
cat >"$scratch/own" <<END
#!/bin/sh
STARTUP=\$1
for file in \$(run-parts --list "$scratch/files"); do . "\$file"; done
END
echo "[ -n \"\$SSH_AUTH_SOCK\" ] || STARTUP=\"$agent \$STARTUP\"" >"$scratch/files/90agent"
# shellcheck disable=SC2016 # expanded there
echo 'exec $STARTUP' >"$scratch/files/99start"
cat >"$scratch/session" <<END
#!/bin/sh
{ printenv LD_PRELOAD; "$scratch/program" class; [ -z "\$SSH_AGENT_PID" ] || echo agent; } >"$scratch/home/said"
END
chmod 755 "$scratch/own" "$scratch/session"

session() { # session VARIABLE...: what it says there, in a line
	rm -f "$scratch/home/said"
	as_user env -u SSH_AUTH_SOCK "$@" "$xsession" "$scratch/session" >/dev/null 2>"$scratch/noise"
	paste -sd ' ' "$scratch/home/said"
	cat "$scratch/noise" "$scratch/home/.xsession-errors" 2>/dev/null | grep 'ld\.so'
	rm -f "$scratch/home/.xsession-errors"
}
try() { # try XSESSION FOLDER WHOSE
	xsession=$1
	is "$(session LD_PRELOAD="$word")" "/ agent" "$3: beneath ssh-agent, a session is in no class"
	sed "s|/usr/local/lib/|$root/usr/lib/|" "$tests/../scripts/xsession" >"$2/89netshim"
	is "$(session LD_PRELOAD="$word")" "$word $group/c agent" "$3: with netshim's file, it has the library"
	is "$(session LD_PRELOAD="$preload")" "$preload $group/c agent" "$3: whichever form of its path"
	is "$(session LD_PRELOAD="$empty $word")" "$empty:$word $group/c agent" "$3: beside another preload"
	is "$(session LD_PRELOAD="$empty $word" SSH_AUTH_SOCK=/none)" "$empty:$word $group/c" "$3: and so without the agent"
	is "$(session)" "/ agent" "$3: a session without the library gets none"
	is "$(session LD_PRELOAD="$empty")" "/ agent" "$3: nor does one with another preload"
	like "$(session LD_PRELOAD="$word"$'\t'"\"\$(id) \`id\`;*\\x"$'\n'"'" | grep -v 'ld\.so')" "/libnetshim.so:\"\\$\(id\):\`id\`;\*\\\\x:' $group/c agent" \
		"$3: whatever else is in it, the session starts"
	mount --bind "$scratch/none" "$library"
	is "$(session LD_PRELOAD="$word" | grep -v 'ld\.so')" "/ agent" "$3: without the library, it does nothing"
	umount "$library"
	rm "$2/89netshim"
}
try "$scratch/own" "$scratch/files" "an Xsession"
# Where there is one; packages that the tests need may bring it.
[ ! -e $folder/90x11-common_ssh-agent ] || try /etc/X11/Xsession $folder "Debian's Xsession"
umount /etc

finish
