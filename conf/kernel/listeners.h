/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Who listens: the classes of sockets. */

#ifndef NETSHIM_LISTENERS_H
#define NETSHIM_LISTENERS_H

#include "conf/language/ruleset.h"

/* Tells whether a socket of that class waits for what comes in at that address of this
 * machine; protocol is IPPROTO_TCP or IPPROTO_UDP. Where the kernel cannot be asked
 * (inet_diag), false. */
bool listeners_include(const struct endpoint *at, int protocol, uint32_t classid);

#endif
