#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Applications that come in a box: flatpaks, snaps and AppImages. The rule that
# netshim.conf(5) has for one holds whoever starts it, for all that it starts and for no
# other, and no program in a box complains of the library that it does not see.
. "$(dirname "$0")/lib.sh"

for program in flatpak dbus-run-session gio gdbus squashfuse_ll fusermount3 mksquashfs; do
	command -v $program >/dev/null || cannot_run "needs $program"
done
snapd=$tests/../build/unpacked/snapd
[ -d "$snapd" ] || snapd=/
[ -e "$snapd/usr/lib/snapd/snap-confine" ] || cannot_run "needs snapd"
bin=$root/bin
home=$scratch/home
install -d -o 65534 -g 65534 "$home" "$home/run"

make_hosts 80
on_other_host nft -f - <<<"table inet watch { counter come { }; chain in { type filter hook input priority 0; udp dport 80 counter name come; }; }"
# A busy machine's softirqs are done by ksoftirqd, so what was sent may come later.
came() { # came [AT-LEAST]: how many datagrams have come since it was last asked
	local all=0 tries
	for ((tries = 0; tries < 500; tries++)); do
		all=$((all + $(on_other_host nft reset counter inet watch come | sed -n 's/.*packets \([0-9]*\).*/\1/p')))
		[ $all -lt "${1:-0}" ] || break
		sleep 0.02
	done
	echo $all
}
rules() { # rules <<EOF: of programs that may send nothing
	{ echo "class cut { action = reject }" && sed 's/class = [a-z]*/class = cut/'; } | configure
}
recipe() { # recipe HEADING: the rules that netshim.conf(5) shows beneath it
	awk -v heading="$1" '/^\.S[hs] / { on = $0 == ".Ss " heading } /^\.Ed/ { shown = 0 } on && shown; /^\.Bd/ { shown = 1 }' \
		"$tests/../conf/netshim.conf.5"
}
send=(sends "$lan_host" 80) # what each application does, and tells its class and the error
held="$group/cut 1"
free="/ 0"

cat >"$scratch/bus.conf" <<END
<busconfig>
<type>session</type>
<listen>unix:dir=$home/run</listen>
<policy context="default"><allow own="*"/><allow send_destination="*"/><allow eavesdrop="true"/></policy>
<servicedir>$home/.local/share/flatpak/exports/share/dbus-1/services</servicedir>
<servicedir>$scratch/services</servicedir>
</busconfig>
END
mkdir "$scratch/services"
in_session=$preload
# flatpak asks the bus of the system who may install what.
session() { # session [VARIABLE...] COMMAND...: in one of the user's
	# shellcheck disable=SC2016 # expanded by that shell
	as_user -i PATH="$PATH:$home/bin" HOME="$home" TMPDIR="$home/run" LANG=C.UTF-8 XDG_RUNTIME_DIR="$home/run" LD_PRELOAD="$in_session" \
		dbus-run-session --config-file="$scratch/bus.conf" -- \
		sh -c 'DBUS_SYSTEM_BUS_ADDRESS=$DBUS_SESSION_BUS_ADDRESS exec env "$@"' sh "$@" 2>"$scratch/errors"
}
started() { # started RUNNER COMMAND...: what is said by that which the command has others start
	: >"$scratch/said"
	# shellcheck disable=SC2016 # expanded by that shell
	"$1" sh -c '"$@"; for try in $(seq 200); do [ ! -s "$0" ] || exit; sleep 0.05; done' "$scratch/said" "${@:2}" | tee "$scratch/said"
}
menu() { # menu FILE: what a desktop does when its entry is chosen
	started session gio launch "$1"
}
bus() { # bus NAME
	started session dbus-send --dest="$1" / org.example.Start
}
system_wide() { # the library in all programs
	[ -d "$scratch/etc" ] || mkdir "$scratch/etc" "$scratch/work"
	mount -t overlay -o "lowerdir=/etc,upperdir=$scratch/etc,workdir=$scratch/work" etc /etc 2>/dev/null ||
		{ cp -a /etc/. "$scratch/etc" && mount --bind "$scratch/etc" /etc; }
	echo "$preload" >/etc/ld.so.preload
	in_session=
}
session_wide() {
	umount /etc
	in_session=$preload
}
errors() { # of what the last session has started
	grep -v '^dbus-daemon\[\|^Error org.freedesktop' "$scratch/errors"
}

# --- flatpak

# A runtime with programs of glibc, and two applications.
make_flatpaks() { # make_flatpaks FOLDER
	local arch file name
	arch=$(flatpak --default-arch)
	mkdir -p "$1/runtime/files" "$1/runtime/usr/bin"
	install "$bin/probe" "$(command -v gdbus)" "$1/runtime/usr/bin"
	for file in $(ldd "$bin/probe" "$(command -v gdbus)" | grep -o '/[^ :]*\.so[^ ]*'); do install -D "$file" "$1/runtime/usr/${file#/usr}"; done
	printf '[Runtime]\nname=org.example.Platform\nruntime=org.example.Platform/%s/1\nsdk=org.example.Platform/%s/1\n' "$arch" "$arch" >"$1/runtime/metadata"
	flatpak build-export --runtime --disable-sandbox "$1/repo" "$1/runtime" 1
	for name in App Other; do
		mkdir -p "$1/$name/files" "$1/$name/export/share/applications" "$1/$name/export/share/dbus-1/services"
		printf '[Application]\nname=org.example.%s\nruntime=org.example.Platform/%s/1\ncommand=probe\n[Context]\nshared=network;\n' $name "$arch" >"$1/$name/metadata"
		printf '[Desktop Entry]\nType=Application\nName=%s\nExec=probe %s\n' $name "${send[*]}" >"$1/$name/export/share/applications/org.example.$name.desktop"
		printf '[D-BUS Service]\nName=org.example.%s\nExec=probe %s\n' $name "${send[*]}" >"$1/$name/export/share/dbus-1/services/org.example.$name.service"
		flatpak build-export --disable-sandbox "$1/repo" "$1/$name" 1
	done
	flatpak build-update-repo "$1/repo"
}
exports=$home/.local/share/flatpak/exports
make_flatpaks "$scratch/flatpak" >"$scratch/made" 2>&1
is $? 0 "flatpaks are made ($(tail -n 1 "$scratch/made"))"
session sh -c "flatpak remote-add --user --no-gpg-verify test file://$scratch/flatpak/repo &&
	flatpak install --user --noninteractive test org.example.App org.example.Other" >"$scratch/made" 2>&1
is $? 0 "they are installed ($(tail -n 1 "$scratch/made" "$scratch/errors"))"
by_menu() { menu "$exports/share/applications/org.example.$1.desktop"; }
by_bus() { bus "org.example.$1"; }
by_flatpak() { session flatpak run "org.example.$1" "${send[@]}"; }
by_launcher() { session "org.example.$1" "${send[@]}"; }
mkdir -p "$home/bin"
ln -s "$exports"/bin/* "$home/bin"
flatpaks() { # flatpaks APP: what comes of it by each way to start it
	by_menu "$1"
	by_bus "$1"
	by_flatpak "$1"
	by_launcher "$1"
}

# Where the application has another one of its boxes started for itself.
cp /usr/share/dbus-1/services/org.freedesktop.portal.Flatpak.service "$scratch/services"
by_portal() {
	# shellcheck disable=SC2016 # expanded by that shell
	started session sh -c 'exec "$@" >/dev/null' sh flatpak run --command=gdbus "org.example.$1" call --session \
		--dest org.freedesktop.portal.Flatpak --object-path /org/freedesktop/portal/Flatpak \
		--method org.freedesktop.portal.Flatpak.Spawn "b'/'" "[$(printf "b'%s', " probe "${send[@]}" | sed 's/, $//')]" {} {} 0 {}
}
recipe Flatpaks | sed 's/org.gnome.Maps/org.example.App/g' | rules
is "$(flatpaks App; by_portal App; came)" "$(yes "$held" | head -n 5)"$'\n'0 "flatpak, by its name: menu, D-Bus, terminal, its own portal"
is "$(flatpaks Other; by_portal Other; came 5)" "$(yes "$free" | head -n 5)"$'\n'5 "and no other"
rules <<<"app '/usr/bin/flatpak' { class = cut }"
is "$(by_launcher App) $(by_bus Other)" "$held $held" "a rule for all"
rules <<<"app '$exports/bin/org.example.App' { class = cut }"
is "$(by_bus App) $(by_launcher App) $(by_launcher Other)" "$free $held $free" "a rule for a launcher is for that one"
is "$(by_launcher App >/dev/null; errors) $(session flatpak run org.example.App loaded; errors)" " no" "no program in there has the library, or complains of it"
system_wide
is "$(by_bus App) $(by_launcher App) $(by_launcher Other)" "$free $held $free" "the same with /etc/ld.so.preload"
is "$(by_launcher App >/dev/null; errors) $(session flatpak run org.example.App loaded; errors)" " no" "and no complaint either"
session_wide

# --- AppImages

as_user test -w /dev/fuse || # as udev makes it
	{ mknod -m 666 "$scratch/fuse" c 10 229 && mount --bind "$scratch/fuse" /dev/fuse; }
mkdir "$scratch/AppDir" "$home/Applications"
cp "$bin/probe" "$scratch/AppDir"
# shellcheck disable=SC2016 # expanded by that shell
printf '#!/bin/sh\n"$APPDIR/probe" "$@"\n"$APPDIR/probe" loaded\n' >"$scratch/AppDir/AppRun"
chmod 755 "$scratch/AppDir/AppRun"
mksquashfs "$scratch/AppDir" "$scratch/image" -quiet -no-progress -all-root >/dev/null
for name in App Other; do
	file=$home/Applications/$name.AppImage
	cat "$bin/appimage" "$scratch/image" >"$file"
	chmod 755 "$file"
	ln -s "$file" "$home/bin/$name"
	printf '[Desktop Entry]\nType=Application\nName=%s\nExec=%s %s\n' $name "$file" "${send[*]}" >"$scratch/$name.desktop"
	printf '[D-BUS Service]\nName=org.example.%sImage\nExec=%s %s\n' $name "$file" "${send[*]}" >"$scratch/services/$name.service"
done
appimages() { # appimages APP: what comes of it by each way, and whether the library is in there
	menu "$scratch/$1.desktop"
	bus "org.example.${1}Image"
	session "$home/Applications/$1.AppImage" "${send[@]}"
	session "$1" "${send[@]}"
}
came >/dev/null
recipe AppImages | head -n 1 | sed "s|/opt/Krita|$home/Applications/App|" | rules
is "$(appimages App | sort | uniq -c | xargs), $(came); $(appimages Other | sort | uniq -c | xargs), $(came 4)" \
	"4 $held 4 yes, 0; 4 $free 4 yes, 4" "AppImage, rule for the file: menu, D-Bus, terminal, a link; and no other"
recipe AppImages | tail -n 1 | sed "s|/home/kim|$home|" | rules
is "$(appimages App | sort | uniq -c | xargs)" "4 $held 4 yes" "rule for its folder"
is "$(session App class >/dev/null; errors)" "" "no program in there complains"
rules <<<"app '$home/run/' { class = cut }" # where it is mounted
is "$(session App "${send[@]}" | xargs) $(errors)" "$held yes " "a rule for the tree in which it is mounted: root cannot look, the user can"

# Others, root too, cannot look into what a user has mounted.
configure <<<"class slow { }"
mkfifo "$scratch/go"
chmod 666 "$scratch/go"
session App hold $far_host 80 <"$scratch/go" >"$scratch/holds" &
exec 9>"$scratch/go"
wait_until pgrep -f "^$home/run/.mount_.*/probe hold" >/dev/null
echo "app '$home/Applications/App.AppImage' { class = slow }" >>"$config"
is "$("$netshim" reload 2>&1; "$netshim" ps --json | grep -c probe)" 0 "one that runs when its rule comes is not found"
for process in $(pgrep -f "^($home/run/.mount_.*/probe hold|/bin/sh $home/run/.mount)"); do "$netshim" move slow "$process"; done
like "$("$netshim" ps)|$("$netshim" status)" "slow +AppRun.*slow +probe.*\|.*slow +[^ ]+ +1 +2 " "but can be moved; ps and status show it"
is "$("$netshim" reload 2>&1; "$netshim" ps | grep -c ' slow *probe$')" 1 "reload leaves it where it is"
eval "exec 9>&-"
wait $!

# --- snaps

# Debian's snapd, in a root of its own that has what this machine has. No control groups
# of version 2 are there, for which it would want systemd, nor AppArmor, where it would
# want its profile loaded. All of it is mounted where no other process sees it, so that
# nobody takes away what is beneath: that is the machine's.
# Freezer groups are the whole machine's, and snap-update-ns freezes what is in one.
export box=$own-box other=$own-other snapd root scratch machine=$scratch/machine send_words="${send[*]}"
make_machine() {
	local folder
	mount -t tmpfs -o mode=755 tmpfs "$machine"
	mkdir -m 755 "$machine/upper" "$machine/work" "$machine/root"
	mount -t overlay -o "lowerdir=/,upperdir=$machine/upper,workdir=$machine/work" overlay "$machine/root"
	mount -t proc proc "$machine/root/proc"
	mount -t sysfs -o ro sysfs "$machine/root/sys"
	for folder in run dev sys/fs/cgroup sys/module/apparmor; do
		[ ! -d "$machine/root/$folder" ] || mount -t tmpfs -o mode=755 tmpfs "$machine/root/$folder"
	done
	cp -a /dev/{null,zero,full,random,urandom,tty} "$machine/root/dev/"
	mkdir "$machine/root/dev/pts"
	mount -t devpts -o newinstance,ptmxmode=666 devpts "$machine/root/dev/pts"
	ln -s pts/ptmx "$machine/root/dev/ptmx"
	mkdir "$machine/root/sys/fs/cgroup/freezer"
	mount -t cgroup -o freezer freezer "$machine/root/sys/fs/cgroup/freezer"
	mount --rbind "$root" "$machine/root$root"
	mount --make-shared "$machine/root"
	cp -a "$snapd/usr/lib/snapd" "$machine/root/usr/lib/"
	cp -a "$snapd/usr/bin/snap" "$machine/root/usr/bin/"
	cp -a "$snapd/var/lib/snapd" "$machine/root/var/lib/"
	sed -i 's|^\(nobody:.*:\)[^:]*:|\1/home/nobody:|' "$machine/root/etc/passwd"
	install -d -o 65534 -g 65534 "$machine/root/home/nobody"
}
# As they are once they are installed.
make_snap() { # make_snap NAME YAML
	local in=$machine/root
	mkdir -p "$in/snap/$1/1/meta" "$in/var/snap/$1/1"
	ln -s 1 "$in/snap/$1/current"
	mount --bind "$in/snap/$1/1" "$in/snap/$1/1" # it looks for the mount
	touch "$in/var/lib/snapd/snaps/$1_1.snap"
	echo self-managed=true >"$in/var/lib/snapd/cgroup/snap.$1.device" # no control group of devices
	printf 'name: %s\nversion: 1\n%s\n' "$1" "$2" >"$in/snap/$1/1/meta/snap.yaml"
}
make_snaps() { # two, and the base that they have in common
	local in=$machine/root file name app
	mkdir -p "$in/snap/bin" "$in"/var/lib/snapd/{seccomp/bpf,desktop/applications,snaps,cgroup}
	echo @unrestricted >"$in/tmp/unrestricted"
	make_snap base "type: base"
	mkdir -p "$in"/snap/base/1/{dev,etc,home,root,proc,sys,tmp,run,media,mnt,snap,usr/{bin,src,lib/snapd},lib/{modules,firmware}} \
		"$in"/snap/base/1/var/{snap,tmp,log,lib/snapd}
	for file in $(ldd "$root/bin/probe" | grep -o '/[^ :]*\.so[^ ]*'); do install -D "$file" "$in/snap/base/1/$file"; done
	for name in "$box" "$other"; do
		make_snap "$name" "base: base
apps:
  $name:
    command: probe
  more:
    command: probe"
		cp "$root/bin/probe" "$in/snap/$name/1/probe"
		ln -s /usr/bin/snap "$in/snap/bin/$name"
		ln -s /usr/bin/snap "$in/snap/bin/$name.more"
		for app in "$name" more; do
			chroot "$in" /usr/lib/snapd/snap-seccomp compile /tmp/unrestricted "/var/lib/snapd/seccomp/bpf/snap.$name.$app.bin"
			cp "$in/var/lib/snapd/seccomp/bpf/snap.$name.$app.bin"{,2} # its name from 2.64 on
		done
		printf '[Desktop Entry]\nType=Application\nName=%s\nExec=env BAMF_DESKTOP_FILE_HINT=%s.desktop /snap/bin/%s %s\n' \
			"$name" "$name" "$name" "$send_words" >"$in/var/lib/snapd/desktop/applications/${name}_$name.desktop"
	done
}
export -f make_machine make_snap make_snaps
mkdir "$machine"
# snap-confine keeps a mount namespace by a bind mount, which the kernel refuses where that
# is older by its number than the one it is in: newer Linux has the processors give numbers,
# so both are made on one.
one_processor=(taskset -c "$(taskset -cp $$ | sed 's/.*[ ,-]//')")
# unshare ignores TERM, and so does the first process in its namespace without a trap.
# In the root of that one, newer snapd looks where snaps are.
# shellcheck disable=SC2016 # expanded by that shell
"${one_processor[@]}" unshare --mount --propagation private --pid --fork --kill-child \
	bash -ec 'make_machine; make_snaps; exec chroot "$machine/root" bash -c "trap exit TERM; echo >$scratch/ready; sleep 900 & wait"' &
wait_until test -e "$scratch/ready"
first=$(pgrep -P $!)
background+=("$first")
in_machine() { # in_machine COMMAND...
	"${one_processor[@]}" nsenter -t "$first" --mount --pid --root --wd "$@"
}
trap 'in_machine rmdir "/sys/fs/cgroup/freezer/snap.$box" "/sys/fs/cgroup/freezer/snap.$other" 2>/dev/null; clean_up' EXIT
snapped() { # snapped COMMAND...: of the user's
	in_machine setpriv --reuid 65534 --regid 65534 --clear-groups env -i HOME=/home/nobody XDG_RUNTIME_DIR=/home/nobody PATH="$PATH:/snap/bin" \
		LD_PRELOAD="$in_session" env "$@" 2>"$scratch/errors"
}
# It writes down what the machine can do, and before that, no snap is started.
in_machine /usr/lib/snapd/snapd >"$scratch/snapd" 2>&1 &
wait_until in_machine test -s /var/lib/snapd/system-key
# shellcheck disable=SC2016 # expanded by that shell
in_machine sh -c 'kill -KILL $(pidof snapd)'
wait $! 2>/dev/null
snaps() { # snaps NAME: what comes of it by each way to start it but "snap run"
	started snapped gio launch "/var/lib/snapd/desktop/applications/$1_$1.desktop"
	snapped "$1" "${send[@]}"
	snapped "/snap/bin/$1" "${send[@]}"
	snapped launcher-static execve "/snap/bin/$1" "${send[@]}"
}
came >/dev/null
recipe Snaps | sed "s/firefox/$box/g" | rules
in_machine "$netshim" reload # the link is seen in there only
is $? 0 "reload, with a rule for a snap"
is "$(snaps "$box" | sort | uniq -c | xargs), $(came); $(snaps "$other" | sort | uniq -c | xargs), $(came 4)" "4 $held, 0; 4 $free, 4" \
	"snap, rule for its link: menu, terminal, a launcher without the library; and no other"
in_machine test -d "/sys/fs/cgroup/freezer/snap.$box"
ok $? "snap-confine has put it into a control group of another kind"
is "$(snapped "$box.more" "${send[@]}") $(snapped "$other.more" "${send[@]}")" "$held $free" "another program of the same snap"
is "$(snapped snap run "$box" "${send[@]}") $(snapped snap run "$box.more" "${send[@]}") $(snapped snap run "$other" "${send[@]}")" "$held $held $free" "snap run"
is "$(snapped "$box" loaded) $(cat "$scratch/errors")" "no " "no program in there has the library, or complains of it"
rules <<<"app '/usr/bin/snap' { class = cut }"
is "$(snaps "$box"; snapped snap run "$other" "${send[@]}")" "$(yes "$held" | head -n 5)" "a rule for all"

# What is beneath /var/tmp is seen in snaps, and /usr is not.
in_machine cp "$preload" /usr/lib/libnetshim.so
in_session=/usr/lib/libnetshim.so
rules <<<"app '/snap/bin/$box' { class = cut }"
in_machine "$netshim" reload
is "$(snapped "$box" "${send[@]}") $(snapped "$box" loaded) $(cat "$scratch/errors")" "$held no " "nor of one that they do not see"
# shellcheck disable=SC2016 # expanded by that shell
in_machine sh -c 'echo "$0" >/etc/ld.so.preload' "$in_session"
in_session=
is "$(snapped "$box" "${send[@]}")" "$held" "with /etc/ld.so.preload, it is in its class"
like "$(cat "$scratch/errors")" "^ERROR: ld.so: object '/usr/lib/libnetshim.so' .* ignored.\$" "but the loader in there complains, as libnetshim(7) says"
in_machine rm /etc/ld.so.preload
like "$(in_machine "$netshim" enable --system 2>&1)" "each program in a snap will complain" "netshim enable --system says that"
like "$(in_machine "$netshim" doctor 2>&1)" "note  others: snaps: /etc/ld.so.preload names the library" "and so does doctor"

finish
