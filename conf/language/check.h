/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The checks that need the whole configuration. */

#ifndef NETSHIM_CHECK_H
#define NETSHIM_CHECK_H

#include "conf/language/ruleset.h"

/* Finds what is defined twice and what has no class. Gives classids, marks and tables
 * to the classes that state none. Notes mistakes. */
void check_whole(struct ruleset *set);

#endif
