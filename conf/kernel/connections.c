/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Connections, from the kernel's list of them (ctnetlink): see connections.h. */

#include "conf/kernel/connections.h"

#include <ifaddrs.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>

struct visit {
	void (*call)(const struct connection *connection, void *with);
	void *with;
	struct ifaddrs *own; /* the addresses of this machine */
};

static void read_address(struct nlattr *const ip[], int v4, int v6, struct in6_addr *address)
{
	const struct nlattr *value = ip[v4] ? ip[v4] : ip[v6];

	if (value)
		nla_memcpy(address, value, sizeof(*address));
}

static bool read_tuple(struct connection *c, struct nlattr *tuple)
{
	struct nlattr *parts[CTA_TUPLE_MAX + 1];
	struct nlattr *ip[CTA_IP_MAX + 1];
	struct nlattr *proto[CTA_PROTO_MAX + 1];

	if (!tuple || nla_parse_nested(parts, CTA_TUPLE_MAX, tuple, NULL) || !parts[CTA_TUPLE_IP] ||
	    !parts[CTA_TUPLE_PROTO] || nla_parse_nested(ip, CTA_IP_MAX, parts[CTA_TUPLE_IP], NULL) ||
	    nla_parse_nested(proto, CTA_PROTO_MAX, parts[CTA_TUPLE_PROTO], NULL) || !proto[CTA_PROTO_NUM] ||
	    !proto[CTA_PROTO_SRC_PORT] || !proto[CTA_PROTO_DST_PORT])
		return false;
	read_address(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC, &c->source);
	read_address(ip, CTA_IP_V4_DST, CTA_IP_V6_DST, &c->destination);
	c->protocol = nla_get_u8(proto[CTA_PROTO_NUM]);
	c->source_port = ntohs(nla_get_u16(proto[CTA_PROTO_SRC_PORT]));
	c->destination_port = ntohs(nla_get_u16(proto[CTA_PROTO_DST_PORT]));
	return true;
}

static bool read_bytes(uint64_t *bytes, struct nlattr *counters)
{
	struct nlattr *parts[CTA_COUNTERS_MAX + 1];
	uint64_t value;

	if (!counters || nla_parse_nested(parts, CTA_COUNTERS_MAX, counters, NULL) || !parts[CTA_COUNTERS_BYTES])
		return false;
	nla_memcpy(&value, parts[CTA_COUNTERS_BYTES], sizeof(value));
	*bytes = be64toh(value);
	return true;
}

static bool is_own(const struct ifaddrs *own, int family, const struct in6_addr *address)
{
	size_t size = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);

	for (; own; own = own->ifa_next) {
		const struct sockaddr *a = own->ifa_addr;

		if (!a || a->sa_family != family)
			continue;
		if (!memcmp(family == AF_INET
				    ? (const void *)&((const struct sockaddr_in *)(const void *)a)->sin_addr
				    : (const void *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
			    address, size))
			return true;
	}
	return false;
}

static int hear(struct nl_msg *message, void *with)
{
	const struct visit *visit = with;
	struct nlmsghdr *header = nlmsg_hdr(message);
	const struct nfgenmsg *kind;
	struct nlattr *parts[CTA_MAX + 1];
	struct connection c = { .family = AF_UNSPEC };

	if (!nlmsg_valid_hdr(header, sizeof(*kind)) || nlmsg_parse(header, sizeof(*kind), parts, CTA_MAX, NULL))
		return NL_SKIP;
	kind = nlmsg_data(header);
	c.family = kind->nfgen_family;
	if (!read_tuple(&c, parts[CTA_TUPLE_ORIG]))
		return NL_SKIP;
	c.from_here = is_own(visit->own, c.family, &c.source);
	c.counted = read_bytes(&c.sent, parts[CTA_COUNTERS_ORIG]) && read_bytes(&c.received, parts[CTA_COUNTERS_REPLY]);
	visit->call(&c, visit->with);
	return NL_OK;
}

bool connections_each(void (*visit)(const struct connection *connection, void *with), void *with)
{
	struct visit call = { visit, with, NULL };
	const struct nfgenmsg all = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };
	struct nl_sock *sock = nl_socket_alloc();
	bool ok = sock && !nl_connect(sock, NETLINK_NETFILTER);

	if (getifaddrs(&call.own))
		call.own = NULL;
	if (ok) {
		nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, hear, &call);
		nl_socket_disable_auto_ack(sock);
		ok = nl_send_simple(sock, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, NLM_F_DUMP,
				    (void *)(uintptr_t)&all, sizeof(all)) >= 0 &&
		     nl_recvmsgs_default(sock) >= 0;
	}
	nl_socket_free(sock);
	if (call.own)
		freeifaddrs(call.own);
	return ok;
}
