/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The part of the policy that is about network namespaces that are joined to this machine:
 * what goes through it and to it, and is told by the interface. */

#ifndef NETSHIM_POLICY_JAIL_H
#define NETSHIM_POLICY_JAIL_H

#include "conf/kernel/routing.h"
#include "conf/language/ruleset.h"

#include <stdio.h>

/* The chains of all of them; nothing where there is none. */
void policy_write_jails(FILE *out, const struct ruleset *set, const struct network_list *networks);

#endif
