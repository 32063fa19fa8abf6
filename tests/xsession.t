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
[ -e /etc/X11/Xsession.options ] || mkdir -p /etc/X11/Xsession.d
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

# --- what enable brings there, and what it and status say of that

xsession=$scratch/own
rm -f /etc/ld.so.preload /etc/sudoers.d/netshim
: >/etc/environment
sed -i "s|^nobody:.*|nobody:x:65534:65534::$scratch/home:/bin/sh|" /etc/passwd
page=$tests/../shim/libnetshim.7
touch $folder/40x11-common_xsessionrc $folder/90x11-common_ssh-agent
echo '[ ! -r ~/.xsessionrc ] || . ~/.xsessionrc' >"$scratch/files/40xsessionrc"
echo "use-ssh-agent" >/etc/X11/Xsession.options
rm -rf /etc/X11/Xsession.options.d
row() { as_user "$netshim" status 2>/dev/null | sed -n 's/^X11 session  *//p'; }
told() { sed -n 's/^\.It X11 session Ta //p' "$page" | awk -F ' Ta ' -v column="$1" '{ print $column }'; }
variables() { grep ^LD_PRELOAD= /etc/environment; }
enabled() { # enabled RUNNER...: whether the session has it, and what is said
	"$@" >"$scratch/out" 2>&1
	# shellcheck disable=SC2046 # one word or none
	session $(variables) | grep -o "$group/c"
	row
	grep -o '^netshim: .*' "$scratch/out"
	as_user "$netshim" disable >/dev/null 2>&1
	"$netshim" disable >/dev/null
}
for option in user login system; do
	runner=("$netshim" enable "--$option")
	[ $option != user ] || runner=(as_user "${runner[@]}")
	lost=("no: ssh-agent drops it; install netshim again" "netshim: X11 sessions go on without the library: they are beneath ssh-agent, which drops LD_PRELOAD, and $folder/89netshim is not there; install netshim again, which puts it there")
	[ $option != system ] || lost=("$group/c" yes)
	is "$(enabled "${runner[@]}")" "$(printf '%s\n' "${lost[@]}")" "enable --$option, without the file: it and status say what is so"
	touch $folder/89netshim
	sed "s|/usr/local/lib/|$root/usr/lib/|" "$tests/../scripts/xsession" >"$scratch/files/89netshim"
	is "$(enabled "${runner[@]}")" "$group/c"$'\n'"yes" "with it: X11 sessions have the library"
	rm $folder/89netshim "$scratch/files/89netshim"
done
is "$(told 1) $(told 2) $(told 3)" "yes yes yes" "as libnetshim(7) says"
"$netshim" enable >/dev/null 2>&1
options() { printf %b "$1" >/etc/X11/Xsession.options; row; }
is "$(options 'allow-failsafe\nno-use-ssh-agent\n')" yes "no agent by Xsession.options"
is "$(options 'use-ssh-agent\nno-use-ssh-agent')" yes "its last line counts"
is "$(options '')" yes "one that is empty"
mkdir /etc/X11/Xsession.options.d
echo no-use-ssh-agent >/etc/X11/Xsession.options.d/a.conf
is "$(options 'use-ssh-agent\n')" yes "none by a file of Xsession.options.d"
echo use-ssh-agent >/etc/X11/Xsession.options.d/b.conf
like "$(options 'use-ssh-agent\n')" "^no: " "but by one behind it"
rm -r /etc/X11/Xsession.options.d
cp "$agent" "$scratch/agent"
mount --bind "$scratch/agent" /usr/bin/ssh-agent
is "$(options 'use-ssh-agent\n')" yes "an agent that is not set-group-id drops nothing"
umount /usr/bin/ssh-agent
rm $folder/90x11-common_ssh-agent
is "$(row)" yes "nor is there one where nobody starts it"
"$netshim" disable >/dev/null
umount /etc

finish
