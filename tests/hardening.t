#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# What is installed is built and installed so that mistakes in it do the least harm.
. "$(dirname "$0")/lib.sh"

command=$root/usr/bin/netshim

segments() { readelf -lW "$1" | awk '$1 == "LOAD"'; }
dynamic() { readelf -dW "$1"; }
property() { readelf -nW "$1" | grep -o 'feature.*: .*' | sed 's/.*: //'; }

netns=$root/usr/libexec/netshim-netns
for file in "$command" "$helper" "$netns" "$preload"; do
	name=$(basename "$file")
	is "$(segments "$file" | grep -c RWE)" 0 "$name: nothing is writable and executable"
	like "$(readelf -lW "$file" | grep GNU_STACK)" " RW  " "$name: the stack is not executable"
	is "$(dynamic "$file" | grep -c -e RPATH -e RUNPATH -e TEXTREL)" 0 "$name: looks for libraries nowhere of its own; no relocated code"
	is "$(find "$file" -user 0 -group 0 ! -perm /6022)" "$file" "$name: root's, writable by nobody else, not setuid"
done

like "$(readelf -hW "$command" | grep Type:)" "Position-Independent Executable" "netshim: a position-independent executable"
is "$(readelf -lW "$command" | grep -c GNU_RELRO)" 1 "netshim: relocations are read-only"
# The kernel's and the loader's own pointers into the library's headers lie before its code.
text() { readelf -SW "$preload" | sed 's/^ *\[ *[0-9]*\]//' | awk -v field="$1" '$1 == ".text" { print "0x" $field }'; }
gcc -D_GNU_SOURCE -x c - -o "$scratch/calls" <<'EOF'
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct map { uintptr_t from, to; char rights[5], name[4096]; };

int main(int argc, char **argv)
{
	static struct map maps[256];
	uintptr_t code = 0, from, to;
	int count = 0, writable = 0, calls = 0;
	char line[5000];
	FILE *file = fopen("/proc/self/maps", "r");

	sscanf(argv[argc - 2], "%" SCNxPTR, &from);
	sscanf(argv[argc - 1], "%" SCNxPTR, &to);
	for (struct map *m = maps; count < 256 && fgets(line, sizeof(line), file); m++, count++) {
		sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %4095s", &m->from, &m->to, m->rights, m->name);
		if (!code && strstr(m->name, "/libnetshim.so"))
			code = m->from;
	}
	for (struct map *m = maps; m < maps + count; m++) {
		if (m->rights[1] != 'w' || !strstr(m->name, "/libnetshim.so"))
			continue;
		writable++;
		for (uintptr_t *word = (uintptr_t *)m->from; (uintptr_t)word < m->to; word++)
			for (struct map *at = maps; at < maps + count; at++)
				calls += at->rights[2] == 'x' && *word >= at->from && *word < at->to &&
					 (!strstr(at->name, "/libnetshim.so") || (*word >= code + from && *word < code + from + to));
	}
	printf("%d %d\n", writable, calls);
}
EOF
is "$(shim "$scratch/calls" "$(text 3)" "$(text 5)")" "1 1" \
	"libnetshim.so: in a program, what is writable has the address of one function, which the loader has called already"
like "$(dynamic "$command")" "FLAGS_1.*NOW PIE" "netshim: and done at start"
like "$(readelf -sW --dyn-syms "$command")" "__stack_chk_fail" "netshim: the stack is protected"
like "$(readelf -sW --dyn-syms "$command")" "__[a-z]*printf_chk" "netshim: the C library's functions are fortified"

for file in "$helper" "$netns"; do
	name=$(basename "$file")
	ok $(($(wc -l <"$tests/../helper/$name.c") > 400)) "$name: at most 400 lines"
	is "$(python3 - "$tests" "$name" <<'EOF'
import re, sys
tests, name = sys.argv[1:]
text = open(f'{tests}/../helper/{name}.c').read()
text = re.sub(r'\s+\*\s*', ' ', re.search(r'tests that see to it:(.*?)\*/', text, re.S)[1])
musts = re.split(r' \d+\. ', text)[1:]
for number, must in enumerate(musts, 1):
    named = re.findall(r'([a-z-]+\.t)(?:: ((?:(?![a-z-]+\.t).)*))?', must)
    if not named:
        print(number, 'has no test')
    for file, names in named:
        for name in filter(None, (n.strip(' .') for n in names.split(';'))):
            if name not in open(tests + '/' + file).read():
                print(number, file, 'has no test', name)
print(len(musts) > 5)
EOF
	)" True "$name: every MUST names tests that are there"
	is "$(dynamic "$file"; readelf -lW "$file" | grep -c -e INTERP -e DYNAMIC)" $'\nThere is no dynamic section in this file.\n0' \
		"$name: static, without a loader or libraries"
	is "$(readelf -sW "$file" | awk '$7 == "UND" && $8' | wc -l)" 0 "$name: takes nothing from elsewhere"
done
is "$(getcap "$helper" | sed 's/.* //')" "cap_dac_override=p" "the helper has one file capability"

is "$(dynamic "$preload" | grep -c NEEDED)" 0 "the library needs no other"
like "$(dynamic "$preload")" "FLAGS_1.*NOW" "its few relocations are done at start"

case $(uname -m) in
x86_64) expected="IBT, SHSTK" ;;
aarch64) expected="BTI, PAC" ;;
*) expected="none is known" ;;
esac
like "$(property "$helper")" "^$expected" "the helper marks where calls and returns may go"
like "$(property "$netns")" "^$expected" "netshim-netns too"
like "$(property "$preload")" "^$expected" "the library too: it takes that from no program"

finish
