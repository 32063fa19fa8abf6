/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A change that has to be confirmed in time, or is taken back. While one waits for that,
 * the notes in NETSHIM_RUNDIR say so, and a process of its own waits. Everything but
 * confirm_left is for who has the lock (state.h). */

#ifndef NETSHIM_CMD_CONFIRM_H
#define NETSHIM_CMD_CONFIRM_H

#include <stdbool.h>

/* Where the text is kept of what is to be gone back to; nothing is there for `down`. */
#define CONFIRM_BEFORE NETSHIM_RUNDIR "/config.before"

/* What was moved meanwhile (running.h). */
#define CONFIRM_MOVED NETSHIM_RUNDIR "/moved"

/* How many seconds are left, 0 at least; CONFIRM_NONE where nothing waits to be
 * confirmed, and CONFIRM_DEAD where something does but the process has been ended. */
enum { CONFIRM_NONE = -1, CONFIRM_DEAD = -2 };
long confirm_left(void);

/* Keeps what is in force as what is to be gone back to; while something waits to be
 * confirmed, what that goes back to. false with a message on stderr. */
bool confirm_keep(void);

/* Starts the process that calls go_back (EXIT_SUCCESS when it has) unless confirmed
 * within so many seconds. false with a message on stderr. */
bool confirm_start(unsigned seconds, int (*go_back)(void));

/* What was started for is in force: its time begins now; or it is not in force, nor
 * will be. Neither does anything in a command that has begun nothing. */
void confirm_count(void);
void confirm_undo(void);

/* Says how long what waits to be confirmed has left. */
void confirm_remind(void);

/* Nothing is gone back to any more. */
void confirm_end(void);

#endif
