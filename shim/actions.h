/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What file actions make of a spawned child by the time that it executes its program. */

#ifndef NETSHIM_ACTIONS_H
#define NETSHIM_ACTIONS_H

#include <spawn.h>
#include <stdbool.h>

/* Sets *folder, where the child is, to AT_FDCWD where the actions lead nowhere else, or to
 * a descriptor, to be closed. Returns 0 or -errno. */
int actions_folder(const posix_spawn_file_actions_t *actions, int *folder);

/* Tells whether there are any, which this libc keeps in the way that is known here. */
bool actions_readable(const posix_spawn_file_actions_t *actions);

/* Tells whether the child has closed a descriptor, where closed tells that without the
 * actions, which are readable. */
bool actions_close(const posix_spawn_file_actions_t *actions, int fd, bool closed);

#endif
