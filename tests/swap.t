#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Where a name is made to lead elsewhere between netshim's look at it and the kernel's,
# the rule that counts is the one for the file that runs.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
tries=$((10000 / slow))
link=$scratch/links/link
for name in a b; do
	cp "$bin/probe-static" "$scratch/static-$name"
	cp "$bin/probe" "$scratch/dynamic-$name"
	cat >"$scratch/script-$name" <<EOF
#!/bin/sh
while read -r line; do
	case \$line in *:net_cls*) echo "script-$name \${line##*:}" ;; esac
done </proc/self/cgroup
EOF
	chmod 755 "$scratch/script-$name"
done
cp "$bin/probe-static" "$scratch/static-free"
cp "$bin/probe" "$scratch/dynamic-free"
configure <<EOF
class a { }
class b { }
app '$scratch/static-a'    { class = a }
app '$scratch/static-b'    { class = b }
app '$scratch/dynamic-a'   { class = a }
app '$scratch/dynamic-b'   { class = b }
app '$scratch/script-a'    { class = a }
app '$scratch/script-b'    { class = b }
app '$scratch/links/named' { class = a }
app '$scratch/hidden/static' { class = a }
app '$scratch/hidden/dynamic' { class = a }
EOF
# Who follows a link that ext4 is removing may be led to the link's own folder.
mkdir "$scratch/links"
mount -t tmpfs -o mode=755,uid=65534 links "$scratch/links"

outcomes() { # outcomes TRIES A B: what came out, each once
	as_user LD_PRELOAD="$preload" "${launcher:-attacker}" swap "$link" "$scratch/$2" "$scratch/$3" "$1" | tee "$scratch/counts" | sed 's/: [0-9]*$//' | sort
}

# What ran, and its class: nothing else in so many tries.
is "$(outcomes "$tries" static-a static-b)" "static-a $group/a"$'\n'"static-b $group/b" \
	"a static program that is swapped while it is started ($tries tries) is in the class of what ran"
is "$(outcomes $((tries / 10)) dynamic-a dynamic-b)" "dynamic-a $group/a"$'\n'"dynamic-b $group/b" "a dynamic one too"
is "$(outcomes $((tries / 20)) dynamic-a static-b)" "dynamic-a $group/a"$'\n'"static-b $group/b" "a dynamic and a static one"
# What comes up without a class asks by what runs, whatever its name leads to by then.
is "$(outcomes $((tries / 20)) dynamic-a dynamic-free)" "dynamic-a $group/a"$'\n'"dynamic-free /" "one without a rule among two dynamic ones"
is "$(launcher=attacker-static outcomes $((tries / 20)) dynamic-a dynamic-free)" "dynamic-a $group/a"$'\n'"dynamic-free /" \
	"the same, put right at their start alone"
# The library, which does not execute by descriptor, may see the one without a rule only.
is "$(outcomes $((tries / 20)) static-a static-free | grep -v "^static-a /$")" "static-a $group/a"$'\n'"static-free /" \
	"one without a rule is never in the class of one with"
# Which of two scripts runs is its interpreter's doing, which opens the name once more.
is "$(outcomes $((tries / 40)) script-a script-b | sed 's/^script-. //' | sort -u)" "$group/a"$'\n'"$group/b" \
	"of two scripts, each start is in the class of one"
sed 's/^/# /' "$scratch/counts"

ln -sfn "$scratch/dynamic-a" "$link"
hold_at openat "$root/run/netshim/rules" "${user[@]}" LD_PRELOAD="$preload" launcher-static execve "$link" class
rm "$link"
let_go
wait_until has_ended "$held"
is "$(tail -n 1 "$scratch/said")" "$group/a" "a dynamic one by a name that is gone when it looks"

ln -sfn "$scratch/dynamic-a" "$link"
hold_at openat "$root/run/netshim/rules" "${user[@]}" LD_PRELOAD="$preload" launcher-static execve "$link" class
ln -sfn "$scratch/dynamic-free" "$link"
let_go
wait_until has_ended "$held"
is "$(tail -n 1 "$scratch/said")" "$group/a" "one by root's link in a folder of others, which leads to another when it looks"

ln -sfn "$scratch/static-a" "$link"
hold_at openat "$root/run/netshim/net_cls$group/a/tasks" "${user[@]}" LD_PRELOAD="$preload" env -C "${link%/*}" launcher execve link who
ln -sfn "$scratch/static-b" "$link"
let_go
wait_until has_ended "$held"
is "$(tail -n 1 "$scratch/said")" "static-a $group/a" "one by root's link that is relative to a folder of others"

# A script is put right where the swap comes before its interpreter starts.
ln -sfn "$scratch/script-a" "$link"
hold_at execve "$link" "${user[@]}" LD_PRELOAD="$preload" env "$link"
ln -sfn "$scratch/script-b" "$link"
let_go
wait_until has_ended "$held"
is "$(tail -n 1 "$scratch/said")" "script-b $group/b" "a script that is swapped behind the helper's back"

# --- the same name in another mount namespace is another program

mkdir "$scratch/hidden"
for kind in static dynamic; do cp "$scratch/$kind-a" "$scratch/hidden/$kind"; done
in_background "${user[@]}" unshare -Urm sh -c "mount -t tmpfs none '$scratch/hidden' && cp '$scratch/static-b' '$scratch/hidden/static' &&
	cp '$scratch/dynamic-b' '$scratch/hidden/dynamic' && exec sleep 300"
hiding=$!
wait_until grep -qx sleep "/proc/$hiding/comm"
for kind in static dynamic; do
	there=/proc/$hiding/root$scratch/hidden/$kind
	is "$(shim "$scratch/hidden/$kind" class)" "$group/a" "here: $kind"
	for entry in execve fexecve-cloexec posix_spawn; do
		is "$(shim launcher $entry "$there" class)" / "there, by $entry: $kind"
	done
	is "$(as_user LD_PRELOAD="$preload" launcher-static execve "$there" class)" / "there, at start: $kind"
done

# --- what that costs a program's start

for kind in static dynamic; do
	ln -sfn "$scratch/$kind-b" "$scratch/links/named"
	is "$(shim "$scratch/links/named" who)" "$kind-b $group/a" "a rule for a link that others may change: $kind"
	ln -sfn "$scratch/$kind-a" "$link"
	ln -sfn "$scratch/$kind-a" "$scratch/root-link"
	plain=$(as_user "$link" state a "b c" | grep -v -e ^pid -e ^execfn)
	is "$(as_user LD_PRELOAD="$preload" env -u LD_PRELOAD "$link" state a "b c" | grep -v -e ^pid -e ^execfn)" "$plain" \
		"through a link that others may change, arguments, environment, descriptors stay: $kind"
	is "$(shim "$scratch/root-link" state | grep ^execfn)" "execfn $scratch/root-link" "through root's, AT_EXECFN too: $kind"
done

finish
