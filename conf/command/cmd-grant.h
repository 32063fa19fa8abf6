/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Can the helper do its work? */

#ifndef NETSHIM_CMD_GRANT_H
#define NETSHIM_CMD_GRANT_H

#include <stdbool.h>

/* Returns why it cannot, so that no program with a class is started, and what to do; or NULL.
 * The second warns of it. */
const char *grant_wrong(void);
bool grant_check(void);

#endif
