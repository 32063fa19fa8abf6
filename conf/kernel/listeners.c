/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The classes of sockets that listen, from the kernel's list of sockets (sock_diag). */

#include "conf/kernel/listeners.h"

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>

struct search {
	const struct resolver *at;
	uint32_t classid;
	bool found;
};

/* Of both families: a socket of IPv6 may be for IPv4 too. */
static bool is_at(const struct inet_diag_msg *socket, const struct resolver *at)
{
	static const uint32_t any[4], mapped[3] = { 0, 0, 0 };
	const uint32_t *address = socket->id.idiag_src;
	size_t size = at->family == AF_INET ? 4 : 16;

	if (ntohs(socket->id.idiag_sport) != at->port || socket->id.idiag_dport)
		return false;
	if (!memcmp(address, any, socket->idiag_family == AF_INET ? 4 : 16))
		return true;
	if (socket->idiag_family == at->family)
		return !memcmp(address, &at->address, size);
	return at->family == AF_INET && !memcmp(address, mapped, 8) && address[2] == htonl(0xffff) &&
	       !memcmp(address + 3, &at->address, 4);
}

static int look_at(struct nl_msg *message, void *with)
{
	struct search *s = with;
	struct nlmsghdr *header = nlmsg_hdr(message);
	const struct inet_diag_msg *socket = nlmsg_data(header);
	const struct nlattr *classid = nlmsg_find_attr(header, sizeof(*socket), INET_DIAG_CLASS_ID);

	if (classid && nla_get_u32(classid) == s->classid && is_at(socket, s->at))
		s->found = true;
	return NL_OK;
}

bool listeners_include(const struct resolver *at, int protocol, uint32_t classid)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct search search = { at, classid, false };
	struct nl_sock *diag = nl_socket_alloc();

	if (diag && !nl_connect(diag, NETLINK_SOCK_DIAG)) {
		nl_socket_modify_cb(diag, NL_CB_VALID, NL_CB_CUSTOM, look_at, &search);
		for (size_t i = 0; i < sizeof(families); i++) {
			struct inet_diag_req_v2 request = {
				.sdiag_family = families[i],
				.sdiag_protocol = (uint8_t)protocol,
				/* The number of INET_DIAG_CLASS_ID is too high to be asked for: it comes with
				 * this one (inet_diag_msg_attrs_fill). */
				.idiag_ext = 1 << (INET_DIAG_TCLASS - 1),
				/* What is no connection. */
				.idiag_states = 1 << TCP_LISTEN | 1 << TCP_CLOSE,
			};

			if (nl_send_simple(diag, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof(request)) >= 0)
				nl_recvmsgs_default(diag);
		}
	}
	nl_socket_free(diag);
	return search.found;
}
