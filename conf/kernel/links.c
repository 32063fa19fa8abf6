/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Interfaces of network namespaces, by rtnetlink: see links.h. */

#include "conf/kernel/links.h"

#include "conf/kernel/routing.h"
#include "conf/kernel/rtnetlink.h"
#include "conf/language/address.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"

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

/* Nobody else can have it: without a search for doubles it can be used at once. */
static struct rtnl_addr *new_address(const char *name, struct nl_addr *local)
{
	struct rtnl_addr *address = or_out_of_memory(rtnl_addr_alloc());

	rtnl_addr_set_ifindex(address, (int)if_nametoindex(name));
	rtnl_addr_set_local(address, local);
	if (nl_addr_get_family(local) == AF_INET6)
		rtnl_addr_set_flags(address, IFA_F_NODAD);
	return address;
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
	struct nl_cache *addresses;
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
		struct rtnl_addr *address = new_address(name, local);

		l->error = rtnl_addr_add(l->socket, address, 0);
		if (l->error == -NLE_EXIST)
			l->error = 0;
		rtnl_addr_put(address);
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

/* via may be NULL, or of the other family. */
static struct rtnl_route *new_route(const char *name, struct nl_addr *to, struct nl_addr *via)
{
	struct rtnl_route *route = or_out_of_memory(rtnl_route_alloc());
	struct rtnl_nexthop *hop = or_out_of_memory(rtnl_route_nh_alloc());

	rtnl_route_set_family(route, (uint8_t)nl_addr_get_family(to));
	rtnl_route_set_dst(route, to);
	rtnl_route_set_table(route, RT_TABLE_MAIN);
	rtnl_route_set_protocol(route, RTPROT_STATIC);
	rtnl_route_set_scope(route, via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
	rtnl_route_nh_set_ifindex(hop, (int)if_nametoindex(name));
	rtnetlink_set_gateway(hop, nl_addr_get_family(to), via);
	rtnl_route_add_nexthop(route, hop);
	return route;
}

bool links_set_default(const char *name, int family, const struct in6_addr *router)
{
	static const struct in6_addr any;
	struct nl_sock *socket = rtnetlink_socket();
	struct nl_addr *to = rtnetlink_address(family, &any, 0);
	struct nl_addr *via = router ? rtnetlink_address(family, router, address_bits(family)) : NULL;
	struct rtnl_route *route = new_route(name, to, via);
	int error = socket ? rtnl_route_add(socket, route, NLM_F_REPLACE) : -NLE_BAD_SOCK;

	rtnl_route_put(route);
	nl_addr_put(to);
	nl_addr_put(via);
	nl_socket_free(socket);
	return did(error, "add the default route over", name);
}

/* The kernel says what else there is of an address. */
#define KEPT_FLAGS (IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN)

#define UP "up"
#define ADDRESS "address "
#define ROUTE "route "	       /* of the main table */
#define ELSEWHERE "elsewhere " /* of others, which rules lead to */
#define LIFETIMES " valid "    /* the last of an address: they go down */
#define ADDRESS_SIZE (INET6_ADDRSTRLEN + 4)

static void print_address(FILE *out, const char *before, const struct nl_addr *address, const char *none)
{
	char text[ADDRESS_SIZE];

	fprintf(out, "%s%s", before, address ? nl_addr2str(address, text, sizeof(text)) : none);
}

static void keep_address(struct nl_object *object, void *with)
{
	struct rtnl_addr *address = (struct rtnl_addr *)object;
	struct nl_addr *local = rtnl_addr_get_local(address);
	const char *label = rtnl_addr_get_label(address);
	const struct looking *l = with;
	uint32_t valid = rtnl_addr_get_valid_lifetime(address);
	uint32_t preferred = rtnl_addr_get_preferred_lifetime(address);

	if (rtnl_addr_get_ifindex(address) != l->interface || !local || is_link_local(local))
		return;
	print_address(l->out, ADDRESS, local, "");
	if ((unsigned)nl_addr_get_prefixlen(local) == address_bits(nl_addr_get_family(local)))
		fprintf(l->out, "/%u", nl_addr_get_prefixlen(local));
	print_address(l->out, " ", rtnl_addr_get_peer(address), "-");
	fprintf(l->out, " flags %u scope %d", rtnl_addr_get_flags(address) & KEPT_FLAGS, rtnl_addr_get_scope(address));
	if (rtnl_addr_get_broadcast(address))
		print_address(l->out, " broadcast ", rtnl_addr_get_broadcast(address), "");
	if (label && !strpbrk(label, " \n"))
		fprintf(l->out, " label %s", label);
	if (valid != UINT32_MAX || preferred != UINT32_MAX)
		fprintf(l->out, LIFETIMES "%u preferred %u", valid, preferred);
	fprintf(l->out, "\n");
}

/* Tells whether it leads to the network of an address for which the kernel makes no such route. */
static bool is_of_address(struct rtnl_route *route, const struct looking *l)
{
	const struct nl_addr *to = rtnl_route_get_dst(route);

	for (struct nl_object *o = nl_cache_get_first(l->addresses); o; o = nl_cache_get_next(o)) {
		struct rtnl_addr *address = (struct rtnl_addr *)o;
		const struct nl_addr *local = rtnl_addr_get_local(address);

		if (rtnl_addr_get_ifindex(address) == l->interface && local &&
		    rtnl_addr_get_flags(address) & IFA_F_NOPREFIXROUTE &&
		    nl_addr_get_family(local) == nl_addr_get_family(to) &&
		    nl_addr_get_prefixlen(local) == nl_addr_get_prefixlen(to) && !nl_addr_cmp_prefix(local, to))
			return true;
	}
	return false;
}

/* The kernel's own come with the addresses; those of classes with an interface, with a reload. */
static bool is_others(struct rtnl_route *route, const struct looking *l)
{
	uint8_t protocol = rtnl_route_get_protocol(route);

	return rtnl_route_get_type(route) == RTN_UNICAST && protocol != ROUTING_PROTOCOL &&
	       (protocol != RTPROT_KERNEL || is_of_address(route, l));
}

/* On the way to a router there is a route without one. */
static void keep_route(struct nl_object *object, void *with)
{
	struct rtnl_route *route = (struct rtnl_route *)object;
	const struct nl_addr *to = rtnl_route_get_dst(route);
	const struct looking *l = with;
	struct rtnl_nexthop *hop = rtnl_route_get_nnexthops(route) == 1 ? rtnl_route_nexthop_n(route, 0) : NULL;
	const struct nl_addr *via = hop ? rtnetlink_gateway(hop) : NULL;
	uint32_t table = rtnl_route_get_table(route);
	char text[INET6_ADDRSTRLEN];
	uint32_t value;

	if (!hop || rtnl_route_nh_get_ifindex(hop) != l->interface || !is_others(route, l) || !via == l->routers)
		return;
	inet_ntop(nl_addr_get_family(to), nl_addr_get_binary_addr(to), text, sizeof(text));
	fprintf(l->out, "%s%s/%u", table == RT_TABLE_MAIN ? ROUTE : ELSEWHERE, text, nl_addr_get_prefixlen(to));
	print_address(l->out, " ", via, "-");
	fprintf(l->out, " %u %u %u scope %u tos %u flags %u", rtnl_route_get_priority(route),
		rtnl_route_get_protocol(route), table, rtnl_route_get_scope(route), rtnl_route_get_tos(route),
		rtnl_route_get_flags(route) & RTNH_F_ONLINK);
	if (rtnl_route_get_pref_src(route))
		print_address(l->out, " src ", rtnl_route_get_pref_src(route), "");
	for (int metric = 1; metric <= RTAX_MAX; metric++)
		if (metric != RTAX_CC_ALGO && !rtnl_route_get_metric(route, metric, &value))
			fprintf(l->out, " metric%d %u", metric, value);
	fprintf(l->out, "\n");
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
	struct nl_cache *routes = NULL;
	char *text = NULL;
	size_t size;

	l.out = memstream_open(&text, &size);
	if (is_up(name))
		fprintf(l.out, UP "\n");
	if (l.socket && rtnl_addr_alloc_cache(l.socket, &l.addresses) >= 0)
		nl_cache_foreach(l.addresses, keep_address, &l);
	if (l.addresses && rtnetlink_routes(l.socket, &routes) >= 0) {
		nl_cache_foreach(routes, keep_route, &l);
		l.routers = true;
		nl_cache_foreach(routes, keep_route, &l);
	}
	memstream_close(l.out);
	nl_cache_free(l.addresses);
	nl_cache_free(routes);
	nl_socket_free(l.socket);
	return text;
}

/* NULL where it is none, as "-". */
static struct nl_addr *parsed(const char *text)
{
	struct nl_addr *address = NULL;

	return !text || nl_addr_parse(text, AF_UNSPEC, &address) < 0 ? NULL : address;
}

/* With its prefix. A library of libnl's takes 0.0.0.0/0 for no address. */
static struct nl_addr *parsed_network(char *text)
{
	char *slash = text ? strchr(text, '/') : NULL;
	struct in6_addr address = { .s6_addr = { 0 } };
	int family = text && strchr(text, ':') ? AF_INET6 : AF_INET;

	bool ok;

	if (!slash)
		return NULL;
	*slash = '\0';
	ok = inet_pton(family, text, &address) == 1;
	*slash = '/';
	return ok ? rtnetlink_address(family, &address, (unsigned)strtoul(slash + 1, NULL, 10)) : NULL;
}

/* Nobody prolongs its life inside. */
static void set_of_address(struct rtnl_addr *address, const char *word, const char *value, bool inside)
{
	unsigned number = (unsigned)strtoul(value, NULL, 10);
	struct nl_addr *other = parsed(value);

	if (!strcmp(word, "flags"))
		rtnl_addr_set_flags(address, number);
	else if (!strcmp(word, "scope"))
		rtnl_addr_set_scope(address, (int)number);
	else if (!strcmp(word, "broadcast") && other)
		rtnl_addr_set_broadcast(address, other);
	else if (!strcmp(word, "label"))
		rtnl_addr_set_label(address, value);
	else if (!strcmp(word, "valid") && !inside)
		rtnl_addr_set_valid_lifetime(address, number);
	else if (!strcmp(word, "preferred") && !inside)
		rtnl_addr_set_preferred_lifetime(address, number);
	nl_addr_put(other);
}

static int restore_address(struct nl_sock *socket, const char *name, char *rest, bool inside)
{
	struct nl_addr *local = parsed_network(strsep(&rest, " "));
	struct nl_addr *peer = parsed(strsep(&rest, " "));
	struct rtnl_addr *address = local ? new_address(name, local) : NULL;
	const char *word;
	const char *value;
	int error = -NLE_INVAL;

	if (address && peer)
		rtnl_addr_set_peer(address, peer);
	while (address && (word = strsep(&rest, " ")) && (value = strsep(&rest, " ")))
		set_of_address(address, word, value, inside);
	if (address)
		error = rtnl_addr_add(socket, address, 0);
	rtnl_addr_put(address);
	nl_addr_put(local);
	nl_addr_put(peer);
	return error == -NLE_EXIST ? 0 : error;
}

/* The address may be another interface's, and not inside. */
static void set_of_route(struct rtnl_route *route, const char *word, const char *value, bool inside)
{
	unsigned number = (unsigned)strtoul(value, NULL, 10);
	struct nl_addr *other = parsed(value);
	int metric;

	if (!strcmp(word, "scope"))
		rtnl_route_set_scope(route, (uint8_t)number);
	else if (!strcmp(word, "tos"))
		rtnl_route_set_tos(route, (uint8_t)number);
	else if (!strcmp(word, "flags"))
		rtnl_route_set_flags(route, number);
	else if (!strcmp(word, "src") && other && !inside)
		rtnl_route_set_pref_src(route, other);
	else if (sscanf(word, "metric%d", &metric) == 1)
		rtnl_route_set_metric(route, metric, number);
	nl_addr_put(other);
}

/* Outside, others may have another route for the same by now. */
static int restore_route(struct nl_sock *socket, const char *name, char *rest, bool inside)
{
	struct nl_addr *to = parsed_network(strsep(&rest, " "));
	struct nl_addr *via = parsed(strsep(&rest, " "));
	struct rtnl_route *route = to ? new_route(name, to, via) : NULL;
	unsigned metric = 0;
	unsigned protocol = RTPROT_STATIC;
	unsigned table = RT_TABLE_MAIN;
	const char *word;
	const char *value;
	int read = 0;
	int error = -NLE_INVAL;

	if (route) {
		if (rest && sscanf(rest, "%u %u %u%n", &metric, &protocol, &table, &read) == 3)
			rest += read + (rest[read] == ' ');
		rtnl_route_set_priority(route, metric);
		rtnl_route_set_protocol(route, (uint8_t)protocol);
		rtnl_route_set_table(route, table);
		while ((word = strsep(&rest, " ")) && (value = strsep(&rest, " ")))
			set_of_route(route, word, value, inside);
		error = rtnl_route_add(socket, route, inside ? NLM_F_REPLACE : NLM_F_EXCL);
	}
	rtnl_route_put(route);
	nl_addr_put(to);
	nl_addr_put(via);
	return error;
}

/* What the kernel does not take, it will not take at the next time: it is told, and outside that
 * is the end of it. */
static bool restore_line(struct nl_sock *socket, const char *name, const char *line, bool inside)
{
	bool is_address = begins(line, ADDRESS);
	char *rest = copied(strchr(line, ' ') + 1);
	int error =
		is_address ? restore_address(socket, name, rest, inside) : restore_route(socket, name, rest, inside);

	/* Its first word by now. */
	if (error == -NLE_EXIST)
		warnx("a route to %s is not given back to %s, as there is another one by now", rest, name);
	else if (error < 0)
		warnx("cannot give %s %s back to %s: %s", is_address ? "the address" : "a route to", rest, name,
		      nl_geterror(error));
	free(rest);
	return error >= 0 || error == -NLE_EXIST || (!inside && error != -NLE_NOMEM);
}

/* No rule of the namespace leads to other tables. */
static bool is_meant(const char *line, bool inside)
{
	return !inside || !begins(line, ELSEWHERE);
}

/* Routes after the addresses that they depend on, as they were kept. */
bool links_restore(const char *name, const char *kept, bool inside)
{
	struct nl_sock *socket;
	char *there;
	bool ok;

	if (kept && begins(kept, UP "\n") && !links_set_up(name))
		return false;
	socket = rtnetlink_socket();
	there = links_keep(name);
	ok = socket;

	for (const char *line = kept; socket && line && *line; line = strchr(line, '\n')) {
		char *one;

		line += *line == '\n';
		one = printed("%.*s", (int)strcspn(line, "\n"), line);
		if (strchr(one, ' ') && is_meant(one, inside) && !links_kept_within(one, there))
			ok = restore_line(socket, name, one, inside) && ok;
		free(one);
	}
	free(there);
	nl_socket_free(socket);
	return ok;
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
		found = begins(one, word) && strstr(one, with) &&
			!memchr(one, ':', strcspn(one, "/")) == (family == AF_INET);
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
	char *lines = printed("\n%s\n", all);
	bool within = true;

	for (const char *line = some; within && *line; line += strcspn(line, "\n"), line += *line == '\n') {
		char *one = printed("\n%.*s\n", (int)strcspn(line, "\n"), line);
		char *lifetimes = strstr(one, LIFETIMES);

		if (lifetimes)
			lifetimes[strlen(LIFETIMES)] = '\0';
		within = strstr(lines, one);
		free(one);
	}
	free(lines);
	return within;
}
