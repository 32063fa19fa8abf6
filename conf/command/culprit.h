/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Which program has sent what was refused. */

#ifndef NETSHIM_CULPRIT_H
#define NETSHIM_CULPRIT_H

#include "conf/kernel/processes.h"
#include "conf/kernel/refusals.h"
#include "conf/kernel/sockets.h"

#include <limits.h>

/* A process that has a socket open. */
struct suspect {
	struct process process;
	uid_t user;
};

/* All of them at one time, in the order of their pids. Begins with zeros. */
struct suspects {
	struct socket_holders sockets;
	struct suspect *items;
	size_t count;
	int64_t paid; /* when the time that it took is a fifth of all again (boottime.h) */
};
void suspects_read(struct suspects *suspects);

/* Reads them anew, but for no more than a fifth of the time, as users can make it take long: false
 * where it is too early. */
bool suspects_renew(struct suspects *suspects);

/* pid is set where the socket tells it, and where no other process can have been it; but one
 * that has ended may have been. Those that can are in others. */
struct culprit {
	pid_t pid;
	bool sure;		     /* by its socket */
	char program[PATH_MAX];	     /* what it runs, as the kernel has it; or "" */
	struct process_names others; /* in the class, of that user, with a socket, from before */
};

/* The inode of the socket that has sent it; 0 where that is not there any more, or is none of TCP
 * or UDP. */
uint32_t culprit_socket(const struct refusal *refusal);

/* class is "" for what is in none: then only the socket tells. */
void culprit_find(const struct suspects *suspects, const struct refusal *refusal, uint32_t inode, const char *class,
		  struct culprit *culprit);

#endif
