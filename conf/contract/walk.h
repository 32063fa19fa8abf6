/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The walk along the names of a path, as the kernel goes: each symlink is followed, and
 * every last name on the way is seen.
 *
 * All functions are async-signal-safe and leave errno alone. */

#ifndef NETSHIM_WALK_H
#define NETSHIM_WALK_H

#include "conf/contract/rules.h"

#define WALK_LINKS_MAX 40 /* the kernel's MAXSYMLINKS */

/* One buffer holds what is resolved at its start, and what is still to be walked at
 * its end. Most paths fit into a small one, which matters because the shim may run on
 * a signal handler's stack. */
#define WALK_SMALL 512
#define WALK_LARGE (RULE_PATH_MAX + 8)

struct walk {
	char *buf;
	size_t end;  /* where its last byte is, a terminator */
	size_t done; /* length of the resolved part: "" or "/a/b" */
	size_t rest; /* where the unresolved part starts; it ends with the buffer */
	unsigned links;
	uint32_t mode;	   /* of the last file that was looked at */
	bool changeable;   /* by others than root: a folder or a link on the way */
	bool through_proc; /* a link of /proc's, which the kernel follows as it likes */
};

/* Begins where a path of that size does. Returns 0 or -errno. */
int walk_start(struct walk *w, int dirfd, const char *path, size_t size);

/* A file known by its descriptor alone: its path is walked like any other. */
int walk_start_with_fd(struct walk *w, int fd);

/* Moves the next component to the resolved part. Returns WALK_LAST where that now has
 * the last one, 0 where more follow, WALK_END where there was none, or -ENAMETOOLONG. */
int walk_next(struct walk *w);
enum { WALK_LAST = 1, WALK_END = 2 };

/* Looks at what the resolved part names, which is in mode then. Returns 0 or -errno. */
int walk_look(struct walk *w);

/* Where that is a symlink, its last component is replaced by what the link holds. Returns 0
 * or -errno. */
int walk_enter(struct walk *w);

/* Tells whether ".." leads back out of the folder that the resolved part names. */
bool walk_leaves(const struct walk *w);

#endif
