#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The version stands in one place, and whoever has a file of netshim's can tell it.
# NEWS.md has each release's commit. make dist gives the same bytes for the same commit,
# and they build and pass.
. "$(dirname "$0")/lib.sh"

command -v git >/dev/null || cannot_run "needs git"
cd "$tests/.." || exit 1
version=$("$netshim" --version)
version=${version#netshim }

# --- the version

like "$version" '^[0-9]+\.[0-9]+\.[0-9]+(~dev)?$' "netshim --version"
is "$(grep -rlF "\"$version\"" conf shim helper Makefile)" conf/contract/version.h "one file has it"
for file in "$netshim" "$helper" "$root/build"/libnetshim*.so; do
	is "$(strings "$file" | grep -x 'netshim [0-9][0-9.]*[~a-z]*' | sort -u)" "netshim $version" "${file##*/}: strings tells it"
	is "$(readelf -p .netshim.version "$file" | sed -n 's/^ *\[.*\] *//p')" "netshim $version" "${file##*/}: in a section of its own"
	is "$(readelf -SW "$file" | grep -F ' .netshim.version ' | grep -co ' PROGBITS  *00* .* MS ')" 1 "${file##*/}: which no process loads"
	strip -o "$scratch/stripped" "$file"
	is "$(strings "$scratch/stripped" | grep -x "netshim $version" | sort -u)" "netshim $version" "${file##*/}: and that outlives strip"
done

# --- NEWS.md: what is being made, or released just now; then releases, with date and commit

unfit() { # unfit VERSION FILE: what does not fit in a NEWS.md
	awk -v version="$1" '
	function ended() { if (sections > 1 && !commit) print heading " has no commit"; commit = 0 }
	/^## / { ended(); heading = $0; sections++
		expected = sections == 1 ? version : "[0-9]+\\.[0-9]+\\.[0-9]+"
		date = sections == 1 && sub("~dev$", "", expected) ? "not released yet" : "20[0-9][0-9]-[01][0-9]-[0-3][0-9]"
		if ($0 !~ "^## " expected ", " date "$") print "expected: ## " expected ", " date }
	/^Commit: / { commit = 1; if (sections == 1 || $2 !~ /^[0-9a-f]+$/ || length($2) != 40) print heading ": what is " $0 "?" }
	END { ended() }' "$2"
}
news() { printf '%s\n\n' "$@" >"$scratch/news"; }
is "$(unfit "$version" NEWS.md)" "" "NEWS.md fits the version"
commit=$(printf '%040d' 7)
news "## 0.2.0, not released yet" "## 0.1.0, 2026-12-01" "Commit: $commit"
is "$(unfit 0.2.0~dev "$scratch/news")" "" "as it is after a release"
like "$(unfit 0.2.0 "$scratch/news")" "expected: ## 0.2.0, 20" "a release without a date is found"
like "$(unfit 0.3.0~dev "$scratch/news")" "expected: ## 0.3.0, not" "and another version"
news "## 0.2.0, 2027-01-01" "## 0.1.0, 2026-12-01"
is "$(unfit 0.2.0 "$scratch/news")" "## 0.1.0, 2026-12-01 has no commit" "and a release whose commit nobody has written down"

# --- this tree as a repository of its own, so that this goes without one as well

export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE='2026-01-01 00:00 +0000' GIT_COMMITTER_DATE='2026-01-01 00:00 +0000' GIT_CONFIG_GLOBAL=/dev/null
repository=$scratch/repository
git init -q -b main "$repository"
git --git-dir="$repository/.git" --work-tree=. add -A . &&
	git -C "$repository" commit -q -m release && git -C "$repository" reset -q --hard
ok $? "a repository of this tree"

last_release() { (cd "$1" && scripts/last-release 2>&1); }
printf '# News\n\n## 0.2.0, not released yet\n' >"$repository/NEWS.md"
is "$(last_release "$repository") $?" " 0" "last-release: nothing before the first"
release=$(git -C "$repository" rev-parse HEAD)
printf '# News\n\n## 9.9.9, not released yet\n\n## %s, 2026-01-01\n\nCommit: %s\n' "$version" "$release" >"$repository/NEWS.md"
git -C "$repository" commit -q -a -m "the commit after"
is "$(last_release "$repository")" "$version $release" "last-release: the version and the commit"
git clone -q --depth 1 "file://$repository" "$scratch/shallow"
like "$(last_release "$scratch/shallow"; echo $?)" "NEWS.md: .*$release.*this clone is shallow: run 'git fetch --unshallow'.*1" \
	"in a shallow clone, it says what to do"
sed -i "s/$release/$commit/" "$repository/NEWS.md"
like "$(last_release "$repository"; echo $?)" "NEWS.md: there is no commit $commit.*1" "a commit that there is not is an error"
sed -i "s/$commit/$release/; s/^## $version/## 8.8.8/" "$repository/NEWS.md"
like "$(last_release "$repository"; echo $?)" "NEWS.md: $release is $version, not 8.8.8.*1" "and one of another version"
git -C "$repository" checkout -q NEWS.md

# --- the tarball

dist() { # dist REPOSITORY: its path
	(cd "$1" && umask "$2" && make -s dist >&2 && echo "$PWD/build/netshim-$version.tar.gz")
}
git clone -q "$repository" "$scratch/clone"
git -C "$scratch/clone" config core.autocrlf true
touch "$scratch/clone/new-file"
one=$(dist "$repository" 022)
other=$(dist "$scratch/clone" 077)
cmp "$one" "$other"
is "$?" 0 "make dist: the same bytes from two clones of one commit"
echo "/* more */" >>"$repository/conf/contract/rules.h"
like "$(dist "$repository" 022 2>&1)" "not committed.*tar.gz" "make dist: says that what is not committed is not in it"
cmp "$one" "$other"
is "$?" 0 "and it is not"
mkdir "$scratch/unpacked"
tar -xzf "$one" -C "$scratch/unpacked"
is "$(ls "$scratch/unpacked")" "netshim-$version" "the tarball has one folder"
cd "$scratch/unpacked/netshim-$version" || exit 1
is "$(git -C "$repository" ls-tree -r --name-only HEAD | LC_ALL=C sort | cksum)" "$(find . -type f -printf '%P\n' | LC_ALL=C sort | cksum)" \
	"with all files of the commit"
like "$(make -s dist 2>&1)" "needs a clone" "make dist: not from a tarball, which may lie in another project's clone"
mkdir build
ln -s "$(readlink -f "$tests/../build/unpacked")" build/ # as make check would put it there
like "$(env -i PATH="$PATH" TMPDIR="$scratch" tests/run tests/matching.t 2>&1)" "Result: PASS" "it builds, installs, and runs its tests"
is "$(grep -n '.\{121\}' "$tests/../NEWS.md")" "" "no line of NEWS.md has more than 120 columns"

finish
