#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Perl's own tests of exec, system, fork, pipes, open and its command line have the same
# results with the library as without it. Perl, the shell and the tools are in three
# classes; each starts the others by way of the helper.
suite_source=perl
. "$(dirname "$0")/lib.sh"

perl=$(readlink -f /usr/bin/perl)
files=(op/exec.t op/fork.t op/waitpid.t op/kill0.t op/magic.t op/die_exit.t op/getppid.t op/inccode.t
	io/argv.t io/closepid.t io/dup.t io/errno.t io/errnosig.t io/inplace.t io/iprefix.t io/nargv.t io/open.t
	io/openpid.t io/pipe.t run/cloexec.t run/exit.t run/fresh_perl.t run/locale.t run/noswitch.t run/runenv.t
	run/script.t run/switch0.t run/switchC.t run/switchF.t run/switchF1.t run/switchF2.t run/switchI.t run/switchM.t
	run/switcha.t run/switchd.t run/switchd-78586.t run/switches.t run/switchn.t run/switchp.t run/switchx.t
	IPC-Open3/IPC-Open2.t IPC-Open3/IPC-Open3.t IPC-Cmd/01_IPC-Cmd.t)

# Perl goes by the name of the file that it runs from, so the first of each test is
# started by a symlink that is exempt.
ln -s "$perl" "$scratch/perl"
configure <<EOF
class perl  { }
class shell { }
class tools { }
app '$scratch/perl' { class = none }
app '$perl'         { class = perl }
app '/bin/sh'       { class = shell }
app '/usr/bin/'     { class = tools }
EOF

# The installed modules, where the tests look for the ones of their own tree.
lay_out() { # lay_out FOLDER
	local path
	mkdir "$1/lib"
	cp -r "$source/t" "$1/t"
	ln -s "$perl" "$1/t/perl"
	cp -r "$source/ext/IPC-Open3/t" "$1/t/IPC-Open3"
	cp -r "$source/cpan/IPC-Cmd/t" "$1/t/IPC-Cmd"
	perl -e 'print "$_\n" for grep -d, @INC' | while read -r path; do cp -rsfL "$path/." "$1/lib"; done
	chown -R 65534:65534 "$1"
}

# TAP of one file, as lines of "RESULT FILE:NUMBER", and one for how it ended.
results() { # results FILE
	awk -v file="$1" '
		/^ok [0-9]+.*# *skip/ { print "skip", file ":" $2; next }
		/^ok [0-9]+/ { print "pass", file ":" $2 }
		/^not ok [0-9]+/ { print "fail", file ":" $3 }
		/^exit code / { print ($3 ? "fail" : "pass"), file ":exit" }'
}

run_suite() {
	local folder=$1
	local chosen=("${files[@]}")
	local file
	[ $# -le 2 ] || mapfile -t chosen < <(printf '%s\n' "${@:3}" | sed 's/:[^:]*$//' | sort -u)
	lay_out "$folder"
	for file in "${chosen[@]}"; do
		{
			"$2" --chdir="$folder/t" HOME="$folder" TMPDIR="$folder" timeout 120 "$scratch/perl" "$file"
			echo "exit code $?"
		} | results "$file"
	done
}

like "$(shim "$scratch/perl" -e 'system $^X, "-e", "system qw(cat /proc/self/cgroup)"')" "net_cls[a-z_,]*:$group/tools" \
	"what Perl starts is in its class"
like "$(shim "$scratch/perl" -e 'exec $^X, "-pe", "", "/proc/self/cgroup"')" "net_cls[a-z_,]*:$group/perl" "another Perl too"
compare Perl 1600 "$perl" 500

finish
