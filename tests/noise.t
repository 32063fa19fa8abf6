#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Which form of LD_PRELOAD is silent where: every cell of README's table, and the
# lines of session files as README has them.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
readme=$tests/../README.md
lib=/usr/local/lib
[ -e "$bin/probe-32" ] || cannot_run "the compiler builds no 32-bit programs (Debian: gcc-multilib)"

# The places that README names, seen by this test alone.
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
		as_user qemu-i386 -E LD_PRELOAD="$1" "$bin/probe-32" loaded
	fi
}

start() { # start KIND LD_PRELOAD: a program of a kind, as README's table names it
	case $1 in
	"64-bit program") as_user LD_PRELOAD="$2" "$bin/probe" loaded ;;
	"32-bit program") run32 "$2" ;;
	"32-bit program, where its library is not built")
		mkdir -p "$scratch/none"
		mount --bind "$scratch/none" $lib/netshim/lib32
		run32 "$2"
		umount $lib/netshim/lib32
		;;
	"program of musl") as_user LD_PRELOAD="$2" "$bin/probe-musl" loaded ;;
	"static program") as_user LD_PRELOAD="$2" "$bin/probe-static" loaded ;;
	"setuid program") as_user LD_PRELOAD="$2" "$scratch/setuid" loaded ;;
	"set-capability program") as_user LD_PRELOAD="$2" "$scratch/setcap" loaded ;;
	"in a chroot or container that has no library") in_bare env LD_PRELOAD="$2" chroot "$bare" /probe loaded ;;
	"there, of musl or static")
		in_bare env LD_PRELOAD="$2" chroot "$bare" /probe-musl loaded
		in_bare env LD_PRELOAD="$2" chroot "$bare" /probe-static loaded
		;;
	*) echo "what is that?" ;;
	esac
}

effect() { # effect KIND LD_PRELOAD: as README's table names it
	local loaded
	loaded=$(start "$@" 2>"$scratch/noise" | sort -u)
	case $loaded:$(cat "$scratch/noise") in
	yes:) echo loaded ;;
	no:) echo silent ;;
	no:*"ERROR: ld.so: object '$2' from LD_PRELOAD cannot be preloaded"*) echo warns ;;
	*) echo "loaded: $loaded; $(cat "$scratch/noise")" ;;
	esac
}

forms=()
rows=0
while IFS='|' read -r _ kind cells; do
	kind=$(xargs <<<"$kind")
	mapfile -t words < <(tr '|' '\n' <<<"$cells" | sed 's/^ *//; s/ *$//; /^$/d; s/`//g')
	if [ ${#forms[@]} -eq 0 ]; then
		forms=("${words[@]}")
		continue
	fi
	[ "$kind" != --- ] || continue
	rows=$((rows + 1))
	for i in "${!forms[@]}"; do
		is "$(effect "$kind" "${forms[i]}")" "${words[i]}" "README: ${forms[i]}, $kind: ${words[i]}"
	done
done < <(sed -n '/^| LD_PRELOAD= /,/^$/p' "$readme" | grep '^|')
is "$rows ${#forms[@]}" "9 3" "the table was read"
is "$(in_bare env LD_PRELOAD="$preload" env -u LD_PRELOAD chroot "$bare" /probe loaded 2>&1)" no "env -u LD_PRELOAD chroot: silent"

# --- the lines of session files

by_lib=$lib/netshim/\$LIB/libnetshim.so
in_readme() { grep -qF -e "$1" "$readme"; }

echo "LD_PRELOAD=$by_lib" >"$scratch/environment"
is "$(su -s /bin/sh nobody -c 'printenv LD_PRELOAD' 2>&1)" "$by_lib" "/etc/environment takes \$LIB as it is"
in_readme "LD_PRELOAD=$by_lib"
is $? 0 "README has that line"

mkdir -p "$scratch/home/environment.d"
line="LD_PRELOAD=${by_lib/\$/\$\$}"
echo "$line" >"$scratch/home/environment.d/netshim.conf"
like "$(XDG_CONFIG_HOME=$scratch/home /usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator)" \
	"LD_PRELOAD=\"${by_lib/\$/\\\\\\$}\"" "environment.d takes \$\$LIB"
in_readme "\$\$LIB"
is $? 0 "README says so"

finish
