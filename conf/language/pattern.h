/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The files that a pattern names: what everybody could find, and of what users may add
 * to, not without end. */

#ifndef NETSHIM_PATTERN_H
#define NETSHIM_PATTERN_H

#include "conf/language/ruleset.h"

/* Tells whether a path is a pattern. */
bool pattern_is_one(const char *path);

/* Warns where a pattern, which has matched nothing, is a path that is there. */
void pattern_warn_of_name(struct ruleset *set, const char *pattern, struct place_in_file at);

/* Calls found for each path that pattern, written there, matches; by_others says that
 * others than root may have put it there. What matches and is left out becomes a warning. */
void pattern_expand(struct ruleset *set, const char *pattern, struct place_in_file at,
		    void (*found)(const char *path, bool by_others, const void *with), const void *with);

#endif
