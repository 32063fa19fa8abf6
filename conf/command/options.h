/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The words behind a verb, and what is said where they are wrong. */

#ifndef NETSHIM_OPTIONS_H
#define NETSHIM_OPTIONS_H

#include "conf/command/verbs.h"

#include <getopt.h>

void options_tell_unknown(const char *verb, const char *word);
/* takes: as in "a time, as in --for 10m" */
void options_tell_lacking(const char *verb, const char *option, const char *takes);

/* The option that getopt_long has just returned '?' for. before: optind before it did. */
const char *options_mistaken(char **argv, int before);

/* As getopt_long, of what is behind the verb. With '?', a message has been written; with ':', an
 * option is without what it takes. optind is 0 before the first one. */
int options_next(const struct command *command, const char *letters, const struct option *names);

#endif
