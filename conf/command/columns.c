/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Answers in columns: see columns.h. */

#include "conf/command/columns.h"

#include "conf/contract/sys.h"
#include "conf/language/alloc.h"

#include <limits.h>
#include <unistd.h>

#define LEAST 12 /* columns of the screen: less of a name tells nobody anything */

struct cell {
	char *text;
	enum colour colour;
};

void columns_add(struct columns *c, const char *text, enum colour colour)
{
	struct cell cell = { copied(text), colour };

	str_printable(cell.text);
	c->cells = grown(c->cells, c->cell_count, sizeof(cell));
	c->cells[c->cell_count++] = cell;
}

static size_t *find_widths(const struct columns *c)
{
	size_t *widths = zalloc(c->count * sizeof(*widths));

	for (size_t i = 0; i < c->count; i++)
		widths[i] = terminal_letters(c->titles[i].title);
	for (size_t i = 0; i < c->cell_count; i++) {
		size_t width = terminal_letters(c->cells[i].text);

		if (widths[i % c->count] < width)
			widths[i % c->count] = width;
	}
	return widths;
}

/* How many bytes are shown of a cell that ends a line and begins in that column of the screen.
 * Where there is too little room, the terminal breaks the line. */
static int shown(const char *text, size_t at)
{
	size_t width = terminal_width();
	size_t room = width > at ? width - at : 0;

	if (!isatty(STDOUT_FILENO) || room < LEAST)
		return INT_MAX;
	return terminal_fitting(text, room);
}

/* Nothing follows what is last in it, not even blanks. */
static void print_line(const struct columns *c, const struct cell *line, const size_t *widths)
{
	size_t blanks = 0;
	size_t at = 0;

	for (size_t i = 0; i < c->count; i++) {
		size_t rest = widths[i] - terminal_letters(line[i].text);
		bool number = c->titles[i].kind == COLUMN_NUMBER;
		bool plain = line[i].colour == COLOUR_OFF || !*line[i].text;

		if (number || !*line[i].text)
			blanks += rest;
		if (*line[i].text) {
			printf("%*s%s%.*s%s", (int)blanks, "", plain ? "" : terminal_colour(line[i].colour),
			       i + 1 < c->count ? INT_MAX : shown(line[i].text, at), line[i].text,
			       plain ? "" : terminal_colour(COLOUR_OFF));
			blanks = number ? 0 : rest;
		}
		blanks++;
		at += widths[i] + 1;
	}
	putchar('\n');
}

void columns_print(struct columns *c)
{
	size_t *widths = find_widths(c);
	struct cell *titles = zalloc(c->count * sizeof(*titles));

	for (size_t i = 0; i < c->count; i++)
		titles[i] = (struct cell){ (char *)(uintptr_t)c->titles[i].title, COLOUR_BOLD };
	print_line(c, titles, widths);
	for (size_t i = 0; i < c->cell_count; i += c->count)
		print_line(c, c->cells + i, widths);
	for (size_t i = 0; i < c->cell_count; i++)
		free(c->cells[i].text);
	free(c->cells);
	free(titles);
	free(widths);
	c->cells = NULL;
	c->cell_count = 0;
}
