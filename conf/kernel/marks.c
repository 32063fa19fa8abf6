/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Marks for classes, clear of the bits and numbers of others: see marks.h.
 *
 * Not used are 0x4000 and 0x8000 (kube-proxy: masquerade, drop), 0xff0000 (Tailscale),
 * 0xf00 (Cilium), and beneath a thousand classes 0xffff0000 (Calico). In the order in
 * which they are taken: bits that nobody is known to match alone; 0x80 (the AWS VPC
 * plugin for Kubernetes), 0x1 (Suricata's and Snort's "seen"), 0x2000 (the portmap
 * plugin). 0x1000 is in every one of the first 511, so that none of them is a small
 * number, as people choose by hand, nor 0xca6c (wg-quick) or 0x6d6f6c65 (Mullvad),
 * which have not got that bit. */

#include "conf/kernel/marks.h"

#include "conf/language/alloc.h"

#define ALWAYS 12
static const unsigned char bits[] = { 1, 2, 3, 4, 5, 6, 7, 0, 13, ALWAYS, 24, 25, 26, 27, 28, 29, 30, 31 };
#define BIT_COUNT sizeof(bits)
#define MARK_COUNT (UINT32_C(1) << BIT_COUNT)

static uint32_t mark_of(uint32_t number)
{
	uint32_t mark = UINT32_C(1) << ALWAYS;

	for (unsigned i = 0; i < BIT_COUNT; i++)
		mark ^= (number >> i & 1) << bits[i];
	return mark;
}

/* MARK_COUNT for what is no mark of these. */
static uint32_t number_of(uint32_t mark)
{
	uint32_t number = 0;

	mark ^= UINT32_C(1) << ALWAYS;
	for (unsigned i = 0; i < BIT_COUNT; i++) {
		number |= (mark >> bits[i] & 1) << i;
		mark &= ~(UINT32_C(1) << bits[i]);
	}
	return mark ? MARK_COUNT : number;
}

/* What Mullvad's own filter lets past its tunnel: packets of connections with this. */
#define PAST_MULLVAD 0xf41

static bool wants_mark(const struct class *class)
{
	return (class->interface || class->udp_proxies.count) && !class->mark.value;
}

struct allotting {
	const struct ruleset *set;
	const struct routing_rule *rules;
	size_t rule_count;
	bool *taken; /* by number */
};

/* Whether somebody else has a mark that a packet with this one has too: a class whose
 * mark is in the configuration, or another's routing rule. */
static bool is_others(const struct allotting *a, uint32_t mark)
{
	struct packet_mark whole = { mark, UINT32_MAX };

	for (size_t i = 0; i < a->rule_count; i++)
		if (!a->rules[i].own && a->rules[i].mark.value && packet_marks_meet(a->rules[i].mark, whole))
			return true;
	for (size_t i = 0; i < a->set->class_count; i++) {
		const struct class *class = &a->set->classes[i];

		if (class->mark_given && packet_marks_meet(class->mark, whole))
			return true;
	}
	return false;
}

static void give(const struct allotting *a, struct class *class, uint32_t number)
{
	a->taken[number] = true;
	class->mark = (struct packet_mark){ mark_of(number), UINT32_MAX };
}

/* A class's table tells which rule is its own. */
static void keep_mark(const struct allotting *a, struct class *class)
{
	for (size_t i = 0; i < a->rule_count; i++) {
		const struct routing_rule *rule = &a->rules[i];
		uint32_t number = rule->own && rule->table == class->table ? number_of(rule->mark.value) : MARK_COUNT;

		if (number == MARK_COUNT || a->taken[number] || is_others(a, rule->mark.value))
			continue;
		give(a, class, number);
		return;
	}
}

static void give_free_mark(const struct allotting *a, struct class *class)
{
	static uint32_t next = 1;

	while (next < MARK_COUNT - 1 && (a->taken[next] || !mark_of(next) || is_others(a, mark_of(next))))
		next++;
	give(a, class, next);
}

static bool is_given(const struct ruleset *set, uint32_t mark)
{
	for (size_t i = 0; i < set->class_count; i++)
		if (set->classes[i].mark_given && set->classes[i].mark.value == mark)
			return true;
	return false;
}

/* The classes that go the ordinary way are one to everybody else: their connections'
 * mark says no more than that way. */
static void mark_connections(struct ruleset *set)
{
	bool told = is_given(set, PAST_MULLVAD);

	for (size_t i = 0; i < set->class_count; i++) {
		struct class *class = &set->classes[i];

		class->ct_mark = class->mark;
		if (!class->ordinary || class->mark_given)
			continue;
		class->ct_mark = (struct packet_mark){ PAST_MULLVAD, UINT32_MAX };
		class->mark_shared = true;
		class->mark_repeated = told || class->netns;
		told = told || !class->netns;
	}
}

void marks_allot(struct ruleset *set, const struct routing *now)
{
	struct allotting a = { .set = set, .taken = zalloc(MARK_COUNT * sizeof(bool)) };
	struct routing_rule *rules = NULL;

	a.rule_count = now ? routing_rules(now, &rules) : 0;
	a.rules = rules;
	for (size_t i = 0; i < set->class_count; i++)
		if (wants_mark(&set->classes[i]))
			keep_mark(&a, &set->classes[i]);
	for (size_t i = 0; i < set->class_count; i++)
		if (wants_mark(&set->classes[i]))
			give_free_mark(&a, &set->classes[i]);
	mark_connections(set);
	free(rules);
	free(a.taken);
}
