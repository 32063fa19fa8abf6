#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# posix_spawn and posix_spawnp: every file action and attribute has the effect and
# the error that it has without the library; a relative path is the child's.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
folder=$scratch/folder
mkdir -p "$folder/inner"
chmod 777 "$folder" "$folder/inner"
for file in absolute here there; do cp "$bin/target-static" "$folder/$file"; done
cp "$bin/target" "$folder/dynamic"
cp "$bin/target-static" "$folder/inner/there"
cp "$bin/target-static" "$folder/inner/only"
printf '#!./only\n' >"$folder/inner/script"
cp "$bin/target-static" "$folder/not-executable"
printf '#!/no/such/interpreter\n' >"$folder/no-interpreter"
: >"$folder/empty"
chmod 755 "$folder/empty" "$folder/no-interpreter" "$folder/inner/script"
chmod 644 "$folder/not-executable"
programs=("$folder/absolute" "$folder/dynamic" ./here ./there ./only ./script there only "$folder/missing" "$folder/not-executable"
	"$folder/empty" "$folder/no-interpreter" "$folder")

spawn_all() { # spawn_all PRELOAD
	as_user LD_PRELOAD="$1" env PATH=.:/usr/bin:/bin "$bin/spawner" "$folder" "${programs[@]}" 9>&1 2>&1
}
# The class, and what is another one each time.
comparable() { sed 's/ class=.*//; s/ pid=[0-9]* parent=[0-9]*//' <<<"$1"; }
without=$(spawn_all "$empty")
{
	echo "class net { }"
	echo "class other { }"
	for file in absolute dynamic missing not-executable empty no-interpreter inner/there inner/only inner/script; do
		echo "app '$folder/$file' { class = net }"
	done
	echo "app '$folder/here' { class = other }"
} | configure
with=$(spawn_all "$preload")

ok "$(($(wc -l <<<"$with") < 300))" "many children were started, and told what they got ($(wc -l <<<"$with") lines)"
differences=$(diff <(comparable "$without") <(comparable "$with"))
is "$differences" "" "every file action and attribute: the same results and errors, the same children"
is "$(grep -c ': E[A-Z]* pid=unwritten status=ffffffff children=-1' <<<"$with")" "$(grep -c ': E' <<<"$with")" \
	"the pid is written only where a child was started, and no child is left"
like "$with" "none $folder/missing: ENOENT" "ENOENT is returned, and is not a child that exits with 127"
like "$with" "none $folder/not-executable: EACCES" "EACCES too"
like "$with" "none $folder/empty: ENOEXEC" "ENOEXEC too"
like "$with" "open $folder/missing: ENOENT [^"$'\n'"]*made=33184" "file actions take effect where the program is missing"

# In the order of the lines: the target's own, if it started, then the caller's.
class_of() { # class_of CASE PROGRAM
	awk -v line="$1 $2: " 'index($0, line) == 1 { print class; exit } { class = "none"; if (match($0, / class=.*/)) class = substr($0, RSTART + 7) }' <<<"$with"
}
for case in none open dup2 close closefrom pgroup sid resetids sigmask sigdef schedparam scheduler vfork everything; do
	is "$(class_of $case "$folder/absolute") $(class_of $case "$folder/dynamic")" "$group/net $group/net" "$case: classified"
done
is "$(class_of none ./there) $(class_of none there)" "/ /" "a relative path where the folder does not change"
is "$(class_of none ./here)" "$group/other" "one with a rule"
for case in chdir chdir-twice fchdir fchdir-opened everything; do
	is "$(class_of $case ./there) $(class_of $case there)" "$group/net $group/net" "$case: a relative path is the child's"
	is "$(class_of $case ./only) $(class_of $case only)" "$group/net $group/net" "$case: also where the caller has no such file"
	is "$(class_of $case ./script)" "$group/net" "$case: a script's relative interpreter, too"
done

# --- whose rule it is, where the child has another user

cp "$bin/probe-static" "$folder/users"
cp "$bin/probe-static" "$folder/groups"
rules_for() { # rules_for USER GROUP
	configure <<-EOF
		class net { }
		app '$folder/users'  { class = net  users = { '$1' } }
		app '$folder/groups' { class = net  users = { '@$2' } }
	EOF
}
for launcher in launcher launcher-musl; do
	for rule in users groups; do
		started() { LD_PRELOAD=$preload $launcher effective 65534 "$1" "$folder/$rule" class; }
		rules_for 65534 65534
		is "$(started reset-ids) $(started posix_spawn)" "$group/net /" "$launcher, resetids: a rule for $rule, of the child's"
		rules_for 0 0
		is "$(started reset-ids) $(started posix_spawn)" "/ $group/net" "$launcher, resetids: and of the caller's"
	done
done

finish
