/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The process that up and reload leave behind, where a class has an interface. */

#ifndef NETSHIM_CMD_WATCH_H
#define NETSHIM_CMD_WATCH_H

#include "conf/language/ruleset.h"

/* Starts one where set needs it, in the place of the one that is there, which may be of
 * another version; while the lock is held. */
void watch_start(const struct ruleset *set);

#endif
