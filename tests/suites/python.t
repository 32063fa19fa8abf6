#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# CPython's own tests of all that starts programs have the same results with the library
# as without it. Python, the shell and the tools are in three classes; each starts the
# others by way of the helper.
. "$(dirname "$0")/lib.sh"

python=$(readlink -f /usr/bin/python3)
other_name=$(unclassified "$python")
modules=(test_subprocess test_posix test_popen test_pty test_os test_asyncio.test_subprocess)
configure <<EOF
class python { }
class shell  { }
class tools  { }
app '$python'   { class = python }
app '/bin/sh'   { class = shell }
app '/usr/bin/' { class = tools }
EOF

# Python takes its own path from argv[0].
python() { # python RUNNER FOLDER ARGUMENT...
	# shellcheck disable=SC2016 # expanded by that shell
	"$1" --chdir="$2" HOME="$2" TMPDIR="$2" bash -c 'exec -a "$0" "$@"' "$python" "$other_name" "${@:3}"
}

run_suite() {
	local folder=$1
	local match=()
	local name
	for name in "${@:3}"; do match+=(-m "$name"); done
	python "$2" "$folder" -m test --junit-xml "$folder/results.xml" "${match[@]}" "${modules[@]}" >&2
	/usr/bin/python3 - "$folder/results.xml" <<'EOF'
import sys, xml.etree.ElementTree
for case in xml.etree.ElementTree.parse(sys.argv[1]).iter('testcase'):
    kinds = {element.tag for element in case}
    result = 'fail' if kinds & {'failure', 'error'} else 'skip' if 'skipped' in kinds else 'pass'
    print(result, case.get('name').replace(' ', '_'))
EOF
}

show='import subprocess, sys; subprocess.run([sys.executable, "-c", "print(open(\"/proc/self/cgroup\").read())"])'
like "$(python shim / -c "$show")" "net_cls[a-z_,]*:$group/python" "what Python starts as its own program is in its class"
like "$(python shim / -c 'import os; os.system("cat /proc/self/cgroup")')" "net_cls[a-z_,]*:$group/tools" "the shell and the tools too"
compare CPython 700 "$python" 400

finish
