/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The mistakes in a configuration: see ruleset.h. */

#include "conf/language/ruleset.h"

#include "conf/language/alloc.h"
#include "conf/language/say.h"

static void note(struct ruleset *set, bool warning, struct place_in_file at, const char *text)
{
	set->problems = grown(set->problems, set->problem_count, sizeof(*set->problems));
	set->problems[set->problem_count++] = (struct problem){ .at = at, .text = text, .warning = warning };
}

void ruleset_problem(struct ruleset *set, struct place_in_file at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(set, false, at, vprinted(format, args));
	va_end(args);
}

void ruleset_warning(struct ruleset *set, struct place_in_file at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(set, true, at, vprinted(format, args));
	va_end(args);
}

size_t ruleset_rule_count(const struct ruleset *set)
{
	size_t count = 0;

	for (size_t i = 0; i < set->app_count; i++)
		count += !set->apps[i].left_out;
	return count;
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

static bool same_place(const struct problem *a, const struct problem *b)
{
	return a->at.line == b->at.line && !strcmp(a->at.file, b->at.file);
}

static void print(struct place_in_file at, const char *text)
{
	if (at.line)
		say(stderr, "%s:%d: %s", at.file, at.line, text);
	else
		say(stderr, "%s: %s", at.file, text);
}

/* A user can bring about as many warnings as there are names. */
#define WARNINGS_EACH 3

size_t ruleset_report(struct ruleset *set)
{
	size_t mistakes = 0;
	size_t warnings = 0;

	if (set->problem_count)
		qsort(set->problems, set->problem_count, sizeof(*set->problems), compare_problems);
	for (size_t i = 0; i < set->problem_count; i++) {
		struct problem *p = &set->problems[i];
		bool told = p->told;

		p->told = true;
		if (i && !compare_problems(p - 1, p))
			continue;
		if (!i || !same_place(p - 1, p))
			warnings = 0;
		mistakes += !p->warning;
		warnings += p->warning;
		if (told)
			continue;
		if (!p->warning || warnings < WARNINGS_EACH)
			print(p->at, p->text);
		else if (warnings == WARNINGS_EACH)
			print(p->at, "and so with other names");
	}
	return mistakes;
}
