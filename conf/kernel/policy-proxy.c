/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A class whose connections go to a proxy on this machine: conntrack gives their first
 * packet another destination, which the proxy can ask for the old one
 * (SO_ORIGINAL_DST). Of datagrams nobody could ask that: they keep their destination,
 * are led into the loopback interface by their mark (routing.c), and taken from there
 * by the proxy's transparent socket (TPROXY).
 *
 * What the proxy itself sends goes by its own class. Where that is the same one, it would
 * be sent round for ever: so the proxy's answers are refused there. */

#include "conf/kernel/policy-proxy.h"

#include "conf/kernel/policy-allow.h"
#include "conf/kernel/policy-dns.h"
#include "conf/kernel/policy-map.h"
#include "conf/kernel/policy-names.h"

#include <arpa/inet.h>

bool policy_has_proxy(const struct class *class)
{
	return class->proxies.count;
}

static bool has_udp_proxy(const struct class *class)
{
	return class->udp_proxies.count;
}

static const char *name_of(int family)
{
	return family == AF_INET ? "ip" : "ip6";
}

static const char *protocol_of(int family)
{
	return family == AF_INET ? "ipv4" : "ipv6";
}

static const char *address_of(const struct endpoint *proxy, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(proxy->family, &proxy->address, text, INET6_ADDRSTRLEN);
}

/* Writes "ADDRESS:PORT". */
static void write_proxy(FILE *out, const struct endpoint *proxy)
{
	char text[INET6_ADDRSTRLEN];

	fprintf(out, proxy->family == AF_INET ? "%s:%u" : "[%s]:%u", address_of(proxy, text), proxy->port);
}

/* The answer to a SYN of the same class becomes a reset, which tells the program at once:
 * of what comes in nobody knows yet whose socket is going to take it. */
void policy_write_proxied(FILE *out, const struct class *class)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < class->proxies.count; i++) {
		const struct endpoint *proxy = &class->proxies.items[i];
		const char *ip = name_of(proxy->family);

		address_of(proxy, text);
		fprintf(out,
			"\t\t%s saddr %s tcp sport %u ct status dnat ct direction reply counter "
			"name " POLICY_LOOP_COUNTER "_%s tcp flags set rst | ack accept\n",
			ip, text, proxy->port, class->name);
		fprintf(out, "\t\t%s daddr %s tcp dport %u ct status dnat ct direction original goto proxied_%s\n", ip,
			text, proxy->port, class->name);
	}
}

/* oifname is that of before netshim's mark, or the other destination, had the packet
 * routed anew; what is for this machine has always gone out there. */
void policy_write_proxy_guard(FILE *out, const struct class *class, const char *refusal)
{
	if (!policy_has_proxy(class))
		return;
	fprintf(out, "\t\toifname != \"lo\"");
	if (has_udp_proxy(class) && class->mark.mask == UINT32_MAX)
		fprintf(out, " meta mark != 0x%08x", class->mark.value);
	else if (has_udp_proxy(class))
		fprintf(out, " meta mark & 0x%08x != 0x%08x", class->mark.mask, class->mark.value);
	fprintf(out, " %s\n", refusal);
}

/* What netshim's own resolver asks others is not redirected to them, and goes to no proxy. */
static void write_own_queries(FILE *out, const struct class *class)
{
	if (class->verdict.answerer.count)
		fprintf(out, "\t\tmeta skgid %u accept\n", NAMES_USER);
}

static void write_connections(FILE *out, const struct class *class)
{
	fprintf(out, "\tchain proxy_%s {\n\t\toifname \"lo\" accept\n", class->name);
	write_own_queries(out, class);
	for (size_t i = 0; i < class->proxies.count; i++) {
		const struct endpoint *proxy = &class->proxies.items[i];

		fprintf(out, "\t\tmeta nfproto %s meta l4proto tcp dnat %s to ", protocol_of(proxy->family),
			name_of(proxy->family));
		write_proxy(out, proxy);
		fprintf(out, "\n");
	}
	fprintf(out, "\t}\n");
}

/* Many a proxy serves nobody but 127.0.0.1. */
static void write_source(FILE *out, const struct class *class)
{
	char text[INET6_ADDRSTRLEN];

	fprintf(out, "\tchain source_%s {\n", class->name);
	for (size_t i = 0; i < class->proxies.count; i++) {
		const struct endpoint *proxy = &class->proxies.items[i];
		const char *ip = name_of(proxy->family);

		fprintf(out, "\t\t%s daddr %s tcp dport %u ct status dnat snat %s to %s\n", ip, address_of(proxy, text),
			proxy->port, ip, proxy->family == AF_INET ? "127.0.0.1" : "::1");
	}
	fprintf(out, "\t}\n");
}

/* Queries that go to the class's resolvers do not go to the proxy. */
static void write_datagrams(FILE *out, const struct class *class)
{
	fprintf(out,
		"\tchain udp_%s {\n\t\tmeta l4proto != udp accept\n\t\toifname \"lo\" accept\n"
		"\t\tfib daddr type broadcast accept\n\t\tfib daddr type multicast accept\n",
		class->name);
	if (class_resolvers(class)->count)
		fprintf(out, "\t\tudp dport 53 accept\n");
	write_own_queries(out, class);
	for (size_t i = 0; i < class->udp_proxies.count; i++) {
		fprintf(out, "\t\tmeta nfproto %s ", protocol_of(class->udp_proxies.items[i].family));
		policy_write_mark(out, "meta mark", class->mark);
		fprintf(out, "\n");
	}
	fprintf(out, "\t}\n");
}

/* The socket that takes a datagram is known here, and so is its class. Not as one set for
 * both classids: the kernel gives each a name among all others'. */
static void write_taking(FILE *out, const struct class *class, uint32_t live)
{
	const uint32_t classids[] = { class->classid, live };

	fprintf(out, "\tchain tproxied_%s {\n", class->name);
	for (size_t i = 0; i < 2; i++)
		if (classids[i] && (!i || live != class->classid))
			fprintf(out, "\t\tmeta cgroup 0x%08x counter name " POLICY_LOOP_COUNTER "_%s drop\n",
				classids[i], class->name);
	fprintf(out,
		"\t\taccept\n\t}\n"
		"\tchain tproxy_%s {\n",
		class->name);
	for (size_t i = 0; i < class->udp_proxies.count; i++) {
		const struct endpoint *proxy = &class->udp_proxies.items[i];

		fprintf(out, "\t\tmeta nfproto %s meta l4proto udp tproxy %s to ", protocol_of(proxy->family),
			name_of(proxy->family));
		write_proxy(out, proxy);
		fprintf(out, " goto tproxied_%s\n", class->name);
	}
	/* Nobody is there to take it; nor could the kernel tell the sender in the name of an
	 * address that is not this machine's. */
	fprintf(out, "\t\tdrop\n\t}\n");
}

static void write_udp(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	fprintf(out, "\n\t# proxy-udp: datagrams, into the loopback interface\n\tchain datagrams {\n"
		     "\t\ttype route hook output priority -140; policy accept;\n");
	policy_write_tunnels(out, set, "accept");
	policy_write_map(out, set, live, "meta cgroup vmap", "goto udp_", has_udp_proxy);
	fprintf(out, "\t}\n\n\t# and out of it, to the proxy\n\tchain received {\n"
		     "\t\ttype filter hook prerouting priority mangle; policy accept;\n");
	policy_write_mark_map(out, set, "iifname \"lo\" meta l4proto udp meta mark", "goto tproxy_", has_udp_proxy);
	/* To an answer that nobody waits for any more the kernel would say so (ICMP), and to
	 * the address in whose name the proxy has sent it: past the proxy. */
	fprintf(out, "\t}\n\n\t# an answer of it that comes too late\n\tchain late_answers {\n"
		     "\t\ttype filter hook input priority filter; policy accept;\n"
		     "\t\tiifname \"lo\" meta l4proto udp fib saddr type != local socket mark >= 0 accept\n"
		     "\t\tiifname \"lo\" meta l4proto udp fib saddr type != local drop\n\t}\n");
}

/* Whatever others do to a packet on its way: no class with a proxy leaves this machine,
 * but for its resolvers. */
static void write_inside(FILE *out, const struct class *class)
{
	fprintf(out, "\tchain inside_%s {\n\t\toifname \"lo\" accept\n", class->name);
	policy_write_resolvers(out, &class->dns);
	fprintf(out, "\t\tgoto refuse_silently\n\t}\n");
}

void policy_write_proxies(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	bool any = false;
	bool any_udp = false;

	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *class = &set->classes[i];

		if (!policy_has_proxy(class))
			continue;
		write_connections(out, class);
		write_source(out, class);
		write_inside(out, class);
		any = true;
		if (!has_udp_proxy(class))
			continue;
		write_datagrams(out, class);
		write_taking(out, class, live ? live[i] : 0);
		any_udp = true;
	}
	if (!any)
		return;
	/* After the resolvers' chain. */
	fprintf(out, "\n\t# proxy: connections, to another destination\n\tchain proxies {\n"
		     "\t\ttype nat hook output priority -105; policy accept;\n");
	policy_write_map(out, set, live, "meta cgroup vmap", "goto proxy_", policy_has_proxy);
	fprintf(out, "\t}\n\tchain clients {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n");
	policy_write_map(out, set, live, "oifname \"lo\" meta cgroup vmap", "goto source_", policy_has_proxy);
	fprintf(out, "\t}\n\n\t# and nothing past it\n\tchain inside {\n"
		     "\t\ttype filter hook postrouting priority 0; policy accept;\n");
	policy_write_tunnels(out, set, "accept");
	policy_write_map(out, set, live, "meta cgroup vmap", "goto inside_", policy_has_proxy);
	fprintf(out, "\t}\n");
	if (any_udp)
		write_udp(out, set, live);
}
