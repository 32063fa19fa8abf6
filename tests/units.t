#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Rules for units of systemd: what is refused, the drop-ins that are made of many forms of
# units, when systemd is told, netshim-unit by itself and under attack, and what runs already.
# systemd itself is in machines/units.t; here, a script stands for systemctl.
# shellcheck disable=SC2016 # systemd's own variables
. "$(dirname "$0")/lib.sh"

# --- a machine's folders of units, and its systemctl

for folder in /etc/systemd /usr/lib/systemd /usr/local/lib; do
	mkdir -p "$folder"
	mount -t tmpfs -o mode=755 tmpfs $folder || cannot_run "needs tmpfs on $folder"
done
mount -t tmpfs -o mode=755 tmpfs /run || cannot_run "needs tmpfs on /run"
mkdir -p /etc/systemd/system /usr/lib/systemd/system /run/systemd/system /run/systemd/generator
units=/etc/systemd/system
generated=/run/systemd/generator
generator=$root/usr/lib/systemd/system-generators/netshim
starts=$root/run/netshim/starts
launcher=$root/usr/libexec/netshim-unit
tasks=$root/run/netshim/net_cls$group
cat >"$scratch/systemctl" <<END
#!/bin/sh
echo "\$*" >>$scratch/calls
[ ! -e $scratch/systemd-fails ] || exit 1
[ ! -e $scratch/reload-is-killed ] || kill -KILL "\$PPID"
rm -rf ${generated:?}/*
[ ! -x '$generator' ] || exec $generator $generated $generated $generated
END
chmod 755 "$scratch/systemctl"
systemctl=$(command -v systemctl) || cannot_run "needs a systemctl to stand for"
mount --bind "$scratch/systemctl" "$systemctl"
told() { # told: systemctl was, since the last time
	cat "$scratch/calls" 2>/dev/null
	rm -f "$scratch/calls"
}
unit() { cat >"$units/$1"; } # unit NAME <<EOF

# --- what a configuration may say

says() { # says CONFIGURATION PATTERN NAME
	echo "$1" >"$config"
	like "$("$netshim" check 2>&1)" "$2" "$3"
}
unit plain.service <<<$'[Service]\nExecStart=/bin/true'
says "unit 'plain.service' { }" "netshim.conf:1: unit 'plain.service' has no class; add class = NAME" "a unit without a class"
says "unit 'plain.service' { class = lan }" "netshim.conf:1: unknown class 'lan'" "an unknown class"
says "class lan { }
unit 'plain.service' { class = lan  users = { 'root' } }" "netshim.conf:2: no such option 'users'; unit takes class" "a unit has its own user"
for name in plain plain.socket /plain.service .service @.service 'a b.service' "$(printf 'a%.0s' {1..250}).service"; do
	says "class lan { }
unit '$name' { class = lan }" "netshim.conf:2: bad unit name .*NAME.service" "no name of a service: ${name:0:20}"
done
says "class lan { }
class web { }
unit 'plain.service' { class = lan }
unit 'plain.service' { class = web }" "netshim.conf:4: .*plain.service.*netshim.conf:3" "two classes for one unit"
ln -s plain.service $units/other-name.service
says "class lan { }
class web { }
unit 'plain.service' { class = lan }
unit 'other-name.service' { class = web }" "netshim.conf:4: .*other-name.service.*plain.service.*netshim.conf:3" "by an alias, too"
rm $units/other-name.service
says "class own { netns = 'private' }
unit 'plain.service' { class = own }" "netshim.conf:2: class 'own' has a network namespace.*NetworkNamespacePath=" "a class with a network namespace"
says "class lan { }
unit 'later.service' { class = lan }" "netshim.conf:2: there is no unit 'later.service'.*ok, 1 class, 1 rule" "a unit may come later"
ln -s /dev/null $units/masked.service
says "class lan { }
unit 'masked.service' { class = lan }" "netshim.conf:2: there is no unit 'masked.service'" "a masked one is none"
rmdir /run/systemd/system
says "class lan { }
unit 'plain.service' { class = lan }" "netshim.conf:2: systemd does not start services here" "without systemd, the rule has no effect"
mkdir /run/systemd/system
cannot() { # cannot SETTINGS PATTERN
	unit bad.service <<<$'[Service]\nExecStart=/bin/true\n'"$1"
	says "class lan { }
unit 'bad.service' { class = lan }" "netshim.conf:2: unit 'bad.service' cannot be started in a class: .*$2" "refused: ${1//$'\n'/, }"
	is "$("$netshim" up 2>&1 | grep -c "cannot be started"; [ -e "$root/run/netshim/rules" ]; echo $?)" $'1\n1' "and by up"
}
cannot $'StandardOutput=append:/tmp/a\nStandardError=append:/tmp/b' "two places"
cannot $'StandardInput=tty\nStandardError=journal' "two places"
cannot "RootDirectory=/srv" "RootDirectory="
cannot "AppArmorProfile=foo" "AppArmorProfile="
cannot "ExecStop=|echo" "'.echo', which netshim does not understand"
cannot "ExecStop=no-such-program-anywhere" "'no-such-program-anywhere', which is not in any folder"
rm $units/bad.service

# --- drop-ins

echo "class lan { }
class web { lock = true }
unit 'plain.service' { class = lan }
unit 'all@.service' { class = lan }
unit 'all@none.service' { class = none }
unit 'later.service' { class = web }" >"$config"
"$netshim" up 2>/dev/null
is "$? $(told)" "0 daemon-reload" "up tells systemd"
is "$(cd $generated && find . -type f | sort)" "./all@none.service.d/~netshim.conf
./plain.service.d/~netshim.conf" "drop-ins of the units that there are"
dropin() { grep -v '^#' "$generated/$1.d/~netshim.conf"; }
is "$(dropin plain.service)" "[Service]
StandardError=append:$tasks/lan/tasks
ExecStart=
ExecStart=@$starts/true 21 /bin/true /bin/true" "the plainest unit"
is "$(dropin all@none.service)" "" "an instance that is in no class hides the template's"
is "$(readlink "$starts/true")" "$launcher" "what systemd starts has the program's name"

lines() { # lines SETTINGS EXPECTED NAME: of ExecStart=, or all of them
	unit later.service <<<"[Service]"$'\n'"$1"
	rm -rf "${generated:?}"/*
	"$generator" $generated
	is "$(dropin later.service | sed -e 's,@[^ ]*/starts/,@,; s,append:[^ ]*lan/,,; s,append:[^ ]*web/locked/tasks,FILE,; /^.Service.$/d; /=$/d; s/^ExecStart=//')" "$2" "$3"
}
lines "ExecStart=/bin/true" $'StandardError=FILE\n@true 21 /bin/true /bin/true' "a locked class has its own group"
form() { lines "ExecStart=$1" "StandardError=FILE"$'\n'"$2" "$1"; }
form '/bin/echo a  "b c" $X ${Y} %i' '@echo 21 /bin/echo /bin/echo a  "b c" $X ${Y} %i'
form '-/bin/false' '-@false 21 /bin/false /bin/false'
form '@/bin/echo name a' '@echo 21 /bin/echo name a'
form '-@:+/bin/echo name $a' '-:+@echo 21 /bin/echo name $a'
form '!!/bin/echo' '!!@echo 21 /bin/echo /bin/echo'
form '/opt/a$b/c' '@c 21 /opt/a$$b/c /opt/a$b/c'
form ':/opt/a$b/c' ':@c 21 /opt/a$b/c /opt/a$b/c'
form '"/opt/in side/c" "-d"' '@c 21 "/opt/in side/c" "/opt/in side/c" "-d"'
form '"-/opt/in side/c"' '-@c 21 "/opt/in side/c" "/opt/in side/c"'
form '/bin/sh -c "a; b" \; c' '@sh 21 /bin/sh /bin/sh -c "a; b" \; c'
form "/bin/sh -c 'a \\' b \" ; c'" "@sh 21 /bin/sh /bin/sh -c 'a \\' b \" ; c'"
form '/bin/true ; -/bin/false a ; /bin/true' '@true 21 /bin/true /bin/true
-@false 21 /bin/false /bin/false a
@true 21 /bin/true /bin/true'
form 'true a' "@true 21 $(type -P true) true a"
form '%h/bin/server' '@server 21 %h/bin/server %h/bin/server'
lines 'ExecStart=/usr/bin/%p' "StandardError=FILE
@$launcher 21 /usr/bin/%p /usr/bin/%p" "a name that is not known yet"
lines $'ExecStart=/bin/echo a \\\n# comment\n  ; comment\n b \\\\\nExecStartPre=/bin/true' 'StandardError=FILE
@echo 21 /bin/echo /bin/echo a   b \\
ExecStartPre=@true 21 /bin/true /bin/true' "lines that go on"
lines $'Type=oneshot\nExecStart=/bin/true 1\nExecStart=/bin/true 2' $'StandardError=FILE\n@true 21 /bin/true /bin/true 1\n@true 21 /bin/true /bin/true 2' "several lines"
lines $'ExecStart=/bin/true 1\nExecStart=\nExecStart=/bin/true 2' $'StandardError=FILE\n@true 21 /bin/true /bin/true 2' "those before an empty one do not count"
all=$(printf '%s\n' ExecCondition ExecStartPre ExecStartPost ExecReload ExecStop ExecStopPost ExecNewInSystemd999 | sed 's,$,=/bin/true,')
lines "$all"$'\nExecSearchPath=/bin\nExecPaths=/\n[Install]\nExecStart=/bin/false' "StandardError=FILE
$(printf '%s\n' "$all" | sed 's,=.*,=@true 21 /bin/true /bin/true,')" "whatever else a unit executes"
lines $'StandardOutput=null\nStandardError=journal\nExecStart=/bin/true' $'StandardOutput=FILE\n@true 1n /bin/true /bin/true' "no standard output, but errors"
lines $'StandardError=null\nExecStart=/bin/true' $'StandardError=FILE\n@true 2n /bin/true /bin/true' "no errors"
lines $'StandardInput=socket\nStandardError=journal\nExecStartPre=/bin/true\nExecStart=-/bin/true' $'StandardOutput=FILE\nExecStartPre=@true 1n /bin/true /bin/true\n-@true 10 /bin/true /bin/true' "a server of one connection"
lines $'StandardOutput=file:/a\nStandardError=file:/a\nExecStart=/bin/true' $'StandardError=FILE\n@true 21 /bin/true /bin/true' "both to one file"
lines $'NoExecPaths=/\nTemporaryFileSystem=/\nExecStart=/bin/true' "StandardError=FILE
BindReadOnlyPaths=$starts $launcher
ExecPaths=$launcher
@true 21 /bin/true /bin/true" "what hides files shows these"

# What counts, of several files.
unit later.service <<<$'[Unit]\nExecStart=/bin/no\n[Service]\nExecStart=/bin/true fragment'
mkdir -p $units/{later.service.d,service.d} /usr/lib/systemd/system/later.service.d /run/systemd/system/later.service.d
echo $'[Service]\nExecStartPre=/bin/true a' >$units/later.service.d/a.conf
echo $'[Service]\nExecStartPre=/bin/true hidden' >/usr/lib/systemd/system/later.service.d/a.conf
echo $'[Service]\nExecStartPre=/bin/true b' >/usr/lib/systemd/system/later.service.d/b.conf
echo $'[Service]\nExecStartPre=/bin/true c' >/run/systemd/system/later.service.d/c.conf
echo $'[Service]\nExecStartPre=/bin/true all' >$units/service.d/d.conf
echo $'[Service]\nExecStartPre=/bin/true no' >$units/later.service.d/e.conf~
"$generator" $generated
is "$(dropin later.service | sed -n 's/^ExecStartPre=.*true //p' | xargs)" "a b c all" "drop-ins count by their names, and the first folder's"
rm -r $units/{later.service.d,service.d} /usr/lib/systemd/system/later.service.d /run/systemd/system/later.service.d
unit all@.service <<<$'[Service]\nExecStart=/bin/echo %i'
mkdir -p "$units/all@x.service.d"
"$generator" $generated
like "$(dropin all@.service)" "@$starts/echo 21 /bin/echo /bin/echo %i" "a template"

# Of a transient one, what it executes is not known before it is there, and is another's once it has gone.
rm $units/later.service
mkdir /run/systemd/transient
echo $'[Service]\nExecStart=/bin/true' >/run/systemd/transient/later.service
rm -rf "${generated:?}"/*
"$generator" $generated
is "$(ls $generated)" "all@.service.d
all@none.service.d
plain.service.d" "a transient unit has none"
rm -r /run/systemd/transient

# What a package makes of a unit later, is not known when its rule is loaded.
unit later.service <<<$'[Service]\nExecStart=/bin/true\nRootDirectory=/srv'
out=$("$generator" $generated 2>&1)
like "$out $(dropin later.service)" "unit 'later.service' cannot be started in class web/locked: it has RootDirectory=.*AssertPathExists=.*: it has RootDirectory=" "a unit that cannot be started in its class is not started"
unit later.service <<<$'[Service]\nExecStart=/bin/true'
sed -i "s/^class web {/& on-error = allow /" "$config"
"$netshim" reload 2>/dev/null
is "$? $(dropin later.service | sed -n 2p)" "0 StandardError=append:$tasks/web/locked/tasks" "with on-error = allow, it is started in its class"
unit later.service <<<$'[Service]\nExecStart=/bin/true\nRootDirectory=/srv'
rm -rf "${generated:?}"/*
out=$("$generator" $generated 2>&1)
like "$out $(ls $generated)" "unit 'later.service' cannot be started in class web/locked: it has RootDirectory=.*all@.service.d"$'\n'"all@none.service.d"$'\n'"plain.service.d$" \
	"and where it cannot be, in none, and that is told"
unit later.service <<<$'[Service]\nExecStart=/bin/true'
rm -rf "${generated:?}"/*
rmdir "$tasks/web/locked"
out=$("$generator" $generated 2>&1)
is "$out $(find $generated -name "later*")" " " "where the class is not there, it is started in none"
"$netshim" reload 2>/dev/null
sed -i "s/ on-error = allow / /" "$config"
"$netshim" reload 2>/dev/null
rm $units/later.service
rm -rf "${generated:?}"/*
"$generator" $generated
is "$? $(ls $generated)" "0 all@.service.d
all@none.service.d
plain.service.d" "a unit that has gone has none"

# --- when systemd is told

told >/dev/null
"$netshim" reload 2>/dev/null
is "$? $(told)" "0 " "a reload that changes nothing for services does not tell systemd"
sed -i "s/^unit 'later.*//" "$config"
"$netshim" reload
is "$? $(told)" "0 daemon-reload" "one that does, does"
touch "$scratch/systemd-fails"
sed -i "s/^unit 'all@none.*//" "$config"
out=$("$netshim" reload 2>&1)
like "$? $out" "^1 .*run 'systemctl daemon-reload'" "where systemd does not do it, that is told"
rm "$scratch/systemd-fails"
"$systemctl" daemon-reload
is "$(dropin plain.service | grep -c ExecStart=@)" 1 "and when it does, as told, by whoever says so, services are in their classes"
told >/dev/null
"$netshim" reload
is "$? $(told)" "0 daemon-reload" "and the next reload tries again"
"$netshim" reload
is "$? $(told)" "0 " "once"
echo "unit 'all@none.service' { class = none }" >>"$config"
touch "$scratch/reload-is-killed"
{ "$netshim" reload; } 2>/dev/null
rm "$scratch/reload-is-killed"
told >/dev/null
"$netshim" reload
is "$? $(told)" "0 daemon-reload" "so it does where one was killed before systemd had been told"
sed -i "s/^unit 'all@none.*//" "$config"
"$netshim" reload
told >/dev/null
is "$("$netshim" which plain.service all@y.service other.service 2>&1)" "plain.service: class lan, by rule for unit 'plain.service' at $config:3
all@y.service: class lan, by rule for unit 'all@.service' at $config:4
other.service: no class: no rule names it" "which"
doctor() { "$netshim" doctor --json | python3 -c 'import json, sys
for c in json.load(sys.stdin)["checks"]:
    if c["check"] in ("services", "programs"): print(c)'; }
follows() { "$netshim" doctor "$@" 2>&1 | tr -s ' \n' ' '; }
like "$(follows plain.service)" \
	"^unit ok rule: plain.service: class lan, by rule for unit 'plain.service' at $config:3 ok drop-in: systemd starts it as .* ok group: .* ok chain: .* no fault $" \
	"doctor follows a unit into its class"
like "$(follows all@y.service)" "^unit ok rule: all@y.service: class lan, by rule for unit 'all@.service' .* ok drop-in: .*no fault $" "and an instance by its template"
like "$(follows other.service; "$netshim" doctor other.service >/dev/null; echo $?)" "FAULT rule: no rule names the unit other.service: it is started in no class do: .* 1 fault 1$" "no rule names it"
like "$(doctor)" "not there|programs.*'ok'.*services.*'ok'.*knows of every service" "doctor has nothing to say"
rm -r $generated/plain.service.d
like "$(follows plain.service)" "FAULT drop-in: .*in no class do: run 'systemctl daemon-reload'.* 1 fault $" "the unit's drop-in has gone"
like "$(doctor)" "services.*'fault'.*$config:3.*plain.service.*daemon-reload" "but where the drop-in has gone"
"$generator" $generated
is "$(su nobody -s /bin/sh -c "$netshim units" | grep -c '^\[Service\]')" 2 "units prints them to everybody"
mkdir -p "$scratch/roots" "$scratch/theirs/plain.service.d" "$scratch/shared" # which lead from theirs and shared to root's
echo kept >"$scratch/roots/kept"
ln -s "$scratch/roots/kept" "$scratch/theirs/plain.service.d/~netshim.conf"
ln -s "$scratch/theirs/plain.service.d" "$scratch/shared/plain.service.d"
chown -R nobody "$scratch/theirs"
chmod 1777 "$scratch/shared"
for folder in theirs shared; do
	is "$("$netshim" units "$scratch/$folder" 2>&1; echo $?)" \
		"netshim: nothing is written, as others than root can change $scratch/$folder; name a folder that is root's, and writable by nobody else"$'\n1' \
		"root puts none into a folder of others' ($folder)"
done
is "$(cat "$scratch/roots/kept")" kept "and so none where a link leads"
rm -r "$scratch/theirs/plain.service.d"
is "$(su nobody -s /bin/sh -c "$netshim units $scratch/theirs" 2>&1; echo "$?"; ls "$scratch/theirs")" $'0\n'"$(ls $generated)" "users do so in their own"
like "$("$netshim" units 2>&1 >/dev/full; echo $?)" "^netshim: cannot write the answer: No space left on device.1$" "or says that it cannot"
"$netshim" down
is "$? $(told) $(ls $generated "$root/run")" "0 daemon-reload $generated:

$root/run:" "down takes them away, and leaves nothing"
"$netshim" down
is "$? $(told)" "0 " "once"

mv "$generator" "$generator.away"
out=$("$netshim" up 2>&1)
like "$? $out" "^1 .*$config:3: systemd has not made a drop-in for 'plain.service'" "where there is no generator, that is told"
mv "$generator.away" "$generator"
"$netshim" down
told >/dev/null

# --- netshim-unit

configure <<<"class lan { action = reject  allow = { 'loopback' } }
unit 'plain.service' { class = lan }"
file=$tasks/lan/tasks
started() { # started HOW COMMAND...: as systemd does it, with the file in place of standard error
	as_user bash -c 'exec -a "$0" "$@"' "$1" "$launcher" "${@:2}"
}
cat >"$scratch/show" <<'END'
#!/bin/bash
echo "$0 $* $(sed -n 's/.*net_cls:/in /p' /proc/self/cgroup)"
for fd in /proc/$$/fd/*; do [ "${fd##*/}" -gt 9 ] || echo "${fd##*/} $(readlink "$fd")"; done
END
chmod 755 "$scratch/show"
plainly=$(as_user bash -c 'exec "$@"' - "$scratch/show" a 'b c' 2>&1 | sed 's/pipe:.*/pipe/')
is "$(started 21 "$scratch/show" name a 'b c' 2>>"$file" | sed 's/pipe:.*/pipe/')" "${plainly/in \//in $group/lan}" \
	"the class; arguments and descriptors are as without it"
is "$(started 2n "$scratch/show" name 2>>"$file" | sed -n 4p)" "2 /dev/null" "without a standard error"
is "$(started 1n "$scratch/show" name 2>"$scratch/err" >>"$file"; cat "$scratch/err")" "" "without a standard output"
is "$(started 10 /bin/sh sh -c 'to=$(readlink /proc/$$/fd/1); echo "$to" >&2' <"$config" 2>&1 >>"$file")" "$config" "standard output is standard input"
is "$(started 21 /bin/sh sh -c 'echo $$ $PPID; exec sh -c "echo \$\$ \$PPID"' 2>>"$file" | uniq | wc -l)" 1 "the process is the same"
is "$(started 21 "$(command -v env)" env -0 2>>"$file" | cksum)" "$(as_user bash -c 'exec env -0' | cksum)" "the environment is the same"
is "$(started 21 /bin/true 2>>"$file"; echo $?)" 125 "a program without a name is not started"
is "$(started 21 /no/program name 2>>"$file"; echo $?)" $'netshim-unit: /no/program: not started: it, or the interpreter that it names, is not there\n203' "a program that is not there"
is "$(started 21 "$config" name 2>>"$file"; echo $?)" "netshim-unit: $config: not started: it may not be executed"$'\n'203 "a file that is none"

# Not a class's file: nothing is started.
for target in "$scratch/log" /dev/null; do
	is "$(started 21 /bin/echo echo started 2>>"$target"; echo $?)" 125 "not started: $target is no class's file"
done
like "$(cat "$scratch/log" 2>&1)" "not started: here is no class to enter" "and the log says so"
is "$(started 21 /bin/echo echo started 2>&-; echo $?)" 125 "not started: it is closed"
is "$(as_user cat "$file" >/dev/null; started 21 /bin/echo echo started 2<"$file"; echo $?)" 125 "not started: it is open to be read alone"
# shellcheck disable=SC2217 # the same file, opened by another
is "$(setpriv --reuid 65534 --regid 65534 --clear-groups bash -c "exec -a 21 $launcher /bin/echo echo started 2>>$file" 2>&1 | grep -c started)" 0 "who may not write it cannot open it"
for how in '' 2 22 29 2x 0n 3n 20000 21x; do
	out=$(started "$how" /bin/echo echo started 2>>"$file" </dev/null)
	case $how in 21x) is "$out" started "more words may come" ;; 20000) ;; *) is "$out" "" "told '$how', it starts nothing" ;; esac
done
is "$("$launcher" 2>&1; echo $?)" "netshim-unit: nothing: not started: systemd starts this by what 'netshim units' prints"$'\n'125 "by hand"
is "$(readelf -lW "$launcher" | grep -c -e INTERP -e DYNAMIC) $(getcap "$launcher")" "0 " "it is static, and has no privilege"
if command -v strace >/dev/null; then
	strace -f -o "$scratch/trace" bash -c "exec -a 21 $launcher /bin/true true 2>>$file"
	is "$(sed -n '/netshim-unit/,/bin\/true/{/execve.*netshim-unit/d; s/^[0-9]* *\([a-z0-9]*\)(.*/\1/p}' "$scratch/trace" | xargs)" "write write dup3 execve" "it makes four system calls"
else
	skip "needs strace" "it makes four system calls"
fi

# Where the class has gone meanwhile.
exec 7>>"$file"
"$netshim" down
is "$(started 21 /bin/echo echo started 2>&7; echo $?)" 125 "a class that is no more starts nothing"
exec 7>&-

# --- what runs already

mkdir /run/groups
mount -t cgroup2 cgroup2 "/run/groups" || cannot_run "needs cgroup v2"
slice=/run/groups/$own.slice service=/run/groups/$own.slice/plain.service
leave_slice() {
	jobs -p | xargs -r kill -KILL
	wait
	rmdir "$service/sub" "$service" "$slice/other.service" "$slice"
} 2>/dev/null
trap 'leave_slice; clean_up' EXIT
mkdir -p "$service/sub" "$slice/other.service"
runs_in() { # runs_in FOLDER: a process there
	bash -c 'echo 0 >"$1/cgroup.procs"; exec sleep 300' sleep "$1" &
	background+=($!)
	wait_until grep -qx sleep "/proc/$!/comm"
	last=$!
}
runs_in "$service" && main=$last
runs_in "$service/sub" && child=$last
runs_in "$slice/other.service" && other=$last
in_class() { sed -n "s,^[0-9]*:net_cls:\(.*\),\1,p" "/proc/$1/cgroup"; }
all_in() { echo "$(in_class "$main") $(in_class "$child") $(in_class "$other")"; }
"$netshim" up >"$scratch/out"
is "$(all_in)" "$group/lan $group/lan /" "up moves what a unit's service runs, and nothing else"
like "$(cat "$scratch/out")" "moved 2 running programs into class lan .sleep" "and says so"
like "$("$netshim" ps)" "$main .*lan +sleep" "ps shows it"
"$netshim" move none "$child"
like "$("$netshim" status 2>&1)" "1 .*outside" "status finds what runs elsewhere"
"$netshim" move lan "$child"
echo "class lan { } class web { lock = true } unit 'plain.service' { class = web }" >"$config"
"$netshim" reload >/dev/null
is "$(all_in)" "$group/web/locked $group/web/locked /" "reload follows the rule into another class, and its lock"
"$netshim" down
is "$(all_in)" "/ / /" "down lets it out"
echo "class lan { } unit 'other.service' { class = lan }" >"$config"
"$netshim" up >/dev/null 2>&1
is "$(all_in)" "/ / $group/lan" "what runs of a transient unit, or of an init script, is moved, too"
"$netshim" down
kill "$main" "$child" "$other"
wait "$main" "$child" "$other" 2>/dev/null

# --- at a boot at which the configuration has a mistake

configure <<<"class lan { }
at-boot = refuse
unit 'plain.service' { class = lan }"
"$netshim" down
echo "class {" >>"$config"
told >/dev/null
"$netshim" up --boot 2>/dev/null
is "$? $(told) $(dropin plain.service | sed -n 2p)" "1 daemon-reload StandardError=append:$file" "at-boot = refuse: the unit's drop-in is there, and its class is not"
is "$([ -e "$file" ]; echo $?)" 1 "so it does not start"
finish
