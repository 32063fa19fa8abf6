/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Work that needs descriptors, for a process that has none left. */

#ifndef NETSHIM_ASIDE_H
#define NETSHIM_ASIDE_H

/* Calls work(argument) in a child process that shares the caller's memory but has
 * a descriptor table of its own, a copy in which the lowest descriptors but `keep`
 * are closed. The caller's threads, children that wait() sees, signals and
 * descriptors are as before. Returns 0, or -errno where no child can be had. */
int aside(void (*work)(void *argument), void *argument, int keep);

#endif
