#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Who may not execute a program that a rule names gets the kernel's own error, and who
# may starts it in its class: by effective and not by real ids, by every way to name a
# file, and on kernels that cannot be asked.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
folder=$scratch/folder
programs=(dynamic static script link link-to-script root-only root-only-script user-only noexec/dynamic busy busy-script)
mkdir -p "$folder/noexec"
mount -t tmpfs -o noexec none "$folder/noexec"
for copy in dynamic root-only user-only noexec/dynamic; do cp "$bin/probe" "$folder/$copy"; done
for copy in static busy; do cp "$bin/probe-static" "$folder/$copy"; done
for copy in script root-only-script busy-script; do
	cat >"$folder/$copy" <<'EOF'
#!/bin/sh
while read -r line; do case $line in *:net_cls*) echo "${line##*:}" ;; esac; done </proc/self/cgroup
EOF
	chmod 755 "$folder/$copy"
done
ln -s static "$folder/link"
ln -s script "$folder/link-to-script"
chmod 700 "$folder"/{root,user}-only*
chown 65534:65534 "$folder/user-only"
in_background sleep 900 8>>"$folder/busy" 9>>"$folder/busy-script"

before_6_8() { # before_6_8 KERNEL: as which the test runs, on which it runs
	local release
	for release in "$1" "${NETSHIM_KERNEL:-}" "$(uname -r)"; do
		since 6.8 "${release:-9}" || return 0
	done
	return 1
}
# They differ in nothing but the class. What setuid-root code may open by a capability
# alone, the helper may not, which has lost it.
try() { LD_PRELOAD=$1 "${@:2}" refusals "$folder" "${programs[@]}" 2>&1 | grep -v '^setuid-root [^:]* user-only:'; }
configure <<<"class net { }"
plain=$(try "$empty")
ok "$(($(grep -c ': / status=0$' <<<"$plain") < 200 || $(grep -c ': E' <<<"$plain") < 100))" "many are started, and many are not"
configure <<EOF
class net { }
app '$folder/' { class = net }
EOF
for kernel in "" 6.13 6.7; do
	said=$(try "$preload" ${kernel:+older-kernel $kernel})
	# There, only its owner and root are told that a file is open for writing.
	known=.
	! before_6_8 "$kernel" || known='^([^:]* (root-only|user-only|noexec|dynamic|static|script|link)|setuid-root)[^:]*:'
	is "$(diff <(grep -E "$known" <<<"$plain") <(grep -E "$known" <<<"${said//"$group/net"//}"))" "" "the same errors${kernel:+ on Linux $kernel}"
	is "$(grep -v -e ': E' -e ": $group/net status=0$" -e busy <<<"$said")" "" "and what starts is in its class${kernel:+ on Linux $kernel}"
done
like "$said" "user execv busy: netshim: .*busy: not started: [^"$'\n'"]* status=7e00" "on Linux 6.7, another's file that is open for writing: exit code 126"

umount "$folder/noexec"
finish
