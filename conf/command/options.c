/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

#include "conf/command/options.h"

#include <err.h>
#include <stdbool.h>
#include <string.h>

void options_tell_unknown(const char *verb, const char *word)
{
	warnx("%s: what is '%s'? 'netshim %s --help' tells what it takes", verb, word, verb);
}

void options_tell_lacking(const char *verb, const char *option, const char *takes)
{
	warnx("%s: '%s' takes %s", verb, option, takes);
}

/* Of several letters behind one dash, getopt stays at their word. */
const char *options_mistaken(char **argv, int before)
{
	static char letter[] = "-x";
	bool is_letter = optopt && (optind == before || strncmp(argv[optind - 1], "--", 2) != 0);

	letter[1] = (char)optopt;
	return is_letter ? letter : argv[optind - 1];
}

int options_next(const struct command *command, const char *letters, const struct option *names)
{
	char **argv = command->argv - 1;
	int before = optind;
	int option;

	opterr = 0;
	option = getopt_long(command->argc + 1, argv, letters, names, NULL);
	if (option == '?')
		options_tell_unknown(argv[0], options_mistaken(argv, before));
	return option;
}
