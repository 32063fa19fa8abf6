/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Answers for people: see terminal.h. */

#include "conf/command/terminal.h"

#include "conf/contract/sys.h"
#include "conf/language/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH 80 /* where there is no terminal */
#define LEAST 40 /* else a word would be a line */

static bool coloured;

void terminal_begin(void)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	coloured = !(no && *no) && term && strcmp(term, "dumb") != 0 && isatty(STDOUT_FILENO);
}

const char *terminal_colour(enum colour colour)
{
	/* Of the eight colours that every terminal has, those that can be read on light and dark. */
	static const char *const codes[] = {
		[COLOUR_OFF] = "\033[0m",   [COLOUR_BOLD] = "\033[1m",	[COLOUR_FAINT] = "\033[2m",
		[COLOUR_GOOD] = "\033[32m", [COLOUR_NOTE] = "\033[33m", [COLOUR_BAD] = "\033[31m",
	};

	return coloured ? codes[colour] : "";
}

bool terminal_flush(void)
{
	static bool told;
	bool failed = ferror(stdout);

	if (fflush(stdout)) {
		if (!told && errno != EPIPE)
			warn("cannot write the answer");
	} else if (!failed) {
		return true;
	} else if (!told) {
		warnx("cannot write all of the answer"); /* why is forgotten by now */
	}
	told = true;
	return false;
}

size_t terminal_width(void)
{
	struct winsize size = { .ws_col = 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return WIDTH;
	return size.ws_col < LEAST ? LEAST : size.ws_col;
}

static bool begins_letter(char byte)
{
	return (byte & 0xc0) != 0x80;
}

size_t terminal_letters(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += begins_letter(*text);
	return count;
}

int terminal_fitting(const char *text, size_t columns)
{
	int size = 0;

	while (text[size] && (columns || !begins_letter(text[size])))
		columns -= begins_letter(text[size++]);
	return size;
}

const char *terminal_amount(bool known, uint64_t amount, unsigned unit, bool exact, char text[TERMINAL_AMOUNT])
{
	static const char letters[] = "KMGTPE";
	double left = (double)amount / unit;
	size_t letter = 0;

	if (!known)
		return "-";
	if (exact || amount < 10000) {
		snprintf(text, TERMINAL_AMOUNT, "%" PRIu64, amount);
		return text;
	}
	/* What would be rounded to a whole unit is one of the next. */
	for (; left >= unit - 0.5 && letters[letter + 1]; letter++)
		left /= unit;
	snprintf(text, TERMINAL_AMOUNT, "%.*f%c", left < 9.95 ? 1 : 0, left, letters[letter]);
	return text;
}

void terminal_rest(size_t indent, const char *text)
{
	const size_t width = terminal_width();
	char *words = copied(text);
	char *rest = words;
	const char *word;
	size_t column = indent;

	str_printable(words);
	while ((word = strsep(&rest, " "))) {
		size_t size = strlen(word);

		if (column > indent && column + 1 + size > width) {
			printf("\n%*s", (int)indent, "");
			column = indent;
		}
		column += (size_t)printf("%s%s", column > indent ? " " : "", word);
	}
	putchar('\n');
	free(words);
}
