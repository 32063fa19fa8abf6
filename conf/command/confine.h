/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the command gives up before it reads any input. */

#ifndef NETSHIM_CONFINE_H
#define NETSHIM_CONFINE_H

#include <stdint.h>

#define CAP(cap) (UINT64_C(1) << (cap))

/* Keeps these capabilities of those that there are, and no other, for that verb. */
void confine(uint64_t caps, const char *verb);

/* A file that is opened later must not get the number of standard error. */
void open_standard_descriptors(void);

#endif
