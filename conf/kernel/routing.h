/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Policy routing for the classes that have an interface: a table of its own for
 * each, which its mark leads to. Every rule and route carries netshim's protocol
 * number; nothing else is touched. Failures are told on stderr. */

#ifndef NETSHIM_ROUTING_H
#define NETSHIM_ROUTING_H

#include "conf/kernel/networks.h"
#include "conf/language/ruleset.h"

/* Of rules and routes that are netshim's. rtnetlink leaves protocol numbers from 5 up to its
 * users; this is "N". */
#define ROUTING_PROTOCOL 0x4e

/* A route of a class's table. */
struct way {
	enum way_kind {
		WAY_OUT,   /* by the class's interface */
		WAY_NEAR,  /* to a network that the machine is part of */
		WAY_NAMED, /* on to the main table, as the configuration says */
		WAY_LAST,  /* nowhere, when the others have gone */
		WAY_PROXY, /* in again, where the packet filter has datagrams taken by a proxy */
	} kind;
	struct network to;
	struct gateway gateway;
	uint32_t metric;
};

struct ways {
	struct way *items;
	size_t count;
	int interface; /* the class's; 0 where it is not there */
};

/* All routing rules and routes as they are at one moment (allocated; NULL where they
 * cannot be read). */
struct routing;
struct routing *routing_read(void);
void routing_free(struct routing *routing);

/* A routing rule, of netshim's own or not. */
struct routing_rule {
	int family;
	uint32_t priority;
	struct packet_mark mark; /* its value is 0 where the rule is for any */
	uint32_t table;
	bool own;
	bool inverted; /* for all but that mark; only routing_find_inverted tells */
};
/* Returns how many there are; the list is allocated. */
size_t routing_rules(const struct routing *now, struct routing_rule **rules);
/* Asks the kernel which of them say `not`. */
void routing_find_inverted(struct routing_rule *rules, size_t count);

/* The interface that the default route of netshim's in the table leads to, or 0. */
int routing_way_out(const struct routing *now, uint32_t table);

/* Where the kernel would send a packet with that mark: the interface, and whether that is by a
 * gateway. Nothing is sent. false where it would refuse it. */
struct way_to {
	char interface[IF_NAMESIZE];
	bool local; /* it stays on this machine */
	bool has_gateway;
};
bool routing_ask(int family, const struct in6_addr *address, uint32_t mark, struct way_to *way);

/* Before anything is changed: false, with a message, where a class wants a table
 * that others use. */
bool routing_check(const struct routing *now, const struct ruleset *set);

/* Brings netshim's rules and routes back to what they were. What the kernel has
 * taken away itself meanwhile, with an interface, stays away. */
void routing_restore(const struct routing *before);

/* Brings rules and routes to what set says, in two steps: the first adds what is
 * missing, the second removes what is too much (with set NULL, all of netshim's). In
 * between, nothing is missing, and no marked packet takes another way. */
bool routing_add(const struct routing *now, const struct ruleset *set, const struct network_list *networks);
bool routing_clean(const struct routing *now, const struct ruleset *set, const struct network_list *networks);

/* Puts netshim's rules before those that others have added since, or back to where they
 * were, after having put back those that others have taken away (*rules; NULL: none).
 * Makes *rules what there is then, without the routes, and what of netshim's has been taken
 * away meanwhile. false where it cannot be read. */
bool routing_keep_rules(struct routing **rules);
/* A descriptor that can be read when a routing rule has come or gone. */
int routing_events(void);

#endif
