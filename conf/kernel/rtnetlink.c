/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* rtnetlink, the way to the kernel's interfaces, addresses and routes: see rtnetlink.h. */

#include "conf/kernel/rtnetlink.h"

#include "conf/language/alloc.h"

#include <linux/rtnetlink.h>
#include <netlink/addr.h>
#include <netlink/netlink.h>
#include <netlink/route/route.h>

/* The kernel tells of a route with the port of who has asked for the change (rtmsg_fib and
 * inet6_rt_notify). This is "NETS": libnl takes a process's number and few sockets of it. */
#define KNOWN_PORT 0x4e455453

static struct nl_sock *connected(struct nl_sock *socket)
{
	if (!nl_connect(socket, NETLINK_ROUTE))
		return socket;
	warnx("cannot reach the kernel's routing (rtnetlink)");
	nl_socket_free(socket);
	return NULL;
}

struct nl_sock *rtnetlink_socket(void)
{
	return connected(or_out_of_memory(nl_socket_alloc()));
}

/* Anybody may have taken the port. */
struct nl_sock *rtnetlink_known_socket(void)
{
	struct nl_sock *socket = or_out_of_memory(nl_socket_alloc());

	nl_socket_set_local_port(socket, KNOWN_PORT);
	if (!nl_connect(socket, NETLINK_ROUTE))
		return socket;
	nl_socket_set_local_port(socket, 0);
	return connected(socket);
}

bool rtnetlink_is_own(const struct nlmsghdr *told)
{
	return told->nlmsg_pid == KNOWN_PORT;
}

struct nl_addr *rtnetlink_address(int family, const struct in6_addr *address, unsigned prefix)
{
	struct nl_addr *made = or_out_of_memory(nl_addr_build(family, address, family == AF_INET ? 4 : 16));

	nl_addr_set_prefixlen(made, (int)prefix);
	return made;
}

struct nl_addr *rtnetlink_gateway(struct rtnl_nexthop *hop)
{
	struct nl_addr *gateway = rtnl_route_nh_get_gateway(hop);

	return gateway ? gateway : rtnl_route_nh_get_via(hop);
}

void rtnetlink_set_gateway(struct rtnl_nexthop *hop, int family, struct nl_addr *via)
{
	if (via && nl_addr_get_family(via) == family)
		rtnl_route_nh_set_gateway(hop, via);
	else if (via)
		rtnl_route_nh_set_via(hop, via);
}

static void leave_out_learned(struct nl_object *object, void *with)
{
	(void)with;
	if (rtnl_route_get_flags((struct rtnl_route *)object) & RTM_F_CLONED)
		nl_cache_remove(object);
}

/* The kernel lists what it has learned on the way (path MTUs, redirects) with the routes that led
 * there, as more of their tables (fib_dump_info_fnhe, rt6_nh_dump_exceptions). */
int rtnetlink_routes(struct nl_sock *socket, struct nl_cache **routes)
{
	int error = rtnl_route_alloc_cache(socket, AF_UNSPEC, 0, routes);

	if (error >= 0)
		nl_cache_foreach(*routes, leave_out_learned, NULL);
	return error;
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
