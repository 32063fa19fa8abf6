#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Every way to start a program classifies it, and nobody can tell from it.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
make_hosts 80
cp "$bin/probe" "$scratch/own-interpreter"
cat >"$scratch/script" <<EOF
#!$bin/probe class
EOF
cat >"$scratch/script-with-rule" <<EOF
#!/bin/sh
echo "\$0" "\$@"
exec cat /proc/self/cgroup
EOF
chmod 755 "$scratch"/script*
rules() {
	cat <<EOF
class net   { action = accept }
class other { action = accept }
app '$bin/probe'             { class = net }
app '$bin/probe-static'      { class = net }
app '$bin/probe-musl'        { class = net }
app '$bin/probe-musl-static' { class = net }
app '$scratch/script-with-rule' { class = other }
app '$scratch/ping'           { class = other }
EOF
}
rules | configure

# --- every entry point, from glibc and musl, to every kind of target

for entry in execve execv execvp execvpe execl execlp execle execveat fexecve fexecve-cloexec posix_spawn posix_spawnp \
	vfork system popen; do
	is "$(shim launcher $entry "$bin/probe-static" class)" "$group/net" "glibc $entry: a static target"
	is "$(shim launcher $entry "$bin/probe" class)" "$group/net" "glibc $entry: a dynamic target"
	[ $entry = execveat ] || # musl has none
		is "$(shim launcher-musl $entry "$bin/probe-musl-static" class)" "$group/net" "musl $entry: a static target"
done
is "$(shim launcher execve "$bin/probe-musl" class)" "$group/net" "a musl target"
is "$(shim launcher-musl execve "$bin/probe" class)" "$group/net" "a glibc target from a musl program"
is "$(shim launcher execve "$scratch/script")" "$group/net" "a script by its interpreter's rule"
like "$(shim launcher execve "$scratch/script-with-rule")" "net_cls:$group/other" "a script by its own rule"
is "$(shim bash -c "exec -a other-name $bin/probe-static class")" "$group/net" "whatever argv[0] says"
for caller in "sh -c" "bash -c" "env sh -c" "nohup bash -c" "timeout 5 dash -c" "setsid -w sh -c"; do
	# shellcheck disable=SC2086 # words
	is "$(shim $caller "$bin/probe-static class" 2>/dev/null)" "$group/net" "started by $caller"
done
is "$(echo class | shim xargs "$bin/probe-static")" "$group/net" "started by xargs"
is "$(shim find "$bin" -name probe-static -exec {} class \;)" "$group/net" "started by find"
is "$(shim python3 -c "import subprocess as s; s.run(['$bin/probe-static', 'class'])")" "$group/net" \
	"started by Python's subprocess"
is "$(shim python3 -c "import os; os.posix_spawnp('probe-static', ['p', 'class'], os.environ); os.wait()")" \
	"$group/net" "started by Python's posix_spawnp"
is "$(shim perl -e "system { '$bin/probe-static' } 'p', 'class'")" "$group/net" "started by Perl"
printf 'all:\n\t@%s class\n' "$bin/probe-static" >"$scratch/Makefile"
is "$(shim make -s -C "$scratch")" "$group/net" "started by make"
is "$(cd "$scratch" && shim git -c safe.directory='*' -c alias.p="!$bin/probe-static class" p)" "$group/net" \
	"started by git"
cp "$(command -v ping)" "$scratch/ping"
setcap cap_net_raw=ep "$scratch/ping"
# shellcheck disable=SC2016 # expanded by that shell
like "$(shim sh -c '"$0" -c 300 -i 0.2 127.0.0.1 >/dev/null & until grep -qx ping /proc/$!/comm; do sleep 0.1; done
	cat /proc/$!/cgroup; kill $!' "$scratch/ping")" \
	"net_cls:$group/other" "a set-capability target (ping)"

# --- what libc's own functions make of environment and arguments

cat >"$scratch/caller.c" <<'EOF'
#include <string.h>
#include <unistd.h>
#ifdef OWN
char **environ; /* not extern, as some old programs have it: not libc's */
#endif
int main(int argc, char **argv)
{
	const char *entry = argv[1], *program = argv[2], *name = strrchr(program, '/') + 1;
	char *volatile none = NULL;

	(void)argc;
	if (!strcmp(entry, "execv"))
		execv(program, argv + 2);
	if (!strcmp(entry, "execvp"))
		execvp(name, argv + 2);
	if (!strcmp(entry, "execl"))
		execl(program, argv[2], argv[3], none);
	if (!strcmp(entry, "execlp"))
		execlp(name, argv[2], argv[3], none);
	if (!strcmp(entry, "execl-none"))
		execl(program, none, none);
	if (!strcmp(entry, "execlp-none"))
		execlp(name, none, none);
	if (!strcmp(entry, "execle-none"))
		execle(program, none, none, (char *[]){ "KEPT=yes", none });
	return 99;
}
EOF
cp "$bin/probe-static" "$scratch/unnamed"
echo 'char **environ;' | gcc -shared -fPIC -x c - -o "$scratch/environ.so"
gcc "$scratch/caller.c" -o "$scratch/caller"
keeps() { # keeps NAME COMMAND...: the environment
	is "$(shim PATH="$PATH:$scratch" KEPT=yes "${@:2}" | grep ^env.KEPT)" "env KEPT=yes" "$1"
}
for libc in gcc musl-gcc; do
	$libc -DOWN "$scratch/caller.c" -o "$scratch/own-$libc"
	for entry in execv execvp execl execlp execl-none execlp-none execle-none; do
		keeps "$libc, a program with an environ of its own, $entry: no rule" "$scratch/own-$libc" $entry "$scratch/unnamed" state
		keeps "$libc, a program with an environ of its own, $entry: a rule" "$scratch/own-$libc" $entry "$bin/probe-static" state
	done
	is "$(shim PATH="$PATH" "$scratch/own-$libc" execvp "$bin/probe-static" class)" "$group/net" \
		"$libc, a program with an environ of its own, execvp: found on PATH"
done
keeps "a library with an environ of its own" LD_PRELOAD="$scratch/environ.so:$preload" "$scratch/caller" execl "$scratch/unnamed" state
{
	rules
	echo "app '$scratch/own-musl-gcc' { class = other }"
} | configure
is "$(as_user LD_PRELOAD="$preload" launcher-static execve "$scratch/own-musl-gcc" execv "$scratch/unnamed" class)" "$group/other" \
	"musl, a program with an environ of its own is put right at its start"

# --- launchers without the shim: the check at start

is "$(as_user sh -c "export LD_PRELOAD=$preload; $bin/probe class")" "$group/net" \
	"a shell started without the shim exports it: what is typed there is classified"
is "$(as_user LD_PRELOAD="$preload" launcher-static execve "$bin/probe" class)" "$group/net" \
	"a static launcher (a Go program makes the same call) starts a dynamic program"
is "$(as_user LD_PRELOAD="$preload" busybox sh -c "$bin/probe class")" "$group/net" "busybox-static's shell does"
is "$(shim launcher syscall "$bin/probe" class)" "$group/net" "a raw system call"
is "$(shim launcher syscall "$bin/probe-musl" class)" "$group/net" "a raw system call, musl target"
is "$(as_user LD_PRELOAD="$preload" launcher-static execve "$scratch/script")" "$group/net" \
	"at start: a script by its interpreter's rule"
like "$(as_user LD_PRELOAD="$preload" launcher-static execve "$scratch/script-with-rule" a "b c")" \
	"^$scratch/script-with-rule a b c.*net_cls:$group/other" "at start: a script keeps its arguments"
is "$(cd "$bin" && as_user LD_PRELOAD="$preload" busybox sh -c "./probe class")" "$group/net" "at start: a relative path"
is "$(as_user LD_PRELOAD="$preload" launcher-static execve "$bin/probe" state "$bin/probe" "$bin/probe" | grep -c ^arg)" 4 \
	"at start: arguments that look like the program's own path are kept"
is "$(as_user LD_PRELOAD="$preload" launcher-static fexecve-cloexec "$bin/probe" class)" "$group/net" \
	"at start: started by a descriptor that is closed"
printf '#!%s given\n' "$bin/probe" >"$scratch/by-descriptor" && chmod 755 "$scratch/by-descriptor"
is "$(as_user LD_PRELOAD="$preload" launcher-static fexecve "$scratch/by-descriptor" b c)" "c $group/net" \
	"at start: a script that is started by a descriptor, with its arguments"
is "$(as_user LD_PRELOAD="$preload" launcher-static fexecve "$scratch/by-descriptor")" "/dev/fd/3 $group/net" "and its name"
like "$(as_user LD_PRELOAD="$preload" launcher-static fexecve "$scratch/script-with-rule" a "b c")" \
	"^/dev/fd/3 a b c.*net_cls:$group/other" "at start: a script that is started by a descriptor, by its own rule"
cat >"$scratch/in-folder.c" <<'END'
#include <fcntl.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	(void)argc;
	return execveat(open(argv[1], O_PATH), argv[2], argv + 2, environ, 0);
}
END
gcc -D_GNU_SOURCE -static "$scratch/in-folder.c" -o "$scratch/in-folder"
like "$(as_user LD_PRELOAD="$preload" "$scratch/in-folder" "$scratch" script-with-rule a)" \
	"^/dev/fd/3/script-with-rule a.*net_cls:$group/other" "at start: a script that is started by its folder's descriptor"
is "$(as_user LD_PRELOAD="$preload" python3 -c "import os, sys
fd = os.memfd_create('script', 0); os.write(fd, b'#!$bin/probe class\n'); os.execve(fd, ['script'], os.environ)")" "$group/net" \
	"at start: a script without a name, by its interpreter's rule"

# A loader that is run by hand, as bundles with a libc of their own do.
mkdir "$scratch/bundle" "$scratch/bundle/lib"
echo 'int needed(void) { return 42; }' | gcc -shared -fPIC -x c - -o "$scratch/bundle/lib/libneeded.so"
cat >"$scratch/needs-lib.c" <<'EOF'
#include <stdio.h>
#include <string.h>
int needed(void);
int main(int argc, char **argv)
{
	char line[256];
	FILE *groups = fopen("/proc/self/cgroup", "r"), *comm = fopen("/proc/self/comm", "r");

	printf("%d", needed());
	for (int i = 0; i < argc; i++)
		printf("[%s]", argv[i]);
	printf(" %s", fgets(line, sizeof(line), comm));
	while (fgets(line, sizeof(line), groups))
		if (strstr(line, ":net_cls"))
			printf("%s", strchr(line, '/'));
	return 0;
}
EOF
gcc "$scratch/needs-lib.c" -o "$scratch/bundle/needs-lib" -L"$scratch/bundle/lib" -lneeded
ln -s bundle "$scratch/current"
chown -h 65534 "$scratch/current"
loader=$(readelf -lW "$bin/probe" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
loader=$(readlink -f "$loader")
by_hand() { # by_hand [OPTION...] PROGRAM [ARGUMENT...]
	as_user LD_PRELOAD="$preload" "$loader" --library-path "$scratch/bundle/lib" "$@" 2>&1
}
said() { # said CLASS ARGUMENT...
	printf "42"
	printf "[%s]" "${@:2}"
	printf ' %.15s\n%s' "${loader##*/}" "$1"
}
is "$(by_hand "$scratch/bundle/needs-lib" a "" "b c")" "$(said / "$scratch/bundle/needs-lib" a "" "b c")" \
	"(a loader that is run by hand: no rule)"
{
	rules
	echo "class lenient { on-error = allow }"
	echo "app '$scratch/bundle/' { class = other }"
} | configure
is "$(by_hand "$scratch/bundle/needs-lib" a "" "b c")" "$(said "$group/other" "$scratch/bundle/needs-lib" a "" "b c")" \
	"a loader that is run by hand: its program's class"
is "$(by_hand --argv0 kitty "$scratch/bundle/needs-lib")" "$(said "$group/other" kitty)" "and its options"
is "$(by_hand "$scratch/bundle/needs-lib" "$scratch/bundle/needs-lib")" \
	"$(said "$group/other" "$scratch/bundle/needs-lib" "$scratch/bundle/needs-lib")" "with its own path as an argument"
is "$(cd "$scratch" && by_hand bundle/needs-lib)" "$(said "$group/other" bundle/needs-lib)" "with a relative path"
is "$(by_hand "$scratch/current/needs-lib")" "$(said "$group/other" "$scratch/current/needs-lib")" \
	"behind a link that may lead elsewhere"
is "$(shim "$loader" --library-path "$scratch/bundle/lib" "$scratch/bundle/needs-lib")" \
	"$(said "$group/other" "$scratch/bundle/needs-lib")" "started by who has the library"
# shellcheck disable=SC2046 # words
is "$(by_hand "$scratch/bundle/needs-lib" $(seq 1000) | tail -n 1)" "$group/other" "with many arguments"
like "$(as_user LD_PRELOAD="$preload" setpriv --no-new-privs "$loader" --library-path "$scratch/bundle/lib" "$scratch/bundle/needs-lib" 2>&1)" \
	"needs-lib: not started .class other.: the helper may not enter it" "what cannot be moved is not started"
sed -i "s|app '$scratch/bundle/' .*|app '$scratch/bundle/' { class = lenient }|" "$config"
"$netshim" reload
is "$(as_user LD_PRELOAD="$preload" setpriv --no-new-privs "$loader" --library-path "$scratch/bundle/lib" --argv0 kitty "$scratch/bundle/needs-lib" 2>&1)" \
	"$(said / kitty)" "but where its class lets it"
rules | configure

cp "$bin/launcher-static" "$scratch/in-other"
{
	rules
	echo "app '$scratch/in-other' { class = other }"
	echo "app '$scratch/exempt' { class = none }"
} | configure
cp "$bin/probe" "$scratch/exempt"
is "$(shim "$scratch/in-other" execve "$bin/probe" class)" "$group/net" "at start: out of the launcher's class into its own"
is "$(shim "$scratch/in-other" execve "$scratch/exempt" class)" / "at start: class = none, out of the launcher's class"
is "$(shim "$scratch/in-other" execve "$scratch/own-interpreter" class)" "$group/other" \
	"without a rule of its own: in its launcher's class"

# binfmt_misc, whose entries are a user namespace's own: its flags say what more the
# interpreter gets, argv[0] (P) or the open file (O).
cat >"$scratch/document" <<'EOF'
#netshim-test
opendir my $fds, '/proc/self/fd'; open my $in, '/proc/self/cgroup';
print "[$_]" for $0, @ARGV, sort grep /\d/ && -f "/proc/self/fd/$_", readdir $fds;
print map { /net_cls.*:(.*)/ ? " class=$1" : () } <$in>;
EOF
printf '#!%s\n' "$scratch/document" >"$scratch/script-by-document"
chmod 755 "$scratch/document" "$scratch/script-by-document"
cat >"$scratch/start-documents" <<EOF
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc || exit
for flags in - P O PO; do
	echo ":document:M::#netshim-test::/usr/bin/perl:\${flags#-}" >/proc/sys/fs/binfmt_misc/register || exit
	for by in launcher launcher-static; do
		for document in document script-by-document; do
			LD_PRELOAD=\$1 \$by odd "$scratch/\$document" a ""
			echo " \$by \$flags"
		done
	done
	echo -1 >/proc/sys/fs/binfmt_misc/document
done
EOF
documents=(unshare --user --map-root-user --mount bash "$scratch/start-documents")
{
	rules
	for document in document script-by-document; do echo "app '$scratch/$document' { class = net }"; done
} | configure
plain=$("${documents[@]}" "$empty" 2>/dev/null)
if [ "$(wc -l <<<"$plain")" = 16 ]; then
	with=$("${documents[@]}" "$preload")
	is "${with//"$group/net"//}" "$plain" "binfmt_misc: the interpreter's arguments and descriptors"
	is "$(grep -c "class=$group/net " <<<"$with")" 16 "binfmt_misc: all in their class"
elif since 6.7 "$(uname -r)"; then
	skip "no binfmt_misc in a user namespace" "binfmt_misc"
else
	echo "# before Linux 6.7, a user namespace has no binfmt_misc of its own"
fi
rules | configure

# --- nobody can tell

mv "$root/run/netshim/rules" "$root/run/netshim/aside"
plain=$(shim launcher odd "$bin/probe-static" state a '' "b c" | sed 's/^pid.*//')
plain_dynamic=$(shim launcher odd "$bin/probe" state a '' "b c" | sed 's/^pid.*//')
plain_start=$(as_user LD_PRELOAD="$preload" launcher-static odd "$bin/probe" state a | sed 's/^pid.*//')
plain_env=$(shim env -i A=1 GLIBC_TUNABLES=x=y LD_LIBRARY_PATH=/x TMPDIR=/t "$bin/probe-static" state | sed 's/^pid.*//')
plain_script=$(shim "$scratch/script-with-rule" x | head -n 1)
mv "$root/run/netshim/aside" "$root/run/netshim/rules"
is "$(shim launcher odd "$bin/probe-static" state a '' "b c" | sed 's/^pid.*//')" "$plain" \
	"arguments, environment, descriptors, umask, signals, death signal, personality, nice, limits: static"
is "$(shim launcher odd "$bin/probe" state a '' "b c" | sed 's/^pid.*//')" "$plain_dynamic" "the same: dynamic"
is "$(as_user LD_PRELOAD="$preload" launcher-static odd "$bin/probe" state a | sed 's/^pid.*//')" "$plain_start" \
	"the same: put right at start"
is "$(shim env -i A=1 GLIBC_TUNABLES=x=y LD_LIBRARY_PATH=/x TMPDIR=/t "$bin/probe-static" state | sed 's/^pid.*//')" \
	"$plain_env" "an environment that the loader would clean is kept; env -i stays empty"
is "$(shim "$scratch/script-with-rule" x | head -n 1)" "$plain_script" "a script's \$0"
is "$(ulimit -s unlimited && shim "$bin/probe-static" state | grep 'rlimit 3')" \
	"$(ulimit -s unlimited && as_user "$bin/probe-static" state | grep 'rlimit 3')" "an unlimited stack"
is "$(shim sh -c "echo \$\$; exec $bin/probe-static state" | awk 'NR == 1 { pid = $1 } /^pid/ { print pid == $2 }')" 1 \
	"the same process id"
shim launcher execve "$bin/probe-static" nonsense
is $? 64 "the exit status"

cp "$bin/probe" "$scratch/not-executable"
chmod 644 "$scratch/not-executable"
printf 'text\n' >"$scratch/no-format"
printf '#!/no/such/interpreter\n' >"$scratch/no-interpreter"
chmod 755 "$scratch/no-format" "$scratch/no-interpreter"
mkdir "$scratch/folder"
ln -s loop "$scratch/loop"
sed 's|/ld-linux|/no-linux|' "$bin/probe" >"$scratch/no-loader"
cp "$bin/probe" "$scratch/written"
chown 65534 "$scratch/written" # before Linux 6.8 only its owner is told
odds=(not-executable no-format no-interpreter missing loop)
for interpreter in not-executable no-format no-interpreter missing folder no-loader written; do
	printf '#!%s\n' "$scratch/$interpreter" >"$scratch/by-$interpreter"
	odds+=("by-$interpreter")
done
printf '#!%s class\n' "$bin/probe-static" >"$scratch/by-1" # one interpreter
for n in 2 3 4 5 6; do printf '#!%s\n' "$scratch/by-$((n - 1))" >"$scratch/by-$n"; done
odds+=(by-6)
cp "$bin/probe-static" "$scratch/other-processor"
printf ZZ | dd of="$scratch/other-processor" bs=1 seek=18 conv=notrunc status=none # e_machine
printf '#!%s\n' "$scratch/other-processor" >"$scratch/by-other-processor"
chmod 755 "$scratch"/{by-*,no-loader}
exec 9>>"$scratch/written"
{
	rules
	for odd in "${odds[@]}" by-5 by-other-processor; do echo "app '$scratch/$odd' { class = other }"; done
} | configure
is "$(shim launcher execve "$scratch/by-5")" "$group/other" "as many interpreters as the kernel follows"
like "$(shim launcher execve "$scratch/by-other-processor" 2>&1)" "by-other-processor: not started" \
	"one of another processor's, which binfmt_misc may give to what is static: the helper tells"
for entry in execve execvp posix_spawn fexecve; do
	for odd in "${odds[@]}" folder; do
		is "$(PATH=$PATH:$scratch shim launcher errno $entry "$scratch/$odd" 2>/dev/null)" \
			"$(PATH=$PATH:$scratch as_user launcher errno $entry "$scratch/$odd" 2>/dev/null)" "$entry: the error for $odd"
	done
done
exec 9>&-
cp "$bin/probe" "$scratch/own"
chown 65534 "$scratch/own"
{
	rules
	echo "app '$scratch/own' { class = net }"
} | configure
for odd in bad-env bad-env-string bad-argument too-much busy page-end-unaligned; do
	is "$(shim launcher errno $odd "$scratch/own")" "$(as_user launcher errno $odd "$scratch/own")" "the error for $odd"
done

is "$(shim launcher page-end "$bin/probe-static" class)" "$group/net" "an environment at the end of a page"

# --- a search on PATH goes on behind a file whose interpreter is not there

mkdir "$scratch/early" "$scratch/late"
printf '#!/no/such/interpreter\n' >"$scratch/early/by-missing"
printf '#!%s\n' "$scratch/early/by-missing" >"$scratch/early/by-script"
printf '#!/etc/passwd\n' >"$scratch/early/by-data"
printf 'int main(void) { return 0; }\n' | gcc -x c - -Wl,--dynamic-linker=/no/such/loader -o "$scratch/early/no-loader"
cp "$scratch/early/by-missing" "$scratch/early/ruled"
cp "$scratch/early/by-missing" "$scratch/early/linked"
printf 'echo a shell\n' >"$scratch/early/text"
chmod 755 "$scratch"/early/*
for early in "$scratch"/early/*; do cp "$bin/probe-static" "$scratch/late/${early##*/}"; done
ln -sf "$bin/probe-static" "$scratch/late/linked"
for by in "its own name" "a tree"; do
	{
		rules
		echo "app '$scratch/early/ruled' { class = other }"
		if [ "$by" = "a tree" ]; then
			echo "app '$scratch/late/' { class = net }"
		else
			for late in "$scratch"/late/*; do [ -L "$late" ] || echo "app '$late' { class = net }"; done
		fi
	} | configure
	for launcher in launcher launcher-musl; do
		for entry in execvp execvpe execlp posix_spawnp; do
			for early in by-missing by-script by-data no-loader ruled linked; do
				is "$(PATH=$PATH:$scratch/early:$scratch/late shim $launcher $entry "$early" class)" "$group/net" \
					"$launcher $entry, $early is passed over: a static program by $by"
			done
		done
	done
	is "$(PATH=$PATH:$scratch/early:$scratch/late shim launcher execvp text class)" "a shell" "what libc has a shell run ends its search"
done

# --- the caller

coproc KEEP { shim launcher keep $lan_host 80 "$bin/probe-static" class; }
nft add table inet watch
nft add chain inet watch out '{ type filter hook output priority -200; }'
nft add rule inet watch out ip daddr $lan_host tcp dport 80 meta cgroup "$(classid net)" counter
nft add rule inet watch out ip daddr $lan_host tcp dport 80 meta cgroup 0 counter
said=
for _ in 1 2 3; do
	echo go >&"${KEEP[1]}"
	read -r -t 30 class <&"${KEEP[0]}"
	read -r -t 30 sent <&"${KEEP[0]}"
	said+="$class $sent "
done
is "$said" "$group/net sent $group/net sent $group/net sent " "a child is classified while its parent holds a connection"
is "$(nft list chain inet watch out | grep -o 'packets [0-9]*' | head -n 1)" "packets 0" \
	"the parent's connection keeps its class (no packet of it in the child's)"
like "$(nft list chain inet watch out | grep -o 'packets [0-9]*' | tail -n 1)" "packets [1-9]" "its packets were seen"
eval "exec ${KEEP[1]}>&-"
nft delete table inet watch

finish
