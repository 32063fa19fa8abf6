#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# A kernel without IPv6, and without parts of nftables: what does not need them works,
# and what does is refused with the option's name and that of what is missing. In a
# machine of its own, whose modules are kept out.
. "$(dirname "$0")/lib.sh"

unpacked=("$tests"/../build/unpacked/linux-image-*)
kernel=("${unpacked[0]}"/boot/vmlinuz-*)
if [ "$(uname -m)" != x86_64 ] || [ ! -e "${kernel[0]}" ]; then
	cannot_run "there is no kernel to boot (scripts/install-packages kernel)"
fi
version=${kernel[0]##*/vmlinuz-}
machine=$scratch/machine
mkdir -p "$machine"/{bin,sbin,proc,sys,dev,etc,tmp,run,lib/modules/"$version"/kernel}
cp "$root/bin/busybox" "$machine/bin"
ln -s ../bin/busybox "$machine/sbin/modprobe"
put() { # put FILE...: with the libraries that it needs
	local file
	for file; do
		[ ! -e "$machine$file" ] || continue
		mkdir -p "$machine${file%/*}"
		cp "$file" "$machine$file"
		# shellcheck disable=SC2046 # paths without blanks
		put $(ldd "$file" 2>/dev/null | grep -o '/[^ ]*')
	done
}
put "$netshim" "$helper"
cp "$root/bin/probe-static" "$machine/bin/probe"
mkdir -p "$machine$root"/{run,etc,var}
modules=$machine/lib/modules/$version
for folder in net/netfilter net/ipv4/netfilter net/ipv6/netfilter drivers/net/dummy.ko lib/libcrc32c.ko; do
	mkdir -p "$modules/kernel/${folder%/*}"
	cp -r "${unpacked[0]}/lib/modules/$version/kernel/$folder" "$modules/kernel/${folder%/*}/"
done
cp "${unpacked[0]}/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$modules/"
depmod -b "$machine" "$version"

cat >"$machine/init" <<END
#!/bin/busybox sh
netshim=$netshim config=$config modules=/lib/modules/$version/kernel
END
cat >>"$machine/init" <<'END'
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin
dmesg -n 1
echo
ip link set lo up
modprobe dummy numdummies=0
for name in vpn0 lan0; do ip link add $name type dummy; done
ip addr add 10.11.0.1/24 dev vpn0
ip addr add 192.168.77.1/24 dev lan0
for name in vpn0 lan0; do ip link set $name up; done
ip route add default via 192.168.77.2
$netshim grant >/dev/null # an archive of the kernel's has no extended attributes
sent() { cat /sys/class/net/$1/statistics/tx_packets; }

try() { # try CONFIGURATION: check, up and down
	echo "$1" >$config
	echo "== $1"
	$netshim check
	echo "check: $?"
	$netshim up
	echo "up: $?"
	$netshim down || echo "down: $?"
}
cp -r $modules /all
for m in nft_ct nft_nat nft_chain_nat nft_masq nft_fib nft_fib_inet nft_fib_ipv4 nft_fib_ipv6 nft_limit nft_log nft_numgen nft_tproxy nft_socket nf_conntrack nf_nat; do
	find $modules -name $m.ko -exec rm {} +
done
try "class plain { action = reject  allow = { 'loopback', 'lan', 'tcp/443' } }"
try "class other { dns = { '127.0.0.1:5354' } }"
try "class vpn { interface = 'vpn0' }"
try "class direct { interface = 'ordinary' }"
try "class slow { rate = '10 mbit' }"
try "class heard { rate-in = '10 mbit' }"
try "class logged { log = true }"
try "class marked { mark = 7 }"
try "class www { serve = 'lan' }"
try "class two { dns = { '127.0.0.1', '127.0.0.2' } }"
try "unclassified { action = reject  log = true }"
try "class tor { proxy = '127.0.0.1:1'  proxy-udp = '127.0.0.1:2' }"
for m in nft_ct nf_conntrack; do cp /all/net/netfilter/$m.ko $modules/net/netfilter/; done
try "unclassified { deny = { '192.0.2.1' } }"
try "class vpn { interface = 'vpn0' }"
cp -r /all/* $modules/

echo "class vpn { interface = 'vpn0'  dns = { '10.11.0.53', '[fd11::53]:53' }  rate = '10 mbit'  log = true }
class tor { proxy = { '127.0.0.1:1', '[::1]:1' }  proxy-udp = { '127.0.0.1:2', '[::1]:2' }  rate-in = '10 mbit' }
class shut { action = reject  allow = { 'lan', 'fd00::/8' } }
unclassified { log = true  deny = { '198.51.100.0/24', '2001:db8::/32' } }" >$config
[ -e /proc/net/if_inet6 ] || echo "== no IPv6"
$netshim up
echo "up: $?"
send() { # send CLASS: a datagram; what its sender is told, and how many have left by which interface
	local there=$(sent vpn0) here=$(sent lan0) told
	[ "$1" = none ] && probe send 203.0.113.7 9 || $netshim run $1 probe send 203.0.113.7 9
	told=$?
	echo "$1: $told $(($(sent vpn0) - there)) $(($(sent lan0) - here))"
}
send vpn
send shut
send tor
send none
ip link set vpn0 down
$netshim reload --hook
echo "hook: $?"
send vpn
$netshim down
echo "down: $?"
poweroff -f
END
chmod 755 "$machine/init"
(cd "$machine" && find . | cpio -o -H newc --quiet) >"$scratch/initrd"
# The timer may be late where the emulator is not always running: it is not waited for.
timeout 240 qemu-system-x86_64 -kernel "${kernel[0]}" -initrd "$scratch/initrd" -append "console=ttyS0 quiet ipv6.disable=1 no_timer_check panic=-1" \
	-m 512 -nographic -no-reboot -nic none </dev/null 2>&1 | tr -d '\r' >"$scratch/said"
of() { # of CONFIGURATION: what was said of it
	awk -v heading="== $1" '/^== / { ours = $0 == heading; next } ours' "$scratch/said" | grep -v -e '^\[' -e 'has no way out' | sed "s|^$config:||"
}
missing() { # missing LINE OPTION FEATURE... [and OPTION FEATURE...]: what check and up say
	local option="" what=() word
	for word in "${@:2}"; do
		if [ "$word" = and ]; then
			option=""
		elif [ -z "$option" ]; then
			option=$word
		else
			what+=("$1: $option needs $word, which this kernel does not have; remove it, or install what is missing")
		fi
	done
	printf '%s\n' "${what[@]}" "check: 1" "${what[@]}" "up: 1"
}
fine=" ok, 1 class, 0 rules
check: 0
up: 0"
ct="connection tracking (nft_ct, nf_conntrack)"
nat="address translation (nft_chain_nat, nft_nat)"
masquerading="masquerading (nft_chain_nat, nft_masq)"
fib="look-ups of routes (nft_fib_inet, nft_fib_ipv4, nft_fib_ipv6)"
is "$(of "class plain { action = reject  allow = { 'loopback', 'lan', 'tcp/443' } }")" "$fine" \
	"without conntrack, nat, fib and more: a class that does not need them"
is "$(of "class other { dns = { '127.0.0.1:5354' } }")" "$(missing "1: class other" dns "$nat" "$ct" "$masquerading")" "dns"
is "$(of "class two { dns = { '127.0.0.1', '127.0.0.2' } }")" \
	"$(missing "1: class two" dns "$nat" "$ct" "counting through (nft_numgen)" "$masquerading")" "several resolvers"
is "$(of "class vpn { interface = 'vpn0' }" | head -8)" "$(missing "1: class vpn" interface "$ct" "$fib" "$masquerading")" "interface"
is "$(of "class direct { interface = 'ordinary' }")" "$(missing "1: class direct" interface "$ct" "$fib" "$masquerading")" "the ordinary way"
is "$(of "class slow { rate = '10 mbit' }")" "$(missing "1: class slow" rate "limits (nft_limit)")" "rate"
is "$(of "class heard { rate-in = '10 mbit' }")" "$(missing "1: class heard" rate-in "limits (nft_limit)")" "rate-in"
is "$(of "class tor { proxy = '127.0.0.1:1'  proxy-udp = '127.0.0.1:2' }")" \
	"$(missing "1: class tor" proxy "$nat" "$ct" and proxy-udp "$fib" "look-ups of sockets (nft_socket)" "transparent proxying (nft_tproxy)")" "proxy and proxy-udp"
is "$(of "class logged { log = true }")" "$(missing "1: class logged" log "$ct" "limits (nft_limit)" "logging (nft_log)")" "log"
is "$(of "class marked { mark = 7 }")" "$(missing "1: class marked" mark "$ct" "$fib" "$masquerading")" "mark"
is "$(of "class www { serve = 'lan' }")" "$(missing "1: class www" serve "$ct")" "serve"
is "$(of "unclassified { action = reject  log = true }")" \
	"$(missing "1: unclassified" "refusing anything" "$ct" "limits (nft_limit)" "logging (nft_log)")" "a default deny, logged"
is "$(of "unclassified { deny = { '192.0.2.1' } }")" "${fine/1 class/0 classes}" "with conntrack: what is in no class is refused"
is "$(of "class vpn { interface = 'vpn0' }" | tail -6)" "$(missing "1: class vpn" interface "$fib" "$masquerading")" "and interface lacks less"
is "$(of "no IPv6")" "netshim: this kernel has no IPv6: of the classes with an interface, what is about IPv4 is in force
up: 0
vpn: 0 1 0
shut: 1 0 0
tor: 0 0 0
none: 0 0 1
hook: 0
vpn: 1 0 0
down: 0" "with all of it, and without IPv6: a configuration for both, and where its packets go"

finish
