/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The text of a configuration. */

#ifndef NETSHIM_GRAMMAR_H
#define NETSHIM_GRAMMAR_H

#include "conf/language/ruleset.h"

/* Reads a configuration file and what it includes. Mistakes are in set->problems
 * afterwards; with any, the rest of set is of no use but to report. */
void grammar_read(struct ruleset *set, const char *path);

/* The same from set->text of an earlier time, which has every file that was read then,
 * whatever is in them now. false where it is damaged. */
bool grammar_read_text(struct ruleset *set, char *text, size_t size);

/* The same without the apps, whose patterns are looked for in every user's folders, and the
 * users of classes, some of whom nobody may know any more. */
bool grammar_read_classes(struct ruleset *set, char *text, size_t size);

/* Tells whether a class can have that name. */
bool grammar_takes_class_name(const char *name);

#endif
