/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the table that is in force refuses: what it has kept of that (log = true), and, for
 * who asks, each packet when it happens. Takes CAP_NET_ADMIN. */

#ifndef NETSHIM_REFUSALS_H
#define NETSHIM_REFUSALS_H

#include "conf/contract/rules.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

struct refusal {
	uint32_t classid; /* 0: of no class */
	uid_t user;
	int family;   /* AF_INET or AF_INET6; addresses as in sockets.h */
	int protocol; /* IPPROTO_TCP and so on */
	struct in6_addr remote;
	unsigned remote_port; /* 0 where there is none, as of local_port */
	/* What is above, none of it padding, is the same of the same sender's to the same destination. */
	struct in6_addr local;
	unsigned local_port;
	uint64_t packets;
	int64_t last; /* milliseconds of time(2)'s clock */
};

/* By the same clock. */
int64_t refusals_now(void);

/* Calls visit with what is kept; of that, the local address and port are not known. False
 * where nothing is. */
bool refusals_kept(void (*visit)(const struct refusal *refusal, void *with), void *with);

/* A class that is asked about; its name is for what is written into the table. */
struct asked {
	char name[CLASS_NAME_MAX + 1];
	uint32_t classid;
	bool wanted;
	char link[IF_NAMESIZE]; /* the interface that joins its namespace to this one, or "" */
};

/* A descriptor that can be read when packets were refused: of those that are asked about,
 * until some seconds after one has asked last. Ends the command with a message where it
 * cannot be had.
 *
 * What other rules log to the same group, with a prefix that is no hexadecimal number, is for
 * others: who sent it where (no class), and what the packet has behind a header of UDP's
 * size. */
int refusals_listen(void (*others)(const char *prefix, const struct refusal *packet, const unsigned char *content,
				   size_t size));
#define REFUSALS_ASKED 10 /* seconds */
#define REFUSALS_GROUP 0x4e53
#define REFUSALS_COPIED 4096 /* of a packet at most, whatever a rule says */

/* NULL, or what nftables says (allocated). All that can be asked about is to be there each
 * time. */
char *refusals_ask(const struct asked *classes, size_t count);

/* Calls visit with each that has come, and does not wait. More than some in a second, of one
 * class, are not told. */
void refusals_hear(void (*visit)(const struct refusal *refusal, void *with), void *with);

#endif
