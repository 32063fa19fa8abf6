/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the calling process is to netshim. */

#ifndef NETSHIM_PROCESS_H
#define NETSHIM_PROCESS_H

#include "conf/contract/rules.h"

enum place {
	PLACE_UNKNOWN, /* no /proc, or one that cannot be made sense of */
	PLACE_ROOT,    /* in no class */
	PLACE_CLASS,   /* in one of netshim's */
	PLACE_OTHER,   /* in another tool's net_cls group */
};

struct membership {
	enum place place;
	bool locked;
	char class[CLASS_NAME_MAX + 1]; /* where place is PLACE_CLASS */
};

/* Tells where the calling thread is in the net_cls hierarchy. The thread and not the
 * process: execve goes on with the thread, and `tasks` moves a thread.
 * Async-signal-safe. */
void process_membership(struct membership *membership);

/* The same by another one's /proc/PID/cgroup. */
void process_membership_of(const char *cgroup, struct membership *membership);

/* The inode of the calling process's namespace of a kind ("cgroup", "net", "user"), or 0.
 * Async-signal-safe. */
uint64_t process_namespace(const char *kind);

/* Tells whether the calling process has ambient capabilities, which executing
 * any program with file capabilities would take from it. Async-signal-safe. */
bool process_has_ambient(void);

/* Writes the name in /proc of a descriptor of the calling thread: a thread may have
 * some of its own, and the first one may be gone. Returns link. Async-signal-safe. */
#define PROCESS_FD_LINK_MAX 40
const char *process_fd_link(char link[PROCESS_FD_LINK_MAX], int fd);

/* Executes the file that is open as fd and no other, by its name in its folder where
 * it has one: by the descriptor alone, ps would show the descriptor's number for a
 * name before Linux 6.14. Returns -errno; -ENOENT for a script, whose interpreter needs
 * a name to open. */
int process_exec(int fd, char *const argv[], char *const envp[]);

/* Lets the calling process open files above its soft limit; before is what to give back
 * (zeros: nothing). false where the soft limit is the hard one. Async-signal-safe. */
bool process_raise_descriptors(uint64_t before[2]);
void process_lower_descriptors(const uint64_t before[2]);

/* Sends one warning to the system log (/dev/log) as an unprivileged process may:
 * "PROGRAM: EVENT (class CLASS): WHY". Nothing is said where there is no log.
 * Async-signal-safe. */
void process_log(const char *program, const char *event, const char *class, const char *why);

#endif
