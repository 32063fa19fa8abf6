/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the parts of the policy share with each other: each writes its chains of
 * the table as text. */

#ifndef NETSHIM_POLICY_H
#define NETSHIM_POLICY_H

#include "conf/kernel/routing.h"
#include "conf/language/ruleset.h"

#include <stdio.h>

/* A class's own chains are class_NAME, mark_NAME, dns_NAME and stay_NAME: no other
 * chain's name begins so. */

/* Writes the rule with that map from classids to what is done with the packets of the
 * classes that want it, such as "goto CHAIN": "thenNAME" for each. live as in
 * policy_text. */
void policy_write_map(FILE *out, const struct ruleset *set, const uint32_t *live, const char *map, const char *then,
		      bool (*wants)(const struct class *));

/* policy-dns.c: the chains that redirect name queries; and the rules of a class's
 * own chain that let the redirected ones through and no other. */
void policy_write_dns(FILE *out, const struct ruleset *set, const uint32_t *live);
void policy_write_dns_guard(FILE *out, const struct class *class);

/* Tells whether queries that a program sends to 127.0.0.53 or another loopback
 * resolver have to go out to a remote one. */
bool policy_needs_route_localnet(const struct ruleset *set);

/* policy-vpn.c: the chains that keep a class at its interface, give it that
 * interface's address, and refuse it when the interface is gone. networks are the
 * machine's own. */
void policy_write_vpn_guard(FILE *out, const struct class *class);
void policy_write_own_addresses(FILE *out, const struct ruleset *set, const struct network_list *networks);
void policy_write_vpn(FILE *out, const struct ruleset *set, const struct network_list *networks);

/* Lets answers come in by the classes' interfaces; and tells whether one is any
 * class's. */
bool policy_loosen_rp_filter(const struct ruleset *set);
bool policy_needs_rp_filter(const struct ruleset *set, const char *interface);

#endif
