/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* While a table takes the place of the loaded one, each packet meets all of the one or all of the
 * other: see handover.c. */

#ifndef NETSHIM_HANDOVER_H
#define NETSHIM_HANDOVER_H

#include <stdbool.h>

/* Before text (of policy.h) takes the place of the loaded table: makes the second table, and
 * returns what is to be loaded (allocated). NULL where it is too much to have it twice, or nftables
 * does not take it. */
char *handover_second(const char *text);
/* When that is loaded, or has been refused. Returns false where nftables leaves the second table. */
bool handover_second_done(void);
/* Whether it is there, as it is for good where a reload was killed in between. */
bool handover_is_left(void);
/* Takes it away then. */
void handover_tidy(void);

/* What the names of chains ahead begin with. */
#define HANDOVER_AHEAD "ahead_"

/* Puts the base chains of the loaded table a second time ahead of themselves. before is its text,
 * as it was loaded or as nft lists it. Where nftables does not take them, as others have taken away
 * what they lead to, they are not there. */
void handover_ahead(const char *before);
/* Where it has not been replaced: takes them away again. */
void handover_ahead_undo(const char *before);

#endif
