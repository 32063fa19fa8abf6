/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The search for a program on PATH. */

#ifndef NETSHIM_SHIM_SEARCH_H
#define NETSHIM_SHIM_SEARCH_H

#include <stddef.h>

/* Finds the file that libc's own search for a program will start: the first on
 * PATH that may be executed; folder is where relative paths start. Returns file
 * itself where it has a slash, found where one was found, else NULL. */
const char *search(int folder, const char *file, char *found, size_t size);

/* The room that a search for file needs, or 0 where file is not a name to search
 * for. Stack is taken for what there is, as libc does, not for what may be. */
size_t search_size(const char *file);

#endif
