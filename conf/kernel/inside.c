/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The network namespaces of the classes that are in force: see inside.h. */

#include "conf/kernel/inside.h"

#include "conf/kernel/namespace.h"
#include "conf/language/alloc.h"

#include <string.h>

static bool is_one(struct rules *rules, const struct rules_class *class, struct inside *inside)
{
	inside->classid = class->classid;
	return (class->flags & CLASS_NETNS) && rules_string(rules, class->netns, inside->name, sizeof(inside->name)) &&
	       strcmp(inside->name, NETNS_PRIVATE) != 0;
}

void insides_each(void (*visit)(const struct inside *inside, void *with), void *with)
{
	struct rules rules;
	struct rules_class class;
	struct inside inside;

	if (rules_open(&rules, true))
		return;
	for (uint32_t i = 0; rules_class(&rules, i, &class, inside.class); i++) {
		if (!is_one(&rules, &class, &inside) || !namespace_is_there(inside.name) ||
		    !namespace_enter(inside.name))
			continue;
		visit(&inside, with);
		namespace_leave();
	}
	rules_close(&rules);
}

static bool is_of(const char *counter, const char *class)
{
	const char *name = strchr(counter, '_');

	return name && !strcmp(name + 1, class);
}

static void count(const struct inside *inside, void *with)
{
	struct counters *counters = with;
	struct counters found;

	counters_read(&found);
	for (size_t i = 0; i < found.count; i++) {
		if (!is_of(found.items[i].name, inside->class))
			continue;
		counters->items = grown(counters->items, counters->count, sizeof(*counters->items));
		counters->items[counters->count++] = found.items[i];
	}
	free(found.items);
}

void insides_count(struct counters *counters)
{
	insides_each(count, counters);
}
