/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The classes of sockets that listen: see listeners.h. */

#include "conf/kernel/listeners.h"

#include "conf/kernel/sockets.h"

#include <netinet/tcp.h>
#include <string.h>

struct search {
	const struct endpoint *at;
	uint32_t classid;
	bool found;
};

/* Of both families: a socket of IPv6 may be for IPv4 too. */
static bool is_at(const struct inet_socket *socket, const struct endpoint *at)
{
	static const struct in6_addr any, mapped = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	if (socket->local_port != at->port || socket->remote_port)
		return false;
	if (!memcmp(&socket->local, &any, sizeof(any)))
		return true;
	if (socket->family == at->family)
		return !memcmp(&socket->local, &at->address, socket->family == AF_INET ? 4 : 16);
	return at->family == AF_INET && !memcmp(&socket->local, &mapped, 12) &&
	       !memcmp(&socket->local.s6_addr[12], &at->address, 4);
}

static void look_at(const struct inet_socket *socket, void *with)
{
	struct search *s = with;

	if (socket->classid == s->classid && is_at(socket, s->at))
		s->found = true;
}

bool listeners_include(const struct endpoint *at, int protocol, uint32_t classid)
{
	struct search search = { at, classid, false };

	/* What is no connection. */
	sockets_each(protocol, 1 << TCP_LISTEN | 1 << TCP_CLOSE, look_at, &search);
	return search.found;
}
