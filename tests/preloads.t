#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Beside other preload libraries, before them and behind them: programs are
# classified, and the other library does what it is there for.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
library() { # library FILE: where the package has it
	find /usr/lib /lib -name "$1" 2>/dev/null | head -n 1
}
cp "$(command -v id)" "$scratch/id"
cp "$(command -v python3)" "$scratch/python"
for way in "" -static-libasan; do
	gcc -D_GNU_SOURCE -I"$tests/.." -fsanitize=address ${way:+"$way"} "$tests/programs/probe.c" -o "$scratch/asan$way"
done
configure <<EOF
class net { }
app '$bin/probe'        { class = net }
app '$bin/probe-static' { class = net }
app '$bin/probe-musl'   { class = net }
app '$scratch/id'       { class = net }
app '$scratch/python'   { class = net }
app '$scratch/asan'     { class = net }
app '$scratch/asan-static-libasan' { class = net }
EOF

# The second env is the one that has the libraries.
with() { as_user LD_PRELOAD="$1" env "${@:2}"; }

both_orders() { # both_orders NAME LIBRARY CHECK
	local name=$1 other=$2 check=$3 order
	for order in "$preload:$other" "$other:$preload"; do
		[ "$order" = "$preload:$other" ] && where="behind netshim" || where="before netshim"
		is "$(with "$order" "$bin/launcher" execve "$bin/probe-static" class 2>&1)" "$group/net" "$name $where: execve, a static program"
		is "$(with "$order" "$bin/launcher" execvp "$bin/probe" class 2>&1)" "$group/net" "$name $where: execvp, a dynamic program"
		is "$(with "$order" "$bin/launcher" posix_spawn "$bin/probe" class 2>&1)" "$group/net" "$name $where: posix_spawn"
		is "$(with "$order" "$bin/launcher" system "$bin/probe-static" class 2>&1)" "$group/net" "$name $where: system"
		is "$(with "$order" "$bin/launcher-static" execve "$bin/probe" class 2>&1)" "$group/net" "$name $where: at start"
		is "$(with "$order" "$bin/launcher" errno execve /no/such/file 2>&1)" "No such file or directory" "$name $where: an error"
		$check "$order" "$name $where"
	done
}

loaded() { # loaded ORDER NAME: the other library is in the program with a rule
	is "$(with "$1" "$scratch/python" -c "print('$other' in open('/proc/self/maps').read())" 2>&1)" True "$2: it is there"
}
sync_is_nothing() {
	loaded "$@"
	strace -qq -f -o "$scratch/calls" -e trace=fsync "${user[@]}" LD_PRELOAD="$1" env "$scratch/python" -c '
import os, tempfile
f = tempfile.TemporaryFile()
print(os.fsync(f.fileno()))' >"$scratch/said" 2>&1
	is "$(cat "$scratch/said") $(grep -c 'fsync(' "$scratch/calls")" "None 0" "$2: fsync is nothing"
}
is_root() {
	local key
	loaded "$@"
	coproc FAKED { exec setpriv --reuid 65534 --regid 65534 --clear-groups faked-sysv --foreground; }
	read -r -t 30 key <&"${FAKED[0]}"
	is "$(with "$1" FAKEROOTKEY="${key%%:*}" "$scratch/id" -u 2>&1)" 0 "$2: the user seems to be root"
	kill "$FAKED_PID"
	wait "$FAKED_PID" 2>/dev/null
}
goes_by_proxy() {
	loaded "$@"
	is "$(with "$1" "$scratch/python" -c '
import socket
s = socket.socket()
s.settimeout(5)
s.connect(("192.0.2.1", 80))
print("connected")' 2>&1 | tail -n 1)" connected "$2: a connection goes by the proxy"
}
is_logged() {
	: >"$scratch/snoopy.log"
	chmod 666 "$scratch/snoopy.log"
	with "$1" "$bin/launcher" execve "$bin/probe-static" state with-a-rule >/dev/null
	with "$1" "$bin/launcher" execve /usr/bin/true without >/dev/null
	# Behind netshim it does not see the start of the helper.
	[[ $1 = "$preload":* ]] && expected=0 || expected=1
	is "$(grep -c "probe-static state with-a-rule" "$scratch/snoopy.log")" "$expected" "$2: a program with a rule is logged, or not"
	like "$(cat "$scratch/snoopy.log")" "/usr/bin/true without" "$2: and one without"
}

both_orders fakeroot "$(library libfakeroot-sysv.so)" is_root
both_orders eatmydata "$(library libeatmydata.so)" sync_is_nothing
both_orders jemalloc "$(library libjemalloc.so.2)" loaded

ip link set lo up
cat >"$scratch/proxychains.conf" <<EOF
strict_chain
[ProxyList]
socks5 127.0.0.1 1080
EOF
# A proxy that reaches everything at once.
in_background /usr/bin/python3 -c "
import socket, threading
l = socket.create_server(('127.0.0.1', 1080))
open('$scratch/ready', 'w')
def serve(s):
    s.recv(99); s.sendall(b'\5\0'); s.recv(99); s.sendall(b'\5\0\0\1' + bytes(6)); s.recv(99)
while True: threading.Thread(target=serve, args=(l.accept()[0],)).start()"
wait_until test -e "$scratch/ready"
export PROXYCHAINS_CONF_FILE=$scratch/proxychains.conf PROXYCHAINS_QUIET_MODE=1
both_orders proxychains "$(library libproxychains.so.4)" goes_by_proxy

printf '[snoopy]\noutput = file:%s\n' "$scratch/snoopy.log" >"$scratch/snoopy.ini"
mount --bind "$scratch/snoopy.ini" /etc/snoopy.ini
both_orders snoopy "$(library libsnoopy.so)" is_logged
ok "$([ -e /etc/ld.so.preload ]; echo $((!$?)))" "and its package is in no other process of this machine"

# --- a library behind netshim has the same calls as without it

cat >"$scratch/hooks.c" <<'EOF'
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))
#ifdef HOOK_execv
int execv(const char *path, char *const argv[])
{
	dprintf(1, "execv hooked, ");
	return NEXT(execv)(path, argv);
}
#endif
#ifdef HOOK_execve
int execve(const char *path, char *const argv[], char *const envp[])
{
	dprintf(1, "execve hooked, ");
	return NEXT(execve)(path, argv, envp);
}
#endif
#ifdef HOOK_execvp
int execvp(const char *file, char *const argv[])
{
	dprintf(1, "execvp hooked, ");
	return NEXT(execvp)(file, argv);
}
#endif
#ifdef HOOK_by_execv
int execve(const char *path, char *const argv[], char *const envp[])
{
	environ = (char **)envp;
	return execv(path, argv);
}
#endif
EOF
cp "$bin/probe-static" "$scratch/plain"
for hooked in execv execve execvp by_execv; do
	gcc -D_GNU_SOURCE -DHOOK_$hooked -shared -fPIC "$scratch/hooks.c" -o "$scratch/$hooked.so"
	for entry in execv execve execvp execvpe execveat execl execle execlp fexecve posix_spawn; do
		# Where C cannot pass the arguments on.
		case $hooked-$entry in execv-execl | execve-execle | execvp-execlp) continue ;; esac
		is "$(PATH=$PATH:$scratch with "$preload:$scratch/$hooked.so" "$bin/launcher" $entry "$scratch/plain" class)" \
			"$(PATH=$PATH:$scratch with "$scratch/$hooked.so" "$bin/launcher" $entry "$scratch/plain" class)" \
			"a hook of $hooked behind netshim: $entry"
	done
done

# Where it has its names in the table that all loaders know, and names of an older version
# only, which the loader takes for none.
gcc -D_GNU_SOURCE -DHOOK_execve -shared -fPIC -Wl,--hash-style=sysv "$scratch/hooks.c" -o "$scratch/sysv.so"
echo 'OLD { };' >"$scratch/old.map"
{
	cat "$scratch/hooks.c"
	echo '__asm__(".symver execve, execve@OLD");'
} >"$scratch/old.c"
for style in gnu sysv; do
	gcc -D_GNU_SOURCE -DHOOK_execve -shared -fPIC -Wl,--version-script="$scratch/old.map" -Wl,--hash-style=$style \
		"$scratch/old.c" -o "$scratch/old-$style.so"
done
for library in sysv old-gnu old-sysv; do
	for entry in execve execl posix_spawn; do
		is "$(with "$preload:$scratch/$library.so" "$bin/launcher" $entry "$scratch/plain" class)" \
			"$([ $library-$entry != sysv-execve ] || echo "execve hooked, ")/" "a library with its names in a table $library: $entry"
	done
done

# One that an auditor of the loader's watches has two lists of libraries.
gcc -D_GNU_SOURCE -shared -fPIC -x c - -o "$scratch/auditor.so" <<'EOF'
#include <link.h>
#include <unistd.h>
unsigned la_version(unsigned version) { return version; }
unsigned la_objopen(struct link_map *map, Lmid_t list, uintptr_t *cookie)
{
	return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}
EOF
for entry in execve execvp posix_spawn; do
	is "$(with "$preload" env LD_AUDIT="$scratch/auditor.so" "$bin/launcher" $entry "$bin/probe-static" class)" "$group/net" \
		"beside an auditor: $entry"
done

# --- where the loader's list is not where it is looked for first, or not as it mostly is

# A variable of that name is another's: Dyninst's library has one.
echo 'char _r_debug[64]; char *_r_debug_of = _r_debug;' >"$scratch/debug.c"
gcc -shared -fPIC "$scratch/debug.c" -o "$scratch/libdebug.so"
sources=(-D_GNU_SOURCE -I"$tests/.." "$tests/programs/launcher.c")
gcc "${sources[@]}" "$scratch/debug.c" -o "$scratch/launcher-own"
gcc "${sources[@]}" -Wl,--no-as-needed -L"$scratch" -ldebug -Wl,-rpath,"$scratch" -o "$scratch/launcher-library"
musl-gcc "${sources[@]}" "$scratch/debug.c" -o "$scratch/launcher-musl-own" -rdynamic
# As an object, and with what is no list; and what is musl's, in a program of glibc.
echo 'struct { long version; void *first; } _r_debug = { 1, (void *)5 }, *of = &_r_debug;' >"$scratch/list.c"
gcc "${sources[@]}" "$scratch/list.c" -o "$scratch/launcher-list"
echo 'long _dl_debug_addr = 5, *of = &_dl_debug_addr;' >"$scratch/address.c"
gcc "${sources[@]}" "$scratch/address.c" -rdynamic -o "$scratch/launcher-address"
for launcher in own library musl-own list address; do
	for entry in execvp fexecve posix_spawn; do
		is "$(PATH=$PATH:$bin with "$preload" "$scratch/launcher-$launcher" $entry "$bin/probe-static" class)" "$group/net" \
			"with a variable of the loader's, launcher-$launcher: $entry"
	done
done
loader=$(readelf -lW "$bin/launcher" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
is "$(with "$preload" "$loader" "$scratch/launcher-own" execvp "$bin/probe-static" class)" "$group/net" \
	"and where the loader is executed for it"
is "$(as_user LD_PRELOAD="$preload:$scratch/libdebug.so" "$bin/launcher-static" execve "$bin/probe" class)" "$group/net" \
	"at start, with a variable _r_debug"
is "$(as_user LD_PRELOAD="libc.so.6:$preload" "$bin/launcher-static" execve "$bin/probe" class)" "$group/net" \
	"at start, with libc before netshim"

# Linked for addresses that are taken by then, the second lies below its own; and one without names.
echo 'int unused(void) { return 0; }' >"$scratch/unused.c"
taken=()
[ "$(uname -m)" != x86_64 ] || taken=('-Wl,-Ttext-segment=0x7fff00000000')
for name in first second; do gcc -fuse-ld=bfd -shared -fPIC -nostdlib "${taken[@]}" "$scratch/unused.c" -o "$scratch/$name.so"; done
gcc -shared -fPIC -nostdlib -Wl,--hash-style=sysv "$scratch/unused.c" -o "$scratch/empty.so"
python3 - "$scratch/empty.so" "$(readelf -SW "$scratch/empty.so" | sed 's/^ *\[ *[0-9]*\]//' | awk '$1 == ".hash" { print $4 }')" <<'EOF'
import sys
with open(sys.argv[1], 'r+b') as file:
    file.seek(int(sys.argv[2], 16))
    file.write(bytes(4))
EOF
ok "$([ -e "$scratch/first.so" ] && [ -e "$scratch/second.so" ] && [ -e "$scratch/empty.so" ]; echo $?)" \
	"there are libraries that were linked for the same addresses, and one without names"
for entry in execve posix_spawn; do
	is "$(with "$preload:$scratch/first.so:$scratch/second.so:$scratch/empty.so" "$bin/launcher" $entry "$bin/probe-static" class)" "$group/net" \
		"libraries elsewhere than they were linked for, and one without names: $entry"
done

# What no libc has is looked for while a thread takes away what was loaded after libc.
cat >"$scratch/race.c" <<'EOF'
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void *load(void *library)
{
	for (;;) {
		void *loaded = dlopen(library, RTLD_NOW);

		if (loaded)
			dlclose(loaded);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int (*spawn)(int *, const char *, void *, void *, char **, char **) = dlsym(RTLD_DEFAULT, "pidfd_spawn");
	int (*execute)(int, const char *, char **, char **, int) = dlsym(RTLD_DEFAULT, "execveat");
	time_t end = time(NULL) + 3;
	pthread_t thread;
	int fd;

	if (!spawn || !execute || pthread_create(&thread, NULL, load, argv[1]))
		return 1;
	while (time(NULL) < end) {
		spawn(&fd, "/nowhere", NULL, NULL, argv, environ);
		execute(AT_FDCWD, "/nowhere", argv, environ, 0);
	}
	dprintf(1, "no crash");
	_exit(0);
}
EOF
gcc -D_GNU_SOURCE -include fcntl.h "$scratch/race.c" -o "$scratch/race"
musl-gcc -D_GNU_SOURCE -include fcntl.h "$scratch/race.c" -o "$scratch/race-musl"
is "$(with "$preload" "$scratch/race" "$scratch/libdebug.so")" "no crash" "while a library is loaded and unloaded"
# musl unloads only what it could not load to its end.
echo 'extern int nowhere(void); int (*there)(void) = nowhere;' | gcc -shared -fPIC -x c - -o "$scratch/broken.so"
is "$(with "$preload" "$scratch/race-musl" "$scratch/broken.so")" "no crash" "while musl cannot load a library"

# --- where dlsym and its kin are somebody else's

# As MangoHud has it: it asks from where it is itself, so that RTLD_NEXT is what is behind it.
cat >"$scratch/asks.c" <<'EOF'
#include <dlfcn.h>
void *dlsym(void *handle, const char *name)
{
	void *volatile found = ((void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34"))(handle, name);
	return found;
}
EOF
gcc -D_GNU_SOURCE -shared -fPIC "$scratch/asks.c" -o "$scratch/asks.so"
echo 'void *dlsym(void *handle, const char *name) { (void)handle; (void)name; return 0; }' >"$scratch/stub.c"
gcc -D_GNU_SOURCE -I"$tests/.." "$tests/programs/launcher.c" "$scratch/stub.c" -o "$scratch/launcher-stub"
cp "$preload" "$scratch/copy.so"
cat >"$scratch/pidfd.c" <<'EOF'
#include <dlfcn.h>
#include <spawn.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>
/* Since glibc 2.39, <spawn.h> declares it, with other types. */
int start(int *, const char *, void *, void *, char *const *, char *const *) __asm__("pidfd_spawn") __attribute__((weak));
int main(int argc, char **argv)
{
	int fd;
	int err = start ? start(&fd, argv[1], NULL, NULL, argv + argc, environ) : 0;

	puts(err ? strerror(err) : "there");
}
EOF
gcc -D_GNU_SOURCE "$scratch/pidfd.c" -o "$scratch/pidfd"
limited() { timeout -s KILL 20 "${user[@]}" "$@"; }
for entry in execv execve execvp execvpe execveat execl execle execlp fexecve posix_spawn posix_spawnp; do
	for program in "plain /" "probe-static $group/net"; do
		for libraries in "$scratch/asks.so:$preload" "$scratch/asks.so:$preload:$scratch/copy.so"; do
			is "$(PATH=$PATH:$scratch limited LD_PRELOAD="$libraries" "$bin/launcher" $entry "$(PATH=$scratch:$bin command -v "${program% *}")" class)" \
				"${program#* }" "$entry of ${program% *}, with $(tr ':' '\n' <<<"$libraries" | wc -l) libraries, the first with a dlsym of its own"
		done
		is "$(PATH=$PATH:$scratch limited LD_PRELOAD="$preload" "$scratch/launcher-stub" $entry "$(PATH=$scratch:$bin command -v "${program% *}")" class)" \
			"${program#* }" "$entry of ${program% *}, by a program whose dlsym finds nothing"
	done
done
is "$(limited LD_PRELOAD="$scratch/asks.so:$preload" "$scratch/pidfd" /usr/bin/true)" "$(shim "$scratch/pidfd" /usr/bin/true)" "pidfd_spawn"

# The older versions of posix_spawn.
if [ "$(uname -m)" = x86_64 ]; then
	gcc -D_GNU_SOURCE -shared -fPIC -x c - -o "$scratch/asks-version.so" <<'EOF'
#include <dlfcn.h>
void *dlvsym(void *handle, const char *name, const char *version)
{
	void *volatile found = ((__typeof__(dlvsym) *)dlsym(RTLD_NEXT, "dlvsym"))(handle, name, version);
	return found;
}
EOF
	gcc -D_GNU_SOURCE -I"$tests/.." -include spawn.h -x c - -o "$scratch/launcher-old" <<EOF
__asm__(".symver posix_spawn, posix_spawn@GLIBC_2.2.5\n.symver posix_spawnp, posix_spawnp@GLIBC_2.2.5");
#include "$tests/programs/launcher.c"
EOF
	for entry in posix_spawn posix_spawnp; do
		is "$(PATH=$PATH:$scratch limited LD_PRELOAD="$scratch/asks-version.so:$preload" "$scratch/launcher-old" $entry "$scratch/plain" class)" / \
			"$entry of an older version, behind a dlvsym that asks from where it is"
	done
	gcc -D_GNU_SOURCE -include spawn.h -x c - -o "$scratch/message" <<'EOF'
__asm__(".symver posix_spawn, posix_spawn@GLIBC_2.2.5");
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	dlsym(RTLD_DEFAULT, "nowhere");
	posix_spawn(NULL, "/nowhere", NULL, NULL, argv, environ);
	puts(dlerror() ? "kept" : "lost");
}
EOF
	is "$(with "$preload" "$scratch/message")" kept "and a message for dlerror is kept"
fi

# As gcompat has it, which runs programs of glibc with musl.
gcc -nostdlib -shared -fPIC -x c - -o "$scratch/layer.so" <<'EOF'
extern void *dlsym(void *, const char *);
void *dlvsym(void *handle, const char *name, const char *version) { return version ? dlsym(handle, name) : 0; }
EOF
for entry in execve execvp posix_spawn; do
	is "$(as_user LD_PRELOAD="$preload:$scratch/layer.so" "$bin/launcher-musl" $entry "$bin/probe-static" class 2>&1)" "$group/net" \
		"musl with a dlvsym: $entry, a program with a rule"
	is "$(PATH=$PATH:$scratch as_user LD_PRELOAD="$preload:$scratch/layer.so" "$bin/launcher-musl" $entry "$scratch/plain" class 2>&1)" / \
		"musl with a dlvsym: $entry, one without"
done
is "$(as_user LD_PRELOAD="$preload:$scratch/layer.so" "$bin/launcher-static" execve "$bin/probe-musl" class 2>&1)" "$group/net" \
	"musl with a dlvsym: at start"

# --- programs with AddressSanitizer

is "$(shim "$scratch/asan-static-libasan" class 2>&1)" "$group/net" "AddressSanitizer linked statically"
is "$(shim ASAN_OPTIONS=verify_asan_link_order=0 "$scratch/asan" class 2>&1)" "$group/net" "AddressSanitizer told not to look for preloads"
is "$(with "$(gcc -print-file-name=libasan.so):$preload" "$scratch/asan" class 2>&1)" "$group/net" "AddressSanitizer before netshim"
like "$(as_user LD_PRELOAD="$empty" "$scratch/asan" class 2>&1)" "ASan runtime does not come first" \
	"without all that it refuses any preload library, an empty one too"

finish
