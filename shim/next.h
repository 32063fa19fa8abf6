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

/* What is looked for once, when the library is loaded; the last two of libc alone. */
enum next_name {
	NEXT_execve,
	NEXT_execv,
	NEXT_execveat,
	NEXT_execvp,
	NEXT_execvpe,
	NEXT_fexecve,
	NEXT_posix_spawn,
	NEXT_posix_spawnp,
	NEXT_getauxval,
	NEXT___errno_location,
	NEXT_COUNT
};

/* The function of that name in the first object behind this library, as far as libc, that has
 * one, in the order in which the loader looks for symbols (gABI, "Shared Object Dependencies");
 * NULL where there is none, or where the loader's list does not have this library, as dlmopen
 * has loaded it. Of several versions it is the default, as with dlsym and RTLD_NEXT. But it takes
 * no lock and no memory, and leaves no message for dlerror. Async-signal-safe: what is as far as
 * libc is there from the start of the program, and never unloaded. (Functions that choose
 * themselves which they are, STT_GNU_IFUNC, are passed by: of these names, nobody's are.) */
#define NEXT(name) ((__typeof__(name) *)next(NEXT_##name))
void *next(enum next_name name);

/* The same, looked for at each call: for what no program calls often. NULL as version: the
 * default. */
void *next_look(const char *name, const char *version);
#define NEXT_LOOK(name) ((__typeof__(name) *)next_look(#name, NULL))

/* Looks for all of them, as the library is loaded: in a child of a fork, a look at an object takes
 * a fault for each of its pages. What is kept is the object and the place in it: the address
 * itself would lie where it could be written over, and to make that read-only costs each start
 * 3 us. Until then, for a constructor that runs before, NEXT looks at each call. */
void next_keep(void);

/* Else it is musl. */
bool next_is_glibc(void);

#endif
