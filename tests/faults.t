#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# What netshim stands on may be missing, full, busy or broken. Then the command says
# what is the matter, what was in force stays in force, and no program that has a
# class is started outside of it. NETSHIM_ALL=1 tries more amounts of memory.
. "$(dirname "$0")/lib.sh"

make_settled_interface
mount -t tmpfs -o size=256k,nr_inodes=64,mode=755 run "$root/run"
run=$root/run/netshim
rules=$run/rules
program=$scratch/program
cp "$root/bin/probe-static" "$program"

cat >"$scratch/old.conf" <<EOT
class one { classid = '10:1'  action = reject }
class lax { on-error = allow }
app '$program' { class = one }
EOT
cat >"$scratch/new.conf" <<EOT
class one { classid = '10:2'  action = drop  interface = 'here' }
class two { action = reject  dns = { '127.0.0.1:5354' } }
app '$program' { class = two }
EOT

state() {
	find "$root/run" -mindepth 1 ! -path '*/net_cls/*' ! -name filler ! -name 'inode-*' | sort
	[ ! -e "$rules" ] || cksum "$rules"
	nft -s list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'
	ip rule
	ip route show table all
	ip -6 route show table all
	[ ! -d "$run/net_cls$group" ] || find "$run/net_cls$group" -name net_cls.classid -exec grep -H . {} + | sort
	cat /proc/sys/net/ipv4/conf/{all,here}/{route_localnet,rp_filter}
}
up() { "$netshim" -c "$scratch/old.conf" up; }
reload() { "$netshim" -c "$scratch/new.conf" reload; }
start() { shim "$program" sends 192.168.77.9 9 2>&1; }
in_force="$group/one 1" # where it is started, and that what it sends is refused (EPERM)

fails() { # fails PATTERN NAME COMMAND...: with that message, and all is as before
	local before out
	before=$(state)
	out=$("${@:3}" 2>&1)
	like "$? $out" "^1 .*netshim: .*$1" "$2: it fails, and says so"
	is "$(state)" "$before" "$2: all is as before"
}

# --- no room
fill() { head -c 1M /dev/zero >"$root/run/filler" 2>/dev/null; }
fill
fails "No space left on device" "up, $root/run is full" up
rm "$root/run/filler"
up
fill
fails "cannot write $rules.new: No space left on device" "reload, it is full" reload
is "$(start)" "$in_force" "full: in its class"
"$netshim" down
is "$? $(find "$root/run" -mindepth 1 ! -name filler)" "0 " "down does without room"
rm "$root/run/filler"

up
for ((i = 0; i < 64; i++)); do touch "$root/run/inode-$i" 2>/dev/null || break; done
fails "cannot write $rules.new: No space left on device" "reload, out of inodes" reload
is "$(start)" "$in_force" "out of inodes: in its class"
rm "$root"/run/inode-*

fails "cannot write $rules.new: File too large" "reload, with a limit on the size of files" \
	bash -c "ulimit -f 1; exec '$netshim' -c '$scratch/new.conf' reload"
is "$(start)" "$in_force" "with that limit: in its class"

mount -o remount,ro "$root/run"
fails "Read-only file system" "reload, read-only" reload
fails "Read-only file system" "down, read-only" "$netshim" down
fails "Read-only file system" "up, read-only" up
is "$(start)" "$in_force" "read-only: in its class"
mount -o remount,rw "$root/run"

# --- no memory: with every limit that is too small
[ -n "${NETSHIM_ALL:-}" ] && step=10 || step=$((150 * slow))
starve() { # starve VERB STARTED COMMAND...: the program is started so meanwhile
	local before out limit status failed=0 crashed=0 silent=0 badly=0 changed=0
	before=$(state)
	for ((limit = 6000; ; limit += step)); do
		out=$(ulimit -v $limit && "${@:3}" 2>&1)
		status=$?
		[ $status -ne 0 ] || break
		failed=$((failed + 1))
		[ $status -lt 128 ] || crashed=$((crashed + 1))
		[ -n "$out" ] || silent=$((silent + 1))
		[ "$(start)" = "$2" ] || badly=$((badly + 1))
		[ "$(state)" != "$before" ] || continue
		changed=$((changed + 1))
		diff <(echo "$before") <(state) | sed "s/^/# $1, $limit: /" >&2
	done
	is "$((failed * step > 5000)) $crashed $silent $badly $changed" "1 0 0 0 0" "$1 fails for want of memory, $failed times: a message, and all is as before"
}
starve reload "$in_force" reload
up
starve down "$in_force" "$netshim" down
starve up "/ 0" up

# --- no net_cls
with() { # with CALL ERROR COMMAND...: that system call fails
	strace -f -qq -o "$scratch/trace" -e trace="$1" -e inject="$1:error=$2" "${@:3}"
}
"$netshim" down
fails "cannot mount the net_cls hierarchy .*CONFIG_CGROUP_NET_CLASSID" "up, net_cls is not in the kernel" \
	with mount ENODEV "$netshim" -c "$scratch/old.conf" up
like "$(<"$scratch/trace")" '"net_cls"\) .*"net_cls,net_prio"\)' "where net_cls cannot be mounted alone, it is tried together with net_prio"
mkdir "$scratch/elsewhere"
mount_as() { mount -t cgroup -o "$1" "$1" "$scratch/elsewhere" 2>/dev/null; }
# In which combination, the first who mounts it says. When others on this machine use
# it, that is not this; and that they do no more, an unmount without groups tells the
# kernel.
mount_elsewhere() { # mount_elsewhere COMBINATION OTHER
	for _ in {1..50}; do
		mount_as "$1" && return
		mount_as "$2" && umount "$scratch/elsewhere"
		sleep 0.1
	done
	mount_as "$2"
}
mount_elsewhere net_cls,net_prio net_cls
up
is "$? $(start)" "0 $in_force" "net_cls is mounted elsewhere ($(sed -n "s,.*$scratch/elsewhere cgroup rw[^ ]*relatime\,\([^ ]*\).*,\1,p" /proc/self/mounts)): netshim mounts it the same way"
umount "$scratch/elsewhere"
is "$(start)" "$in_force" "it is mounted there no longer: in its class"
mount_as net_cls,net_prio || mount_as net_cls
"$netshim" down
is "$? $(ls "$root/run"; ls -d "$scratch/elsewhere/tasks" "$scratch/elsewhere$group" 2>/dev/null)" "0 $scratch/elsewhere/tasks" \
	"down: no group is left in it"
umount "$scratch/elsewhere"
mount_elsewhere net_cls net_cls,net_prio && umount "$scratch/elsewhere"

# --- nftables
fails "netlink|Netlink|nftables" "up, no nftables in the kernel" \
	with socket EPROTONOSUPPORT "$netshim" -c "$scratch/old.conf" up
up
with_nft() { strace -f -qq -o /dev/null -e trace=sendmsg -e inject="sendmsg:error=$1:when=$2" "${@:3}"; }
fails "(Object|resource) busy" "reload, the kernel is busy" \
	with_nft EBUSY 3+ "$netshim" -c "$scratch/new.conf" reload
is "$(start)" "$in_force" "busy: in its class"
echo "class one { classid = '10:1'  action = reject  allow = { 'example.org' } }" >"$scratch/names.conf"
strace -o "$scratch/calls" -e trace=sendmsg "$netshim" -c "$scratch/names.conf" reload
"$netshim" down
up
fails "nftables refuses" "reload with names, where there were none" \
	with_nft ENOBUFS "$(batches "$scratch/calls" | head -n 1)+" "$netshim" -c "$scratch/names.conf" reload
others() { while :; do nft 'add table ip others; add chain ip others c; delete table ip others'; done; }
for _ in 1 2; do in_background others; done
failed=0
for ((i = 0; i < 10; i++)); do
	reload || failed=$((failed + 1))
	up || failed=$((failed + 1))
done
kill "${background[@]: -2}"
is "$failed" 0 "up and reload beside others that change nftables all the time"
"$netshim" down
coproc nft -i
owner=$COPROC_PID # bash forgets it when it has ended
echo 'add table inet netshim { flags owner; }' >&"${COPROC[1]}"
wait_until eval 'nft list table inet netshim >/dev/null 2>&1'
fails "nftables refuses the ruleset" "up, somebody else owns the table" up
eval "exec ${COPROC[1]}>&-"
wait "$owner"
up
end_watching
nft flush ruleset
like "$("$netshim" status 2>&1)" "nothing is filtered: .*'netshim reload'" "the table has gone: status says so"
up
is "$(start)" "$in_force" "and up puts it back"

# --- the groups
remove_groups() { find "$run/net_cls$group" -depth -type d -exec rmdir {} +; }
remove_groups
like "$(start)" "not started \(class one\): its control group is missing; run 'netshim reload'" "the groups have gone: not started"
up
is "$? $(start)" "0 $in_force" "and up makes them again"
rmdir "$run/net_cls$group/one/locked"
like "$(shim "$netshim" run one true 2>&1)" "its control group is missing" "a locked group has gone: not started there"
up
is "$(shim "$netshim" run one "$program" class)" "$group/one/locked" "and up makes it again"
umount "$run/net_cls"
like "$(start)" "not started \(class one\): its control group is missing" "the hierarchy is not mounted any more: not started"
up
is "$? $(start)" "0 $in_force" "and up mounts it again"

# --- the time
touch -d 2100-01-01 "$rules" "$run"
is "$(start)" "$in_force" "the clock was in 2100 when the rules were written"
touch -d 1970-01-01 "$rules" "$run"
is "$(start)" "$in_force" "it was in 1970"
jump() { unshare --time --boottime 2000000000 --monotonic 2000000000 "$@"; }
is "$(jump "$netshim" -c "$scratch/old.conf" up; echo $?) $(jump "${user[@]}" LD_PRELOAD="$preload" env "$program" sends 192.168.77.9 9)" \
	"0 $in_force" "the machine's clock jumps by 63 years"

finish
