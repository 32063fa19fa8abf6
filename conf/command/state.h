/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Is netshim up, and who may change it. */

#ifndef NETSHIM_STATE_H
#define NETSHIM_STATE_H

#include <stdbool.h>

/* Ends the command with these words where this takes longer than ten seconds; until
 * be_patient. */
#define STATE_GAVE_UP "netshim: gave up after 10 seconds: "
void be_impatient(const char *what);
void be_patient(void);

/* Holds off every other up, reload and down until this process ends, and signals that
 * would end it. Makes NETSHIM_RUNDIR. Ends the command where it cannot. One for a hook
 * (see cmd_reload) ends it too where another one waits already: that one looks at what
 * there is by then. */
void state_lock(bool for_hook);

bool state_is_up(void);

/* Removes NETSHIM_RUNDIR with the lock; the second where netshim is not up. */
void state_remove_folder(void);
void state_leave(void);

#endif
