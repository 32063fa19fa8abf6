/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Policy routing for the classes that have an interface: a table of its own for
 * each, which its mark leads to. Every rule and route carries netshim's protocol
 * number; nothing else is touched. Failures are told on stderr. */

#ifndef NETSHIM_ROUTING_H
#define NETSHIM_ROUTING_H

#include "conf/ruleset.h"

/* The networks that this machine is itself part of, as the kernel's own routes in
 * the main table say. */
struct network {
	int family;
	struct in6_addr address;
	unsigned prefix;
	int interface;
};

struct network_list {
	struct network *items;
	size_t count;
};

bool routing_read_networks(struct network_list *networks);

/* Brings rules and routes to what set says, without a moment in which marked
 * packets would take another way; with set NULL, removes them all. */
bool routing_apply(const struct ruleset *set, const struct network_list *networks);

#endif
