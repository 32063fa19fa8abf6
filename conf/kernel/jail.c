/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The network namespaces of classes: see jail.h.
 *
 * What netshim has made of each is noted before it is made (jail-note.h), so that it can be
 * taken away whatever becomes of this process, and nothing else is. To bring a namespace from
 * one state to another is the same forwards and back. */

#include "conf/kernel/jail.h"

#include "conf/contract/netns.h"
#include "conf/contract/rules.h"
#include "conf/kernel/counters.h"
#include "conf/kernel/jail-note.h"
#include "conf/kernel/links.h"
#include "conf/kernel/namespace.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/policy.h"
#include "conf/kernel/processes.h"
#include "conf/kernel/routing.h"
#include "conf/kernel/setting.h"
#include "conf/kernel/table.h"
#include "conf/language/address.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"

#include <errno.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

/* Adds to a table's text what holds for now only (jails_load). */
static char *(*add_now)(const char *text, const char *class);

/* What this process has changed. */
static struct brought {
	struct jail from, to;
	char *table; /* that was inside; NULL where it has not been replaced */
} * brought;
static size_t brought_count;

static struct jail jail_of(const struct class *class)
{
	return (struct jail){
		.name = class->netns,
		.class = class->name,
		.addresses = class->addresses,
		.moved = class->moved,
		.gateways = class->gateways,
	};
}

static bool is_inside(const char *name, const char *interface)
{
	bool there;

	if (!namespace_enter(name))
		return false;
	there = if_nametoindex(interface);
	namespace_leave();
	return there;
}

/* Whoever is inside tells this machine of no routes. */
static bool set_host_end(const struct jail *jail, const char *link)
{
	return setting_set(link, SETTING_IPV6 "accept_ra", '0') && setting_set(link, "forwarding", '1') &&
	       links_set_addresses(link, jail->addresses.items, jail->addresses.count, true) && links_set_up(link);
}

/* Nobody but the configuration tells of addresses and routes there. */
static bool set_inner_end(const struct jail *jail)
{
	bool ok = setting_set(NAMESPACE_END, SETTING_IPV6 "accept_ra", '0') &&
		  links_set_addresses(NAMESPACE_END, jail->addresses.items, jail->addresses.count, false) &&
		  links_set_up(NAMESPACE_END);

	for (size_t i = 0; ok && i < jail->addresses.count; i++)
		ok = links_set_default(NAMESPACE_END, jail->addresses.items[i].family,
				       &jail->addresses.items[i].router);
	return ok;
}

static bool make_pair(const struct jail *jail, const char *link)
{
	int namespace = netns_open(jail->name);
	bool ok = namespace >= 0 && links_make_pair(link, NAMESPACE_END, namespace);

	if (namespace >= 0)
		close(namespace);
	return ok;
}

static bool join(const struct jail *from, const struct jail *to)
{
	char link[IF_NAMESIZE];
	bool ok;

	namespace_link(to->name, link);
	if (!to->addresses.count)
		return !from->addresses.count || links_remove(link);
	if (from->addresses.count && !is_inside(to->name, NAMESPACE_END) && !links_remove(link))
		return false;
	if (!if_nametoindex(link) || !from->addresses.count)
		if (!make_pair(to, link))
			return false;
	if (!set_host_end(to, link) || !namespace_enter(to->name))
		return false;
	ok = set_inner_end(to);
	namespace_leave();
	return ok;
}

static bool set_default(const struct jail *jail, int family)
{
	const struct in6_addr *router = NULL;

	for (size_t i = 0; i < jail->gateways.count; i++)
		if (jail->gateways.items[i].family == family)
			router = &jail->gateways.items[i].address;
	if (!router && (links_kept_default(jail->kept, family) || !links_kept_address(jail->kept, family)))
		return true;
	return links_set_default(jail->moved, family, router);
}

static bool move_in(const struct jail *jail)
{
	int namespace = netns_open(jail->name);
	bool ok = namespace >= 0 && links_move(jail->moved, namespace);

	if (namespace >= 0)
		close(namespace);
	return ok;
}

static bool furnish(const struct jail *jail)
{
	bool ok;

	if (!namespace_enter(jail->name))
		return false;
	ok = links_set_up(jail->moved) && links_restore(jail->moved, jail->kept, true) && set_default(jail, AF_INET) &&
	     set_default(jail, AF_INET6);
	namespace_leave();
	return ok;
}

/* What it has outside; or where that is only part of what it had, as a command was killed
 * that was giving it back, all of that. */
static char *keep(const struct jail *jail)
{
	char *kept = links_keep(jail->moved);

	if (!jail->kept || !links_kept_within(kept, jail->kept))
		return kept;
	free(kept);
	return copied(jail->kept);
}

/* It may have gone, or be outside already. */
static bool move_out(const struct jail *jail)
{
	bool ok;

	if (!namespace_is_there(jail->name) || !is_inside(jail->name, jail->moved))
		return !if_nametoindex(jail->moved) || links_restore(jail->moved, keep(jail), false);
	if (!namespace_enter(jail->name))
		return false;
	ok = links_move(jail->moved, namespace_home());
	namespace_leave();
	return ok && links_restore(jail->moved, jail->kept, false);
}

static bool is_moved(const struct jail *from, const struct jail *to)
{
	return from->moved && to->moved && !strcmp(from->moved, to->moved);
}

/* Where the interface is not there, it is moved when it is, at the next time. */
static bool bring_interface(const struct jail *from, struct jail *to)
{
	if (from->moved && !is_moved(from, to) && !move_out(from))
		return false;
	if (!to->moved)
		return true;
	if (is_moved(from, to) && is_inside(to->name, to->moved)) {
		to->kept = from->kept;
		return jail_write_note(to) && furnish(to);
	}
	if (!if_nametoindex(to->moved))
		return jail_write_note(to);
	to->kept = keep(is_moved(from, to) ? from : to);
	return jail_write_note(to) && move_in(to) && furnish(to);
}

static bool bring_namespace(const struct jail *from, struct jail *to)
{
	to->made = from->made;
	to->loaded = from->loaded;
	if (!namespace_is_there(to->name)) {
		to->made = true;
		return jail_write_note(to) && namespace_make(to->name);
	}
	return jail_write_note(to);
}

/* All the time, the note has what both are. */
static bool bring(const struct jail *from, struct jail *to)
{
	struct jail both = *to;

	if (!both.addresses.count)
		both.addresses = from->addresses;
	both.moved = from->moved;
	both.kept = from->kept;
	if (!bring_namespace(from, &both))
		return false;
	to->made = both.made;
	to->loaded = both.loaded;
	if (from->class && strcmp(from->class, to->class) != 0)
		table_forget(from->class);
	return join(from, to) && bring_interface(from, to) && jail_write_note(to);
}

static bool take_table(const struct jail *jail)
{
	struct routing *routing;
	bool ok;

	if (jail->loaded && jail->class)
		table_forget(jail->class);
	if (!jail->loaded || jail->made || !namespace_is_there(jail->name))
		return true;
	if (!namespace_enter(jail->name))
		return false;
	routing = routing_read();
	ok = nft_unload() && routing && routing_clean(routing, NULL, NULL);
	routing_free(routing);
	namespace_leave();
	return ok;
}

/* Who is in it is without a network then. */
static bool take_away(const struct jail *jail)
{
	static const struct jail nothing;
	struct jail without = nothing;

	without.name = jail->name;
	if (jail->moved && !move_out(jail))
		return false;
	return join(jail, &without) && take_table(jail) && (!jail->made || namespace_unmake(jail->name)) &&
	       jail_remove_note(jail->name);
}

/* In there. */
static bool load_table(const char *text, const char *class)
{
	char *whole = add_now(text, class);
	char *words = table_replace(class, text, whole);
	bool ok = !words;

	if (!ok)
		nft_tell_inside(class, words);
	free(words);
	free(whole);
	return ok;
}

static void go_back(struct brought *b)
{
	struct jail now = jail_read_note(b->to.name);

	if (b->table && b->from.class && namespace_is_there(b->to.name) && namespace_enter(b->to.name)) {
		load_table(b->table, b->from.class);
		namespace_leave();
	}
	if (!b->from.class || !namespace_is_there(b->to.name))
		take_away(&now);
	else
		bring(&now, &b->from);
}

void jails_undo(void)
{
	namespace_leave();
	while (brought_count)
		go_back(&brought[--brought_count]);
}

static struct brought *find_brought(const char *name)
{
	for (size_t i = 0; i < brought_count; i++)
		if (!strcmp(brought[i].to.name, name))
			return &brought[i];
	return NULL;
}

/* What is noted as netshim's is taken away or moved in the end, so it may be nobody else's. */
static bool has_names(const struct class *class, const struct jail *from, const struct jail *to)
{
	char link[IF_NAMESIZE];

	namespace_link(class->netns, link);
	if (to->addresses.count && !from->addresses.count && if_nametoindex(link)) {
		warnx("%s:%d: there is an interface %s already; remove it, or give the class another netns",
		      class->netns_at.file, class->netns_at.line, link);
		return false;
	}
	if (to->moved && !is_moved(from, to) && namespace_is_there(to->name) && is_inside(to->name, to->moved)) {
		warnx("%s:%d: in network namespace '%s' is an interface %s already; remove it, or move it out",
		      class->netns_at.file, class->netns_at.line, to->name, to->moved);
		return false;
	}
	return true;
}

/* One that nobody has made, and that is to have nothing of netshim's, is a mistake. */
static bool make_jail(const struct class *class)
{
	struct jail from = jail_read_note(class->netns);
	struct jail to = jail_of(class);
	bool built = class->addresses.count || class->moved;

	if (class_has_inside(class) && !built && !namespace_is_there(class->netns)) {
		warnx("%s:%d: there is no network namespace '%s'; run 'ip netns add %s', or give the class an address",
		      class->netns_at.file, class->netns_at.line, class->netns, class->netns);
		return false;
	}
	if (!class_has_inside(class) && !from.class)
		return true;
	if (!has_names(class, &from, &to))
		return false;
	if (!find_brought(class->netns)) {
		brought = grown(brought, brought_count, sizeof(*brought));
		brought[brought_count++] = (struct brought){ .from = from, .to = to };
	}
	return bring(&from, &find_brought(class->netns)->to);
}

static bool networks_meet(const struct network *network, const struct own_address *own)
{
	unsigned prefix = network->prefix < own->prefix ? network->prefix : own->prefix;

	return network->family == own->family && addresses_share(&network->address, &own->address, prefix);
}

/* Two ways to one network are one too many. */
static bool is_free(const struct class *class, const struct network_list *networks)
{
	for (size_t i = 0; i < networks->count; i++)
		for (size_t j = 0; j < class->addresses.count; j++) {
			const struct link *link = networks_link(networks, networks->items[i].interface);

			if (!networks_meet(&networks->items[i], &class->addresses.items[j]) || !link ||
			    begins(link->name, NAMESPACE_LINK))
				continue;
			warnx("%s:%d: this machine is in that network already, by %s; choose another one",
			      class->address_at.file, class->address_at.line, link->name);
			return false;
		}
	return true;
}

static bool are_free(const struct ruleset *set)
{
	struct network_list networks;
	bool ok = networks_read(&networks);

	for (size_t i = 0; ok && i < set->class_count; i++)
		ok = !class_is_inside(&set->classes[i]) || is_free(&set->classes[i], &networks);
	networks_free(&networks);
	return ok;
}

bool jails_make(const struct ruleset *set)
{
	bool any = false;
	bool ok;

	brought_count = 0;
	for (size_t i = 0; i < set->class_count; i++)
		any = any || class_is_inside(&set->classes[i]);
	ok = !any || are_free(set);
	for (size_t i = 0; ok && i < set->class_count; i++)
		if (class_is_inside(&set->classes[i]))
			ok = make_jail(&set->classes[i]);
	return ok;
}

/* In there. */
static bool load(const struct class *class, struct brought *b)
{
	struct class inside = *class;
	struct ruleset set = { .classes = &inside, .class_count = 1 };
	struct routing *routing = routing_read();
	struct network_list networks;
	struct counters counters;
	char *text;
	bool ok;

	inside.table = 0;
	inside.netns = NULL;
	inside.ports.count = 0;
	inside.addresses.count = 0;
	counters_read(&counters);
	ok = networks_read(&networks);
	text = policy_inside(class, &counters, &networks);
	networks_free(&networks);
	if (!b->table)
		b->table = nft_save();
	ok = ok && load_table(text, class->name) && routing && routing_add(routing, &set, NULL);
	free(counters.items);
	free(text);
	routing_free(routing);
	return ok;
}

static bool load_jail(const struct class *class)
{
	struct brought *b = find_brought(class->netns);
	bool ok;

	if (!b) /* gcc's analyzer does not see that jails_make has added it */
		return false;
	b->to.loaded = true;
	if (!jail_write_note(&b->to) || !namespace_enter(class->netns))
		return false;
	ok = load(class, b);
	namespace_leave();
	return ok;
}

bool jails_load(const struct ruleset *set, char *(*with_now)(const char *text, const char *class))
{
	bool ok = true;

	add_now = with_now;
	for (size_t i = 0; ok && i < set->class_count; i++)
		if (class_has_inside(&set->classes[i]))
			ok = load_jail(&set->classes[i]);
	return ok;
}

static const struct class *class_inside(const struct ruleset *set, const char *name)
{
	for (size_t i = 0; set && i < set->class_count; i++)
		if (class_has_inside(&set->classes[i]) && !strcmp(set->classes[i].netns, name))
			return &set->classes[i];
	return NULL;
}

/* One of netshim's own that listens in there does, and one that has no program any more. */
static bool ends_by_itself(pid_t pid)
{
	char *link = printed("/proc/%d/exe", pid);
	char first;
	bool ended = readlink(link, &first, 1) < 0;

	free(link);
	return ended || process_is_netshim(pid);
}

/* Processes of a namespace, by its inode. */
static void tell_processes(const char *name, ino_t network)
{
	struct process_list list;
	struct process_names names = { .count = 0 };

	processes_read(&list);
	for (size_t i = 0; i < list.count; i++)
		if (process_network(list.items[i].pid) == network && !ends_by_itself(list.items[i].pid))
			process_names_add(&names, list.items[i].name, list.items[i].pid);
	processes_free(&list);
	if (names.count)
		warnx("in network namespace '%s', which is taken away, are still %zu process%s (%s): they have no "
		      "network any more; end them, or start them again",
		      name, names.count, names.count == 1 ? "" : "es", names.text);
}

static bool clean(const char *name)
{
	struct jail jail = jail_read_note(name);
	int namespace = netns_open(name);
	struct stat st = { .st_ino = 0 };
	bool ok = true;

	if (namespace >= 0) {
		ok = !fstat(namespace, &st);
		close(namespace);
	}
	ok = take_away(&jail) && ok;
	if (ok && jail.made && st.st_ino)
		tell_processes(name, st.st_ino);
	return ok;
}

bool jails_clean(const struct ruleset *set)
{
	glob_t found;
	bool ok = true;

	if (glob(JAIL_NOTES "*", GLOB_PERIOD, NULL, &found))
		return true;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *name = found.gl_pathv[i] + strlen(JAIL_NOTES);

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !class_inside(set, name))
			ok = clean(name) && ok;
	}
	globfree(&found);
	return ok;
}
