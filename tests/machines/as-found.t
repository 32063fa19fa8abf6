#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The tests and the demo run on a machine as people find it: netshim in use, net_cls
# mounted by somebody else, no terminal. None of that is touched.
export NETSHIM_IN_WORLD=1 # this machine's own: there is nothing on it to lose
export NETSHIM_TEST_SCRATCH=as-found # the tests that it runs have theirs
. "$(dirname "$0")/../lib.sh"
cd "$tests/.." || exit 1
netshim=/usr/local/bin/netshim
foreign=/sys/fs/cgroup/net_cls

mkdir -p $foreign
mount -t cgroup -o net_cls net_cls $foreign
mkdir $foreign/somebody
echo 0x00230042 >$foreign/somebody/net_cls.classid
sleep 30000 &
echo $! >$foreign/somebody/tasks
make -s install >/dev/null 2>&1
echo "class lan { action = reject  allow = { 'lan' } } app '/opt/' { class = lan }" >/etc/netshim.conf
"$netshim" up
is $? 0 "netshim is up"

in_use() {
	cksum /run/netshim/rules
	nft -s list ruleset
	ip rule
	findmnt -rno TARGET,FSTYPE,OPTIONS | grep -v ^/run/user | sort
	find $foreign -type d -exec sh -c 'echo "$0 $(cat "$0/net_cls.classid")"' {} \; | sort
	cat $foreign/somebody/tasks
}

before=$(in_use)
unattended() { # unattended LAST-LINE COMMAND...
	env -u NETSHIM_IN_WORLD -u NETSHIM_TEST_SCRATCH -u NETSHIM_TEST_ENVIRONMENT setsid --wait "${@:2}" </dev/null >"$scratch/out" 2>&1
	is "$? $(tail -n 1 "$scratch/out")" "0 $1" "${*:2:2}"
	[ $failed_count -eq 0 ] || sed 's/^/# /' "$scratch/out" >&2
	is "$(in_use)" "$before" "and all is as before"
}
unattended "Result: PASS" make check NETSHIM_TEST_PREBUILT="$root" TESTS="tests/attack.t tests/command.t tests/exec.t"
unattended "All as expected. Nothing was left behind: no control group, mount, packet rule or file." make demo

"$netshim" down
rm /etc/netshim.conf
make -s uninstall
kill $!
wait 2>/dev/null
is "$(find $foreign -mindepth 1 -type d)" $foreign/somebody "netshim's groups go, the other's stay"
rmdir $foreign/somebody
umount $foreign
rmdir $foreign

finish
