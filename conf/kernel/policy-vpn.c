/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A class with an interface: routing.c leads its packets there by their mark. Here
 * they get that interface's address, and what would leave by another one all the
 * same is dropped: the routes say where to go, this says where not to.
 *
 * Others may give packets and connections other marks at any moment, or addresses. So
 * what is dropped is told by what they cannot change: the class of the sending socket,
 * when all else has been done to the packet; and of the packets that the kernel sends
 * for a connection, the source, which is the interface's own by then. */

#include "conf/kernel/policy-vpn.h"

#include "conf/kernel/policy-allow.h"
#include "conf/kernel/policy-map.h"
#include "conf/kernel/policy-refuse.h"
#include "conf/language/alloc.h"
#include "conf/language/value.h"

#include <arpa/inet.h>
#include <string.h>

/* What is in a network namespace sends nothing from here (policy-jail.c). */
static bool has_interface(const struct class *class)
{
	return class->interface && !class->netns;
}

/* Of those that go the ordinary way, one stands for all in what is told by marks. */
static bool has_way(const struct class *class)
{
	return (class->interface || class->ordinary) && !class->netns;
}

/* The table of those that go the ordinary way is one for all, with a network namespace or without. */
static bool has_last_route(const struct class *class)
{
	return (class->interface ? !class->netns : class->ordinary) && class->table;
}

static bool tells_way(const struct class *class)
{
	return has_way(class) && !class->mark_repeated;
}

static const int families[] = { AF_INET, AF_INET6 };

static const char *family_name(int family)
{
	return family == AF_INET ? "ip" : "ip6";
}

/* What a class with an interface is written from. */
struct guarded {
	const struct class *class;
	const struct network_list *networks;
	const struct ways *ways;
	size_t origin; /* which of the chains that look at where a packet was sent to */
};

static bool is_near(const struct guarded *g, const struct way *w)
{
	return w->kind == WAY_NAMED || (w->kind == WAY_NEAR && w->to.interface != g->ways->interface);
}

/* NULL where nftables cannot be given it. */
static const char *interface_name(const struct network_list *networks, int interface)
{
	const struct link *link = networks_link(networks, interface);

	return link && interface_name_valid(link->name) ? link->name : NULL;
}

/* Each network is in reach by its own interface only, as a program can ask for another
 * one (SO_BINDTODEVICE, IP_PKTINFO). */
static void write_one_way(FILE *out, const struct guarded *g, const struct way *w, const char *before, const char *then)
{
	char text[INET6_ADDRSTRLEN];
	const char *name = interface_name(g->networks, w->to.interface);
	bool leaving = w->kind == WAY_NEAR && !strcmp(then, "accept");

	if (leaving && !name)
		return;
	inet_ntop(w->to.family, &w->to.address, text, sizeof(text));
	fprintf(out, "\t\t");
	if (leaving)
		fprintf(out, "oifname \"%s\" ", name);
	fprintf(out, "%s%s daddr %s/%u %s\n", before, family_name(w->to.family), text, w->to.prefix, then);
}

/* Rules for what the class reaches by other interfaces ("then"), and for what has been
 * taken out of that ("not"). */
static void write_reach(FILE *out, const struct guarded *g, const char *before, const char *then, const char * not )
{
	static const enum way_kind order[] = { WAY_NAMED, WAY_LAST, WAY_NEAR };

	for (size_t k = 0; k < 3; k++)
		for (size_t i = 0; i < g->ways->count; i++) {
			const struct way *w = &g->ways->items[i];

			if (w->kind == order[k] && w->to.prefix && (w->kind == WAY_LAST || is_near(g, w)))
				write_one_way(out, g, w, before, w->kind == WAY_LAST ? not : then);
		}
}

/* Two interfaces may have one address. */
static bool is_first_own(const struct network_list *networks, const struct network *own, int interface)
{
	for (const struct network *n = networks->own; n < own; n++)
		if (network_is_same(n, own) && (!interface || n->interface == interface))
			return false;
	return true;
}

/* Writes "before { ... } then" with the addresses of the family that the interface has
 * (0: this machine has), or nothing where there are none. */
static void write_addresses(FILE *out, const struct network_list *networks, int interface, int family,
			    const char *before, const char *then)
{
	char text[INET6_ADDRSTRLEN];
	bool any = false;

	for (size_t i = 0; i < networks->own_count; i++) {
		const struct network *own = &networks->own[i];

		if (own->family != family || (interface && own->interface != interface) ||
		    !is_first_own(networks, own, interface))
			continue;
		inet_ntop(family, &own->address, text, sizeof(text));
		fprintf(out, "%s %s", any ? "," : before, text);
		any = true;
	}
	if (any)
		fprintf(out, " } %s\n", then);
}

#define TO_INTERFACE "\t\toifname \"%s\" "

/* By the interface, with one of its addresses. If several interfaces have the same
 * IPv4 address, fib knows only the first. */
static void write_way(FILE *out, const struct ruleset *set, const struct guarded *g)
{
	const char *device = g->class->device;
	char *before = printed(TO_INTERFACE "ip saddr {", device);

	/* A tunnel's packet is routed by the mark of the packet inside. */
	if (set->tunnels.count) {
		fprintf(out, TO_INTERFACE, device);
		policy_write_mark(out, "meta mark", (struct packet_mark){ 0, g->class->mark.mask });
		fprintf(out, "\n");
	}
	if (g->ways->interface)
		write_addresses(out, g->networks, g->ways->interface, AF_INET, before, "accept");
	fprintf(out, TO_INTERFACE "fib saddr . oif type local accept\n" TO_INTERFACE "goto refuse_silently\n", device,
		device);
	free(before);
}

static bool reaches_link(const struct class *class)
{
	return list_has(&class->local, PEER_LAN) || list_has(&class->local, PEER_LINK);
}

/* Broadcasts and neighbour discovery are part of the local networks. */
static void write_guard(FILE *out, const struct ruleset *set, const struct guarded *g)
{
	if (g->class->device)
		write_way(out, set, g);
	fprintf(out, "\t\tct direction original jump origin%zu\n", g->origin);
	if (reaches_link(g->class))
		fprintf(out, "\t\tip daddr { 224.0.0.0/24, 255.255.255.255 } accept\n"
			     "\t\tip6 daddr { fe80::/10, ff02::/16 } accept\n");
	write_reach(out, g, "", "accept", "goto refuse_silently");
	fprintf(out, "\t\tgoto refuse_silently\n");
}

/* What others have sent to a local network, the program has not: where it was sent to
 * is what conntrack has seen first. */
static void write_origin(FILE *out, const struct ruleset *set, const struct guarded *g)
{
	(void)set;
	if (class_resolvers(g->class)->count)
		fprintf(out, "\t\tmeta l4proto udp ct original proto-dst 53 return\n"
			     "\t\tmeta l4proto tcp ct original proto-dst 53 return\n");
	fprintf(out, "\t\tct original ip daddr { 127.0.0.0/8, 224.0.0.0/24, 255.255.255.255 } return\n"
		     "\t\tct original ip6 daddr { ::1, fe80::/10, ff02::/16 } return\n");
	write_reach(out, g, "ct original ", "return", "goto refuse_silently");
	write_addresses(out, g->networks, 0, AF_INET, "\t\tct original ip daddr {", "return");
	write_addresses(out, g->networks, 0, AF_INET6, "\t\tct original ip6 daddr {", "return");
	fprintf(out, "\t\tgoto refuse_silently\n");
}

/* What conntrack is not to follow cannot be given the interface's address. */
static void write_untracked(FILE *out, const struct ruleset *set, const struct guarded *g)
{
	(void)set;
	fprintf(out, "\t\tfib daddr type @here return\n");
	for (size_t i = 0; g->ways->interface && i < 2; i++)
		write_addresses(out, g->networks, g->ways->interface, families[i],
				families[i] == AF_INET ? "\t\tip saddr {" : "\t\tip6 saddr {", "return");
	write_reach(out, g, "", "return", "goto refuse");
	fprintf(out, "\t\tgoto refuse\n");
}

/* Chains that classes share: most have one of few interfaces, and what a load takes long
 * for is the number of sets in all chains. */
struct shared {
	const char *name; /* of the chains, before their number */
	void (*write)(FILE *out, const struct ruleset *set, const struct guarded *g);
	char **rules;
	size_t count;
};

/* Returns the number of the chain with the class's rules, which is written if it is new. */
static size_t write_shared(FILE *out, struct shared *shared, const struct ruleset *set, const struct guarded *g)
{
	char *rules = NULL;
	size_t size = 0;
	FILE *text = memstream_open(&rules, &size);

	shared->write(text, set, g);
	memstream_close(text);
	for (size_t i = 0; i < shared->count; i++)
		if (!strcmp(shared->rules[i], rules)) {
			free(rules);
			return i;
		}
	fprintf(out, "\tchain %s%zu {\n%s\t}\n", shared->name, shared->count, rules);
	shared->rules = grown(shared->rules, shared->count, sizeof(*shared->rules));
	shared->rules[shared->count] = rules;
	return shared->count++;
}

static void free_shared(struct shared *shared)
{
	for (size_t i = 0; i < shared->count; i++)
		free(shared->rules[i]);
	free(shared->rules);
}

static void write_here(FILE *out)
{
	fprintf(out, "\tset here {\n\t\ttype fib_addrtype\n\t\telements = { local, broadcast, multicast }\n\t}\n");
}

/* What is on the last route is dropped here, which the sender is told (EPERM), but for TCP, which
 * takes no notice of that: it goes on into the loopback interface, and gets a reset in dead_end by
 * its mark. Whose it is, nobody can tell there any more. */
static void write_round(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	fprintf(out, "\tchain round {\n\t\tfib daddr type @here accept\n"
		     "\t\tmeta l4proto != tcp goto refuse_silently\n");
	policy_write_telling(out, set, live);
	fprintf(out, "\t}\n");
}

static void write_kept(FILE *out, const struct class *class, size_t way)
{
	fprintf(out, "\tchain stay_%s {\n\t\toifname != \"lo\" goto way%zu\n\t\tjump round\n\t\t", class->name, way);
	policy_write_mark(out, "meta mark", class->mark);
	fprintf(out, "\n\t}\n");
}

/* What its type is called: see type_of in routing-routes.c. */
static void write_last_route(FILE *out)
{
	fprintf(out, "\tchain last_route {\n\t\tfib daddr . mark type { unreachable, broadcast } goto refuse\n\t}\n");
}

/* The kernel would open further connections (subflows) of an MPTCP socket by other
 * interfaces, in nobody's name: without the option it is plain TCP.
 * IPv6's last route refuses, but a packet that was routed there because of its mark
 * is dropped without a word to the program. */
static void write_guarded(FILE *out, const char *untracked)
{
	fprintf(out,
		"\tchain guarded {\n\t\ttcp flags syn reset tcp option mptcp\n\t\tmeta nfproto ipv6 jump last_route\n"
		"\t\tct state untracked meta cgroup vmap {\n%s\t\t}\n\t}\n",
		untracked);
}

/* Returns whether there is any class with an interface. */
static bool write_all_kept(FILE *out, const struct ruleset *set, const uint32_t *live,
			   const struct network_list *networks)
{
	struct shared origins = { .name = "origin", .write = write_origin };
	struct shared ways = { .name = "way", .write = write_guard };
	struct shared untracked = { .name = "untracked", .write = write_untracked };
	char *map = NULL;
	FILE *elements;

	if (!policy_any(set, has_interface))
		return false;
	elements = memstream_open(&map, &(size_t){ 0 });
	write_round(out, set, live);
	for (size_t i = 0; i < set->class_count; i++) {
		struct guarded g = { &set->classes[i], networks, &networks->ways[i], 0 };
		char *to;

		if (!has_interface(g.class))
			continue;
		g.origin = write_shared(out, &origins, set, &g);
		write_kept(out, g.class, write_shared(out, &ways, set, &g));
		to = printed("goto untracked%zu", write_shared(out, &untracked, set, &g));
		policy_write_element(elements, set, live, i, to);
		free(to);
	}
	memstream_close(elements);
	write_guarded(out, map);
	free(map);
	free_shared(&origins);
	free_shared(&ways);
	free_shared(&untracked);
	return true;
}

static void write_arriving(FILE *out, const struct ruleset *set)
{
	fprintf(out, "\n\t# for others' reverse-path filters\n\tchain answers {\n"
		     "\t\ttype filter hook prerouting priority mangle; policy accept;\n");
	policy_write_mark_map(out, set, "ct direction reply ct mark", "goto mark_", tells_way);
	fprintf(out, "\t}\n");
}

static void write_dead_ends(FILE *out, const struct ruleset *set)
{
	fprintf(out, "\n\t# what routing's last route has sent round\n\tchain dead_end {\n"
		     "\t\ttype filter hook prerouting priority -300; policy accept;\n");
	policy_write_marked(out, set, "iifname \"lo\" fib daddr type != @here meta mark", "goto refuse",
			    has_last_route);
	fprintf(out, "\t}\n");
}

/* Returns the first class that has the interface, or NULL. */
static const struct class *class_of_interface(const struct ruleset *set, const struct network_list *networks,
					      int interface)
{
	for (size_t i = 0; i < set->class_count; i++)
		if (has_interface(&set->classes[i]) && networks->ways[i].interface == interface)
			return &set->classes[i];
	return NULL;
}

/* The class whose interface has the address, the first one's where several do; or
 * NULL. */
static const struct class *class_of_address(const struct ruleset *set, const struct network_list *networks,
					    const struct network *own)
{
	const struct class *class = NULL;

	for (size_t i = 0; !class && i < networks->own_count; i++)
		if (network_is_same(&networks->own[i], own))
			class = class_of_interface(set, networks, networks->own[i].interface);
	return class;
}

/* Of the addresses that some class's interface has: what leaves by an interface that
 * has its address is let through (interfaces), or all of it goes to the class's chain. */
static void write_own(FILE *out, const struct ruleset *set, const struct network_list *networks, int family,
		      const char *then)
{
	char text[INET6_ADDRSTRLEN];
	bool any = false;

	for (size_t i = 0; i < networks->own_count; i++) {
		const struct network *own = &networks->own[i];
		const struct class *class = own->family == family ? class_of_address(set, networks, own) : NULL;
		const char *name = interface_name(networks, own->interface);

		if (!class || !name)
			continue;
		/* To the chain but once. */
		if (then && class_of_interface(set, networks, own->interface) != class)
			continue;
		if (!any)
			fprintf(out, then ? "\t\t%s saddr vmap {\n" : "\t\t%s saddr . oifname {\n",
				family_name(family));
		inet_ntop(family, &own->address, text, sizeof(text));
		if (then)
			fprintf(out, "\t\t\t%s : %s%s,\n", text, then, class->name);
		else
			fprintf(out, "\t\t\t%s . \"%s\",\n", text, name);
		any = true;
	}
	if (any)
		fprintf(out, then ? "\t\t}\n" : "\t\t} accept\n");
}

/* When a packet of no connection that conntrack knows comes in by a class's
 * interface, the kernel answers in nobody's name. The answer is led to the interface
 * whose address it has. If it leaves by such an interface anyway, it is left alone:
 * the class's router need not be the machine's. */
void policy_write_own_addresses(FILE *out, const struct ruleset *set, const struct network_list *networks,
				const char *then)
{
	for (size_t i = 0; i < 2; i++) {
		write_own(out, set, networks, families[i], NULL);
		write_own(out, set, networks, families[i], then);
	}
}

/* When all has been done to the packet that can be, and not in the output hook, whose
 * oifname is the one before the mark had the packet routed anew. The kernel's own
 * packets are told by the connection's mark too, while nobody changes that. */
static void write_stay(FILE *out, const struct ruleset *set, const uint32_t *live, const struct network_list *networks)
{
	fprintf(out, "\n\t# interface: what would leave by another one, or with another's address\n\tchain stay {\n"
		     "\t\ttype filter hook postrouting priority 110; policy accept;\n");
	policy_write_tunnels(out, set, "accept");
	policy_write_map(out, set, live, "meta cgroup vmap", "goto stay_", has_interface);
	fprintf(out, "\t\tmeta skuid >= 0 accept\n");
	policy_write_mark_map(out, set, "ct mark", "goto stay_", has_interface);
	policy_write_own_addresses(out, set, networks, "goto stay_");
	fprintf(out, "\t}\n");
}

static bool is_first_with_device(const struct ruleset *set, const struct class *class)
{
	bool wanted = class->device && has_interface(class);

	for (const struct class *c = set->classes; wanted && c < class; c++)
		if (c->device && has_interface(c) && !strcmp(c->device, class->device))
			return false;
	return wanted;
}

/* Only the first packet of a connection is asked about. */
static void write_source(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	bool any = false;

	for (size_t i = 0; i < set->class_count; i++) {
		if (!is_first_with_device(set, &set->classes[i]))
			continue;
		if (!any)
			fprintf(out, "\n\t# with the interface's address\n\tchain vpn_source {\n"
				     "\t\ttype nat hook postrouting priority srcnat; policy accept;\n\t\toifname {");
		fprintf(out, " \"%s\",", set->classes[i].device);
		any = true;
	}
	if (!any)
		return;
	fprintf(out, " } fib saddr . oif type != local ");
	policy_write_classids(out, set, live, has_interface);
	fprintf(out, " masquerade\n\t}\n");
}

/* After others' at the usual priorities: marks that they set there would lead the class
 * to where it is dropped. */
static void write_marks_again(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	fprintf(out, "\n\t# interface: the mark, whatever others have set\n\tchain marks_again {\n"
		     "\t\ttype route hook output priority 1000; policy accept;\n");
	policy_write_tunnels(out, set, "accept");
	policy_write_map(out, set, live, "meta cgroup vmap", "goto mark_", has_way);
	fprintf(out, "\t}\n");
}

void policy_write_vpn(FILE *out, const struct ruleset *set, const uint32_t *live, const struct network_list *networks)
{
	bool guarded;

	if (policy_any(set, has_way)) {
		write_here(out);
		write_last_route(out);
	}
	guarded = write_all_kept(out, set, live, networks);
	if (!policy_any(set, has_way))
		return;
	write_marks_again(out, set, live);
	write_arriving(out, set);
	write_dead_ends(out, set);
	if (!guarded)
		return;
	write_source(out, set, live);
	write_stay(out, set, live, networks);
}

void policy_write_vpn_guard(FILE *out, const struct class *class)
{
	if (has_interface(class))
		fprintf(out, "\t\tjump guarded\n");
	else if (has_way(class)) /* link-local addresses go by the main table, whose routes here name no device */
		fprintf(out, "\t\tip6 daddr != fe80::/10 jump last_route\n");
}
