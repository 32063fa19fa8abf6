/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The part of the policy that is about classes whose traffic goes to a local proxy. */

#ifndef NETSHIM_POLICY_PROXY_H
#define NETSHIM_POLICY_PROXY_H

#include "conf/language/ruleset.h"

#include <stdio.h>

/* What a proxy of the class itself would do is refused, and counted by this and the
 * class's name. */
#define POLICY_LOOP_COUNTER "loop"

bool policy_has_proxy(const struct class *class);

/* In a class's own chain: first what is on its way to its proxy already, which its rate
 * and priority (write_shaping) are left for; and at the end, that nothing else leaves this
 * machine. */
void policy_write_proxied(FILE *out, const struct class *class);
void policy_write_proxy_guard(FILE *out, const struct class *class, const char *refusal);

/* The chains that lead it there. */
void policy_write_proxies(FILE *out, const struct ruleset *set, const uint32_t *live);

#endif
