/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Times that people type. */

#ifndef NETSHIM_DURATION_H
#define NETSHIM_DURATION_H

#define DURATION_LONGEST 604800

/* The seconds of "10m" or "1h30m"; 0 where it is none, or one that is longer. */
unsigned duration_read(const char *text);

#endif
