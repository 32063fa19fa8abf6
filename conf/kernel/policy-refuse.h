/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The part of the policy that is about what is refused. */

#ifndef NETSHIM_POLICY_REFUSE_H
#define NETSHIM_POLICY_REFUSE_H

#include "conf/language/ruleset.h"

#include <stdio.h>

/* Sets whose elements have a timeout: classids whose refusals are lifted, and protocols
 * (ipv4, ipv6) of what is in no class. Each is there where something is refused. */
#define POLICY_LIFTED "lifted"
#define POLICY_LIFTED_OTHERS "lifted_others"

/* A map from a classid (0: no class) to a verdict, for who listens to what is refused. */
#define POLICY_TELL "tell"

/* The same for what this machine refuses of a network namespace, from the interface that joins
 * it: its map, with what is between the braces. */
#define POLICY_TELL_LINKS "tell_links"
#define POLICY_TELL_LINKS_TYPE "type ifname : verdict; flags timeout;"

/* What is kept of refusals where log = true, in sets with a 4 or 6 behind their name: the
 * classid, the user, the destination, and the port or protocol. */
#define POLICY_KEPT_TCP "refused_tcp"
#define POLICY_KEPT_UDP "refused_udp"
#define POLICY_KEPT_OTHER "refused_other"
#define POLICY_KEPT_SIZE 2048
#define POLICY_KEPT_SECONDS 86400

/* The chains to which refusals lead (policy-allow.h), what is lifted, who is told, and what
 * is kept. */
void policy_write_refuse(FILE *out, const struct ruleset *set, const uint32_t *live);

/* Rules by which `netshim blocked` is told of a packet while it listens, and finds it later. */
void policy_write_telling(FILE *out, const struct ruleset *set, const uint32_t *live);

/* A rule that logs what else has to match, as whose it is. */
void policy_write_log(FILE *out, const char *what, const char *whose);

#endif
