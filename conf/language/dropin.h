/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The drop-in that puts a service of systemd's into its class. */

#ifndef NETSHIM_DROPIN_H
#define NETSHIM_DROPIN_H

#include "conf/language/unit.h"

/* The last drop-in of all: '~' is the last of ASCII. */
#define DROPIN_FILE "~netshim.conf"

/* Beneath it are links to NETSHIM_UNIT, with the names of programs: systemd tells the
 * journal and the process table what it starts by its last name. */
#define DROPIN_LINKS NETSHIM_RUNDIR "/starts"

struct dropin {
	char *text;   /* NULL: */
	char *wrong;  /* why there can be none */
	char **links; /* in DROPIN_LINKS, which it takes */
	size_t link_count;
};

/* tasks: of the class. */
struct dropin dropin_for(const struct unit *unit, const char *tasks);

#endif
