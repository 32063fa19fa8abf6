/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What `netshim watch` has put back, for the system's log and for status. */

#ifndef NETSHIM_RESTORED_H
#define NETSHIM_RESTORED_H

#include "conf/kernel/table.h"

/* Others have taken the table away (of a class in its network namespace, or with NULL the one
 * here), and it is back after so many milliseconds. */
void restored_note(const char *class, const struct table_news *news, long milliseconds);
/* What is to be said of it, for an hour (allocated), or NULL; the second warns of it. */
char *restored_words(const char *class);
void restored_remind(const char *class);
void restored_forget(void);

#endif
