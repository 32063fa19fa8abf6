/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The part of the policy that is about domain names in allow and deny: sets of the
 * addresses that netshim's own resolvers (answerer.h) have answered for them.
 *
 * A set is for all names of a class with the same ports, so that a packet is looked for
 * once, however many names there are. Of allow there are two: `open` ends with the answer,
 * and `known` a day after the last packet, for connections that were begun while it was
 * open. A program may keep an address longer than the answer says, and what deny names
 * is to be closed to it all the same: so `deny` is kept for that long, too. */

#ifndef NETSHIM_POLICY_NAMES_H
#define NETSHIM_POLICY_NAMES_H

#include "conf/language/ruleset.h"

#include <stdio.h>

/* Answers are told to be valid for no longer than this, and an address is open for longer,
 * by the time that it may take from the answer to a connection. Seconds. */
#define NAMES_VALID 300
#define NAMES_OPEN 360

/* The user and the group of netshim's own resolvers, which nobody else has: no system gives
 * out numbers so high. Its own packets are told by it. */
#define NAMES_USER 4294856275U

/* The name of a set. whose is the class, or UNCLASSIFIED. */
enum names_set { NAMES_SET_OPEN, NAMES_SET_KNOWN, NAMES_SET_DENY };
#define NAMES_SET_SIZE (CLASS_NAME_MAX + 32)
void policy_names_set(char text[NAMES_SET_SIZE], enum names_set kind, int family, const struct peer *a,
		      const char *whose);

/* The family of the addresses in a set, or 0 where it has not such a name. */
int policy_names_family(const char *set);

/* Tells whether two words are of the same kind and have the same ports; and whether one of a
 * list is a name, and the first with its set. */
bool policy_names_in_one_set(const struct peer *a, const struct peer *b);
bool policy_names_is_first(const struct peer_list *list, const struct peer *a);

void policy_write_name_sets(FILE *out, const struct ruleset *set);

/* Rules of a class's chain, for what allow and deny name. */
void policy_write_allowed_names(FILE *out, const struct verdict *verdict, const char *whose);
void policy_write_denied_names(FILE *out, const struct verdict *verdict, const char *whose, const char *refusal);

#endif
