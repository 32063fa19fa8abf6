/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Where a class with an interface may go: see ways.h.
 *
 * Everything goes by the interface, but for what is local. What is local, others say:
 * who runs the local network can name any address there, by the address that DHCP
 * gives, its routes or a router's advertisements (TunnelVision, LocalNet). So of the
 * networks that the machine says it is part of, only the private and link-local ranges
 * are, and what else the administrator names; and of these nothing that the class's
 * interface has itself: its own networks, the gateway, the resolvers. */

#include "conf/kernel/ways.h"

#include "conf/language/address.h"
#include "conf/language/alloc.h"
#include "conf/language/value.h"

#include <arpa/inet.h>
#include <net/if.h>

#define NETWORK_METRIC 50
#define NAMED_METRIC 40
#define OUT_METRIC 100

static const int families[] = { AF_INET, AF_INET6 };

/* Nobody can be reached there beyond the networks that one is part of. Not 100.64/10,
 * which is the provider's. */
static const struct network private_networks[] = {
	{ .family = AF_INET, .address.s6_addr = { 10 }, .prefix = 8 },
	{ .family = AF_INET, .address.s6_addr = { 172, 16 }, .prefix = 12 },
	{ .family = AF_INET, .address.s6_addr = { 192, 168 }, .prefix = 16 },
	{ .family = AF_INET, .address.s6_addr = { 169, 254 }, .prefix = 16 },
	{ .family = AF_INET6, .address.s6_addr = { 0xfc }, .prefix = 7 },
	{ .family = AF_INET6, .address.s6_addr = { 0xfe, 0x80 }, .prefix = 10 },
};
#define PRIVATE_COUNT (sizeof(private_networks) / sizeof(private_networks[0]))

static bool contains(const struct network *wide, const struct network *narrow)
{
	return wide->family == narrow->family && wide->prefix <= narrow->prefix &&
	       addresses_share(&wide->address, &narrow->address, wide->prefix);
}

/* One class's ways while they are found. */
struct finding {
	const struct class *class;
	const struct network_list *networks;
	struct ways *ways;
	/* Gateways and resolvers: only the interface leads to them. */
	struct network *hosts;
	size_t host_count;
};

static void add_way(const struct finding *f, enum way_kind kind, const struct network *to, int interface,
		    uint32_t metric)
{
	struct ways *ways = f->ways;

	ways->items = grown(ways->items, ways->count, sizeof(*ways->items));
	ways->items[ways->count] = (struct way){ .kind = kind, .to = *to, .metric = metric };
	ways->items[ways->count++].to.interface = interface;
}

static bool has_address(const struct network_list *networks, int interface, int family)
{
	for (size_t i = 0; i < networks->own_count; i++)
		if (networks->own[i].interface == interface && (!family || networks->own[i].family == family))
			return true;
	return false;
}

static struct gateway given_gateway(const struct class *class, int family)
{
	for (size_t i = 0; i < class->gateways.count; i++)
		if (class->gateways.items[i].family == family)
			return (struct gateway){ .family = family, .address = class->gateways.items[i].address };
	return (struct gateway){ .family = 0 };
}

/* The configuration's, or the one that DHCP, an advertisement or a VPN has given. The kernel
 * lists routes in the order in which it takes them. */
static struct gateway gateway_of(const struct finding *f, int family)
{
	struct gateway given = given_gateway(f->class, family);
	struct gateway found = given;
	unsigned prefix = WAYS_WIDE + 1;

	for (size_t i = 0; i < f->networks->main_count; i++) {
		const struct main_route *r = &f->networks->main[i];

		if (r->to.family != family || r->to.interface != f->ways->interface || !r->gateway.family)
			continue;
		if (given.family == r->gateway.family &&
		    addresses_share(&given.address, &r->gateway.address, address_bits(given.family)))
			return r->gateway;
		if (given.family || r->to.prefix >= prefix)
			continue;
		found = r->gateway;
		prefix = r->to.prefix;
	}
	return found;
}

/* Where the interface is not there, or has no address of the family, the class has no
 * way out: that is what is asked for. */
static void add_way_out(const struct finding *f, const struct network *to)
{
	if (!f->ways->interface || !has_address(f->networks, f->ways->interface, to->family))
		return;
	add_way(f, WAY_OUT, to, f->ways->interface, OUT_METRIC);
	f->ways->items[f->ways->count - 1].gateway = gateway_of(f, to->family);
}

static bool is_own(const struct finding *f, const struct network *n)
{
	for (size_t i = 0; f->ways->interface && i < f->networks->count; i++)
		if (f->networks->items[i].interface == f->ways->interface && contains(&f->networks->items[i], n))
			return true;
	return false;
}

static bool is_named(const struct class *class, const struct network *n)
{
	for (size_t i = 0; i < class->local.count; i++) {
		const struct peer *a = &class->local.items[i];
		struct network named = { .family = a->family, .address = a->address, .prefix = a->prefix };

		if (a->kind == PEER_NETWORK && contains(&named, n))
			return true;
	}
	return false;
}

static bool is_loopback(const struct endpoint *r)
{
	return r->family == AF_INET ? r->address.s6_addr[0] == 127 : IN6_IS_ADDR_LOOPBACK(&r->address);
}

static void add_hosts(struct finding *f, const struct endpoint_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct endpoint *r = &list->items[i];
		struct network host = { .family = r->family, .address = r->address, .prefix = address_bits(r->family) };

		if (is_loopback(r) || is_named(f->class, &host))
			continue;
		f->hosts = grown(f->hosts, f->host_count, sizeof(*f->hosts));
		f->hosts[f->host_count++] = host;
	}
}

/* Whether all of a network is what only the interface leads to. */
static bool is_reserved(const struct finding *f, const struct network *n)
{
	bool found = is_own(f, n);

	for (size_t i = 0; i < f->host_count; i++)
		found = found || contains(&f->hosts[i], n);
	return found;
}

/* Of two interfaces with one network, the first one's route goes first here too. */
static void add_near(const struct finding *f, const struct network *n, int interface)
{
	uint32_t metric = NETWORK_METRIC;

	for (size_t i = 0; i < f->ways->count; i++) {
		const struct way *w = &f->ways->items[i];

		if (w->kind != WAY_NEAR || !network_is_same(&w->to, n))
			continue;
		if (w->to.interface == interface)
			return;
		metric++;
	}
	add_way(f, WAY_NEAR, n, interface, metric);
}

/* What is local of a network that the machine is part of by another interface. */
static void add_local(const struct finding *f, const struct network *n, const struct network *range)
{
	const struct network *both = contains(range, n) ? n : contains(n, range) ? range : NULL;

	if (both && !is_reserved(f, both))
		add_near(f, both, n->interface);
}

static void add_network(const struct finding *f, const struct network *n)
{
	if (n->interface == f->ways->interface) {
		add_near(f, n, n->interface);
		return;
	}
	for (size_t i = 0; i < f->class->local.count; i++) {
		if (f->class->local.items[i].kind == PEER_LINK)
			add_local(f, n, n);
		for (size_t j = 0; f->class->local.items[i].kind == PEER_LAN && j < PRIVATE_COUNT; j++)
			add_local(f, n, &private_networks[j]);
	}
}

static void add_named(const struct finding *f)
{
	for (size_t i = 0; i < f->class->local.count; i++) {
		const struct peer *a = &f->class->local.items[i];
		struct network named = { .family = a->family, .address = a->address, .prefix = a->prefix };

		if (a->kind == PEER_NETWORK)
			add_way(f, WAY_NAMED, &named, 0, NAMED_METRIC);
	}
}

/* What only the interface leads to is taken out of a wider network of another's. */
static void take_out(const struct finding *f, const struct network *n)
{
	bool within = false;

	for (size_t i = 0; i < f->ways->count; i++) {
		const struct way *w = &f->ways->items[i];

		if (w->kind == WAY_LAST && network_is_same(&w->to, n))
			return;
		within =
			within || (w->kind == WAY_NEAR && w->to.interface != f->ways->interface && contains(&w->to, n));
	}
	if (!within)
		return;
	if (!is_own(f, n))
		add_way_out(f, n);
	add_way(f, WAY_LAST, n, 0, UINT32_MAX);
}

static void find_ways(struct finding *f)
{
	const struct network_list *networks = f->networks;

	add_hosts(f, &f->class->gateways);
	add_hosts(f, &f->class->dns);
	for (size_t i = 0; i < 2; i++) {
		struct network all = { .family = families[i] };

		add_way(f, WAY_LAST, &all, 0, UINT32_MAX);
		add_way_out(f, &all);
	}
	for (size_t i = 0; i < networks->count; i++)
		add_network(f, &networks->items[i]);
	for (size_t i = 0; f->ways->interface && i < networks->count; i++)
		if (networks->items[i].interface == f->ways->interface)
			take_out(f, &networks->items[i]);
	for (size_t i = 0; i < f->host_count; i++)
		take_out(f, &f->hosts[i]);
	add_named(f);
	free(f->hosts);
}

static bool is_tunnel(const struct network_list *networks, int interface)
{
	const struct link *link = networks_link(networks, interface);

	return link && link->tunnel;
}

static bool is_private(const struct network *n)
{
	bool found = false;

	for (size_t i = 0; i < PRIVATE_COUNT; i++)
		found = found || contains(&private_networks[i], n);
	return found;
}

static bool leads_past_tunnels(const struct network_list *networks, int family)
{
	bool out = false;

	for (size_t i = 0; i < networks->main_count; i++) {
		const struct network *to = &networks->main[i].to;

		if (to->family != family)
			continue;
		if (is_tunnel(networks, to->interface) && !is_private(to))
			return false;
		out = out || !to->prefix;
	}
	return out;
}

/* The ordinary way is the main table's, to which a routing rule leads, as it is at any
 * moment. Only where that leads more than private networks into a tunnel, or has no way
 * out, there is a copy of what is left of it without tunnels, and nothing beyond that. */
static void find_ordinary(const struct finding *f, int family)
{
	const struct network_list *networks = f->networks;

	if (leads_past_tunnels(networks, family))
		return;
	for (size_t i = 0; i < networks->main_count; i++) {
		const struct main_route *r = &networks->main[i];

		if (r->to.family != family || is_tunnel(networks, r->to.interface))
			continue;
		add_way(f, WAY_OUT, &r->to, r->to.interface, OUT_METRIC + (uint32_t)i);
		f->ways->items[f->ways->count - 1].gateway = r->gateway;
	}
	add_way(f, WAY_LAST, &(struct network){ .family = family }, 0, UINT32_MAX);
}

static bool matches(const char *pattern, const char *name)
{
	size_t size = strlen(pattern) - 1;

	return pattern[size] == '*' ? !strncmp(pattern, name, size) : !strcmp(pattern, name);
}

static bool is_usable(const struct network_list *networks, const struct link *link)
{
	return link->up && interface_name_valid(link->name) && has_address(networks, link->index, 0);
}

/* The one that is in force while it can be used, or the first by name. */
static const struct link *find_link(const struct class *class, const struct routing *now,
				    const struct network_list *networks)
{
	int current = now ? routing_way_out(now, class->table) : 0;
	const struct link *found = NULL;

	for (size_t i = 0; i < networks->link_count; i++) {
		const struct link *link = &networks->links[i];

		if (!matches(class->interface, link->name) || !is_usable(networks, link))
			continue;
		if (link->index == current)
			return link;
		if (!found || strcmp(link->name, found->name) < 0)
			found = link;
	}
	return found;
}

static void find_interface(struct finding *f, struct class *class, const struct routing *now)
{
	bool pattern = class->interface[strlen(class->interface) - 1] == '*';
	const struct link *link =
		pattern ? find_link(class, now, f->networks) : networks_link_named(f->networks, class->interface);

	class->device = !pattern ? class->interface : link ? link->name : NULL;
	f->ways->interface = link ? link->index : 0;
}

void ways_find(struct ruleset *set, const struct routing *now, struct network_list *networks)
{
	networks->ways = zalloc((set->class_count + 1) * sizeof(*networks->ways));
	for (size_t i = 0; i < set->class_count; i++) {
		struct class *class = &set->classes[i];
		struct finding f = { .class = class, .networks = networks, .ways = &networks->ways[i] };

		for (size_t j = 0; j < class->udp_proxies.count; j++)
			add_way(&f, WAY_PROXY, &(struct network){ .family = class->udp_proxies.items[j].family }, 0,
				OUT_METRIC);
		for (size_t j = 0; class->ordinary && class->table && j < 2; j++)
			find_ordinary(&f, families[j]);
		if (!class->interface)
			continue;
		find_interface(&f, class, now);
		find_ways(&f);
	}
}

void ways_free(const struct ruleset *set, struct network_list *networks)
{
	for (size_t i = 0; networks->ways && i < set->class_count; i++)
		free(networks->ways[i].items);
	free(networks->ways);
}

static bool is_reached(const struct ways *ways, const struct network *n)
{
	for (size_t i = 0; i < ways->count; i++)
		if ((ways->items[i].kind == WAY_NEAR || ways->items[i].kind == WAY_NAMED) &&
		    contains(&ways->items[i].to, n))
			return true;
	return false;
}

/* Told of a class without `local`: that part of the network, which the machine says it
 * is part of, lies behind the class's interface for it (why). */
static void tell(const struct class *class, const struct network_list *networks, const struct network *part,
		 const struct network *n, const char *why)
{
	const struct link *link = networks_link(networks, n->interface);
	char text[INET6_ADDRSTRLEN];
	char network[INET6_ADDRSTRLEN];

	inet_ntop(part->family, &part->address, text, sizeof(text));
	inet_ntop(n->family, &n->address, network, sizeof(network));
	fprintf(stderr,
		"%s:%d: class %s goes to %s/%u over %s, although this machine is part of %s/%u, by %s: %s; to leave it "
		"so, add: local = { 'lan' }; to have it go there past %s: local = { 'lan', '%s/%u' }\n",
		class->interface_at.file, class->interface_at.line, class->name, text, part->prefix, class->interface,
		network, n->prefix, link ? link->name : "?", why, class->interface, text, part->prefix);
}

static void tell_hosts(const struct class *class, const struct network_list *networks, const struct network *n,
		       const struct endpoint_list *list, const char *why)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct endpoint *r = &list->items[i];
		struct network host = { .family = r->family, .address = r->address, .prefix = address_bits(r->family) };
		bool own = false;

		for (size_t j = 0; j < networks->own_count; j++)
			own = own || (networks->own[j].family == host.family &&
				      !memcmp(&networks->own[j].address, &host.address, sizeof(host.address)));
		if (!own && contains(n, &host))
			tell(class, networks, &host, n, why);
	}
}

/* Whether the class's interface has the network too, or a wider one, by which it goes
 * there although the other's is before it. */
static bool is_preceded(const struct network_list *networks, int interface, const struct network *n)
{
	for (size_t i = 0; interface && i < networks->count; i++) {
		const struct network *own = &networks->items[i];

		if (own->interface == interface && contains(own, n) && (own > n || own->prefix < n->prefix))
			return true;
	}
	return false;
}

static void tell_network(const struct class *class, const struct network_list *networks, const struct ways *ways,
			 const struct network *n)
{
	if (n->interface == ways->interface)
		return;
	if (!is_private(n)) {
		if (!is_reached(ways, n))
			tell(class, networks, n, n, "it is no private network");
		return;
	}
	if (is_preceded(networks, ways->interface, n)) {
		tell(class, networks, n, n, "the class's interface is part of it too");
		return;
	}
	tell_hosts(class, networks, n, &class->dns, "it is a resolver of the class's");
	tell_hosts(class, networks, n, &class->gateways, "it is the class's gateway");
}

/* Nobody need have one for both families; and a route that says that all are neighbours is somebody's
 * decision (routers may answer for others by ARP). */
static bool lacks_router(const struct network_list *networks, const struct ways *ways)
{
	const struct link *link = networks_link(networks, ways->interface);
	bool out = false;

	for (size_t i = 0; i < ways->count; i++) {
		const struct way *w = &ways->items[i];

		if (w->kind == WAY_OUT && !w->to.prefix && w->gateway.family)
			return false;
		out = out || (w->kind == WAY_OUT && !w->to.prefix);
	}
	for (size_t i = 0; i < networks->main_count; i++)
		if (networks->main[i].to.interface == ways->interface && networks->main[i].to.prefix <= WAYS_WIDE)
			return false;
	return out && link && link->asks;
}

static void tell_lack(const struct class *class)
{
	fprintf(stderr,
		"%s:%d: class %s knows no router behind %s, so it reaches nothing beyond the networks of that "
		"interface; give %s a default route%s\n",
		class->interface_at.file, class->interface_at.line, class->name, class->device, class->device,
		class->netns ? "" : ", or add: gateway = { 'ADDRESS' }");
}

void ways_tell(const struct ruleset *set, const struct network_list *networks)
{
	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *class = &set->classes[i];

		if (class->interface && lacks_router(networks, &networks->ways[i]))
			tell_lack(class);
		if (!class->interface || class->local_given)
			continue;
		for (size_t j = 0; j < networks->count; j++)
			tell_network(class, networks, &networks->ways[i], &networks->items[j]);
	}
}

bool ways_are_cut(const struct class *class)
{
	return class->interface && !(class->device && if_nametoindex(class->device));
}
