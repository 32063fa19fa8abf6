/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Which kinds of starts have the library, by what is enabled now. */

#ifndef NETSHIM_COVERED_H
#define NETSHIM_COVERED_H

#include "conf/command/json.h"

/* Prints a table of them, which libnetshim(7) has for each of netshim enable's options. */
void covered_print(void);

/* What is enabled: an array of the options' names. */
json_t *covered_json(void);

#endif
