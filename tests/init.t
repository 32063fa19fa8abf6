#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The init script, for machines without systemd: what it is told is done, and its exit
# codes are those of the Linux Standard Base.
. "$(dirname "$0")/lib.sh"

make_hosts 80
script=$root/etc/init.d/netshim
init() { "$script" "$@" >"$scratch/said" 2>&1; }
get() { # whether a program of the class reaches the other host: the status of curl
	shim curl -sS -m 4 -o /dev/null http://$lan_host/ 2>/dev/null
	echo $?
}
cat >"$config" <<END
class offline { action = reject }
app '$(realpath "$(command -v curl)")' { class = offline }
END

init status
is "$? $(cat "$scratch/said")" "3 netshim is not up" "status, when it is not up"
init start
is "$? $(cat "$scratch/said") $(get)" "0  7" "start"
init status
like "$? $(cat "$scratch/said")" "^0 .*offline" "status, when it is"
echo "class more { }" >>"$config"
init reload
is "$? $(cat "$scratch/said") $("$netshim" status | grep -c '^more ') $(get)" "0  1 7" "reload"
init restart
is "$? $(cat "$scratch/said") $(get)" "0  7" "restart"
echo "class wrong { interface = '' }" >>"$config"
for verb in reload force-reload restart; do
	init $verb
	like "$? $(cat "$scratch/said") $(get)" "^1 .*$config:4: .* 7$" "$verb with a mistake: told, and what was in force still is"
done
init stop
is "$? $(cat "$scratch/said") $(nft list tables) $(get)" "0   0" "stop"
init stop
is "$? $(cat "$scratch/said")" "0 " "and again"
init start
like "$? $(cat "$scratch/said") $(get)" "^0 .*$config:4: .*in force again.* 7$" "start with a mistake: as it last was in force"
init stop
init up
like "$? $(cat "$scratch/said")" "^2 usage: " "another word"
mv "$netshim" "$netshim.away"
init start
is "$? $(cat "$scratch/said")" "0 " "the package has been removed, and has left the script: nothing to do"
mv "$netshim.away" "$netshim"

finish
