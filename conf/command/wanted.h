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
	char class[CLASS_NAME_MAX + 1]; /* "": none */
};

/* Fills in what each of count rules files says; NULL is one without rules. Returns false
 * for netshim itself, and for what cannot be looked at; what is the helper for now, on its
 * way to another program, is told by becoming. */
bool wanted_by(struct rules *const rules[], size_t count, const struct process *process, struct wanted wanted[],
	       bool *becoming);

/* Tells whether a start would leave it where it is. */
bool wanted_there(const struct wanted *wanted, const struct membership *place);

/* A process that a start would put elsewhere. */
struct outside {
	struct process process;
	char class[CLASS_NAME_MAX + 1]; /* where; "": in none */
};

/* All of them; allocated. */
struct outside *wanted_outside(struct rules *rules, size_t *count);

#endif
