#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Packages of all three kinds are built, and have what belongs into them. Whoever builds
# Debian's of the same commit gets the same bytes. (What they do to a machine is
# machines/package.t's.)
. "$(dirname "$0")/lib.sh"

for tool in git dpkg-buildpackage rpmbuild rpmlint makepkg systemd-analyze; do
	command -v $tool >/dev/null || cannot_run "needs $tool"
done
cd "$tests/.." || exit 1
version=$("$netshim" --version)
version=${version#netshim }

# This tree as a repository of its own, so that this goes without one as well.
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org GIT_CONFIG_GLOBAL=/dev/null
one=$scratch/one other=$scratch/folder/of/another/name
git init -q -b main "$one"
git --git-dir="$one/.git" --work-tree=. add -A . && git -C "$one" commit -q -m all && git -C "$one" reset -q --hard &&
	git clone -q "$one" "$other"
ok $? "two repositories of this tree"
touch -d 2001-01-01 "$other"/* # a clone's files have the time of the clone

# --- Debian

built() { # built TREE COMMAND...: says what went wrong
	(cd "$1" && LINTIAN=true "${@:2}") >"$scratch/built" 2>&1 || { tail -n 20 "$scratch/built" >&2; false; }
}
sums() { (cd "$1/build/deb" && sha256sum ./*.deb); }
built "$one" scripts/deb
ok $? "make deb"
(umask 077 && built "$other" env TZ=Asia/Tokyo LC_ALL=C MAKEFLAGS=-j1 scripts/deb)
ok $? "make deb: in a folder of another name, in another time zone and language"
is "$(sums "$other")" "$(sums "$one")" "the same packages, byte for byte"

# --- Debian's on a machine of its own: this one's files, and what is written goes no further

machine=$scratch/machine
mkdir "$machine" "$scratch/written"
mount -t tmpfs none "$scratch/written"
mkdir "$scratch/written/upper" "$scratch/written/work"
mount -t overlay -o "lowerdir=/,upperdir=$scratch/written/upper,workdir=$scratch/written/work" machine "$machine"
mount -t proc proc "$machine/proc"
mkdir -p "$machine/run/systemd/system"
there=/usr/lib/netshim/lib/$(gcc -print-multiarch)/libnetshim.so
debs=("$one/build/deb/"{lib,}netshim_*_"$(dpkg --print-architecture)".deb)
on_machine() { LANGUAGE=de chroot "$machine" "$@" 2>&1; }
run_dpkg() { on_machine dpkg --force-depends "$@" >"$scratch/dpkg" || cat "$scratch/dpkg"; }
diverted() { on_machine dpkg-divert --list '/usr/lib/netshim/*'; }
is "$(run_dpkg -i "${debs[0]}"; run_dpkg -r libnetshim; diverted)" "" "in another language than English, a removal leaves no diversions"
is "$(grep -c "^r! $there$" "$machine"/etc/tmpfiles.d/netshim-left-libnetshim-*.conf) $(ls "$machine$there")" "1 $machine$there" \
	"and the library stays until the next boot"
run_dpkg -i "${debs[0]}"
# Its prerm is all that runs of a removal.
prerm=$machine/var/lib/dpkg/info/libnetshim:$(dpkg --print-architecture).prerm
# shellcheck disable=SC2016 # expanded there
sed -i '2i trap "kill -KILL $PPID" EXIT' "$prerm"
like "$(run_dpkg -r libnetshim; diverted)" "netshim-left" "a removal that is ended half way"
sed -i 2d "$prerm"
echo old | tee "$machine$there" >"$machine$there.left"
is "$(run_dpkg -i "${debs[0]}"; diverted; find "$machine/usr/lib/netshim" -name '*.left'; cmp "$machine$there" <(dpkg-deb --fsys-tarfile "${debs[0]}" | tar -xO ".$there"))" "" \
	"an installation after that replaces the library, and leaves none beside it"
run_dpkg -i "${debs[@]}"
helper_there() { stat -c '%n %i' "$machine"/usr/libexec/netshim-{helper,netns}* && getcap "$machine/usr/libexec/netshim-helper"; }
before=$(helper_there)
chmod g+w "$machine/usr/libexec"
run_dpkg -i "${debs[@]}"
like "$(cat "$scratch/dpkg")" "others than root can change /usr/libexec.*the version before stay.*run 'dpkg-reconfigure netshim'" \
	"an upgrade whose helper cannot have its capability says so"
is "$(helper_there | grep -v unpacked)" "$(grep -v unpacked <<<"$before")" "and the old one stays, with its own"
chmod g-w "$machine/usr/libexec"

# what is in force is not asked for in a chroot, which may have the machine's /run
# shellcheck disable=SC2016 # expanded there
from_outside() { unshare --mount --pid --fork sh -c 'mount -t proc proc "$0/proc"; chroot "$0" "$@"; exit' "$machine" "$@" 2>&1; }
in_container() { unshare --mount --pid --fork chroot "$machine" sh -c 'mount -t proc proc /proc; "$@"; exit' sh "$@" 2>&1; }
mkdir "$machine/run/netshim"
: >"$machine/run/netshim/rules"
echo package >"$machine/run/netshim/config"
# shellcheck disable=SC2016 # expanded there
# shellcheck disable=SC2016 # expanded there
printf '#!/bin/sh\necho "$1" >>/root/asked\n[ "$1" != grant ] || exec /usr/bin/netshim "$@"\n' >"$machine/usr/local/sbin/netshim"
chmod 755 "$machine/usr/local/sbin/netshim"
asked() { # asked HOW...: what is asked of netshim
	rm -f "$machine/root/asked"
	"$@" dpkg --force-depends -i "${debs[@]}" >/dev/null
	cp "$machine/usr/local/sbin/netshim" "$machine/usr/bin/netshim"
	"$@" /usr/libexec/netshim-packages
	"$@" dpkg --force-depends -r netshim >/dev/null
	xargs <"$machine/root/asked"
}
like "$(asked from_outside)" "^grant( grant)* disable$" "in a chroot, a package leaves alone what is in force, but sessions there load no library that is gone"
like "$(asked in_container)" "^grant reload .*reload .*disable down$" "in a container, it does not"
rm -r "$machine/usr/local/sbin/netshim" "$machine/run/netshim"
run_dpkg -i "${debs[@]}"
chroot "$machine" useradd -m one
enabled() { # enabled BEFORE: what is left of it when the package is removed in a chroot, where BEFORE has been done
	echo "LD_PRELOAD=$there" >"$machine/etc/environment"
	printf '%s\n' '# netshim enable: from here' "export LD_PRELOAD=$there" '# netshim enable: to here' >"$machine/home/one/.profile"
	chown --reference="$machine/home/one" "$machine/home/one/.profile"
	from_outside sh -c "$1; dpkg --force-depends -r netshim" >/dev/null
	cat "$machine/etc/environment" "$machine/home/one/.profile" | wc -l
	run_dpkg -i "${debs[1]}"
}
is "$(enabled true)" 0 "nothing is left of netshim enable there"
is "$(enabled "mount --bind /home /home")" 3 "but in homes that may be the machine's"
is "$(enabled "mount --bind /home/one /home/one")" 3 "or one of them"

# where systemd does not run
rm -r "$machine/run/systemd"
rm -f "$machine/sbin/runlevel"
printf '#!/bin/sh\nexit 0\n' >"$machine/usr/sbin/policy-rc.d" # this machine's may let nothing start
printf '#!/bin/sh\necho N 2\n' >"$machine/sbin/runlevel"
# shellcheck disable=SC2016 # expanded there
printf '#!/bin/sh\necho "$1" >>/root/asked\nexit 1\n' >"$machine/etc/init.d/netshim"
chmod 755 "$machine/sbin/runlevel" "$machine/usr/sbin/policy-rc.d" "$machine/etc/init.d/netshim"
by_init() { # by_init COMMAND...: how it ends, and what the init script has been asked for
	: >"$machine/root/asked"
	in_container "$@" >"$scratch/dpkg"
	echo "$? $(xargs <"$machine/root/asked")"
}
is "$(by_init dpkg --force-depends --force-confold -i "${debs[1]}")" "0 " "an upgrade starts nothing that is not up"
run_dpkg -r netshim
is "$(by_init dpkg --force-depends --force-confold -i "${debs[1]}")" "0 start" "an installation does, and a configuration with mistakes does not make it fail"
mkdir -p "$machine/run/systemd/system"

tmpfiles=$machine/etc/tmpfiles.d
leave() { # as 'make uninstall PREFIX=/usr', now and before, and that of another prefix
	printf 'R! %s\n' /usr/lib/netshim /usr/local/lib/netshim | tee "$tmpfiles"/netshim-left{,-usr-lib}.conf >/dev/null
}
goes() { cat "$tmpfiles"/netshim-left{,-usr-lib}.conf | sort -u; }
leave
run_dpkg -i "${debs[0]}"
is "$(goes)" "R! /usr/local/lib/netshim" "what 'make uninstall' has left for the next boot stays, when a package has it"

# What make install puts anywhere, beneath /usr, as both others do.
flags=(PREFIX=/usr LIBRARY=/usr/lib/netshim/libnetshim.so LIB32= NFTABLES=/etc/nftables.conf
	HOOKS='/usr/lib/NetworkManager/dispatcher.d/50-netshim /usr/lib/networkd-dispatcher/routable.d/50-netshim')
contents() { sed 's|^/||; s|\.gz$||; \|^usr/share/doc|d; \|^usr/share/licenses|d; \|build-id|d; \|/$|d' | LC_ALL=C sort; }
make -s -j2 -C "$one" install "${flags[@]}" DESTDIR="$scratch/installed" >/dev/null 2>&1
ok $? "make install DESTDIR="
rm "$scratch/installed/usr/lib/libnetshim.so"
installed=$(find "$scratch/installed" -type f -printf '%P\n' | contents)

# --- Fedora and its kin

built "$one" scripts/rpm
ok $? "make rpm; rpmlint finds nothing"
is "$(grep 'Missing build-id' "$scratch/built")" "" "each program has a build ID, without which Fedora's builders make no package"
package=$(echo "$one"/build/rpm/RPMS/*/netshim-"$version"-1.*.rpm)
is "$(rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "$package" | sed -n 's/^-[^ ]* //p' | contents)" \
	"$(printf '%s\n' "$installed" usr/libexec/netshim-netns.unpacked | contents)" "the package has what is installed"
is "$(rpm -qp --qf '[%{FILENAMES} %{FILECAPS}\n]' "$package" | grep ' .')" "/usr/libexec/netshim-helper cap_dac_override=p" \
	"and one capability"
is "$(rpm -qp --provides "$package" | sed 's/[ (].*//' | sort -u)" $'config\nnetshim' "no package can ask for the library"
rpm -i --root "$scratch/fedora" --nodeps --noscripts "$package" 2>"$scratch/messages"
is "$(getcap -r "$scratch/fedora/usr" | sed "s|$scratch/fedora||")" "/usr/libexec/netshim-helper cap_dac_override=p" \
	"installed, the helper has it"

# Fedora's nftables.service has what systemd gives a unit by itself: it comes after sysinit.target.
units=$scratch/fedora/usr/lib/systemd/system
printf '%s\n' '[Unit]' 'Description=Netfilter Tables' 'Wants=network-pre.target' 'Before=network-pre.target' '[Service]' 'Type=oneshot' \
	'ExecStart=/bin/true -f /etc/sysconfig/nftables.conf' 'RemainAfterExit=yes' >"$units/nftables.service"
mkdir "$units"/{multi-user,sysinit}.target.wants
ln -s ../nftables.service "$units/multi-user.target.wants"
ln -s ../netshim.service "$units/sysinit.target.wants"
is "$(SYSTEMD_UNIT_PATH=$units: systemd-analyze --man=no verify netshim.service multi-user.target 2>&1 | grep -i cycle)" "" "its units are in no cycle"
mkdir -p "$scratch/fedora/etc/systemd/system/nftables.service.d"
load() { systemd-analyze --root="$scratch/fedora" cat-config systemd/system/nftables.service | sed -n 's/^ExecStart=//p' | tail -n 1; }
is "$(load)" "/usr/libexec/netshim-nftables /etc/sysconfig/nftables.conf" "nftables.service loads the file that is Fedora's, with netshim's table"
printf '[Service]\nExecStart=\nExecStart=own\n' >"$scratch/fedora/etc/systemd/system/nftables.service.d/an.conf"
is "$(load)" own "an administrator's drop-in comes after netshim's"

leave
netns=$machine/usr/libexec/netshim-netns
rm "$netns"
chroot "$machine" sh -c "$(rpm -qp --qf '%{POSTIN}' "$package")" post 2
is "$(cmp "$netns" "$netns.unpacked"; ls "$netns.new" 2>/dev/null)" "" "netshim-netns is put there when it has what it needs"
is "$(goes)" "R! /usr/local/lib/netshim" "what 'make uninstall' has left for the next boot stays, when a package has it"
# shellcheck disable=SC2016 # expanded there
# shellcheck disable=SC2016 # expanded there
printf '#!/bin/sh\n[ "$1" != disable ]\n' >"$machine/usr/bin/netshim"
in_container sh -c "$(rpm -qp --qf '%{PREUN}' "$package")" preun 0 >/dev/null
is $? 1 "where netshim disable fails, the package stays"
umount -l "$machine" "$scratch/written"

# --- Arch Linux and its kin

built "$one" env MAKEFLAGS=-j2 scripts/arch
ok $? "make arch"
package=$(echo "$one"/build/arch/netshim-"${version/\~/}"-1-*.pkg.tar.*)
mkdir "$scratch/upper" "$scratch/work"
tar -xf "$package" -C "$scratch/upper"
on_arch=${installed//libexec/lib/netshim}
is "$(find "$scratch/upper" -mindepth 2 -type f -printf '%P\n' | sed "s/\(helper\|netns\).unpacked/\1/" | contents)" \
	"$(printf '%s\n' "$on_arch" usr/share/libalpm/hooks/netshim.hook | contents)" "the package has what is installed"
ok "$([ -e "$scratch/upper/usr/lib/netshim/netshim-helper" ]; echo $((! $?)))" "the helper by another name"
mount -t overlay -o "lowerdir=/usr,upperdir=$scratch/upper/usr,workdir=$scratch/work" usr /usr
tmpfiles=/etc/tmpfiles.d
mount -t tmpfs none "$tmpfiles"
leave
scriptlet() { sh -c ". '$scratch/upper/.INSTALL' && $1" 2>&1; }
for step in post_install post_upgrade; do
	rm -f /usr/lib/netshim/netshim-helper
	scriptlet $step
	is "$(getcap /usr/lib/netshim/netshim-helper*)" "/usr/lib/netshim/netshim-helper cap_dac_override=p" "$step: it has its own, and its capability"
done
is "$(goes)" "R! /usr/local/lib/netshim" "what 'make uninstall' has left for the next boot stays, when a package has it"
chmod g+w /usr/lib/netshim
like "$(scriptlet post_upgrade)" "others than root can change /usr/lib/netshim.*the version before stay" "an upgrade whose helper cannot have its capability says so"
is "$(getcap /usr/lib/netshim/netshim-helper*)" "/usr/lib/netshim/netshim-helper cap_dac_override=p" "and the old one stays, with its own"
chmod g-w /usr/lib/netshim
scriptlet post_remove
is "$(find /usr/lib/netshim -name 'netshim-helper' | wc -l)" 0 "post_remove: what no package has is gone"
umount -l /usr "$tmpfiles"

finish
