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

/* The function of that name in the first object behind this library that has one, in the order
 * in which the loader looks for symbols (gABI, "Dynamic Linking"), and of several versions
 * the default; NULL where there is none. As dlsym finds it with RTLD_NEXT, but without the
 * loader's lock, without malloc and without a message for dlerror, so that it can be looked for
 * when it is called, and not at each start; and nothing is kept that could be written over.
 * Async-signal-safe: the objects that a program starts with are never unloaded, and libc is
 * one of them, so nobody looks at those behind it for what libc has. */
#define NEXT(name) ((__typeof__(name) *)next(#name))
void *next(const char *name);

/* What libc's functions say; 0, and NULL, where they cannot be found: in a namespace of
 * dlmopen's. The library imports no function, whose address would lie where it could be
 * written over. Async-signal-safe. */
unsigned long next_auxval(unsigned long type);
int *next_errno(void);

/* Else it is musl. */
bool next_is_glibc(void);

#endif
