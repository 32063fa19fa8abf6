/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What resolvers answer to the queries of processes, by UDP from port 53, while one listens
 * (refusals_listen): which name an address was asked by. For `netshim blocked -f`; netshim's own
 * resolvers are answerers.h's. */

#ifndef NETSHIM_QUERIES_H
#define NETSHIM_QUERIES_H

#include "conf/kernel/refusals.h"

/* Has the queries of the classes that are wanted, and their answers, logged from now on, as
 * long as this process runs. NULL, or what nftables says (allocated). */
char *queries_ask(const struct asked *classes, size_t count);

/* For refusals_listen. */
void queries_hear(const char *prefix, const struct refusal *packet, const unsigned char *content, size_t size);

/* For what name the class was given that address last, all of it printable; NULL where that
 * is not known, or not any more. */
const char *queries_name(uint32_t classid, int family, const struct in6_addr *address);
#define QUERIES_NAME_SIZE 256

#endif
