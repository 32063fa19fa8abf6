/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Policy routing for the classes that have an interface: see routing.h.
 *
 * A class's table has the networks of this machine, a default route over the
 * interface, and a last one into the loopback interface. When the interface goes, the
 * kernel removes its routes, and the last one is left. There the packet filter
 * refuses what is not for this machine, at once and in a way that programs understand
 * (an `unreachable` route would only make TCP try again for minutes). If the filter
 * is gone too, such packets end there as martians. */

#include "conf/kernel/routing.h"

#include "conf/kernel/policy-dns.h"
#include "conf/kernel/routing-parts.h"
#include "conf/kernel/rtnetlink.h"
#include "conf/language/alloc.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>

static bool add_ways(struct nl_sock *socket, const struct routing *now, const struct class *class,
		     const struct ways *ways)
{
	bool ok = true;

	for (size_t i = 0; ok && i < ways->count; i++)
		ok = routing_add_way(socket, now, class, &ways->items[i]);
	return ok;
}

/* What is to be removed, while the kernel's lists are gone through. */
struct cleaning {
	struct nl_sock *socket;
	const struct ruleset *set;
	const struct network_list *networks;
	struct rule_place place; /* of the rules that are wanted */
	bool ok;
};

static const struct class *class_of_table(const struct ruleset *set, uint32_t table)
{
	for (size_t i = 0; set && i < set->class_count; i++)
		if (table && set->classes[i].table == table)
			return &set->classes[i];
	return NULL;
}

/* Somebody may have removed it meanwhile, or it has gone with its interface. */
static bool is_gone(int error, const char *what)
{
	return error == -NLE_OBJ_NOTFOUND || rtnetlink_succeeded(error, what);
}

static void clean_rule(struct nl_object *object, void *with)
{
	struct rtnl_rule *rule = (struct rtnl_rule *)object;
	struct cleaning *c = with;

	if (!routing_rule_is_ours(object))
		return;
	for (size_t i = 0; c->set && i < c->set->class_count; i++)
		if (routing_is_rule_of(&c->set->classes[i], &c->place, rule))
			return;
	c->ok = is_gone(rtnl_rule_delete(c->socket, rule, 0), "remove a routing rule") && c->ok;
}

static bool is_wanted(const struct cleaning *c, struct rtnl_route *route)
{
	uint32_t table = rtnl_route_get_table(route);

	if (!c->set)
		return false;
	if (table == RT_TABLE_LOCAL)
		return policy_has_stand_in(c->set);
	for (size_t i = 0; i < c->set->class_count; i++) {
		const struct ways *ways = &c->networks->ways[i];

		if (!table || c->set->classes[i].table != table)
			continue;
		for (size_t j = 0; j < ways->count; j++)
			if (routing_is_route_of(&ways->items[j], route))
				return true;
	}
	return false;
}

static void clean_route(struct nl_object *object, void *with)
{
	struct rtnl_route *route = (struct rtnl_route *)object;
	struct cleaning *c = with;

	if (!routing_route_is_ours(object) || is_wanted(c, route))
		return;
	c->ok = is_gone(rtnl_route_delete(c->socket, route, 0), "remove a route") && c->ok;
}

bool routing_add(const struct routing *now, const struct ruleset *set, const struct network_list *networks)
{
	struct nl_sock *socket = rtnetlink_socket();
	bool ok = socket && (!policy_has_stand_in(set) || routing_add_stand_in(socket, now));
	struct rule_place place = routing_rule_place(now);

	/* Rules last: by then the table is complete. */
	for (size_t i = 0; ok && i < set->class_count; i++)
		ok = (!set->classes[i].table || add_ways(socket, now, &set->classes[i], &networks->ways[i])) &&
		     routing_add_rules(socket, &set->classes[i], &place);
	nl_socket_free(socket);
	return ok;
}

struct routing *routing_read(void)
{
	struct routing *now = zalloc(sizeof(*now));
	struct nl_sock *socket = rtnetlink_socket();
	bool ok =
		socket &&
		rtnetlink_succeeded(rtnl_rule_alloc_cache(socket, AF_UNSPEC, &now->rules), "read the routing rules") &&
		rtnetlink_succeeded(rtnetlink_routes(socket, &now->routes), "read the routes");

	nl_socket_free(socket);
	if (ok)
		return now;
	routing_free(now);
	return NULL;
}

void routing_free(struct routing *routing)
{
	if (!routing)
		return;
	nl_cache_free(routing->rules);
	nl_cache_free(routing->routes);
	free(routing);
}

bool routing_clean(const struct routing *now, const struct ruleset *set, const struct network_list *networks)
{
	struct cleaning c = { rtnetlink_known_socket(), set, networks, routing_rule_place(now), true };
	struct routing *there = c.socket ? routing_read() : NULL;

	if (there) {
		/* Rules first: a rule without its table would send packets on to
		 * the main one. */
		nl_cache_foreach(there->rules, clean_rule, &c);
		nl_cache_foreach(there->routes, clean_route, &c);
	}
	routing_free(there);
	nl_socket_free(c.socket);
	return there && c.ok;
}

struct checking {
	const struct ruleset *set;
	bool ok;
};

static void check_route(struct nl_object *object, void *with)
{
	struct rtnl_route *route = (struct rtnl_route *)object;
	struct checking *c = with;
	uint32_t table = rtnl_route_get_table(route);
	const struct class *class = class_of_table(c->set, table);

	if (!class || !c->ok || routing_route_is_ours(object))
		return;
	warnx("%s:%d: table %u is in use by others; choose another number with table = N", class->interface_at.file,
	      class->interface_at.line, table);
	c->ok = false;
}

bool routing_check(const struct routing *now, const struct ruleset *set)
{
	struct checking c = { set, true };

	nl_cache_foreach(now->routes, check_route, &c);
	return c.ok;
}

/* Going back to how it was. */
struct restoring {
	struct nl_sock *socket;
	const struct routing *before;
	const struct routing *now;
};

static bool was_there(struct nl_cache *before, struct nl_object *object)
{
	struct nl_object *found = nl_cache_search(before, object);

	nl_object_put(found);
	return found;
}

static void put_back_route(struct nl_object *object, void *with)
{
	struct rtnl_route *route = (struct rtnl_route *)object;
	const struct restoring *r = with;

	if (routing_route_is_ours(object) && !routing_route_is_listed(r->now, route))
		rtnl_route_add(r->socket, route, NLM_F_REPLACE);
}

static void undo_rule(struct nl_object *object, void *with)
{
	const struct restoring *r = with;

	if (routing_rule_is_ours(object) && !was_there(r->before->rules, object))
		rtnl_rule_delete(r->socket, (struct rtnl_rule *)object, 0);
}

static void undo_route(struct nl_object *object, void *with)
{
	const struct restoring *r = with;

	if (routing_route_is_ours(object) && !was_there(r->before->routes, object))
		rtnl_route_delete(r->socket, (struct rtnl_route *)object, 0);
}

void routing_restore(const struct routing *before)
{
	struct nl_sock *socket = rtnetlink_known_socket();
	struct routing *now = socket ? routing_read() : NULL;
	struct restoring r = { socket, before, now };

	if (now) {
		nl_cache_foreach(before->routes, put_back_route, &r);
		routing_put_back_rules(socket, before);
		nl_cache_foreach(now->rules, undo_rule, &r);
		nl_cache_foreach(now->routes, undo_route, &r);
	}
	routing_free(now);
	nl_socket_free(socket);
}

static int hear_way(struct nl_msg *message, void *with)
{
	struct way_to *way = with;
	struct nlmsghdr *header = nlmsg_hdr(message);
	const struct rtmsg *route = nlmsg_data(header);
	const struct nlattr *out = nlmsg_find_attr(header, sizeof(*route), RTA_OIF);

	if (header->nlmsg_type != RTM_NEWROUTE)
		return NL_OK;
	if (out)
		if_indextoname(nla_get_u32(out), way->interface);
	way->local = route->rtm_type == RTN_LOCAL;
	way->has_gateway = nlmsg_find_attr(header, sizeof(*route), RTA_GATEWAY) ||
			   nlmsg_find_attr(header, sizeof(*route), RTA_VIA);
	return NL_OK;
}

bool routing_ask(int family, const struct in6_addr *address, uint32_t mark, struct way_to *way)
{
	const int size = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	struct rtmsg route = { .rtm_family = (unsigned char)family, .rtm_dst_len = (unsigned char)(size * 8) };
	struct nl_msg *message = nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST);
	struct nl_sock *socket = nl_socket_alloc();
	bool ok = message && socket && !nl_connect(socket, NETLINK_ROUTE) &&
		  nlmsg_append(message, &route, sizeof(route), NLMSG_ALIGNTO) >= 0 &&
		  nla_put(message, RTA_DST, size, address) >= 0 && nla_put_u32(message, RTA_MARK, mark) >= 0;

	*way = (struct way_to){ .local = false };
	if (ok) {
		nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, hear_way, way);
		ok = nl_send_auto(socket, message) >= 0 && nl_recvmsgs_default(socket) >= 0 && *way->interface;
	}
	nlmsg_free(message);
	nl_socket_free(socket);
	return ok;
}
