/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The resolvers of this machine, which netshim's own ones forward to (answerer.h). */

#ifndef NETSHIM_UPSTREAM_H
#define NETSHIM_UPSTREAM_H

#include "conf/language/ruleset.h"

#include <sys/socket.h>

#define UPSTREAM_FILE "/etc/resolv.conf"
#define UPSTREAM_MOST 8

struct upstream {
	struct sockaddr_storage servers[UPSTREAM_MOST];
	size_t count;
};

/* Those of a list, or where it is empty, those that the machine's resolv.conf names at this
 * moment; its own where it names none (resolv.conf(5)). */
void upstream_find(const struct endpoint_list *list, struct upstream *upstream);
socklen_t upstream_size(const struct sockaddr_storage *address);

/* The addresses of those by which programs ask the machine's own resolvers. One that runs here
 * asks others in turn, which may be named there, too: where it is, it is the only one. */
void upstream_asked(struct endpoint_list *list);

#endif
