/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The processes of this machine, as /proc has them. To see into those of others takes
 * CAP_SYS_PTRACE. */

#ifndef NETSHIM_PROCESSES_H
#define NETSHIM_PROCESSES_H

#include "conf/contract/process.h"

#include <stddef.h>
#include <sys/types.h>

struct process {
	pid_t pid;
	pid_t thread; /* by which /proc tells of it: the first one may have ended */
	pid_t parent;
	uint64_t started; /* clock ticks since the boot; with the pid, it is one process and no other */
	char name[16];
	struct membership place;
	bool in_force; /* it, or who started it, is in this network namespace */
};

/* In the order of their pids. */
struct process_list {
	struct process *items;
	size_t count;
};

/* Reads all but kernel threads and what has ended. */
void processes_read(struct process_list *list);
void processes_free(struct process_list *list);

struct process *processes_find(const struct process_list *list, pid_t pid);

/* The one that has started it, or to which the kernel gave it when that ended; NULL where that is
 * not in the list. A number that was given anew is nobody's parent: its process is the younger. */
struct process *processes_parent(const struct process_list *list, const struct process *process);

/* What those have started, and so on, that are in_force, becomes so, too. */
void processes_mark_children(struct process_list *list);

/* The one that has been there longest, but netshim itself, of those that can be seen in a
 * network namespace, which is told by its inode; or 0. The one with the lowest number may be
 * the latest, as numbers begin anew, and gone when somebody looks for it. */
pid_t processes_in_network(uint64_t inode);

/* What one would have that is started now. */
uint64_t processes_now(void);

/* Tells whether it has not ended meanwhile. */
bool process_is_there(const struct process *process);

/* Reads one; false where it has ended. */
bool process_read(pid_t pid, struct process *process);

/* Its effective user, or root where it is not dumpable (proc(5)); (uid_t)-1 where it has ended. */
uid_t process_user(pid_t pid);

/* The inode of its network namespace; 0 where it has ended. */
ino_t process_network(pid_t pid);

/* Whether it runs the command that this process runs. */
bool process_is_netshim(pid_t pid);

/* Whether it runs that file, or one in whose place this has come since. */
bool process_runs(pid_t pid, const char *file);

/* Opens a file of its in /proc; -1 where that cannot be had. */
int process_open(pid_t pid, const char *name);

/* The value of an entry of an auxiliary vector, which a 32-bit program's may be, or 0. */
uint64_t process_auxiliary(const char *vector, size_t size, uint64_t type);

/* The processes that a message is about: in text, the first few by name and pid. Begins
 * with zeros. */
struct process_names {
	size_t count;
	char text[128];
};
void process_names_add(struct process_names *names, const char *name, pid_t pid);

#endif
