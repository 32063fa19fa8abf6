#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# In sessions that load the library, programs that AppArmor confines (tcpdump, man, one of
# this test) start as ever: ld.so does not complain, and the log has no denial. What they
# start is in its class where the profile has the abstraction; without it, on-error decides.
export NETSHIM_IN_WORLD=1 # this machine's own: there is nothing on it to lose
. "$(dirname "$0")/../lib.sh"

[ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] || cannot_run "needs a kernel with AppArmor"
for tool in apparmor_parser tcpdump man; do command -v $tool >/dev/null || cannot_run "needs $tool"; done
confined=/usr/local/bin/confined ruled=/usr/local/bin/ruled soft=/usr/local/bin/soft free=/usr/local/bin/free-one
install -m 755 /usr/bin/env $confined
for program in $ruled $soft $free; do install -m 755 "$root/bin/probe" "$program"; done
# ld.so of every program reads it; without this, a denial would be nobody's but netshim's.
base=/etc/apparmor.d/abstractions/base.d/netshim
had_folder=$([ -d ${base%/*} ] && echo yes)
put_base() {
	mkdir -p ${base%/*}
	cp "$root/etc/apparmor.d/abstractions/base.d/netshim" $base
}
load() { # load [RULE...]: into the kernel, with the profile of this test
	printf '%s\n' 'include <tunables/global>' "profile confined $confined {" '  include <abstractions/base>' "$@" \
		"  $confined mr," "  /usr/local/bin/{ruled,soft,free-one} rix," '}' >/etc/apparmor.d/confined
	apparmor_parser --replace --skip-cache /etc/apparmor.d/confined /etc/apparmor.d/*tcpdump /etc/apparmor.d/*bin.man
}
denials() { # those since the last call
	sleep 0.5
	dmesg --notime | grep 'apparmor="DENIED"' >"$scratch/denials"
	tail -n "+$(($(<"$scratch/denied") + 1))" "$scratch/denials" | grep -oE '(operation|profile|name|comm)="[^"]*"' | paste -sd ' '
	wc -l <"$scratch/denials" >"$scratch/denied"
}
echo 0 >/proc/sys/kernel/printk_ratelimit
dmesg --notime | grep -c 'apparmor="DENIED"' >"$scratch/denied"
# shellcheck disable=SC2016 # for sh: a shell that has the library
session() { setpriv --reuid ada --regid ada --clear-groups env LD_PRELOAD="$preload" sh -c '"$@"; exit' sh "$@" 2>&1; }

configure <<END
class strict { }
class soft { on-error = allow }
app '$ruled' { class = strict }
app '$soft' { class = soft }
app '/usr/bin/tcpdump' { class = strict }
END

# --- without what netshim has for it: what the tests below would notice

rm -f $base
load
is $? 0 "a profile without netshim's lines is loaded"
like "$(session $confined --version)" "ld.so: object .* cannot be preloaded" "the loader complains there"
like "$(denials)" "confined" "and the log has a denial"

# --- with it

put_base
load
is $? 0 "profiles with them are loaded"
is "$(session $confined --version | head -n 1)" "$($confined --version | head -n 1)" "a confined program starts, and nothing complains"
is "$(session tcpdump --version | head -n 1)" "$(tcpdump --version 2>&1 | head -n 1)" "tcpdump does, which has a rule"
is "$(session man --version)" "$(man --version)" "man does"
is "$(session man -w man 2>&1 | grep -v '^/\|No manual entry')" "" "and looks for a page"
is "$(session $confined $free class)" "/" "a confined program starts another one"
is "$(denials)" "" "the log has no denial"

# --- what a confined program starts

like "$(session $confined $ruled class; echo "exit code $?")" "exit code 12[56]" "without the abstraction, a program with a rule is not started"
is "$(session $confined $soft class)" "/" "or in no class, where on-error says so"
like "$(denials)" "netshim-helper" "and the log says why"

cp "$root/etc/apparmor.d/abstractions/netshim" /etc/apparmor.d/abstractions/
load '  include <abstractions/netshim>'
is $? 0 "a profile with the abstraction is loaded"
is "$(session $confined $ruled class)" "$group/strict" "what it starts is in its class"
is "$(session $confined $soft class)" "$group/soft" "and so is what would be started anyway"
is "$(session $confined $free class)" "/" "and what has no rule is in none"
is "$(denials)" "" "the log has no denial"

# --- no way out

sed -i 's|free-one} rix|free-one} rix,\n  /usr/bin/cat rix,\n  /proc/*/attr/current r|' /etc/apparmor.d/confined
apparmor_parser --replace --skip-cache /etc/apparmor.d/confined
cat >"$config" <<END
class strict { }
app '/usr/bin/cat' { class = strict }
app '/usr/bin/id' { class = strict }
END
"$netshim" reload
like "$(session $confined cat /proc/self/attr/current)" "^confined " "what the helper starts is in the same profile"
like "$(session $confined id; echo "exit code $?")" "exit code 12[56]" "and what the profile does not let it start, the helper does not either"
like "$(session $confined "$helper" /usr/bin/id; echo "exit code $?")" "exit code 125" "nor by hand"

apparmor_parser --remove /etc/apparmor.d/confined
rm -f /etc/apparmor.d/confined $base /etc/apparmor.d/abstractions/netshim $confined $ruled $soft $free
[ -n "$had_folder" ] || rmdir ${base%/*}
finish
