/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* rtnetlink, the way to the kernel's interfaces, addresses and routes: see rtnetlink.h. */

#include "conf/kernel/rtnetlink.h"

#include "conf/language/alloc.h"

#include <netlink/addr.h>
#include <netlink/netlink.h>

struct nl_sock *rtnetlink_socket(void)
{
	struct nl_sock *socket = or_out_of_memory(nl_socket_alloc());

	if (!nl_connect(socket, NETLINK_ROUTE))
		return socket;
	warnx("cannot reach the kernel's routing (rtnetlink)");
	nl_socket_free(socket);
	return NULL;
}

struct nl_addr *rtnetlink_address(int family, const struct in6_addr *address, unsigned prefix)
{
	struct nl_addr *made = or_out_of_memory(nl_addr_build(family, address, family == AF_INET ? 4 : 16));

	nl_addr_set_prefixlen(made, (int)prefix);
	return made;
}

bool rtnetlink_succeeded(int error, const char *what)
{
	if (error >= 0 || error == -NLE_EXIST)
		return true;
	warnx("cannot %s: %s", what, nl_geterror(error));
	return false;
}

static bool ipv6_lacking;

bool rtnetlink_lacks_ipv6(void)
{
	return ipv6_lacking;
}

/* Where the kernel was started with ipv6.disable=1, there is nothing of IPv6 to route:
 * nobody has registered for its rules (EAFNOSUPPORT) or routes (EOPNOTSUPP). */
bool rtnetlink_succeeded_for(int family, int error, const char *what)
{
	if (family != AF_INET6 || (error != -NLE_AF_NOSUPPORT && error != -NLE_OPNOTSUPP))
		return rtnetlink_succeeded(error, what);
	ipv6_lacking = true;
	return true;
}
