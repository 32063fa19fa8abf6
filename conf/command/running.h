/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What runs when its rule comes or changes. */

#ifndef NETSHIM_RUNNING_H
#define NETSHIM_RUNNING_H

#include "conf/contract/rules.h"

#include <stdbool.h>

/* Moves the processes whose rule a load has changed or brought to where a start would put
 * them now, with those of their descendants that have no rule of their own: before is what
 * was in force (NULL: nothing), and RULES_PATH is in force now. What `netshim run`, `netshim
 * move`, another tool or a locked class holds stays. note is a file in which each is noted
 * before it is moved, or NULL.
 *
 * With back, what is noted there goes back first.
 *
 * Prints how many it has moved, and tells those that it could not. */
void running_move(struct rules *before, const char *note, bool back);

#endif
