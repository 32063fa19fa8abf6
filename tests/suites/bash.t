#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# bash's own tests have the same results with the library as without it. bash, sh and
# the tools are in three classes; each starts the others by way of the helper.
suite_source=bash
. "$(dirname "$0")/lib.sh"

bash=$(readlink -f /usr/bin/bash)

# The programs that the tests are written with.
mkdir "$scratch/tools"
echo '#include <string.h>' >"$scratch/bashansi.h"
for program in recho zecho printenv xcase; do
	gcc -w -O1 -I"$scratch" -I"$source" "$source/support/$program.c" -o "$scratch/tools/$program"
done

# The bash that runs a test is started by a symlink that is exempt, the ones that it
# starts by a name that has a rule.
ln -s "$bash" "$scratch/bash"
configure <<EOF
class bash  { }
class shell { }
class tools { }
app '$scratch/bash'    { class = none }
app '$bash'            { class = bash }
app '/bin/sh'          { class = shell }
app '/usr/bin/'        { class = tools }
app '$scratch/tools/'  { class = tools }
EOF

# Not run: the scripts that run others, read's (it waits for a terminal) and those of
# 6856 values of IFS, which start nothing.
lay_out() { # lay_out FOLDER
	cp -r "$source/tests" "$1/tests"
	cp "$source/y.tab.c" "$source/version.c" "$1" 2>/dev/null
	rm -f "$1"/tests/run-{all,minimal,gprof,read,ifs-posix}
	# shellcheck disable=SC2016 # expanded by that shell
	sed -i 's|^${THIS_SH} \./|${FIRST_SH} ./|' "$1"/tests/run-*
	chown -R 65534:65534 "$1"
}

# A test fails where its output is not as it is to be (for want of a locale, say): then
# in as many lines in both ways.
run_suite() {
	local folder=$1
	local chosen=()
	local test lines
	lay_out "$folder" || return
	mapfile -t chosen < <(printf '%s\n' "${@:3}" | sed 's/:.*//' | sort -u)
	[ $# -gt 2 ] || chosen=("$folder"/tests/run-*)
	for test in "${chosen[@]##*/}"; do
		lines=$("$2" --chdir="$folder/tests" HOME="$folder" TMPDIR="$folder" BASH_TSTOUT="$folder/output" BUILD_DIR="$folder" \
			PATH="$folder/tests:$scratch/tools:/usr/bin:/bin" THIS_SH="$bash" FIRST_SH="$scratch/bash" timeout 300 sh "$test" | tee /dev/stderr | wc -l)
		if [ "$lines" -eq 0 ]; then
			echo "pass $test"
		else
			printf 'fail %s\n' "$test" "$test:$lines"
		fi
	done
}

like "$(shim "$scratch/bash" -c "$bash -c 'cat /proc/\$\$/cgroup; :'")" "net_cls[a-z_,]*:$group/bash" "what bash starts is in its class"
compare bash 60 "$scratch/tools/recho" 1000

finish
