/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A class with an interface: routing.c leads its packets there by their mark. Here
 * they get that interface's address, and what would leave by another one all the
 * same is dropped: the routes say where to go, this says where not to. */

#include "conf/kernel/policy-vpn.h"

#include "conf/language/value.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

static bool has_interface(const struct class *class)
{
	return class->interface;
}

/* The machine's other networks are in reach, each by its own interface only: a
 * program can ask for another one (SO_BINDTODEVICE, IP_PKTINFO). */
static void write_networks(FILE *out, const struct network_list *networks, int without)
{
	char text[INET6_ADDRSTRLEN];
	char name[IF_NAMESIZE];

	for (size_t i = 0; networks && i < networks->count; i++) {
		const struct network *n = &networks->items[i];

		if (n->interface == without || !if_indextoname((unsigned)n->interface, name) ||
		    !interface_name_valid(name))
			continue;
		inet_ntop(n->family, &n->address, text, sizeof(text));
		fprintf(out, "\t\toifname \"%s\" %s daddr %s/%u accept\n", name, n->family == AF_INET ? "ip" : "ip6",
			text, n->prefix);
	}
}

#define NOT_HERE "fib daddr type != { local, broadcast, multicast }"

/* Broadcasts and neighbour discovery are part of the local networks. What is on
 * routing.c's last route is dropped here, which the sender is told (EPERM), but for
 * TCP, which takes no notice of that: it gets a reset in dead_end. */
static void write_guard(FILE *out, const struct class *class, const struct network_list *networks)
{
	fprintf(out, "\tchain stay_%s {\n\t\toifname \"lo\" meta l4proto != tcp " NOT_HERE " drop\n", class->name);
	fprintf(out, "\t\toifname { \"%s\", \"lo\" } accept\n", class->interface);
	fprintf(out, "\t\tip daddr { 224.0.0.0/24, 255.255.255.255 } accept\n"
		     "\t\tip6 daddr { fe80::/10, ff02::/16 } accept\n");
	write_networks(out, networks, (int)if_nametoindex(class->interface));
	fprintf(out, "\t\tdrop\n\t}\n");
}

/* Writes "KEY { ... }" with one element for each class with an interface. */
static void write_elements(FILE *out, const struct ruleset *set, const char *key, bool interfaces, const char *then)
{
	fprintf(out, "%s {\n", key);
	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *class = &set->classes[i];

		if (!has_interface(class))
			continue;
		fprintf(out, "\t\t\t0x%08x", class->mark);
		if (interfaces)
			fprintf(out, " . \"%s\"", class->interface);
		fprintf(out, "%s%s,\n", then, *then ? class->name : "");
	}
	fprintf(out, "\t\t}");
}

static void write_arriving(FILE *out, const struct ruleset *set)
{
	fprintf(out, "\n\t# for others' reverse-path filters\n\tchain answers {\n"
		     "\t\ttype filter hook prerouting priority mangle; policy accept;\n");
	write_elements(out, set, "\t\tct direction reply ct mark . iifname", true, "");
	fprintf(out, " meta mark set ct mark\n\t}\n\n\t# what routing's last route has sent round\n\tchain dead_end {\n"
		     "\t\ttype filter hook prerouting priority -300; policy accept;\n");
	write_elements(out, set, "\t\tiifname \"lo\" " NOT_HERE " meta mark", false, "");
	fprintf(out, " goto refuse\n\t}\n");
}

/* Returns the first class that has the interface, or NULL. */
static const struct class *class_of_interface(const struct ruleset *set, int interface)
{
	char name[IF_NAMESIZE];

	if (!if_indextoname((unsigned)interface, name))
		return NULL;
	for (size_t i = 0; i < set->class_count; i++)
		if (has_interface(&set->classes[i]) && !strcmp(set->classes[i].interface, name))
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
			class = class_of_interface(set, networks->own[i].interface);
	return class;
}

/* Of the addresses that some class's interface has: what leaves by an interface that
 * has its address is let through (interfaces), or all of it gets the class's mark. */
static void write_own(FILE *out, const struct ruleset *set, const struct network_list *networks, int family,
		      bool interfaces)
{
	const char *ip = family == AF_INET ? "ip" : "ip6";
	char text[INET6_ADDRSTRLEN];
	char name[IF_NAMESIZE];
	bool any = false;

	for (size_t i = 0; networks && i < networks->own_count; i++) {
		const struct network *own = &networks->own[i];
		const struct class *class = own->family == family ? class_of_address(set, networks, own) : NULL;

		if (!class || !if_indextoname((unsigned)own->interface, name) || !interface_name_valid(name))
			continue;
		/* The mark but once. */
		if (!interfaces && class_of_interface(set, own->interface) != class)
			continue;
		if (!any)
			fprintf(out, interfaces ? "\t\t%s saddr . oifname {\n" : "\t\tmeta mark set %s saddr map {\n",
				ip);
		inet_ntop(family, &own->address, text, sizeof(text));
		if (interfaces)
			fprintf(out, "\t\t\t%s . \"%s\",\n", text, name);
		else
			fprintf(out, "\t\t\t%s : 0x%08x,\n", text, class->mark);
		any = true;
	}
	if (any)
		fprintf(out, interfaces ? "\t\t} accept\n" : "\t\t}\n");
}

/* What comes by a class's interface for no connection that conntrack knows (any
 * longer), the kernel answers in nobody's name: by the interface whose address it
 * answers from. What leaves by such a one anyway goes on as if there were no class:
 * the class's router need not be the machine's. */
void policy_write_own_addresses(FILE *out, const struct ruleset *set, const struct network_list *networks)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < 2; i++) {
		write_own(out, set, networks, families[i], true);
		write_own(out, set, networks, families[i], false);
	}
}

/* Not in the output hook, whose oifname is the one before the mark had the packet
 * routed anew. Where others have given the packet another mark, the connection's is
 * still netshim's. */
static void write_leaving(FILE *out, const struct ruleset *set, const struct network_list *networks)
{
	fprintf(out, "\n\t# interface: what would leave by another one\n\tchain stay {\n"
		     "\t\ttype filter hook postrouting priority 0; policy accept;\n");
	write_elements(out, set, "\t\tmeta mark vmap", false, " : goto stay_");
	fprintf(out, "\n");
	write_elements(out, set, "\t\tct mark vmap", false, " : goto stay_");
	fprintf(out, "\n\t}\n\n\t# with the interface's address\n\tchain vpn_source {\n"
		     "\t\ttype nat hook postrouting priority srcnat; policy accept;\n");
	write_elements(out, set, "\t\tct mark . oifname", true, "");
	fprintf(out, " masquerade\n\t}\n\n\t# and with no other, where conntrack knows the connection from before\n"
		     "\tchain own_source {\n\t\ttype filter hook postrouting priority 110; policy accept;\n");
	/* A tunnel looks for its own way by the mark of what it wraps. */
	if (set->tunnels.count) {
		write_elements(out, set, "\t\tct mark . oifname", true, "");
		fprintf(out, " meta mark set 0\n");
	}
	/* Of interfaces with one IPv4 address, fib knows but the first. */
	write_own(out, set, networks, AF_INET, true);
	write_elements(out, set, "\t\tfib saddr . oif type != local ct mark . oifname", true, "");
	fprintf(out, " drop\n\t}\n");
}

void policy_write_vpn(FILE *out, const struct ruleset *set, const struct network_list *networks)
{
	bool any = false;

	for (size_t i = 0; i < set->class_count; i++) {
		if (!has_interface(&set->classes[i]))
			continue;
		write_guard(out, &set->classes[i], networks);
		any = true;
	}
	if (!any)
		return;
	write_leaving(out, set, networks);
	write_arriving(out, set);
}

/* The kernel would open further connections (subflows) of an MPTCP socket by other
 * interfaces, in nobody's name: without the option it is plain TCP.
 * IPv6's last route refuses, but a packet that was routed there because of its mark
 * is dropped without a word to the program. */
void policy_write_vpn_guard(FILE *out, const struct class *class)
{
	if (has_interface(class))
		fprintf(out, "\t\ttcp flags syn reset tcp option mptcp\n"
			     "\t\tmeta nfproto ipv6 fib daddr . mark type unreachable goto refuse\n");
}
