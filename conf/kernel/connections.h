/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The connections that the kernel's conntrack knows in this network namespace. */

#ifndef NETSHIM_CONNECTIONS_H
#define NETSHIM_CONNECTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* As its first packet had it. Of IPv4, an address is the first four bytes. */
struct connection {
	int family;
	int protocol;
	struct in6_addr source, destination;
	unsigned source_port, destination_port;
	bool from_here; /* from an address of this machine's: nothing that it forwards, or is sent */
	bool counted;	/* nf_conntrack_acct was on when it began */
	uint64_t sent, received;
};

/* Calls visit with each. False where the kernel cannot be asked; it takes CAP_NET_ADMIN. */
bool connections_each(void (*visit)(const struct connection *connection, void *with), void *with);

#endif
