/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What becomes of a packet that is refused: see policy-refuse.h. */

#include "conf/kernel/policy-refuse.h"

#include "conf/kernel/policy-allow.h"
#include "conf/kernel/policy-map.h"
#include "conf/kernel/policy.h"

/* So that connect() fails at once: a SYN's own EPERM is lost on TCP, which would
 * try it again for minutes. */
static void write_refuse(FILE *out)
{
	fprintf(out, "\n\t# action = reject: the program is told at once\n\tchain refuse {\n"
		     "\t\tmeta l4proto tcp reject with tcp reset\n"
		     "\t\treject with icmpx admin-prohibited\n"
		     "\t}\n");
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

/* What `netshim lift` lifts: by the class of the sender, and for all that is in none. */
static void write_liftable(FILE *out, const struct ruleset *set)
{
	if (policy_any(set, class_refuses)) {
		fprintf(out, "\n\t# classes whose refusals are lifted\n\tset " POLICY_LIFTED
			     " {\n\t\ttypeof meta cgroup\n\t\tflags timeout\n\t}\n");
		write_lifted(out, "refuse_class", "meta cgroup @" POLICY_LIFTED);
		fprintf(out, "\t\tgoto refuse\n\t}\n");
		write_lifted(out, "drop_class", "meta cgroup @" POLICY_LIFTED);
		fprintf(out, "\t\tdrop\n\t}\n");
	}
	if (!verdict_refuses(&set->unclassified))
		return;
	fprintf(out, "\tset " POLICY_LIFTED_OTHERS " {\n\t\ttypeof meta nfproto\n\t\tflags timeout\n\t}\n");
	write_lifted(out, "refuse_others", "meta nfproto @" POLICY_LIFTED_OTHERS);
	if (set->unclassified.log_refused)
		policy_write_log(out, "", "unclassified");
	fprintf(out, "\t\t%s\n\t}\n", policy_refusal(&set->unclassified));
}

void policy_write_refuse(FILE *out, const struct ruleset *set)
{
	write_refuse(out);
	write_liftable(out, set);
}
