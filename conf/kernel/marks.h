/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The marks of the classes that need one and are given none in the configuration. */

#ifndef NETSHIM_MARKS_H
#define NETSHIM_MARKS_H

#include "conf/kernel/routing.h"
#include "conf/language/ruleset.h"

/* Gives each such class the mark that it has in the routing rules in force, or one that
 * is free. */
void marks_allot(struct ruleset *set, const struct routing *now);

#endif
