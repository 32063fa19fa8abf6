/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the parts of policy routing share: routing.c brings all of it to what is wanted or back,
 * routing-rules.c has the rules, routing-routes.c the routes of the classes' tables. */

#ifndef NETSHIM_ROUTING_PARTS_H
#define NETSHIM_ROUTING_PARTS_H

#include "conf/language/ruleset.h"

#include <netlink/route/route.h>
#include <netlink/route/rule.h>

struct way;

/* The kernel's rules and routes, netshim's and all others, at one moment. */
struct routing {
	struct nl_cache *rules;
	struct nl_cache *routes;
};

bool routing_rule_is_ours(struct nl_object *rule);
bool routing_route_is_ours(struct nl_object *route);

/* Where netshim's rules are to be: before others'. */
struct rule_place {
	uint32_t first; /* priority */
	/* IPv4, IPv6: the local table's rule comes later, so one of netshim's is before the first */
	bool local[2];
};
struct rule_place routing_rule_place(const struct routing *now);
/* The rules that lead to a class's table and to its namespace's network. */
bool routing_add_rules(struct nl_sock *socket, const struct class *class, const struct rule_place *place);
bool routing_is_rule_of(const struct class *class, const struct rule_place *place, struct rtnl_rule *rule);
/* Adds netshim's rules that were there and have gone. */
void routing_put_back_rules(struct nl_sock *socket, const struct routing *from);

/* Tells whether it is there, with all that it says. Then it is not to be sent: the kernel would
 * replace one of IPv6 by its like, forget what it has learned for it (path MTUs) and tell everybody
 * (fib6_add_rt2node in its net/ipv6/ip6_fib.c). */
bool routing_route_is_listed(const struct routing *now, struct rtnl_route *route);
/* Where it is not there as it is wanted. */
bool routing_add_way(struct nl_sock *socket, const struct routing *now, const struct class *class,
		     const struct way *way);
bool routing_is_route_of(const struct way *way, struct rtnl_route *route);
/* The route of the address that stands in for resolvers (policy-dns.h). */
bool routing_add_stand_in(struct nl_sock *socket, const struct routing *now);

#endif
