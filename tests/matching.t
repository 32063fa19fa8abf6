#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Which rule a program falls under: `which`, the shim with the helper, and the
# check at start must say the same, whatever name leads to it.
. "$(dirname "$0")/lib.sh"

ip link set lo up
make_tree() {
	mkdir -p "$1/bin" "$1/tree/deep/er" "$1/tree/own" "$1/other" "$1/deep/$(printf 'x%.0s' {1..250})/$(printf 'y%.0s' {1..250})"
	for path in bin/prog bin/upgraded bin/busy bin/real tree/in tree/deep/er/in tree/own/in tree/exempt other/outside \
		bin/forusers bin/argument "deep/$(printf 'x%.0s' {1..250})/$(printf 'y%.0s' {1..250})/prog"; do
		cp "$root/bin/probe" "$1/$path"
	done
	ln -s bin "$1/linked-bin"
	ln -s prog "$1/bin/link-to-prog"
	ln -s ../other/outside "$1/tree/leads-out"
	ln -s ../tree/in "$1/other/leads-in"
	mkdir -p "$1/far/bin" "$1/far/of-its-own" "$1/f" "$1/g" "$1/h"
	for path in far/prog far/own far/bin/in far/of-its-own/in f/in g/i g/in h/in; do cp "$root/bin/probe" "$1/$path"; done
	ln -s ../far "$1/tree/folder"
	ln -s ../f "$1/tree/to-shorter"
	ln -s other/../h "$1/to-h"
	ln -s ../to-h "$1/tree/to-link"
	ln -s ../tree/folder/prog "$1/other/leads-by-folder"
	ln -s busy "$1/bin/applet"
	ln -s applet "$1/bin/link-to-applet"
	ln -s real "$1/bin/chain-2"
	ln -s chain-2 "$1/bin/chain-1"
	printf '#!%s/bin/prog class\n' "$1" >"$1/other/script-of-prog"
	printf '#!%s/other/script-of-prog\n' "$1" >"$1/other/script-of-script"
	printf '#! \t%s/bin/link-to-prog class\n' "$1" >"$1/other/script-of-link"
	printf '#!%s/other/outside class\n' "$1" >"$1/bin/script"
	printf '#!/usr/bin/env -S %s/bin/prog class\n' "$1" >"$1/other/env-script"
	printf '#!/usr/bin/env prog\n' >"$1/other/env-script-of-name"
	printf '#!/usr/bin/env -S VAR=1 prog class\n' >"$1/bin/env-script-with-rule"
	printf '#!/usr/bin/env -S prog class\n' >"$1/bin/env-script-locked"
	printf '#!/usr/bin/env -S %s/other/env-script\n' "$1" >"$1/other/env-script-of-script"
	printf '#!/usr/bin/env -S %s/bin/argument class\n' "$1" >"$1/other/env-script-of-argument"
	printf '#!/usr/bin/env no-such-program\n' >"$1/other/env-script-of-none"
	printf '#!/usr/bin/env -S PATH=/opt prog\n' >"$1/other/env-script-untold"
	chmod 755 "$1"/other/*script* "$1"/bin/*script*
}
make_tree "$scratch"
ln -s missing/folder "$scratch/nowhere"
cp "$root/bin/probe" "$scratch/bin/gone"
cp "$root/bin/probe" "$scratch/bin/later-too"
cp "$root/bin/probe" "$scratch/bin/by-link"
cp "$root/bin/probe" "$scratch/in"
deepest=$scratch
while [ "${deepest//[!\/]/}" != "$(printf '/%.0s' {1..63})" ]; do deepest+=/d; done
mkdir -p "$deepest"
cp "$root/bin/probe" "$deepest/in"
cat >"$scratch/rules" <<EOF
class file { } class tree { } class deep { } class applet { } class script { } class later { } class users { } class kept { lock = true }
app '$scratch/bin/prog'         { class = file }
app '$scratch/bin/upgraded'     { class = file }
app '$scratch/linked-bin/real'  { class = file }
app '$scratch/bin/applet'       { class = applet }
app '$scratch/tree/'            { class = tree }
app '$scratch/tree/deep/'       { class = deep }
app '$scratch/tree/own/in'      { class = file }
app '$scratch/tree/exempt'      { class = none }
app '$scratch/far/own'          { class = applet }
app '$scratch/far/of-its-own/'  { class = deep }
app '$scratch/f/'               { class = deep }
app '$scratch/g/i*'             { class = deep }
app '$scratch/g/in'             { class = script }
app '$scratch/bin/script'       { class = script }
app '$scratch/bin/later'        { class = later }
app '$scratch/bin/forusers'     { class = users  users = { 'daemon' } }
app '$scratch/deep/'            { class = deep }
app '$scratch/missing/./../bin/later-too' { class = later }
app '$scratch/missing/gone/../../linked-bin/by-link' { class = later }
app '$scratch/nowhere/../bin/gone' { class = later }
app '$scratch/.*/in'            { class = later }
app '$deepest/'                 { class = deep }
app '/usr/bin/gzip'             { class = file }
app '$scratch/bin/env-script-with-rule' { class = script }
app '$scratch/bin/env-script-locked'    { class = kept }
app '$scratch/bin/argument'     { with = 'class' class = file }
EOF
configure <"$scratch/rules"

agree() { # agree PROGRAM CLASS NAME: run in the current folder
	local expected=/ which
	[ "$2" = none ] || expected=$group/$2
	which=$("$netshim" which "$1" | sed -n 's/.*: class \([^,]*\),.*/\1/p')
	is "${which:-none}" "$2" "$3: which"
	is "$(shim "$root/bin/launcher" execv "$1" class)" "$expected" "$3: started"
	is "$(as_user LD_PRELOAD="$preload" "$root/bin/launcher-static" execv "$1" class)" "$expected" "$3: at start"
}

cd "$scratch" || exit 1
agree "$scratch/bin/prog" file "its path"
agree bin/prog file "a relative path"
agree ./bin/../bin//./prog file "dots and slashes"
agree "$scratch/linked-bin/prog" file "through a symlinked folder"
agree bin/link-to-prog file "a symlink to it"
agree "$scratch/bin/real" file "a rule through a symlinked folder"
agree bin/chain-1 file "two symlinks to it"
agree bin/applet applet "a rule on a symlink: its name"
agree bin/busy none "a rule on a symlink: not the file itself"
agree bin/link-to-applet applet "a rule on a symlink: reached by another"
agree tree/in tree "in a tree"
agree tree/deep/er/in deep "in a tree within the tree: the longest"
agree bin/later-too later "a rule through what is not there, and back"
agree bin/by-link later "and on by a link"
agree bin/gone none "a rule through a link to what is not there, and back from there"
agree ./in none "a rule for hidden folders, of which this one is not"
agree "$deepest/in" deep "in the deepest tree that there can be"
agree tree/own/in file "in a tree, with a rule of its own"
agree tree/exempt none "in a tree, exempt by class = none"
agree tree/leads-out tree "a name in the tree, the file outside"
agree other/leads-in tree "a name outside, the file in the tree"
agree tree/folder/prog tree "behind a folder's link in the tree"
agree tree/folder/bin/../prog tree "and with dots that stay there"
agree far/prog none "not by the name that it has outside"
agree tree/folder/../other/outside none "nor with dots that lead out of what the link leads to"
agree tree/folder/bin/../../other/outside none "nor with more of them"
agree tree/folder/own applet "behind a folder's link in the tree, with a rule of its own"
agree tree/folder/of-its-own/in deep "behind one, in a longer tree"
agree tree/to-shorter/in tree "behind one, in a shorter tree"
agree f/in deep "and by its other name in the shorter one"
agree tree/to-link/in tree "behind a link to a folder's link"
agree g/i deep "a name that a pattern matches"
agree g/in script "and one that has a rule of its own"
agree other/leads-by-folder tree "by a name outside, a link through the tree"
agree other/outside none "no rule"
agree other/script-of-prog file "a script: its interpreter's rule"
agree other/script-of-link file "a script: its interpreter through a symlink"
agree other/script-of-script file "a script of a script"
agree bin/script script "a script: its own rule first"
agree "deep/$(printf 'x%.0s' {1..250})/$(printf 'y%.0s' {1..250})/prog" deep "a path of more than 500 bytes"
by_env() { # by_env SCRIPT CLASS NAME: what env starts has the last word
	local started expected=/ which
	[ "$2" = none ] || expected=$group/$2
	which=$(PATH=$scratch/bin:$PATH "$netshim" which "$1" -- class | sed -n '$s/.*: class \([^,]*\),.*/\1/p')
	is "${which:-none}" "$2" "$3: which"
	started=$(PATH=$scratch/bin:$PATH shim "$1" class)
	is "${started%/locked}" "$expected" "$3: started"
}
by_env other/env-script file "a script by env"
by_env bin/env-script-with-rule file "a script by env, with a rule and a variable"
by_env bin/env-script-locked kept "a script by env, in a class with lock"
by_env other/env-script-of-script file "a script by env that starts another"
by_env other/env-script-of-argument file "a script by env: a rule by argument"
is "$("$netshim" which other/env-script-of-none)" "other/env-script-of-none: no class: no rule names it, a folder above it or, if it is a script, its interpreter
other/env-script-of-none: then env starts 'no-such-program', which is not on PATH" "a script by env: what is not there"
like "$("$netshim" which other/env-script-untold)" "then only env can tell what it starts by '-S PATH=/opt prog'" "a script by env: another PATH"
is "$(PATH=$scratch/bin:$PATH "$netshim" which other/env-script-of-name | tail -n 1)" \
	"other/env-script-of-name: then env starts $scratch/bin/prog: class file, by rule '$scratch/bin/prog' at $config:2" "what env starts is named, and its rule"
agree bin/forusers none "a rule for other users"
like "$("$netshim" which bin/later)" "class later" "which: a rule for a program that is not there yet"
cp bin/prog bin/later
agree bin/later later "a program that was installed after the rules were loaded"
cp bin/prog bin/new && mv bin/new bin/upgraded
agree bin/upgraded file "a program that was upgraded since (another inode)"
cd bin || exit 1
agree ./prog file "from its own folder"
agree ../linked-bin/prog file "from beside it"
cd /
is "$("$netshim" which /bin/gzip | grep -c 'class file')" 1 "/bin and /usr/bin are one folder, where they are"
is "$(cd "$scratch/bin" && PATH=.:$PATH "$netshim" which prog | grep -c 'class file')" 1 "which searches PATH"
like "$("$netshim" which "$scratch/bin/prog")" \
	"^$scratch/bin/prog: class file, by rule '$scratch/bin/prog' at $config:2\$" "which says rule and FILE:LINE"
"$netshim" which "$scratch/bin/prog" "$scratch/bin/applet" >/dev/null
is $? 0 "which: exit 0 where all have a class"
"$netshim" which "$scratch/bin/prog" "$scratch/other/outside" >/dev/null
is $? 1 "which: exit 1 where one has none"
is "$(setpriv --reuid daemon --regid daemon --clear-groups env LD_PRELOAD="$preload" env "$scratch/bin/forusers" class)" \
	"$group/users" "a rule for this user"

# class = none takes an unlocked process out of its class, as that is what it says
is "$(shim "$scratch/tree/deep/er/in" class)" "$group/deep" "before: in a class"
is "$(shim sh -c "exec $root/bin/launcher execv $scratch/tree/exempt class")" "/" "class = none: in no class"

# 20,000 rules answer as one does
{
	cat "$scratch/rules"
	for i in {1..20000}; do echo "app '/opt/many/$((i % 100))/program-$i' { class = file }"; done
} | configure
agree "$scratch/bin/prog" file "among 20,000 rules"
agree "$scratch/other/outside" none "no rule among 20,000"
is "$("$netshim" status 2>/dev/null | awk '$1 == "file" { print $3 }')" 20006 "status counts them"

finish
