/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A class's name queries go to its own resolvers, whatever server they were meant
 * for: the first packet of each is given another destination, and conntrack does
 * the rest of the flow and the answers. Queries of a family that has no resolver
 * are refused, not let out; so are those that conntrack is kept from. */

#include "conf/kernel/policy-dns.h"

#include "conf/kernel/policy-map.h"
#include "conf/kernel/policy-names.h"

#include "conf/language/alloc.h"

#include <arpa/inet.h>
#include <string.h>

/* What is in a network namespace asks in there. */
bool policy_has_dns(const struct class *class)
{
	return class_resolvers(class)->count && !class->netns;
}

/* Writes "ADDRESS<between>PORT". */
static void write_resolver(FILE *out, const struct endpoint *r, const char *between)
{
	char text[INET6_ADDRSTRLEN];
	bool brackets = r->family == AF_INET6 && *between == ':';

	inet_ntop(r->family, &r->address, text, sizeof(text));
	fprintf(out, "%s%s%s%s%u", brackets ? "[" : "", text, brackets ? "]" : "", between, r->port);
}

static size_t count_of_family(const struct endpoint_list *list, int family)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += list->items[i].family == family;
	return count;
}

/* One protocol at a time: nft lists a set of them in a way that it does not read again,
 * and a failed reload could not put the table back; and each set that a class has of its
 * own makes loading slower. */
static const char *const protocols[] = { "udp", "tcp" };

/* One resolver, or one after the other where there are several. */
static void write_redirect(FILE *out, const struct endpoint_list *list, const char *protocol, int family)
{
	const char *name = family == AF_INET ? "ip" : "ip6";
	size_t count = count_of_family(list, family);
	size_t n = 0;

	if (!count)
		return;
	fprintf(out, "\t\tmeta nfproto %s %s dport 53 dnat %s ", family == AF_INET ? "ipv4" : "ipv6", protocol, name);
	if (count > 1)
		fprintf(out, "addr . port to numgen inc mod %zu map {", count);
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].family != family)
			continue;
		if (count > 1)
			fprintf(out, "%s %zu : ", n ? "," : "", n);
		else
			fprintf(out, "to ");
		write_resolver(out, &list->items[i], count > 1 ? " . " : ":");
		n++;
	}
	fprintf(out, count > 1 ? " }\n" : "\n");
}

/* Matches what was a query before it was redirected. */
#define WAS_QUERY "\t\tmeta l4proto %s ct original proto-dst 53"

/* The next number of a list (FNV-1a). */
static uint64_t mixed(uint64_t hash, const void *bytes, size_t size)
{
	for (const unsigned char *b = bytes; size--; b++)
		hash = (hash ^ *b) * UINT64_C(0x100000001b3);
	return hash;
}

/* From whose queries they are, and the whole list of resolvers, in its order. The zone behind it is that
 * of what netshim's own resolver asks. */
static unsigned zone_of(const char *whose, const struct endpoint_list *list)
{
	uint64_t hash = mixed(UINT64_C(0xcbf29ce484222325), whose, strlen(whose));

	for (size_t i = 0; i < list->count; i++) {
		hash = mixed(hash, &list->items[i].address, sizeof(list->items[i].address));
		hash = mixed(hash, &list->items[i].port, sizeof(list->items[i].port));
	}
	return (unsigned)(hash % INT16_MAX) * 2 + 1;
}

static bool has_answerer(const struct class *class)
{
	return policy_has_dns(class) && class->verdict.answerer.count;
}

/* A flow goes on to where conntrack has had it go, whatever the chain above says by
 * now. In a zone of their own, which changes with the list, the queries of an open
 * socket are a new flow: after a reload, and after a move to another class. So are
 * those from a port that another class, or netshim's own resolver, has used lately.
 * Answers are told without it. */
static void write_zones(FILE *out, const struct ruleset *set, const uint32_t *live, bool own)
{
	fprintf(out, "\t\tct state != untracked meta l4proto { tcp, udp } ");
	if (own)
		fprintf(out, "meta skgid %u ", NAMES_USER);
	fprintf(out, "ct original zone set ");
	if (set->sole) {
		fprintf(out, "%u\n", zone_of(set->classes->name, class_resolvers(set->classes)) + own);
		return;
	}
	fprintf(out, "meta cgroup map {\n");
	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *class = &set->classes[i];
		char *zone;

		if (own ? !has_answerer(class) : !policy_has_dns(class))
			continue;
		zone = printed("%u", zone_of(class->name, class_resolvers(class)) + own);
		policy_write_element(out, set, live, i, zone);
		free(zone);
	}
	fprintf(out, "\t\t}\n");
}

static bool leaves_loopback(const struct class *class)
{
	const struct endpoint_list *list = class_resolvers(class);

	for (size_t i = 0; policy_has_dns(class) && i < list->count; i++)
		if (list->items[i].family == AF_INET && list->items[i].address.s6_addr[0] != 127)
			return true;
	return false;
}

static bool has_ports(const struct class *class)
{
	for (size_t i = 0; class->ports.count && i < class->addresses.count; i++)
		if (class->addresses.items[i].family == AF_INET)
			return true;
	return false;
}

bool policy_has_stand_in(const struct ruleset *set)
{
	return policy_any(set, leaves_loopback) || policy_any(set, has_ports);
}

static void write_ports_stand_in(FILE *out, const struct ruleset *set)
{
	for (size_t i = 0; i < set->class_count; i++)
		for (size_t p = 0; has_ports(&set->classes[i]) && p < set->classes[i].ports.count; p++)
			fprintf(out,
				"\t\tip saddr 127.0.0.1 ip daddr 127.0.0.0/8 %s dport %u ip saddr set " STAND_IN "\n",
				protocols[set->classes[i].ports.items[p].protocol == IPPROTO_TCP],
				set->classes[i].ports.items[p].from);
}

/* A query for a resolver on this machine comes from 127.0.0.1, as does what connects to a port
 * that leads into a namespace, and with that no packet may leave it (without route_localnet, which would open 127/8 to
 * the neighbours as soon as this table is gone). So before conntrack sees it, it gets another address of this machine,
 * which no interface has (routing.c), and the answer, behind conntrack, gets the true one again. */
static void write_query_stand_in(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	if (!policy_any(set, leaves_loopback))
		return;
	fprintf(out, "\t\tip saddr 127.0.0.1 meta l4proto { tcp, udp } ");
	policy_write_classids(out, set, live, leaves_loopback);
	fprintf(out, " ip saddr set " STAND_IN "\n");
}

/* Last before conntrack (-200): what others have set at the usual priority, raw, stays, be
 * it a zone or that a packet is not tracked. */
static void write_before_conntrack(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	bool asks = policy_any(set, policy_has_dns);

	if (asks) {
		fprintf(out, "\n\t# queries, before conntrack sees them\n\tchain query {\n");
		write_query_stand_in(out, set, live);
		/* First, as the zone that is set first stays (nft_ct_set_zone_eval). */
		if (policy_any(set, has_answerer))
			write_zones(out, set, live, true);
		write_zones(out, set, live, false);
		fprintf(out, "\t}\n");
	}
	fprintf(out, "\tchain before_conntrack {\n\t\ttype route hook output priority -250; policy accept;\n%s",
		asks ? "\t\tth dport 53 jump query\n" : "");
	write_ports_stand_in(out, set);
	fprintf(out, "\t}\n");
}

static void write_stand_in_here(FILE *out)
{
	fprintf(out, "\tchain stand_in_here {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
		     "\t\toifname \"lo\" ip saddr " STAND_IN " snat ip to 127.0.0.1\n\t}\n");
}

void policy_write_dns_answers(FILE *out, const struct ruleset *set)
{
	if (policy_has_stand_in(set))
		fprintf(out,
			"\t\tip daddr " STAND_IN " ip saddr 127.0.0.0/8 ct direction reply ip daddr set 127.0.0.1\n");
}

/* netshim's own resolver asks others in the class's name. */
static void write_redirects(FILE *out, const char *whose, const struct endpoint_list *list, bool own)
{
	fprintf(out, "\tchain dns_%s {\n", whose);
	if (own)
		fprintf(out, "\t\tmeta skgid %u accept\n", NAMES_USER);
	for (size_t p = 0; p < 2; p++) {
		write_redirect(out, list, protocols[p], AF_INET);
		write_redirect(out, list, protocols[p], AF_INET6);
	}
	fprintf(out, "\t}\n");
}

static void write_queries(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	bool any = false;

	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *class = &set->classes[i];

		if (!policy_has_dns(class))
			continue;
		write_redirects(out, class->name, class_resolvers(class), class->verdict.answerer.count);
		any = true;
	}
	if (!any)
		return;
	fprintf(out, "\n\t# dns: queries to their class's resolvers\n\tchain dns {\n\t\ttype nat hook output priority "
		     "-110; policy accept;\n");
	policy_write_map(out, set, live, "meta cgroup vmap", "goto dns_", policy_has_dns);
	fprintf(out, "\t}\n\n\t# whose source was chosen for the old destination\n\tchain resolver_source {\n"
		     "\t\ttype nat hook postrouting priority srcnat; policy accept;\n");
	for (size_t p = 0; p < 2; p++) {
		fprintf(out, WAS_QUERY " ct status dnat oifname != \"lo\" ", protocols[p]);
		policy_write_classids(out, set, live, policy_has_dns);
		fprintf(out, " masquerade\n");
	}
	fprintf(out, "\t}\n");
}

/* Whom what is in no class asks where it asks the machine's own resolvers; all that is meant
 * otherwise, it asks itself. */
static void write_asked(FILE *out, const struct ruleset *set, const uint32_t *live, const char *then)
{
	char text[INET6_ADDRSTRLEN];

	fprintf(out, "\t\tmeta skgid %u accept\n", NAMES_USER);
	if (set->class_count) {
		fprintf(out, "\t\t");
		policy_write_classids(out, set, live, policy_every);
		fprintf(out, " accept\n");
	}
	for (size_t i = 0; i < set->asked.count; i++) {
		const struct endpoint *r = &set->asked.items[i];

		inet_ntop(r->family, &r->address, text, sizeof(text));
		fprintf(out, "\t\t%s daddr %s meta l4proto { tcp, udp } th dport 53 %s\n",
			r->family == AF_INET ? "ip" : "ip6", text, then);
	}
}

static void write_others(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	char *zone;

	if (!set->unclassified.answerer.count || set->sole)
		return;
	zone = printed("ct original zone set %u", zone_of(UNCLASSIFIED, &set->unclassified.answerer));
	write_redirects(out, UNCLASSIFIED, &set->unclassified.answerer, true);
	fprintf(out, "\n\t# names: queries of what is in no class\n\tchain asked {\n\t\ttype nat hook output priority "
		     "-110; policy accept;\n");
	write_asked(out, set, live, "goto dns_" UNCLASSIFIED);
	fprintf(out, "\t}\n\tchain zone_asked {\n\t\ttype filter hook output priority -250; policy accept;\n"
		     "\t\tct state untracked accept\n");
	write_asked(out, set, live, zone);
	fprintf(out, "\t}\n");
	free(zone);
}

void policy_write_dns(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	write_queries(out, set, live);
	write_others(out, set, live);
	if (policy_any(set, policy_has_dns) || policy_has_stand_in(set))
		write_before_conntrack(out, set, live);
	if (policy_has_stand_in(set))
		write_stand_in_here(out);
}

/* What the kernel sends of a connection whose socket is closed is not in the zone of its class's
 * queries. It would go where the query was meant for, past the class's resolvers and interface. */
void policy_write_lost_queries(FILE *out, const struct ruleset *set)
{
	if (policy_any(set, policy_has_dns))
		fprintf(out, "\t\ttcp dport 53 ct state new,invalid drop\n");
}

/* end is "d", the destination, or "s", the source. */
static void write_resolver_ends(FILE *out, const struct endpoint_list *list, const char *end)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < list->count; i++) {
		const struct endpoint *r = &list->items[i];
		const char *family = r->family == AF_INET ? "ip" : "ip6";

		inet_ntop(r->family, &r->address, text, sizeof(text));
		for (size_t p = 0; p < 2; p++)
			fprintf(out, "\t\t%s %saddr %s %s %sport %u accept\n", family, end, text, protocols[p], end,
				r->port);
	}
}

void policy_write_resolvers(FILE *out, const struct endpoint_list *list)
{
	write_resolver_ends(out, list, "d");
}

void policy_write_answers(FILE *out, const struct verdict *verdict, const char *whose)
{
	if (!verdict->answerer.count)
		return;
	fprintf(out, "\tchain answers_%s {\n", whose);
	write_resolver_ends(out, &verdict->answerer, "d");
	write_resolver_ends(out, &verdict->answerer, "s");
	fprintf(out, "\t}\n");
}

/* Queries to it, and its answers, are those of connections that were redirected. (The oifname is
 * that of before.) What it asks others is told by its group, which the sockets have not that
 * were made before it had that, and by which it answers. */
void policy_write_answerer(FILE *out, const struct verdict *verdict, const char *whose)
{
	if (verdict->answerer.count)
		fprintf(out, "\t\tct status dnat jump answers_%s\n\t\tmeta skgid %u accept\n", whose, NAMES_USER);
}

static void add_answerers(struct endpoint_list *all, const struct endpoint_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		all->items = grown(all->items, all->count, sizeof(*all->items));
		all->items[all->count++] = list->items[i];
	}
}

/* Those that listen in this network namespace. */
static struct endpoint_list all_answerers(const struct ruleset *set)
{
	struct endpoint_list all = { NULL, 0 };

	for (size_t i = 0; i < set->class_count; i++)
		if (!set->classes[i].netns)
			add_answerers(&all, &set->classes[i].verdict.answerer);
	if (!set->sole)
		add_answerers(&all, &set->unclassified.answerer);
	return all;
}

static void write_not_led(FILE *out, const struct endpoint_list *list, const char *protocol, int family)
{
	if (!count_of_family(list, family))
		return;
	fprintf(out, "\t\t%s %s dport {", family == AF_INET ? "ip daddr 127.0.0.1" : "ip6 daddr ::1", protocol);
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].family == family)
			fprintf(out, " %u,", list->items[i].port);
	fprintf(out, " } ct status & dnat == 0 goto refuse\n");
}

/* Whoever asks one of netshim's own resolvers without having been led there would ask in another
 * class's name, past all that its own class says. */
bool policy_write_not_led(FILE *out, const struct ruleset *set)
{
	struct endpoint_list all = all_answerers(set);

	if (all.count)
		fprintf(out, "\n\t# netshim's own resolvers, for nobody but whose queries are led to them\n"
			     "\tchain not_led {\n");
	for (size_t p = 0; p < 2; p++) {
		write_not_led(out, &all, protocols[p], AF_INET);
		write_not_led(out, &all, protocols[p], AF_INET6);
	}
	if (all.count)
		fprintf(out, "\t}\n");
	free(all.items);
	return all.count;
}

/* What is left of what was a query, or of what conntrack does not follow (notrack) and so could
 * not redirect. */
void policy_write_other_queries(FILE *out, const struct ruleset *set)
{
	if (!policy_any(set, policy_has_dns))
		return;
	fprintf(out, "\tchain other_queries {\n");
	for (size_t p = 0; p < 2; p++)
		fprintf(out, WAS_QUERY " goto refuse\n", protocols[p]);
	for (size_t p = 0; p < 2; p++)
		fprintf(out, "\t\t%s dport 53 goto refuse\n", protocols[p]);
	fprintf(out, "\t}\n");
}

void policy_write_query_guard(FILE *out, const struct class *class)
{
	if (!policy_has_dns(class))
		return;
	fprintf(out, "\tchain queries_%s {\n", class->name);
	if (!class->verdict.answerer.count)
		policy_write_resolvers(out, &class->dns);
	fprintf(out, "\t\tgoto other_queries\n\t}\n");
}

static bool port_is_first(const struct class *class, size_t index)
{
	unsigned port = class->dns.items[index].port;

	for (size_t i = 0; i < index; i++)
		if (class->dns.items[i].port == port)
			return false;
	return port != 53;
}

/* What no other packet pays more than two looks for: a query is told by its port, or, where
 * somebody has given it another destination, by that. */
void policy_write_dns_guard(FILE *out, const struct class *class)
{
	if (!policy_has_dns(class))
		return;
	fprintf(out, "\t\tth dport 53 jump queries_%s\n", class->name);
	for (size_t i = 0; !class->verdict.answerer.count && i < class->dns.count; i++)
		if (port_is_first(class, i))
			fprintf(out, "\t\tth dport %u jump queries_%s\n", class->dns.items[i].port, class->name);
	fprintf(out, "\t\tct status dnat jump queries_%s\n", class->name);
}
