/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the command says. Paths and names are others' text, which may hold a terminal's
 * control codes and line breaks: none of that comes out. The functions of err.h are
 * say.c's own in the command and keep to this too. */

#ifndef NETSHIM_SAY_H
#define NETSHIM_SAY_H

#include <stdio.h>

/* Prints one line, without the line break that format would end with. */
__attribute__((format(printf, 2, 3))) void say(FILE *to, const char *format, ...);
/* Prints a text of several. */
void say_lines(FILE *to, const char *text);

#endif
