/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What becomes of a packet that is refused: see policy-refuse.h. */

#include "conf/kernel/policy-refuse.h"

#include "conf/kernel/policy-allow.h"
#include "conf/kernel/policy-map.h"

static bool class_keeps(const struct class *class)
{
	return class->log;
}

static bool any_keeps(const struct ruleset *set)
{
	return set->unclassified.log_refused || policy_any(set, class_keeps);
}

/* Who listens puts a jump for each classid into the map, with a timeout: where nobody does, it
 * is empty. */
void policy_write_telling(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	fprintf(out, "\t\tmeta cgroup vmap @" POLICY_TELL "\n");
	if (policy_any(set, class_keeps)) {
		fprintf(out, "\t\t");
		policy_write_classids(out, set, live, class_keeps);
		fprintf(out, " jump keep\n");
	}
	if (set->unclassified.log_refused)
		fprintf(out, "\t\tmeta cgroup 0 jump keep\n");
}

/* By a map: a table that is being replaced has none any more while its chains are still in
 * force, and what they find without would be another class's fate (handover.c). It refuses
 * nothing then. */
static void write_end(FILE *out, const char *refuse, const char *then)
{
	fprintf(out, "\tchain %s {\n\t\tmeta nfproto vmap { ipv4 : goto %s, ipv6 : goto %s }\n\t}\n", refuse, then,
		then);
}

/* So that connect() fails at once: a SYN's own EPERM is lost on TCP, which would
 * try it again for minutes. */
static void write_ends(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	fprintf(out, "\n\t# who is told what is refused\n\tmap " POLICY_TELL
		     " {\n\t\ttypeof meta cgroup : verdict\n\t\tflags timeout\n\t}\n"
		     "\n\t# action = reject: the program is told at once\n\tchain reject_it {\n");
	policy_write_telling(out, set, live);
	fprintf(out, "\t\tmeta l4proto tcp reject with tcp reset\n"
		     "\t\treject with icmpx admin-prohibited\n"
		     "\t}\n\tchain drop_it {\n");
	policy_write_telling(out, set, live);
	fprintf(out, "\t\tdrop\n\t}\n");
	write_end(out, "refuse", "reject_it");
	write_end(out, "refuse_silently", "drop_it");
}

static const char *address_of(unsigned version)
{
	return version == 4 ? "ip daddr" : "ip6 daddr";
}

/* What an element is: of at most four parts, as nft 1.0.6 does not read again what it lists
 * of a set with five that have no names of types. */
static void write_key(FILE *out, unsigned version, const char *last)
{
	fprintf(out, "meta cgroup . meta skuid . %s . %s", address_of(version), last);
}

static const struct {
	const char *name, *guard, *last;
} kept[] = { { POLICY_KEPT_TCP, "meta l4proto tcp ", "tcp dport" },
	     { POLICY_KEPT_UDP, "meta l4proto udp ", "udp dport" },
	     { POLICY_KEPT_OTHER, "", "meta l4proto" } };

#define KEPT_COUNT (sizeof(kept) / sizeof(*kept))

/* Each destination that was refused, for a day after the last time, with how often: the
 * time that an element has left tells when that was. */
static void write_kept_set(FILE *out, size_t i, unsigned version)
{
	fprintf(out, "\tset %s%u {\n\t\ttypeof ", kept[i].name, version);
	write_key(out, version, kept[i].last);
	fprintf(out, "\n\t\tsize %d\n\t\tflags dynamic,timeout\n\t\ttimeout %ds\n\t}\n", POLICY_KEPT_SIZE,
		POLICY_KEPT_SECONDS);
}

static void write_keep(FILE *out, const struct ruleset *set)
{
	if (!any_keeps(set))
		return;
	fprintf(out, "\n\t# log: what was refused\n");
	for (size_t n = 0; n < 2 * KEPT_COUNT; n++)
		write_kept_set(out, n / 2, n % 2 ? 6 : 4);
	fprintf(out, "\tchain keep {\n");
	for (size_t n = 0; n < 2 * KEPT_COUNT; n++) {
		unsigned version = n % 2 ? 6 : 4;

		fprintf(out, "\t\t%supdate @%s%u { ", kept[n / 2].guard, kept[n / 2].name, version);
		write_key(out, version, kept[n / 2].last);
		fprintf(out, " counter } return\n");
	}
	fprintf(out, "\t}\n");
}

void policy_write_log(FILE *out, const char *what, const char *whose)
{
	fprintf(out, "\t\t%slimit rate 10/second burst 20 packets log prefix \"netshim %s: \"\n", what, whose);
}

static bool class_refuses(const struct class *class)
{
	return verdict_refuses(&class->verdict);
}

/* Asked only when a packet is about to be refused, so that no other pays for it. */
static void write_lifted(FILE *out, const char *chain, const char *lifted)
{
	fprintf(out, "\tchain %s {\n\t\t%s return\n", chain, lifted);
}

/* What `netshim lift` lifts: by the class of the sender, and for all that is in none, or in a
 * namespace. */
static void write_liftable(FILE *out, const struct ruleset *set)
{
	if (!set->sole && policy_any(set, class_refuses)) {
		fprintf(out, "\n\t# classes whose refusals are lifted\n\tset " POLICY_LIFTED
			     " {\n\t\ttypeof meta cgroup\n\t\tflags timeout\n\t}\n");
		write_lifted(out, "refuse_class", "meta cgroup @" POLICY_LIFTED);
		fprintf(out, "\t\tgoto refuse\n\t}\n");
		write_lifted(out, "drop_class", "meta cgroup @" POLICY_LIFTED);
		fprintf(out, "\t\tgoto refuse_silently\n\t}\n");
	}
	if (!verdict_refuses(&set->unclassified))
		return;
	fprintf(out, "\tset " POLICY_LIFTED_OTHERS " {\n\t\ttypeof meta nfproto\n\t\tflags timeout\n\t}\n");
	write_lifted(out, "refuse_others", "meta nfproto @" POLICY_LIFTED_OTHERS);
	if (set->unclassified.log_refused)
		policy_write_log(out, "", UNCLASSIFIED);
	fprintf(out, "\t\t%s\n\t}\n", policy_refusal(&set->unclassified));
}

void policy_write_refuse(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	write_keep(out, set);
	write_ends(out, set, live);
	write_liftable(out, set);
}
