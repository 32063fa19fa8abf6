/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Which program has sent what was refused. */

#ifndef NETSHIM_CULPRIT_H
#define NETSHIM_CULPRIT_H

#include "conf/kernel/processes.h"
#include "conf/kernel/refusals.h"

#include <limits.h>

/* pid is set where the socket tells it, and where no other process can have been it; but one
 * that has ended may have been. Those that can are in others. */
struct culprit {
	pid_t pid;
	bool sure;		     /* by its socket */
	char program[PATH_MAX];	     /* what it runs, as the kernel has it; or "" */
	struct process_names others; /* in the class, of that user, with a socket, from before */
};

/* class is "" for what is in none: then only the socket tells. */
void culprit_find(const struct refusal *refusal, const char *class, struct culprit *culprit);

#endif
