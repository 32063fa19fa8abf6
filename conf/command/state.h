/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Is netshim up, and who may change it. */

#ifndef NETSHIM_STATE_H
#define NETSHIM_STATE_H

#include "conf/contract/rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Is there where last.h says so. */
#define STATE_LAST NETSHIM_RUNDIR "/last"

/* Ends the command with these words where this takes longer than ten seconds; until
 * be_patient. */
#define STATE_GAVE_UP "netshim: gave up after 10 seconds: "
void be_impatient(const char *what);
void be_patient(void);

/* Holds off every other up, reload and down until this process ends, and signals that
 * would end or stop it; names of users are those of the machine's own files from then on. Makes NETSHIM_RUNDIR. Ends
 * the command where it cannot. One for a hook (see cmd_reload) ends it too where another one waits already: that one
 * looks at what there is by then. */
void state_lock(bool for_hook);

/* The same for who has read, before it, what it is to put in the place of these rules. false, and
 * nothing is held, where others are in force by then: so it is to read again. */
bool state_lock_for(ino_t rules);
ino_t state_rules(void); /* 0 where there are none */

/* Names of users are those of the machine's own files from now on. */
void state_ask_no_name_service(void);

/* For a child that may live on: it keeps these descriptors, whose numbers change, and a
 * terminal for its messages, as nobody waits until one is closed. It has no other, nor a
 * folder: so it holds off nobody, and nobody waits for its end. */
void state_keep_only(int *kept[], size_t count);

bool state_is_up(void);

/* Ends the command where netshim is up in another network namespace, to which there is still
 * a way: it says how to give it there. */
struct command;
void state_refuse_elsewhere(const struct command *command);

/* One process at a time may watch (cmd-watch.c), from an up or reload that has allowed it
 * until another one, or down, ends it; and one in the network namespace of each class that has
 * rules there, which is told by the class's name, where it is NULL otherwise. What watches is
 * told by a line of whoever has allowed it, behind which is what it is to know. */
void state_end_watching(const char *class);
void state_end_watching_others(bool (*is_wanted)(const char *class, const void *with), const void *with);
/* false with errno where it cannot; and where none of that line does. */
bool state_allow_watching(const char *class, const char *line, const char *what);
bool state_keep_watching(const char *class, const char *line, const char *what);
bool state_is_watched_by(const char *class, const char *line); /* one does of that line */
bool state_is_unwatched(const char *class);		       /* one may, and none does */
bool state_is_watched(const char *class);		       /* one does */
/* A descriptor to keep open while one watches, or -1 where it may not. */
int state_watch(const char *class);
char *state_watched(int watching); /* what it is to know; allocated */
/* Whether what that has begun to watch is still its, and nobody else's by now. */
bool state_goes_on_watching(const char *class, int watching);
/* Holds off every up, reload and down as long as what it returns is open. -1 where the
 * watching is over. */
int state_turn(const char *class, int watching);
/* Like state_turn, for who only looks. Does not wait: -1 where one is under way. */
int state_pause(void);

/* After a down of an older version: removes what that does not know. */
void state_end_for_older(void);

/* Removes NETSHIM_RUNDIR with the lock; the second where netshim is not up and there is
 * nothing to be told of that (STATE_LAST). */
void state_remove_folder(void);
void state_leave(void);

#endif
