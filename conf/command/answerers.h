/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim's own resolvers: one for each class that has names in allow or deny, and one for
 * what is in no class. */

#ifndef NETSHIM_ANSWERERS_H
#define NETSHIM_ANSWERERS_H

#include "conf/language/ruleset.h"

/* What tells who is there; removed with what is in force. */
#define ANSWERERS_LOCKS NETSHIM_RUNDIR "/names"

/* Makes the sockets that queries come to, and notes in set where those are; or takes those
 * that this process was started with. The table's text is made with them. Where those that
 * run do the same, and same says that they do it with this version, they go on, and it is
 * noted where theirs are; with NULL, none do. False with a message. */
bool answerers_make(struct ruleset *set, bool (*same)(void));
void answerers_inherit(struct ruleset *set);

/* Keeps them open in a process that closes all else from the first descriptor on; then
 * they are those that it is started with. */
void answerers_pass(int first);

/* Tells which they are and what they do, for whoever would go on with others. */
struct answerers_identity {
	uint64_t work; /* 0: there are none */
	unsigned port;
};
struct answerers_identity answerers_identity(void);

/* Whether this process was started with any. Runs them in a child, which loads the
 * configuration and starts those that end anew; its end is that of what is read from the
 * descriptor. -1: it could not be started. */
bool answerers_wanted(void);
int answerers_start(bool (*load)(struct ruleset *set));

/* Between these two, no resolver opens anything: so it is not lost when the table is
 * replaced. Nobody is waited for without limit. When it has been, answerers_follow_table
 * says whose table it is: of those that were made, or of those from before that. They open from
 * then on, and the others end. */
int answerers_hold(void);
void answerers_follow_table(int held, bool made);
void answerers_let_go(int held);

/* Whether there are any, or were. */
bool answerers_matter(void);

/* Calls visit for each class whose resolver is not there, or UNCLASSIFIED. For root. */
void answerers_each_missing(void (*visit)(const char *whose, void *with), void *with);

#endif
