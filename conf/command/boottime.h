/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The clock that goes on while the machine sleeps. */

#ifndef NETSHIM_BOOTTIME_H
#define NETSHIM_BOOTTIME_H

#include <stdint.h>

/* Milliseconds of CLOCK_BOOTTIME. Async-signal-safe. */
int64_t boottime_milliseconds(void);

#endif
