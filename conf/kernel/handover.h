/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Keeps the loaded table's rules in force until those of the one that takes its place are:
 * see handover.c. */

#ifndef NETSHIM_HANDOVER_H
#define NETSHIM_HANDOVER_H

/* What their names begin with. */
#define HANDOVER_AHEAD "ahead_"

/* Before the table is replaced: puts its base chains a second time ahead of themselves. text is
 * that of the loaded table, as it was loaded or as nft lists it. Where nftables does not take
 * them, as others have taken away what they lead to, they are not there. */
void handover_begin(const char *text);

/* Where it has not been replaced: takes them away again. */
void handover_undo(const char *text);

#endif
