/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* One look-up for all classes: see policy-map.h. */

#include "conf/kernel/policy-map.h"

void policy_write_map(FILE *out, const struct ruleset *set, const uint32_t *live, const char *map, const char *then,
		      bool (*wants)(const struct class *))
{
	bool any = false;

	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *class = &set->classes[i];

		if (!wants(class))
			continue;
		if (!any)
			fprintf(out, "\t\t%s {\n", map);
		fprintf(out, "\t\t\t0x%08x : %s%s,\n", class->classid, then, class->name);
		if (live && live[i] && live[i] != class->classid)
			fprintf(out, "\t\t\t0x%08x : %s%s,\n", live[i], then, class->name);
		any = true;
	}
	if (any)
		fprintf(out, "\t\t}\n");
}
