/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* doctor: whether the packet filter, routes and settings are as they were put into force, and
 * what goes round a class's resolvers. */

#include "conf/command/answerers.h"
#include "conf/command/doctor.h"
#include "conf/command/lifts.h"
#include "conf/command/proxy.h"
#include "conf/command/restored.h"
#include "conf/command/state.h"
#include "conf/kernel/handover.h"
#include "conf/kernel/marks.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/policy-names.h"
#include "conf/kernel/routing.h"
#include "conf/kernel/sysctl.h"
#include "conf/kernel/table.h"
#include "conf/kernel/ways.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"

#include <unistd.h>

#define RELOAD "run 'netshim reload' as root"

/* Tells why there is nothing to compare: netshim is not up, or this is not root. */
static bool is_nothing_known(struct doctor *d, const char *what)
{
	if (!d->rules)
		doctor_tell(d, RESULT_OK, NULL, "nothing to compare: netshim is not up");
	else if (!doctor_is_blind(d, what) && !d->set)
		doctor_tell(d, RESULT_FAULT, RELOAD, "the text of the configuration in force is gone");
	return !d->set;
}

/* --- the table */

/* Packets fill netshim's sets. */
static void drop_elements(char *listing)
{
	char *from = listing;
	char *begin;

	while ((begin = strstr(from, "\t\telements = {"))) {
		const char *end = strchr(begin, '}');

		end = end && end[1] == '\n' ? end + 2 : NULL;
		if (!end)
			return;
		memmove(begin, end, strlen(end) + 1);
		from = begin;
	}
}

static char *line_at(const char *text, size_t at)
{
	while (at && text[at - 1] != '\n')
		at--;
	at += strspn(text + at, "\t ");
	return printed("%.*s", (int)strcspn(text + at, "\n"), text + at);
}

static void compare_tables(struct doctor *d, const char *place, char *loaded, char *wanted)
{
	size_t at = 0;

	drop_elements(loaded);
	drop_elements(wanted);
	while (loaded[at] && loaded[at] == wanted[at])
		at++;
	if (loaded[at] || wanted[at])
		doctor_tell(
			d, RESULT_FAULT, RELOAD,
			"somebody has changed netshim's nftables table in %s: it has \"%s\" where netshim had loaded "
			"\"%s\"",
			place, line_at(loaded, at), line_at(wanted, at));
}

/* Nobody knows while one is under way. */
static bool reload_was_killed(void)
{
	int pause = state_pause();
	bool left = pause >= 0 && handover_is_left();

	if (pause >= 0)
		close(pause);
	return left;
}

bool doctor_compare_table(struct doctor *d, const char *class, const char *place)
{
	char *loaded = nft_listing();
	char *kept = table_kept(class);
	char *wanted = kept ? nft_listing_of(kept) : NULL;
	bool known = wanted;

	if (!loaded)
		doctor_tell(d, RESULT_FAULT, RELOAD, "nftables has lost netshim's table in %s: nothing is filtered",
			    place);
	else if (!kept)
		doctor_tell(d, RESULT_FAULT, RELOAD, TABLE_KEPT " is gone: nobody knows whether the table has changed");
	else if (wanted)
		compare_tables(d, place, loaded, wanted);
	if (reload_was_killed())
		doctor_tell(d, RESULT_FAULT, RELOAD,
			    "a reload in %s was killed: table netshim_handover is left, and what its rules refuse "
			    "stays refused",
			    place);
	free(wanted);
	free(kept);
	free(loaded);
	return known;
}

static void look_at_table(struct doctor *d)
{
	bool known;

	if (is_nothing_known(d, "nftables' table"))
		return;
	known = doctor_compare_table(d, NULL, "this network namespace");
	if (!d->finding_count)
		doctor_tell(d, known ? RESULT_OK : RESULT_UNSEEN, NULL, "%s",
			    known ? "nftables has what netshim has loaded, rule by rule"
				  : "without a network namespace of its own, this cannot tell whether the table has "
				    "changed");
}

static void look_at_watch(struct doctor *d)
{
	const char *words = restored_words(NULL);

	if (is_nothing_known(d, "whether somebody puts back what others take away"))
		return;
	if (!state_is_watched(NULL))
		doctor_tell(d, RESULT_FAULT, RELOAD,
			    "nobody puts back what others take away of netshim's nftables table "
			    "and routing rules, nor follows interfaces");
	if (words)
		doctor_tell(d, RESULT_NOTE, NULL, "%s", words);
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "netshim watch puts back what others take away");
}

/* --- routes and settings */

/* What several of these look at, as the machine is now. */
struct machine {
	struct routing *routing;
	struct network_list networks;
	struct routing_rule *rules;
	size_t rule_count;
};

static bool read_machine(struct doctor *d, struct machine *m)
{
	*m = (struct machine){ .routing = routing_read() };
	if (!m->routing || !networks_read(&m->networks)) {
		doctor_tell(d, RESULT_FAULT, "see what 'ip rule' and 'ip route' say", "routes cannot be read");
		return false;
	}
	marks_allot(d->set, m->routing);
	ways_find(d->set, m->routing, &m->networks);
	m->rule_count = routing_rules(m->routing, &m->rules);
	routing_find_inverted(m->rules, m->rule_count);
	return true;
}

static void free_machine(const struct doctor *d, struct machine *m)
{
	ways_free(d->set, &m->networks);
	networks_free(&m->networks);
	routing_free(m->routing);
	free(m->rules);
}

/* By it, a class has the mark that is in force. NULL where it is gone. */
static const struct routing_rule *find_rule(const struct machine *m, const struct class *class, int family)
{
	for (size_t i = 0; i < m->rule_count; i++)
		if (m->rules[i].own && m->rules[i].table == class->table && m->rules[i].family == family)
			return &m->rules[i];
	return NULL;
}

/* On a kernel without IPv6, there are none for it. */
static bool has_rules(const struct machine *m, const struct class *class)
{
	return find_rule(m, class, AF_INET) &&
	       (find_rule(m, class, AF_INET6) || access("/proc/net/if_inet6", F_OK) != 0);
}

static void look_at_class_routes(struct doctor *d, const struct machine *m, const struct class *class)
{
	/* One with a network namespace has its routes in there. */
	if (!class_is_routed(class) || class->netns)
		return;
	if (!has_rules(m, class))
		doctor_tell(d, RESULT_FAULT, RELOAD,
			    "a routing rule of class %s is gone, which leads to table %u: its packets are dropped",
			    class->name, class->table);
	else if (ways_are_cut(class))
		doctor_tell(d, RESULT_NOTE, "bring the interface up",
			    "interface %s of class %s is not there: what the class sends is refused until it is",
			    class->interface, class->name);
	else if (class->device && !routing_way_out(m->routing, class->table))
		doctor_tell(d, RESULT_FAULT, DOCTOR_BRING_UP,
			    "class %s has no route out by %s in table %u: what it sends is refused", class->name,
			    class->device, class->table);
}

static void look_at_routing(struct doctor *d)
{
	struct machine m;

	if (is_nothing_known(d, "which routes classes need") || !read_machine(d, &m))
		return;
	for (size_t i = 0; i < d->set->class_count; i++)
		look_at_class_routes(d, &m, &d->set->classes[i]);
	free_machine(d, &m);
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "the routing rules and routes of the classes are there");
}

static void look_at_settings(struct doctor *d)
{
	const char *setting;
	struct machine m;

	if (is_nothing_known(d, "which settings classes need") || !read_machine(d, &m))
		return;
	setting = sysctl_lacks(d->set, &m.networks);
	if (setting)
		doctor_tell(d, RESULT_FAULT, RELOAD,
			    "somebody has changed %s, which classes need otherwise: answers to them are dropped",
			    setting);
	else
		doctor_tell(d, RESULT_OK, NULL, "the kernel's settings are as classes need them");
	free_machine(d, &m);
}

static void tell_marked(struct doctor *d, const struct class *class, const struct routing_rule *rule)
{
	const char *family = rule->family == AF_INET ? "IPv4" : "IPv6";

	if (class_is_routed(class) && !rule->inverted)
		doctor_tell(d, RESULT_FAULT, "give the class another mark (netshim.conf(5), MARKS)",
			    "a routing rule of somebody else's (%s, table %u) is for mark 0x%x, which packets of class "
			    "%s have: both go by the one that comes first",
			    family, rule->table, rule->mark.value, class->name);
	else if (rule->table)
		doctor_tell(d, RESULT_OK, NULL,
			    "packets of class %s go %s table %u (%s), as a routing rule for %s 0x%x says", class->name,
			    rule->inverted ? "past" : "by", rule->table, family,
			    rule->inverted ? "all marks but" : "mark", rule->mark.value);
}

static void compare_marks(struct doctor *d, const struct machine *m, const struct class *class, struct packet_mark mark)
{
	for (size_t i = 0; i < m->rule_count; i++)
		if (!m->rules[i].own && m->rules[i].mark.value && packet_marks_meet(m->rules[i].mark, mark))
			tell_marked(d, class, &m->rules[i]);
}

static void look_at_marks(struct doctor *d)
{
	struct machine m;

	if (is_nothing_known(d, "the marks of classes") || !read_machine(d, &m))
		return;
	for (size_t i = 0; i < d->set->class_count; i++) {
		const struct class *class = &d->set->classes[i];
		const struct routing_rule *rule =
			class_is_routed(class) && !class->netns ? find_rule(&m, class, AF_INET) : NULL;

		if (rule || class->mark_given)
			compare_marks(d, &m, class, rule ? rule->mark : class->mark);
	}
	free_machine(d, &m);
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "no routing rule of others is for a class's mark");
}

/* --- names and proxies */

/* nsswitch.conf(5): nss-resolve asks systemd-resolved by a socket of its own. */
static bool asks_resolved(void)
{
	FILE *file = fopen("/etc/nsswitch.conf", "re");
	char line[1024];
	bool found = false;

	while (file && fgets(line, sizeof(line), file)) {
		const char *at = line + strspn(line, " \t");
		const char *word = strstr(at, "resolve");

		found = found || (begins(at, "hosts:") && word && strchr(" \t", word[-1]) &&
				  strchr(" \t\n", word[strlen("resolve")]));
	}
	if (file)
		fclose(file);
	return found;
}

static void tell_missing(const char *whose, void *with)
{
	doctor_tell(with, RESULT_FAULT, RELOAD,
		    "netshim's own resolver for the names of %s is not there: no name is opened", whose);
}

static void look_at_resolvers(struct doctor *d)
{
	struct named classes = { .count = 0 };

	if (is_nothing_known(d, "which classes have resolvers of their own"))
		return;
	for (size_t i = 0; i < d->set->class_count; i++)
		if (d->set->classes[i].dns.count || d->set->classes[i].verdict.has_names)
			named_add(&classes, d->set->classes[i].name);
	if (d->set->unclassified.has_names)
		named_add(&classes, UNCLASSIFIED);
	answerers_each_missing(tell_missing, d);
	if (classes.count && asks_resolved() && !access("/run/systemd/resolve/io.systemd.Resolve", F_OK))
		doctor_tell(
			d, RESULT_FAULT, "take 'resolve' out of the line 'hosts:' in /etc/nsswitch.conf",
			"programs have systemd-resolved look up names (nss-resolve), which asks in its own name: the "
			"resolvers of class %s are not asked",
			classes.text);
	if (classes.count && !access("/run/nscd/socket", F_OK))
		doctor_tell(
			d, RESULT_FAULT, "stop nscd, or write 'enable-cache hosts no' into /etc/nscd.conf",
			"nscd looks up names for other programs, in its own name: the resolvers of class %s are not "
			"asked",
			classes.text);
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "%s",
			    classes.count ? "nothing goes round the resolvers of classes"
					  : "no class has resolvers of its own");
}

static void look_at_proxies(struct doctor *d)
{
	if (is_nothing_known(d, "which classes have a proxy"))
		return;
	for (size_t i = 0; i < d->set->class_count; i++)
		if (proxy_in_own_class(&d->set->classes[i]))
			doctor_tell(d, RESULT_FAULT, "start it in another class, or 'netshim move none' it",
				    "the proxy of class %s is in that class itself: what it sends would come back to "
				    "it for "
				    "ever, and is refused",
				    d->set->classes[i].name);
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "no proxy is in the class that it is for");
}

static void tell_lift(struct doctor *d, const char *class)
{
	char time[LIFTS_TIME_SIZE];
	long left = lifts_left(class);

	if (left)
		doctor_tell(d, RESULT_NOTE, "'netshim lift' with 'off', to end it now",
			    "what %s refuses is let through for another %s", class,
			    lifts_time((unsigned long)left, time));
}

static void look_at_lifts(struct doctor *d)
{
	char name[CLASS_NAME_MAX + 1];
	struct rules_class class;

	for (uint32_t i = 0; d->rules && rules_class(d->rules, i, &class, name); i++)
		tell_lift(d, name);
	tell_lift(d, LIFTS_OTHERS);
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "what classes refuse is refused");
}

const struct check checks_network[] = {
	{ "table", look_at_table },	  { "watch", look_at_watch }, { "routing", look_at_routing },
	{ "settings", look_at_settings }, { "marks", look_at_marks }, { "resolvers", look_at_resolvers },
	{ "proxies", look_at_proxies },	  { "lifts", look_at_lifts }, { NULL, NULL },
};
