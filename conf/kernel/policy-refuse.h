/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The part of the policy that is about what is refused. */

#ifndef NETSHIM_POLICY_REFUSE_H
#define NETSHIM_POLICY_REFUSE_H

#include "conf/language/ruleset.h"

#include <stdio.h>

/* The chains to which refusals lead (policy-allow.h), and what is lifted. */
void policy_write_refuse(FILE *out, const struct ruleset *set);

/* A rule that logs what else has to match, as whose it is. */
void policy_write_log(FILE *out, const char *what, const char *whose);

#endif
