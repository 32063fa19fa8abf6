#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# 32-bit programs: their own library does what the 64-bit one does. A kernel without
# 32-bit programs (IA32_EMULATION, COMPAT) has them run by qemu, which makes the
# same calls.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
by_lib=$root/usr/lib/netshim/\$LIB/libnetshim.so
[ -e "$bin/probe-32" ] || cannot_run "the compiler builds no 32-bit programs (Debian: gcc-multilib, gcc-arm-linux-gnueabihf)"
native=
"$bin/probe-32" loaded >/dev/null 2>&1 && native=yes
[ -n "$native" ] || command -v "$emulator32" >/dev/null || cannot_run "no 32-bit programs here, and no $emulator32 (Debian: qemu-user)"

run32() { # run32 PROGRAM ARGUMENT...
	if [ -n "$native" ]; then
		"${user[@]}" LD_PRELOAD="$by_lib" "$@"
	else
		"${user[@]}" "$emulator32" -E LD_PRELOAD="$by_lib" "$@"
	fi
}

printf '#!%s class\n' "$bin/probe" >"$scratch/script"
chmod 755 "$scratch/script"
cp "$bin/probe" "$scratch/unnamed"
cp "$bin/probe-32" "$scratch/unnamed-32"
cp "$bin/probe" "$scratch/members-only"
cp "$bin/probe" "$scratch/not-executable"
chmod 644 "$scratch/not-executable"
configure <<EOF
class net     { }
class members { users = { 'daemon', '@4000000' } }
app '$bin/probe'              { class = net }
app '$bin/probe-static'       { class = net }
app '$bin/probe-32'           { class = net }
app '$scratch/members-only'   { class = members }
app '$scratch/not-executable' { class = net }
app '$scratch/missing'        { class = net }
EOF

is "$(run32 "$scratch/unnamed-32" loaded)" yes "a 32-bit program has the library"
is "$(run32 "$bin/launcher-32" execve "$scratch/unnamed" loaded)" yes "so has the 64-bit one that it starts"
is "$(run32 "$bin/launcher-32" execve "$scratch/unnamed" class)" / "what no rule names is in no class"
for entry in execve execv execvp execvpe execl execlp execle execveat fexecve fexecve-cloexec posix_spawn posix_spawnp \
	vfork page-end; do
	is "$(run32 "$bin/launcher-32" $entry "$bin/probe-static" class)" "$group/net" "32-bit $entry: a 64-bit target"
done
is "$(run32 "$bin/launcher-32" execve "$scratch/script")" "$group/net" "a script by its interpreter's rule"
for odd in not-executable missing; do
	is "$(run32 "$bin/launcher-32" errno execve "$scratch/$odd")" "$(as_user "$bin/launcher" errno execve "$scratch/$odd")" \
		"the error for $odd"
done

like "$(run32 "$bin/launcher-32" execve "$scratch/members-only" class 2>&1)" "this user is not among" "not a member"
user=(setpriv --reuid 70000 --regid 70000 --groups 4000000 env)
is "$(run32 "$bin/launcher-32" execve "$scratch/members-only" class)" "$group/members" "a member, by numbers of more than 16 bits"

if [ -n "$native" ]; then
	is "$(run32 "$bin/probe-32" class)" "$group/net" "at start: a 32-bit program puts itself right"
	is "$(run32 "$bin/launcher-32" execve "$bin/probe-32" class)" "$group/net" "a 32-bit program from another"
	is "$(shim "$bin/probe-32" class 2>/dev/null)" "$group/net" "and from a 64-bit one"
else
	like "$(run32 "$bin/probe-32" class 2>&1)" "^netshim: $bin/probe-32: .*not in a format that the kernel can execute" \
		"at start: a 32-bit program becomes the helper, which this kernel lets start no 32-bit program"
fi
finish
