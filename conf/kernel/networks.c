/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The networks that this machine is part of: see networks.h. */

#include "conf/kernel/networks.h"

#include "conf/kernel/rtnetlink.h"
#include "conf/language/alloc.h"

#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/route.h>

static bool is_ones_own(struct rtnl_route *route)
{
	uint8_t protocol = rtnl_route_get_protocol(route);

	return (protocol == RTPROT_KERNEL || protocol == RTPROT_RA || protocol == RTPROT_DHCP) &&
	       rtnl_route_get_nnexthops(route) == 1 && !rtnetlink_gateway(rtnl_route_nexthop_n(route, 0));
}

/* false where there is none, or a link-local one: the kernel keeps those on their
 * link by itself. */
static bool take_address(struct network *network, const struct nl_addr *from)
{
	if (!from || nl_addr_get_len(from) > sizeof(network->address))
		return false;
	memcpy(&network->address, nl_addr_get_binary_addr(from), nl_addr_get_len(from));
	return network->family != AF_INET6 || !IN6_IS_ADDR_LINKLOCAL(&network->address);
}

static void note_network(struct network_list *networks, const struct network *network)
{
	networks->items = grown(networks->items, networks->count, sizeof(*networks->items));
	networks->items[networks->count++] = *network;
}

static void note_main_route(struct network_list *networks, const struct network *to, int interface,
			    const struct gateway *gateway)
{
	struct main_route route = { .to = *to, .gateway = *gateway };

	route.to.interface = interface;
	networks->main = grown(networks->main, networks->main_count, sizeof(*networks->main));
	networks->main[networks->main_count++] = route;
}

/* Of a route with one hop, the flags are said to be the route's (rtnl_route_parse). */
static void note_hop_of(struct network_list *networks, const struct network *to, struct rtnl_route *route,
			struct rtnl_nexthop *hop)
{
	const struct nl_addr *via = rtnetlink_gateway(hop);
	struct gateway gateway = { .onlink = (rtnl_route_get_flags(route) | rtnl_route_nh_get_flags(hop)) &
					     RTNH_F_ONLINK };

	if (via && nl_addr_get_len(via) <= sizeof(gateway.address)) {
		gateway.family = nl_addr_get_family(via);
		memcpy(&gateway.address, nl_addr_get_binary_addr(via), nl_addr_get_len(via));
	}
	note_main_route(networks, to, rtnl_route_nh_get_ifindex(hop), &gateway);
}

/* A group has no groups in it (valid_group_nh in the kernel's net/ipv4/nexthop.c). */
static void note_object_of(struct network_list *networks, const struct network *to, uint32_t id)
{
	for (size_t i = 0; i < networks->hop_count; i++) {
		const struct hop *h = &networks->hops[i];

		if (h->id == id && h->member)
			note_object_of(networks, to, h->member);
		else if (h->id == id)
			note_main_route(networks, to, h->interface, &h->gateway);
	}
}

/* The kernel lists the routes to one network in the order in which it takes them. */
static void note_route(struct network_list *networks, struct rtnl_route *route, const struct nlattr *object)
{
	const struct nl_addr *to = rtnl_route_get_dst(route);
	struct network network = { .family = rtnl_route_get_family(route), .prefix = nl_addr_get_prefixlen(to) };

	if (!take_address(&network, to))
		return;
	for (int i = 0; i < rtnl_route_get_nnexthops(route); i++)
		note_hop_of(networks, &network, route, rtnl_route_nexthop_n(route, i));
	/* With the sysctl net.ipv4.nexthop_compat_mode = 0, that is all that is said of its hops. */
	if (object && !rtnl_route_get_nnexthops(route))
		note_object_of(networks, &network, nla_get_u32(object));
	if (!is_ones_own(route) || !network.prefix)
		return;
	network.interface = rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, 0));
	note_network(networks, &network);
}

/* Most may be of the classes' tables: those are not taken apart. Nor is what the kernel has
 * learned on the way (rtnetlink_routes). */
static int note_route_message(struct nl_msg *message, void *with)
{
	const struct rtmsg *head = nlmsg_data(nlmsg_hdr(message));
	struct rtnl_route *route;

	if (head->rtm_table != RT_TABLE_MAIN || head->rtm_type != RTN_UNICAST || (head->rtm_flags & RTM_F_CLONED) ||
	    rtnl_route_parse(nlmsg_hdr(message), &route) < 0)
		return NL_SKIP;
	note_route(with, route, nlmsg_find_attr(nlmsg_hdr(message), sizeof(*head), RTA_NH_ID));
	rtnl_route_put(route);
	return NL_OK;
}

static void add_hop(struct network_list *networks, const struct hop *hop)
{
	networks->hops = grown(networks->hops, networks->hop_count, sizeof(*networks->hops));
	networks->hops[networks->hop_count++] = *hop;
}

static int note_hop(struct nl_msg *message, void *with)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	const struct nhmsg *head = nlmsg_data(header);
	struct nlattr *attributes[NHA_MAX + 1];
	const struct nexthop_grp *members;
	struct hop hop = { .gateway.onlink = head->nh_flags & RTNH_F_ONLINK };

	if (nlmsg_parse(header, sizeof(*head), attributes, NHA_MAX, NULL) || !attributes[NHA_ID])
		return NL_SKIP;
	hop.id = nla_get_u32(attributes[NHA_ID]);
	if (attributes[NHA_OIF])
		hop.interface = (int)nla_get_u32(attributes[NHA_OIF]);
	if (attributes[NHA_GATEWAY]) {
		hop.gateway.family = head->nh_family;
		nla_memcpy(&hop.gateway.address, attributes[NHA_GATEWAY], sizeof(hop.gateway.address));
	}
	if (!attributes[NHA_GROUP])
		add_hop(with, &hop);
	members = attributes[NHA_GROUP] ? nla_data(attributes[NHA_GROUP]) : NULL;
	for (int i = 0; members && i < nla_len(attributes[NHA_GROUP]) / (int)sizeof(*members); i++) {
		hop.member = members[i].id;
		add_hop(with, &hop);
	}
	return NL_OK;
}

/* Those that carry others' packets within their own. Not ppp, which is how many reach
 * their provider. */
static bool is_tunnel(const char *kind)
{
	static const char *const kinds[] = { "tun",    "wireguard", "amneziawg", "ovpn", "gre",	  "gretap",
					     "ip6gre", "ip6gretap", "erspan",	 "ipip", "sit",	  "ip6tnl",
					     "vti",    "vti6",	    "xfrm",	 "l2tp", "geneve" };

	for (size_t i = 0; kind && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kind, kinds[i]))
			return true;
	return false;
}

static int note_link(struct nl_msg *message, void *with)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	const struct ifinfomsg *info = nlmsg_data(header);
	struct network_list *networks = with;
	struct nlattr *attributes[IFLA_MAX + 1];
	struct nlattr *kinds[IFLA_INFO_MAX + 1] = { NULL };
	struct link link = { .index = info->ifi_index, .up = info->ifi_flags & IFF_UP };

	if (nlmsg_parse(header, sizeof(*info), attributes, IFLA_MAX, NULL) || !attributes[IFLA_IFNAME])
		return NL_SKIP;
	if (attributes[IFLA_LINKINFO])
		nla_parse_nested(kinds, IFLA_INFO_MAX, attributes[IFLA_LINKINFO], NULL);
	link.ether = info->ifi_type == ARPHRD_ETHER;
	link.asks = link.ether && !(info->ifi_flags & (IFF_NOARP | IFF_POINTOPOINT));
	nla_strlcpy(link.name, attributes[IFLA_IFNAME], sizeof(link.name));
	link.tunnel = kinds[IFLA_INFO_KIND] && is_tunnel(nla_get_string(kinds[IFLA_INFO_KIND]));
	networks->links = grown(networks->links, networks->link_count, sizeof(*networks->links));
	networks->links[networks->link_count++] = link;
	return NL_OK;
}

/* Not libnl's own caches: that of links takes a request that could not be sent for one
 * that was, and waits for the answer for ever; that of routes leaves out those that
 * differ in their interface alone. */
static int read_all(int type, void *request, size_t size, int (*note)(struct nl_msg *, void *),
		    struct network_list *networks)
{
	struct nl_sock *socket = rtnetlink_socket();
	int error;

	if (!socket)
		return -NLE_BAD_SOCK;
	nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, note, networks);
	error = nl_send_simple(socket, type, NLM_F_DUMP, request, size);
	if (error >= 0)
		error = nl_recvmsgs_default(socket);
	nl_socket_free(socket);
	return error;
}

static void note_address(struct nl_object *object, void *with)
{
	struct rtnl_addr *address = (struct rtnl_addr *)object;
	struct network_list *networks = with;
	struct network own = { .family = rtnl_addr_get_family(address), .interface = rtnl_addr_get_ifindex(address) };

	if (!take_address(&own, rtnl_addr_get_local(address)))
		return;
	for (size_t i = 0; i < networks->own_count; i++)
		if (network_is_same(&networks->own[i], &own) && networks->own[i].interface == own.interface)
			return;
	networks->own = grown(networks->own, networks->own_count, sizeof(*networks->own));
	networks->own[networks->own_count++] = own;
}

static int read_once(struct network_list *networks)
{
	struct nhmsg hops = { .nh_family = AF_UNSPEC };
	struct rtmsg routes = { .rtm_family = AF_UNSPEC };
	struct ifinfomsg links = { .ifi_family = AF_UNSPEC };
	struct nl_sock *socket = rtnetlink_socket();
	struct nl_cache *addresses = NULL;
	int error = socket ? rtnl_addr_alloc_cache(socket, &addresses) : -NLE_BAD_SOCK;

	*networks = (struct network_list){ .items = NULL };
	if (error >= 0)
		nl_cache_foreach(addresses, note_address, networks);
	if (error >= 0)
		error = read_all(RTM_GETNEXTHOP, &hops, sizeof(hops), note_hop, networks);
	/* Kernels before 5.3 have none. */
	if (error >= 0 || error == -NLE_OPNOTSUPP)
		error = read_all(RTM_GETROUTE, &routes, sizeof(routes), note_route_message, networks);
	if (error >= 0)
		error = read_all(RTM_GETLINK, &links, sizeof(links), note_link, networks);
	nl_cache_free(addresses);
	nl_socket_free(socket);
	return error;
}

#define READ_TRIES 50

/* What comes or goes while the kernel lists it may make it list some of it twice or not
 * at all, which it tells (NLM_F_DUMP_INTR): then it is asked again. */
bool networks_read(struct network_list *networks)
{
	int error = read_once(networks);

	for (int tries = 1; error == -NLE_DUMP_INTR && tries < READ_TRIES; tries++) {
		networks_free(networks);
		error = read_once(networks);
	}
	return rtnetlink_succeeded(error, "read the interfaces, addresses and routes");
}

void networks_free(struct network_list *networks)
{
	free(networks->items);
	free(networks->own);
	free(networks->main);
	free(networks->hops);
	free(networks->links);
}

const struct link *networks_link(const struct network_list *networks, int index)
{
	for (size_t i = 0; i < networks->link_count; i++)
		if (networks->links[i].index == index)
			return &networks->links[i];
	return NULL;
}

const struct link *networks_link_named(const struct network_list *networks, const char *name)
{
	for (size_t i = 0; i < networks->link_count; i++)
		if (!strcmp(networks->links[i].name, name))
			return &networks->links[i];
	return NULL;
}
