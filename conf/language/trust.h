/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Who decides what a path leads to. */

#ifndef NETSHIM_TRUST_H
#define NETSHIM_TRUST_H

#include <stdbool.h>
#include <sys/stat.h>

/* Tells whether others than root own a file, or may write to it. */
struct stat;
bool trust_is_others(const struct stat *st);

/* Returns the first folder or symlink on the way along path that others than root
 * can change (allocated), or NULL where there is none. What lies at its end is for
 * the caller to look at, when it is open. */
char *trust_changeable(const char *path);

/* Returns the first folder on the way to path that is closed to some users by its mode, or what lies
 * at its end where that is a file without these permissions (allocated); or NULL. Where it has another
 * group than root's, others need not have them. */
#define TRUST_READ (S_IRUSR | S_IRGRP | S_IROTH)
#define TRUST_EXECUTE (S_IXUSR | S_IXGRP | S_IXOTH)
char *trust_closed(const char *path, mode_t needed);

/* Tells whether others than root can put names into a folder: into a sticky one too, where
 * they can change none of root's. */
bool trust_is_shared(const char *folder);

/* Returns the folder that path is in (allocated) where that is such a one, or NULL. */
char *trust_shared_above(const char *path);

#endif
