#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# A rule with `with` is for what is started with such an argument and for nothing else:
# which, the library, the helper and the check at start agree on it, nothing gets out of
# it while arguments change, and whatever it is not for starts as if it were not there.
. "$(dirname "$0")/lib.sh"

make_hosts 80
bin=$root/bin
tries=$((500 / slow))
mkdir -p "$scratch/tool" "$scratch/other" "$scratch/tree/in" "$scratch/deep/$(printf 'x%.0s' {1..250})/$(printf 'y%.0s' {1..250})"
deep=$scratch/deep/$(printf 'x%.0s' {1..250})/$(printf 'y%.0s' {1..250})
for name in prog ranks users soft jail named tree/in/prog; do cp "$bin/probe" "$scratch/$name"; done
for kind in static musl musl-static; do cp "$bin/probe-$kind" "$scratch/$kind"; done
for kind in capable setuid; do cp "$bin/probe" "$scratch/$kind"; done
setcap cap_net_raw=p "$scratch/capable"
chmod u+s "$scratch/setuid"
ln -s named "$scratch/link-to-named"
touch "$scratch/tool/"{game.jar,else.jar,main} "$deep/game.jar" "$scratch/other/game.jar"
ln -s ../tool/game.jar "$scratch/other/link"
ln -s link "$scratch/other/link-to-link"
ln -s tool "$scratch/linked"
ln -s "$scratch/tool/else.jar" "$scratch/tool/own-name"
ln "$scratch/tool/game.jar" "$scratch/other/hard"
game=$scratch/tool/game.jar
{
	cat <<END
class file { } class text { } class pattern { } class longer { } class rest { } class none-of-it { }
class jail { lock = true } class soft { on-error = allow } class blocked { action = reject }
app '$scratch/jail'  { with = '$game' class = jail }
app '$scratch/soft'  { with = '$game' class = soft }
app '$scratch/ranks' { with = '$game' class = file }
app '$scratch/ranks' { with = { 'org.example', 'second' } class = text }
app '$scratch/ranks' { with = { '*.jar', 'o*' } class = pattern }
app '$scratch/ranks' { with = '*.ex[a-d]m?' class = longer }
app '$scratch/ranks' { class = rest }
app '$scratch/users' { with = '$game' class = text users = { 'daemon' } }
app '$scratch/users' { with = '*.jar' class = pattern }
app '$scratch/named' { with = '$game' class = file }
app '$scratch/link-to-named' { with = 'text' class = text }
app '$scratch/tree/' { with = '$game' class = file }
app '$scratch/tree/in/' { with = 'text' class = text }
app '$scratch/script-by-name' { with = '$game' class = file }
END
	for kind in prog static musl musl-static capable setuid; do
		cat <<END
app '$scratch/$kind' { with = '$scratch/linked/game.jar' class = file }
app '$scratch/$kind' { with = '$scratch/tool/own-name' class = rest }
app '$scratch/$kind' { with = 'org.example' class = text }
app '$scratch/$kind' { with = '*.exe' class = pattern }
app '$scratch/$kind' { with = '$deep/game.jar' class = longer }
END
	done
} >"$scratch/rules"
configure <"$scratch/rules"

# --- whoever looks, the answer is one

agree() { # agree CLASS NAME PROGRAM ARG...: run in the current folder
	local expected=/ name=$2 which
	[ "$1" = none ] || expected=$group/$1
	which=$("$netshim" which "$3" -- class "${@:4}" | sed -n 's/.*: class \([^,]*\),.*/\1/p')
	is "${which:-none}" "$1" "$name: which"
	is "$(shim "$bin/launcher" execv "$3" class "${@:4}")" "$expected" "$name: started"
	is "$(shim "$bin/launcher-static" execv "$3" class "${@:4}")" "$expected" "$name: at start"
}
everywhere() { # everywhere CLASS NAME ARG...: of each kind of program
	agree "$1" "$2" "$scratch/prog" "${@:3}"
	agree "$1" "$2, musl" "$scratch/musl" "${@:3}"
	# Nobody sees the start of a static program but the library in what starts it.
	local kind expected=/
	[ "$1" = none ] || expected=$group/$1
	for kind in static musl-static; do
		is "$(shim "$bin/launcher" execv "$scratch/$kind" class "${@:3}")" "$expected" "$2, $kind: started"
	done
}
cd "$scratch/other" || exit 1
everywhere file "a file by its path" "$game"
everywhere file "the last of some arguments" a "b c" "" "$game"
everywhere file "by a relative path" ../tool/game.jar
everywhere file "by a link" link
everywhere file "by a link to a link" ./link-to-link
everywhere file "through a folder that is a link" "$scratch/linked/game.jar"
everywhere none "another file of that name" game.jar
everywhere none "another name of that file" hard
everywhere none "a part of an argument" "--file=$game"
everywhere longer "a path of more than 500 bytes" "$deep/game.jar"
everywhere rest "a link that is named itself" "$scratch/linked/own-name"
everywhere none "what that leads to" "$scratch/tool/else.jar"
everywhere text "a text" run org.example
everywhere none "a text within another" org.example.more
everywhere pattern "a pattern" "C:\\Games\\game.exe"
everywhere pattern "a pattern, through slashes" /home/user/game.exe
everywhere none "no such argument" x exe .exe.
everywhere none "no argument at all"
everywhere none "an argument that is no file's path" "$(printf 'z%.0s' {1..5000})"
cd "$scratch/tool" || exit 1
everywhere file "from the file's own folder" game.jar
everywhere file "with dots" ./../tool//./game.jar
agree none "argv[0] is no argument" "$scratch/prog"
is "$(cd "$scratch" && shim bash -c "exec -a org.example '$scratch/prog' class")" / "nor another one"

# --- the most specific wins

agree file "a file before a text" "$scratch/ranks" org.example "$game"
agree text "a text before a pattern" "$scratch/ranks" a.jar org.example
agree longer "a longer pattern before a shorter" "$scratch/ranks" a.jar "a.exbmp"
agree pattern "a pattern before none" "$scratch/ranks" b a.jar
agree rest "none" "$scratch/ranks" b
agree rest "a set of characters" "$scratch/ranks" a.exemp
agree none "a rule for other users does not count" "$scratch/users" "$scratch/x"
agree pattern "and leaves it to the others" "$scratch/users" "$game"
is "$(setpriv --reuid daemon --regid daemon --clear-groups env LD_PRELOAD="$preload" env "$scratch/users" class "$game")" \
	"$group/text" "for its user, it does"
agree file "a name with its own rules that do not hold: the next name's" "$scratch/link-to-named" "$game"
agree text "and where they do" "$scratch/link-to-named" "$game" text
agree file "the same with trees" "$scratch/tree/in/prog" "$game"
agree text "the longest of those that hold" "$scratch/tree/in/prog" "$game" text
agree none "none of them" "$scratch/tree/in/prog" texts
like "$("$netshim" which "$scratch/ranks" -- "$game")" "^$scratch/ranks: class file, by rule '$scratch/ranks' with '$game' at $config:5\$" "which says the argument"
is "$("$netshim" which "$scratch/prog" -x)" "$scratch/prog: no class: its rules are for other arguments" "and that there are others"
is "$("$netshim" which "$scratch/ranks" "$scratch/prog" --file a.exe | sed "s|$scratch/||g; s/, by.*//")" \
	"ranks: class rest"$'\n'"prog: class pattern" "what begins with a dash begins the arguments"
is "$("$netshim" status | awk '$1 == "text" { print $3 }')" 11 "status counts them"

# --- every way to start a program

for entry in execve execv execvp execvpe execl execlp execle execveat fexecve fexecve-cloexec posix_spawn posix_spawnp vfork; do
	is "$(PATH=$scratch:$PATH shim launcher $entry "$scratch/prog" class "$game")" "$group/file" "$entry"
	is "$(PATH=$scratch:$PATH shim launcher $entry "$scratch/static" class "$game")" "$group/file" "$entry: static"
	is "$(PATH=$scratch:$PATH shim launcher $entry "$scratch/prog" class a)" "/" "$entry: not for it"
done
is "$(cd / && shim python3 -c "
import ctypes, os
libc = ctypes.CDLL(None)
actions = (ctypes.c_char * 128)()
libc.posix_spawn_file_actions_init(actions)
libc.posix_spawn_file_actions_addchdir_np(actions, b'$scratch/tool')
for name in b'game.jar', b'else.jar':
    argv = (ctypes.c_char_p * 4)(b'x', b'given', name, None)
    environ = (ctypes.c_char_p * 2)(b'LD_PRELOAD=$preload', None)
    for program in b'$scratch/prog', b'$scratch/static':
        libc.posix_spawn(None, program, actions, None, argv, environ)
        os.wait()
")" "game.jar $group/file"$'\n'"game.jar $group/file"$'\n'"else.jar /"$'\n'"else.jar /" "a relative path starts at the child's folder"
is "$(shim env -i "$scratch/prog" class "$game"; shim env -i "$scratch/prog" class a)" "$group/file"$'\n'/ "without the library in it, the helper looks"

# --- scripts

script() { # script FILE LINE: that starts with it
	printf '%s\n%s\n' "$2" "import os, re; print(re.search('net_cls.*:(.*)', open('/proc/self/cgroup').read())[1])" >"$1"
	chmod 755 "$1"
}
python=$(readlink -f /usr/bin/python3)
script "$scratch/tool/main.py" "#!$python"
script "$scratch/tool/by-link.py" "#!/usr/bin/python3 -I"
script "$scratch/tool/quiet.py" "#!	$python   -Bs  "
script "$scratch/tool/else.py" "#!$python"
mkdir "$scratch/folder"
script "$scratch/folder/__main__.py" "#!$python"
ln -s ../tool/main.py "$scratch/other/main-link"
printf '#!%s/tool/interpreter -u\nclass\n' "$scratch" >"$scratch/tool/script-of-script"
printf '#!%s/prog class\n' "$scratch" >"$scratch/tool/interpreter"
# shellcheck disable=SC2016 # the script's own
printf '#!/bin/sh\nwhile read -r line; do case $line in *net_cls*) echo "${line##*:}" ;; esac; done </proc/self/cgroup\n' >"$scratch/tool/main.sh"
chmod 755 "$scratch/tool/"{script-of-script,interpreter,main.sh}
shell=$(readlink -f /bin/sh)
{
	cat "$scratch/rules"
	cat <<END
app '$python' { with = '$scratch/tool/main.py' class = file }
app '/usr/bin/python3' { with = '$scratch/tool/by-link.py' class = text }
app '$python' { with = '$scratch/folder' class = rest }
app '$python' { with = '-Bs' class = pattern }
app '$python' { with = '*/x.py' class = longer }
app '$shell' { with = '$scratch/tool/main.sh' class = file }
app '$scratch/prog' { with = '$scratch/tool/interpreter' class = rest }
app '$scratch/prog' { with = '-u' class = pattern }
END
} | configure
scripted() { # scripted CLASS NAME COMMAND...
	local expected=/ which
	[ "$1" = none ] || expected=$group/$1
	which=$("$netshim" which "$3" -- "${@:4}" | sed -n 's/.*: class \([^,]*\),.*/\1/p')
	is "${which:-none}" "$1" "$2: which"
	is "$(shim "${@:3}" 2>&1)" "$expected" "$2: started"
	is "$(shim "$bin/launcher-static" execv "${@:3}" 2>&1)" "$expected" "$2: at start"
}
export PATH=$PATH:$scratch/tool
cd "$scratch/other" || exit 1
scripted file "a script for its interpreter" /usr/bin/python3 ../tool/main.py
scripted file "through a link" /usr/bin/python3 main-link
scripted none "another script" /usr/bin/python3 ../tool/else.py
scripted file "a script by itself" "$scratch/tool/main.py"
scripted file "the same by a link" "$scratch/other/main-link" x
scripted none "another one by itself" "$scratch/tool/else.py"
scripted rest "a folder" /usr/bin/python3 ../folder
for other in ../folder/ ../folder/. ../folder/__main__.py; do scripted none "not by $other" /usr/bin/python3 $other; done
scripted text "a rule for a link to the interpreter" "$scratch/tool/by-link.py"
scripted pattern "what its first line gives to the interpreter" "$scratch/tool/quiet.py"
scripted longer "what comes behind the script" "$scratch/tool/else.py" /no/x.py
scripted file "a script of the shell" "$scratch/tool/main.sh"
is "$(cd "$scratch/tool" && shim ./main.py)" "$group/file" "by a relative path"
is "$(cd "$scratch/tool" && shim launcher fexecve main.py)" "$group/file" "by a descriptor"
is "$(shim launcher-static fexecve "$scratch/tool/main.py")" "$group/file" "at start"
is "$(shim launcher-static fexecve "$scratch/tool/else.py")" / "not another one"
is "$(shim python3 -c "import os; os.execve(os.open('$scratch/tool/main.py', os.O_RDONLY), ['x'], dict(os.environ))" 2>&1)" \
	"$(as_user python3 -c "import os; os.execve(os.open('$scratch/tool/main.py', os.O_RDONLY), ['x'], dict(os.environ))" 2>&1)" \
	"one that is closed is beyond its interpreter's reach, as ever"
is "$("$netshim" which "$scratch/tool/script-of-script" | sed 's/.*class //; s/,.*//')" rest "a script of a script: a file among them comes first"
is "$(shim "$scratch/tool/script-of-script")" "$group/rest" "started"

# --- what is not for it starts as if there were no rule

for kind in prog static musl musl-static; do
	state() { as_user LD_PRELOAD="$preload" env "$scratch/$kind" state "a b" "" $'c\n' | grep -v ^pid; }
	"$netshim" down
	without=$(state)
	configure <"$scratch/rules"
	is "$(state)" "$without" "arguments, environment, descriptors are those without netshim: $kind"
	is "$(as_user LD_PRELOAD="$preload" launcher odd "$scratch/$kind" state a | grep -v ^pid)" \
		"$(as_user LD_PRELOAD="$empty" launcher odd "$scratch/$kind" state a | grep -v ^pid | sed "s|$empty|$preload|")" "and all else: $kind"
done
printf 'no program' >"$scratch/prog-bad" && chmod 755 "$scratch/prog-bad"
{
	cat "$scratch/rules"
	echo "app '$scratch/prog-bad' { with = '*' class = file }"
	echo "app '$scratch/no-such' { with = '*' class = file }"
} | configure
for program in prog static prog-bad no-such; do
	for odd in bad-env bad-env-string bad-argument too-much page-end page-end-unaligned busy; do
		for word in x "$game"; do
			is "$(shim launcher errno $odd "$scratch/$program" "$word" 2>&1)" "$(as_user launcher errno $odd "$scratch/$program" "$word" 2>&1)" \
				"the error for $odd: $program, $word"
		done
	done
done
for how in null empty; do
	noargs() { "$@" attacker noargs $how "$scratch/prog" 2>&1 | grep -v -e ^pid -e LD_PRELOAD; }
	is "$(noargs shim)" "$(noargs as_user)" "no argument, not even the name: $how"
done

# --- many arguments

cat >"$scratch/many.py" <<'END'
import os, sys
program, kind, last = sys.argv[1:4]
few = {'many': ['x'] * 50000, 'long': ['y' * 100000] * 10, 'too-long': ['z' * 131072], 'too-many': ['y' * 100000] * 100}[kind]
try:
    os.execv(program, [program, 'given', *few, last])
except OSError as error:
    print(error.strerror)
END
for program in prog static; do
	for kind in many long too-long too-many; do
		expected=$(as_user python3 "$scratch/many.py" "$scratch/$program" $kind x)
		is "$(shim python3 "$scratch/many.py" "$scratch/$program" $kind x)" "$expected" "a megabyte of arguments: $program, $kind"
		expected=$(as_user python3 "$scratch/many.py" "$scratch/$program" $kind org.example)
		is "$(shim python3 "$scratch/many.py" "$scratch/$program" $kind org.example)" "${expected/%\//$group/text}" \
			"the last one is what the rule asks for: $program, $kind"
	done
done
is "$(as_user LD_PRELOAD="$preload" launcher-static execv "$bin/launcher" execv "$scratch/prog" given {1..9999} "$game")" \
	"$(printf '%.60s' "$game") $group/file" "the same at start"

# --- arguments that change

# What came out: the argument that the program has got, and where it was.
flips() { # flips PROGRAM A B
	shim "${launcher:-attacker}" flip "$2" "$3" "$tries" "$scratch/$1" | tee "$scratch/counts" | sed 's/: [0-9]*$//' | sort
}
for program in prog static musl musl-static capable setuid; do
	is "$(flips $program org.example other)" "org.example $group/text"$'\n'"other /" "another thread changes an argument while $program is started ($tries tries)"
	sed 's/^/# /' "$scratch/counts"
done
is "$(flips prog a.exe org.example)" "a.exe $group/pattern"$'\n'"org.example $group/text" "from one rule's to another's"
is "$(flips static a.exe org.example)" "a.exe $group/pattern"$'\n'"org.example $group/text" "of a static program, too"
is "$(launcher=attacker-static flips prog org.example other)" "org.example $group/text"$'\n'"other /" "at its start alone"
is "$(flips prog org.example bad | grep -v "^org.example $group/text$")" "" "one at no address: what starts is in its class"
is "$(flips static other bad | grep -v "^other /$")" "" "and what has no rule is in none"

# --- a user's own ways

link=$scratch/links/link
mkdir "$scratch/links" && chown 65534 "$scratch/links"
as_user ln -s "$game" "$link"
is "$(shim "$scratch/prog" class "$link")" "$group/file" "a user's link to the file"
as_user ln -sfn "$scratch/tool/else.jar" "$link"
is "$(shim "$scratch/prog" class "$link")" "/" "and to another"
as_user ln -sfn "$link" "$link"
is "$(shim "$scratch/prog" class "$link")" "/" "and to itself"
by_hand() { # by_hand PATH ARG...: the helper, as the library starts it
	as_user attacker request "NETSHIM_REQUEST=1 exec 4294967196 0 0 0 0 0 0 8388608 1 0" "$1" "$helper" "${@:2}" 2>&1
}
is "$(by_hand "$scratch/static" class "$game")" "$group/file" "the helper by hand decides by what it passes on"
is "$(by_hand "$scratch/static" class x)" "/" "and moves nobody without that"
is "$(shim "$scratch/prog" class "$(printf '../%.0s' {1..1300})$game")" "$group/file" "a long way to the file"
is "$(shim setpriv --no-new-privs env "$scratch/prog" class x)" "/" "under no_new_privs, what it is not for starts"
like "$(shim setpriv --no-new-privs env "$scratch/prog" class "$game" 2>&1; echo $?)" "not started .class file.: the helper may not enter it.*125" "what it is for does not"
like "$(shim setpriv --no-new-privs env "$scratch/prog-static" class x 2>&1; shim setpriv --no-new-privs env "$scratch/static" class "$game" 2>&1)" \
	"not started .class file" "nor a static program"
is "$(shim setpriv --no-new-privs env "$scratch/soft" class "$game")" / "on-error = allow: in no class"
is "$(shim "$scratch/jail" class "$game") $(shim "$scratch/jail" class)" "$group/jail/locked /" "a locked class"
is "$(shim "$netshim" run jail "$scratch/prog" class "$game")" "$group/jail/locked" "who is locked stays there"
is "$(shim "$netshim" run jail "$scratch/prog" class a)" "$group/jail/locked" "with every argument"
is "$(shim bash -c "exec '$bin/launcher' execv '$scratch/prog' class a")" / "(in no class)"
cp /bin/sh "$scratch/named-sh"
{
	cat "$scratch/rules"
	echo "app '$scratch/named-sh' { with = '-c' class = blocked }"
} | configure
is "$(shim "$scratch/named-sh" -c "'$scratch/prog' class a; '$scratch/prog' class org.example")" "$group/blocked"$'\n'"$group/text" \
	"what a program starts is in its class, or in that of a rule that holds"

# --- packets

cp "$bin/probe" "$scratch/java"
{
	cat "$scratch/rules"
	echo "app '$scratch/java' { with = '$game' class = blocked }"
	echo "app '$python' { with = '$scratch/tool/talk.py' class = blocked }"
} | configure
cat >"$scratch/tool/talk.py" <<END
import socket, sys
try:
    socket.create_connection(('$lan_host', 80), 5)
    print('connected')
except OSError as error:
    print(error.strerror)
END
cp "$scratch/tool/talk.py" "$scratch/other/talk.py"
is "$(shim python3 "$scratch/tool/talk.py")" "Connection refused" "a script without a network"
is "$(shim python3 "$scratch/other/talk.py")" "connected" "a copy of it has one"
is "$(shim "$scratch/java" sends $lan_host 9 >"$scratch/sent"; cat "$scratch/sent")" "/ 0" "another program, with other arguments"

# --- what runs

in_background "${user[@]}" LD_PRELOAD="$preload" env python3 -c "import time; print(flush=True); time.sleep(300)" >"$scratch/runs"
running=$!
wait_until test -s "$scratch/runs"
{
	cat "$scratch/rules"
	echo "app '$python' { with = '*time.sleep*' class = text }"
} | configure
class_of() { sed -n 's/.*:net_cls[^:]*://p' "/proc/$1/cgroup"; }
is "$(class_of $running)" "$group/text" "what runs is moved when a rule for its arguments comes"
is "$("$netshim" ps 2>/dev/null | grep -c "text.*$running\|$running.*text")" 1 "ps shows it"
{
	cat "$scratch/rules"
	echo "app '$python' { with = '*time.sleep*' class = longer }"
} | configure
is "$(class_of $running)" "$group/longer" "and when it changes"
kill $running
cat >"$scratch/twice" <<END
#!/bin/bash
$scratch/prog class a
$scratch/prog class org.example
END
chmod 755 "$scratch/twice"
like "$(LD_PRELOAD=$preload "$netshim" trace "$scratch/twice" 2>&1 >/dev/null)" "none  .*: no rule.*none -> text .*: rule '$scratch/prog' with 'org.example' at $config:" "trace tells of each"
like "$(LD_PRELOAD=$preload "$netshim" trace --json "$scratch/prog" class org.example 2>&1 >/dev/null)" '"with": "org.example"' "as JSON, too"
like "$("$netshim" doctor "$scratch/prog" --json -- org.example 2>&1)" "class text, by rule '$scratch/prog' with 'org.example' at $config:" "doctor too"
like "$("$netshim" doctor "$scratch/prog" --json 2>&1)" "the rules of $scratch/prog are for other arguments" "and that there are others"

# --- mistakes

wrong() { # wrong RULE MESSAGE
	printf 'class a { }\nclass b { }\n%s\n' "$1" >"$scratch/wrong.conf"
	like "$("$netshim" check "$scratch/wrong.conf" 2>&1)" "$2" "a mistake: $1"
}
wrong "app '/x' { with = '' class = a }" "wrong.conf:3: with = '' is no argument"
wrong "app '/x' { with = { } class = a }" "wrong.conf:3: with lists no argument"
wrong "app '/x' { with = '/opt/' class = a }" "wrong.conf:3: '/opt/' ends in a slash.*'/opt/\*'"
wrong "app '/x' { with = '*$(printf 'x%.0s' {1..300})' class = a }" "wrong.conf:3: pattern .* is too long"
wrong "app '/x' { with = '$(printf 'x%.0s' {1..5000})' class = a }" "wrong.conf:3: argument .* is too long"
wrong "app '/x' { with = 'y' class = a } app '/x' { with = 'y' class = b }" "wrong.conf:3: '/x' with 'y' is in class b here and, as '/x' with 'y', in class a at"
wrong "app '/x' { with = 'y' class = a } app '/x' { with = 'y' class = a users = { 'root' } }" "'/x' with 'y' has a rule for other users"
wrong "package 'x' { with = 'y' class = a }" "no such option 'with'; package takes class, users"
printf "class a { }\nclass b { }\napp '/x' { with = { 'y', 'z' } class = a }\napp '/x' { with = 'v' class = b }\napp '/x' { class = b }\n" >"$scratch/wrong.conf"
is "$("$netshim" check "$scratch/wrong.conf" 2>&1 | tail -n 1)" "$scratch/wrong.conf: ok, 2 classes, 4 rules" "none"

finish
