/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Users and groups that a configuration names: who they are now, and in the text of a
 * configuration in force, who they were when it was put into force. That asks no name service,
 * which may not answer, and knows who was deleted since. */

#ifndef NETSHIM_USERS_H
#define NETSHIM_USERS_H

#include "conf/contract/rules.h"

/* A user by name, or a group by '@' and its name. false where nobody has it. */
bool users_find(const char *name, struct rules_user *user);

/* All that were found since the last users_forget, for users_read (allocated): comments of a
 * configuration, for an older version. */
char *users_text(void);
void users_read(const char *text);
void users_forget(void);

#endif
