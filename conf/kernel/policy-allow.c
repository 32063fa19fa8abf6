/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What the words of allow and deny match: see policy-allow.h. */

#include "conf/kernel/policy-allow.h"

#include <arpa/inet.h>

/* What "lan" means: the private, link-local, multicast and broadcast networks. */
#define LAN_IPV4 "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255"
#define LAN_IPV6 "fc00::/7, fe80::/10, ff00::/8"

static void write_ports(FILE *out, const char *protocol, const struct allowance *a)
{
	fprintf(out, "%s dport %u", protocol, a->first_port);
	if (a->last_port != a->first_port)
		fprintf(out, "-%u", a->last_port);
}

static void write_network(FILE *out, const struct allowance *a, const char *then)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(a->family, &a->address, text, sizeof(text));
	fprintf(out, "\t\t%s daddr %s/%u", a->family == AF_INET ? "ip" : "ip6", text, a->prefix);
	if (a->first_port)
		write_ports(out, " th", a);
	fprintf(out, " %s\n", then);
}

void policy_write_allowance(FILE *out, const struct allowance *a, const char *then)
{
	switch (a->kind) {
	case ALLOW_LOOPBACK:
		fprintf(out, "\t\toifname \"lo\" %s\n", then);
		break;
	case ALLOW_LAN:
		fprintf(out, "\t\tip daddr { " LAN_IPV4 " } %s\n", then);
		fprintf(out, "\t\tip6 daddr { " LAN_IPV6 " } %s\n", then);
		break;
	case ALLOW_NETWORK:
		write_network(out, a, then);
		break;
	case ALLOW_PORTS:
		fprintf(out, "\t\t");
		write_ports(out, a->protocol == IPPROTO_TCP ? "tcp" : "udp", a);
		fprintf(out, " %s\n", then);
		break;
	}
}

/* A tunnel of the kernel's sends the packets that it wraps in the name of the socket
 * of what is in them (since Linux 4.19, skb_scrub_packet). They belong to no class. */
void policy_write_tunnels(FILE *out, const struct ruleset *set, const char *then)
{
	for (size_t i = 0; i < set->tunnels.count; i++)
		policy_write_allowance(out, &set->tunnels.items[i], then);
}
