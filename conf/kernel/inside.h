/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The network namespaces of the classes that are in force. */

#ifndef NETSHIM_INSIDE_H
#define NETSHIM_INSIDE_H

#include "conf/contract/netns.h"
#include "conf/contract/rules.h"
#include "conf/kernel/counters.h"

struct inside {
	char class[CLASS_NAME_MAX + 1];
	uint32_t classid;
	char name[NETNS_NAME_MAX + 1];
};

/* Calls visit in each that has a name and is there, with this process in it. Takes
 * CAP_SYS_ADMIN; what cannot be entered is told on stderr. */
void insides_each(void (*visit)(const struct inside *inside, void *with), void *with);

/* Adds the counters of the tables in there. */
void insides_count(struct counters *counters);

#endif
