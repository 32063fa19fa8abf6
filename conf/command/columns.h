/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Answers in columns, which are as wide as what is in them. */

#ifndef NETSHIM_COLUMNS_H
#define NETSHIM_COLUMNS_H

#include "conf/command/terminal.h"

struct column {
	const char *title;
	enum { COLUMN_TEXT, COLUMN_NUMBER } kind; /* to the left, to the right */
};

/* Begins with titles and their count alone. */
struct columns {
	const struct column *titles;
	size_t count;
	struct cell *cells;
	size_t cell_count;
};

/* Adds the next cell, from the left to the right; a text that ends a line may be of any
 * length. */
void columns_add(struct columns *columns, const char *text, enum colour colour);

/* Prints all of it and forgets it. On a terminal that is too narrow, what is in the last
 * column is cut, if enough of it is left. */
void columns_print(struct columns *columns);

#endif
