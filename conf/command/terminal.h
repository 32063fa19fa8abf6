/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Answers for people: what fits into a line, colours, and amounts of bytes. */

#ifndef NETSHIM_TERMINAL_H
#define NETSHIM_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads NO_COLOR and TERM, while there is an environment. */
void terminal_begin(void);

/* What switches a colour on, and off again: "" where standard output is no terminal, or none
 * that has colours, or NO_COLOR is set (no-color.org). */
enum colour { COLOUR_OFF, COLOUR_BOLD, COLOUR_FAINT, COLOUR_GOOD, COLOUR_NOTE, COLOUR_BAD };
const char *terminal_colour(enum colour colour);

/* Whether all that was printed until now is written; says so where it is not, but of a pipe that
 * nobody reads any more. */
bool terminal_flush(void);

/* Columns of the terminal that standard output is; 80 where it is none. */
size_t terminal_width(void);

/* How many letters of UTF-8 a text has: the columns that it takes, where none is wider. */
size_t terminal_letters(const char *text);

/* How many bytes of a text are as many letters as there are columns, or all of it. */
int terminal_fitting(const char *text, size_t columns);

/* A number of bytes in at most 5 columns, as of ls -h ("1.4M"), or of anything else ("1.4M" is
 * 1400000 then), or exactly; "-" where it is not known. Returns text. */
enum { TERMINAL_COUNT = 1000, TERMINAL_BYTES = 1024 };
#define TERMINAL_AMOUNT 24
const char *terminal_amount(bool known, uint64_t amount, unsigned unit, bool exact, char text[TERMINAL_AMOUNT]);

/* Prints a paragraph, the first line of which has begun with so many columns, and the others
 * begin with so many blanks; broken between words at the width. What others have chosen in it
 * loses what could control the terminal. */
void terminal_rest(size_t indent, const char *text);

#endif
