/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The folder that a spawned child is in when it executes its program. */

#ifndef NETSHIM_ACTIONS_H
#define NETSHIM_ACTIONS_H

#include <spawn.h>

/* Sets *folder to AT_FDCWD where the actions lead nowhere else, or to a
 * descriptor, to be closed. Returns 0 or -errno. */
int folder_after(const posix_spawn_file_actions_t *actions, int *folder);

#endif
