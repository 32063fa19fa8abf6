/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The mistakes in a configuration: see ruleset.h. */

#include "conf/language/ruleset.h"

#include "conf/language/alloc.h"

void ruleset_problem(struct ruleset *set, struct place_in_file at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set->problems = grown(set->problems, set->problem_count, sizeof(*set->problems));
	set->problems[set->problem_count++] = (struct problem){ at, vprinted(format, args) };
	va_end(args);
}

static int compare_problems(const void *a, const void *b)
{
	const struct problem *x = a;
	const struct problem *y = b;
	int order = strcmp(x->at.file, y->at.file);

	if (!order)
		order = (x->at.line > y->at.line) - (x->at.line < y->at.line);
	return order ? order : strcmp(x->text, y->text);
}

size_t ruleset_report(struct ruleset *set)
{
	size_t printed_count = 0;

	if (set->problem_count)
		qsort(set->problems, set->problem_count, sizeof(*set->problems), compare_problems);
	for (size_t i = 0; i < set->problem_count; i++) {
		const struct problem *p = &set->problems[i];

		if (i && !compare_problems(p - 1, p))
			continue;
		if (p->at.line)
			fprintf(stderr, "%s:%d: %s\n", p->at.file, p->at.line, p->text);
		else
			fprintf(stderr, "%s: %s\n", p->at.file, p->text);
		printed_count++;
	}
	return printed_count;
}
