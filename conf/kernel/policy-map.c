/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* One look-up for all classes: see policy-map.h. */

#include "conf/kernel/policy-map.h"

#include "conf/language/alloc.h"

#include <stdlib.h>
#include <string.h>

bool policy_any(const struct ruleset *set, bool (*wants)(const struct class *))
{
	for (size_t i = 0; i < set->class_count; i++)
		if (wants(&set->classes[i]))
			return true;
	return false;
}

bool policy_every(const struct class *class)
{
	return class->name;
}

void policy_write_element(FILE *out, const struct ruleset *set, const uint32_t *live, size_t class, const char *to)
{
	uint32_t classid = set->classes[class].classid;

	fprintf(out, "\t\t\t0x%08x : %s,\n", classid, to);
	if (live && live[class] && live[class] != classid)
		fprintf(out, "\t\t\t0x%08x : %s,\n", live[class], to);
}

void policy_write_map(FILE *out, const struct ruleset *set, const uint32_t *live, const char *map, const char *then,
		      bool (*wants)(const struct class *))
{
	bool any = false;

	if (set->sole && wants(set->classes)) {
		fprintf(out, "\t\t" POLICY_BY_PROCESS " %s%s\n", then, set->classes->name);
		return;
	}
	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *class = &set->classes[i];
		char *to;

		if (!wants(class))
			continue;
		if (!any)
			fprintf(out, "\t\t%s {\n", map);
		to = printed("%s%s", then, class->name);
		policy_write_element(out, set, live, i, to);
		free(to);
		any = true;
	}
	if (any)
		fprintf(out, "\t\t}\n");
}

uint32_t policy_turned(uint32_t classid)
{
	return __builtin_bswap32(classid);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

bool policy_can_count(const struct ruleset *set, const uint32_t *live)
{
	uint32_t *classids = zalloc((set->class_count + 1) * sizeof(*classids));
	bool can = true;

	for (size_t i = 0; i < set->class_count; i++)
		classids[i] = set->classes[i].classid;
	qsort(classids, set->class_count, sizeof(*classids), by_number);
	for (size_t i = 0; can && i < set->class_count; i++) {
		uint32_t other = policy_turned(set->classes[i].classid);

		can = (!live || !live[i] || live[i] == set->classes[i].classid) &&
		      !bsearch(&other, classids, set->class_count, sizeof(*classids), by_number);
	}
	free(classids);
	return can;
}

void policy_write_counting(FILE *out, const struct ruleset *set, const char *counters,
			   bool (*wants)(const struct class *))
{
	if (!policy_any(set, wants))
		return;
	fprintf(out, "\t\tcounter name meta cgroup map {\n");
	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *class = &set->classes[i];

		if (wants(class))
			fprintf(out, "\t\t\t0x%08x : \"%s%s\",\n\t\t\t0x%08x : \"%s%s\",\n", class->classid, counters,
				class->name, policy_turned(class->classid), counters, class->name);
	}
	fprintf(out, "\t\t}\n");
}

void policy_write_classids(FILE *out, const struct ruleset *set, const uint32_t *live,
			   bool (*wants)(const struct class *))
{
	if (set->sole) {
		fprintf(out, POLICY_BY_PROCESS);
		return;
	}
	fprintf(out, "meta cgroup {");
	for (size_t i = 0; i < set->class_count; i++) {
		if (!wants(&set->classes[i]))
			continue;
		fprintf(out, " 0x%08x,", set->classes[i].classid);
		if (live && live[i] && live[i] != set->classes[i].classid)
			fprintf(out, " 0x%08x,", live[i]);
	}
	fprintf(out, " }");
}

/* The class's mark of the kind that the rule is about. */
static struct packet_mark mark_in(const char *mark, const struct class *class)
{
	return strstr(mark, "ct mark") ? class->ct_mark : class->mark;
}

static bool mask_is_first(const struct ruleset *set, const char *mark, size_t index,
			  bool (*wants)(const struct class *))
{
	uint32_t mask = mark_in(mark, &set->classes[index]).mask;

	for (size_t i = 0; i < index; i++)
		if (wants(&set->classes[i]) && mark_in(mark, &set->classes[i]).mask == mask)
			return false;
	return true;
}

/* The class from index on with which a mask is met first, or class_count. */
static size_t next_mask(const struct ruleset *set, const char *mark, size_t index, bool (*wants)(const struct class *))
{
	while (index < set->class_count && (!wants(&set->classes[index]) || !mask_is_first(set, mark, index, wants)))
		index++;
	return index;
}

/* "MARK [& MASK] vmap {" or without then "{", the marks of the classes that have the mask, each with where
 * it leads, and "}". */
static void write_masked(FILE *out, const struct ruleset *set, uint32_t mask, const char *mark, const char *then,
			 bool (*wants)(const struct class *))
{
	fprintf(out, "\t\t%s", mark);
	if (mask != UINT32_MAX)
		fprintf(out, " & 0x%08x", mask);
	fprintf(out, then ? " vmap {\n" : " {\n");
	for (size_t i = 0; i < set->class_count; i++) {
		if (!wants(&set->classes[i]) || mark_in(mark, &set->classes[i]).mask != mask)
			continue;
		fprintf(out, "\t\t\t0x%08x", mark_in(mark, &set->classes[i]).value);
		if (then)
			fprintf(out, " : %s%s", then, set->classes[i].name);
		fprintf(out, ",\n");
	}
	fprintf(out, "\t\t}");
}

void policy_write_mark_map(FILE *out, const struct ruleset *set, const char *mark, const char *then,
			   bool (*wants)(const struct class *))
{
	for (size_t i = next_mask(set, mark, 0, wants); i < set->class_count; i = next_mask(set, mark, i + 1, wants)) {
		write_masked(out, set, mark_in(mark, &set->classes[i]).mask, mark, then, wants);
		fprintf(out, "\n");
	}
}

void policy_write_marked(FILE *out, const struct ruleset *set, const char *mark, const char *then,
			 bool (*wants)(const struct class *))
{
	for (size_t i = next_mask(set, mark, 0, wants); i < set->class_count; i = next_mask(set, mark, i + 1, wants)) {
		write_masked(out, set, mark_in(mark, &set->classes[i]).mask, mark, NULL, wants);
		fprintf(out, " %s\n", then);
	}
}

void policy_write_unmark(FILE *out, const struct ruleset *set, const char *mark, bool (*wants)(const struct class *))
{
	for (size_t i = next_mask(set, mark, 0, wants); i < set->class_count; i = next_mask(set, mark, i + 1, wants)) {
		uint32_t mask = mark_in(mark, &set->classes[i]).mask;

		write_masked(out, set, mask, mark, NULL, wants);
		fprintf(out, " ");
		policy_write_mark(out, mark, (struct packet_mark){ 0, mask });
		fprintf(out, "\n");
	}
}

void policy_write_mark(FILE *out, const char *mark, struct packet_mark to)
{
	fprintf(out, "%s set ", mark);
	if (to.mask != UINT32_MAX)
		fprintf(out, "%s & 0x%08x", mark, ~to.mask);
	if (to.mask != UINT32_MAX && to.value)
		fprintf(out, " | ");
	if (to.mask == UINT32_MAX || to.value)
		fprintf(out, "0x%08x", to.value);
}
