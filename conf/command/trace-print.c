/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* trace: what is told of each start, and at the end. */

#include "conf/command/json.h"
#include "conf/command/rule-words.h"
#include "conf/command/trace.h"
#include "conf/language/alloc.h"
#include "conf/language/say.h"

static const char *place_name(const struct membership *place)
{
	switch (place->place) {
	case PLACE_CLASS:
		return place->class;
	case PLACE_ROOT:
		return "none";
	case PLACE_OTHER:
		return "another tool's";
	case PLACE_UNKNOWN:
		break;
	}
	return "?";
}

static bool same_place(const struct membership *a, const struct membership *b)
{
	return a->place == b->place && a->locked == b->locked && !strcmp(a->class, b->class);
}

static bool read_rule(struct trace *t, const struct wanted *w, struct rule_words *rule)
{
	return rule_words_read(&t->rules, &w->by, rule);
}

static char *rule_text(struct trace *t, const struct start *s)
{
	const struct wanted *w = &s->wanted;
	struct rule_words rule;
	char *words;
	char *text;

	if (!w->rule && !w->others)
		return s->loaded ? printed("it loads %s, which has a rule", s->loaded) : copied("no rule");
	if (!read_rule(t, w, &rule))
		return copied("a rule that cannot be read");
	if (w->rule && !*rule.with && !strcmp(rule.written, s->started_as))
		return printed("rule at %s:%u", rule.file, rule.line);
	words = rule_words_text(&rule);
	text = printed("%srule %s", w->rule ? "" : "no rule for this user; for others, ", words);
	free(words);
	return text;
}

static json_t *json_rule(struct trace *t, const struct wanted *w)
{
	struct rule_words rule;

	if (!w->rule || !read_rule(t, w, &rule))
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:I}", "path", json_text(rule.written), "with",
			 *rule.with ? json_text(rule.with) : json_null(), "file", json_text(rule.file), "line",
			 (json_int_t)rule.line);
}

/* null: none. */
static json_t *json_place(const struct membership *place)
{
	return place->place == PLACE_ROOT ? json_null() : json_text(place_name(place));
}

static json_t *json_start(struct trace *t, const struct start *s)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o}", "pid", (json_int_t)s->process, "program",
			 json_text(s->program), "started_as", json_text(s->started_as), "rule",
			 json_rule(t, &s->wanted), "class",
			 s->wanted.rule && *s->wanted.class ? json_text(s->wanted.class) : json_null(), "before",
			 json_place(&s->before), "after", json_place(&s->after), "locked", s->after.locked, "started",
			 !s->refused, "problem", s->problem ? json_text(s->problem) : json_null());
}

static void print_start(struct trace *t, const struct start *s)
{
	char *rule = s->refused ? copied("a rule") : rule_text(t, s);
	char *place = same_place(&s->before, &s->after)
			      ? copied(place_name(&s->after))
			      : printed("%s -> %s", place_name(&s->before), place_name(&s->after));

	say(t->to, "%7d  %-16s  %s: %s", s->process, place, s->started_as, rule);
	if (s->problem)
		say(t->to, "%27s%s", "", s->problem);
	free(rule);
	free(place);
}

void trace_tell(struct trace *t, const struct start *s)
{
	if (t->json)
		json_print_to(t->to, json_start(t, s));
	else
		print_start(t, s);
	fflush(t->to);
	t->programs++;
	t->moved += !same_place(&s->before, &s->after);
	t->elsewhere += s->problem != NULL;
}

void trace_tell_heading(const struct trace *t)
{
	if (!t->json)
		fprintf(t->to, "%7s  %-16s  %s\n", "PID", "CLASS", "PROGRAM");
}

static json_t *json_end(const struct trace *t)
{
	return json_pack("{s:I, s:I, s:I, s:O}", "programs", (json_int_t)t->programs, "moved", (json_int_t)t->moved,
			 "elsewhere", (json_int_t)t->elsewhere, "lost", t->lost_too);
}

static void print_end(const struct trace *t)
{
	size_t lost = t->lost.count;

	say(t->to, "netshim: %zu program%s, %zu moved, %zu not where a rule says", t->programs,
	    t->programs == 1 ? "" : "s", t->moved, t->elsewhere);
	if (lost)
		say(t->to, "netshim: lost sight of %zu that still run%s: %s", lost, lost == 1 ? "s" : "", t->lost.text);
}

void trace_tell_end(const struct trace *t)
{
	if (t->json)
		json_print_to(t->to, json_end(t));
	else
		print_end(t);
	fflush(t->to);
}
