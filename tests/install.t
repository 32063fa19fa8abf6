#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# make install puts each file where the builder wants it, make uninstall takes away all
# but the configuration, and what is installed needs nothing that it could do without.
. "$(dirname "$0")/lib.sh"

cd "$tests/.." || exit 1
dest=$scratch/dest
args=(BUILD="$scratch/build" PREFIX=/opt/ns LIBDIR=/opt/ns/lib64 LIBEXECDIR=/opt/ns/lib/exec SYSCONFDIR=/opt/etc
	RUNDIR=/opt/run)
make -s -j2 install DESTDIR="$dest" "${args[@]}" >/dev/null
is $? 0 "install with DESTDIR"
is "$(cd "$dest" && find . -type f ! -path './opt/ns/lib64/netshim/*' | LC_ALL=C sort | paste -sd' ')" \
	"./opt/etc/NetworkManager/dispatcher.d/50-netshim ./opt/etc/netshim.conf ./opt/etc/network/if-up.d/netshim \
./opt/etc/networkd-dispatcher/routable.d/50-netshim ./opt/ns/bin/netshim ./opt/ns/lib/exec/netshim-helper ./opt/ns/lib/exec/netshim-netns ./opt/ns/lib/exec/netshim-nftables ./opt/ns/lib/exec/netshim-packages ./opt/ns/lib/exec/netshim-rescue \
./opt/ns/lib/exec/netshim-unit ./opt/ns/lib/systemd/system-generators/netshim ./opt/ns/lib/systemd/system/netshim.service ./opt/ns/lib/systemd/system/nftables.service.d/00-netshim.conf \
./opt/ns/lib/systemd/system/opt-run-netshim-net_cls.mount.d/netshim.conf ./opt/ns/lib64/libnetshim.so \
./opt/ns/share/bash-completion/completions/netshim ./opt/ns/share/fish/vendor_completions.d/netshim.fish \
./opt/ns/share/man/man1/netshim.1 ./opt/ns/share/man/man5/netshim.conf.5 ./opt/ns/share/man/man7/libnetshim.7 \
./opt/ns/share/man/man8/netshim-helper.8 \
$(cd conf/policies && printf './opt/ns/share/netshim/%s ' *.conf)./opt/ns/share/zsh/site-functions/_netshim" \
	"everything goes where it is told to"
is "$(LD_PRELOAD="$dest/opt/ns/lib64/netshim/\$LIB/libnetshim.so" "$root/bin/probe" loaded 2>&1)" yes "and one by \$LIB"
unit=$dest/opt/ns/lib/systemd/system/nftables.service.d/00-netshim.conf
printf '[Service]\nExecStart=/sbin/nft -f /etc/of/its/own\n' >"$scratch/nftables.service"
make -s install DESTDIR="$dest" "${args[@]}" NFTABLES_UNIT="$scratch/nftables.service" >/dev/null
is "$(grep -c "^Exec.*=/opt/ns/lib/exec/netshim-nftables /etc/of/its/own$" "$unit")" 2 "nftables.service loads the file that it does here, with netshim's table"
echo 'ExecStart=/bin/more' >>"$scratch/nftables.service"
like "$(make -s install DESTDIR="$dest" "${args[@]}" NFTABLES_UNIT="$scratch/nftables.service" 2>&1; ls "$unit" 2>&1)" \
	"^netshim: nftables.service gets no drop-in, as it does more than load a file: [^"$'\n'"]*"$'\n'"ls: cannot access" "or it is left alone, which is said"
is "$(getcap "$dest/opt/ns/lib/exec/netshim-helper")" "" "with DESTDIR no capability is granted: the package does that"
is "$(strings "$dest/opt/ns/lib64/libnetshim.so" | grep -c -e '^/opt/run/netshim/rules$' -e '^/opt/ns/lib/exec/netshim-helper$')" \
	2 "the paths are compiled in"
is "$(grep -rlP '/usr/local| /run/(?!netns)' "$dest/opt/ns/share/man" "$dest/opt/etc")" "" "the manual pages and the hooks name them"
is "$(grep ^include "$dest/opt/etc/netshim.conf")" "include('/opt/etc/netshim.d/*.conf')" "the sample includes what lies beside it"
mkdir "$dest/opt/etc/netshim.d"
echo "class more { }" | sed "s|/opt/etc|$dest/opt/etc|" >"$dest/opt/etc/netshim.d/more.conf"
sed "s|/opt/etc|$dest/opt/etc|" "$dest/opt/etc/netshim.conf" >"$scratch/sample"
like "$("$netshim" check "$scratch/sample")" ": ok, 9 classes" "and it is read"
rm -r "$dest/opt/etc/netshim.d"
echo "# mine" >"$dest/opt/etc/netshim.conf"
mkdir -p "$dest/opt/etc/init.d" "$dest/opt/etc/apt/apt.conf.d" "$dest/opt/etc/apparmor.d/abstractions" "$dest/opt/etc/X11/Xsession.d"
chmod 2750 "$dest/opt/ns/bin" "$dest/opt/ns/lib/exec" "$dest/opt/ns/lib64" "$dest/opt/etc/network/if-up.d" "$dest/opt/etc"
make -s install DESTDIR="$dest" "${args[@]}" >/dev/null
is "$(find "$dest" -type d -perm 2750 | wc -l)" 5 "a folder that is there keeps its mode"
chmod -R u=rwX,go=rX,g-s "$dest"
is "$(cat "$dest/opt/etc/netshim.conf")" "# mine" "a configuration that is there is kept"
is "$(grep -c -e /opt/ns/bin/netshim -e /opt/run/netshim/rules "$dest/opt/etc/init.d/netshim")" 2 "where there is a folder for init scripts, there is one of netshim's"
is "$(grep -c -F '[ ! -x /opt/ns/lib/exec/netshim-packages ] || /opt/ns/lib/exec/netshim-packages ' "$dest/opt/etc/apt/apt.conf.d/50netshim")" 2 \
	"and likewise for apt"
is "$(grep -c '[ ]/opt/ns/lib64/netshim/libnetshim.so ' "$dest/opt/etc/X11/Xsession.d/89netshim")" 1 "and for Debian's X sessions"
is "$(grep -rhoE '^  /[^ ]*' "$dest/opt/etc/apparmor.d" | LC_ALL=C sort | xargs)" "/opt/ns/lib/exec/netshim-helper /opt/ns/lib64/libnetshim.so \
/opt/ns/lib64/netshim/{,**/}libnetshim.so /opt/run/netshim/net_cls/netshim/*/{,locked/}tasks /opt/run/netshim/rules" "and for AppArmor"
make -s uninstall DESTDIR="$dest" "${args[@]}" >/dev/null
is "$(cd "$dest" && find . -type f)" "./opt/etc/netshim.conf" "uninstall leaves the configuration alone"

# what is there, or is not yet
ln -sf /not/mounted "$dest/opt/etc/netshim.conf"
mkdir "$scratch/ends"
# shellcheck disable=SC2016 # expanded by what is written
printf '#!/bin/sh\ncase $* in *base.d*) exit 1 ;; *) exec %s "$@" ;; esac\n' "$(command -v chmod)" >"$scratch/ends/chmod"
chmod 755 "$scratch/ends/chmod"
PATH=$scratch/ends:$PATH make -s install DESTDIR="$dest" "${args[@]}" >/dev/null 2>&1
is "$? $(ls "$dest/opt/etc/apparmor.d/abstractions/base.d")" "2 netshim.new~" "ended half way, it leaves nothing that AppArmor reads"
make -s uninstall DESTDIR="$dest" "${args[@]}" >/dev/null
is "$(cd "$dest/opt/etc" && find . ! -type d) $(readlink "$dest/opt/etc/netshim.conf")" "./netshim.conf /not/mounted" \
	"uninstall takes that away, and a configuration that is a symbolic link stays one"
rm "$dest/opt/etc/netshim.conf"
echo "# mine" >"$dest/opt/etc/netshim.conf"
below_srv=(PREFIX=/srv/usr/local SYSCONFDIR=/srv/etc RUNDIR=/srv/run STATEDIR=/srv/var/lib NFTABLES=/srv/etc/nftables.conf)
# shellcheck disable=SC2016 # make's
naming=$(make -s BUILD="$scratch/flags" "${below_srv[@]}" --eval="name-folders:; @echo '\$(NAME_FOLDERS)'" name-folders)
mapfile -t texts < <(grep -rlE '/usr/local/|/run/netshim' scripts conf shim helper --exclude='*.[ch]' --exclude-dir=packages)
below() { sed 's|/srv/|/|g' | cksum; }
is "$(sed "$naming" "${texts[@]}" | below)" "$(cat "${texts[@]}" | below)" "each folder is named once, also where one has another's name in it"

# beside an installation with other folders
make -s install DESTDIR="$dest" "${args[@]}" >/dev/null
cp -r "$dest/opt/ns" "$dest/opt/other"
grep -rl /opt/ns/ "$dest/opt/etc" | grep -v netshim.conf | xargs sed -i 's|/opt/ns/|/opt/other/|g'
others=$(cd "$dest/opt/etc" && find . -type f -exec cksum {} + | sort)
like "$(make -s install DESTDIR="$dest" "${args[@]}" 2>&1)" \
	"nothing has been installed: $dest/opt/etc/network/if-up.d/netshim is of another installation, whose /opt/other/bin/netshim is there" \
	"no installation takes the files of another one"
make -s uninstall DESTDIR="$dest" "${args[@]}" >/dev/null
is "$(cd "$dest/opt/etc" && find . -type f -exec cksum {} + | sort)" "$others" "nor does uninstall"
rm -r "$dest/opt/other"
make -s install DESTDIR="$dest" "${args[@]}" >/dev/null
is "$? $(grep -rlF /opt/other "$dest")" "0 " "but those of one that is gone"
make -s uninstall DESTDIR="$dest" "${args[@]}" >/dev/null
is "$(cd "$dest" && find . -type f)" "./opt/etc/netshim.conf" "which are its own now"
mkdir -p "$scratch/apart/var/netshim"
uninstall_apart() { make -s uninstall BUILD="$scratch/flags" PREFIX="$scratch/apart" SYSCONFDIR="$scratch/apart/etc" RUNDIR="$scratch/apart" STATEDIR="$scratch/apart/var"; }
PATH=$root/usr/bin:$PATH uninstall_apart
is "$? $(ls "$scratch/apart/var")" "0 netshim" "what netshim keeps stays where there is another one"
mount -t tmpfs none /run
mkdir -p /run/systemd/system "$scratch/apart/lib/netshim"
uninstall_apart >/dev/null
is "$? $(ls "$scratch/apart/var")" "0 " "and goes with the last"
is "$(sed -n 's/^R! //p' "$scratch/apart/etc/tmpfiles.d/netshim-left${scratch//\//-}-apart-lib.conf" | head -n 2)" \
	"$scratch/apart/lib/netshim"$'\n'"$scratch/apart/lib/libnetshim.so" "the library, at the next boot, by a file that is this installation's own"
umount /run

blank() { # blank SETTING: what would be done with it
	make -n uninstall BUILD="$scratch/flags" "$1" 2>&1
}
for name in DESTDIR PREFIX BINDIR LIBDIR LIBEXECDIR MANDIR SYSCONFDIR RUNDIR STATEDIR UNITDIR BUILD; do
	for folder in "/home/me/my pkg" "/pkg "; do
		like "$(blank "$name=$folder")" "^Makefile:[0-9]+: \*\*\* $name is '$folder': [^"$'\n'"]*\.  Stop\.$" \
			"nothing is done with a blank in a folder's name: $name='$folder'"
	done
done
is "$(make -n BUILD="$scratch/flags" CC=some-cc CFLAGS=-O9 LDFLAGS=-Wl,-some CPPFLAGS=-DSOME LIB32= build |
	grep -c '^some-cc -DSOME -O9 \|^some-cc -O9 -Wl,-some ')" "$(make -n BUILD="$scratch/flags" LIB32= build | grep -c '^cc ')" \
	"the builder's CC, CPPFLAGS, CFLAGS and LDFLAGS are used everywhere"
is "$(getcap "$helper" | sed 's/.* //')" "cap_dac_override=p" "install without DESTDIR grants the capability"
chmod g+w "$helper"
like "$("$netshim" grant 2>&1)" "can be changed by others than root" "not to a helper that others may write"
chmod g-w "$helper"

# another helper takes its place, with the capability from the first moment on
cp "$helper" "$helper.new"
inode=$(stat -c %i "$helper.new")
is "$("$netshim" grant "$helper.new") $(stat -c %i "$helper") $(getcap "$helper")" "$helper: cap_dac_override=p $inode $helper cap_dac_override=p" \
	"grant FILE: it gets the capability and becomes the helper"
ok $(($(find "$root/usr/libexec" -name 'netshim-helper*' | wc -l) - 1)) "and none is left beside it"
install -m 775 "$helper" "$helper.new"
like "$("$netshim" grant "$helper.new" 2>&1; stat -c %i "$helper")" "can be changed by others than root.*"$'\n'"$inode" \
	"not one that others may write: the helper is the old one"
rm "$helper.new"
mkdir "$scratch/elsewhere"
mount -t tmpfs none "$scratch/elsewhere"
netns=${helper%-helper}-netns
cp "$helper" "$netns" "$scratch/elsewhere"
for name in netshim-helper netshim-netns; do
	setcap cap_net_raw=p "$scratch/elsewhere/$name"
	like "$("$netshim" grant "$scratch/elsewhere/$name" 2>&1; stat -c %i "$helper")" "cannot put $scratch/elsewhere.*same folder.*"$'\n'"$inode" \
		"nor one from elsewhere: $name"
	is "$(getcap "$scratch/elsewhere/$name")" "$scratch/elsewhere/$name cap_net_raw=p" "whose capabilities are as they were"
done
umount "$scratch/elsewhere"
cp "$helper" "$scratch/netshim-helper"
like "$("$netshim" grant "$scratch/netshim-helper" 2>&1; stat -c %i "$helper")" "cannot put .*same folder.*"$'\n'"$inode" "nor one of the same file system"
is "$(getcap "$scratch/netshim-helper")" "" "which gets no capability"
unfit() { # unfit SAYS WHAT: what is in $helper.new
	like "$("$netshim" grant "$helper.new" 2>&1; echo $?; stat -c %i "$helper")" "$1.*1"$'\n'"$inode" "nor $2"
	is "$(getcap "$helper.new")" "" "which gets no capability"
	rm "$helper.new"
}
echo text >"$helper.new"
chmod 755 "$helper.new"
unfit "cannot put $helper.new in the place of $helper .it is not netshim's" "a text file"
cp /bin/true "$helper.new"
unfit "it is not netshim's" "another program"
install -m 644 "$preload" "$helper.new"
unfit "$helper.new has mode 644, so nobody can run it; run: chmod 755 $helper.new" "what nobody can run"
cp "$helper" "$helper.new"
mkdir "$scratch/same"
mount --bind "${helper%/*}" "$scratch/same"
like "$("$netshim" grant "$scratch/same/netshim-helper.new" 2>&1; stat -c %i "$helper"; getcap "$helper.new")" "^netshim: cannot put [^"$'\n'"]*"$'\n'"$inode$" \
	"where it cannot take its place after all, it has the capability no longer"
umount "$scratch/same"
rm "$helper.new"

# as on Arch Linux, whose loader puts lib for $LIB
make -s install DESTDIR="$dest" "${args[@]}" >/dev/null
mkdir "$scratch/arch"
by_lib=$dest/opt/ns/lib64/netshim
# shellcheck disable=SC2016 # expanded by what is written
printf '#!/bin/sh\necho dl_dst_lib=\\"lib\\"\n' >"$scratch/arch/loader"
# shellcheck disable=SC2016
printf '#!/bin/sh\ncase $1 in -print-file-name=*) echo %s ;; *) exec gcc "$@" ;; esac\n' "$scratch/arch/loader" >"$scratch/arch/cc"
printf '#!/bin/sh\n%s "$@" && readelf -h %s >>%s\n' "$(command -v mv)" "$by_lib/lib/libnetshim.so" "$scratch/arch/headers" >"$scratch/arch/mv"
chmod 755 "$scratch/arch"/{loader,cc,mv}
cp "$preload" "$by_lib/lib/libnetshim.so"
PATH=$scratch/arch:$PATH make -s install DESTDIR="$dest" "${args[@]}" >"$scratch/said" 2>&1
is "$? $(cat "$scratch/said"; grep Class: "$scratch/arch/headers" | sort -u | xargs)" "0 Class: ELF64" \
	"where 64-bit programs have the folder lib, at no moment a 32-bit library is there"
is "$(make -s install DESTDIR="$dest" "${args[@]}" LIB32= 2>&1 | grep -F /lib/libnetshim.so)" \
	"netshim: /opt/ns/lib64/netshim/lib/libnetshim.so stays as it is: no library for 32-bit programs has been built" \
	"one for 32-bit programs that stays as it was is named"
make -s uninstall DESTDIR="$dest" "${args[@]}" >/dev/null

# nothing that would end every program of a session
like "$(make -s BUILD="$scratch/profiled" CFLAGS=-pg "$scratch/profiled/libnetshim.so" 2>&1)" "libnetshim.so: no program could start with it: it needs _*mcount" \
	"a library that needs what programs do not have is not made"
ok $(($(find "$scratch/profiled" -name 'libnetshim.so' | wc -l))) "and no half of it is left"
make -s install DESTDIR="$dest" "${args[@]}" >/dev/null
before=$(cd "$dest" && find . -type f -exec cksum {} + | sort)
for harm in 'void end(void) { _exit(0); }' 'void end(void) { __builtin_trap(); }' 'void missing(void); void end(void) { missing(); }'; do
	printf '#include <unistd.h>\n__attribute__((constructor)) %s\n' "$harm" |
		gcc -shared -fPIC -Wno-implicit-function-declaration -x c - -o "$scratch/build/libnetshim.so"
	like "$(make -s install DESTDIR="$dest" "${args[@]}" 2>&1)" \
		"nothing has been installed: the compiler's programs do not start with $dest/opt/ns/lib64/libnetshim.so.new" \
		"a library that ends programs stops the installation: $harm"
	is "$(cd "$dest" && find . -type f -exec cksum {} + | sort)" "$before" "and all stays as it was"
done
mount --bind "$scratch/build" "$scratch/build"
mount -o remount,bind,noexec "$scratch/build"
like "$(make -s install DESTDIR="$dest" "${args[@]}" 2>&1)" "nothing has been installed: the compiler's programs do not start with" \
	"also where nothing may be executed in the folder in which it is built"
mount --bind "$dest" "$dest"
mount -o remount,bind,noexec "$dest"
like "$(make -s install DESTDIR="$dest" "${args[@]}" 2>&1)" "nothing has been installed: .* cannot be tried, as nothing may be executed in .*noexec" \
	"and where there is no folder to try it in, it is not installed"
umount "$dest" "$scratch/build"
is "$(cd "$dest" && find . -type f -exec cksum {} + | sort)" "$before" "all is still as it was"
mkdir "$scratch/noexec"
mount -t tmpfs -o noexec none "$scratch/noexec"
is "$(TMPDIR=$scratch/noexec scripts/try-start "$preload" "$scratch" gcc 2>&1)" "" "where else nothing may be executed makes no difference"
umount "$scratch/noexec"
like "$(scripts/try-start "$preload" "$scratch" gcc -Wl,--dynamic-linker=/none 2>&1 && echo goes on)" \
	"untried: no programs of 'gcc -Wl,--dynamic-linker=/none' run here.*goes on" "what is built for another machine cannot be tried: that is said"

# what is built for another machine, whose loader does not run here
# shellcheck disable=SC2016 # expanded by that compiler
printf '#!/bin/sh\ncase $1 in -print-file-name=*) echo /none ;; *) exec gcc "$@" ;; esac\n' >"$scratch/cross-cc"
chmod 755 "$scratch/cross-cc"
is "$(scripts/library-folder "$netshim" "$scratch/cross-cc")" "$(scripts/library-folder "$netshim" gcc)" \
	"the compiler names the folder that the loader puts for \$LIB"
is "$(scripts/library-folder "$root/bin/probe-musl" gcc)" "" "musl's loader puts none"
is "$(LANGUAGE=fr scripts/library-folder "$root/bin/probe-musl" gcc)" "" "in another language than English, too"

# the shape of what is installed
is "$(readelf -d "$preload" | grep -c NEEDED)" 0 "the shim needs no library"
is "$(readelf -lW "$helper" | grep -c -e INTERP -e DYNAMIC)" 0 "the helper is static"
is "$(readelf --dyn-syms -W "$preload" | awk '/^ *[0-9]/ && $5 != "LOCAL" && $7 != "UND" && $7 != "ABS" { sub("@.*", "", $8); print $8 }' |
	sort -u | paste -sd' ')" \
	"execl execle execlp execv execve execveat execvp execvpe fexecve pidfd_spawn pidfd_spawnp posix_spawn posix_spawnp" \
	"the shim exports its hooks and nothing else"
is "$(readelf --dyn-syms -W "$preload" | awk '$7 == "UND" && NF > 7 { sub("@.*", "", $8); print $8 }' | sort | paste -sd' ')" \
	"__environ _dl_debug_addr _r_debug" "and asks libc for little"
is "$(readelf -lW "$preload" "$helper" "$netshim" | grep GNU_STACK | grep -c RWE)" 0 "no executable stack"
like "$(readelf -dW "$netshim")" "BIND_NOW|NOW" "the command binds at start (full RELRO)"

finish
