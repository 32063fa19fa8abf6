/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Where a running process would be if it were started now: what the rules say about its
 * program and its user, told by the code that the library and the helper ask. */

#ifndef NETSHIM_WANTED_H
#define NETSHIM_WANTED_H

#include "conf/contract/rules.h"
#include "conf/kernel/processes.h"

struct wanted {
	bool rule;    /* one names its program */
	bool refused; /* the class is not for its user */
	bool locked;
	bool others;			/* no rule, but one for other users */
	bool elsewhere;			/* in another network namespace, which only a start leads into */
	char class[CLASS_NAME_MAX + 1]; /* "": none */
	struct rules_slot by;		/* that rule */
};

/* What is known of a process. */
struct wants {
	bool known;    /* else it is netshim itself, or cannot be looked at */
	bool becoming; /* the helper for now, on its way to another program */
	struct wanted before;
	struct wanted now;
};

/* What a rule would name it by: a script's own path, else that which the kernel has. */
struct known_as {
	char path[RULE_PATH_MAX + 16];
	bool replaced; /* it leads to another file by now, or to none */
	uid_t user;
};

/* Who looks, with what has been silent so far. */
struct looker {
	struct rules *before; /* NULL: without rules */
	struct rules *now;
	pid_t child;
	int end;		  /* where it is asked */
	struct known_as known_as; /* what was known last */
	uint64_t until;
	int error; /* why nobody could look, as an errno, where that is it */
	struct process *silent;
	size_t silent_count;
};

/* Tells what those rules files say of a process. One that cannot be looked at in time is
 * never waited for again. The second ends all that, and names those. */
struct wants wanted_by(struct looker *looker, const struct process *process);
void wanted_end(struct looker *looker);

/* Tells whether that is where a start has put it. */
bool wanted_is(const struct wanted *wanted, const struct membership *place);

/* A process that a start would put elsewhere. */
struct outside {
	struct process process;
	bool elsewhere;			/* only a start leads there */
	char class[CLASS_NAME_MAX + 1]; /* where; "": in none */
};

/* All of them; allocated. */
struct outside *wanted_outside(struct rules *rules, size_t *count);

#endif
