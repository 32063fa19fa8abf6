/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The rules file: writes it from a ruleset, puts it into place, and opens it for the
 * command. */

#ifndef NETSHIM_COMPILE_H
#define NETSHIM_COMPILE_H

#include "conf/language/ruleset.h"

#include <stdio.h>

/* How many a path has; that of a tree, as readers find it, has at most so many. */
#define TREE_SLASHES_MAX 64
unsigned compile_slashes(const char *path);

/* Finds what each app is looked up by, and notes conflicts. */
void compile_names(struct ruleset *set);

/* Writes what is in the rules file, for the namespaces that place is for; NULL: the caller's. */
bool compile_to(FILE *file, const struct ruleset *set, const struct rules_header *place);

/* Write a new rules file, put it in the place of the old one, or take the old one
 * away. They return false with a message on stderr. After them, either undo, which goes
 * back to the old one, or done, which leaves no copy. */
bool compile_write(const struct ruleset *set);
bool compile_commit(void);
bool compile_withdraw(void);
void compile_undo(void);
void compile_done(void);

/* Of what is in force, other programs may have rules by now. Tells whether rules has those of
 * set; and as compile_write, for the namespaces that rules are for, whoever calls. */
bool compile_has_programs(const struct ruleset *set, struct rules *rules);
bool compile_write_programs(const struct ruleset *set, const struct rules *rules);

/* Finds the rule that an app has become, of those by argument too. */
bool compile_find(struct rules *rules, const struct app *app, struct rules_slot *rule);

/* The path of the configuration that is in force (allocated), or NULL. */
char *compile_config(void);

/* The inode of the network namespace in which it is in force, where that is another one
 * than the caller's; else, or where that is not known, 0. */
uint64_t compile_elsewhere(void);

/* As rules_open, and reads all of the file to know that it is intact. false with
 * errno: where that is ENOENT, netshim is not up; else there is a message on
 * stderr. */
bool compile_open(struct rules *rules, bool trusted);

/* What is wrong with the rules file where compile_open has failed with that errno; allocated. */
char *compile_wrong(const struct rules *rules, int error);

#endif
