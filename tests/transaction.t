#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Whatever step of up, reload or down the kernel refuses, the state after is the
# state before, with a message that says what failed. The very last step is different:
# programs that have been moved out of a class's group cannot be told any more. Where
# the empty group cannot be removed, all else is done, and the command says so.
. "$(dirname "$0")/lib.sh"

make_settled_interface
echo 1 >/proc/sys/net/ipv4/conf/here/rp_filter # which up changes, and down puts back
run=$root/run/netshim

state() {
	[ ! -e "$run/rules" ] || rules_say "$run/rules"
	cksum "$run"/before:* 2>/dev/null
	grep -c "$run" /proc/self/mounts
	nft -s list ruleset
	ip rule | sort # those of one priority are each for another mark
	ip -6 rule | sort
	ip route show table all
	[ ! -d "$run/net_cls$group" ] || find "$run/net_cls$group" -name net_cls.classid -exec grep -H . {} + | sort
	cat /proc/sys/net/ipv4/conf/{all,here}/{route_localnet,rp_filter}
}
# All that there is, as the table is put back from what nft lists.
cat >"$scratch/old.conf" <<EOF
class one  { classid = '10:1'  action = reject  log = true
	allow = { 'loopback', 'lan', '192.0.2.0/24', 'tcp/80', 'udp/53', '192.0.2.1:443', '[2001:db8::1]:443', '2001:db8::/32' }
	deny  = { '192.168.0.1', 'tcp/25' } }
class two  { interface = 'here'  dns = { '192.0.2.53', '2001:db8::53' } }
class five { rate = '10 mbit'  mark = 20  priority = '1:20'  ipv6 = false  nft = { 'ip dscp set cs1' }  log = true }
class six  { dns = { '127.0.0.1:5354' }  action = drop }
class tor  { proxy = { '127.0.0.1:12345', '[::1]:12345' }  proxy-udp = { '127.0.0.1:12346', '[::1]:12346' }  dns = { '127.0.0.1:5354' }
	action = reject  allow = { 'lan', 'tcp/443' }  deny = { '192.0.2.1:25' }  rate = '10 mbit'  log = true }
class seven { interface = 'her*'  local = { 'lan', 'link', '198.51.100.0/24' }  mark = '0x100/0xf00'  deny = { 'lan', '10.0.0.1' } }
class eight { interface = 'ordinary'  action = reject  allow = { 'link' }  rate = '10 mbit'
	serve = { 'tcp/80', 'udp/53-54', 'lan', 'link', 'loopback', '192.0.2.1:443', '[2001:db8::1]:443', '2001:db8::/32' } }
class nine { serve = { 'none' } }
unclassified { action = reject  allow = { 'loopback', 'udp/123' }  except-users = { 'root', '@root' }  tunnels = { '192.0.2.1:51820' } }
EOF
cat >"$scratch/new.conf" <<EOF
class one   { classid = '10:2'  action = reject }
class three { interface = 'here'  mark = 5  dns = { '192.0.2.53' } }
class four  { action = drop }
class five  { proxy = '127.0.0.1:12345'  proxy-udp = '127.0.0.1:12346' }
EOF

go_back() { # go_back VERB: to what was before it
	case $1 in
	up) "$netshim" down ;;
	reload) "$netshim" -c "$scratch/old.conf" reload ;;
	down) "$netshim" -c "$scratch/old.conf" up ;;
	esac
}

# A failure of CALL, at its first use, its second and so on, until there is no such use.
# Some of them the command can do without: then all is as if it had had them.
fails_at_each_use() { # fails_at_each_use VERB CALL ERROR
	local n out now expected tries=0 dirty=0 silent=0
	for ((n = 1; n < 1000; n += n < 3 ? 1 : slow)); do
		expected=$before
		out=$(strace -qq -o "$scratch/calls" -e trace="$(calls "$2")" -e inject="$(calls "$2"):error=$3:when=$n" "${command[@]}" 2>&1) &&
			expected=$after
		grep -q INJECTED "$scratch/calls" || break
		tries=$((tries + 1))
		[[ ($out == *netshim:* || $expected == "$after") && $out != *Success* ]] || silent=$((silent + 1))
		now=$(state)
		if [ "$now" != "$expected" ]; then
			dirty=$((dirty + 1))
			diff <(echo "$expected") <(echo "$now") | sed "s/^/# $2 $n: /" >&2
		fi
		[ "$now" = "$before" ] || go_back "$1"
	done
	is "$dirty $silent $((tries > 0)) $expected" "0 0 1 $after" "$1: $2 fails with $3, $tries times: all is as the exit code says, and a message says why"
	go_back "$1"
	is "$(state)" "$before" "$1: and back, when it has not failed"
}

fails_cleanly() { # fails_cleanly VERB "CALL ERROR"...
	local before after failure command=("$netshim" -c "$scratch/new.conf" "$1")
	[ "$1" != down ] || command=("$netshim" down)
	before=$(state)
	"${command[@]}"
	after=$(state)
	go_back "$1"
	# shellcheck disable=SC2086 # two words
	for failure in "${@:2}"; do fails_at_each_use "$1" $failure; done
}

fails_cleanly up "mount EINVAL" "mkdir ENOSPC" "rename EROFS" "link EPERM" "sendmsg ENOBUFS" "flock EINTR" "write EIO"
"$netshim" -c "$scratch/old.conf" up
fails_cleanly reload "mkdir ENOSPC" "rename EROFS" "link EPERM" "sendmsg ENOBUFS" "write EIO"
fails_cleanly down "rename EROFS" "sendmsg ENOBUFS" "write EIO"
fails_last() {
	strace -qq -o /dev/null -P "$run/net_cls$group/one" -P "$run/net_cls$group/two" -e trace='/^(rmdir|unlinkat)$' \
		-e inject='/^(rmdir|unlinkat)$:error=EBUSY' "$netshim" "$@" 2>&1
}
like "$? $(fails_last -c "$scratch/new.conf" reload)" "cannot remove the control group .*/two.*the new configuration is in force" \
	"reload: the group of a vanished class cannot be removed"
"$netshim" -c "$scratch/new.conf" reload
is "$? $(ls -d "$run/net_cls$group/two" 2>/dev/null)" "0 " "the next reload does it"
like "$(fails_last down)" "cannot remove the control group .*all else is undone" "down: a group cannot be removed"
"$netshim" down
is "$? $(ls "$root/run")" "0 " "the next down does it"

# Somebody else removes each rule, too, at that moment.
cat >"$scratch/twice.c" <<'EOF'
#include <dlfcn.h>
int rtnl_rule_delete(void *socket, void *rule, int flags)
{
	int (*real)(void *, void *, int) = (int (*)(void *, void *, int))dlsym(RTLD_NEXT, "rtnl_rule_delete");
	real(socket, rule, flags);
	return real(socket, rule, flags);
}
EOF
gcc -D_GNU_SOURCE -shared -fPIC -Werror "$scratch/twice.c" -o "$scratch/twice.so"
"$netshim" -c "$scratch/old.conf" up
for verb in reload down; do
	[ $verb = reload ] && command=(-c "$scratch/new.conf" reload) || command=(down)
	out=$(LD_PRELOAD=$scratch/twice.so "$netshim" "${command[@]}" 2>&1)
	is "$? $(grep -c 'routing rule' <<<"$out")" "0 0" "$verb: a routing rule that has gone meanwhile is none to remove"
done

finish
