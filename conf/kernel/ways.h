/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The ways of a class with an interface: what is in its routing table, and what the
 * packet filter lets it reach by other interfaces. */

#ifndef NETSHIM_WAYS_H
#define NETSHIM_WAYS_H

#include "conf/kernel/routing.h"
#include "conf/language/ruleset.h"

/* A VPN leads everything by halves and smaller parts, before others' default route: OpenVPN by
 * 0.0.0.0/1 and 128.0.0.0/1 (def1), and ::/3, 2000::/4, 3000::/4. Bits of a prefix. */
#define WAYS_WIDE 4

/* Finds every class's interface and its ways, from the machine's networks and from
 * what is in force now (NULL where that is not known). */
void ways_find(struct ruleset *set, const struct routing *now, struct network_list *networks);
void ways_free(const struct ruleset *set, struct network_list *networks);

/* Tells whether the interface of a class, which it has one of, is not there. */
bool ways_are_cut(const struct class *class);

/* Says on stderr what of the machine's networks a class does not reach by itself unless
 * its `local` names it; and where a class knows no router. */
void ways_tell(const struct ruleset *set, const struct network_list *networks);

#endif
