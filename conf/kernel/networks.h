/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The machine's interfaces, addresses and routes, and so the networks that it is part of, as
 * they are at one moment. Failures are told on stderr. */

#ifndef NETSHIM_NETWORKS_H
#define NETSHIM_NETWORKS_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The networks that this machine is itself part of. They have a route without a
 * gateway in the main table, made by the kernel or by what configures interfaces by
 * router advertisements or DHCP. */
struct network {
	int family;
	struct in6_addr address;
	unsigned prefix;
	int interface;
};

static inline bool network_is_same(const struct network *a, const struct network *b)
{
	return a->family == b->family && a->prefix == b->prefix &&
	       !memcmp(&a->address, &b->address, sizeof(a->address));
}

/* Of a route of IPv4, it may be one of IPv6 (RFC 5549). */
struct gateway {
	int family; /* 0: there is none */
	struct in6_addr address;
	bool onlink; /* it is on the link, though in no network of the interface */
};

/* A route of the main table's. */
struct main_route {
	struct network to;
	struct gateway gateway;
};

/* A nexthop object, or one that is in a group of those. */
struct hop {
	uint32_t id;
	uint32_t member; /* of the group with that id; 0: it is none */
	int interface;
	struct gateway gateway;
};

struct link {
	int index;
	char name[IF_NAMESIZE];
	bool up;
	bool ether; /* it needs addresses of neighbours, */
	bool asks;  /* and asks for them */
	bool tunnel;
};

struct ways; /* of a class (routing.h) */

struct network_list {
	struct network *items;
	size_t count;
	struct network *own; /* this machine's addresses, each once for an interface */
	size_t own_count;
	struct main_route *main;
	size_t main_count;
	struct hop *hops;
	size_t hop_count;
	struct link *links;
	size_t link_count;
	struct ways *ways; /* one a class (ways.h) */
};

/* As they are now. False with a message; what was read is to be freed then, too. */
bool networks_read(struct network_list *networks);
void networks_free(struct network_list *networks);

/* NULL where there is none. */
const struct link *networks_link(const struct network_list *networks, int index);
const struct link *networks_link_named(const struct network_list *networks, const char *name);

#endif
