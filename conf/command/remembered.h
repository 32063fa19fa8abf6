/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What is open, or closed, by names (opened.h), as `netshim watch` has heard of it: nftables
 * tells of each element that comes and goes, but of none when others take its table away. */

#ifndef NETSHIM_REMEMBERED_H
#define NETSHIM_REMEMBERED_H

#include <netlink/attr.h>
#include <stdbool.h>

/* An element of a set has come, or is gone (table.h). */
void remembered_hear(const char *set, struct nlattr *element[], bool there);

/* Looks at all that is in the sets of a table's text now, too. */
void remembered_look(const char *text);
void remembered_forget(void);

/* A table's text, with commands behind it that put all into its sets, for the time that is
 * left. Allocated, as text is, which this takes. */
char *remembered_with(char *text);

#endif
