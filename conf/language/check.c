/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The checks that need the whole configuration: see check.h. */

#include "conf/language/check.h"

#include "conf/language/address.h"
#include "conf/language/alloc.h"

#include <linux/rtnetlink.h>

/* Classes sorted by a key, for finding doubles among many. */
static int by_name(const void *a, const void *b)
{
	const struct class *x = *(const struct class *const *)a;
	const struct class *y = *(const struct class *const *)b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x > y) - (x < y);
}

static int by_classid(const void *a, const void *b)
{
	const struct class *x = *(const struct class *const *)a;
	const struct class *y = *(const struct class *const *)b;

	if (x->classid != y->classid)
		return x->classid < y->classid ? -1 : 1;
	return by_name(a, b);
}

static struct class **sorted(struct ruleset *set, int (*order)(const void *, const void *))
{
	struct class **list = zalloc((set->class_count + 1) * sizeof(struct class *));

	for (size_t i = 0; i < set->class_count; i++)
		list[i] = &set->classes[i];
	qsort(list, set->class_count, sizeof(struct class *), order);
	return list;
}

static void check_doubles(struct ruleset *set)
{
	struct class **list = sorted(set, by_name);

	for (size_t i = 1; i < set->class_count; i++)
		if (!strcmp(list[i - 1]->name, list[i]->name))
			ruleset_problem(set, list[i]->at,
					"class '%s' is already defined at %s:%d; give one of them another name",
					list[i]->name, list[i - 1]->at.file, list[i - 1]->at.line);
	free(list);
	list = sorted(set, by_classid);
	for (size_t i = 1; i < set->class_count; i++)
		if (list[i]->classid && list[i - 1]->classid == list[i]->classid)
			ruleset_problem(set, list[i]->classid_at,
					"classid %x:%x is already that of class '%s' at %s:%d; every class needs its "
					"own (leave it out to be given one)",
					list[i]->classid >> 16, list[i]->classid & 0xffff, list[i - 1]->name,
					list[i - 1]->at.file, list[i - 1]->at.line);
	free(list);
}

/* FNV-1a. Whatever else comes to be hashed in another way, this stays. */
static uint32_t name_hash(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return (uint32_t)hash;
}

#define CLASSID_FIRST UINT32_C(0x4e530000) /* "NS" */
#define MINOR_MAX UINT32_C(0xffff)
#define CLASSES_MAX 32768 /* so that of the minor numbers, one is soon found that is free */

/* Gives a classid to the classes that state none: from the name, so that adding
 * or removing a class leaves the others' alone. */
static void assign_classids(struct ruleset *set)
{
	struct class **list = sorted(set, by_name);
	bool *taken = zalloc((MINOR_MAX + 1) * sizeof(*taken));

	taken[0] = true;
	for (size_t i = 0; i < set->class_count; i++)
		if ((list[i]->classid & ~MINOR_MAX) == CLASSID_FIRST)
			taken[list[i]->classid & MINOR_MAX] = true;
	for (size_t i = 0; i < set->class_count; i++) {
		uint32_t minor = name_hash(list[i]->name) & MINOR_MAX;

		if (list[i]->classid)
			continue;
		while (taken[minor])
			minor = (minor + 1) & MINOR_MAX;
		list[i]->classid = CLASSID_FIRST | minor;
		taken[minor] = true;
	}
	free(taken);
	free(list);
}

static int has_name(const void *key, const void *element)
{
	return strcmp(key, (*(const struct class *const *)element)->name);
}

static void find_classes(struct ruleset *set)
{
	struct class **list = sorted(set, by_name);

	for (size_t i = 0; i < set->app_count; i++) {
		struct app *app = &set->apps[i];
		struct class **found;

		if (!app->class_name)
			continue;
		if (!strcmp(app->class_name, "none")) {
			app->class_index = CLASS_INDEX_NONE;
			continue;
		}
		found = bsearch(app->class_name, list, set->class_count, sizeof(struct class *), has_name);
		if (found)
			app->class_index = (uint32_t)(*found - set->classes);
		else if (!set->cut_short)
			ruleset_problem(set, app->class_at,
					"unknown class '%s'; define it with: class %s { ... }, or write class = none",
					app->class_name, app->class_name);
	}
	free(list);
}

/* Before it starts anything, systemd has put a service into the network that its unit says. */
static void check_units(struct ruleset *set)
{
	for (size_t i = 0; i < set->app_count; i++) {
		const struct app *app = &set->apps[i];

		if (app->unit && app->class_index != CLASS_INDEX_NONE && set->classes[app->class_index].netns)
			ruleset_problem(set, app->class_at,
					"class '%s' has a network namespace, and a unit is not led into that; give the "
					"unit NetworkNamespacePath= or PrivateNetwork= by a drop-in of your own",
					app->class_name);
	}
}

static int by_mark(const void *a, const void *b)
{
	const struct class *x = *(const struct class *const *)a;
	const struct class *y = *(const struct class *const *)b;

	if (x->mark.value != y->mark.value)
		return x->mark.value < y->mark.value ? -1 : 1;
	if (x->mark.mask != y->mark.mask)
		return x->mark.mask < y->mark.mask ? -1 : 1;
	/* What is in a network namespace does not stand for others here. */
	if (!x->netns != !y->netns)
		return x->netns ? 1 : -1;
	return by_name(a, b);
}

static int by_table(const void *a, const void *b)
{
	const struct class *x = *(const struct class *const *)a;
	const struct class *y = *(const struct class *const *)b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return by_name(a, b);
}

/* If the marks are the same too, only that is reported. */
static void check_tables(struct ruleset *set)
{
	struct class **list = sorted(set, by_table);

	for (size_t i = 1; i < set->class_count; i++)
		if (list[i]->table && list[i]->table == list[i - 1]->table &&
		    (!list[i]->mark.value || list[i]->mark.value != list[i - 1]->mark.value))
			ruleset_problem(set, list[i]->at,
					"table %u is already that of class '%s' at %s:%d; choose another number with "
					"table = N",
					list[i]->table, list[i - 1]->name, list[i - 1]->at.file, list[i - 1]->at.line);
	free(list);
}

/* Those that go the ordinary way are led there by one mark, and the first of them has the
 * table for all. */
static bool shares_way(const struct class *class)
{
	return class->ordinary && !class->mark_given;
}

/* A table is by default the number that is given for the class's mark, or its classid
 * where none is. */
static void assign_ways(struct ruleset *set)
{
	bool shared = false;

	for (size_t i = 0; i < set->class_count; i++) {
		struct class *class = &set->classes[i];
		bool follows = shared && shares_way(class);

		if (shares_way(class)) {
			class->mark = (struct packet_mark){ MARK_PAST_WG_QUICK, UINT32_MAX };
			shared = true;
		}
		if (!class_is_routed(class) || follows)
			class->table = 0;
		else if (!class->table)
			class->table = class->mark_given ? class->mark.value : class->classid;
		if (class->table >= RT_TABLE_DEFAULT && class->table <= RT_TABLE_LOCAL)
			ruleset_problem(set, class->interface_at,
					"table %u is the kernel's own (default, main or local); use another number",
					class->table);
	}
}

static bool needs_own_mark(const struct class *class)
{
	return class->interface || class->udp_proxies.count;
}

static void note_shared_mark(struct ruleset *set, struct class *one, struct class *other, const char *how)
{
	one->mark_shared = other->mark_shared = true;
	if (needs_own_mark(one) || needs_own_mark(other))
		ruleset_problem(set, other->at,
				"mark %u %s that of class '%s' at %s:%d; a class with an interface or proxy-udp "
				"needs its own",
				other->mark.value, how, one->name, one->at.file, one->at.line);
}

/* One packet can have two marks that differ in no bit of both masks. Each pair once. */
static void check_masked(struct ruleset *set, struct class *masked)
{
	for (size_t i = 0; i < set->class_count; i++) {
		struct class *other = &set->classes[i];
		bool told = other->mark.mask != UINT32_MAX && other >= masked;
		bool same = other->mark.value == masked->mark.value && other->mark.mask == masked->mark.mask;

		if (other->mark.value && !told && !same && packet_marks_meet(masked->mark, other->mark))
			note_shared_mark(set, other, masked, "cannot be told from");
	}
}

static void check_marks(struct ruleset *set)
{
	struct class **list = sorted(set, by_mark);

	for (size_t i = 1; i < set->class_count; i++) {
		if (!list[i]->mark.value || list[i]->mark.value != list[i - 1]->mark.value ||
		    list[i]->mark.mask != list[i - 1]->mark.mask)
			continue;
		list[i]->mark_repeated = true;
		note_shared_mark(set, list[i - 1], list[i], "is already");
	}
	for (size_t i = 0; i < set->class_count; i++)
		if (list[i]->mark.value && list[i]->mark.mask != UINT32_MAX)
			check_masked(set, list[i]);
	free(list);
}

static bool networks_meet(const struct own_address *a, const struct own_address *b)
{
	unsigned prefix = a->prefix < b->prefix ? a->prefix : b->prefix;

	return a->family == b->family && addresses_share(&a->address, &b->address, prefix);
}

static void check_addresses(struct ruleset *set, const struct class *one, const struct class *other)
{
	for (size_t i = 0; i < one->addresses.count; i++)
		for (size_t j = 0; j < other->addresses.count; j++)
			if (networks_meet(&one->addresses.items[i], &other->addresses.items[j]))
				ruleset_problem(set, other->address_at,
						"this address is in the network of class '%s' at %s:%d; choose another "
						"network",
						one->name, one->address_at.file, one->address_at.line);
}

static void check_ports(struct ruleset *set, const struct class *one, const struct class *other)
{
	for (size_t i = 0; i < one->ports.count; i++)
		for (size_t j = 0; j < (one == other ? i : other->ports.count); j++)
			if (one->ports.items[i].from == other->ports.items[j].from &&
			    one->ports.items[i].protocol == other->ports.items[j].protocol)
				ruleset_problem(set, other->ports_at,
						"port %u already leads to class '%s' at %s:%d; choose another one",
						one->ports.items[i].from, one->name, one->ports_at.file,
						one->ports_at.line);
}

static void check_two_inside(struct ruleset *set, const struct class *one, const struct class *other)
{
	if (!strcmp(one->netns, other->netns) && (class_has_inside(one) || class_has_inside(other)))
		ruleset_problem(
			set, other->netns_at,
			"network namespace '%s' is already that of class '%s' at %s:%d; it has the rules of one "
			"class",
			other->netns, one->name, one->netns_at.file, one->netns_at.line);
	if (one->moved && other->moved && !strcmp(one->moved, other->moved))
		ruleset_problem(set, other->netns_at, "interface '%s' is already moved for class '%s' at %s:%d",
				other->moved, one->name, one->netns_at.file, one->netns_at.line);
	check_addresses(set, one, other);
	check_ports(set, one, other);
}

/* There are few. */
static void check_inside(struct ruleset *set)
{
	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *other = &set->classes[i];

		if (!class_is_inside(other))
			continue;
		check_ports(set, other, other);
		for (size_t j = 0; j < i; j++)
			if (class_is_inside(&set->classes[j]))
				check_two_inside(set, &set->classes[j], other);
	}
}

void check_whole(struct ruleset *set)
{
	if (set->class_count > CLASSES_MAX) {
		ruleset_problem(set, set->classes[CLASSES_MAX].at, "too many classes; at most %d are possible",
				CLASSES_MAX);
		return;
	}
	check_doubles(set);
	find_classes(set);
	check_units(set);
	assign_classids(set);
	assign_ways(set);
	check_marks(set);
	check_tables(set);
	check_inside(set);
}
