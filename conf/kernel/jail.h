/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The network namespaces of classes: makes them, joins them to this machine or moves an
 * interface into them, and loads there what is in force. Failures are told on stderr. */

#ifndef NETSHIM_JAIL_H
#define NETSHIM_JAIL_H

#include "conf/language/ruleset.h"

/* The namespaces and their interfaces, as set says. Those that it does not have stay. */
bool jails_make(const struct ruleset *set);

/* The tables inside; with_now adds to a table's text what holds for now only (allocated). */
bool jails_load(const struct ruleset *set, char *(*with_now)(const char *text, const char *class));

/* Takes back what this process has made and loaded. */
void jails_undo(void);

/* Takes away those that set does not have (with set NULL, all), and puts back what was moved
 * into them. Tells what is still in one. */
bool jails_clean(const struct ruleset *set);

#endif
