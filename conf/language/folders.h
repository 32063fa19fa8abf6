/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What is in folders, and whether all of it could be seen: what cannot be read is not
 * taken for empty. */

#ifndef NETSHIM_FOLDERS_H
#define NETSHIM_FOLDERS_H

#include <dirent.h>
#include <glob.h>
#include <stdbool.h>

/* Tells whether an error says that nothing is there, or nothing that this process may see. */
bool folders_lack(int error);

/* The next name in a folder, or NULL; then error is set, to 0 at its end. */
const struct dirent *folders_next(DIR *dir, int *error);

/* Finds what matches a pattern, for globfree. Returns 0, or the error that kept it from looking
 * where nobody but root has a say. */
int folders_match(const char *pattern, glob_t *found);

#endif
