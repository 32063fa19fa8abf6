/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim status: the classes in force, who is in them, what they sent. */

#include "conf/alloc.h"
#include "conf/cgroup.h"
#include "conf/netshim.h"
#include "conf/ruleset.h"
#include "conf/sys.h"

#include <inttypes.h>
#include <unistd.h>

/* How many rules lead to each class; allocated, one number a class. */
static uint32_t *rule_counts(const struct rules *rules)
{
	const struct rules_header *h = &rules->header;
	uint32_t *counts = zalloc((h->class_count + 1) * sizeof(*counts));
	struct rules_slot slot;

	for (uint64_t i = 0; i < h->slot_count; i++)
		if (sys_pread(rules->fd, &slot, sizeof(slot), h->slots + i * sizeof(slot)) == sizeof(slot) &&
		    slot.path && slot.class_index < h->class_count)
			counts[slot.class_index]++;
	return counts;
}

static struct counter find_counter(const struct counters *counters, const char *class)
{
	char name[sizeof(counters->items->name)];

	snprintf(name, sizeof(name), "out_%s", class);
	for (size_t i = 0; i < counters->count; i++)
		if (!strcmp(counters->items[i].name, name))
			return counters->items[i];
	return (struct counter){ .name = "" };
}

int cmd_status(const struct command *command)
{
	char name[CLASS_NAME_MAX + 1];
	struct rules_class class;
	struct counters counters;
	struct counter counter;
	struct rules rules;
	uint32_t *rule_count;
	char *hierarchy;
	int err = rules_open(&rules, true);

	(void)command;
	if (err == -ENOENT) {
		printf("netshim is not up\n");
		return EXIT_FAILURE;
	}
	if (err) {
		warnx("%s is not root's or is damaged; run 'netshim reload'", RULES_PATH);
		return EXIT_FAILURE;
	}
	hierarchy = cgroup_hierarchy(false, NULL);
	/* nftables answers only to root. */
	if (geteuid() != 0 || !policy_counters(&counters)) {
		counters = (struct counters){ .items = NULL };
		warnx("packets and bytes are not shown: %s",
		      geteuid() ? "that takes root" : "the nftables table is not loaded in this network namespace");
	}
	rule_count = rule_counts(&rules);
	printf("%-20s %-11s %6s %9s %10s %12s\n", "CLASS", "CLASSID", "RULES", "PROCESSES", "PACKETS", "BYTES");
	for (uint32_t i = 0; rules_class(&rules, i, &class, name); i++) {
		char classid[16];

		counter = find_counter(&counters, name);
		snprintf(classid, sizeof(classid), "%x:%x", class.classid >> 16, class.classid & 0xffff);
		printf("%-20s %-11s %6u %9zu %10" PRIu64 " %12" PRIu64 "%s\n", name, classid, rule_count[i],
		       hierarchy ? cgroup_process_count(hierarchy, name) : 0, counter.packets, counter.bytes,
		       class.flags & CLASS_LOCK ? "  locked" : "");
	}
	counter = find_counter(&counters, "unclassified");
	printf("%-20s %-11s %6s %9s %10" PRIu64 " %12" PRIu64 "\n", "(unclassified)", "-", "-", "-", counter.packets,
	       counter.bytes);
	free(rule_count);
	free(counters.items);
	free(hierarchy);
	rules_close(&rules);
	return EXIT_SUCCESS;
}
