/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Changes what is in force, whole or not at all. For who has the lock (state.h). Failures are told
 * on stderr; what returns int returns the command's exit code. */

#ifndef NETSHIM_CHANGE_H
#define NETSHIM_CHANGE_H

#include "conf/language/ruleset.h"

/* What becomes of processes whose rule has changed: they stay where they are, or go where
 * a start would put them now; and what unconfirmed changes have moved goes back. */
enum running { RUNNING_STAYS, RUNNING_MOVES, RUNNING_GOES_BACK };

/* Puts set into force, and allots marks to its classes that have none. Where that fails, all is as it
 * was; EXIT_FAILURE, too, where set is in force, but services do not follow it, or something of what
 * was in force before is left. */
int change_to(struct ruleset *set, enum running running);

/* Follows interfaces, addresses and others' routes, as they are now, with the classes that
 * are in force, and changes nothing else. Takes CAP_NET_ADMIN alone. */
int change_ways(struct ruleset *set);

/* Puts the rules of set into force, which is what is in force but for the programs that
 * packages have. Nothing about the network changes by it. */
int change_programs(const struct ruleset *set, enum running running);

/* Tells whether next, too, could be put into force after set, as far as sets can tell; with
 * a message where not. */
bool change_can_follow(const struct ruleset *next, const struct ruleset *set);

/* Where nothing is in force: the rules alone, so that no program that has one is started. */
int change_to_refusal(const struct ruleset *set);

/* Takes everything out of force, and NETSHIM_RUNDIR away. EXIT_FAILURE, too, where something is left. */
int change_to_nothing(void);

#endif
