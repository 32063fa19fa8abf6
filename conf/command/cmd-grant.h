/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Can the helper do its work? */

#ifndef NETSHIM_CMD_GRANT_H
#define NETSHIM_CMD_GRANT_H

#include <stdbool.h>

/* Warns where it cannot, so that no program with a class is started. */
bool grant_check(void);

#endif
