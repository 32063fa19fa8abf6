/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Classes whose refusals are lifted for a time. The kernel ends each by itself, by the
 * timeout of an element in a set of nftables (policy-refuse.h). Here is the note of them, from
 * which the element gets the time that is left wherever the table is loaded anew. */

#ifndef NETSHIM_LIFTS_H
#define NETSHIM_LIFTS_H

#include "conf/language/ruleset.h"

/* In the place of a class's name: all that is in no class. */
#define LIFTS_OTHERS "(unclassified)"

/* How many seconds are left; 0 where it is not lifted. */
long lifts_left(const char *class);

/* Notes it for so many seconds from now; 0: no more. false with a message. */
bool lifts_note(const char *class, unsigned seconds);
void lifts_forget(void);

/* A table's text (policy.h, or nft_save's) with commands behind it that lift in it what
 * is noted, and nothing else. Allocated. The classids are those of set, and of live
 * (policy_text); with set NULL, those of the rules file. */
char *lifts_with(const char *text, const struct ruleset *set, const uint32_t *live);

/* The same for the table of a class's network namespace. */
char *lifts_inside(const char *text, const char *class);

/* Warns of what is lifted. */
void lifts_remind(void);

/* A time in words, as in "1 h 30 min". */
#define LIFTS_TIME_SIZE 48
const char *lifts_time(unsigned long seconds, char text[LIFTS_TIME_SIZE]);

#endif
