/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Who is on the link, as the loaded table has noted on the way of each packet (policy-allow.c). */

#ifndef NETSHIM_NEIGHBOURS_H
#define NETSHIM_NEIGHBOURS_H

/* The text of a table (policy.h), with commands behind it that put what is noted into its sets, for
 * the time that is left: else what is sent just as that table takes the place of the loaded one
 * would be sent to nobody who is known. Allocated. */
char *neighbours_with(const char *text);

#endif
