/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The addresses that are open, or closed, by a name: elements of the sets of
 * policy-names.h. */

#ifndef NETSHIM_OPENED_H
#define NETSHIM_OPENED_H

#include "conf/kernel/answers.h"
#include "conf/kernel/policy-allow.h"
#include "conf/kernel/policy-names.h"

#include <netlink/attr.h>
#include <stdio.h>

/* Puts the addresses of an answer into the sets of its words, for as long as if they had
 * not been there before. They are in force when this returns. whose as in policy-names.h.
 * False with errno where the kernel does not take them. */
bool opened_add(const struct answer *answer, const char *whose);

/* Commands that put into the table's sets what is in them now, for the time that is left, and
 * only for names that set still has in the same place. */
void opened_write(FILE *out, const struct ruleset *set);

/* One such command, where enough time is left; and the name by which an element is in its set,
 * or NULL. */
void opened_write_element(FILE *out, const char *set, int family, const unsigned char *key, int64_t left,
			  const char *name);
const char *opened_comment(struct nlattr *element[]);

/* The name of a list by which a destination is in a set now, or NULL. */
const struct peer *opened_word(const struct peer_list *list, enum names_set kind, const struct packet_end *to,
			       const char *whose);

#endif
