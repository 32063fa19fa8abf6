/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* blocked: which class a refusal is told of, and what was refused of the same. */

#include "conf/command/blocked.h"
#include "conf/kernel/namespace.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"

#include <search.h>
#include <stddef.h>

bool blocked_is_wanted(const struct blocked *b, const char *class)
{
	return !b->only || !strcmp(class, b->only);
}

static void add_class(struct blocked *b, const char *name, uint32_t classid)
{
	struct asked *class;
	int width = (int)strlen(name);

	if (blocked_is_wanted(b, name) && width > b->class_width)
		b->class_width = width;
	b->classes = grown(b->classes, b->class_count, sizeof(*b->classes));
	class = &b->classes[b->class_count++];
	*class = (struct asked){ .classid = classid, .wanted = b->inside || blocked_is_wanted(b, name) };
	snprintf(class->name, sizeof(class->name), "%s", name);
}

/* What this machine refuses of its namespace is told in here. */
static void note_link(struct blocked *b, struct rules *rules, const struct rules_class *class)
{
	char name[NETNS_NAME_MAX + 1];
	struct asked *asked = &b->classes[b->class_count - 1];

	if (b->inside || !(class->flags & CLASS_NETNS) || !rules_string(rules, class->netns, name, sizeof(name)))
		return;
	namespace_link(name, asked->link);
	if (!if_nametoindex(asked->link))
		*asked->link = '\0';
}

/* Those in force now. */
void blocked_read_classes(struct blocked *b)
{
	struct rules rules;
	struct rules_class class;
	char name[CLASS_NAME_MAX + 1];

	if (!compile_open(&rules, true))
		errx(EXIT_FAILURE, "netshim is not up; run 'netshim up'");
	b->class_count = 0;
	free(b->classes);
	b->classes = NULL;
	add_class(b, UNCLASSIFIED, 0);
	for (uint32_t i = 0; rules_class(&rules, i, &class, name); i++) {
		add_class(b, name, class.classid);
		note_link(b, &rules, &class);
	}
	rules_close(&rules);
}

void blocked_check_class(const struct blocked *b)
{
	for (size_t i = 0; i < b->class_count; i++)
		if (b->classes[i].wanted)
			return;
	errx(EXIT_FAILURE,
	     "there is no class '%s'; 'netshim status' lists them; '" UNCLASSIFIED "' stands for what is in no class",
	     b->only);
}

static const struct asked *find_class(const struct blocked *b, uint32_t classid)
{
	for (size_t i = 0; i < b->class_count; i++)
		if (b->classes[i].classid == classid)
			return &b->classes[i];
	return NULL;
}

const char *blocked_class(const struct blocked *b, uint32_t classid)
{
	const struct asked *class = b->inside ? NULL : find_class(b, classid);
	const char *name = b->inside ? b->inside->class : class ? class->name : NULL;

	return name && blocked_is_wanted(b, name) ? name : NULL;
}

static int compare(const void *x, const void *y)
{
	const struct blocked_entry *one = x;
	const struct blocked_entry *other = y;
	int order = strcmp(one->class, other->class);

	return order ? order : memcmp(&one->refusal, &other->refusal, offsetof(struct refusal, local));
}

/* Somebody may look at a port scan for days; what is kept is bounded by the sets that keep it. */
#define MOST 4096

static void forget_too_many(struct blocked *b)
{
	if (!b->follow || b->entry_count < MOST)
		return;
	tdestroy(b->known, free);
	b->known = NULL;
	b->entry_count = 0;
}

struct blocked_entry *blocked_known(const struct blocked *b, const char *class, const struct refusal *refusal)
{
	struct blocked_entry key = { .refusal = *refusal };
	struct blocked_entry **known;

	snprintf(key.class, sizeof(key.class), "%s", class);
	known = tfind(&key, &b->known, compare);
	return known ? *known : NULL;
}

struct blocked_entry *blocked_entry(struct blocked *b, const char *class, const struct refusal *refusal)
{
	struct blocked_entry *known = blocked_known(b, class, refusal);
	struct blocked_entry *new;

	if (known)
		return known;
	forget_too_many(b);
	new = zalloc(sizeof(*new));
	new->refusal = *refusal;
	new->refusal.packets = 0;
	snprintf(new->class, sizeof(new->class), "%s", class);
	or_out_of_memory(tsearch(new, &b->known, compare));
	b->entries = grown(b->entries, b->entry_count, sizeof(struct blocked_entry *));
	b->entries[b->entry_count++] = new;
	return new;
}

void blocked_find_culprit(const struct blocked *b, struct blocked_entry *e)
{
	const struct asked *sender = e->refusal.classid ? find_class(b, e->refusal.classid) : NULL;

	culprit_find(&b->suspects, &e->refusal, e->inode, sender ? sender->name : "", &e->culprit);
}
