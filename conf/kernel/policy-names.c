/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Domain names in allow and deny: see policy-names.h. */

#include "conf/kernel/policy-names.h"

static const int families[] = { AF_INET, AF_INET6 };

static const char *ip(int family)
{
	return family == AF_INET ? "ip" : "ip6";
}

/* No other set's name begins so, and a class's name comes last, as it may be any. */
void policy_names_set(char text[NAMES_SET_SIZE], enum names_set kind, int family, const struct peer *a,
		      const char *whose)
{
	static const char *const kinds[] = {
		[NAMES_SET_OPEN] = "open", [NAMES_SET_KNOWN] = "known", [NAMES_SET_DENY] = "deny"
	};
	char ports[16] = "any";

	if (a->first_port)
		snprintf(ports, sizeof(ports), "%c%u-%u", a->protocol == IPPROTO_TCP ? 't' : 'u', a->first_port,
			 a->last_port);
	snprintf(text, NAMES_SET_SIZE, "%s%d_%s_%s", kinds[kind], family == AF_INET ? 4 : 6, ports, whose);
}

int policy_names_family(const char *set)
{
	size_t kind = strcspn(set, "46");
	bool is = (kind == 4 && (!strncmp(set, "open", kind) || !strncmp(set, "deny", kind))) ||
		  (kind == 5 && !strncmp(set, "known", kind));

	if (!is || set[kind + 1] != '_')
		return 0;
	return set[kind] == '4' ? AF_INET : AF_INET6;
}

bool policy_names_in_one_set(const struct peer *a, const struct peer *b)
{
	return a->kind == b->kind && a->protocol == b->protocol && a->first_port == b->first_port &&
	       a->last_port == b->last_port;
}

bool policy_names_is_first(const struct peer_list *list, const struct peer *a)
{
	const struct peer *first = list->items;

	while (first < a && !policy_names_in_one_set(first, a))
		first++;
	return a->kind == PEER_NAME && first == a;
}

/* Whatever answers come, there is an end to what they fill. */
#define MOST 65536

static void write_set(FILE *out, enum names_set kind, const struct peer *a, const char *whose)
{
	char name[NAMES_SET_SIZE];

	for (size_t f = 0; f < 2; f++) {
		policy_names_set(name, kind, families[f], a, whose);
		fprintf(out, "\tset %s {\n\t\ttype ipv%d_addr\n\t\tsize %d\n\t\tflags %stimeout\n\t\ttimeout ", name,
			families[f] == AF_INET ? 4 : 6, MOST, kind == NAMES_SET_KNOWN ? "dynamic," : "");
		if (kind == NAMES_SET_OPEN)
			fprintf(out, "%ds\n\t}\n", NAMES_OPEN);
		else
			fprintf(out, "1d\n\t}\n");
	}
}

static void write_sets(FILE *out, const struct verdict *verdict, const char *whose)
{
	for (size_t i = 0; i < verdict->allow.count; i++) {
		if (!policy_names_is_first(&verdict->allow, &verdict->allow.items[i]))
			continue;
		write_set(out, NAMES_SET_OPEN, &verdict->allow.items[i], whose);
		write_set(out, NAMES_SET_KNOWN, &verdict->allow.items[i], whose);
	}
	for (size_t i = 0; i < verdict->deny.count; i++)
		if (policy_names_is_first(&verdict->deny, &verdict->deny.items[i]))
			write_set(out, NAMES_SET_DENY, &verdict->deny.items[i], whose);
}

void policy_write_name_sets(FILE *out, const struct ruleset *set)
{
	for (size_t i = 0; i < set->class_count; i++)
		write_sets(out, &set->classes[i].verdict, set->classes[i].name);
	write_sets(out, &set->unclassified, UNCLASSIFIED);
}

static void write_ports(FILE *out, const struct peer *a)
{
	if (a->first_port)
		fprintf(out, "%s dport %u-%u ", a->protocol == IPPROTO_TCP ? "tcp" : "udp", a->first_port,
			a->last_port);
}

/* No name leads to this machine, whatever addresses it has. */
static void write_allowed(FILE *out, const struct peer *a, const char *whose)
{
	char open[NAMES_SET_SIZE];
	char known[NAMES_SET_SIZE];

	for (size_t f = 0; f < 2; f++) {
		const char *to = ip(families[f]);

		policy_names_set(open, NAMES_SET_OPEN, families[f], a, whose);
		policy_names_set(known, NAMES_SET_KNOWN, families[f], a, whose);
		fprintf(out, "\t\toifname != \"lo\" ");
		write_ports(out, a);
		fprintf(out, "%s daddr @%s accept\n\t\tct state established oifname != \"lo\" ", to, open);
		write_ports(out, a);
		fprintf(out, "%s daddr @%s update @%s { %s daddr } accept\n", to, known, known, to);
	}
}

void policy_write_allowed_names(FILE *out, const struct verdict *verdict, const char *whose)
{
	for (size_t i = 0; i < verdict->allow.count; i++)
		if (policy_names_is_first(&verdict->allow, &verdict->allow.items[i]))
			write_allowed(out, &verdict->allow.items[i], whose);
}

static void write_denied(FILE *out, const struct peer *a, const char *whose, const char *refusal)
{
	char name[NAMES_SET_SIZE];

	for (size_t f = 0; f < 2; f++) {
		policy_names_set(name, NAMES_SET_DENY, families[f], a, whose);
		fprintf(out, "\t\t");
		write_ports(out, a);
		fprintf(out, "%s daddr @%s %s\n", ip(families[f]), name, refusal);
	}
}

void policy_write_denied_names(FILE *out, const struct verdict *verdict, const char *whose, const char *refusal)
{
	for (size_t i = 0; i < verdict->deny.count; i++)
		if (policy_names_is_first(&verdict->deny, &verdict->deny.items[i]))
			write_denied(out, &verdict->deny.items[i], whose, refusal);
}
