/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What is in netshim's table: see dump.h. */

#include "conf/kernel/dump.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/netlink.h>

struct nl_msg *dump_request(int kind, int table)
{
	struct nfgenmsg head = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };
	struct nl_msg *request = nlmsg_alloc_simple(NFNL_SUBSYS_NFTABLES << 8 | kind, NLM_F_DUMP);

	if (!request || (nlmsg_append(request, &head, sizeof(head), NLMSG_ALIGNTO) >= 0 &&
			 nla_put_string(request, table, "netshim") >= 0))
		return request;
	nlmsg_free(request);
	return NULL;
}

bool dump(struct nl_msg *request, int (*hear)(struct nl_msg *answer, void *with), void *with)
{
	struct nl_sock *socket = nl_socket_alloc();
	bool ok = request && socket && !nl_connect(socket, NETLINK_NETFILTER);

	if (ok) {
		nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, hear, with);
		ok = nl_send_auto(socket, request) >= 0 && nl_recvmsgs_default(socket) >= 0;
	}
	nlmsg_free(request);
	nl_socket_free(socket);
	return ok;
}
