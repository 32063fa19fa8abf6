/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Which of a path's rules by argument holds for what a program is started with.
 *
 * All functions are async-signal-safe, leave errno alone and need about 1 KiB of stack,
 * or 5 KiB for arguments of more than some 500 bytes that may name a file. */

#ifndef NETSHIM_WITH_H
#define NETSHIM_WITH_H

#include "conf/contract/rules.h"

/* One argument. A relative path in it starts at folder; where it is "", it is the file
 * that is open as that. */
struct with_argument {
	const char *text;
	size_t size;
	int folder;
};

/* So many come before the list: of each interpreter that a script has, what its first line
 * gives it, and the script. */
#define WITH_LEADS_MAX 10

struct with_arguments {
	char *const *list; /* or NULL; the first of it is no argument */
	int folder;	   /* where relative paths in it start; AT_FDCWD: where the caller is */
	struct with_argument leads[WITH_LEADS_MAX];
	unsigned lead_count;
	/* Reads what list leads to, for whoever cannot know that it is memory, into where the
	 * one before is. Returns 1, 0 at the end, or -EFAULT. NULL: it is the caller's own. */
	int (*read)(char *const *list, struct with_argument *argument);
};

/* Puts the rule that holds for these arguments in the place of one with the flag RULE_WITH.
 * Returns false where none does, or rules are damaged. Where it cannot be told, because of
 * a bad pointer or a kind that a later version knows, the rule is left as it is. */
bool with_choose(struct rules *rules, const struct with_arguments *arguments, struct rules_slot *rule);

/* Puts one of its rules by argument in the place of a rule. */
void with_put(struct rules_slot *rule, const struct rules_with *with);

#endif
