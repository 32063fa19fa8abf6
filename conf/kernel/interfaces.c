/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Which changes of interfaces, addresses and routes matter to classes: see interfaces.h.
 *
 * Containers come and go with interfaces, link-local addresses and neighbours' routes of
 * their own, which are nothing to a class. Of links only those count that have, or had,
 * a name that a class wants: what else changes with a link shows in addresses and routes;
 * and where it goes down, the kernel takes its routes out of every table, without a word
 * (fib_sync_down_dev in its net/ipv4/fib_semantics.c). */

#include "conf/kernel/interfaces.h"

#include "conf/kernel/policy-allow.h"
#include "conf/kernel/policy-dns.h"
#include "conf/kernel/routing.h"
#include "conf/kernel/rtnetlink.h"
#include "conf/kernel/ways.h"
#include "conf/language/alloc.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <sys/socket.h>

/* Words among the names of interfaces: what needs all of the main table's routes, and, where nothing
 * else does, what needs but netshim's own by the loopback interface. */
#define ORDINARY "ordinary"
#define LOOPBACK "lo"

/* By whichever interface answers to a namespace come in, the kernel is to forward them. */
static bool needs_all(const struct ruleset *set)
{
	bool any = policy_has_neighbours(set);

	for (size_t i = 0; i < set->class_count; i++)
		any = any || set->classes[i].ordinary ||
		      (set->classes[i].addresses.count && !set->classes[i].interface);
	return any;
}

static bool needs_loopback(const struct ruleset *set)
{
	bool any = policy_has_stand_in(set);

	for (size_t i = 0; i < set->class_count; i++)
		any = any || set->classes[i].udp_proxies.count;
	return any;
}

char *interfaces_wanted(const struct ruleset *set)
{
	char *text = NULL;
	size_t size;
	FILE *out = memstream_open(&text, &size);

	if (needs_all(set))
		fprintf(out, ORDINARY "\n");
	for (size_t i = 0; i < set->class_count; i++)
		if (set->classes[i].interface)
			fprintf(out, "%s\n", set->classes[i].interface);
	if (needs_loopback(set))
		fprintf(out, LOOPBACK "\n");
	memstream_close(out);
	return text;
}

int interfaces_events(void)
{
	struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
			     RTMGRP_IPV6_ROUTE | 1U << (RTNLGRP_NEXTHOP - 1),
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&groups, sizeof(groups)))
		err(EXIT_FAILURE, "cannot be told of interfaces (rtnetlink)");
	return fd;
}

static bool wants_ordinary(const char *wanted)
{
	return strstr(wanted, ORDINARY "\n");
}

static bool wants_others(const char *wanted)
{
	return strcmp(wanted, LOOPBACK "\n") != 0;
}

/* One of the lines, which may end in a star. */
static bool wants_name(const char *wanted, const char *name)
{
	size_t length;

	for (; (length = strcspn(wanted, "\n")); wanted += length + 1)
		if (wanted[length - 1] == '*' ? !strncmp(wanted, name, length - 1)
					      : !strncmp(wanted, name, length) && !name[length])
			return true;
	return false;
}

/* Those that have or had a wanted name. */
static unsigned *noted;
static size_t noted_count;

static bool is_noted(unsigned index)
{
	for (size_t i = 0; i < noted_count; i++)
		if (noted[i] == index)
			return true;
	return false;
}

static void note(unsigned index)
{
	if (is_noted(index))
		return;
	noted = grown(noted, noted_count, sizeof(*noted));
	noted[noted_count++] = index;
}

void interfaces_note(const char *wanted)
{
	struct if_nameindex *all = if_nameindex();

	free(noted);
	noted = NULL;
	noted_count = 0;
	for (struct if_nameindex *i = all; i && i->if_index; i++)
		if (wants_name(wanted, i->if_name))
			note(i->if_index);
	if (all)
		if_freenameindex(all);
}

/* A bridge tells of its ports beside, in a family of its own. */
static bool link_matters(struct nlmsghdr *message, const char *wanted)
{
	const struct ifinfomsg *info = nlmsg_data(message);
	struct nlattr *attributes[IFLA_MAX + 1];

	if (nlmsg_parse(message, sizeof(*info), attributes, IFLA_MAX, NULL) || info->ifi_family != AF_UNSPEC)
		return false;
	if (attributes[IFLA_IFNAME] && wants_name(wanted, nla_get_string(attributes[IFLA_IFNAME])))
		note((unsigned)info->ifi_index);
	return is_noted((unsigned)info->ifi_index);
}

/* One that is not sure to be its own yet is told of again when it is. */
static bool address_matters(struct nlmsghdr *message)
{
	const struct ifaddrmsg *address = nlmsg_data(message);

	return address->ifa_scope != RT_SCOPE_LINK && !(address->ifa_flags & IFA_F_TENTATIVE);
}

static bool is_link_local(const struct rtmsg *route, const struct nlattr *to)
{
	return route->rtm_family == AF_INET6 && to && nla_len(to) == sizeof(struct in6_addr) &&
	       IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)nla_data(to));
}

/* What ways.c goes by: default routes, and those to networks that the machine is part of;
 * of the main table, which classes that go the ordinary way copy. */
static bool route_matters(struct nlmsghdr *message, const char *wanted)
{
	const struct rtmsg *route = nlmsg_data(message);
	struct nlattr *attributes[RTA_MAX + 1];
	uint8_t by = route->rtm_protocol;

	if (nlmsg_parse(message, sizeof(*route), attributes, RTA_MAX, NULL) || route->rtm_table != RT_TABLE_MAIN ||
	    route->rtm_type != RTN_UNICAST || (route->rtm_flags & RTM_F_CLONED) ||
	    is_link_local(route, attributes[RTA_DST]))
		return false;
	return route->rtm_dst_len <= WAYS_WIDE || by == RTPROT_KERNEL || by == RTPROT_RA || by == RTPROT_DHCP ||
	       wants_ordinary(wanted);
}

/* Out of a class's table, others take what they have not put there, as NetworkManager and
 * systemd-networkd do from tables that they are told of. */
static bool is_taken_away(const struct nlmsghdr *message)
{
	const struct rtmsg *route = nlmsg_data(message);

	return message->nlmsg_type == RTM_DELROUTE && route->rtm_protocol == ROUTING_PROTOCOL &&
	       !rtnetlink_is_own(message);
}

/* A new one has no routes. What becomes of those that have the nexthop object, the kernel need not
 * tell (the sysctl net.ipv4.nexthop_compat_mode; fib_flush in its net/ipv4/fib_frontend.c). */
static bool nexthop_matters(const struct nlmsghdr *message)
{
	return message->nlmsg_type == RTM_DELNEXTHOP || (message->nlmsg_flags & NLM_F_REPLACE);
}

static bool matters(struct nlmsghdr *message, const char *wanted)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return link_matters(message, wanted);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return wants_others(wanted) && nlmsg_valid_hdr(message, sizeof(struct ifaddrmsg)) &&
		       address_matters(message);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return nlmsg_valid_hdr(message, sizeof(struct rtmsg)) &&
		       (is_taken_away(message) || (wants_others(wanted) && route_matters(message, wanted)));
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		return wants_others(wanted) && nexthop_matters(message);
	default:
		return false;
	}
}

/* What is lost for want of room (ENOBUFS) may matter. */
bool interfaces_hear(int events, const char *wanted)
{
	static _Alignas(struct nlmsghdr) char buffer[1 << 15];
	bool any = false;
	ssize_t size;

	while ((size = recv(events, buffer, sizeof(buffer), 0)) >= 0 || errno == ENOBUFS) {
		int left = (int)size;

		any = any || size < 0;
		for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; left > 0 && nlmsg_ok(m, left);
		     m = nlmsg_next(m, &left))
			any = matters(m, wanted) || any;
	}
	return any;
}
