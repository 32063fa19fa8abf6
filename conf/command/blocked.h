/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the parts of `netshim blocked` share: cmd-blocked.c shows what is kept of what was
 * refused, blocked-follow.c what is refused while one looks; blocked-entries.c knows which class
 * each is of, and puts together what is of the same; blocked-print.c prints it. */

#ifndef NETSHIM_BLOCKED_H
#define NETSHIM_BLOCKED_H

#include "conf/command/culprit.h"
#include "conf/contract/rules.h"
#include "conf/kernel/inside.h"
#include "conf/kernel/refusals.h"
#include "conf/language/ruleset.h"

/* One destination that was refused to one class and user. */
struct blocked_entry {
	struct refusal refusal;
	char class[CLASS_NAME_MAX + 1]; /* of which it is told; in a namespace, whosoever sends */
	uint32_t inode;			/* of the socket that has sent it, or 0 */
	struct culprit culprit;
	uint64_t told; /* how many packets of it have been told */
};

struct blocked {
	bool follow;
	bool json;
	const char *only;	     /* a class's name, or NULL */
	const struct inside *inside; /* the namespace that is looked at, or NULL: this one */
	struct asked *classes;
	size_t class_count;
	int class_width;
	struct blocked_entry **entries;
	size_t entry_count;
	void *known; /* the same as a tree (tsearch) */
	struct suspects suspects;
	bool any_kept; /* there is something that keeps them */
};

/* The classes that are in force now; and ends the command where the one that is asked about is
 * none of them. */
void blocked_read_classes(struct blocked *b);
void blocked_check_class(const struct blocked *b);
bool blocked_is_wanted(const struct blocked *b, const char *class);
/* The class that a refusal is told of. All that is in a namespace is its class's. NULL where it
 * is of none that is asked about. */
const char *blocked_class(const struct blocked *b, uint32_t classid);

/* That of the refusal; a new one has no packets. The other is NULL where there is none. */
struct blocked_entry *blocked_entry(struct blocked *b, const char *class, const struct refusal *refusal);
struct blocked_entry *blocked_known(const struct blocked *b, const char *class, const struct refusal *refusal);
/* By its inode, among the suspects. */
void blocked_find_culprit(const struct blocked *b, struct blocked_entry *e);

/* Prints the columns' titles; an entry, or with b->json an object of it, and ends the command where
 * nobody reads that any more; all entries, likewise. */
void blocked_print_heading(const struct blocked *b);
void blocked_print(const struct blocked *b, const struct blocked_entry *e);
void blocked_print_all(const struct blocked *b);

_Noreturn void blocked_follow(struct blocked *b);

#endif
