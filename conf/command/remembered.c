/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What is open by names: see remembered.h.
 *
 * What resolvers have put into the sets becomes text that root loads: so of comments, only
 * those count that are made of what domain names are, and of sets, those that the text of the
 * table has. */

#include "conf/command/remembered.h"

#include "conf/command/boottime.h"
#include "conf/kernel/elements.h"
#include "conf/kernel/opened.h"
#include "conf/kernel/policy-names.h"
#include "conf/language/alloc.h"

#include <search.h>

struct remembered {
	char set[NAMES_SET_SIZE];
	int family;
	unsigned char key[sizeof(struct in6_addr)];
	int64_t until;
	char *name;
};

static void *all; /* a tree (tsearch), by set and key */
static size_t count, counted;

static int compare(const void *a, const void *b)
{
	const struct remembered *one = a;
	const struct remembered *other = b;
	int order = strcmp(one->set, other->set);

	return order ? order : memcmp(one->key, other->key, sizeof(one->key));
}

static bool take_key(struct remembered *r, const char *set, struct nlattr *element[])
{
	size_t size = policy_names_family(set) == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	const unsigned char *key = policy_names_family(set) ? elements_key(element, size) : NULL;

	if (!key)
		return false;
	*r = (struct remembered){ .family = policy_names_family(set) };
	snprintf(r->set, sizeof(r->set), "%s", set);
	memcpy(r->key, key, size);
	return true;
}

static void free_one(void *node)
{
	struct remembered *r = node;

	free(r->name);
	free(r);
}

static void forget(const struct remembered *wanted)
{
	struct remembered *const *found = tfind(wanted, &all, compare);
	struct remembered *r = found ? *found : NULL;

	if (!r)
		return;
	tdelete(r, &all, compare);
	free_one(r);
	count--;
}

void remembered_forget(void)
{
	tdestroy(all, free_one);
	all = NULL;
	count = counted = 0;
}

/* Allocated; NULL where it is no name, nor so much of one as a comment holds. */
static char *name_of(struct nlattr *element[])
{
	const char *comment = opened_comment(element);
	size_t size = comment ? strspn(comment, "abcdefghijklmnopqrstuvwxyz0123456789-_.*") : 0;

	return size && !comment[size] ? copied(comment) : NULL;
}

struct old {
	int64_t now;
	struct remembered *items;
	size_t count;
};

static void list_old(const void *node, VISIT which, void *with)
{
	const struct remembered *r = *(struct remembered *const *)node;
	struct old *old = with;

	if ((which == postorder || which == leaf) && r->until <= old->now) {
		old->items = grown(old->items, old->count, sizeof(*old->items));
		old->items[old->count++] = *r;
	}
}

/* Nobody tells of those whose time is over. */
static void forget_old(void)
{
	struct old old = { .now = boottime_milliseconds() };

	if (count < 2 * counted + 1000)
		return;
	twalk_r(all, list_old, &old);
	for (size_t i = 0; i < old.count; i++)
		forget(&old.items[i]);
	free(old.items);
	counted = count;
}

static void remember(const struct remembered *new)
{
	struct remembered *r = zalloc(sizeof(*r));

	*r = *new;
	if (!tsearch(r, &all, compare))
		err(EXIT_FAILURE, "out of memory");
	count++;
	forget_old();
}

void remembered_hear(const char *set, struct nlattr *element[], bool there)
{
	struct remembered r;
	int64_t left = elements_left(element);

	if (!take_key(&r, set, element))
		return;
	forget(&r);
	r.name = there && left > 0 ? name_of(element) : NULL;
	r.until = boottime_milliseconds() + left;
	if (r.name)
		remember(&r);
}

static void look_at(struct nlattr *element[], void *with)
{
	remembered_hear(with, element, true);
}

void remembered_look(const char *text)
{
	char set[NAMES_SET_SIZE];

	_Static_assert(NAMES_SET_SIZE > 95, "a set's name");
	for (; (text = strstr(text, "\tset ")); text++)
		if (sscanf(text, "\tset %95[^ \n]", set) == 1 && policy_names_family(set))
			elements_each(set, look_at, set);
}

struct writing {
	FILE *out;
	const char *text;
	const char *set; /* the last one */
	bool is_in_text;
};

static bool is_in(const char *text, const char *set)
{
	char *line = printed("\tset %s {\n", set);
	bool is = strstr(text, line);

	free(line);
	return is;
}

static void write_one(const void *node, VISIT which, void *with)
{
	const struct remembered *r = *(struct remembered *const *)node;
	struct writing *w = with;

	if (which != postorder && which != leaf)
		return;
	if (!w->set || strcmp(w->set, r->set) != 0)
		w->is_in_text = is_in(w->text, r->set);
	w->set = r->set;
	if (w->is_in_text)
		opened_write_element(w->out, r->set, r->family, r->key, r->until - boottime_milliseconds(), r->name);
}

char *remembered_with(char *text)
{
	char *whole = NULL;
	FILE *out = memstream_open(&whole, &(size_t){ 0 });
	struct writing writing = { .out = out, .text = text };

	fprintf(out, "%s", text);
	twalk_r(all, write_one, &writing);
	memstream_close(out);
	free(text);
	return whole;
}
