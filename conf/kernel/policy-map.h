/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the parts of the policy share: one look-up for all classes. */

#ifndef NETSHIM_POLICY_MAP_H
#define NETSHIM_POLICY_MAP_H

#include "conf/language/ruleset.h"

#include <stdio.h>

/* Writes the rule with that map from classids to what is done with the packets of the
 * classes that want it, such as "goto CHAIN": "thenNAME" for each. live as in
 * policy_text (policy.h). */
void policy_write_map(FILE *out, const struct ruleset *set, const uint32_t *live, const char *map, const char *then,
		      bool (*wants)(const struct class *));

#endif
