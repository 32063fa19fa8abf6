/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* All of a kind that is in netshim's table, as the kernel tells it: libnftables would ask it
 * for everything in all tables before it lists one thing. */

#ifndef NETSHIM_DUMP_H
#define NETSHIM_DUMP_H

#include <netlink/msg.h>
#include <stdbool.h>

/* A request for a kind (NFT_MSG_GET...), which has the table's name as that attribute, for more
 * attributes to be added; NULL where there is no memory. */
struct nl_msg *dump_request(int kind, int table);

/* Sends it, frees it, and has hear called with each answer. False where there is no such
 * thing, or it has changed meanwhile. */
bool dump(struct nl_msg *request, int (*hear)(struct nl_msg *answer, void *with), void *with);

#endif
