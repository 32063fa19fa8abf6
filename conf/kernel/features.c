/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What a configuration needs of the kernel's nftables: see features.h. A kernel may be
 * built without a part of it, or the part be a module that is not installed: what the
 * kernel says then ("No such file or directory") names neither. */

#include "conf/kernel/features.h"

#include "conf/kernel/nft.h"
#include "conf/language/alloc.h"

enum { CONNTRACK, ZONES, NAT, MASQUERADE, FIB, LIMIT, LOG, NUMGEN, TPROXY, SOCKET, FEATURE_COUNT };

static const struct feature {
	const char *name;
	const char *chain; /* its type and hook */
	const char *rule;
} features[FEATURE_COUNT] = {
	[CONNTRACK] = { "connection tracking (nft_ct, nf_conntrack)", "filter hook output", "ct mark 1" },
	[ZONES] = { "zones of connection tracking (CONFIG_NF_CONNTRACK_ZONES)", "filter hook output",
		    "ct original zone set 1" },
	[NAT] = { "address translation (nft_chain_nat, nft_nat)", "nat hook output", "dnat ip to 192.0.2.1" },
	[MASQUERADE] = { "masquerading (nft_chain_nat, nft_masq)", "nat hook postrouting", "masquerade" },
	[FIB] = { "look-ups of routes (nft_fib_inet, nft_fib_ipv4, nft_fib_ipv6)", "filter hook output",
		  "fib daddr type local" },
	[LIMIT] = { "limits (nft_limit)", "filter hook output", "limit rate 1/second" },
	[LOG] = { "logging (nft_log)", "filter hook output", "log" },
	[NUMGEN] = { "counting through (nft_numgen)", "filter hook output", "numgen inc mod 2 1" },
	[TPROXY] = { "transparent proxying (nft_tproxy)", "filter hook prerouting",
		     "meta nfproto ipv4 meta l4proto udp tproxy ip to 127.0.0.1:9" },
	[SOCKET] = { "look-ups of sockets (nft_socket)", "filter hook input", "socket mark 1" },
};

#define BIT(feature) (1u << (feature))

/* One option that is in use, and what it needs. */
struct need {
	const char *option;
	bool used;
	unsigned features;
};

static void note_missing(struct ruleset *set, struct place_in_file at, const char *whose, const struct need *need,
			 unsigned missing)
{
	for (unsigned f = 0; f < FEATURE_COUNT; f++)
		if (need->used && (need->features & missing & BIT(f)))
			ruleset_problem(set, at,
					"%s: %s needs %s, which this kernel does not have; remove it, or install what "
					"is missing",
					whose, need->option, features[f].name);
}

/* Returns what all of them need. */
static unsigned needs_of(const struct need *needs, size_t count)
{
	unsigned all = 0;

	for (size_t i = 0; i < count; i++)
		all |= needs[i].used ? needs[i].features : 0;
	return all;
}

#define CLASS_NEEDS 12
static void list_needs(const struct class *class, struct need needs[CLASS_NEEDS])
{
	const unsigned resolvers = BIT(CONNTRACK) | BIT(ZONES) | BIT(NAT) | BIT(MASQUERADE);
	const struct need list[CLASS_NEEDS] = {
		{ "log", class->log, BIT(CONNTRACK) | BIT(LIMIT) | BIT(LOG) },
		{ "rate", class->rate, BIT(LIMIT) },
		{ "rate-in", class->rate_in, BIT(LIMIT) },
		{ "mark", class->mark.value && !class_is_routed(class), BIT(CONNTRACK) | BIT(MASQUERADE) | BIT(FIB) },
		{ "serve", class->serve.count, BIT(CONNTRACK) },
		{ "dns", class->dns.count, resolvers | (class->dns.count > 1 ? BIT(NUMGEN) : 0) },
		{ "a name in allow or deny", class->verdict.has_names, resolvers },
		{ "interface", class->interface || class->ordinary, BIT(CONNTRACK) | BIT(MASQUERADE) | BIT(FIB) },
		{ "address", class->addresses.count, BIT(CONNTRACK) | BIT(NAT) | BIT(MASQUERADE) },
		{ "ports", class->ports.count, BIT(CONNTRACK) | BIT(NAT) | BIT(FIB) },
		{ "proxy", class->proxies.count, BIT(CONNTRACK) | BIT(NAT) },
		{ "proxy-udp", class->udp_proxies.count, BIT(TPROXY) | BIT(SOCKET) | BIT(FIB) },
	};

	memcpy(needs, list, sizeof(list));
}

static struct need unclassified_need(const struct ruleset *set)
{
	unsigned log = set->unclassified.log_refused ? BIT(LIMIT) | BIT(LOG) : 0;
	unsigned names = set->unclassified.has_names ? BIT(ZONES) | BIT(NAT) : 0;

	return (struct need){ "refusing anything", verdict_refuses(&set->unclassified), BIT(CONNTRACK) | log | names };
}

static unsigned all_needs(const struct ruleset *set)
{
	struct need needs[CLASS_NEEDS] = { unclassified_need(set) };
	unsigned all = needs_of(needs, 1);

	for (size_t i = 0; i < set->class_count; i++) {
		list_needs(&set->classes[i], needs);
		all |= needs_of(needs, CLASS_NEEDS);
	}
	return all;
}

/* Those of the wanted that the kernel has not. */
static unsigned find_missing(unsigned wanted)
{
	struct trial trials[FEATURE_COUNT] = { { .chain = NULL } };
	unsigned missing = 0;

	for (unsigned f = 0; f < FEATURE_COUNT; f++)
		if (wanted & BIT(f))
			trials[f] = (struct trial){ features[f].chain, features[f].rule, false };
	nft_try(trials, FEATURE_COUNT);
	for (unsigned f = 0; f < FEATURE_COUNT; f++)
		missing |= trials[f].refused ? BIT(f) : 0;
	/* Of what is not there, no part is missing. */
	return missing & BIT(CONNTRACK) ? missing & ~BIT(ZONES) : missing;
}

void features_check(struct ruleset *set)
{
	unsigned missing = find_missing(all_needs(set));
	struct need needs[CLASS_NEEDS] = { unclassified_need(set) };

	if (!missing)
		return;
	note_missing(set, set->unclassified_at, "unclassified", needs, missing);
	for (size_t i = 0; i < set->class_count; i++) {
		char *whose = printed("class %s", set->classes[i].name);

		list_needs(&set->classes[i], needs);
		for (size_t n = 0; n < CLASS_NEEDS; n++)
			note_missing(set, set->classes[i].at, whose, &needs[n], missing);
		free(whose);
	}
}
