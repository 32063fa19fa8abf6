/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The values that are addresses, networks, ports and names of hosts: see value.h. */

#include "conf/language/value.h"

#include "conf/language/address.h"
#include "conf/language/alloc.h"
#include "conf/language/domain.h"

#include <arpa/inet.h>

static void add_peer(struct peer_list *allow, const struct peer *item, const char *text)
{
	allow->items = grown(allow->items, allow->count, sizeof(*allow->items));
	allow->items[allow->count] = *item;
	allow->items[allow->count++].written = copied(text);
}

/* "443" or "8000-8010". */
static bool ports(char *text, struct peer *item)
{
	char *dash = strchr(text, '-');
	unsigned long first;
	unsigned long last;

	if (dash)
		*dash = '\0';
	if (!value_number(text, 10, 65535, &first) || !first)
		return false;
	last = first;
	if (dash && (!value_number(dash + 1, 10, 65535, &last) || last < first))
		return false;
	item->first_port = (unsigned)first;
	item->last_port = (unsigned)last;
	return true;
}

/* "10.0.0.0/8", "10.0.0.1", "fd00::/8". */
static bool network(char *text, struct peer *item)
{
	char *slash = strchr(text, '/');
	unsigned long prefix;

	if (slash)
		*slash = '\0';
	item->kind = PEER_NETWORK;
	item->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	item->prefix = address_bits(item->family);
	if (inet_pton(item->family, text, &item->address) != 1)
		return false;
	if (slash && !value_number(slash + 1, 10, item->prefix, &prefix))
		return false;
	if (slash)
		item->prefix = (unsigned)prefix;
	return true;
}

/* "192.0.2.1:443", "[fd00::1]:443". */
static bool address_and_port(char *text, struct peer *item)
{
	char *colon = strrchr(text, ':');
	char *end;

	if (!colon || colon == text)
		return false;
	*colon = '\0';
	end = colon - 1;
	if (*text == '[' && *end == ']') {
		*end = '\0';
		text++;
	} else if (strchr(text, ':')) {
		return false;
	}
	return ports(colon + 1, item) && network(text, item);
}

static bool peer(char *text, struct peer *item)
{
	const char *bracket = strchr(text, ']');

	if (!strcmp(text, "loopback")) {
		item->kind = PEER_LOOPBACK;
		return true;
	}
	if (!strcmp(text, "lan")) {
		item->kind = PEER_LAN;
		return true;
	}
	if (!strcmp(text, "link")) {
		item->kind = PEER_LINK;
		return true;
	}
	if (!strncmp(text, "tcp/", 4) || !strncmp(text, "udp/", 4)) {
		item->kind = PEER_PORTS;
		item->protocol = *text == 't' ? IPPROTO_TCP : IPPROTO_UDP;
		return ports(text + 4, item);
	}
	if (bracket || (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')))
		return address_and_port(text, item);
	return network(text, item);
}

/* Host bits that are set would be cut off silently by nft. */
static bool has_host_bits(const struct peer *item)
{
	for (unsigned i = item->prefix; i < address_bits(item->family); i++)
		if (address_bit(&item->address, i))
			return true;
	return false;
}

static const char bad_destination[] =
	"bad network, port or name '%s'; it is loopback, lan, link, a network such as '192.0.2.0/24' or "
	"'fd00::/8', a port such as 'tcp/443' or 'udp/5000-5010', an address with a port such as "
	"'192.0.2.1:443' or '[fd00::1]:443', or a name such as 'example.org', '*.example.org' or "
	"'tcp/443@example.org'";

#define PINGS "pings have no port: write nft = { 'meta l4proto { icmp, ipv6-icmp } accept' }"

/* What is near to a destination, and is none. */
static const struct {
	const char *text, *advice;
} near_destinations[] = {
	{ "localhost", "this machine, by its loopback interface, is loopback" },
	{ "icmp", PINGS },
	{ "icmpv6", PINGS },
	{ "ping", PINGS },
};

static const char *not_a_destination(const char *text)
{
	const char *at = strchr(text, '@');
	const char *name = at ? at + 1 : text;

	for (size_t i = 0; i < sizeof(near_destinations) / sizeof(*near_destinations); i++)
		if (!strcmp(name, near_destinations[i].text))
			return printed("bad network, port or name '%s'; %s", text, near_destinations[i].advice);
	if (!strncmp(name, "*.", 2) && domain_is_label(name + 2))
		return printed("bad network, port or name '%s'; behind '*.' there are two labels at least, as in "
			       "'*.example.org'",
			       text);
	if (domain_is_label(name))
		return printed("%s; a name has a dot in it", printed(bad_destination, text));
	return printed(bad_destination, text);
}

static const char *unnamed_destination(const char *text, struct peer_list *allow)
{
	struct peer item = { .kind = PEER_NONE };
	char *copy = copied(text);
	bool ok = peer(copy, &item);

	free(copy);
	if (!ok)
		return not_a_destination(text);
	if (item.kind == PEER_NETWORK && has_host_bits(&item))
		return printed("network '%s' has bits set beyond its prefix of %u; clear them or lengthen the prefix",
			       text, item.prefix);
	add_peer(allow, &item, text);
	return NULL;
}

/* "tcp/443@" before a name. */
static bool ports_of_name(const char *text, size_t size, struct peer *item)
{
	char *copy = printed("%.*s", (int)size, text);
	bool ok = peer(copy, item) && item->kind == PEER_PORTS;

	free(copy);
	return ok;
}

static const char *name_destination(const char *text, struct peer_list *list)
{
	const char *at = strchr(text, '@');
	struct peer item = { .kind = PEER_NONE };

	if (at && !ports_of_name(text, (size_t)(at - text), &item))
		return not_a_destination(text);
	item.kind = PEER_NAME;
	item.name = domain_read(at ? at + 1 : text);
	if (!item.name)
		return not_a_destination(text);
	add_peer(list, &item, text);
	return NULL;
}

const char *value_destination(const char *text, struct peer_list *list)
{
	return domain_is_meant(text) ? name_destination(text, list) : unnamed_destination(text, list);
}

static const char *peer_or_none(const char *text, struct peer_list *list)
{
	static const struct peer none = { .kind = PEER_NONE };

	if (strcmp(text, "none"))
		return unnamed_destination(text, list);
	add_peer(list, &none, text);
	return NULL;
}

const char *value_serve(const char *text, struct peer_list *serve)
{
	if (!peer_or_none(text, serve))
		return NULL;
	return printed("bad client or port '%s'; it is loopback, lan, link, a network such as '192.0.2.0/24' or "
		       "'fd00::/8' without bits beyond its prefix, a port of the class's own such as 'tcp/8080' or "
		       "'udp/5000-5010', a client's address with such a port as in '192.0.2.1:8080' or "
		       "'[fd00::1]:8080', or none",
		       text);
}

const char *value_local(const char *text, struct peer_list *local)
{
	const char *wrong = peer_or_none(text, local);

	if (!wrong && !local->items[local->count - 1].first_port &&
	    local->items[local->count - 1].kind != PEER_LOOPBACK)
		return NULL;
	return printed("bad local network '%s'; it is lan, link, a network or address such as '192.0.2.0/24' or "
		       "'fd00::1', or none",
		       text);
}

const char *value_tunnel(const char *text, struct peer_list *tunnels)
{
	const char *wrong = unnamed_destination(text, tunnels);

	if (!wrong && tunnels->items[tunnels->count - 1].kind == PEER_NETWORK)
		return NULL;
	return printed("bad tunnel '%s'; it is the other end's address, with its port if it has one, such as "
		       "'192.0.2.1:51820' or '[fd00::1]:51820'",
		       text);
}

const char *value_resolver(const char *text, struct endpoint_list *list)
{
	struct peer item = { .first_port = 0 };
	char *copy = copied(text);
	const char *first = strchr(text, ':');
	bool has_port = strchr(text, ']') || (first && first == strrchr(text, ':'));
	bool ok = !strchr(text, '/') && (has_port ? address_and_port(copy, &item) : network(copy, &item)) &&
		  item.first_port == item.last_port;

	free(copy);
	if (!ok)
		return printed(
			"bad resolver '%s'; it is an address, with a port if that is not 53, as in '127.0.0.1:5354', "
			"'192.0.2.53' or '[fd00::1]:53'",
			text);
	list->items = grown(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] =
		(struct endpoint){ item.family, item.address, item.first_port ? item.first_port : 53 };
	return NULL;
}

static bool is_loopback(const struct peer *item)
{
	return item->family == AF_INET ? item->address.s6_addr[0] == 127 : IN6_IS_ADDR_LOOPBACK(&item->address);
}

static bool has_family(const struct endpoint_list *list, int family)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].family == family)
			return true;
	return false;
}

const char *value_proxy(const char *text, struct endpoint_list *list)
{
	struct peer item = { .first_port = 0 };
	char *copy = copied(text);
	bool ok = !strchr(text, '/') && address_and_port(copy, &item) && item.first_port == item.last_port &&
		  is_loopback(&item) && !has_family(list, item.family);

	free(copy);
	if (!ok)
		return printed("bad proxy '%s'; it is a loopback address of this machine with a port, at most one of "
			       "IPv4 and one of IPv6, as in '127.0.0.1:12345' or '[::1]:12345'",
			       text);
	list->items = grown(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] = (struct endpoint){ item.family, item.address, item.first_port };
	return NULL;
}

const char *value_gateway(const char *text, struct endpoint_list *gateways)
{
	struct peer item = { .first_port = 0 };
	char *copy = copied(text);
	bool ok = !strchr(text, '/') && network(copy, &item);

	free(copy);
	if (!ok || has_family(gateways, item.family))
		return printed("bad gateway '%s'; it is an address, at most one of IPv4 and one of IPv6", text);
	gateways->items = grown(gateways->items, gateways->count, sizeof(*gateways->items));
	gateways->items[gateways->count++] = (struct endpoint){ item.family, item.address, 0 };
	return NULL;
}

/* Numbers of the network in which all other bits are 0, or 1. */
static bool is_edge(const struct peer *a, bool value)
{
	for (unsigned i = a->prefix; i < address_bits(a->family); i++)
		if (address_bit(&a->address, i) != value)
			return false;
	return true;
}

/* The first address of the network that is not the one itself: with number 1, or 2. */
static struct in6_addr find_router(const struct peer *a)
{
	unsigned bits = address_bits(a->family);
	struct in6_addr router = a->address;

	for (unsigned i = a->prefix; i < bits; i++)
		router.s6_addr[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	router.s6_addr[bits / 8 - 1] |= 1;
	if (memcmp(&router, &a->address, sizeof(router)) != 0)
		return router;
	/* A network of two has 0 and 1. */
	router.s6_addr[bits / 8 - 1] ^= bits - a->prefix == 1 ? 1 : 3;
	return router;
}

static bool has_own(const struct own_address_list *list, int family)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].family == family)
			return true;
	return false;
}

const char *value_address(const char *text, struct own_address_list *list)
{
	struct peer item = { .first_port = 0 };
	char *copy = copied(text);
	bool ok = strchr(text, '/') && network(copy, &item) && !has_own(list, item.family) && item.prefix &&
		  item.prefix < address_bits(item.family);

	free(copy);
	if (ok && item.prefix < address_bits(item.family) - 1)
		ok = !is_edge(&item, false) && (item.family == AF_INET6 || !is_edge(&item, true));
	if (!ok)
		return printed("bad address '%s'; it is one with the prefix of a network that has room for another, at "
			       "most one of IPv4 and one of IPv6, as in '10.97.10.2/24' or 'fd00:97::2/64'",
			       text);
	list->items = grown(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] = (struct own_address){
		.family = item.family, .address = item.address, .prefix = item.prefix, .router = find_router(&item)
	};
	return NULL;
}

const char *value_port(const char *text, struct port_list *list)
{
	bool has_protocol = !strncmp(text, "tcp/", 4) || !strncmp(text, "udp/", 4);
	char *copy = copied(has_protocol ? text + 4 : text);
	char *to = strchr(copy, ':');
	unsigned long numbers[2] = { 0, 0 };
	bool ok;

	if (to)
		*to++ = '\0';
	ok = to && value_number(copy, 10, 65535, &numbers[0]) && value_number(to, 10, 65535, &numbers[1]) &&
	     numbers[0] && numbers[1];
	free(copy);
	if (!ok)
		return printed("bad port '%s'; it is one of this machine's, a colon and one in the namespace, as in "
			       "'8080:80' or 'udp/5353:53'",
			       text);
	list->items = grown(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] = (struct port){ .protocol = *text == 'u' ? IPPROTO_UDP : IPPROTO_TCP,
						    .from = (unsigned)numbers[0],
						    .to = (unsigned)numbers[1] };
	return NULL;
}
