/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What is lifted: see lifts.h.
 *
 * The time of an element's timeout stands still while the machine sleeps, and so does
 * CLOCK_MONOTONIC. */

#include "conf/command/lifts.h"

#include "conf/kernel/elements.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/policy-refuse.h"
#include "conf/language/alloc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char path[] = NETSHIM_RUNDIR "/lifted";
static const char new_path[] = NETSHIM_RUNDIR "/lifted.new";

struct lift {
	char class[CLASS_NAME_MAX + 1];
	int64_t until; /* milliseconds */
};

struct lift_list {
	struct lift *items;
	size_t count;
};

static int64_t milliseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Those that are not over, in lines of class and time. */
static struct lift_list read_lifts(void)
{
	FILE *file = fopen(path, "re");
	struct lift_list list = { .items = NULL };
	struct lift lift;

	while (file && fscanf(file, "%64s %" SCNd64, lift.class, &lift.until) == 2) {
		if (lift.until <= milliseconds())
			continue;
		list.items = grown(list.items, list.count, sizeof(*list.items));
		list.items[list.count++] = lift;
	}
	if (file)
		fclose(file);
	return list;
}

_Static_assert(CLASS_NAME_MAX == 64, "as read_lifts reads it");

long lifts_left(const char *class)
{
	struct lift_list list = read_lifts();
	int64_t left = 0;

	for (size_t i = 0; i < list.count; i++)
		if (!strcmp(list.items[i].class, class))
			left = list.items[i].until - milliseconds();
	free(list.items);
	return left > 0 ? (long)((left + 999) / 1000) : 0;
}

bool lifts_note(const char *class, unsigned seconds)
{
	struct lift_list list = read_lifts();
	FILE *file;
	bool ok;

	unlink(new_path);
	file = fopen(new_path, "wxe");
	for (size_t i = 0; file && i < list.count; i++)
		if (strcmp(list.items[i].class, class))
			fprintf(file, "%s %" PRId64 "\n", list.items[i].class, list.items[i].until);
	if (file && seconds)
		fprintf(file, "%s %" PRId64 "\n", class, milliseconds() + (int64_t)seconds * 1000);
	free(list.items);
	ok = file && !fclose(file) && !rename(new_path, path);
	if (!ok)
		warn("cannot write %s", path);
	return ok;
}

void lifts_forget(void)
{
	unlink(path);
	unlink(new_path);
}

static size_t index_of(const struct ruleset *set, const char *name)
{
	size_t i = 0;

	while (i < set->class_count && strcmp(set->classes[i].name, name))
		i++;
	return i;
}

/* Its classids, of which there may be two; 0 is none. */
static void find_classids(const char *class, const struct ruleset *set, const uint32_t *live, uint32_t classids[2])
{
	struct rules_class found = { .classid = 0 };
	struct rules rules;
	uint32_t index;
	size_t i = set ? index_of(set, class) : 0;

	classids[0] = classids[1] = 0;
	if (set && i < set->class_count) {
		classids[0] = set->classes[i].classid;
		classids[1] = live && live[i] != classids[0] ? live[i] : 0;
	} else if (!set && !rules_open(&rules, true)) {
		if (rules_class_named(&rules, class, &index, &found))
			classids[0] = found.classid;
		rules_close(&rules);
	}
}

static void add_element(FILE *out, const char *set, const char *key, int64_t left)
{
	if (left >= ELEMENTS_LEAST)
		fprintf(out, "add element inet netshim %s { %s timeout %" PRId64 "ms }\n", set, key, left);
}

static void add_class(FILE *out, const struct lift *lift, const struct ruleset *set, const uint32_t *live)
{
	char key[16];
	uint32_t classids[2];

	find_classids(lift->class, set, live, classids);
	for (size_t i = 0; i < 2; i++) {
		snprintf(key, sizeof(key), "0x%08x", classids[i]);
		if (classids[i])
			add_element(out, POLICY_LIFTED, key, lift->until - milliseconds());
	}
}

static void add_others(FILE *out, const struct lift *lift)
{
	add_element(out, POLICY_LIFTED_OTHERS, "ipv4", lift->until - milliseconds());
	add_element(out, POLICY_LIFTED_OTHERS, "ipv6", lift->until - milliseconds());
}

/* Of a table that was listed, the elements that it had are over sooner than they say. */
static bool begin(FILE *out, const char *text, const char *name)
{
	bool has = nft_has_set(text, name);

	if (has)
		fprintf(out, "flush set inet netshim %s\n", name);
	return has;
}

char *lifts_with(const char *text, const struct ruleset *set, const uint32_t *live)
{
	struct lift_list list = read_lifts();
	char *whole = NULL;
	FILE *out = memstream_open(&whole, &(size_t){ 0 });
	bool classes;
	bool others;

	fprintf(out, "%s", text);
	classes = begin(out, text, POLICY_LIFTED);
	others = begin(out, text, POLICY_LIFTED_OTHERS);
	for (size_t i = 0; i < list.count; i++) {
		bool is_others = !strcmp(list.items[i].class, LIFTS_OTHERS);

		if (is_others && others)
			add_others(out, &list.items[i]);
		else if (!is_others && classes)
			add_class(out, &list.items[i], set, live);
	}
	memstream_close(out);
	free(list.items);
	return whole;
}

char *lifts_inside(const char *text, const char *class)
{
	struct lift_list list = read_lifts();
	char *whole = NULL;
	FILE *out = memstream_open(&whole, &(size_t){ 0 });

	fprintf(out, "%s", text);
	if (begin(out, text, POLICY_LIFTED_OTHERS))
		for (size_t i = 0; i < list.count; i++)
			if (!strcmp(list.items[i].class, class))
				add_others(out, &list.items[i]);
	memstream_close(out);
	free(list.items);
	return whole;
}

const char *lifts_time(unsigned long seconds, char text[LIFTS_TIME_SIZE])
{
	static const struct {
		const char *name;
		unsigned long seconds;
	} units[] = { { "d", 86400 }, { "h", 3600 }, { "min", 60 }, { "s", 1 } };
	size_t size = 0;

	*text = '\0';
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		unsigned long n = seconds / units[i].seconds;

		seconds %= units[i].seconds;
		if (n)
			size += (size_t)snprintf(text + size, LIFTS_TIME_SIZE - size, "%s%lu %s", size ? " " : "", n,
						 units[i].name);
	}
	return text;
}

void lifts_remind(void)
{
	struct lift_list list = read_lifts();
	char time[LIFTS_TIME_SIZE];

	for (size_t i = 0; i < list.count; i++) {
		const char *class = list.items[i].class;
		bool others = !strcmp(class, LIFTS_OTHERS);
		long left = lifts_left(class);

		if (left)
			warnx("lifted: for %s more, %s%s may send what action and deny refuse; 'netshim lift %s off' "
			      "ends it",
			      lifts_time((unsigned long)left, time), others ? "what is in no class" : "class ",
			      others ? "" : class, others ? "--unclassified" : class);
	}
	free(list.items);
}
