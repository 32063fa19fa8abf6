/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What netshim has made of the network namespace of a class, and the note of that. Failures are
 * told on stderr. */

#ifndef NETSHIM_JAIL_NOTE_H
#define NETSHIM_JAIL_NOTE_H

#include "conf/contract/rules.h"
#include "conf/language/ruleset.h"

#define JAIL_NOTES NETSHIM_RUNDIR "/jails/" /* each has the namespace's name */

/* What netshim has made of one, or is to make. */
struct jail {
	const char *name;
	const char *class;		   /* whose it is; NULL where it has none any more */
	bool made;			   /* it is netshim's own */
	bool loaded;			   /* netshim's table is in it */
	struct own_address_list addresses; /* of the interface that joins it */
	const char *moved;		   /* an interface, or NULL */
	struct endpoint_list gateways;	   /* behind that */
	char *kept;			   /* that interface's addresses and routes (links.h) */
};

/* Whole or not at all. */
bool jail_write_note(const struct jail *jail);
bool jail_remove_note(const char *name);

/* What there is by now; one that has no note is nothing of netshim's. */
struct jail jail_read_note(const char *name);

#endif
