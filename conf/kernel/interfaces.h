/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Hears of what decides where classes go: their interfaces, addresses, others' routes. */

#ifndef NETSHIM_INTERFACES_H
#define NETSHIM_INTERFACES_H

#include "conf/language/ruleset.h"

/* What classes say in `interface`, a line each (allocated): "" where nothing is to be
 * heard. */
char *interfaces_wanted(const struct ruleset *set);

/* A descriptor that can be read when any interface, address or route changes. */
int interfaces_events(void);

/* Reads what has been told; does not wait. Returns whether any of it may matter to classes
 * with these interfaces. */
bool interfaces_hear(int events, const char *wanted);

/* Looks which interfaces have those names now, to know them when they lose them. */
void interfaces_note(const char *wanted);

#endif
