/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

#include "conf/command/options.h"

#include <err.h>

void options_tell_unknown(const char *verb, const char *word)
{
	warnx("%s: what is '%s'? 'netshim %s --help' tells what it takes", verb, word, verb);
}
