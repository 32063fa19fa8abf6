/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The process that up and reload leave behind: netshim watch (cmd-watch.c). */

#ifndef NETSHIM_WATCHER_H
#define NETSHIM_WATCHER_H

#include "conf/language/ruleset.h"

/* Sees to it that there is one, of this version; while the lock is held. */
void watch_start(const struct ruleset *set);

/* Tells whether the one that there is would stay: with these resolvers (answerers_identity). */
bool watch_goes_on(void);

#endif
