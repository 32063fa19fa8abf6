/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A copy of the text of the configuration in force, with all that it includes, as its
 * files may have changed since. Only root can read it, as the files may be root's alone.
 *
 * It begins with the inode of the rules file that is made from it: so each is known to
 * belong to the other, also where a command has been killed between two renames. */

#ifndef NETSHIM_TEXT_H
#define NETSHIM_TEXT_H

#include "conf/language/ruleset.h"

#include <sys/types.h>

/* Writes the text of set, for a rules file that is not in force yet. false with a
 * message on stderr. */
bool text_write(const struct ruleset *set, ino_t rules);

/* Keeps the text of what is in force now, and no other. */
void text_settle(void);

/* The name of the text of what is in force; NULL where there is none. */
const char *text_in_force(void);

/* Reads the text that is called path, for grammar_read_text (allocated); or NULL. */
char *text_read(const char *path, size_t *size);

/* All that is in any file without a NUL (allocated); NULL where there is none. */
char *text_plain(const char *path);

#endif
