/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The process that up and reload leave behind. */

#ifndef NETSHIM_CMD_WATCH_H
#define NETSHIM_CMD_WATCH_H

/* Sees to it that there is one, of this version; while the lock is held. */
void watch_start(void);

#endif
