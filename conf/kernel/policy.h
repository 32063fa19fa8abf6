/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The policy: what nftables is told about every class. */

#ifndef NETSHIM_POLICY_H
#define NETSHIM_POLICY_H

#include "conf/kernel/counters.h"
#include "conf/kernel/routing.h"
#include "conf/language/ruleset.h"

/* A class's own chains are class_NAME, mark_NAME, dns_NAME, queries_NAME, answers_NAME, stay_NAME and
 * in_NAME, with serve shaped_ and serve_NAME, served_NAME in a namespace, host_NAME, from_NAME and
 * to_NAME for one, with a proxy asked_, allowed_, proxied_, proxy_, source_, inside_, udp_, tproxied_ and tproxy_NAME,
 * and while somebody listens to what is refused, tell_NAME: no other chain's name begins so. For
 * the moment in which another table takes the place of a large one (handover.h), there is ahead_NAME
 * for each with a hook. */

/* What is loaded in a class's network namespace: all that is sent there is its. there is what networks
 * the namespace is part of, or NULL where nobody has looked. */
char *policy_inside(const struct class *class, const struct counters *counters, const struct network_list *there);

/* The ruleset as text for nft, in one transaction that replaces the table. Allocated.
 * What follows may be NULL: counters is what the counters go on from; live has the
 * classid that each class has until it is given its own (0: no other), which leads to
 * the same rules; gone has more classids, up to a 0, whose packets are dropped;
 * networks are the machine's own, which a class with an interface still reaches. */
char *policy_text(const struct ruleset *set, const struct counters *counters, const uint32_t *live,
		  const uint32_t *gone, const struct network_list *networks);

#endif
