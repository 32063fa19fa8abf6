/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the parts of the policy share: one look-up for all classes, and marks. */

#ifndef NETSHIM_POLICY_MAP_H
#define NETSHIM_POLICY_MAP_H

#include "conf/language/ruleset.h"

#include <stdio.h>

/* Matches what a process sends, and not the kernel. In a set of a sole class, that is what
 * stands for its classid. */
#define POLICY_BY_PROCESS "meta skuid >= 0"

/* Tells whether any class is one that wants names. */
bool policy_any(const struct ruleset *set, bool (*wants)(const struct class *));

/* For what every class wants. */
bool policy_every(const struct class *class);

/* Writes the elements of a map that leads from a class's classid to to: class is its index.
 * live as in policy_text (policy.h). */
void policy_write_element(FILE *out, const struct ruleset *set, const uint32_t *live, size_t class, const char *to);

/* Writes one rule: map, with an element for each class that wants one, which leads
 * from its classid to then followed by the class's name ("goto class_" and "lan"). */
void policy_write_map(FILE *out, const struct ruleset *set, const uint32_t *live, const char *map, const char *then,
		      bool (*wants)(const struct class *));

/* nft 1.1.7 turns the bytes of the keys of some maps from classids round, when it loads and when
 * it lists: so each is there both ways. */
uint32_t policy_turned(uint32_t classid);

/* One rule that counts by the class, in the counter of its name after counters, with each key both
 * ways. That can be done where no class has the classid of another turned round, or its own, and
 * none has two. */
bool policy_can_count(const struct ruleset *set, const uint32_t *live);
void policy_write_counting(FILE *out, const struct ruleset *set, const char *counters,
			   bool (*wants)(const struct class *));

/* "meta cgroup { ... }" with the classids of the classes that want it. */
void policy_write_classids(FILE *out, const struct ruleset *set, const uint32_t *live,
			   bool (*wants)(const struct class *));

/* The same map as the first, from marks: mark is "meta mark" or "ct mark", after what
 * else has to match. Or one statement for all that have one of the marks. Each is a
 * rule for every mask that the marks have. */
void policy_write_mark_map(FILE *out, const struct ruleset *set, const char *mark, const char *then,
			   bool (*wants)(const struct class *));
void policy_write_marked(FILE *out, const struct ruleset *set, const char *mark, const char *then,
			 bool (*wants)(const struct class *));

/* Rules that take the marks of the classes that want it off again. */
void policy_write_unmark(FILE *out, const struct ruleset *set, const char *mark, bool (*wants)(const struct class *));

/* The statement that sets a mark. */
void policy_write_mark(FILE *out, const char *mark, struct packet_mark to);

#endif
