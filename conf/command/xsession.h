/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* X11 sessions as Debian and its kin start them: Xsession(5). */

#ifndef NETSHIM_XSESSION_H
#define NETSHIM_XSESSION_H

#include <stdbool.h>

#define XSESSION_FOLDER "/etc/X11/Xsession.d"
#define XSESSION_OURS XSESSION_FOLDER "/89netshim"

/* Tells whether they are started beneath a set-group-ID ssh-agent, and nothing of ours puts
 * LD_PRELOAD back there, which ld.so(8) drops. */
bool xsession_drops_variable(void);

#endif
