/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* One of netshim's own resolvers (answerers.h runs them): it forwards the queries of a class that has
 * names in allow or deny to others (upstream.h), and opens what these answer (answers.h). */

#ifndef NETSHIM_ANSWERER_H
#define NETSHIM_ANSWERER_H

#include "conf/language/ruleset.h"

/* Whose queries it answers, and where they come to. */
enum { ANSWERER_UDP4, ANSWERER_TCP4, ANSWERER_UDP6, ANSWERER_TCP6, ANSWERER_SOCKETS };
struct answering {
	const char *whose; /* the class, or UNCLASSIFIED */
	struct verdict *verdict;
	const struct endpoint_list *dns; /* who is asked; the machine's own where it is empty */
	unsigned ports[2];		 /* by IPv4 and IPv6 */
	int sockets[ANSWERER_SOCKETS];	 /* -1: this machine has no such addresses */
};

/* Answers until life, a descriptor, comes to its end. hold is called before something is put
 * into the sets, and let_go when that is done, as no reload may come between it and the
 * answer; it tells whether the sets are still those of what is answered for. */
_Noreturn void answerer_run(const struct answering *answering, int life, bool (*hold)(void), void (*let_go)(void));

#endif
