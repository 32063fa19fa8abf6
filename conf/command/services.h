/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The services that have a rule, and systemd, which is to start them in their classes.
 *
 * What is in force is in SERVICES_PATH. At each daemon-reload, systemd runs netshim's
 * generator (scripts/netshim-generator), which makes drop-ins of that, of the units as they
 * are by then. */

#ifndef NETSHIM_SERVICES_H
#define NETSHIM_SERVICES_H

#include "conf/contract/rules.h"
#include "conf/language/ruleset.h"

/* A line "UNIT CLASS", "UNIT CLASS/locked" or "UNIT none" for each; a "?" behind it where
 * on-error = allow. */
#define SERVICES_PATH NETSHIM_RUNDIR "/units"

/* Has systemd start services as set says, where that is not what it does already. Tells of
 * what fails. */
bool services_follow(const struct ruleset *set);

/* The first that systemd starts as without a rule, or NULL. */
const struct app *services_unfollowed(const struct ruleset *set);

/* Tells whether systemd starts the unit, by its own name, as netshim has told it, or its template. */
bool services_has_dropin(const char *unit);

/* The rule in force for a unit, as it or its template has it. */
bool services_rule(struct rules *rules, const char *name, struct rules_slot *rule);

/* Notes which rules for units cannot be put into force, as mistakes, and those that have no
 * effect yet. */
void services_check(struct ruleset *set);

/* Removes what services_follow and the generator have left beneath NETSHIM_RUNDIR. */
void services_forget(void);

#endif
