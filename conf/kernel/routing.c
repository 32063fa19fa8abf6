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
#include "conf/language/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>

/* Before the main table's rule (32766), after the local table's (0), and before those of
 * others: the kernel gives one that is added without a priority the next before the
 * first after the local table's. */
#define RULE_PRIORITY 20000

static const int families[] = { AF_INET, AF_INET6 };

/* The kernel's rules and routes, netshim's and all others, at one moment. */
struct routing {
	struct nl_cache *rules;
	struct nl_cache *routes;
};

static bool routing_rule_is_ours(struct nl_object *object)
{
	uint8_t protocol = 0;

	return !rtnl_rule_get_protocol((struct rtnl_rule *)object, &protocol) && protocol == ROUTING_PROTOCOL;
}

static bool routing_route_is_ours(struct nl_object *object)
{
	return rtnl_route_get_protocol((struct rtnl_route *)object) == ROUTING_PROTOCOL;
}

struct nl_sock *rtnetlink_socket(void)
{
	struct nl_sock *socket = nl_socket_alloc();

	if (!socket)
		err(EXIT_FAILURE, "out of memory");
	if (!nl_connect(socket, NETLINK_ROUTE))
		return socket;
	warnx("cannot reach the kernel's routing (rtnetlink)");
	nl_socket_free(socket);
	return NULL;
}

static int loopback(void)
{
	return (int)if_nametoindex("lo");
}

bool rtnetlink_succeeded(int error, const char *what)
{
	if (error >= 0 || error == -NLE_EXIST)
		return true;
	warnx("cannot %s: %s", what, nl_geterror(error));
	return false;
}

static bool ipv6_lacking;

bool rtnetlink_lacks_ipv6(void)
{
	return ipv6_lacking;
}

/* Where the kernel was started with ipv6.disable=1, there is nothing of IPv6 to route:
 * nobody has registered for its rules (EAFNOSUPPORT) or routes (EOPNOTSUPP). */
static bool rtnetlink_succeeded_for(int family, int error, const char *what)
{
	if (family != AF_INET6 || (error != -NLE_AF_NOSUPPORT && error != -NLE_OPNOTSUPP))
		return rtnetlink_succeeded(error, what);
	ipv6_lacking = true;
	return true;
}

static struct nl_addr *make_address(int family, const struct in6_addr *address, unsigned prefix)
{
	static const struct in6_addr any;
	struct nl_addr *made = nl_addr_build(family, address ? address : &any, family == AF_INET ? 4 : 16);

	if (!made)
		err(EXIT_FAILURE, "out of memory");
	nl_addr_set_prefixlen(made, (int)prefix);
	return made;
}

static bool is_ones_own(struct rtnl_route *route)
{
	uint8_t protocol = rtnl_route_get_protocol(route);

	return (protocol == RTPROT_KERNEL || protocol == RTPROT_RA || protocol == RTPROT_DHCP) &&
	       rtnl_route_get_table(route) == RT_TABLE_MAIN && rtnl_route_get_type(route) == RTN_UNICAST &&
	       rtnl_route_get_nnexthops(route) == 1 && !rtnl_route_nh_get_gateway(rtnl_route_nexthop_n(route, 0));
}

/* false where there is none, or a link-local one: the kernel keeps those on their
 * link by itself. */
static bool take_address(struct network *network, const struct nl_addr *from)
{
	if (!from || nl_addr_get_len(from) > sizeof(network->address))
		return false;
	memcpy(&network->address, nl_addr_get_binary_addr(from), nl_addr_get_len(from));
	return network->family != AF_INET6 || !IN6_IS_ADDR_LINKLOCAL(&network->address);
}

static void note_network(struct network_list *networks, const struct network *network)
{
	networks->items = grown(networks->items, networks->count, sizeof(*networks->items));
	networks->items[networks->count++] = *network;
}

static void note_main_route(struct network_list *networks, const struct network *to, struct rtnl_nexthop *hop)
{
	struct main_route route = { .to = *to };
	struct nl_addr *gateway = rtnl_route_nh_get_gateway(hop);

	route.to.interface = rtnl_route_nh_get_ifindex(hop);
	if (gateway && nl_addr_get_len(gateway) <= sizeof(route.gateway)) {
		route.has_gateway = true;
		memcpy(&route.gateway, nl_addr_get_binary_addr(gateway), nl_addr_get_len(gateway));
	}
	networks->main = grown(networks->main, networks->main_count, sizeof(*networks->main));
	networks->main[networks->main_count++] = route;
}

/* The kernel lists the routes to one network in the order in which it takes them. */
static void note_route(struct network_list *networks, struct rtnl_route *route)
{
	const struct nl_addr *to = rtnl_route_get_dst(route);
	struct network network = { .family = rtnl_route_get_family(route), .prefix = nl_addr_get_prefixlen(to) };

	if (rtnl_route_get_table(route) != RT_TABLE_MAIN || rtnl_route_get_type(route) != RTN_UNICAST ||
	    !take_address(&network, to))
		return;
	for (int i = 0; i < rtnl_route_get_nnexthops(route); i++)
		note_main_route(networks, &network, rtnl_route_nexthop_n(route, i));
	if (!is_ones_own(route) || !network.prefix)
		return;
	network.interface = rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, 0));
	note_network(networks, &network);
}

static int note_route_message(struct nl_msg *message, void *with)
{
	struct rtnl_route *route;

	if (rtnl_route_parse(nlmsg_hdr(message), &route) < 0)
		return NL_SKIP;
	note_route(with, route);
	rtnl_route_put(route);
	return NL_OK;
}

/* Those that carry others' packets within their own. Not ppp, which is how many reach
 * their provider. */
static bool is_tunnel(const char *kind)
{
	static const char *const kinds[] = { "tun",    "wireguard", "amneziawg", "ovpn", "gre",	  "gretap",
					     "ip6gre", "ip6gretap", "erspan",	 "ipip", "sit",	  "ip6tnl",
					     "vti",    "vti6",	    "xfrm",	 "l2tp", "geneve" };

	for (size_t i = 0; kind && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kind, kinds[i]))
			return true;
	return false;
}

static int note_link(struct nl_msg *message, void *with)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	const struct ifinfomsg *info = nlmsg_data(header);
	struct network_list *networks = with;
	struct nlattr *attributes[IFLA_MAX + 1];
	struct nlattr *kinds[IFLA_INFO_MAX + 1] = { NULL };
	struct link link = { .index = info->ifi_index, .up = info->ifi_flags & IFF_UP };

	if (nlmsg_parse(header, sizeof(*info), attributes, IFLA_MAX, NULL) || !attributes[IFLA_IFNAME])
		return NL_SKIP;
	if (attributes[IFLA_LINKINFO])
		nla_parse_nested(kinds, IFLA_INFO_MAX, attributes[IFLA_LINKINFO], NULL);
	nla_strlcpy(link.name, attributes[IFLA_IFNAME], sizeof(link.name));
	link.tunnel = kinds[IFLA_INFO_KIND] && is_tunnel(nla_get_string(kinds[IFLA_INFO_KIND]));
	networks->links = grown(networks->links, networks->link_count, sizeof(*networks->links));
	networks->links[networks->link_count++] = link;
	return NL_OK;
}

/* Not libnl's own caches: that of links takes a request that could not be sent for one
 * that was, and waits for the answer for ever; that of routes leaves out those that
 * differ in their interface alone. */
static int read_all(int type, void *request, size_t size, int (*note)(struct nl_msg *, void *),
		    struct network_list *networks)
{
	struct nl_sock *socket = rtnetlink_socket();
	int error;

	if (!socket)
		return -NLE_BAD_SOCK;
	nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, note, networks);
	error = nl_send_simple(socket, type, NLM_F_DUMP, request, size);
	if (error >= 0)
		error = nl_recvmsgs_default(socket);
	nl_socket_free(socket);
	return error;
}

static void note_address(struct nl_object *object, void *with)
{
	struct rtnl_addr *address = (struct rtnl_addr *)object;
	struct network_list *networks = with;
	struct network own = { .family = rtnl_addr_get_family(address), .interface = rtnl_addr_get_ifindex(address) };

	if (!take_address(&own, rtnl_addr_get_local(address)))
		return;
	for (size_t i = 0; i < networks->own_count; i++)
		if (network_is_same(&networks->own[i], &own) && networks->own[i].interface == own.interface)
			return;
	networks->own = grown(networks->own, networks->own_count, sizeof(*networks->own));
	networks->own[networks->own_count++] = own;
}

static int read_once(struct network_list *networks)
{
	struct rtmsg routes = { .rtm_family = AF_UNSPEC };
	struct ifinfomsg links = { .ifi_family = AF_UNSPEC };
	struct nl_sock *socket = rtnetlink_socket();
	struct nl_cache *addresses = NULL;
	int error = socket ? rtnl_addr_alloc_cache(socket, &addresses) : -NLE_BAD_SOCK;

	*networks = (struct network_list){ .items = NULL };
	if (error >= 0)
		nl_cache_foreach(addresses, note_address, networks);
	if (error >= 0)
		error = read_all(RTM_GETROUTE, &routes, sizeof(routes), note_route_message, networks);
	if (error >= 0)
		error = read_all(RTM_GETLINK, &links, sizeof(links), note_link, networks);
	nl_cache_free(addresses);
	nl_socket_free(socket);
	return error;
}

#define READ_TRIES 50

/* What comes or goes while the kernel lists it may make it list some of it twice or not
 * at all, which it tells (NLM_F_DUMP_INTR): then it is asked again. */
bool networks_read(struct network_list *networks)
{
	int error = read_once(networks);

	for (int tries = 1; error == -NLE_DUMP_INTR && tries < READ_TRIES; tries++) {
		networks_free(networks);
		error = read_once(networks);
	}
	return rtnetlink_succeeded(error, "read the interfaces, addresses and routes");
}

void networks_free(struct network_list *networks)
{
	free(networks->items);
	free(networks->own);
	free(networks->main);
	free(networks->links);
}

static struct rtnl_route *make_route(uint32_t table, int family, const struct network *to, uint8_t type)
{
	struct rtnl_route *route = rtnl_route_alloc();
	struct nl_addr *destination = make_address(family, to ? &to->address : NULL, to ? to->prefix : 0);

	if (!route)
		err(EXIT_FAILURE, "out of memory");
	rtnl_route_set_family(route, (uint8_t)family);
	rtnl_route_set_table(route, table);
	rtnl_route_set_protocol(route, ROUTING_PROTOCOL);
	rtnl_route_set_type(route, type);
	rtnl_route_set_dst(route, destination);
	nl_addr_put(destination);
	return route;
}

static void add_nexthop(struct rtnl_route *route, int interface, const struct in6_addr *gateway, int family)
{
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	struct nl_addr *via = gateway ? make_address(family, gateway, family == AF_INET ? 32 : 128) : NULL;

	if (!hop)
		err(EXIT_FAILURE, "out of memory");
	rtnl_route_nh_set_ifindex(hop, interface);
	if (via) {
		rtnl_route_nh_set_gateway(hop, via);
		nl_addr_put(via);
	}
	rtnl_route_add_nexthop(route, hop);
	rtnl_route_set_scope(route, via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
}

static uint8_t type_of(const struct way *way)
{
	return way->kind == WAY_NAMED ? RTN_THROW : way->kind == WAY_PROXY ? RTN_LOCAL : RTN_UNICAST;
}

static int try_route(struct nl_sock *socket, const struct class *class, const struct way *way, uint8_t type)
{
	struct rtnl_route *route = make_route(class->table, way->to.family, &way->to, type);
	int error;

	if (type == RTN_UNICAST || type == RTN_LOCAL)
		add_nexthop(route, way->to.interface ? way->to.interface : loopback(),
			    way->has_gateway ? &way->gateway : NULL, way->to.family);
	else
		rtnl_route_set_scope(route, RT_SCOPE_UNIVERSE);
	if (type == RTN_LOCAL)
		rtnl_route_set_scope(route, RT_SCOPE_HOST);
	rtnl_route_set_priority(route, way->metric);
	error = rtnl_route_add(socket, route, NLM_F_REPLACE);
	rtnl_route_put(route);
	return error;
}

static void tell_no_way_out(const struct class *class, const struct way *way, int error)
{
	const char *why = way->has_gateway ? "the interface is down, or the gateway is in no network of the interface"
					   : "the interface is down";

	/* libnl has no words for what the kernel says in these cases. */
	if (error != -NLE_FAILURE)
		why = nl_geterror(error);
	warnx("%s:%d: class %s has no way out by %s over %s, so it is refused: %s; when that has changed, run "
	      "'netshim reload'",
	      class->interface_at.file, class->interface_at.line, class->name,
	      way->to.family == AF_INET ? "IPv4" : "IPv6", class->device, why);
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

static bool routing_add_way(struct nl_sock *socket, const struct class *class, const struct way *way)
{
	static const char *const words[] = {
		[WAY_OUT] = "add the route to a class's interface",
		[WAY_NEAR] = "copy the route of a local network",
		[WAY_NAMED] = "add the route to what local names",
		[WAY_LAST] = "add the route that stops a class when its interface is gone",
		[WAY_PROXY] = "add the route to a proxy",
	};
	int error = try_route(socket, class, way, type_of(way));

	/* Where the loopback interface is down, nothing but refusing is left. */
	if (way->kind == WAY_LAST && error < 0 && error != -NLE_EXIST)
		error = try_route(socket, class, way, RTN_UNREACHABLE);
	if (way->kind == WAY_NEAR && error < 0 && has_gone(&way->to))
		return true;
	if (way->kind != WAY_OUT || error >= 0 || error == -NLE_EXIST)
		return rtnetlink_succeeded_for(way->to.family, error, words[way->kind]);
	/* That is what is asked for. */
	if (!way->to.prefix && class->interface)
		tell_no_way_out(class, way, error);
	return true;
}

/* The rules that a class with a table of its own has. */
struct wanted_rule {
	uint32_t priority;
	uint32_t table;
};

/* Returns how many. */
static size_t rules_of(const struct class *class, uint32_t priority, struct wanted_rule rules[2])
{
	rules[0] = (struct wanted_rule){ priority, class->table };
	rules[1] = (struct wanted_rule){ priority + 1, RT_TABLE_MAIN };
	return class->ordinary ? 2 : 1;
}

static void look_at_rule(struct nl_object *object, void *with)
{
	struct rtnl_rule *rule = (struct rtnl_rule *)object;
	uint32_t priority = rtnl_rule_get_prio(rule);
	/* That of virtual routers (l3mdev) has no table; who is in one stays there. */
	bool virtual = rtnl_rule_get_action(rule) == FR_ACT_TO_TBL && !rtnl_rule_get_table(rule);
	uint32_t *first = with;

	if (!routing_rule_is_ours(object) && !virtual && priority && priority < *first)
		*first = priority;
}

static uint32_t routing_rule_priority(const struct routing *now)
{
	uint32_t first = RULE_PRIORITY + 2;

	nl_cache_foreach(now->rules, look_at_rule, &first);
	return first > 3 ? first - 2 : 1;
}

static bool add_rule(struct nl_sock *socket, const struct class *class, int family, const struct wanted_rule *wanted)
{
	struct rtnl_rule *rule = rtnl_rule_alloc();
	int error;

	if (!rule)
		err(EXIT_FAILURE, "out of memory");
	rtnl_rule_set_family(rule, family);
	rtnl_rule_set_prio(rule, wanted->priority);
	rtnl_rule_set_mark(rule, class->mark.value);
	rtnl_rule_set_mask(rule, class->mark.mask);
	rtnl_rule_set_table(rule, wanted->table);
	rtnl_rule_set_action(rule, FR_ACT_TO_TBL);
	rtnl_rule_set_protocol(rule, ROUTING_PROTOCOL);
	error = rtnl_rule_add(socket, rule, NLM_F_EXCL);
	rtnl_rule_put(rule);
	return rtnetlink_succeeded_for(family, error, "add a routing rule");
}

static bool is_routed_for(const struct class *class, int family)
{
	for (size_t i = 0; i < class->udp_proxies.count; i++)
		if (class->udp_proxies.items[i].family == family)
			return true;
	return !class->udp_proxies.count;
}

static bool routing_add_rules(struct nl_sock *socket, const struct class *class, uint32_t priority)
{
	struct wanted_rule rules[2];
	size_t count = rules_of(class, priority, rules);
	bool ok = true;

	for (size_t i = 0; ok && i < count; i++)
		for (size_t j = 0; ok && j < 2; j++)
			ok = !is_routed_for(class, families[j]) || add_rule(socket, class, families[j], &rules[i]);
	return ok;
}

/* A local route makes an address the machine's own without giving it to an interface. */
static bool routing_add_stand_in(struct nl_sock *socket)
{
	struct network address = { .family = AF_INET, .prefix = 32 };
	struct rtnl_route *route;
	int error;

	inet_pton(AF_INET, STAND_IN, &address.address);
	route = make_route(RT_TABLE_LOCAL, AF_INET, &address, RTN_LOCAL);
	add_nexthop(route, loopback(), NULL, AF_INET);
	rtnl_route_set_scope(route, RT_SCOPE_HOST);
	error = rtnl_route_add(socket, route, NLM_F_REPLACE);
	rtnl_route_put(route);
	return rtnetlink_succeeded(error, "add the route of " STAND_IN);
}

static bool add_class(struct nl_sock *socket, const struct class *class, const struct ways *ways, uint32_t priority)
{
	bool ok = true;

	for (size_t i = 0; ok && i < ways->count; i++)
		ok = routing_add_way(socket, class, &ways->items[i]);
	/* Last: by now the table is complete. */
	return ok && routing_add_rules(socket, class, priority);
}

/* What is to be removed, while the kernel's lists are gone through. */
struct cleaning {
	struct nl_sock *socket;
	const struct ruleset *set;
	const struct network_list *networks;
	uint32_t priority; /* of the rules that are wanted */
	bool ok;
};

static const struct class *class_of_table(const struct ruleset *set, uint32_t table)
{
	for (size_t i = 0; set && i < set->class_count; i++)
		if (table && set->classes[i].table == table)
			return &set->classes[i];
	return NULL;
}

static bool routing_is_rule_of(const struct class *class, uint32_t priority, struct rtnl_rule *rule)
{
	struct wanted_rule rules[2];
	size_t count =
		class->table && is_routed_for(class, rtnl_rule_get_family(rule)) ? rules_of(class, priority, rules) : 0;
	bool found = false;

	for (size_t i = 0; i < count; i++)
		found = found ||
			(rules[i].priority == rtnl_rule_get_prio(rule) && rules[i].table == rtnl_rule_get_table(rule));
	return found && class->mark.value == rtnl_rule_get_mark(rule) && class->mark.mask == rtnl_rule_get_mask(rule);
}

static void clean_rule(struct nl_object *object, void *with)
{
	struct rtnl_rule *rule = (struct rtnl_rule *)object;
	struct cleaning *c = with;

	if (!routing_rule_is_ours(object))
		return;
	for (size_t i = 0; c->set && i < c->set->class_count; i++)
		if (routing_is_rule_of(&c->set->classes[i], c->priority, rule))
			return;
	c->ok = rtnetlink_succeeded(rtnl_rule_delete(c->socket, rule, 0), "remove a routing rule") && c->ok;
}

static bool routing_is_route_of(const struct way *way, struct rtnl_route *route)
{
	const struct nl_addr *to = rtnl_route_get_dst(route);
	struct network network = { .family = rtnl_route_get_family(route), .prefix = nl_addr_get_prefixlen(to) };
	int interface = rtnl_route_get_nnexthops(route) ? rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, 0)) : 0;

	memcpy(&network.address, nl_addr_get_binary_addr(to), nl_addr_get_len(to));
	if (!network_is_same(&way->to, &network) || way->metric != rtnl_route_get_priority(route))
		return false;
	return !way->to.interface || way->to.interface == interface;
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
	int error;

	if (rtnl_route_get_protocol(route) != ROUTING_PROTOCOL || is_wanted(c, route))
		return;
	error = rtnl_route_delete(c->socket, route, 0);
	/* It may have gone with its interface meanwhile. */
	c->ok = (error == -NLE_OBJ_NOTFOUND || rtnetlink_succeeded(error, "remove a route")) && c->ok;
}

bool routing_add(const struct routing *now, const struct ruleset *set, const struct network_list *networks)
{
	struct nl_sock *socket = rtnetlink_socket();
	bool ok = socket && (!policy_has_stand_in(set) || routing_add_stand_in(socket));
	uint32_t priority = routing_rule_priority(now);

	for (size_t i = 0; ok && i < set->class_count; i++)
		if (set->classes[i].table)
			ok = add_class(socket, &set->classes[i], &networks->ways[i], priority);
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
		rtnetlink_succeeded(rtnl_route_alloc_cache(socket, AF_UNSPEC, 0, &now->routes), "read the routes");

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
	struct cleaning c = { rtnetlink_socket(), set, networks, routing_rule_priority(now), true };
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
	l->interface = interface == loopback() ? l->interface : interface;
}

int routing_way_out(const struct routing *now, uint32_t table)
{
	struct looking l = { table, 0 };

	nl_cache_foreach(now->routes, look_at_route, &l);
	return l.interface;
}

struct listing {
	struct routing_rule *rules;
	size_t count;
};

static void list_rule(struct nl_object *object, void *with)
{
	struct rtnl_rule *rule = (struct rtnl_rule *)object;
	struct listing *l = with;

	l->rules = grown(l->rules, l->count, sizeof(*l->rules));
	l->rules[l->count++] = (struct routing_rule){
		.family = rtnl_rule_get_family(rule),
		.mark = { rtnl_rule_get_mark(rule), rtnl_rule_get_mask(rule) },
		.table = rtnl_rule_get_table(rule),
		.own = routing_rule_is_ours(object),
	};
}

size_t routing_rules(const struct routing *now, struct routing_rule **rules)
{
	struct listing l = { NULL, 0 };

	nl_cache_foreach(now->rules, list_rule, &l);
	*rules = l.rules;
	return l.count;
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

	if (!class || !c->ok || rtnl_route_get_protocol(route) == ROUTING_PROTOCOL)
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
};

static bool was_there(struct nl_cache *before, struct nl_object *object)
{
	struct nl_object *found = nl_cache_search(before, object);

	nl_object_put(found);
	return found;
}

static void put_back_route(struct nl_object *object, void *with)
{
	const struct restoring *r = with;

	if (routing_route_is_ours(object))
		rtnl_route_add(r->socket, (struct rtnl_route *)object, NLM_F_REPLACE);
}

static void put_back_rule(struct nl_object *object, void *socket)
{
	if (routing_rule_is_ours(object))
		rtnl_rule_add(socket, (struct rtnl_rule *)object, NLM_F_EXCL);
}

static void routing_put_back_rules(struct nl_sock *socket, const struct routing *from)
{
	nl_cache_foreach(from->rules, put_back_rule, socket);
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
	struct restoring r = { rtnetlink_socket(), before };
	struct routing *now = r.socket ? routing_read() : NULL;

	if (now) {
		nl_cache_foreach(before->routes, put_back_route, &r);
		routing_put_back_rules(r.socket, before);
		nl_cache_foreach(now->rules, undo_rule, &r);
		nl_cache_foreach(now->routes, undo_route, &r);
	}
	routing_free(now);
	nl_socket_free(r.socket);
}

/* To where netshim's rules are to be. */
struct moving {
	struct nl_sock *socket;
	uint32_t to;
	bool any;
	bool ok;
};

/* Each is looked at by itself: who follows interfaces may have moved them, and others may
 * have put back what they had kept, so that one is there twice. */
static bool is_to_move(struct nl_object *object, uint32_t to, uint32_t *wanted)
{
	struct rtnl_rule *rule = (struct rtnl_rule *)object;

	/* As rules_of has them. */
	*wanted = rtnl_rule_get_table(rule) == RT_TABLE_MAIN ? to + 1 : to;
	return routing_rule_is_ours(object) && rtnl_rule_get_prio(rule) != *wanted;
}

static void add_moved(struct nl_object *object, void *with)
{
	struct moving *m = with;
	struct rtnl_rule *rule;
	uint32_t wanted;
	int error;

	if (!is_to_move(object, m->to, &wanted))
		return;
	rule = (struct rtnl_rule *)nl_object_clone(object);
	if (!rule)
		err(EXIT_FAILURE, "out of memory");
	rtnl_rule_set_prio(rule, wanted);
	error = rtnl_rule_add(m->socket, rule, NLM_F_EXCL);
	m->any = true;
	m->ok = m->ok && (error >= 0 || error == -NLE_EXIST);
	rtnl_rule_put(rule);
}

static void delete_moved(struct nl_object *object, void *with)
{
	const struct moving *m = with;
	uint32_t wanted;

	if (is_to_move(object, m->to, &wanted))
		rtnl_rule_delete(m->socket, (struct rtnl_rule *)object, 0);
}

static struct routing *read_rules(struct nl_sock *socket)
{
	struct routing *now = zalloc(sizeof(*now));

	if (rtnetlink_succeeded(rtnl_rule_alloc_cache(socket, AF_UNSPEC, &now->rules), "read the routing rules"))
		return now;
	routing_free(now);
	return NULL;
}

static bool move_ahead(struct nl_sock *socket, const struct routing *now)
{
	struct moving m = { .socket = socket, .to = routing_rule_priority(now), .ok = true };

	nl_cache_foreach(now->rules, add_moved, &m);
	if (m.any && m.ok)
		nl_cache_foreach(now->rules, delete_moved, &m);
	return m.any;
}

bool routing_keep_rules(struct routing **rules)
{
	struct nl_sock *socket = rtnetlink_socket();
	struct routing *now = NULL;

	if (socket && *rules)
		routing_put_back_rules(socket, *rules);
	if (socket)
		now = read_rules(socket);
	if (now && move_ahead(socket, now)) {
		routing_free(now);
		now = read_rules(socket);
	}
	nl_socket_free(socket);
	if (!now)
		return false;
	routing_free(*rules);
	*rules = now;
	return true;
}

int routing_events(void)
{
	struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1U << (RTNLGRP_IPV4_RULE - 1) | 1U << (RTNLGRP_IPV6_RULE - 1),
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&groups, sizeof(groups)))
		err(EXIT_FAILURE, "cannot be told of routing rules (rtnetlink)");
	return fd;
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
