#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# What users call their files and folders changes their own fate only: never another's
# rule, whether the configuration loads, or what root writes where all can read.
. "$(dirname "$0")/lib.sh"

ip link set lo up
rules=$root/run/netshim/rules
home=$scratch/home
mkdir -p "$home"/{alice,bob}/bin
chown -R 65534 "$home/alice"
chown -R daemon "$home/bob"

# --- one rule for each name, whatever its hash

key() { od -An -t x8 -j 24 -N 16 "$rules"; }
for i in {1..500}; do echo "app '/opt/many/program-$i' { class = one }"; done >"$scratch/many"
configure < <(echo "class one { }" && cat "$scratch/many")
first=$(key)
"$netshim" reload
[ "$(key)" != "$first" ]
ok $? "each load hashes with another key"
damaged() { # damaged CALL INJECTION: up, with what that call writes to or reads from the new file changed
	strace -qq -o /dev/null -P "$rules.new" -e trace="$1" -e inject="$1:$2" "$netshim" up 2>&1
}
before=$(cksum "$rules")
for when in 1 2 5; do
	is "$(damaged write poke_enter=@arg2=ffffffffffffffff:when=$when) $(cksum "$rules")" \
		"netshim: $rules.new is not what was written there; try again $before" "a new rules file that is damaged in its part $when is not put into force"
done
like "$(damaged pread64 poke_exit=@arg2=ffffffffffffffff:when=3) $(cksum "$rules")" \
	"^netshim: $config:2: the rule for '/opt/many/program-1' cannot be read back from $rules.new; try again $before" \
	"nor one whose rules its readers do not find"

# --- whether the configuration loads

loads() { # loads PATTERN NAME: with that said, and no more
	local out
	out=$("$netshim" reload 2>&1)
	like "$? $out" "^0 $1$" "$2"
}
class() { "$netshim" which "$1" | sed 's/.*class \([^,]*\), by rule.*/\1/'; }
configure <<EOF
class one { } class two { } class three { }
app '$home/*/bin/*'     { class = one }
app '$home/*/bin/b*'    { class = two }
app '$home/bob/to/tool' { class = one }
app '/usr/bin/true'     { class = three }
app '$home/bob/bin/own' { class = three }
EOF
cp "$root/bin/probe" "$home/bob/bin/own"
loads "$config:2: '$home/bob/bin/own' has a rule already, as '$home/bob/bin/own' at $config:6: this one has no effect" \
	"a name that a pattern matches, and that root has written"
is "$(class "$home/bob/bin/own")" three "root's own rule is in force, though it comes after"
sed -i '$d' "$config"
cp "$root/bin/probe" "$home/bob/bin/both"
cp "$root/bin/probe" "$home/alice/bin/tool"
loads "$config:3: '$home/bob/bin/both' has a rule already, as '$home/bob/bin/both' at $config:2: this one has no effect" \
	"a name that two patterns of two classes match"
is "$(class "$home/bob/bin/both")" one "the first of the two is in force"
rm "$home/bob/bin/both"
ln -s "$home/bob/bin" "$home/bob/to"
chown -h daemon "$home/bob/to"
deep=$(python3 - "$home/bob" <<'EOF'
import os, sys
os.chdir(sys.argv[1])
while (size := len(os.getcwd())) < 4092:
    name = "d" * min(200, 4093 - size - 1)
    os.mkdir(name)
    os.chown(name, 1, 1)
    os.chdir(name)
print(os.getcwd())
EOF
)
ln -sfn "$deep" "$home/bob/to"
chown -h daemon "$home/bob/to"
loads "$config:4: '$home/bob/to/tool' leads too deep; this rule has no effect" "a link to a folder too deep for any rule"
steps=$home/bob/steps/$(printf 'd/%.0s' {1..64})
mkdir -p "$steps"
chown -R daemon "$home/bob/steps"
ln -sfn "$steps" "$home/bob/to"
chown -h daemon "$home/bob/to"
sed -i "4s|to/tool|to/|" "$config"
loads "$config:4: '$home/bob/to/' leads too deep; this rule has no effect" "a link to a folder too deep for a tree"
rm -r "$home/bob/to" "$home/bob/steps"
for i in {1..5000}; do echo "$home/bob/bin/many-$i"; done | xargs touch
loads "$config:2: '$home/\*/bin/\*' matches more than 4096 names, .* where others than root can change '$home/bob': the rest have no rule; .*" "names without end"
is "$(class "$home/alice/bin/tool") $(class true)" "one three" "they take no rule from another user, or from root"
is "$("$netshim" status 2>/dev/null | awk '$1 == "one" { print $3 }')" $((4096 + 2)) "nor more room than their share"
rm "$home"/bob/bin/many-*
for i in {1..20}; do ln -s /usr/bin "$home/bob/bin-$i"; done
chown -h daemon "$home"/bob/bin-*
echo "app '$home/bob/bin-*/true' { class = two }" >>"$config"
out=$("$netshim" reload 2>&1)
is "$? $(wc -l <<<"$out") $(tail -n 1 <<<"$out") $(class true)" "0 3 $config:6: and so with other names three" \
	"links to what is others': each is for nothing, and three lines say so"
sed -i '$d' "$config"
rm "$home"/bob/bin-*
echo "no configuration" >"$home/bob/one.conf"
echo "include('$home/*/one.conf')" >>"$config"
loads "$config:6: '$home/bob/one.conf' is not read, as others than root can change '$home/bob'" "a pattern of included files that meets a user's"
sed -i '$d' "$config"

# --- what root writes where all can read

shows() { # shows NAME: how often the rules name it
	grep -aoF "$1" "$rules" | wc -l
}
cp "$root/bin/probe" "$home/alice/bin/my-diary"
loads "" "what everybody can look into"
is "$(shows my-diary)" 1 "is shown"
chmod 700 "$home/alice"
loads "$config:2: not every user can look into '$home/alice/bin/': .*" "a private home"
is "$(shows my-diary) $(shows alice)" "0 0" "nothing in it is shown"
chmod 755 "$home/alice"
chmod 711 "$home/alice/bin"
loads "$config:2: not every user can look into '$home/alice/bin/': .*" "a folder that can be passed through only"
is "$(shows my-diary)" 0 "nothing in it is shown"
chmod 755 "$home/alice/bin"
mkdir -m 700 "$scratch/roots"
cp "$root/bin/probe" "$scratch/roots/roots-secret"
rm "$home/bob/bin/own"
rmdir "$home/bob/bin"
ln -s "$scratch/roots" "$home/bob/bin"
chown -h daemon "$home/bob/bin"
loads "$config:2: not every user can look into '$home/bob/bin/': .*" "a user's link to a folder of root's"
is "$(shows roots-secret)" 0 "nothing in it is shown"
chmod 755 "$scratch/roots"
loads "$config:2: '$home/bob/bin/' leads to '$scratch/roots' by '$home/bob', which others than root can change; this rule has no effect: write the folder's own path" \
	"one that all can look into"
is "$(shows roots-secret)" 0 "still has no rule by a user's link"
rm "$home/bob/bin"
app="app '$home/alice/b*/' { class = two }"
echo "$app" >>"$config"
loads "" "a pattern of trees"
is "$(class "$home/alice/bin/my-diary")" one "whose programs have rules of their own"
chmod 700 "$home/alice"
loads ".*$config:6: not every user can look into '$home/alice/': .*" "in a private home"
is "$(shows alice/bin/)" 0 "shows none of it"
chmod 755 "$home/alice"
like "$(as_user "$netshim" check "$config" 2>&1)" "$config: ok, 3 classes" "a user may check it"

# --- what root reads for others

secret="root:secret-words:1:2:3"
(umask 077 && echo "$secret" >"$scratch/shadow")
groups=()
checked() { # checked FILE NAME: root checks bob's configuration, which cannot open that file
	local out
	out=$("${groups[@]}" "$netshim" check "$home/bob/own.conf" 2>&1)
	like "$? $out" "^1 .*cannot open '$1': Permission denied" "$2"
	is "$(grep -c secret-words <<<"$out")" 0 "$2: no word of it is said"
}
echo "include('$scratch/shadow')" >"$home/bob/own.conf"
chown daemon "$home/bob/own.conf"
checked "$scratch/shadow" "a user's configuration that includes what only root can read"
echo "include('$home/bob/more.conf')" >"$home/bob/own.conf"
ln -s "$scratch/shadow" "$home/bob/more.conf"
checked "$home/bob/more.conf" "by the user's link"
rm "$home/bob/more.conf"
echo "include('$scratch/shadow')" >"$home/bob/more.conf"
checked "$scratch/shadow" "by a file in between that anybody may have written"
chmod 640 "$scratch/shadow"
checked "$scratch/shadow" "what root's group may read"
chgrp 4242 "$scratch/shadow"
groups=(setpriv --groups 4242)
checked "$scratch/shadow" "what another group of root's may read"
groups=()
ln -sf "$scratch/shadow" "$home/bob/own.conf"
like "$("$netshim" check "$home/bob/own.conf" 2>&1)" "cannot open '$home/bob/own.conf': Permission denied" "a configuration that is the user's link"
rm "$home/bob/own.conf"
mkdir -m 700 "$scratch/closed"
echo "$secret" >"$scratch/closed/secret-name"
echo "include('$scratch/closed/*')" >"$home/bob/own.conf"
chown daemon "$home/bob/own.conf"
like "$("$netshim" check "$home/bob/own.conf" 2>&1)" "^[^"$'\n'"]*'$home/bob/own.conf' can be changed[^"$'\n'"]*"$'\n'"[^"$'\n'"]*on the way[^"$'\n'"]*$" \
	"a pattern of a user's shows no names that the user cannot see"
(umask 077 && echo "class a { }" >"$home/bob/more.conf")
chown daemon "$home/bob/more.conf"
echo "include('$home/bob/more.conf')" >"$home/bob/own.conf"
is "$("$netshim" check "$home/bob/own.conf" 2>&1 | grep -c 'cannot open')" 0 "what the user can read is read"
truncate -s 100G "$home/bob/more.conf"
like "$(timeout 10 "$netshim" check "$home/bob/own.conf" 2>&1)" "'$home/bob/more.conf' is larger than 64 MiB" "a file of 100 GB is not"

# --- what is in a sticky folder, where all can put names

shared=$scratch/shared
mkdir -m 1777 "$shared"
cat >"$config" <<END
class one { } class two { } class three { }
app '$shared/*.sh'   { class = one }
app '$shared/a*'     { class = two }
app '$shared/*/tool' { class = three }
END
"$netshim" reload
taken=".*:3: '$shared/a.sh' has a rule already, as '$shared/a.sh' at .*:2: this one has no effect"
touch "$shared/a.sh"
loads "$taken" "a name that was moved there is root's, and two patterns match it"
chown 65534 "$shared/a.sh"
loads "$taken" "a user's name that two patterns match"
"$netshim" down
like "$("$netshim" up --boot 2>&1; echo "$? $(class "$shared/a.sh")")" "^$taken"$'\n'"0 one$" "at boot too"
rm "$shared/a.sh"
touch "$shared/roots.sh"
for i in {1..5000}; do echo "$shared/many-$i.sh"; done | xargs touch
chown 65534 "$shared"/many-*
touch "$shared/late.sh"
chown daemon "$shared/late.sh"
loads ".*:2: '$shared/\*.sh' matches more than 4096 names, .* where others than root can change '$shared': the rest have no rule; .*" \
	"a user's names without end"
is "$(class "$shared/late.sh") $(class "$shared/roots.sh") $("$netshim" status 2>/dev/null | awk '$1 == "one" { print $3 }')" \
	"one one $((4096 + 2))" "they take no rule from another user, or from root"
rm "$shared"/*.sh
python3 - "$shared" <<'END'
import os, sys
os.setuid(65534)
for i in range(80000):
    os.close(os.open(f"{sys.argv[1]}/many-{i}", os.O_CREAT))
END
mkdir "$shared"/late-{1..30}
touch "$shared"/late-{1..30}/tool
chown -R daemon "$shared"/late-*
loads ".*:4: '$shared/\*/tool' matches more than .* or 65536 were looked at, where others than root can change '$shared': .*" \
	"names without end, in none of which there is anything"
is "$("$netshim" status 2>/dev/null | awk '$1 == "three" { print $3 }')" 30 "they take no rule from what is in another user's folder"
find "$shared" -name 'many-*' -delete
rm -r "$shared"/late-*
echo "include('$shared/*.conf')" >>"$config"
echo "no configuration" >"$shared/users.conf"
not_read=".*:5: '$shared/users.conf' is not read, as others than root can change '$shared"
loads "$not_read'" "a pattern of included files, and what is root's, which a user may have moved there"
chmod 1775 "$shared"
loads "$not_read'" "in a folder that a group can write to, too"
chmod 1777 "$shared"
chmod 666 "$shared/users.conf"
loads "$not_read'" "and what all can write to"
chmod 644 "$shared/users.conf"
chown 65534 "$shared/users.conf"
loads "$not_read'" "and what is a user's"
rm "$shared/users.conf"
mkfifo "$shared/users.conf"
chown 65534 "$shared/users.conf"
loads "$not_read/users.conf'" "and a user's that is no file"
rm "$shared/users.conf"
# As a user's file system may do.
mkdir "$shared/mount"
chown 65534 "$shared/mount"
printf '%s\n' "class one { }" "app '$shared/m*' { class = one }" >"$config"
like "$(strace -qq -o /dev/null -P "$shared/mount" -e trace=newfstatat,statx -e inject=newfstatat,statx:error=EIO "$netshim" reload 2>&1; echo $?)" \
	"^$config:2: cannot look into '$shared/': .*as others than root can change '$shared'"$'\n'"0$" "a user's file system that fails is no mistake"

# --- what reaches a terminal

# What there is of it that is not to be printed, or that a shell's echo would make so.
control_codes() { LC_ALL=C grep -c -e $'[\001-\011\013-\037\177]' -e '^forged'; }
name=$'\e[2J\nforged\rline\\033[31m'
mkdir "$home/bob/bin"
cp "$root/bin/probe" "$home/bob/bin/$name"
cat >"$config" <<EOF
class one { } class two { }
app '$home/*/bin/*'   { class = one }
app '$home/*/bin/*31*' { class = two }
EOF
printable() { # printable PATTERN NAME COMMAND...: what it says
	local out
	out=$("${@:3}" 2>&1)
	like "$out" "$1" "$2: said"
	is "$(control_codes <<<"$out")" 0 "$2: no control code or line of its own in it"
}
mistaken=$scratch/$name
echo "class \$ { }" >"$mistaken"
printable "rule already" "up" "$netshim" up
printable "rule already" "reload" "$netshim" reload
printable "class one, by rule" "which" "$netshim" which "$home/bob/bin/$name"
printable "no class" "which, without a rule" "$netshim" which "$mistaken"
printable "bad class name" "check" "$netshim" check "$mistaken"
printable "cannot open" "check of what is not there" "$netshim" check "$mistaken-"
printable "not found on PATH" "run" "$netshim" run one "$name"
printable "bad class name" "run in what is no class" "$netshim" run "$name" true
printable "there is no '" "a verb that there is not" "$netshim" "$name"
printable "cannot move process" "move" "$netshim" move one "$name"
printable "not executable|not started|permission" "the helper" shim "$netshim" run one "$mistaken"
for shell in dash bash; do
	printable "rule already" "the interface hook in $shell" "$shell" "$root/etc/network/if-up.d/netshim"
done

finish
