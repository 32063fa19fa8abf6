/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* From a ruleset to the text that nftables is given: one table, replaced in one
 * transaction.
 *
 * The way of a packet: its sending socket's classid is looked up in one map, so the
 * number of classes costs nothing. Packets of a socket in no class go to the chain
 * `unclassified`. The kernel's own packets (resets, what follows a close, ICMP,
 * neighbour discovery) have no socket or one of the kernel's, whose classid is 0;
 * `meta skuid` tells the two apart: it matches only a socket that a process has open. */

#include "conf/kernel/policy.h"

#include "conf/contract/siphash.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/policy-allow.h"
#include "conf/kernel/policy-dns.h"
#include "conf/kernel/policy-jail.h"
#include "conf/kernel/policy-map.h"
#include "conf/kernel/policy-names.h"
#include "conf/kernel/policy-proxy.h"
#include "conf/kernel/policy-refuse.h"
#include "conf/kernel/policy-vpn.h"
#include "conf/kernel/table.h"
#include "conf/language/alloc.h"

#include <ctype.h>
#include <inttypes.h>

/* What verdicts are told apart by: the sets that `link` and names are told by, and the
 * statement that refuses. */
struct judge {
	const char *neighbours;
	const char *whose;
	const char *refusal;
};

static const struct judge of_others = { "others", UNCLASSIFIED, POLICY_LIFTABLE_OTHERS };

static struct judge judge_of(const struct ruleset *set, const struct class *class)
{
	return (struct judge){ "neighbours", class->name, policy_liftable(set, &class->verdict) };
}

static void write_denials(FILE *out, const struct verdict *verdict, struct judge judge)
{
	for (size_t i = 0; i < verdict->deny.count; i++)
		policy_write_denial(out, &verdict->deny.items[i], judge.neighbours, judge.refusal);
	policy_write_denied_names(out, verdict, judge.whose, judge.refusal);
}

/* Who has come to the end of a chain by goto is accepted. */
static void write_verdict(FILE *out, const struct verdict *verdict, struct judge judge)
{
	for (size_t i = 0; i < verdict->allow.count; i++)
		policy_write_peer(out, &verdict->allow.items[i], judge.neighbours, "accept");
	policy_write_allowed_names(out, verdict, judge.whose);
	if (verdict->action != ACTION_ACCEPT)
		fprintf(out, "\t\t%s\n", judge.refusal);
}

/* Packets over the rate are dropped, which is what TCP slows down for. A quarter of a
 * second of traffic may come at once, because TCP waits at least 200 ms (RTO_MIN)
 * before it sends again what was dropped, and would fall short of the rate. Two large
 * segments always may. */
static void write_rate(FILE *out, uint64_t rate)
{
	uint64_t burst = rate / 4 > UINT64_C(131072) ? rate / 4 : UINT64_C(131072);

	/* nftables keeps it in 32 bits. */
	burst = burst > UINT32_MAX ? UINT32_MAX : burst;

	fprintf(out, "\t\tlimit rate over %" PRIu64 " bytes/second burst %" PRIu64 " bytes drop\n", rate, burst);
}

/* A line feed in a file's name would end the comment. */
static void write_place(FILE *out, struct place_in_file at)
{
	for (const char *c = at.file; *c; c++)
		fputc(iscntrl((unsigned char)*c) ? '?' : *c, out);
	fprintf(out, ":%d", at.line);
}

static void write_shaping(FILE *out, const struct class *class)
{
	if (class->rate)
		write_rate(out, class->rate);
	if (class->priority)
		fprintf(out, "\t\tmeta priority set %x:%x\n", class->priority >> 16, class->priority & 0xffff);
}

/* When a connection or a datagram comes in, no socket tells yet for whom it is: a server is
 * told by what it answers. Answers share the class's rate, but go by serve alone. With
 * `drop` too, a connection that may not be there ends at once: what it sent before a close
 * would leave after it as the kernel's own. */
static void write_serve(FILE *out, const struct class *class)
{
	if (!class->serve.count)
		return;
	fprintf(out, "\tchain shaped_%s {\n", class->name);
	write_shaping(out, class);
	fprintf(out, "\t}\n\tchain serve_%s {\n\t\tjump shaped_%s\n", class->name, class->name);
	for (size_t i = 0; i < class->serve.count; i++)
		policy_write_client(out, &class->serve.items[i]);
	fprintf(out, "\t\tgoto refuse\n\t}\n");
}

/* Without conntrack, a SYN/ACK is an answer all the same. */
static void write_serving(FILE *out, const struct class *class)
{
	if (class->serve.count)
		fprintf(out,
			"\t\tct direction reply goto serve_%s\n"
			"\t\tct state invalid,untracked tcp flags & (syn | ack) == syn | ack goto serve_%s\n",
			class->name, class->name);
}

/* The administrator's own, and what is refused whatever allow says. */
static void write_first(FILE *out, const struct ruleset *set, const struct class *class)
{
	if (class->log)
		policy_write_log(out, "ct state new ", class->name);
	for (size_t i = 0; i < class->nft.count; i++)
		fprintf(out, "\t\t%s\n", class->nft.items[i].text);
	policy_write_vpn_guard(out, class);
	if (class->no_ipv6)
		fprintf(out, "\t\tmeta nfproto ipv6 %s\n", policy_refusal(&class->verdict));
	policy_write_answerer(out, &class->verdict, class->name);
	write_serving(out, class);
	write_denials(out, &class->verdict, judge_of(set, class));
}

/* What goes to a proxy is judged by where it was going: before it is given another
 * destination (-100). */
static void write_asked(FILE *out, const struct ruleset *set, const struct class *class)
{
	fprintf(out, "\tchain asked_%s {\n\t\tmeta l4proto != tcp accept\n\t\toifname \"lo\" accept\n", class->name);
	if (class_resolvers(class)->count)
		fprintf(out, "\t\ttcp dport 53 accept\n");
	write_first(out, set, class);
	fprintf(out, "\t\tgoto allowed_%s\n\t}\n\tchain allowed_%s {\n", class->name, class->name);
	write_verdict(out, &class->verdict, judge_of(set, class));
	fprintf(out, "\t}\n\tchain proxied_%s {\n", class->name);
	write_shaping(out, class);
	fprintf(out, "\t\taccept\n\t}\n");
}

/* Here is nobody of the class but who has been in it since before it had a namespace, or has
 * brought a socket from here along. */
static void write_elsewhere(FILE *out, const struct class *class)
{
	fprintf(out, "\tchain class_%s {\n\t\tcounter name out_%s\n\t\tgoto refuse\n\t}\n", class->name, class->name);
}

/* Servers in a namespace answer whoever may connect to them, whatever allow and deny say of
 * what they may connect to; where serve says who may, that holds for them, too. */
static void write_served(FILE *out, const struct class *class)
{
	fprintf(out, "\tchain served_%s {\n", class->name);
	write_shaping(out, class);
	fprintf(out, "\t\taccept\n\t}\n");
}

static void write_answers(FILE *out, const struct class *class)
{
	for (size_t i = 0; i < class->ports.count; i++)
		fprintf(out, "\t\t%s sport %u ct direction reply goto served_%s\n",
			class->ports.items[i].protocol == IPPROTO_TCP ? "tcp" : "udp", class->ports.items[i].to,
			class->name);
}

static void write_class(FILE *out, const struct ruleset *set, const struct class *class)
{
	bool serves = set->sole && class->ports.count && !class->serve.count;

	fprintf(out, "\n\t# class %s, ", class->name);
	write_place(out, class->at);
	fprintf(out, "\n");
	if (class->netns) {
		write_elsewhere(out, class);
		return;
	}
	if (policy_has_proxy(class))
		write_asked(out, set, class);
	write_serve(out, class);
	if (serves)
		write_served(out, class);
	policy_write_query_guard(out, class);
	policy_write_answers(out, &class->verdict, class->name);
	fprintf(out, "\tchain class_%s {\n", class->name);
	fprintf(out, "\t\tcounter name out_%s\n", class->name);
	policy_write_proxied(out, class);
	if (serves)
		write_answers(out, class);
	write_first(out, set, class);
	if (class->serve.count)
		fprintf(out, "\t\tjump shaped_%s\n", class->name);
	else
		write_shaping(out, class);
	policy_write_dns_guard(out, class);
	policy_write_proxy_guard(out, class, policy_refusal(&class->verdict));
	if (policy_has_proxy(class))
		fprintf(out, "\t\tgoto allowed_%s\n", class->name);
	else
		write_verdict(out, &class->verdict, judge_of(set, class));
	fprintf(out, "\t}\n");
}

/* With proxy-udp, the mark is that of its datagrams alone (policy-proxy.c). */
static bool has_mark(const struct class *class)
{
	return class->mark.value && !class->udp_proxies.count && !class->netns;
}

static bool has_rate_in(const struct class *class)
{
	return class->rate_in;
}

static bool has_no_rate_in(const struct class *class)
{
	return !class->rate_in;
}

static void write_classes_in(FILE *out, const struct ruleset *set, bool (*wants)(const struct class *))
{
	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *class = &set->classes[i];

		if (!wants(class))
			continue;
		fprintf(out, "\tchain in_%s {\n\t\tcounter name in_%s\n", class->name, class->name);
		if (class->rate_in)
			write_rate(out, class->rate_in);
		fprintf(out, "\t}\n");
	}
}

/* Datagrams for a socket that is connected to nobody come in without it; but conntrack
 * knows whose they answer, where the class has a mark of its own. */
static bool is_marked_in(const struct class *class)
{
	return class->rate_in && has_mark(class) && !class->mark_shared;
}

/* Counts what comes in for a class, by its socket. At this hook the kernel has found
 * the socket of a connection (early demux), and no other. Behind conntrack's last change of
 * addresses (100): each chain at a hook takes each packet time, so that what is done to
 * answers is done here, too. */
static void write_input(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	/* A chain for each would do for all, but takes longer, for packets and to load. */
	bool by_map = !set->sole && policy_can_count(set, live);
	bool (*by_chain)(const struct class *) = by_map ? has_rate_in : policy_every;

	if (!set->class_count)
		return;
	write_classes_in(out, set, by_chain);
	fprintf(out, "\n\t# what comes in, by the class that it is for\n\tchain input {\n\t\ttype filter hook input "
		     "priority 110; policy accept;\n");
	policy_write_dns_answers(out, set);
	if (set->sole)
		fprintf(out, "\t\tgoto in_%s\n", set->classes->name);
	else
		policy_write_map(out, set, live, "meta cgroup vmap", "goto in_", by_chain);
	if (by_map)
		policy_write_counting(out, set, "in_", has_no_rate_in);
	policy_write_mark_map(out, set, "ct direction reply ct mark", "goto in_", is_marked_in);
	fprintf(out, "\t}\n");
}

static void write_except_users(FILE *out, const struct user_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		fprintf(out, "\t\tmeta %s %" PRIu32 " accept\n", list->users[i].is_group ? "skgid" : "skuid",
			list->users[i].id);
}

/* What no machine can be without goes on under a default deny: answers to what
 * came in, the kernel's part of connections that were let through, finding one's
 * IPv6 neighbours and joining multicast groups. */
static void write_unclassified(FILE *out, const struct ruleset *set)
{
	fprintf(out, "\n\t# what is in no class\n");
	policy_write_answers(out, &set->unclassified, UNCLASSIFIED);
	fprintf(out, "\tchain unclassified {\n");
	fprintf(out, "\t\tcounter name out_unclassified\n");
	if (verdict_refuses(&set->unclassified)) {
		fprintf(out, "\t\tct direction reply accept\n");
		fprintf(out, "\t\tct state related accept\n");
		fprintf(out, "\t\ticmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, "
			     "mld-listener-report, mld-listener-done, mld2-listener-report } accept\n");
		fprintf(out, "\t\tip protocol igmp accept\n");
		write_except_users(out, &set->except_users);
	}
	policy_write_answerer(out, &set->unclassified, UNCLASSIFIED);
	write_denials(out, &set->unclassified, of_others);
	write_verdict(out, &set->unclassified, of_others);
	fprintf(out, "\t}\n");
}

/* Of several classes with one mark, the first. */
static bool tells_mark(const struct class *class)
{
	return has_mark(class) && !class->mark_repeated;
}

/* Not the mark that a tunnel's packets have of its own. */
static bool leads_away(const struct class *class)
{
	return tells_mark(class) && class->mark.value != MARK_PAST_WG_QUICK;
}

static void write_mark_chains(FILE *out, const struct ruleset *set)
{
	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *class = &set->classes[i];

		if (!has_mark(class))
			continue;
		fprintf(out, "\tchain mark_%s {\n\t\t", class->name);
		policy_write_mark(out, "meta mark", class->mark);
		fprintf(out, " ");
		policy_write_mark(out, "ct mark", class->ct_mark);
		fprintf(out, "\n\t}\n");
	}
	/* What is in a tunnel has left its mark on the tunnel's packet. */
	fprintf(out, "\tchain wrapped {\n");
	policy_write_unmark(out, set, "meta mark", leads_away);
	policy_write_unmark(out, set, "ct mark", leads_away);
	fprintf(out, "\t}\n");
}

/* The chain is of type route, so that policy routing sees the mark, and comes after
 * those of others at the usual priority, mangle. The connection is marked too: by
 * that, the kernel's own packets of it get the mark. */
static void write_marks(FILE *out, const struct ruleset *set, const uint32_t *live, const struct network_list *networks)
{
	if (!policy_any(set, has_mark))
		return;
	write_mark_chains(out, set);
	fprintf(out, "\n\t# mark: before the packet is routed\n\tchain marks {\n\t\ttype route hook output priority "
		     "-140; policy accept;\n");
	policy_write_tunnels(out, set, "goto wrapped");
	policy_write_map(out, set, live, "meta cgroup vmap", "goto mark_", has_mark);
	fprintf(out, "\t\tmeta skuid >= 0 accept\n");
	policy_write_mark_map(out, set, "ct mark", "goto mark_", tells_mark);
	policy_write_own_addresses(out, set, networks, "goto mark_");
	fprintf(out, "\t}\n");
}

static bool may_move(const struct class *class)
{
	return has_mark(class) && !class->interface;
}

/* The source was chosen before the mark: where that has led a connection away from the
 * interface whose address it has, it gets the address of the one by which it leaves. Of
 * the first there is nothing left to see then, so that such connections are noted on
 * the way (the oifname of an output hook is the one before the mark): an address that
 * was no more the first's than the second's (a service's, on the loopback interface)
 * was somebody's choice and stays. */
static void write_moved(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	if (!policy_any(set, may_move))
		return;
	fprintf(out, "\n\t# mark: connections that had the address of their interface\n"
		     "\tset at_home {\n\t\ttypeof ct id\n\t\tflags dynamic,timeout\n\t\ttimeout 5s\n\t}\n"
		     "\tchain home {\n\t\ttype nat hook output priority -110; policy accept;\n"
		     "\t\tfib saddr . oif type local ");
	policy_write_classids(out, set, live, may_move);
	fprintf(out, " add @at_home { ct id }\n\t}\n\tchain moved {\n"
		     "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
		     "\t\tct id @at_home oifname != \"lo\" fib saddr . oif type != local masquerade\n\t}\n");
}

#define NO_SOCKETS "\t\tmeta skuid >= 0 goto unclassified\n"

static bool is_told_by_mark(const struct class *class)
{
	return class->mark.value && !class->mark_shared && !class->netns;
}

/* The kernel's own packets, which no socket of a process sends. If the mark of their
 * connection tells a class, they go by its rules. */
static void write_kernel_packets(FILE *out, const struct ruleset *set)
{
	if (policy_any(set, is_told_by_mark) || policy_any(set, policy_has_dns) || verdict_refuses(&set->unclassified))
		fprintf(out, NO_SOCKETS);
	policy_write_lost_queries(out, set);
	policy_write_mark_map(out, set, "ct direction original ct mark", "goto class_", is_told_by_mark);
	if (verdict_refuses(&set->unclassified))
		fprintf(out, "\t\tct state established,related accept\n");
}

static void write_gone(FILE *out, const uint32_t *gone)
{
	if (!gone || !*gone)
		return;
	fprintf(out, "\t\tmeta cgroup {");
	for (; *gone; gone++)
		fprintf(out, " 0x%08x,", *gone);
	fprintf(out, " } drop\n");
}

static void write_asking(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	if (!policy_any(set, policy_has_proxy))
		return;
	fprintf(out, "\n\t# what is to go to a proxy\n\tchain asking {\n\t\ttype filter hook output priority -105; "
		     "policy accept;\n");
	policy_write_tunnels(out, set, "accept");
	policy_write_map(out, set, live, "meta cgroup vmap", "goto asked_", policy_has_proxy);
	fprintf(out, "\t}\n");
}

static void write_output(FILE *out, const struct ruleset *set, const uint32_t *live, const uint32_t *gone)
{
	bool answers = policy_write_not_led(out, set);

	fprintf(out, "\n\t# what is sent, by the class of the sender\n\tchain output {\n\t\ttype filter hook output "
		     "priority filter; policy accept;\n");
	if (answers)
		fprintf(out, "\t\toifname \"lo\" jump not_led\n");
	policy_write_tunnels(out, set, "counter name out_unclassified accept");
	policy_write_map(out, set, live, "meta cgroup vmap", "goto class_", policy_every);
	write_gone(out, gone);
	write_kernel_packets(out, set);
	fprintf(out, "\t\tgoto unclassified\n\t}\n");
}

static void write_counters(FILE *out, const struct ruleset *set, const struct counters *counters)
{
	char name[sizeof(counters->items->name)];

	counters_write(out, counters, "out_unclassified");
	for (size_t i = 0; i < set->class_count; i++) {
		snprintf(name, sizeof(name), "out_%s", set->classes[i].name);
		counters_write(out, counters, name);
		snprintf(name, sizeof(name), "in_%s", set->classes[i].name);
		counters_write(out, counters, name);
		if (policy_has_proxy(&set->classes[i]))
			fprintf(out, "\tcounter " POLICY_LOOP_COUNTER "_%s { }\n", set->classes[i].name);
	}
}

/* The classes last: for each set that a rule brings, the kernel goes through all that the
 * transaction had before it (__nft_set_trans_bind in net/netfilter/nf_tables_api.c). */
static void write_chains(FILE *out, const struct ruleset *set, const uint32_t *live, const uint32_t *gone,
			 const struct network_list *networks)
{
	policy_write_protocols(out, set);
	policy_write_refuse(out, set, live);
	policy_write_lan(out, set);
	policy_write_neighbours(out, set, live, networks);
	policy_write_name_sets(out, set);
	write_unclassified(out, set);
	write_marks(out, set, live, networks);
	write_moved(out, set, live);
	policy_write_dns(out, set, live);
	policy_write_vpn(out, set, live, networks);
	policy_write_proxies(out, set, live);
	policy_write_jails(out, set, networks);
	write_asking(out, set, live);
	write_output(out, set, live, gone);
	write_input(out, set, live);
	policy_write_other_queries(out, set);
	for (size_t i = 0; i < set->class_count; i++)
		write_class(out, set, &set->classes[i]);
}

/* All but the counts, which the names in the rest tell. */
static uint64_t number_of(const char *chains, size_t size)
{
	static const uint64_t key[2];
	struct siphash hash;

	siphash_start(&hash, key);
	return siphash_end(&hash, chains, size);
}

char *policy_text(const struct ruleset *set, const struct counters *counters, const uint32_t *live,
		  const uint32_t *gone, const struct network_list *networks)
{
	char *chains = NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *out = memstream_open(&chains, &size);

	write_chains(out, set, live, gone, networks);
	memstream_close(out);
	out = memstream_open(&text, &(size_t){ 0 });
	fprintf(out, NFT_REMOVE "table inet netshim {\n\tcomment \"" TABLE_COMMENT "%016" PRIx64 "\"\n",
		number_of(chains, size));
	write_counters(out, set, counters);
	fprintf(out, "%s}\n", chains);
	memstream_close(out);
	free(chains);
	return text;
}

char *policy_inside(const struct class *class, const struct counters *counters, const struct network_list *there)
{
	struct class inside = *class;
	struct ways ways = { .items = NULL };
	struct network_list networks = { .ways = &ways };
	struct ruleset set = { .classes = &inside, .class_count = 1, .unclassified = class->verdict, .sole = true };

	if (there) {
		networks.main = there->main;
		networks.main_count = there->main_count;
	}
	inside.netns = NULL;
	inside.interface = NULL;
	inside.device = NULL;
	inside.ordinary = false;
	inside.addresses = (struct own_address_list){ NULL, 0 };
	inside.mark_shared = inside.mark_repeated = false;
	if (!inside.mark_given)
		inside.mark = inside.ct_mark = (struct packet_mark){ 0, 0 };
	return policy_text(&set, counters, NULL, NULL, &networks);
}
