/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Finding a command on PATH, and its rule, for the verbs that take one. */

#ifndef NETSHIM_COMMAND_SEARCH_H
#define NETSHIM_COMMAND_SEARCH_H

/* Returns the path of a command: name itself where it has a slash, else the first
 * executable file of that name on PATH (allocated), or NULL. */
const char *search_command(const char *name);

/* Finds the rule of the program at path, started with argv, which begins with the program, as the
 * library does (match_with). */
struct rules;
struct rules_slot;
int search_rule(struct rules *rules, const char *path, char **argv, struct rules_slot *rule);

#endif
