/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The functions that the shim's hide: libc's, or another preload's. */

#ifndef NETSHIM_NEXT_H
#define NETSHIM_NEXT_H

#include <stdbool.h>

#define HOOK __attribute__((visibility("default")))

/* The environment that both libcs' functions go by, setenv and execv among them: "environ" may
 * be a variable of the program's own. */
extern char **__environ;

/* The function of that name in the first object behind this library, as far as libc, that has
 * one, in the order in which the loader looks for symbols (gABI, "Shared Object Dependencies");
 * NULL where there is none. Of several versions it is the default, as with dlsym and RTLD_NEXT,
 * or the one that is asked for, as with dlvsym. But it takes no lock and no memory, and leaves
 * no message for dlerror, so that it can be looked for when it is called, and not at each start;
 * and nothing is kept that could be written over. Async-signal-safe: what is as far as libc is
 * there from the start of the program, and never unloaded. (Functions that choose themselves
 * which they are, STT_GNU_IFUNC, are passed by: of these names, nobody's are.) */
#define NEXT(name) ((__typeof__(name) *)next(#name))
void *next(const char *name);
void *next_version(const char *name, const char *version);

/* A function of libc's that this library does not hide. It imports none: their addresses would
 * lie where they could be written over. NULL where the loader's list does not have this library:
 * where dlmopen has loaded it. Async-signal-safe. */
#define LIBC(name) ((__typeof__(name) *)next_libc(#name))
void *next_libc(const char *name);

/* Else it is musl. */
bool next_is_glibc(void);

#endif
