/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the words of allow and deny match: see policy-allow.h. */

#include "conf/kernel/policy-allow.h"

#include "conf/kernel/policy-map.h"
#include "conf/language/address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* What "lan" means: the private, link-local, multicast and broadcast networks. */
static const struct {
	int family;
	const char *address;
	unsigned prefix;
} lan[] = {
	{ AF_INET, "10.0.0.0", 8 },	{ AF_INET, "172.16.0.0", 12 }, { AF_INET, "192.168.0.0", 16 },
	{ AF_INET, "169.254.0.0", 16 }, { AF_INET, "224.0.0.0", 4 },   { AF_INET, "255.255.255.255", 32 },
	{ AF_INET6, "fc00::", 7 },	{ AF_INET6, "fe80::", 10 },    { AF_INET6, "ff00::", 8 },
};

#define WITH_PORTS "with_ports" /* the set of the protocols that have some */

#define LAN_COUNT (sizeof(lan) / sizeof(*lan))

/* port is dport, or sport in answers. */
static void write_ports(FILE *out, const char *protocol, const char *port, const struct peer *a)
{
	fprintf(out, "%s %s %u", protocol, port, a->first_port);
	if (a->last_port != a->first_port)
		fprintf(out, "-%u", a->last_port);
}

static void write_network(FILE *out, const struct peer *a, const char *port, const char *then)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(a->family, &a->address, text, sizeof(text));
	fprintf(out, "\t\t%s daddr %s/%u", a->family == AF_INET ? "ip" : "ip6", text, a->prefix);
	if (a->first_port)
		write_ports(out, " meta l4proto @" WITH_PORTS " th", port, a);
	fprintf(out, " %s\n", then);
}

static bool has_port(const struct peer_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == PEER_NETWORK && list->items[i].first_port)
			return true;
	return false;
}

static bool class_has_port(const struct class *class)
{
	return has_port(&class->verdict.allow) || has_port(&class->verdict.deny) || has_port(&class->serve);
}

/* In others, as ICMP, there is something else where these have their ports. */
void policy_write_protocols(FILE *out, const struct ruleset *set)
{
	if (policy_any(set, class_has_port) || has_port(&set->unclassified.allow) ||
	    has_port(&set->unclassified.deny) || has_port(&set->tunnels))
		fprintf(out,
			"\tset " WITH_PORTS " {\n\t\ttype inet_proto\n\t\telements = { %d, %d, %d, %d, %d }\n\t}\n",
			IPPROTO_TCP, IPPROTO_UDP, IPPROTO_DCCP, IPPROTO_SCTP, IPPROTO_UDPLITE);
}

static void write_link(FILE *out, const char *neighbours, const char *then)
{
	fprintf(out, "\t\tip daddr @%s4 %s\n\t\tip6 daddr @%s6 %s\n", neighbours, then, neighbours, then);
}

/* The lan's chain is named by it. */
static const char *last_word(const char *then)
{
	const char *blank = strrchr(then, ' ');

	return blank ? blank + 1 : then;
}

static void write_peer(FILE *out, const struct peer *a, const char *port, const char *neighbours, const char *then)
{
	switch (a->kind) {
	case PEER_NONE:
	case PEER_NAME: /* policy-names.c */
		break;
	case PEER_LINK:
		write_link(out, neighbours, then);
		break;
	case PEER_LOOPBACK:
		fprintf(out, "\t\toifname \"lo\" %s\n", then);
		break;
	case PEER_LAN:
		fprintf(out, "\t\tjump lan_%s\n", last_word(then));
		break;
	case PEER_NETWORK:
		write_network(out, a, port, then);
		break;
	case PEER_PORTS:
		fprintf(out, "\t\t");
		write_ports(out, a->protocol == IPPROTO_TCP ? "tcp" : "udp", port, a);
		fprintf(out, " %s\n", then);
		break;
	}
}

void policy_write_peer(FILE *out, const struct peer *a, const char *neighbours, const char *then)
{
	write_peer(out, a, "dport", neighbours, then);
}

void policy_write_client(FILE *out, const struct peer *a)
{
	write_peer(out, a, "sport", "neighbours", "accept");
}

void policy_write_denial(FILE *out, const struct peer *a, const char *neighbours, const char *then)
{
	policy_write_peer(out, a, neighbours, then);
	if (a->kind == PEER_LAN)
		write_link(out, neighbours, then);
}

const char *policy_refusal(const struct verdict *verdict)
{
	return verdict->action == ACTION_DROP ? "goto refuse_silently" : "goto refuse";
}

/* All that is in a namespace is its class's, whoever sends it. */
const char *policy_liftable(const struct ruleset *set, const struct verdict *verdict)
{
	if (set->sole)
		return POLICY_LIFTABLE_OTHERS;
	return verdict->action == ACTION_DROP ? "jump drop_class" : "jump refuse_class";
}

static bool any_has_lan(const struct ruleset *set, const char *then)
{
	bool accepts = !strcmp(then, "accept");

	for (size_t i = 0; i < set->class_count; i++) {
		const struct verdict *verdict = &set->classes[i].verdict;

		if (accepts ? list_has(&verdict->allow, PEER_LAN) || list_has(&set->classes[i].serve, PEER_LAN)
			    : list_has(&verdict->deny, PEER_LAN) && !strcmp(then, policy_liftable(set, verdict)))
			return true;
	}
	return accepts ? list_has(&set->unclassified.allow, PEER_LAN)
		       : list_has(&set->unclassified.deny, PEER_LAN) && !strcmp(then, POLICY_LIFTABLE_OTHERS);
}

static void write_lan_rules(FILE *out, const char *chain, int family, const char *then)
{
	fprintf(out, "\tchain %s_%s {\n", chain, last_word(then));
	for (size_t i = 0; i < LAN_COUNT; i++)
		if (lan[i].family == family && (family == AF_INET6 || lan[i].prefix > 8))
			fprintf(out, "\t\t%s daddr %s/%u %s\n", family == AF_INET ? "ip" : "ip6", lan[i].address,
				lan[i].prefix, then);
	fprintf(out, "\t}\n");
}

/* Of an IPv4 address, the first byte tells most: one look-up, which takes a packet less
 * time than rules one after the other, and these less than a set of intervals. */
static void write_first_bytes(FILE *out, const char *then)
{
	fprintf(out, "\t\tip daddr & 255.0.0.0 vmap {\n");
	for (size_t i = 0; i < LAN_COUNT && lan[i].family == AF_INET; i++) {
		unsigned first = (unsigned)atoi(lan[i].address);
		unsigned count = lan[i].prefix < 8 ? 1U << (8 - lan[i].prefix) : 1;

		for (unsigned n = first; n < first + count; n++)
			fprintf(out, "\t\t\t%u.0.0.0 : %s%s,\n", n, lan[i].prefix > 8 ? "goto lan4_" : "",
				lan[i].prefix > 8 ? last_word(then) : then);
	}
	fprintf(out, "\t\t}\n");
}

/* Once for all classes: the more rules, the longer a load takes. */
void policy_write_lan(FILE *out, const struct ruleset *set)
{
	static const char *const ends[] = { "accept", "jump drop_class", "jump refuse_class", POLICY_LIFTABLE_OTHERS };

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		if (!any_has_lan(set, ends[i]))
			continue;
		write_lan_rules(out, "lan4", AF_INET, ends[i]);
		write_lan_rules(out, "lan6", AF_INET6, ends[i]);
		fprintf(out, "\tchain lan_%s {\n", last_word(ends[i]));
		write_first_bytes(out, ends[i]);
		fprintf(out, "\t\tmeta nfproto ipv6 goto lan6_%s\n\t}\n", last_word(ends[i]));
	}
}

static bool has_link(const struct verdict *verdict)
{
	return list_has(&verdict->allow, PEER_LINK) || list_has(&verdict->deny, PEER_LINK) ||
	       list_has(&verdict->deny, PEER_LAN);
}

static bool class_has_link(const struct class *class)
{
	return has_link(&class->verdict) || list_has(&class->serve, PEER_LINK);
}

bool policy_has_neighbours(const struct ruleset *set)
{
	return policy_any(set, class_has_link) || has_link(&set->unclassified);
}

/* Of a packet of IPv4 that goes to a router of IPv6 (RFC 5549), the kernel gives the destination
 * itself for the next hop. Where there is such a router, only who is in a network without one is a
 * neighbour. */
static bool has_other_routers(const struct network_list *networks)
{
	for (size_t i = 0; i < networks->main_count; i++)
		if (networks->main[i].to.family == AF_INET && networks->main[i].gateway.family == AF_INET6)
			return true;
	return false;
}

static void write_noting_within(FILE *out, const struct main_route *route, const char *neighbours, const char *full)
{
	unsigned version = route->to.family == AF_INET ? 4 : 6;
	const char *protocol = version == 4 ? "ip" : "ip6";
	char text[INET6_ADDRSTRLEN];

	if (!route->to.prefix || route->gateway.family)
		return;
	inet_ntop(route->to.family, &route->to.address, text, sizeof(text));
	fprintf(out, "\t\trt %s nexthop %s/%u update @%s%u { rt %s nexthop } accept\n\t\trt %s nexthop %s/%u %s\n",
		protocol, text, route->to.prefix, neighbours, version, protocol, protocol, text, route->to.prefix,
		full);
}

/* Where the sets are full, nobody knows who is a neighbour. */
static void write_noting(FILE *out, const struct network_list *networks, const char *neighbours, const char *full)
{
	for (unsigned version = 4; version <= 6; version += 2)
		fprintf(out, "\tset %s%u {\n\t\ttype ipv%u_addr\n\t\tflags dynamic,timeout\n\t\ttimeout 5s\n\t}\n",
			neighbours, version, version);
	fprintf(out, "\tchain note_%s {\n", neighbours);
	if (has_other_routers(networks)) {
		for (size_t i = 0; i < networks->main_count; i++)
			if (networks->main[i].to.family == AF_INET)
				write_noting_within(out, &networks->main[i], neighbours, full);
		fprintf(out, "\t\tmeta nfproto ipv4 accept\n");
	} else
		fprintf(out, "\t\tupdate @%s4 { rt ip nexthop } accept\n", neighbours);
	fprintf(out, "\t\tupdate @%s6 { rt ip6 nexthop } accept\n\t\t%s\n\t}\n", neighbours, full);
}

static bool is_led(const struct class *class)
{
	return class_has_link(class) && class->mark.value && !class->udp_proxies.count && !class->netns;
}

static bool is_ether(const struct network_list *networks, int interface)
{
	const struct link *link = networks_link(networks, interface);

	return link && link->ether;
}

/* Where a class's mark leads to is known behind the chain that gives it (-140), but not by which
 * device: what output hooks have for it is the one before. So there, only who is in a network that
 * the machine is part of is a neighbour. */
static void write_led(FILE *out, const struct ruleset *set, const uint32_t *live, const struct network_list *networks)
{
	if (!policy_any(set, is_led))
		return;
	fprintf(out, "\tchain note_led {\n");
	for (size_t i = 0; i < networks->main_count; i++)
		if (is_ether(networks, networks->main[i].to.interface))
			write_noting_within(out, &networks->main[i], "neighbours", "goto refuse");
	fprintf(out, "\t}\n\tchain link_led {\n\t\ttype filter hook output priority -139; policy accept;\n"
		     "\t\toifname \"lo\" accept\n\t\t");
	policy_write_classids(out, set, live, is_led);
	fprintf(out, " goto note_led\n\t}\n");
}

/* A destination that is the next hop of what has just been sent is a neighbour, and so
 * is a router; whatever its address, and however the networks change. That is noted
 * before anybody has marked the packet for another way, and once more where its class
 * has. A device that needs no addresses of neighbours (a tunnel) has none. */
void policy_write_neighbours(FILE *out, const struct ruleset *set, const uint32_t *live,
			     const struct network_list *networks)
{
	bool classes = policy_any(set, class_has_link);
	bool unclassified = has_link(&set->unclassified);

	if (classes) {
		write_noting(out, networks, "neighbours", "goto refuse");
		write_led(out, set, live, networks);
	}
	if (unclassified)
		write_noting(out, networks, "others", "meta skuid >= 0 goto refuse");
	if (!classes && !unclassified)
		return;
	fprintf(out, "\tchain link {\n\t\ttype filter hook output priority -310; policy accept;\n"
		     "\t\tmeta oiftype != ether accept\n");
	if (classes) {
		fprintf(out, "\t\t");
		policy_write_classids(out, set, live, class_has_link);
		fprintf(out, " goto note_neighbours\n");
	}
	if (unclassified && set->class_count) {
		fprintf(out, "\t\t");
		policy_write_classids(out, set, live, policy_every);
		fprintf(out, " accept\n");
	}
	fprintf(out, unclassified ? "\t\tgoto note_others\n\t}\n" : "\t}\n");
}

/* A tunnel of the kernel's sends the packets that it wraps in the name of the socket
 * of what is in them (since Linux 4.19, skb_scrub_packet). They belong to no class. */
void policy_write_tunnels(FILE *out, const struct ruleset *set, const char *then)
{
	for (size_t i = 0; i < set->tunnels.count; i++)
		policy_write_peer(out, &set->tunnels.items[i], "", then);
}

static bool has_prefix(const void *address, const void *network, unsigned prefix)
{
	const unsigned char *a = address;
	const unsigned char *n = network;
	unsigned rest = prefix % 8;

	return !memcmp(a, n, prefix / 8) && (!rest || !((a[prefix / 8] ^ n[prefix / 8]) >> (8 - rest)));
}

/* They are few, and this is seldom asked. */
static bool is_in_lan(const struct packet_end *to)
{
	unsigned char network[sizeof(struct in6_addr)];

	for (size_t i = 0; i < LAN_COUNT; i++)
		if (lan[i].family == to->family && inet_pton(to->family, lan[i].address, network) == 1 &&
		    has_prefix(&to->address, network, lan[i].prefix))
			return true;
	return false;
}

bool policy_is_single(const struct peer *a)
{
	return a->kind == PEER_NETWORK && a->prefix == address_bits(a->family);
}

bool policy_matches(const struct peer *a, const struct packet_end *to, bool denied)
{
	bool port = a->first_port <= to->port && to->port <= a->last_port;

	switch (a->kind) {
	case PEER_LINK:
		return to->neighbour;
	case PEER_LOOPBACK:
		return to->local;
	case PEER_LAN:
		return is_in_lan(to) || (denied && to->neighbour);
	case PEER_NETWORK:
		return a->family == to->family && has_prefix(&to->address, &a->address, a->prefix) &&
		       (!a->first_port || port);
	case PEER_PORTS:
		return a->protocol == to->protocol && port;
	default:
		return false;
	}
}
