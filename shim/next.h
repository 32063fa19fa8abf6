/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The functions that the shim's hide: libc's, or another preload's. */

#ifndef NETSHIM_NEXT_H
#define NETSHIM_NEXT_H

#include <dlfcn.h>
#include <spawn.h>
#include <stdbool.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))

/* The environment that both libcs' functions go by, setenv and execv among them: "environ" may
 * be a variable of the program's own. */
extern char **__environ;

/* Weak: musl has no dlvsym, and neither is linked against. */
__typeof__(dlsym) dlsym __attribute__((weak));
__typeof__(dlvsym) dlvsym __attribute__((weak));

/* A member is NULL if there is no such function. */
struct next {
	__typeof__(dlsym) *dlsym; /* that looks behind this library */
	__typeof__(execve) *execve;
	__typeof__(execv) *execv;
	__typeof__(execveat) *execveat;
	__typeof__(execvp) *execvp;
	__typeof__(execvpe) *execvpe;
	__typeof__(fexecve) *fexecve;
	__typeof__(posix_spawn) *posix_spawn;
	__typeof__(posix_spawnp) *posix_spawnp;
};

/* dlsym takes the loader's lock and may use malloc, so it is not for vfork children
 * and signal handlers: they are found when the library is loaded (next_keep). Where
 * a constructor that runs before that calls a hook, they are looked for there. */
void next_keep(bool glibc);
const struct next *next(struct next *early);

/* Until the library is loaded, by dlvsym: which those have as well that run programs of glibc with
 * musl. */
bool next_is_glibc(void);

/* With glibc, the library's data, with pointers to functions among it, is read-only
 * once the library is loaded; what needs to write makes it writable first. (The
 * linker's own way, RELRO, comes before next_keep, and costs each start of a program
 * a page and a region of memory: 2.3 % of /bin/true's, where this is 0.3 %.) false
 * where that cannot be done, for instance because the process may have no more data.
 * Async-signal-safe. */
bool next_protect(int protection);

/* For what no program calls there: a function that not every libc has, by
 * dlsym at each use. Asking for it in vain at start would leave a message for
 * dlerror. */
#define NEXT_NOW(name) ((__typeof__(name) *)next_now(#name))
void *next_now(const char *name);

#endif
