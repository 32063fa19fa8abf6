/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Interfaces of network namespaces, by rtnetlink: see links.h. */

#include "conf/kernel/links.h"

#include "conf/kernel/routing.h"
#include "conf/kernel/rtnetlink.h"
#include "conf/language/address.h"
#include "conf/language/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/route.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* "eth0: No such device" says little without what it was for. */
static bool did(int error, const char *what, const char *name)
{
	char *text = printed("%s %s", what, name);
	bool ok = rtnetlink_succeeded(error, text);

	free(text);
	return ok;
}

bool links_make_pair(const char *name, const char *peer, int peer_namespace)
{
	struct nl_sock *socket = rtnetlink_socket();
	struct rtnl_link *pair = or_out_of_memory(rtnl_link_veth_alloc());
	struct rtnl_link *other = rtnl_link_veth_get_peer(pair);
	int error;

	rtnl_link_set_name(pair, name);
	rtnl_link_set_name(other, peer);
	rtnl_link_set_ns_fd(other, peer_namespace);
	error = socket ? rtnl_link_add(socket, pair, NLM_F_CREATE | NLM_F_EXCL) : -NLE_BAD_SOCK;
	rtnl_link_put(other);
	rtnl_link_veth_release(pair);
	nl_socket_free(socket);
	/* It would be somebody else's. */
	if (error == -NLE_EXIST)
		warnx("there is an interface %s already, or %s in the network namespace; remove it, or give the class "
		      "another netns",
		      name, peer);
	return error != -NLE_EXIST && did(error, "make the interface", name);
}

static struct rtnl_link *named(const char *name)
{
	struct rtnl_link *link = or_out_of_memory(rtnl_link_alloc());

	rtnl_link_set_ifindex(link, (int)if_nametoindex(name));
	return link;
}

bool links_remove(const char *name)
{
	struct nl_sock *socket = rtnetlink_socket();
	struct rtnl_link *link = named(name);
	int error = socket ? 0 : -NLE_BAD_SOCK;

	if (socket && rtnl_link_get_ifindex(link))
		error = rtnl_link_delete(socket, link);
	rtnl_link_put(link);
	nl_socket_free(socket);
	return error == -NLE_NODEV || did(error, "remove the interface", name);
}

static bool change(const char *name, struct rtnl_link *to, const char *what)
{
	struct nl_sock *socket = rtnetlink_socket();
	struct rtnl_link *link = named(name);
	int error = socket ? rtnl_link_change(socket, link, to, 0) : -NLE_BAD_SOCK;

	rtnl_link_put(link);
	rtnl_link_put(to);
	nl_socket_free(socket);
	return did(error, what, name);
}

bool links_set_up(const char *name)
{
	struct rtnl_link *to = named(name);

	rtnl_link_set_flags(to, IFF_UP);
	return change(name, to, "set up the interface");
}

bool links_move(const char *name, int to_namespace)
{
	struct rtnl_link *to = named(name);

	rtnl_link_set_ns_fd(to, to_namespace);
	return change(name, to, "move the interface");
}

/* Nobody else can have it: without a search for doubles it can be used at once. peer may be
 * NULL. */
static int add_address(struct nl_sock *socket, const char *name, struct nl_addr *local, struct nl_addr *peer)
{
	struct rtnl_addr *address = or_out_of_memory(rtnl_addr_alloc());
	int error;

	rtnl_addr_set_ifindex(address, (int)if_nametoindex(name));
	error = rtnl_addr_set_local(address, local);
	if (error >= 0 && peer)
		error = rtnl_addr_set_peer(address, peer);
	if (nl_addr_get_family(local) == AF_INET6)
		rtnl_addr_set_flags(address, IFA_F_NODAD);
	if (error >= 0)
		error = rtnl_addr_add(socket, address, 0);
	rtnl_addr_put(address);
	return error;
}

/* What an interface has, while the kernel's list is gone through. */
struct looking {
	struct nl_sock *socket;
	int interface;
	const struct own_address *items;
	size_t count;
	bool routers;
	FILE *out;
	int error;
};

static const struct in6_addr *end_of(const struct looking *l, const struct own_address *own)
{
	return l->routers ? &own->router : &own->address;
}

static bool is_link_local(const struct nl_addr *address)
{
	return nl_addr_get_family(address) == AF_INET6 &&
	       IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)nl_addr_get_binary_addr(address));
}

static void remove_unwanted(struct nl_object *object, void *with)
{
	struct rtnl_addr *address = (struct rtnl_addr *)object;
	const struct nl_addr *local = rtnl_addr_get_local(address);
	struct looking *l = with;

	if (rtnl_addr_get_ifindex(address) != l->interface || !local || is_link_local(local))
		return;
	for (size_t i = 0; i < l->count; i++)
		if (nl_addr_get_family(local) == l->items[i].family &&
		    nl_addr_get_prefixlen(local) == l->items[i].prefix &&
		    !memcmp(nl_addr_get_binary_addr(local), end_of(l, &l->items[i]), nl_addr_get_len(local)))
			return;
	if (l->error >= 0)
		l->error = rtnl_addr_delete(l->socket, address, 0);
}

static void add_wanted(struct looking *l, const char *name)
{
	for (size_t i = 0; l->error >= 0 && i < l->count; i++) {
		struct nl_addr *local =
			rtnetlink_address(l->items[i].family, end_of(l, &l->items[i]), l->items[i].prefix);

		l->error = add_address(l->socket, name, local, NULL);
		if (l->error == -NLE_EXIST)
			l->error = 0;
		nl_addr_put(local);
	}
}

bool links_set_addresses(const char *name, const struct own_address *items, size_t count, bool routers)
{
	struct looking l = { .socket = rtnetlink_socket(),
			     .interface = (int)if_nametoindex(name),
			     .items = items,
			     .count = count,
			     .routers = routers };
	struct nl_cache *addresses = NULL;

	l.error = l.socket ? rtnl_addr_alloc_cache(l.socket, &addresses) : -NLE_BAD_SOCK;
	if (l.error >= 0)
		nl_cache_foreach(addresses, remove_unwanted, &l);
	add_wanted(&l, name);
	nl_cache_free(addresses);
	nl_socket_free(l.socket);
	return did(l.error, "give addresses to the interface", name);
}

struct path {
	struct nl_addr *to, *via; /* via may be NULL */
	uint32_t metric;
	uint32_t table;
	uint8_t protocol;
};

/* replacing: one that is there already, whoever has made it. */
static int add_route(struct nl_sock *socket, const char *name, const struct path *way, bool replacing)
{
	struct rtnl_route *route = or_out_of_memory(rtnl_route_alloc());
	struct rtnl_nexthop *hop = or_out_of_memory(rtnl_route_nh_alloc());
	int error;

	rtnl_route_set_family(route, (uint8_t)nl_addr_get_family(way->to));
	rtnl_route_set_dst(route, way->to);
	rtnl_route_set_table(route, way->table);
	rtnl_route_set_protocol(route, way->protocol);
	rtnl_route_set_scope(route, way->via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
	rtnl_route_set_priority(route, way->metric);
	rtnl_route_nh_set_ifindex(hop, (int)if_nametoindex(name));
	if (way->via)
		rtnl_route_nh_set_gateway(hop, way->via);
	rtnl_route_add_nexthop(route, hop);
	error = rtnl_route_add(socket, route, replacing ? NLM_F_REPLACE : NLM_F_EXCL);
	rtnl_route_put(route);
	return error;
}

bool links_set_default(const char *name, int family, const struct in6_addr *router)
{
	static const struct in6_addr any;
	struct nl_sock *socket = rtnetlink_socket();
	struct nl_addr *to = rtnetlink_address(family, &any, 0);
	struct nl_addr *via = router ? rtnetlink_address(family, router, address_bits(family)) : NULL;
	const struct path way = { to, via, 0, RT_TABLE_MAIN, RTPROT_STATIC };
	int error = socket ? add_route(socket, name, &way, true) : -NLE_BAD_SOCK;

	nl_addr_put(to);
	nl_addr_put(via);
	nl_socket_free(socket);
	return did(error, "add the default route over", name);
}

#define UP "up"
#define ADDRESS "address "
#define ROUTE "route "	       /* of the main table */
#define ELSEWHERE "elsewhere " /* of others, which rules lead to */
#define ADDRESS_SIZE (INET6_ADDRSTRLEN + 4)

static void keep_address(struct nl_object *object, void *with)
{
	struct rtnl_addr *address = (struct rtnl_addr *)object;
	struct nl_addr *local = rtnl_addr_get_local(address);
	struct nl_addr *peer = rtnl_addr_get_peer(address);
	const struct looking *l = with;
	char text[ADDRESS_SIZE];

	if (rtnl_addr_get_ifindex(address) != l->interface || !local || is_link_local(local))
		return;
	fprintf(l->out, ADDRESS "%s", nl_addr2str(local, text, sizeof(text)));
	if (!strchr(text, '/'))
		fprintf(l->out, "/%u", nl_addr_get_prefixlen(local));
	fprintf(l->out, peer ? " %s\n" : "\n", peer ? nl_addr2str(peer, text, sizeof(text)) : "");
}

/* The kernel's own come with the addresses; those of classes with an interface, with a reload. */
static bool is_others(const struct rtnl_route *route)
{
	struct rtnl_route *r = (struct rtnl_route *)(uintptr_t)route;
	uint8_t protocol = rtnl_route_get_protocol(r);

	return protocol != RTPROT_KERNEL && protocol != ROUTING_PROTOCOL && rtnl_route_get_type(r) == RTN_UNICAST;
}

static void keep_route(struct nl_object *object, void *with)
{
	struct rtnl_route *route = (struct rtnl_route *)object;
	struct nl_addr *to = rtnl_route_get_dst(route);
	const struct looking *l = with;
	struct rtnl_nexthop *hop = rtnl_route_get_nnexthops(route) == 1 ? rtnl_route_nexthop_n(route, 0) : NULL;
	struct nl_addr *via = hop ? rtnl_route_nh_get_gateway(hop) : NULL;
	char text[INET6_ADDRSTRLEN];
	char router[ADDRESS_SIZE] = "-";

	uint32_t table = rtnl_route_get_table(route);

	if (!hop || rtnl_route_nh_get_ifindex(hop) != l->interface || !is_others(route))
		return;
	inet_ntop(nl_addr_get_family(to), nl_addr_get_binary_addr(to), text, sizeof(text));
	if (via)
		nl_addr2str(via, router, sizeof(router));
	fprintf(l->out, "%s%s/%u %s %u %u %u\n", table == RT_TABLE_MAIN ? ROUTE : ELSEWHERE, text,
		nl_addr_get_prefixlen(to), router, rtnl_route_get_priority(route), rtnl_route_get_protocol(route),
		table);
}

static bool is_up(const char *name)
{
	struct ifreq request = { .ifr_flags = 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	up = fd >= 0 && !ioctl(fd, SIOCGIFFLAGS, &request) && (request.ifr_flags & IFF_UP);
	if (fd >= 0)
		close(fd);
	return up;
}

char *links_keep(const char *name)
{
	struct looking l = { .socket = rtnetlink_socket(), .interface = (int)if_nametoindex(name) };
	struct nl_cache *addresses = NULL;
	struct nl_cache *routes = NULL;
	char *text = NULL;
	size_t size;

	l.out = memstream_open(&text, &size);
	if (is_up(name))
		fprintf(l.out, UP "\n");
	if (l.socket && rtnl_addr_alloc_cache(l.socket, &addresses) >= 0)
		nl_cache_foreach(addresses, keep_address, &l);
	if (l.socket && rtnetlink_routes(l.socket, &routes) >= 0)
		nl_cache_foreach(routes, keep_route, &l);
	memstream_close(l.out);
	nl_cache_free(addresses);
	nl_cache_free(routes);
	nl_socket_free(l.socket);
	return text;
}

/* NULL where it is none, as "-". */
static struct nl_addr *parsed(const char *text)
{
	struct nl_addr *address = NULL;

	return nl_addr_parse(text, AF_UNSPEC, &address) < 0 ? NULL : address;
}

/* With its prefix. A library of libnl's takes 0.0.0.0/0 for no address. */
static struct nl_addr *parsed_network(char *text)
{
	char *slash = strchr(text, '/');
	struct in6_addr address = { .s6_addr = { 0 } };
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	if (slash)
		*slash = '\0';
	if (!slash || inet_pton(family, text, &address) != 1)
		return NULL;
	return rtnetlink_address(family, &address, (unsigned)strtoul(slash + 1, NULL, 10));
}

/* Outside, others may have another route for the same by now. */
static int restore_route(struct nl_sock *socket, const char *name, const struct path *way, bool inside)
{
	int error = add_route(socket, name, way, inside);
	char to[ADDRESS_SIZE];

	if (error == -NLE_EXIST)
		warnx("a route to %s is not given back to %s, as there is another one by now",
		      nl_addr_get_prefixlen(way->to) ? nl_addr2str(way->to, to, sizeof(to)) : "all", name);
	return error;
}

static int restore_line(struct nl_sock *socket, const char *name, const char *line, bool inside)
{
	char kind[16];
	char first[64] = "";
	char second[64] = "-";
	unsigned protocol = RTPROT_STATIC;
	struct path way = { .table = RT_TABLE_MAIN };
	int error = 0;

	if (sscanf(line, "%15s %63s %63s %u %u %u", kind, first, second, &way.metric, &protocol, &way.table) < 2)
		return 0;
	way.protocol = (uint8_t)protocol;
	way.to = parsed_network(first);
	way.via = strcmp(second, "-") ? parsed(second) : NULL;
	if (way.to)
		error = strncmp(line, ADDRESS, strlen(ADDRESS)) ? restore_route(socket, name, &way, inside)
								: add_address(socket, name, way.to, way.via);
	nl_addr_put(way.to);
	nl_addr_put(way.via);
	return error == -NLE_EXIST ? 0 : error;
}

/* No rule of the namespace leads to other tables. */
static bool is_meant(const char *line, bool inside)
{
	return !inside || strncmp(line, ELSEWHERE, strlen(ELSEWHERE)) != 0;
}

/* Routes after the addresses that they depend on, as they were kept. */
bool links_restore(const char *name, const char *kept, bool inside)
{
	struct nl_sock *socket;
	char *there;
	int error;

	if (kept && !strncmp(kept, UP "\n", strlen(UP "\n")) && !links_set_up(name))
		return false;
	socket = rtnetlink_socket();
	there = links_keep(name);
	error = socket ? 0 : -NLE_BAD_SOCK;

	for (const char *line = kept; error >= 0 && line && *line; line = strchr(line, '\n')) {
		char *one;

		line += *line == '\n';
		one = printed("%.*s", (int)strcspn(line, "\n"), line);
		if (is_meant(one, inside) && !links_kept_within(one, there))
			error = restore_line(socket, name, one, inside);
		free(one);
	}
	free(there);
	nl_socket_free(socket);
	return did(error, "give its addresses and routes back to", name);
}

static bool has_line(const char *kept, int family, const char *word, const char *with)
{
	for (const char *line = kept; line && *line; line = strchr(line, '\n')) {
		size_t size;
		char *one;
		bool found;

		line += *line == '\n';
		size = strcspn(line, "\n");
		one = printed("%.*s", (int)size, line);
		found = !strncmp(one, word, strlen(word)) && strstr(one, with) &&
			!strchr(one, ':') == (family == AF_INET);
		free(one);
		if (found)
			return true;
	}
	return false;
}

bool links_kept_address(const char *kept, int family)
{
	return has_line(kept, family, ADDRESS, "/");
}

bool links_kept_default(const char *kept, int family)
{
	return has_line(kept, family, ROUTE, "/0 ");
}

bool links_kept_within(const char *some, const char *all)
{
	char *lines = printed("\n%s", all);
	bool within = true;

	for (const char *line = some; within && *line; line += strcspn(line, "\n") + 1) {
		char *one = printed("\n%.*s\n", (int)strcspn(line, "\n"), line);

		within = strstr(lines, one);
		free(one);
	}
	free(lines);
	return within;
}
