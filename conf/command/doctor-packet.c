/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* doctor PROGRAM --to: what a packet would meet. Nothing is sent: the configuration in force
 * says what the class may do, in the order of its chain (policy.c), and the kernel is asked for
 * the route that a packet with the class's mark would take. */

#include "conf/command/doctor.h"
#include "conf/command/lifts.h"
#include "conf/kernel/marks.h"
#include "conf/kernel/namespace.h"
#include "conf/kernel/opened.h"
#include "conf/kernel/policy-allow.h"
#include "conf/kernel/policy-names.h"
#include "conf/kernel/routing.h"
#include "conf/kernel/ways.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"

#include <arpa/inet.h>
#include <unistd.h>

#define DNS 53

#define LOOPBACK "lo"

const struct class *doctor_class(const struct doctor *d, const char *name)
{
	for (size_t i = 0; d->set && i < d->set->class_count; i++)
		if (!strcmp(d->set->classes[i].name, name))
			return &d->set->classes[i];
	return NULL;
}

/* whose as in policy-names.h. */
static const struct peer *find_match(const struct peer_list *list, const struct packet_end *to, bool denied,
				     const char *whose)
{
	for (size_t i = 0; i < list->count; i++)
		if (policy_matches(&list->items[i], to, denied))
			return &list->items[i];
	return to->local && !denied ? NULL : opened_word(list, denied ? NAMES_SET_DENY : NAMES_SET_OPEN, to, whose);
}

static const char *refusal(const struct verdict *verdict)
{
	return verdict->action == ACTION_DROP ? "dropped, without a word to the program"
					      : "refused, and the program told";
}

/* deny comes first, then allow, then the action. Returns whether it passes. */
static bool judge(struct doctor *d, const struct verdict *verdict, const struct packet_end *to, const char *whose)
{
	const char *names = *d->class ? d->class : UNCLASSIFIED;
	const struct peer *denied = find_match(&verdict->deny, to, true, names);
	const struct peer *allowed = find_match(&verdict->allow, to, false, names);
	bool refused = denied || (!allowed && verdict->action != ACTION_ACCEPT);

	if (refused && lifts_left(*d->class ? d->class : LIFTS_OTHERS))
		doctor_tell(d, RESULT_NOTE, NULL, "netshim lets it through, as long as the refusals of %s are lifted",
			    whose);
	else if (denied)
		doctor_tell(d, RESULT_NOTE, NULL, "it is %s, by '%s' in deny of %s", refusal(verdict), denied->written,
			    whose);
	else if (allowed)
		doctor_tell(d, RESULT_OK, NULL, "netshim lets it through, by '%s' in allow of %s", allowed->written,
			    whose);
	else if (refused)
		doctor_tell(d, RESULT_NOTE, NULL, "it is %s, by the action of %s, as nothing in its allow is for it",
			    refusal(verdict), whose);
	else
		doctor_tell(d, RESULT_OK, NULL, "netshim lets it through: %s refuses nothing that is for it", whose);
	if (verdict->has_names && !denied && !allowed)
		doctor_tell(d, RESULT_NOTE, NULL,
			    "a name in allow or deny of %s may lead there, but nobody has asked for it lately", whose);
	return !refused;
}

/* The first of its family; NULL where there is none. */
static const struct endpoint *of_family(const struct endpoint_list *list, int family)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].family == family)
			return &list->items[i];
	return NULL;
}

/* A class whose way leads nowhere is left its last route, into the loopback interface
 * (routing.c). */
static bool leads_nowhere(const struct class *class, const struct way_to *way)
{
	return class && (class->interface || class->ordinary) && !way->local && !strcmp(way->interface, LOOPBACK);
}

static bool is_cut(const struct class *class, int family, const struct in6_addr *address)
{
	struct way_to way;

	return class->mark.value && routing_ask(family, address, class->mark.value, &way) && leads_nowhere(class, &way);
}

static bool has_way_out(const struct class *class)
{
	struct routing *now = routing_read();
	bool has = now && routing_way_out(now, class->table);

	routing_free(now);
	return has;
}

/* Where the one family has a way out, the other has no address: that may be meant. */
static void tell_cut(struct doctor *d, const struct class *class, int family, const char *where)
{
	const char *other = family == AF_INET ? "IPv6" : "IPv4";

	if (class->ordinary)
		doctor_tell(d, RESULT_NOTE, NULL,
			    "it is refused%s: class %s at %s:%d goes as the main routing table says, which has no way "
			    "for it past tunnels",
			    where, class->name, class->at.file, class->at.line);
	else if (has_way_out(class))
		doctor_tell(d, RESULT_NOTE, NULL, "it is refused%s: class %s at %s:%d has a way out by %s for %s alone",
			    where, class->name, class->at.file, class->at.line, class->interface, other);
	else
		doctor_tell(d, RESULT_FAULT, DOCTOR_BRING_UP,
			    "it is refused%s: class %s at %s:%d has no way out by %s (not there, down, or without an "
			    "address)",
			    where, class->name, class->at.file, class->at.line, class->interface);
}

static void tell_other_end(struct doctor *d, const char *what, const struct endpoint *to)
{
	char address[INET6_ADDRSTRLEN] = "?";

	inet_ntop(to->family, &to->address, address, sizeof(address));
	doctor_tell(d, RESULT_OK, NULL, "it goes to the %s of the class instead, %s port %u", what, address, to->port);
}

/* Returns whether it passes, and so do the next ones. */
static bool judge_query(struct doctor *d, const struct class *class, int family)
{
	const struct endpoint *resolver = of_family(&class->dns, family);

	if (resolver)
		tell_other_end(d, class->dns.count > 1 ? "resolvers" : "resolver", resolver);
	if (resolver && is_cut(class, family, &resolver->address))
		tell_cut(d, class, family, "");
	else if (!resolver)
		doctor_tell(d, RESULT_NOTE, NULL,
			    "it is refused: it is a name query, and no resolver of the class is of its "
			    "family");
	return resolver;
}

static bool judge_class(struct doctor *d, const struct class *class, const struct packet_end *to)
{
	const struct endpoint_list *proxies = to->protocol == IPPROTO_TCP ? &class->proxies : &class->udp_proxies;
	const struct endpoint *proxy = to->local ? NULL : of_family(proxies, to->family);
	char *whose = printed("class %s at %s:%d", class->name, class->at.file, class->at.line);
	bool passes = false;

	if (class->nft.count)
		doctor_tell(d, RESULT_NOTE, NULL, "%s has nft statements of its own, which this does not look at",
			    whose);
	if (class->no_ipv6 && to->family == AF_INET6)
		doctor_tell(d, RESULT_NOTE, NULL, "it is %s: %s has ipv6 = false", refusal(&class->verdict), whose);
	else if (class->verdict.has_names && to->port == DNS)
		doctor_tell(d, RESULT_OK, NULL, "it goes to netshim's own resolver instead, which asks for %s", whose);
	else if (class->dns.count && to->port == DNS)
		passes = judge_query(d, class, to->family);
	else if (is_cut(class, to->family, &to->address))
		tell_cut(d, class, to->family, "");
	else
		passes = judge(d, &class->verdict, to, whose);
	if (passes && proxy && !(class->dns.count && to->port == DNS))
		tell_other_end(d, "proxy", proxy);
	free(whose);
	return passes;
}

static void judge_unclassified(struct doctor *d, const struct packet_end *to)
{
	const struct verdict *verdict = &d->set->unclassified;

	if (verdict_refuses(verdict) && d->set->except_users.count)
		doctor_tell(d, RESULT_NOTE, NULL, "of users and groups in except-users, nothing is refused");
	judge(d, verdict, to, "what is in no class");
}

/* Returns false where there is no way at all. */
static bool ask_way(struct doctor *d, const struct class *class, struct packet_end *to)
{
	struct way_to way;
	uint32_t mark = class ? class->mark.value : 0;

	if (!routing_ask(to->family, &to->address, mark, &way)) {
		doctor_tell(d, RESULT_NOTE, NULL, "the kernel has no route for it%s",
			    mark ? ", with the mark of the class" : "");
		return false;
	}
	to->local = way.local || !strcmp(way.interface, LOOPBACK);
	to->neighbour = !to->local && !way.has_gateway;
	if (!leads_nowhere(class, &way))
		doctor_tell(d, RESULT_OK, NULL, "the kernel's route for it leads out by %s%s%s", way.interface,
			    way.has_gateway ? ", by a gateway" : "", mark ? ", with the mark of the class" : "");
	return true;
}

static bool is_named(const struct peer_list *list, const struct packet_end *to)
{
	for (size_t i = 0; i < list->count; i++)
		if (policy_is_single(&list->items[i]) && policy_matches(&list->items[i], to, false))
			return true;
	return false;
}

/* Behind the interface that joins a namespace to this machine. */
static void judge_outside(struct doctor *d, const struct class *class, const struct packet_end *to)
{
	struct way_to way;
	bool there = routing_ask(to->family, &to->address, class->mark.value, &way);
	bool within = there && (way.local || begins(way.interface, NAMESPACE_LINK));

	if (there && leads_nowhere(class, &way))
		tell_cut(d, class, to->family, " outside of the namespace");
	else if (!there)
		doctor_tell(d, RESULT_NOTE, NULL, "it is refused outside of the namespace, as there is no way for it");
	else if (within && !is_named(&class->verdict.allow, to))
		doctor_tell(d, RESULT_NOTE, NULL,
			    "it is refused outside of the namespace: of this machine and of other namespaces, only "
			    "single addresses that allow lists are reached");
	else
		doctor_tell(d, RESULT_OK, NULL, "outside of the namespace, the route for it leads to %s",
			    way.local ? "this machine" : way.interface);
}

/* By what is in force in there (policy_inside). */
static void judge_inside(struct doctor *d, const struct class *class, struct packet_end *to)
{
	struct class inside = *class;
	bool passes;

	inside.interface = NULL;
	if (!inside.mark_given)
		inside.mark.value = 0;
	if (!namespace_enter(class->netns)) {
		doctor_tell(d, RESULT_FAULT, "run 'netshim reload' as root",
			    "the network namespace of class %s cannot be looked into", class->name);
		return;
	}
	passes = ask_way(d, &inside, to) && judge_class(d, &inside, to);
	namespace_leave();
	if (passes && class->addresses.count && !to->local && !(class->dns.count && to->port == DNS))
		judge_outside(d, class, to);
}

static void judge_namespace(struct doctor *d, const struct class *class, struct packet_end *to)
{
	if (class_is_inside(class))
		judge_inside(d, class, to);
	else
		doctor_tell(d, RESULT_NOTE, NULL,
			    "class %s has an empty network namespace for each start, out of which there is no way",
			    class->name);
}

void look_at_packet(struct doctor *d)
{
	struct routing *routing;
	struct network_list networks;
	const struct class *class;
	struct packet_end to;

	if (!d->to) {
		doctor_tell(d, RESULT_OK, NULL, "with --to ADDRESS:PORT, this tells what a packet to there would meet");
		return;
	}
	if (doctor_is_blind(d, "what classes may send") || !d->set) {
		if (d->root)
			doctor_tell(d, RESULT_OK, NULL, "netshim is not up: it refuses nothing");
		return;
	}
	if (doctor_class_is_unknown(d))
		return;
	to = (struct packet_end){ d->to->family, d->to->address, d->protocol, d->to->port, false, false };
	routing = routing_read();
	marks_allot(d->set, routing);
	networks_read(&networks);
	ways_find(d->set, routing, &networks);
	class = doctor_class(d, d->class);
	if (class && class->netns)
		judge_namespace(d, class, &to);
	else if (ask_way(d, class, &to) && class)
		judge_class(d, class, &to);
	else if (!class)
		judge_unclassified(d, &to);
	ways_free(d->set, &networks);
	networks_free(&networks);
	routing_free(routing);
}
