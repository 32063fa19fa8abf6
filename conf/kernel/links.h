/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Interfaces that a network namespace gets, and their addresses and routes, in the
 * namespace that this process is in. Failures are told on stderr. */

#ifndef NETSHIM_LINKS_H
#define NETSHIM_LINKS_H

#include "conf/language/ruleset.h"

/* Two that are each other's cable; the second in another namespace. */
bool links_make_pair(const char *name, const char *peer, int peer_namespace);
/* Also where there is none. */
bool links_remove(const char *name);
bool links_set_up(const char *name);

/* Gives one that nobody else configures these addresses and no other: of this machine's end of the
 * cable with routers, else of the class's. */
bool links_set_addresses(const char *name, const struct own_address *items, size_t count, bool routers);
/* Default routes over it: to a router where one is given for the family, else to the link. */
bool links_set_default(const char *name, int family, const struct in6_addr *router);

/* Whether it is up, and a line for each of its addresses and routes (allocated); and the way
 * back to that, inside a namespace to what holds there. */
char *links_keep(const char *name);
bool links_restore(const char *name, const char *kept, bool inside);
/* Whether there is a line for an address, or a default route, of the family. */
bool links_kept_address(const char *kept, int family);
bool links_kept_default(const char *kept, int family);
/* Whether there is nothing in some that is not in all. */
bool links_kept_within(const char *some, const char *all);

/* It loses its addresses and routes. */
bool links_move(const char *name, int to_namespace);

#endif
