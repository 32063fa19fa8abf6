/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What of a text libconfuse does not see, or takes for something else. */

#include "conf/language/grammar-parts.h"

/* What the next character of a configuration is in. */
struct scan {
	int line;
	int last;	  /* the character before, or 0 where it means nothing */
	size_t word;	  /* how many characters of an unquoted value came before it */
	int quote;	  /* the quotation mark, within one */
	bool to_line_end; /* in a comment of one line */
	bool in_comment;
	int opened[64]; /* where comment, quote and braces were opened */
	int depth;
	bool after_equal; /* what comes is a value */
	bool in_list;
	char *begin;   /* of the last unquoted value */
	char *dropped; /* behind a comma that is wrong, from where on; or NULL */
};

static void open_at(struct scan *s)
{
	if (s->depth < 64)
		s->opened[s->depth] = s->line;
	s->depth++;
}

static void blank(char *from, const char *to)
{
	for (; from < to; from++)
		if (*from != '\n')
			*from = ' ';
}

/* Behind such a comma there may be values of a list without braces, which libconfuse would take
 * for options. They end where an option begins, or the section ends. */
static void drop_values(struct scan *s, const char *c)
{
	if (*c == '=')
		blank(s->dropped, s->begin);
	else if (*c == '}' || *c == ',')
		blank(s->dropped, c);
	s->dropped = NULL;
}

/* Commas are between the values of a list, and nowhere else. */
static void scan_list(struct scan *s, char *c)
{
	if (s->dropped && strchr("={}(,", *c))
		drop_values(s, c);
	if (*c == '{' || *c == '(')
		s->in_list = *c == '(' || s->after_equal || s->depth;
	else if (*c == '}' || *c == ')')
		s->in_list = false;
	s->after_equal = *c == '=' || (s->after_equal && strchr(" \t\n\r#/*", *c));
	if (*c != ',' || s->in_list)
		return;
	ruleset_problem(reading.set, here(s->line), "%s",
			s->depth ? "a comma has no meaning here; options stand side by side, and a list stands in "
				   "braces: allow = { 'A', 'B' }"
				 : "a comma has no meaning here; sections stand side by side, and each path has an "
				   "app of its own");
	*c = ' ';
	s->dropped = c;
}

/* Within an unquoted value, a slash begins no comment. */
static void scan_outside(struct scan *s, char *c)
{
	bool after_slash = s->word == 1 && c[-1] == '/';

	s->to_line_end = *c == '#' || (after_slash && *c == '/');
	s->in_comment = after_slash && *c == '*';
	s->quote = *c == '"' || *c == '\'' ? *c : 0;
	s->word = s->to_line_end || strchr(" \t\n\r#\"'={}()+,*", *c) ? 0 : s->word + 1;
	s->begin = s->word == 1 ? c : s->begin;
	s->last = 0;
	scan_list(s, c);
	if (*c == ';' && strchr(" \t\n\r#,}", c[1])) {
		ruleset_problem(
			reading.set, here(s->line),
			"a semicolon has no meaning here; take it out, or put it into 'single quotes' with the value");
		*c = ' ';
	}
	if (s->in_comment || s->quote || *c == '{')
		open_at(s);
	else if (*c == '}' && s->depth)
		s->depth--;
	if (s->in_comment || s->to_line_end) {
		*c = ' ';
		if (after_slash)
			c[-1] = ' ';
	}
}

static void scan_inside(struct scan *s, char *c)
{
	bool ended = s->in_comment ? *c == '/' && s->last == '*' : *c == s->quote && s->last != '\\';

	/* Of two backslashes, the second is no escape. */
	s->last = *c == '\\' && s->last == '\\' ? 0 : *c;
	if (s->in_comment && *c != '\n')
		*c = ' ';
	if (!ended)
		return;
	s->in_comment = false;
	s->quote = 0;
	s->last = 0;
	s->depth--;
}

static void scan(struct scan *s, char *c)
{
	if (!*c)
		ruleset_problem(reading.set, here(s->line), "there is a NUL byte in this line; take it out");
	if (s->in_comment || s->quote)
		scan_inside(s, c);
	else if (!s->to_line_end || *c == '\n')
		scan_outside(s, c);
	else
		*c = ' ';
	s->line += *c == '\n';
}

/* libconfuse takes a file that ends within a comment or a section for a whole one,
 * and so may drop all the rules that follow a slip. And it counts some lines of
 * comments more than once: they are made blank. */
void grammar_scan(char *text, size_t size)
{
	struct scan s = { .line = 1, .begin = text };

	for (size_t i = 0; i < size; i++)
		scan(&s, &text[i]);
	if (s.depth > 0 && s.depth <= 64)
		ruleset_problem(reading.set, here(s.opened[s.depth - 1]),
				"a %s that begins here has no end; close it with %s",
				s.in_comment ? "comment"
				: s.quote    ? "quoted value"
					     : "section or list",
				s.in_comment	  ? "*/"
				: s.quote == '"'  ? "\""
				: s.quote == '\'' ? "'"
						  : "}");
}
