#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# The library shows its hooks and nothing else, asks little of libc, and works before
# main and in processes with many threads.
. "$(dirname "$0")/lib.sh"

bin=$root/bin
rounds=$((1000 / slow))

# --- symbols: those of shim/libnetshim.map and the hooks, and not one more

exported=$(readelf --dyn-syms -W "$preload" | awk '$7 != "UND" && $5 == "GLOBAL" && $4 == "FUNC" { print $8 }' | sort | xargs)
# Only x86 has a version of posix_spawn that is older.
spawns="posix_spawn posix_spawnp"
[ "$(uname -m)" != x86_64 ] || spawns="posix_spawn@@GLIBC_2.15 posix_spawn@GLIBC_2.2.5 posix_spawnp@@GLIBC_2.15 posix_spawnp@GLIBC_2.2.5"
is "$exported" "execl execle execlp execv execve execveat execvp execvpe fexecve pidfd_spawn pidfd_spawnp $spawns" "the hooks are exported"
is "$(readelf --dyn-syms -W "$preload" | awk 'NR > 4 && $7 != "UND" && $4 != "FUNC" && $5 != "LOCAL" { print $8 }' | sed 's/GLIBC_.*/GLIBC/' | sort -u)" \
	GLIBC "and their versions; nothing else"
is "$(readelf --dyn-syms -W "$preload" | awk 'NR > 4 && $7 == "UND" && $5 == "GLOBAL" { print $8 }' | sort | xargs)" \
	"__environ" "nothing else is asked of libc for sure, and that both libcs have"
is "$(readelf --dyn-syms -W "$preload" | awk 'NR > 4 && $7 == "UND" && $5 == "WEAK" { print $8 }' | sort | xargs)" "_dl_debug_addr _r_debug" \
	"and no more where a libc has it: the loader looks for each, whenever a program starts"
is "$(readelf -lW "$preload" | grep -c TLS) $(readelf -dW "$preload" | grep -c -e NEEDED -e STATIC_TLS)" "0 0" \
	"no thread-local storage, no other library"
is "$(readelf -dW "$preload" | grep -c -e FINI)" 0 "nothing is done at exit"

# --- before main

cat >"$scratch/early.c" <<'EOF'
#include <dlfcn.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* What a library's own constructor starts; the preload's may run after it. */
__attribute__((constructor)) static void early(void)
{
	const char *how = getenv("EARLY");
	char *argv[] = { getenv("PROGRAM"), "class", NULL };
	pid_t pid;

	if (!how)
		return;
	if (!strcmp(how, "exec"))
		execv(argv[0], argv);
	else if (!strcmp(how, "spawn") && !posix_spawn(&pid, argv[0], NULL, NULL, argv, environ))
		waitpid(pid, NULL, 0);
	else if (!strcmp(how, "vfork") && !(pid = vfork()))
		execv(argv[0], argv);
	else
		waitpid(-1, NULL, 0);
	errno = 0;
}
EOF
cat >"$scratch/main.c" <<'EOF'
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

int main(void)
{
	int e = errno;
	const char *message = dlerror();

	printf("errno %d, dlerror %s\n", e, message ? message : "none");
}
EOF
gcc -D_GNU_SOURCE -shared -fPIC "$scratch/early.c" -o "$scratch/libearly.so"
gcc "$scratch/main.c" "-L$scratch" -Wl,--no-as-needed -learly "-Wl,-rpath,$scratch" -o "$scratch/by-library"
gcc -D_GNU_SOURCE "$scratch/main.c" "$scratch/early.c" -o "$scratch/by-itself"
musl-gcc "$scratch/main.c" -o "$scratch/by-musl"
cp "$bin/probe-static" "$scratch/plain"
cp "$bin/target" "$scratch/target"
for program in by-library by-itself by-musl; do cp "$scratch/$program" "$scratch/ruled-$program"; done
configure <<EOF
class net { }
app '$bin/probe-static' { class = net }
app '$bin/probe' { class = net }
app '$scratch/target' { class = net }
app '$scratch/ruled-by-library' { class = net }
app '$scratch/ruled-by-itself' { class = net }
app '$scratch/ruled-by-musl' { class = net }
EOF
for program in by-library by-itself by-musl; do
	for kind in "" ruled-; do
		is "$(shim "$scratch/$kind$program")" "errno 0, dlerror none" "$kind$program: errno is 0 at main, and no message waits for dlerror"
	done
done
for program in by-library by-itself; do
	is "$(shim EARLY=exec PROGRAM="$bin/probe-static" "$scratch/$program")" "$group/net" "$program: exec in a constructor"
	is "$(shim EARLY=exec PROGRAM="$scratch/plain" "$scratch/$program")" / "$program: of a program without a rule"
	for how in spawn vfork; do
		is "$(shim EARLY=$how PROGRAM="$bin/probe" "$scratch/$program")" "$group/net"$'\nerrno 0, dlerror none' \
			"$program: $how in a constructor"
	done
done

# Where who starts it has no library, it puts itself right.
for program in by-library by-itself; do
	is "$(as_user LD_PRELOAD="$preload" EARLY=spawn PROGRAM="$scratch/plain" launcher-static execve "$scratch/ruled-$program")" \
		"$group/net"$'\nerrno 0, dlerror none' "$program: in its class before its constructors, which run once"
done

# --- many threads

as_busy() { timeout $((300 + rounds / 10)) "${user[@]}" LD_PRELOAD="$preload" "$bin/busy" "$@"; }
is "$(as_busy "$rounds" "$scratch/plain" class | tail -n 1)" "$rounds" "a busy process starts $rounds programs without a rule"
is "$(as_busy "$rounds" "$bin/probe-static" class | sort | uniq -c | xargs)" "$rounds $group/net 1 $rounds" \
	"and $rounds with one: all in their class"

finish
