#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The init script, for machines without systemd: what it is told is done, and its exit
# codes are those of the Linux Standard Base.
. "$(dirname "$0")/lib.sh"

unpacked=$tests/../build/unpacked/insserv
[ -d "$unpacked" ] || unpacked=/
insserv=$(PATH=$unpacked/usr/sbin:$unpacked/sbin command -v insserv) || cannot_run "needs insserv"

make_hosts 80
script=$root/etc/init.d/netshim
init() { "$script" "$@" >"$scratch/said" 2>&1; }
get() { # whether a program of the class reaches the other host: the status of curl
	shim curl -sS -m 15 -o /dev/null http://$lan_host/ 2>/dev/null
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

# --- where Debian's insserv puts it

boot=$scratch/boot
mkdir -p "$boot"/init.d "$boot"/rc{0,1,2,3,4,5,6,S}.d
init_script() { # init_script NAME WHAT-IT-REQUIRES
	install -m 755 /dev/stdin "$boot/init.d/$1" <<-END
		### BEGIN INIT INFO
		# Provides: $1
		# Required-Start: $2
		# Required-Stop: $2
		# Default-Start: S
		# Default-Stop: 0 6
		### END INIT INFO
	END
}
init_script mountall ""
init_script networking "\$local_fs"
init_script nftables "\$local_fs \$network"
install -m 755 "$script" "$boot/init.d/netshim"
"$insserv" -c "$unpacked/etc/insserv.conf" -p "$boot/init.d" mountall networking nftables netshim >"$scratch/said" 2>&1
is "$? $(cat "$scratch/said")" "0 " "insserv finds a place for it"
is "$(cd "$boot" && echo rc?.d/*netshim)" rcS.d/S02netshim "it is started at boot, after the disks, and never stopped"
is "$(cd "$boot" && echo rcS.d/*networking)" rcS.d/S03networking "before the network"

finish
