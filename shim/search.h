/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The search for a program on PATH. */

#ifndef NETSHIM_SHIM_SEARCH_H
#define NETSHIM_SHIM_SEARCH_H

#include "shim/route.h"

#include <stddef.h>

/* Finds the file that libc's own search for a program will start, the first on PATH that may be
 * executed, and calls route_program for it. program->path is then that, file itself where it has
 * a slash, NULL where there is none; where relative paths start, program->dirfd says. */
int search(const char *file, char *found, size_t size, struct program *program, struct route *route);

/* Returns the first file of that name, which has no slash, on PATH that may be executed, in found;
 * NULL where there is none. */
const char *search_first(const char *name, char *found, size_t size);

/* The room that a search for file needs, or 0 where file is not a name to search
 * for. Stack is taken for what there is, as libc does, not for what may be. */
size_t search_size(const char *file);

#endif
