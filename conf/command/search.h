/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Finding a command on PATH, for the verbs that take one. */

#ifndef NETSHIM_COMMAND_SEARCH_H
#define NETSHIM_COMMAND_SEARCH_H

/* Returns the path of a command: name itself where it has a slash, else the first
 * executable file of that name on PATH (allocated), or NULL. */
const char *search_command(const char *name);

#endif
