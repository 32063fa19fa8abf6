/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A configuration, for the verbs that take one. */

#ifndef NETSHIM_LOAD_H
#define NETSHIM_LOAD_H

#include "conf/language/ruleset.h"

/* Reads and checks a configuration; with any mistake in it, prints all of them and ends
 * the command. */
void load_ruleset(struct ruleset *set, const char *path);

/* The same, but false with the mistakes on stderr. */
bool load_whole(struct ruleset *set, const char *path);

/* The same from a text that was kept (conf/language/text.h). false with the mistakes in
 * it, or another message, on stderr. */
bool load_text(struct ruleset *set, const char *path);

/* The same from a text that another process has read, and told of. false where it is damaged. */
bool load_handed_over(struct ruleset *set, int fd);

/* The same of what its classes may send alone, for who has no rights but CAP_NET_ADMIN. */
bool load_classes(struct ruleset *set, const char *path);

#endif
