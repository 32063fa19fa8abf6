/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The routes of the classes' tables: what each way (ways.h) is as a route. */

#include "conf/kernel/policy-dns.h"
#include "conf/kernel/routing-parts.h"
#include "conf/kernel/routing.h"
#include "conf/kernel/rtnetlink.h"
#include "conf/language/address.h"
#include "conf/language/alloc.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/route/route.h>

bool routing_route_is_ours(struct nl_object *object)
{
	return rtnl_route_get_protocol((struct rtnl_route *)object) == ROUTING_PROTOCOL;
}

/* In every network namespace (LOOPBACK_IFINDEX in the kernel's drivers/net/loopback.c). */
#define LOOPBACK 1

static struct rtnl_route *make_route(uint32_t table, const struct network *to, uint8_t type)
{
	struct rtnl_route *route = or_out_of_memory(rtnl_route_alloc());
	struct nl_addr *destination = rtnetlink_address(to->family, &to->address, to->prefix);

	rtnl_route_set_family(route, (uint8_t)to->family);
	rtnl_route_set_tos(route, 0);
	rtnl_route_set_table(route, table);
	rtnl_route_set_protocol(route, ROUTING_PROTOCOL);
	rtnl_route_set_type(route, type);
	rtnl_route_set_dst(route, destination);
	rtnl_route_set_priority(route, 0);
	nl_addr_put(destination);
	return route;
}

static void add_nexthop(struct rtnl_route *route, int interface, const struct gateway *gateway)
{
	struct rtnl_nexthop *hop = or_out_of_memory(rtnl_route_nh_alloc());
	struct nl_addr *via = NULL;

	if (gateway && gateway->family)
		via = rtnetlink_address(gateway->family, &gateway->address, address_bits(gateway->family));
	rtnl_route_nh_set_ifindex(hop, interface);
	rtnetlink_set_gateway(hop, rtnl_route_get_family(route), via);
	if (gateway && gateway->onlink)
		rtnl_route_set_flags(route, RTNH_F_ONLINK);
	nl_addr_put(via);
	rtnl_route_add_nexthop(route, hop);
}

/* Whatever leads to the loopback interface refuses in IPv6, without an error of its own (fib6_prop in
 * the kernel's net/ipv6/route.c). nftables says "unreachable" of it before Linux 7.2, and then its
 * type (__nft_fib6_eval_type in nft_fib_ipv6.c), which is no other route's, as IPv6 has no broadcast. */
static uint8_t type_of(const struct way *way)
{
	switch (way->kind) {
	case WAY_NAMED:
		return RTN_THROW;
	case WAY_PROXY:
		return RTN_LOCAL;
	case WAY_LAST:
		return way->to.family == AF_INET6 ? RTN_BROADCAST : RTN_UNICAST;
	default:
		return RTN_UNICAST;
	}
}

/* IPv6 has none, and tells this one (rt6_fill_node in the kernel's net/ipv6/route.c). */
static uint8_t scope_of(const struct way *way, uint8_t type)
{
	if (way->to.family == AF_INET6)
		return RT_SCOPE_UNIVERSE;
	if (type == RTN_LOCAL)
		return RT_SCOPE_HOST;
	return type == RTN_UNICAST && !way->gateway.family ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

static bool has_gateway(struct rtnl_route *route)
{
	return rtnetlink_gateway(rtnl_route_nexthop_n(route, 0));
}

/* libnl looks only at what the wanted one has, a gateway say. One that leads nowhere may have the
 * loopback interface in the kernel's list. */
static bool leads_no_other_way(struct rtnl_route *route, struct rtnl_route *wanted)
{
	return !rtnl_route_get_nnexthops(wanted) ||
	       (rtnl_route_get_nnexthops(route) == 1 && has_gateway(route) == has_gateway(wanted));
}

bool routing_route_is_listed(const struct routing *now, struct rtnl_route *route)
{
	struct nl_object *found = nl_cache_search(now->routes, (struct nl_object *)route);
	bool listed = found && nl_object_match_filter(found, (struct nl_object *)route) &&
		      leads_no_other_way((struct rtnl_route *)found, route);

	nl_object_put(found);
	return listed;
}

/* What leads everywhere has a destination of zeros in the list of libnl 3.12, and one without an
 * address in that of 3.7. */
static bool is_there(const struct routing *now, struct rtnl_route *route)
{
	struct nl_addr *to = rtnl_route_get_dst(route);
	bool there = routing_route_is_listed(now, route);

	if (there || nl_addr_get_prefixlen(to))
		return there;
	nl_addr_set_binary_addr(to, NULL, 0);
	return routing_route_is_listed(now, route);
}

static int put_route(struct nl_sock *socket, const struct routing *now, struct rtnl_route *route)
{
	int error = is_there(now, route) ? 0 : rtnl_route_add(socket, route, NLM_F_REPLACE);

	rtnl_route_put(route);
	return error;
}

static int try_route(struct nl_sock *socket, const struct routing *now, const struct class *class,
		     const struct way *way, uint8_t type)
{
	struct rtnl_route *route = make_route(class->table, &way->to, type);

	if (type == RTN_UNICAST || type == RTN_BROADCAST || type == RTN_LOCAL)
		add_nexthop(route, way->to.interface ? way->to.interface : LOOPBACK, &way->gateway);
	rtnl_route_set_scope(route, scope_of(way, type));
	rtnl_route_set_priority(route, way->metric);
	return put_route(socket, now, route);
}

static void tell_no_way_out(const struct class *class, const struct way *way, int error)
{
	char name[IF_NAMESIZE] = "?";
	char to[INET6_ADDRSTRLEN];
	char *where;
	const char *why = way->gateway.family
				  ? "the interface is down, or the gateway is in no network of the interface"
				  : "the interface is down";

	/* libnl has no words for what the kernel says in these cases. */
	if (error != -NLE_FAILURE)
		why = nl_geterror(error);
	if_indextoname((unsigned)way->to.interface, name);
	inet_ntop(way->to.family, &way->to.address, to, sizeof(to));
	where = way->to.prefix ? printed("to %s/%u", to, way->to.prefix)
			       : printed("out by %s", way->to.family == AF_INET ? "IPv4" : "IPv6");
	warnx("%s:%d: class %s has no way %s over %s, so it is refused: %s; netshim watch lets it out when "
	      "that has changed",
	      class->interface_at.file, class->interface_at.line, class->name, where,
	      class->device ? class->device : name, why);
	free(where);
}

/* With its interface or an address, since the networks were read. */
static bool has_gone(const struct network *network)
{
	struct network_list now;
	bool gone = networks_read(&now);

	for (size_t i = 0; i < now.count; i++)
		gone = gone &&
		       !(network_is_same(&now.items[i], network) && now.items[i].interface == network->interface);
	networks_free(&now);
	return gone;
}

bool routing_add_way(struct nl_sock *socket, const struct routing *now, const struct class *class,
		     const struct way *way)
{
	static const char *const words[] = {
		[WAY_OUT] = "add the route to a class's interface",
		[WAY_NEAR] = "copy the route of a local network",
		[WAY_NAMED] = "add the route to what local names",
		[WAY_LAST] = "add the route that stops a class when its interface is gone",
		[WAY_PROXY] = "add the route to a proxy",
	};
	int error = try_route(socket, now, class, way, type_of(way));

	/* Where the loopback interface is down, nothing but refusing is left. */
	if (way->kind == WAY_LAST && error < 0 && error != -NLE_EXIST)
		error = try_route(socket, now, class, way, RTN_UNREACHABLE);
	if (way->kind == WAY_NEAR && error < 0 && has_gone(&way->to))
		return true;
	if (way->kind != WAY_OUT || error >= 0 || error == -NLE_EXIST)
		return rtnetlink_succeeded_for(way->to.family, error, words[way->kind]);
	/* That is what is asked for. */
	if (!way->to.prefix || class->ordinary)
		tell_no_way_out(class, way, error);
	return true;
}

/* A local route makes an address the machine's own without giving it to an interface. */
bool routing_add_stand_in(struct nl_sock *socket, const struct routing *now)
{
	struct network address = { .family = AF_INET, .prefix = 32 };
	struct rtnl_route *route;

	inet_pton(AF_INET, STAND_IN, &address.address);
	route = make_route(RT_TABLE_LOCAL, &address, RTN_LOCAL);
	add_nexthop(route, LOOPBACK, NULL);
	rtnl_route_set_scope(route, RT_SCOPE_HOST);
	return rtnetlink_succeeded(put_route(socket, now, route), "add the route of " STAND_IN);
}

/* Where a new one could not be set, the old one is there still. */
static bool has_gateway_of(const struct way *way, struct rtnl_route *route)
{
	const struct nl_addr *via =
		rtnl_route_get_nnexthops(route) ? rtnetlink_gateway(rtnl_route_nexthop_n(route, 0)) : NULL;

	if (!via || !way->gateway.family)
		return !via && !way->gateway.family;
	return nl_addr_get_family(via) == way->gateway.family &&
	       !memcmp(nl_addr_get_binary_addr(via), &way->gateway.address, nl_addr_get_len(via));
}

bool routing_is_route_of(const struct way *way, struct rtnl_route *route)
{
	const struct nl_addr *to = rtnl_route_get_dst(route);
	struct network network = { .family = rtnl_route_get_family(route), .prefix = nl_addr_get_prefixlen(to) };
	int interface = rtnl_route_get_nnexthops(route) ? rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, 0)) : 0;

	memcpy(&network.address, nl_addr_get_binary_addr(to), nl_addr_get_len(to));
	if (!network_is_same(&way->to, &network) || way->metric != rtnl_route_get_priority(route))
		return false;
	return (!way->to.interface || way->to.interface == interface) && has_gateway_of(way, route);
}

struct looking {
	uint32_t table;
	int interface;
};

static void look_at_route(struct nl_object *object, void *with)
{
	struct rtnl_route *route = (struct rtnl_route *)object;
	struct looking *l = with;
	int interface;

	if (!routing_route_is_ours(object) || rtnl_route_get_table(route) != l->table ||
	    rtnl_route_get_nnexthops(route) != 1 || nl_addr_get_prefixlen(rtnl_route_get_dst(route)))
		return;
	interface = rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, 0));
	l->interface = interface == LOOPBACK ? l->interface : interface;
}

int routing_way_out(const struct routing *now, uint32_t table)
{
	struct looking l = { table, 0 };

	nl_cache_foreach(now->routes, look_at_route, &l);
	return l.interface;
}
