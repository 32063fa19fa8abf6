/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What a network namespace reaches by the interface that joins it to this machine: what is
 * behind the machine, by the uplink if there is one, with the machine's own address. Not the
 * machine itself, nor another such namespace, but for single addresses that allow lists and
 * for resolvers. What the class's lists say, is in force inside; here is what they do not
 * know, where no process inside can change it.
 *
 * The kernel forwards packets of these namespaces, so it has to be told to forward (sysctl.c);
 * where it did not before, it goes on forwarding nothing for others. */

#include "conf/kernel/policy-jail.h"

#include "conf/kernel/namespace.h"
#include "conf/kernel/policy-allow.h"
#include "conf/kernel/policy-dns.h"
#include "conf/kernel/policy-map.h"
#include "conf/kernel/policy-refuse.h"
#include "conf/kernel/sysctl.h"
#include "conf/language/value.h"

#include <arpa/inet.h>
#include <net/if.h>

static bool is_joined(const struct class *class)
{
	return class->addresses.count;
}

static bool has_ports(const struct class *class)
{
	return class->ports.count;
}

static bool is_marked(const struct class *class)
{
	return is_joined(class) && class->mark.value && (class->interface || class->ordinary);
}

static const char *name_of(int family)
{
	return family == AF_INET ? "ip" : "ip6";
}

static const char *link_of(const struct class *class, char name[IF_NAMESIZE])
{
	namespace_link(class->netns, name);
	return name;
}

/* "before { "LINK" : thenNAME, ... }", for what comes from, or goes to, one of them. */
static void write_vmap(FILE *out, const struct ruleset *set, const char *before, const char *then)
{
	char name[IF_NAMESIZE];

	fprintf(out, "\t\t%s vmap {", before);
	for (size_t i = 0; i < set->class_count; i++)
		if (is_joined(&set->classes[i]))
			fprintf(out, " \"%s\" : %s%s,", link_of(&set->classes[i], name), then, set->classes[i].name);
	fprintf(out, " }\n");
}

static void write_links(FILE *out, const struct ruleset *set)
{
	char name[IF_NAMESIZE];

	fprintf(out, "{");
	for (size_t i = 0; i < set->class_count; i++)
		if (is_joined(&set->classes[i]))
			fprintf(out, " \"%s\",", link_of(&set->classes[i], name));
	fprintf(out, " }");
}

/* What it may reach of this machine and of other namespaces. */
static void write_named(FILE *out, const struct class *class)
{
	fprintf(out, "\tchain named_%s {\n", class->name);
	for (size_t i = 0; i < class->verdict.allow.count; i++)
		/* A network that allow lists is not meant for what has an address of it by chance. */
		if (policy_is_single(&class->verdict.allow.items[i]))
			policy_write_peer(out, &class->verdict.allow.items[i], "", "accept");
	policy_write_resolvers(out, &class->dns);
	fprintf(out, "\t\tgoto refused_%s\n\t}\n", class->name);
}

/* Its packets have no socket here, by which the others' class is told. */
static void write_refused(FILE *out, const struct class *class)
{
	fprintf(out, "\tchain refused_%s {\n\t\tiifname vmap @" POLICY_TELL_LINKS "\n\t\t%s\n\t}\n", class->name,
		class->verdict.action == ACTION_DROP ? "drop" : "goto refuse");
}

/* Nobody can be reached by IPv6 without finding out where it is. */
static void write_to_machine(FILE *out, const struct class *class)
{
	fprintf(out,
		"\tchain host_%s {\n\t\tct direction reply accept\n\t\tct state related accept\n"
		"\t\ticmp type echo-request accept\n"
		"\t\ticmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert } accept\n"
		"\t\tgoto named_%s\n\t}\n",
		class->name, class->name);
}

static void write_from(FILE *out, const struct ruleset *set, const struct class *class)
{
	fprintf(out, "\tchain from_%s {\n\t\tct direction reply accept\n\t\toifname ", class->name);
	write_links(out, set);
	fprintf(out, " goto named_%s\n", class->name);
	if (class->device && interface_name_valid(class->device))
		fprintf(out, "\t\toifname != \"%s\" goto refused_%s\n", class->device, class->name);
	else if (class->interface)
		fprintf(out, "\t\tgoto refused_%s\n", class->name);
	else if (class->ordinary)
		fprintf(out, "\t\toifname \"lo\" goto refused_%s\n", class->name);
	fprintf(out, "\t}\n");
}

static void write_to(FILE *out, const struct class *class)
{
	fprintf(out,
		"\tchain to_%s {\n\t\tct direction reply accept\n\t\tct state related accept\n"
		"\t\tct status dnat accept\n\t\tdrop\n\t}\n",
		class->name);
}

/* What is forwarded since netshim has the kernel forward, and is not a namespace's. Others who
 * translate addresses (containers, virtual machines) mean what they do. An interface that comes
 * later forwards for IPv6 too, and not for IPv4. */
static void write_closed(FILE *out, const struct ruleset *set, const struct network_list *networks)
{
	static const char closed[] = "\t\tct state new ct status & dnat == 0 meta nfproto";
	bool any = false;

	for (size_t i = 0; i < networks->link_count; i++) {
		const char *name = networks->links[i].name;

		if (!sysctl_opens(set, name) || !interface_name_valid(name))
			continue;
		if (!any)
			fprintf(out, "%s ipv4 iifname {", closed);
		fprintf(out, " \"%s\",", name);
		any = true;
	}
	if (any)
		fprintf(out, " } drop\n");
	if (sysctl_opens_ipv6(set))
		fprintf(out, "%s ipv6 drop\n", closed);
}

static void write_forward(FILE *out, const struct ruleset *set, const struct network_list *networks)
{
	fprintf(out, "\n\t# what goes through this machine from network namespaces, or to them\n"
		     "\tchain jails_forward {\n\t\ttype filter hook forward priority filter; policy accept;\n");
	write_vmap(out, set, "iifname", "goto from_");
	write_vmap(out, set, "oifname", "goto to_");
	write_closed(out, set, networks);
	fprintf(out, "\t}\n\tchain jails_input {\n\t\ttype filter hook input priority filter; policy accept;\n");
	write_vmap(out, set, "iifname", "goto host_");
	fprintf(out, "\t}\n");
}

/* To this machine's networks, the namespace's address means nothing. */
static void write_source(FILE *out, const struct ruleset *set)
{
	char text[INET6_ADDRSTRLEN];

	fprintf(out, "\tchain jails_source {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n");
	for (size_t i = 0; i < set->class_count; i++)
		for (size_t j = 0; j < set->classes[i].addresses.count; j++) {
			const struct own_address *own = &set->classes[i].addresses.items[j];

			inet_ntop(own->family, &own->address, text, sizeof(text));
			fprintf(out, "\t\t%s saddr %s oifname != ", name_of(own->family), text);
			write_links(out, set);
			fprintf(out, " masquerade\n");
		}
	/* Of which each namespace has its own. */
	if (policy_any(set, has_ports)) {
		fprintf(out, "\t\tip saddr " STAND_IN " oifname ");
		write_links(out, set);
		fprintf(out, " masquerade\n");
	}
	fprintf(out, "\t}\n");
}

/* The routing table of the uplink, for what a namespace begins; what it answers goes back to
 * where that came from. */
static void write_uplinks(FILE *out, const struct ruleset *set)
{
	char name[IF_NAMESIZE];

	if (!policy_any(set, is_marked))
		return;
	fprintf(out, "\tchain jails_uplink {\n\t\ttype filter hook prerouting priority mangle; policy accept;\n");
	for (size_t i = 0; i < set->class_count; i++) {
		if (!is_marked(&set->classes[i]))
			continue;
		fprintf(out, "\t\tiifname \"%s\" ct direction original ", link_of(&set->classes[i], name));
		policy_write_mark(out, "meta mark", set->classes[i].mark);
		fprintf(out, "\n");
	}
	fprintf(out, "\t}\n");
}

static void write_port(FILE *out, const struct own_address *own, const struct port *port)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(own->family, &own->address, text, sizeof(text));
	fprintf(out,
		own->family == AF_INET ? "\t\tmeta nfproto ipv4 %s dport %u dnat ip to %s:%u\n"
				       : "\t\tmeta nfproto ipv6 %s dport %u dnat ip6 to [%s]:%u\n",
		port->protocol == IPPROTO_TCP ? "tcp" : "udp", port->from, text, port->to);
}

/* For who connects to this machine from elsewhere, and from itself. */
static void write_ports(FILE *out, const struct ruleset *set)
{
	if (!policy_any(set, has_ports))
		return;
	fprintf(out, "\tchain ports {\n");
	for (size_t i = 0; i < set->class_count; i++)
		for (size_t p = 0; p < set->classes[i].ports.count; p++)
			for (size_t a = 0; a < set->classes[i].addresses.count; a++)
				write_port(out, &set->classes[i].addresses.items[a], &set->classes[i].ports.items[p]);
	fprintf(out, "\t}\n\tchain ports_of_others {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n"
		     "\t\tfib daddr type local jump ports\n\t}\n"
		     "\tchain ports_of_own {\n\t\ttype nat hook output priority -100; policy accept;\n"
		     "\t\tfib daddr type local jump ports\n\t}\n");
}

void policy_write_jails(FILE *out, const struct ruleset *set, const struct network_list *networks)
{
	if (!policy_any(set, is_joined))
		return;
	fprintf(out, "\tmap " POLICY_TELL_LINKS " { " POLICY_TELL_LINKS_TYPE " }\n");
	for (size_t i = 0; i < set->class_count; i++) {
		if (!is_joined(&set->classes[i]))
			continue;
		write_refused(out, &set->classes[i]);
		write_named(out, &set->classes[i]);
		write_to_machine(out, &set->classes[i]);
		write_from(out, set, &set->classes[i]);
		write_to(out, &set->classes[i]);
	}
	write_forward(out, set, networks);
	write_source(out, set);
	write_uplinks(out, set);
	write_ports(out, set);
}
