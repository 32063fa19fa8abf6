/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Kernel settings that a policy needs: what they were is kept in NETSHIM_RUNDIR
 * until they are put back. Failures are told on stderr. */

#ifndef NETSHIM_SYSCTL_H
#define NETSHIM_SYSCTL_H

#include <stdbool.h>

/* Sets "ipv4/conf/INTERFACE/NAME" (beneath /proc/sys/net) to a digit. */
bool sysctl_set(const char *interface, const char *name, char value);

/* Puts back every one that was set, but for those that keep (which may be NULL)
 * wants to stay. */
bool sysctl_restore(bool (*keep)(const char *interface, const char *name, const void *with), const void *with);

/* Returns what a setting is now, or 0 where there is none. */
char sysctl_get(const char *interface, const char *name);

/* Takes back what this process has set or restored. */
void sysctl_undo(void);

#endif
