#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Which form of LD_PRELOAD is silent where: every cell of libnetshim(7)'s table, and
# the lines of session files as that page has them.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
page=$tests/../shim/libnetshim.7
lib=/usr/local/lib
[ -e "$bin/probe-32" ] || cannot_run "the compiler builds no 32-bit programs (Debian: gcc-multilib, gcc-arm-linux-gnueabihf)"

# The places that the page names, seen by this test alone.
mount --bind "$root/usr/lib" $lib
cp /etc/ld.so.cache "$scratch/cache"
mount --bind "$scratch/cache" /etc/ld.so.cache
ldconfig -C "$scratch/new-cache" && cat "$scratch/new-cache" >"$scratch/cache"
echo >"$scratch/environment"
mount --bind "$scratch/environment" /etc/environment

cp "$bin/probe" "$scratch/setuid"
chmod u+s "$scratch/setuid"
cp "$bin/probe" "$scratch/setcap"
setcap cap_net_raw+ep "$scratch/setcap"

# A system without the library.
bare=$scratch/bare
mkdir -p "$bare/proc"
cp "$bin/probe" "$bin/probe-musl" "$bin/probe-static" "$bare"
for file in $(ldd "$bin/probe" | grep -o '/[^ ]*\.so[^ ]*') /lib/ld-musl-*; do cp --parents -L "$file" "$bare"; done
in_bare() { # in_bare PROGRAM...: with a /proc that goes with it
	# shellcheck disable=SC2016 # expanded by that shell
	unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec "$@"' "$bare" "$@"
}

run32() { # run32 LD_PRELOAD
	if "$bin/probe-32" loaded >/dev/null 2>&1; then
		as_user LD_PRELOAD="$1" "$bin/probe-32" loaded
	else
		as_user "$emulator32" -E LD_PRELOAD="$1" "$bin/probe-32" loaded
	fi
}

start() { # start KIND LD_PRELOAD: a program of a kind, as the table names it
	case $1 in
	64-bit) as_user LD_PRELOAD="$2" "$bin/probe" loaded ;;
	32-bit) run32 "$2" ;;
	"32-bit, its library not built")
		mkdir -p "$scratch/none"
		folder32=lib32
		[ "$(uname -m)" != aarch64 ] || folder32=lib/arm-linux-gnueabihf
		mount --bind "$scratch/none" "$lib/netshim/$folder32"
		run32 "$2"
		umount "$lib/netshim/$folder32"
		;;
	"of musl") as_user LD_PRELOAD="$2" "$bin/probe-musl" loaded ;;
	static) as_user LD_PRELOAD="$2" "$bin/probe-static" loaded ;;
	setuid) as_user LD_PRELOAD="$2" "$scratch/setuid" loaded ;;
	set-capability) as_user LD_PRELOAD="$2" "$scratch/setcap" loaded ;;
	"in a chroot or container without it") in_bare env LD_PRELOAD="$2" chroot "$bare" /probe loaded ;;
	"there, of musl or static")
		in_bare env LD_PRELOAD="$2" chroot "$bare" /probe-musl loaded
		in_bare env LD_PRELOAD="$2" chroot "$bare" /probe-static loaded
		;;
	*) echo "what is that?" ;;
	esac
}

effect() { # effect KIND LD_PRELOAD: as the table names it
	local loaded
	loaded=$(start "$@" 2>"$scratch/noise" | sort -u)
	case $loaded:$(cat "$scratch/noise") in
	yes:) echo loaded ;;
	no:) echo silent ;;
	no:*"ERROR: ld.so: object '$2' from LD_PRELOAD cannot be preloaded"*) echo warns ;;
	*) echo "loaded: $loaded; $(cat "$scratch/noise")" ;;
	esac
}

# The table's columns are the list items before it, with a line LD_PRELOAD= each.
mapfile -t columns < <(sed -n 's/^\.It Em Program Ta \(Em path.*\)/\1/p' "$page" | sed 's/Em //g; s/ Ta /\n/g')
forms=()
for column in "${columns[@]}"; do
	forms+=("$(grep -xF -A 1 ".It Sy $column" "$page" | sed -n 's/^\.Dl LD_PRELOAD=//p')")
done
rows=0
while IFS='|' read -r kind cells; do
	IFS='|' read -ra words <<<"$cells"
	rows=$((rows + 1))
	for i in "${!forms[@]}"; do
		is "$(effect "$kind" "${forms[i]}")" "${words[i]}" "libnetshim(7): ${forms[i]}, $kind: ${words[i]}"
	done
done < <(sed -n '/^\.It Em Program Ta Em path/,/^\.El/s/^\.It \([^E].*\)/\1/p' "$page" | sed 's/ Ta /|/g')
is "$rows ${#forms[@]}" "9 3" "the table was read"
is "$(in_bare env LD_PRELOAD="$preload" env -u LD_PRELOAD chroot "$bare" /probe loaded 2>&1)" no "env -u LD_PRELOAD chroot: silent"

# --- the lines of session files

by_lib=$lib/netshim/\$LIB/libnetshim.so
in_page() { grep -qF -e "$1" "$page"; }

echo "LD_PRELOAD=$by_lib" >"$scratch/environment"
is "$(su -s /bin/sh nobody -c 'printenv LD_PRELOAD' 2>&1)" "$by_lib" "/etc/environment takes \$LIB as it is"
in_page "LD_PRELOAD=$by_lib"
is $? 0 "the page has that line"

mkdir -p "$scratch/home/environment.d"
line="LD_PRELOAD=${by_lib/\$/\$\$}"
echo "$line" >"$scratch/home/environment.d/netshim.conf"
like "$(XDG_CONFIG_HOME=$scratch/home /usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator)" \
	"LD_PRELOAD=\"${by_lib/\$/\\\\\\$}\"" "environment.d takes \$\$LIB"
in_page "\$\$LIB"
is $? 0 "the page says so"

finish
