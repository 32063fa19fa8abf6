/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The configuration that is read at boot, as it was when it was last put into force: the
 * rules are not gone when it has a mistake by the next boot. */

#ifndef NETSHIM_LAST_H
#define NETSHIM_LAST_H

#include "conf/language/ruleset.h"

/* Keeps what is in force, unless it is another configuration. A failure is told, and
 * changes nothing else. */
void last_keep(void);

/* Reads what was kept. false with a message on stderr; but set->at_boot is what it says,
 * if it can be read at all. */
bool last_load(struct ruleset *set);

/* Notes what has come of it at boot. Then last_words says so, for
 * last_remind, which warns of it; NULL where all went well. */
enum last_use { LAST_UNUSED, LAST_USED, LAST_REFUSES, LAST_NOTHING, LAST_REFUSES_READ };
void last_note(enum last_use use);
const char *last_words(void);
void last_remind(void);
bool last_refuses(void);

#endif
