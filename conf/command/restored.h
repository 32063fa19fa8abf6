/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What `netshim watch` has put back, for the system's log and for status. */

#ifndef NETSHIM_RESTORED_H
#define NETSHIM_RESTORED_H

#include "conf/kernel/table.h"

/* Others have taken the table away, and it is back after so many milliseconds. */
void restored_note(const struct table_news *news, long milliseconds);
/* What is to be said of it, for an hour (allocated), or NULL; the second warns of it. */
char *restored_words(void);
void restored_remind(void);
void restored_forget(void);

#endif
