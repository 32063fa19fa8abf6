/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Capabilities of the helper and of netshim-netns. */

#ifndef NETSHIM_CMD_GRANT_H
#define NETSHIM_CMD_GRANT_H

#include "conf/language/ruleset.h"

#include <stdbool.h>

/* Returns why the helper cannot do its work, so that no program with a class is started, and
 * what to do; or NULL. */
const char *grant_wrong(void);

/* Returns what keeps some users from executing one of the two, itself or a folder above it (allocated);
 * or NULL. */
char *grant_closed(const char *path);

/* As grant_wrong, of netshim-netns, and programs whose class has a network namespace. */
const char *grant_netns_wrong(void);

/* Warns of that, and of what netshim-netns lacks where it has to work. */
bool grant_check(void);

/* Gives netshim-netns what it needs where one of these classes has a network namespace. */
bool grant_for(const struct ruleset *set);

/* Takes it away where none that is in force has. */
void grant_no_more(void);

#endif
