#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# A rule for a package is for the programs that it has installed, and follows it: while apt
# installs, upgrades and removes packages, their programs are started all the time, and no
# start is in no class. For a bare dpkg, a trigger follows; how long after is told. All of it
# in this mount namespace alone: the machine's own packages are not touched.
. "$(dirname "$0")/lib.sh"

for tool in apt-get dpkg-deb dpkg-scanpackages; do command -v $tool >/dev/null || cannot_run "needs $tool"; done
for folder in /etc /usr /opt /var/lib/dpkg /var/lib/apt /var/cache/apt /var/log; do
	mkdir -p "$scratch/over$folder" "$scratch/work$folder"
	mount -t overlay -o "lowerdir=$folder,upperdir=$scratch/over$folder,workdir=$scratch/work$folder" over $folder ||
		cannot_run "needs overlay on $folder"
done
packages=$root/usr/libexec/netshim-packages

# --- packages, and where apt finds them

deb() { # deb NAME VERSION: of what is in $scratch/NAME
	mkdir -p "$scratch/$1/DEBIAN" "$scratch/archive"
	printf '%s\n' "Package: $1" "Version: $2" "Architecture: all" "Maintainer: a <a@example.org>" "Description: a" "${@:3}" \
		>"$scratch/$1/DEBIAN/control"
	dpkg-deb -Znone --root-owner-group -b "$scratch/$1" "$scratch/archive/${1}_$2.deb" >/dev/null
	rm -rf "${scratch:?}/$1"
}
program() { # program PACKAGE PATH...
	local path
	for path in "${@:2}"; do install -D -m 755 "$root/bin/probe" "$scratch/$1$path"; done
}
script() { # script PACKAGE NAME <<EOT: a maintainer's script
	mkdir -p "$scratch/$1/DEBIAN"
	{ echo '#!/bin/sh' && cat; } >"$scratch/$1/DEBIAN/$2"
	chmod 755 "$scratch/$1/DEBIAN/$2"
}

program ns-tools /usr/bin/ns-one /usr/bin/ns-two /bin/ns-three "/usr/lib/ns-tools/in side" /opt/ns/run
install -m 755 /usr/bin/sleep "$scratch/ns-tools/usr/bin/ns-sleep"
install -D -m 644 /dev/null "$scratch/ns-tools/usr/share/ns-tools/text"
install -D -m 644 "$root/bin/probe" "$scratch/ns-tools/usr/lib/ns-tools/no-program"
ln -s ns-one "$scratch/ns-tools/usr/bin/ns-link"
ln "$scratch/ns-tools/usr/bin/ns-one" "$scratch/ns-tools/usr/bin/ns-hard"
ln -s ../share "$scratch/ns-tools/usr/lib/ns-tools/share"
deb ns-tools 1

# ns-one gets another name, ns-new is new, and ns-two becomes a link by alternatives.
program ns-tools /usr/bin/ns-uno /usr/bin/ns-new /usr/bin/ns-two.v2 /bin/ns-three "/usr/lib/ns-tools/in side" /opt/ns/run
script ns-tools postinst <<'END'
update-alternatives --quiet --install /usr/bin/ns-two ns-two /usr/bin/ns-two.v2 10
END
script ns-tools prerm <<'END'
update-alternatives --quiet --remove ns-two /usr/bin/ns-two.v2
END
deb ns-tools 2

program ns-other /usr/bin/ns-three
script ns-other preinst <<'END'
[ "$1" != install ] || dpkg-divert --quiet --package ns-other --rename --divert /bin/ns-three.real --add /bin/ns-three
END
script ns-other postrm <<'END'
[ "$1" != remove ] || dpkg-divert --quiet --package ns-other --rename --remove /bin/ns-three
END
deb ns-other 1

(cd "$scratch/archive" && dpkg-scanpackages -m . >Packages 2>/dev/null)
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d /var/lib/apt/lists/*
mkdir -p /etc/apt/apt.conf.d
cp "$root/etc/apt/apt.conf.d/50netshim" /etc/apt/apt.conf.d/
echo "deb [trusted=yes] file:$scratch/archive ./" >/etc/apt/sources.list
apt() { # what it complains of
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 "$@" >"$scratch/apt" 2>&1 ||
		tail -n 20 "$scratch/apt"
	grep -e '^[WE]: ' -e '^netshim: ' -e '^dpkg: ' -e '^sh: ' "$scratch/apt" | grep -v "directory '/opt'" # which is a mount here
}
is "$(apt update)" "" "apt finds the packages"

# --- before the package is there

rules="class tools { }
class other { }
package 'ns-tools' { class = tools }"
configure <<<"$rules"
is $? 0 "a rule for a package that is not installed"
# shellcheck disable=SC2119
is "$("$netshim" check "$config" 2>&1)" "$config:3: package 'ns-tools' is not installed; this rule has no effect until it is
$config: ok, 2 classes, 0 rules" "check says that it is not"

# --- programs are started all the time

all=(/usr/bin/ns-{one,two,link,hard,uno,new,two.v2,three,three.real} /bin/ns-three "/usr/lib/ns-tools/in side" /opt/ns/run)
starts() { # starts: what is wrong with each, or a dot
	local program said
	until [ -e "$scratch/enough" ]; do
		for program in "${all[@]}"; do
			said=$("$program" class 2>&1)
			# 127, 126: it is not there, or is being written
			case $?,$said in
			"0,$group/tools" | 127,* | 126,*) said=. ;;
			*) said="$program: $said $EPOCHREALTIME" ;;
			esac
			echo "$said"
		done
	done
}
begin() {
	rm -f "$scratch/enough"
	export -f starts
	export scratch group
	for session in 1 2; do
		: >"$scratch/starts.$session"
		# shellcheck disable=SC2016 # for the other bash
		LD_PRELOAD=$preload "${user[@]}" LD_PRELOAD="$preload" bash -c 'all=("$@"); starts' starts "${all[@]}" >"$scratch/starts.$session" 2>"$scratch/noise" &
		sessions+=($!)
	done
	go_round
}
go_round() { # until each has begun since, and ended, a start of every program
	local session before
	for session in 1 2; do
		before=$(wc -l <"$scratch/starts.$session")
		wait_until goes_round $session
	done
}
goes_round() { [ "$(wc -l <"$scratch/starts.$1")" -gt $((before + ${#all[@]})) ]; }
end() { # end WHAT
	go_round
	touch "$scratch/enough"
	wait "${sessions[@]}"
	sessions=()
	is "$(sort "$scratch"/starts.* | grep -vx '\.' | uniq -c)" "" "$1: no start in no class"
	ok $(($(cat "$scratch"/starts.* | wc -l) < 20)) "$1: of $(cat "$scratch"/starts.* | wc -l)"
}
sessions=()
class_of() { shim "$1" class 2>&1; }
ruled() { "$netshim" which "${all[@]}" 2>/dev/null | sed -n 's/: class.*//p' | xargs; }

begin
is "$(apt install ns-tools=1)" "" "apt installs it"
end "installed"
is "$("$netshim" which ns-one)" "/usr/bin/ns-one: class tools, by rule for package 'ns-tools' at $config:3" "which says the package"
like "$("$netshim" doctor --json /usr/bin/ns-one)" "/usr/bin/ns-one: class tools, by rule for package 'ns-tools' at $config:3" "so does doctor"
like "$(LD_PRELOAD=$preload "$netshim" trace /usr/bin/ns-one class 2>&1)" "/usr/bin/ns-one: rule for package 'ns-tools' at $config:3" "and trace"
is "$(ruled)" "/usr/bin/ns-one /usr/bin/ns-two /usr/bin/ns-link /usr/bin/ns-hard /usr/bin/ns-three /bin/ns-three /usr/lib/ns-tools/in side /opt/ns/run" \
	"its programs have the rule, wherever they are, and links to them"
is "$("$netshim" check "$config")" "$config: ok, 2 classes, 8 rules" "and nothing else of it has"
ok "$([ ! -e "$root/run/netshim/coming" ]; echo $?)" "nothing is coming any more"

# What runs keeps its class though its program goes.
in_background "${user[@]}" LD_PRELOAD="$preload" env /usr/bin/ns-sleep 300
running=$!
wait_until grep -qs "$group/tools" "/proc/$running/cgroup"
begin
is "$(apt install ns-tools=2)" "" "apt upgrades it"
end "upgraded: one renamed, one new, one a link by alternatives"
is "$(readlink /usr/bin/ns-two) $(class_of ns-two) $(class_of ns-new)" "/etc/alternatives/ns-two $group/tools $group/tools" "what is new has the rule, by alternatives too"
is "$(ruled | xargs -n 1 | grep -e one -e link -e hard)" "" "what is gone has none"
like "$(cat "/proc/$running/cgroup")" "net_cls:$group/tools" "what was running is in its class"

begin
is "$(apt install ns-other)" "" "another package takes one of its names by a diversion"
touch "$scratch/enough"
wait "${sessions[@]}"
sessions=()
# The other one's own program has no rule, and the diverted one has it when apt has ended.
is "$(sort "$scratch"/starts.* | grep -vx -e '\.' -e '.*/ns-three.*: / .*' | uniq -c)" "" "meanwhile, all others are in their class"
is "$(class_of ns-three.real) $(class_of ns-three)" "$group/tools /" "the diverted program has the rule, and the other package's has none"
is "$(apt remove ns-other)" "" "the other package goes"
is "$(class_of ns-three)" "$group/tools" "and the program has its name again"

begin
is "$(apt purge ns-tools)" "" "apt removes it"
end "removed"
is "$(ruled)" "" "no program has its rule"

# --- what cannot be

echo "class { broken" >"$config"
is "$(apt install ns-tools=2)" "" "while the configuration has a mistake, apt goes by what is in force"
is "$(class_of ns-new)" "$group/tools" "and so does the program"
apt purge ns-tools >/dev/null
touch -t 203001010000 "$root/run/netshim/rules" 2>/dev/null
cp "$root/usr/bin/netshim" "$scratch/netshim"
printf '#!/bin/sh\necho "netshim: it cannot be"\nexit 1\n' >"$root/usr/bin/netshim.new"
chmod 755 "$root/usr/bin/netshim.new"
mv "$root/usr/bin/netshim.new" "$root/usr/bin/netshim"
like "$(apt install ns-tools=2)" "^netshim: it cannot be
netshim: until 'netshim reload', " "where the reload fails, apt says so"
is "$(dpkg-query -W -f '${Status}' ns-tools)" "install ok installed" "and installs the package"
apt purge ns-tools >/dev/null
mv "$scratch/netshim" "$root/usr/bin/netshim"
configure <<<"$rules"
rm -f "$root/run/netshim/coming"

# --- dpkg alone: netshim's own trigger

mkdir -p "$scratch/ns-trigger/DEBIAN"
cp debian/netshim.triggers "$scratch/ns-trigger/DEBIAN/triggers"
sed -n "s|/usr/libexec/netshim-packages|$packages|; /triggered/,/^fi/p" debian/netshim.postinst | script ns-trigger postinst
deb ns-trigger 1
bare() { dpkg "$@" >"$scratch/dpkg" 2>&1 || cat "$scratch/dpkg"; }
is "$(bare -i "$scratch/archive/ns-trigger_1.deb")" "" "dpkg alone, with netshim's trigger"
begin
is "$(bare -i "$scratch/archive/ns-tools_1.deb")" "" "dpkg installs"
go_round
touch "$scratch/enough"
wait "${sessions[@]}"
sessions=()
echo "# $(sed -n 's/.*: \/ //p' "$scratch"/starts.* | sort -n | sed -n '1p; $p' | xargs | awk '{ printf "%d ms", ($2 - $1) * 1000 }') between the first and the last" \
	"of $(cat "$scratch"/starts.* | grep -c ": / ") starts before the trigger"
is "$(for program in ns-one ns-three /opt/ns/run; do class_of $program; done | uniq)" "$group/tools" "then the programs are in their class"
is "$(bare -i "$scratch/archive/ns-tools_2.deb"; class_of ns-new)" "$group/tools" "and after an upgrade"
# What has begun before the trigger goes into its class.
bare -r ns-tools
script ns-tools postinst <<END
setpriv --reuid 65534 --regid 65534 --clear-groups env LD_PRELOAD=$preload sh -c '/usr/bin/ns-sleep 60 & until grep -qx ns-sleep /proc/\$!/comm; do :; done; echo \$!' 2>/dev/null >"$scratch/started"
END
install -D -m 755 /usr/bin/sleep "$scratch/ns-tools/usr/bin/ns-sleep"
deb ns-tools 3
is "$(bare -i "$scratch/archive/ns-tools_3.deb")" "" "a program is started before the trigger"
like "$(cat "/proc/$(cat "$scratch/started")/cgroup")" "net_cls:$group/tools" "then it goes into its class"
kill "$(cat "$scratch/started")"
is "$(bare -r ns-tools; ruled)" "" "and removed, they have no rule"
fresh() {
	"$netshim" doctor --json 2>/dev/null | python3 -c '
import json, sys
print(*[f["text"] for c in json.load(sys.stdin)["checks"] if c["check"] == "fresh" for f in c["findings"]])'
}
bare --no-triggers -i "$scratch/archive/ns-tools_1.deb"
like "$(fresh)" "names programs that no rule in force is for.*ns-" "where nothing follows the package, doctor says so"
bare --triggers-only --pending
is "$(fresh)" "$config is as it is in force" "and no more when something has"
bare -r ns-tools
printf '%s\n' "$rules" "class more { }" >"$config"
"$netshim" reload --confirm 1 >/dev/null 2>&1
bare -i "$scratch/archive/ns-tools_1.deb"
is_back() { [ ! -d "$root/run/netshim/net_cls$group/more" ]; }
wait_until is_back
follows() { [ "$(class_of ns-one)" = "$group/tools" ]; }
wait_until follows
ok 0 "a change that is not confirmed: what is gone back to knows the package that has come meanwhile"
bare -r ns-tools
"$netshim" down
configure <<<"$rules"
printf '%s\n' "$rules" "class more { }" >"$config"
# The third time that a process opens it is to write it once more, for what has come: it is full.
strace -f -qq -o "$scratch/trace" -P "$root/run/netshim/rules.new" -e trace=openat -e inject=openat:error=ENOSPC:when=3 \
	"$netshim" reload --confirm 60 >"$scratch/said" 2>&1 &
tracer=$!
wait_until grep -q "not confirmed" "$scratch/said"
bare --no-triggers -i "$scratch/archive/ns-tools_1.deb"
pkill -TERM -f "^$netshim reload --confirm" # as if the time were over
until_like "without the programs of packages.*trying again" "where there is no room for that, it is told" \
	"$netshim" status
is "$("$netshim" status >/dev/null 2>&1; echo $?)" 0 "and what is gone back to stays in force"
{ kill -KILL $tracer && wait $tracer; } 2>/dev/null
wait_until follows
wait_until test ! -e "$root/run/netshim/confirm"
ok 0 "until there is: then they have their rules, too"
bare --triggers-only --pending
echo "$rules" >"$config"

# --- packages beside packages, and beside programs

bare -i "$scratch/archive/ns-tools_1.deb"
program ns-twin /usr/bin/ns-three
deb ns-twin 1
dpkg --force-overwrite -i "$scratch/archive/ns-twin_1.deb" >"$scratch/dpkg" 2>&1
refused() { "$netshim" check "$config" 2>&1 | sed "s|$config||g"; }
printf '%s\n' "$rules" "package 'ns-twin' { class = other }" >"$config"
is "$(refused)" ":4: '/usr/bin/ns-three' of package 'ns-twin' is in class other here and, as '/bin/ns-three' of package 'ns-tools', in class tools at :3; a file has one class" \
	"two packages that give one file two classes"
sed -i '/ns-twin/d' "$config"
echo "app '/bin/ns-one' { class = other }" >>"$config"
is "$(refused; "$netshim" reload; "$netshim" which ns-one ns-two | sed "s|$config||")" ": ok, 2 classes, 8 rules
/usr/bin/ns-one: class other, by rule '/bin/ns-one' at :4
/usr/bin/ns-two: class tools, by rule for package 'ns-tools' at :3" "an app comes before a package"
printf '%s\n' "$rules" "app '/usr/bin/ns-one' { class = other  users = { 'root' } }" >"$config"
is "$(refused)" ":3: '/usr/bin/ns-one' of package 'ns-tools' is in class tools here and, as '/usr/bin/ns-one', in class other at :4; \
remove users there, so that it is an exception from the package" "but not one for some users: the rest would have no rule"
printf '%s\n' "$rules" "app '/usr/bin/ns-one' { class = tools  users = { 'root' } }" >"$config"
is "$(refused)" ":3: '/usr/bin/ns-one' of package 'ns-tools' has a rule for other users, as '/usr/bin/ns-one' at :4; \
remove users there, so that it is an exception from the package" "nor is one in the same class"
printf '%s\n' "$rules" "app '/usr/bin/' { class = other }" >"$config"
is "$("$netshim" reload; class_of ns-one)" "$group/tools" "and a package before a tree"
printf '%s\n' "class a { }" "package 'No Name' { class = a }" "package 'x' { }" "package '../x' { class = a }" >"$config"
is "$(refused)" ":2: bad package name 'No Name'; it begins with a letter or digit and is made of those and + - . _, without version and architecture
:3: package 'x' has no class; add class = NAME, or class = none
:4: bad package name '../x'; it begins with a letter or digit and is made of those and + - . _, without version and architecture" "mistakes"

# --- in another network namespace, and of nothing

printf '%s\n' "$rules" >"$config"
"$netshim" reload
bare -r ns-tools
is "$(unshare --net "$packages"; ruled)" "" "from another network namespace"
before=$(stat -c %i "$root/run/netshim/rules")
is "$("$packages" 2>&1; stat -c %i "$root/run/netshim/rules")" "$before" "where nothing has changed, nothing is written"
bare --no-triggers -i "$scratch/archive/ns-tools_1.deb"
exec {lock}<"$root/run/netshim/lock"
flock "$lock"
in_background "$netshim" reload --hook
hook=$!
wait_until grep -q -e "-> FLOCK.* $hook " /proc/locks
suspend $hook
flock -u "$lock"
"$netshim" reload --packages
is "$? $(class_of ns-one)" "0 $group/tools" "where a hook waits for another netshim already, and will do nothing, nothing is left to that"
kill -CONT $hook
wait $hook
bare --triggers-only --pending
bare -r ns-tools
before=$(stat -c %i "$root/run/netshim/rules")
like "$("$netshim" reload --packages --hook 2>&1)" "leave out -c, --confirm and --hook" "--packages reads no file"
"$netshim" down
is "$("$netshim" reload --packages 2>&1; "$packages" coming </dev/null 2>&1; find "$root/run" -mindepth 1)" "" \
	"where netshim is not up, it says nothing"

# --- other package managers, which have these programs

"$netshim" down
install -m 755 "$root/bin/probe" /usr/bin/ns-apk
install -m 755 "$root/bin/probe" /usr/bin/ns-dir
mount -t tmpfs none /var/lib
mkdir -p /usr/lib/apk/db /var/lib/pacman/local/ns-arch-more-1.0-2 /var/lib/rpm
echo 9 >/var/lib/pacman/local/ALPM_DB_VERSION
printf '%s\n' %NAME% ns-arch-more "" %VERSION% 1.0-2 >/var/lib/pacman/local/ns-arch-more-1.0-2/desc
printf '%s\n' %FILES% usr/bin/ns-apk >/var/lib/pacman/local/ns-arch-more-1.0-2/files
printf '%s\n' P:ns-alpine V:1 F: R:nothing F:usr/bin R:ns-apk a:0:0:755 "" P:ns-alpine-more F:usr/bin R:ns-dir "" >/usr/lib/apk/db/installed
printf '%s\n' "class tools { }" "package 'ns-alpine' { class = tools }" "package 'ns-arch' { class = tools }" \
	"package 'ns-fedora' { class = tools }" >"$config"
"$netshim" up
is "$("$netshim" which ns-apk ns-dir | sed "s|$config||; s/: class tools, by rule/: by rule/; s/: no class:.*//")" \
	"/usr/bin/ns-apk: by rule for package 'ns-alpine' at :2
/usr/bin/ns-dir" "apk's list, and no other package's"

if command -v pacman >/dev/null; then
	mkdir -p "$scratch/pacman/usr/bin" /usr/share/libalpm/hooks
	install -m 755 "$root/bin/probe" "$scratch/pacman/usr/bin/ns-pacman"
	printf '%s\n' "pkgname = ns-arch" "pkgver = 1-1" "arch = any" >"$scratch/pacman/.PKGINFO"
	tar -C "$scratch/pacman" -czf "$scratch/ns-arch-1-1-any.pkg.tar.gz" .PKGINFO usr
	sed "s|/usr/lib/netshim/|$root/usr/libexec/|" "$tests/../scripts/packages/netshim.hook" >/usr/share/libalpm/hooks/netshim.hook
	printf '[options]\nSigLevel = Never\nLocalFileSigLevel = Never\n' >/etc/pacman.conf
	pacman -U --noconfirm "$scratch/ns-arch-1-1-any.pkg.tar.gz" >"$scratch/said" 2>&1
	is "$("$netshim" which ns-pacman)" "/usr/bin/ns-pacman: class tools, by rule for package 'ns-arch' at $config:3" "pacman installs, and netshim follows"
	pacman -R --noconfirm ns-arch >"$scratch/said" 2>&1
	is "$(grep -c ns-pacman "$root/run/netshim/rules")" 0 "and removes"
else
	skip "needs pacman" "pacman"
fi

if command -v rpmbuild >/dev/null; then
	mkdir -p "$scratch/rpm" /etc/rpm
	echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros # Debian's is in root's home
	spec() { # spec NAME <<END: the rest
		printf '%s\n' "Name: $1" "Version: 1" "Release: 1" "Summary: a" "License: a" "BuildArch: noarch" "%description" a >"$scratch/rpm/$1.spec"
		cat >>"$scratch/rpm/$1.spec"
		rpmbuild -bb --quiet --define "_topdir $scratch/rpm" "$scratch/rpm/$1.spec" >"$scratch/said" 2>&1 || cat "$scratch/said"
	}
	sed -n "/^%transfiletriggerin/,/^%files/{s|%{_libexecdir}|$root/usr/libexec|;p}" "$tests/../scripts/packages/netshim.spec" | spec ns-triggers
	spec ns-fedora <<-'END'
		%install
		install -D -m 755 /dev/null %{buildroot}/usr/bin/ns-rpm
		install -D -m 644 /dev/null %{buildroot}/usr/bin/ns-text
		%files
		/usr/bin/ns-rpm
		/usr/bin/ns-text
	END
	for package in ns-triggers ns-fedora; do rpm -i --nodeps "$scratch/rpm/RPMS/noarch/$package"-*.rpm 2>"$scratch/said"; done
	is "$("$netshim" which ns-rpm; "$netshim" check 2>/dev/null)" "/usr/bin/ns-rpm: class tools, by rule for package 'ns-fedora' at $config:4
$config: ok, 1 class, 2 rules" "rpm installs, and netshim follows"
	like "$(strace -qq -o /dev/null -e trace=pipe2 -e inject=pipe2:error=EMFILE "$netshim" check 2>&1)" \
		"$config:4: 'rpm -ql -- ns-fedora' does not answer; mend that" "rpm that cannot be asked is a mistake"
	rpm -e ns-fedora 2>"$scratch/said"
	is "$(grep -c ns-rpm "$root/run/netshim/rules")" 0 "and removes"
else
	skip "needs rpmbuild" "rpm"
fi

finish
