/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The part of the policy that is about name queries. */

#ifndef NETSHIM_POLICY_DNS_H
#define NETSHIM_POLICY_DNS_H

#include "conf/language/ruleset.h"

#include <stdio.h>

/* An address of this machine's that stands in for 127.0.0.1 where a query from there is
 * to leave it: the dummy address of RFC 7600. Whether any is. */
#define STAND_IN "192.0.0.8"
bool policy_has_stand_in(const struct ruleset *set);

/* The chain to which those of all classes lead that let a class's redirected queries through: it
 * refuses all other queries. */
void policy_write_other_queries(FILE *out, const struct ruleset *set);

/* The chains that redirect name queries; the chain that lets a class's redirected ones
 * through and no other, and the rules of the class's own chain that lead there; and what
 * answers need when they come in, behind conntrack; and for packets that no socket sends. */
void policy_write_dns(FILE *out, const struct ruleset *set, const uint32_t *live);
void policy_write_query_guard(FILE *out, const struct class *class);
void policy_write_dns_guard(FILE *out, const struct class *class);
void policy_write_dns_answers(FILE *out, const struct ruleset *set);
void policy_write_lost_queries(FILE *out, const struct ruleset *set);
bool policy_has_dns(const struct class *class);

/* Rules for what netshim's own resolver is asked, answers and asks itself; and their chain. */
void policy_write_answerer(FILE *out, const struct verdict *verdict, const char *whose);
void policy_write_answers(FILE *out, const struct verdict *verdict, const char *whose);

/* The chain not_led, for what goes to one of those on lo without having been led there; false
 * where there is none. */
bool policy_write_not_led(FILE *out, const struct ruleset *set);

/* Only the rules that let through what goes to resolvers. */
void policy_write_resolvers(FILE *out, const struct endpoint_list *list);

#endif
