/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* doctor: the network namespaces of classes. */

#include "conf/command/cmd-grant.h"
#include "conf/command/doctor.h"
#include "conf/command/restored.h"
#include "conf/command/state.h"
#include "conf/kernel/inside.h"
#include "conf/kernel/namespace.h"
#include "conf/kernel/networks.h"
#include "conf/kernel/table.h"
#include "conf/kernel/ways.h"
#include "conf/language/alloc.h"

#include <string.h>
#include <unistd.h>

#define RELOAD "run 'netshim reload' as root"

static void look_at_program(struct doctor *d)
{
	const char *wrong = grant_netns_wrong();
	char *closed = grant_closed(NETSHIM_NETNS);

	if (closed)
		doctor_tell(d, RESULT_FAULT, printed("chmod 755 %s", closed),
			    "not all users may use %s: they cannot start programs whose class has a network namespace",
			    closed);
	free(closed);
	if (wrong)
		doctor_tell(d, RESULT_FAULT, "as it says; then start the programs anew",
			    "programs whose class has a network namespace are not started: " NETSHIM_NETNS ": %s",
			    wrong);
}

/* One that may not be named as somebody else can change it is not there for programs either. */
static void look_for_namespace(struct doctor *d, const char *class, const char *name)
{
	int fd = netns_open(name);

	if (fd < 0)
		doctor_tell(d, RESULT_FAULT, RELOAD,
			    "the network namespace '%s' of class %s is not there (%s): programs of the class are not "
			    "started",
			    name, class, strerror(-fd));
	else
		close(fd);
}

static size_t look_for_namespaces(struct doctor *d)
{
	char class[CLASS_NAME_MAX + 1];
	char name[NETNS_NAME_MAX + 1];
	struct rules_class record;
	size_t count = 0;

	for (uint32_t i = 0; rules_class(d->rules, i, &record, class); i++) {
		if (!(record.flags & CLASS_NETNS) || !rules_string(d->rules, record.netns, name, sizeof(name)))
			continue;
		count++;
		if (strcmp(name, NETNS_PRIVATE) != 0)
			look_for_namespace(d, class, name);
	}
	return count;
}

static void look_at_end(struct doctor *d, const struct network_list *networks, const char *name, const char *place)
{
	const struct link *link = networks_link_named(networks, name);

	if (!link)
		doctor_tell(d, RESULT_FAULT, RELOAD, "%s is not in %s: its programs have no network", name, place);
	else if (!link->up)
		doctor_tell(d, RESULT_FAULT, RELOAD, "%s in %s is down: its programs have no network", name, place);
}

/* A moved interface may have a VPN's halves of the default route. */
static bool leads_out(const struct network_list *networks, int family)
{
	for (size_t i = 0; i < networks->main_count; i++)
		if (networks->main[i].to.family == family && networks->main[i].to.prefix <= WAYS_WIDE)
			return true;
	return false;
}

/* Without any address of the family, that is meant. */
static void look_for_default(struct doctor *d, const struct network_list *networks, int family, const char *name,
			     const char *place)
{
	const struct link *link = networks_link_named(networks, name);
	bool has_address = false;

	for (size_t i = 0; link && link->up && i < networks->own_count; i++)
		has_address =
			has_address || (networks->own[i].family == family && networks->own[i].interface == link->index);
	if (has_address && !leads_out(networks, family))
		doctor_tell(d, RESULT_FAULT, RELOAD,
			    "%s has no default route for %s: its programs reach nothing beyond its own network", place,
			    family == AF_INET ? "IPv4" : "IPv6");
}

/* In there. A network namespace of others' has the interfaces and routes that they have given it; ip
 * leaves its loopback interface down. */
static void look_at_network(struct doctor *d, const struct class *class, const char *place)
{
	const char *name = class->addresses.count ? NAMESPACE_END : class->moved;
	struct network_list networks;
	const struct link *loopback;

	if (networks_read(&networks) && name) {
		look_at_end(d, &networks, name, place);
		look_for_default(d, &networks, AF_INET, name, place);
		look_for_default(d, &networks, AF_INET6, name, place);
	}
	loopback = networks_link_named(&networks, "lo");
	if (loopback && !loopback->up)
		doctor_tell(d, RESULT_NOTE, printed("run 'ip -n %s link set lo up' as root", class->netns),
			    "lo in %s is down: its programs do not reach each other", place);
	networks_free(&networks);
}

/* Where it is not there, the end inside is not either. */
static void look_at_joints(struct doctor *d)
{
	struct network_list networks;

	if (!d->set || !networks_read(&networks))
		return;
	for (size_t i = 0; i < d->set->class_count; i++) {
		const struct class *class = &d->set->classes[i];
		const struct link *link = NULL;
		char name[IF_NAMESIZE];

		namespace_link(class->netns ? class->netns : "", name);
		if (class->addresses.count)
			link = networks_link_named(&networks, name);
		if (link && !link->up)
			doctor_tell(
				d, RESULT_FAULT, RELOAD,
				"%s, by which the network namespace of class %s is joined to this machine, is down: "
				"its programs have no network",
				name, class->name);
	}
	networks_free(&networks);
}

/* In there. */
static void look_inside(const struct inside *inside, void *with)
{
	struct doctor *d = with;
	const struct class *class = doctor_class(d, inside->class);
	char *place = printed("the network namespace of class %s", inside->class);
	char *kept = table_kept(inside->class);
	char *words = restored_words(inside->class);

	if (kept)
		doctor_compare_table(d, inside->class, place);
	if (kept && !state_is_watched(inside->class))
		doctor_tell(d, RESULT_FAULT, RELOAD, "nobody puts back what others take away of netshim's table in %s",
			    place);
	if (words)
		doctor_tell(d, RESULT_NOTE, NULL, "%s", words);
	if (class)
		look_at_network(d, class, place);
	free(words);
	free(kept);
	free(place);
}

static void look_at_namespaces(struct doctor *d)
{
	size_t count = d->rules ? look_for_namespaces(d) : 0;

	if (!count) {
		doctor_tell(d, RESULT_OK, NULL, "no class has a network namespace");
		return;
	}
	look_at_program(d);
	if (!doctor_is_blind(d, "what is in the network namespaces of classes")) {
		look_at_joints(d);
		insides_each(look_inside, d);
	}
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "%zu class%s a network namespace; they are there, with their rules",
			    count, count == 1 ? " has" : "es have");
}

const struct check checks_namespaces[] = {
	{ "namespaces", look_at_namespaces },
	{ NULL, NULL },
};
