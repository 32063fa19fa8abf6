/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the words of allow and deny match. */

#ifndef NETSHIM_POLICY_ALLOW_H
#define NETSHIM_POLICY_ALLOW_H

#include "conf/language/ruleset.h"

#include <stdio.h>

/* The rules that do what "then" says with the packets that the word is for, or with
 * those of the kernel's own tunnels. */
void policy_write_allowance(FILE *out, const struct allowance *a, const char *then);
void policy_write_tunnels(FILE *out, const struct ruleset *set, const char *then);

#endif
