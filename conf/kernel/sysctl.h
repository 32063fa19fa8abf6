/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Kernel settings that a policy needs: what they were is kept in NETSHIM_RUNDIR
 * until they are put back. Failures are told on stderr. */

#ifndef NETSHIM_SYSCTL_H
#define NETSHIM_SYSCTL_H

#include "conf/kernel/routing.h"
#include "conf/language/ruleset.h"

/* Makes the settings that set needs. */
bool sysctl_make(const struct ruleset *set, const struct network_list *networks);

/* The setting, as a file, that is not as set needs it, since somebody else has changed it
 * (allocated); NULL where there is none. */
char *sysctl_lacks(const struct ruleset *set, const struct network_list *networks);

/* Puts back every one that was made, but for those that set needs (with set NULL, all). */
bool sysctl_restore(const struct ruleset *set, const struct network_list *networks);

/* Whether it has the kernel forward what comes in by an interface, or is going to, and nobody
 * else does: for IPv4; and for IPv6, where that is by whichever interface. */
bool sysctl_opens(const struct ruleset *set, const char *interface);
bool sysctl_opens_ipv6(const struct ruleset *set);

/* Takes back what this process has made or put back. */
void sysctl_undo(void);

#endif
