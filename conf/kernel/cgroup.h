/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The net_cls hierarchy: where it is, the classes' groups in it, who is in them.
 * Failures are told on stderr. */

#ifndef NETSHIM_CGROUP_H
#define NETSHIM_CGROUP_H

#include "conf/language/ruleset.h"

/* Tells whether it is mounted at CGROUP_MOUNT; or mounts it where it is not, and sets *mounted
 * then. The third undoes that. */
bool cgroup_is_mounted(void);
bool cgroup_mount(bool *mounted);
void cgroup_unmount(void);

/* Makes the groups that are not there yet, with their classids. A group that was
 * there keeps its classid. live gets one number for each class: that classid, or 0
 * for a new group. Both groups of a class have the same number afterwards, even if a
 * killed command has left two. Where it fails, the rest of live stays
 * CLASSID_UNKNOWN. */
#define CLASSID_UNKNOWN UINT32_MAX
bool cgroup_make(const struct ruleset *set, uint32_t *live);

/* Gives every class its classid, and so the sockets of its processes. With live, each
 * class gets the number that it has there, if that is known. */
bool cgroup_set_classids(const struct ruleset *set, const uint32_t *live);

/* Undoes cgroup_make: removes the groups that are new by live. */
void cgroup_unmake(const struct ruleset *set, const uint32_t *live);

/* The classids of the groups whose class is not in set, with a 0 behind them, and whether
 * there are processes in any. Allocated. */
uint32_t *cgroup_gone(const struct ruleset *set, bool *inhabited);

/* Removes every group of netshim's whose class is not in set, and moves its processes
 * to the root group. With set NULL, removes all of them and netshim's own. */
bool cgroup_remove(const struct ruleset *set);

/* Moves a running process with all its threads, and the sockets that it has open,
 * to a class, or to its locked group; with class NULL, to none. */
bool cgroup_move_process(const char *class, bool locked, const char *id);

/* The same without a message. */
bool cgroup_try_move(const char *class, bool locked, const char *id);

/* Moves this process to a class; with class NULL, to none. */
bool cgroup_enter(const char *class);

/* Moves this process out of its class, and out of the group in which a service manager keeps, and
 * ends, what was started with it. Where it cannot, it stays. */
void cgroup_leave(void);

/* How many processes are in a class. */
size_t cgroup_process_count(const char *class);

/* Calls visit for each folder of the hierarchy, with whether others than root may move
 * processes there. */
void cgroup_each_folder(void (*visit)(const char *path, bool open_to_others));

/* What is wrong with a class's groups where the rules in force say that they have this classid
 * (allocated); or NULL. 'netshim reload' puts it right. */
char *cgroup_wrong(const char *class, uint32_t classid);

/* The classid of a folder; 0 is none. */
uint32_t cgroup_classid(const char *path);

/* Warns of the folders into which others than root may move processes: whoever may, takes
 * them out of a locked class. */
void cgroup_warn_of_exits(void);

#endif
