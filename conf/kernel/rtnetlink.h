/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* rtnetlink, the way to the kernel's interfaces, addresses and routes, by libnl. Failures are
 * told on stderr. */

#ifndef NETSHIM_RTNETLINK_H
#define NETSHIM_RTNETLINK_H

#include <netinet/in.h>
#include <stdbool.h>

/* A socket, or NULL with a message. */
struct nl_sock;
struct nl_sock *rtnetlink_socket(void);

/* What is done by this one, the kernel tells everybody as done by netshim. */
struct nl_sock *rtnetlink_known_socket(void);
struct nlmsghdr;
bool rtnetlink_is_own(const struct nlmsghdr *told);

/* An address or a network, for libnl. */
struct nl_addr;
struct nl_addr *rtnetlink_address(int family, const struct in6_addr *address, unsigned prefix);

/* A hop's gateway, of whichever family, or NULL. */
struct rtnl_nexthop;
struct nl_addr *rtnetlink_gateway(struct rtnl_nexthop *hop);

/* Makes via (NULL is none) the gateway of a hop of that family's route; via may be of the other one. */
void rtnetlink_set_gateway(struct rtnl_nexthop *hop, int family, struct nl_addr *via);

/* All routes that somebody has set, or libnl's error. */
struct nl_cache;
int rtnetlink_routes(struct nl_sock *socket, struct nl_cache **routes);

/* Tells whether libnl's error is none, or only that what was to be added is there; else there
 * is a message, which says what could not be done. */
bool rtnetlink_succeeded(int error, const char *what);
/* So, too, where what was to be added is of IPv6, and the kernel has none; and whether that
 * has been so. */
bool rtnetlink_succeeded_for(int family, int error, const char *what);
bool rtnetlink_lacks_ipv6(void);

#endif
