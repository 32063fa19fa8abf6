/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* From a ruleset to nftables, through libnftables: one table, replaced in one
 * transaction.
 *
 * The way of a packet: its sending socket's classid is looked up in one map, so
 * the number of classes costs nothing. Packets of a socket in no class go to the
 * chain `unclassified`; packets without a socket (the kernel's own: resets, what
 * follows a close, ICMP, neighbour discovery) are told from those by `meta
 * cgroup`, which matches only where there is one. */

#include "conf/alloc.h"
#include "conf/ruleset.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <nftables/libnftables.h>

/* What "lan" means: the private, link-local, multicast and broadcast networks. */
#define LAN_IPV4 "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255"
#define LAN_IPV6 "fc00::/7, fe80::/10, ff00::/8"

static void write_counter(FILE *out, const struct counters *from, const char *name)
{
	for (size_t i = 0; from && i < from->count; i++)
		if (!strcmp(from->items[i].name, name)) {
			fprintf(out, "\tcounter %s { packets %" PRIu64 " bytes %" PRIu64 " }\n", name,
				from->items[i].packets, from->items[i].bytes);
			return;
		}
	fprintf(out, "\tcounter %s { }\n", name);
}

static void write_ports(FILE *out, const char *protocol, const struct allowance *a)
{
	fprintf(out, " %s dport %u", protocol, a->first_port);
	if (a->last_port != a->first_port)
		fprintf(out, "-%u", a->last_port);
}

static void write_network(FILE *out, const struct allowance *a)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(a->family, &a->address, text, sizeof(text));
	fprintf(out, "\t\t%s daddr %s/%u", a->family == AF_INET ? "ip" : "ip6", text, a->prefix);
	if (a->first_port)
		write_ports(out, "th", a);
	fprintf(out, " accept\n");
}

static void write_allowance(FILE *out, const struct allowance *a)
{
	switch (a->kind) {
	case ALLOW_LOOPBACK:
		fprintf(out, "\t\toifname \"lo\" accept\n");
		break;
	case ALLOW_LAN:
		fprintf(out, "\t\tip daddr { " LAN_IPV4 " } accept\n");
		fprintf(out, "\t\tip6 daddr { " LAN_IPV6 " } accept\n");
		break;
	case ALLOW_NETWORK:
		write_network(out, a);
		break;
	case ALLOW_PORTS:
		fprintf(out, "\t\t");
		write_ports(out, a->protocol == IPPROTO_TCP ? "tcp" : "udp", a);
		fprintf(out, " accept\n");
		break;
	}
}

static void write_verdict(FILE *out, const struct verdict *verdict)
{
	for (size_t i = 0; i < verdict->allow.count; i++)
		write_allowance(out, &verdict->allow.items[i]);
	switch (verdict->action) {
	case ACTION_ACCEPT:
		fprintf(out, "\t\taccept\n");
		break;
	case ACTION_REJECT:
		/* So that connect() fails at once: the SYN's own EPERM is lost on
		 * TCP, which would try it again for minutes. */
		fprintf(out, "\t\tmeta l4proto tcp reject with tcp reset\n");
		fprintf(out, "\t\treject with icmpx admin-prohibited\n");
		break;
	case ACTION_DROP:
		fprintf(out, "\t\tdrop\n");
		break;
	}
}

static void write_class(FILE *out, const struct class *class)
{
	fprintf(out, "\tchain class_%s {\n", class->name);
	fprintf(out, "\t\tcounter name out_%s\n", class->name);
	write_verdict(out, &class->verdict);
	fprintf(out, "\t}\n");
}

static void write_except_users(FILE *out, const struct user_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		fprintf(out, "\t\tmeta %s %" PRIu32 " accept\n", list->users[i].is_group ? "skgid" : "skuid",
			list->users[i].id);
}

/* What no machine can be without goes on under a default deny: answers to what
 * came in, the kernel's part of connections that were let through, and finding
 * one's IPv6 neighbours. */
static void write_unclassified(FILE *out, const struct ruleset *set)
{
	fprintf(out, "\tchain unclassified {\n");
	fprintf(out, "\t\tcounter name out_unclassified\n");
	if (set->unclassified.action != ACTION_ACCEPT) {
		fprintf(out, "\t\tct direction reply accept\n");
		fprintf(out, "\t\tct state related accept\n");
		fprintf(out, "\t\ticmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, "
			     "mld-listener-report, mld2-listener-report } accept\n");
		write_except_users(out, &set->except_users);
	}
	write_verdict(out, &set->unclassified);
	fprintf(out, "\t}\n");
}

static bool has_old_classid(const struct class *class, uint32_t live)
{
	return live && live != class->classid;
}

static void write_output(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	fprintf(out, "\tchain output {\n\t\ttype filter hook output priority filter; policy accept;\n");
	if (set->class_count) {
		fprintf(out, "\t\tmeta cgroup vmap {\n");
		for (size_t i = 0; i < set->class_count; i++) {
			const struct class *class = &set->classes[i];

			fprintf(out, "\t\t\t0x%08x : goto class_%s,\n", class->classid, class->name);
			if (live && has_old_classid(class, live[i]))
				fprintf(out, "\t\t\t0x%08x : goto class_%s,\n", live[i], class->name);
		}
		fprintf(out, "\t\t}\n");
	}
	if (set->unclassified.action != ACTION_ACCEPT)
		fprintf(out, "\t\tmeta cgroup >= 0 goto unclassified\n"
			     "\t\tct state established,related accept\n");
	fprintf(out, "\t\tgoto unclassified\n\t}\n");
}

char *policy_text(const struct ruleset *set, const struct counters *counters, const uint32_t *live)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	char name[sizeof(counters->items->name)];

	if (!out)
		err(EXIT_FAILURE, "out of memory");
	/* Adding it first makes the deletion succeed where there is none. */
	fprintf(out, "table inet netshim\ndelete table inet netshim\ntable inet netshim {\n");
	write_counter(out, counters, "out_unclassified");
	for (size_t i = 0; i < set->class_count; i++) {
		snprintf(name, sizeof(name), "out_%s", set->classes[i].name);
		write_counter(out, counters, name);
	}
	for (size_t i = 0; i < set->class_count; i++)
		write_class(out, &set->classes[i]);
	write_unclassified(out, set);
	write_output(out, set, live);
	fprintf(out, "}\n");
	if (fclose(out))
		err(EXIT_FAILURE, "out of memory");
	return text;
}

static struct nft_ctx *new_context(void)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);

	if (!nft || nft_ctx_buffer_error(nft) || nft_ctx_buffer_output(nft))
		err(EXIT_FAILURE, "cannot start libnftables");
	return nft;
}

static bool run(struct nft_ctx *nft, const char *text)
{
	if (!nft_run_cmd_from_buffer(nft, text))
		return true;
	warnx("nftables would not take the ruleset; nothing was changed there:\n%s", nft_ctx_get_error_buffer(nft));
	return false;
}

bool policy_load(const char *text, bool dry)
{
	struct nft_ctx *nft = new_context();
	bool ok;

	nft_ctx_set_dry_run(nft, dry);
	ok = run(nft, text);
	nft_ctx_free(nft);
	return ok;
}

bool policy_unload(void)
{
	struct nft_ctx *nft = new_context();
	bool ok = run(nft, "table inet netshim\ndelete table inet netshim\n");

	nft_ctx_free(nft);
	return ok;
}

/* The listing's lines are "counter NAME {" and "packets N bytes N". */
static void read_counters(const char *listing, struct counters *counters)
{
	struct counter now = { .name = "" };

	for (const char *line = listing; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, " counter %71[^ {]", now.name) == 1)
			continue;
		if (!now.name[0] || sscanf(line, " packets %" SCNu64 " bytes %" SCNu64, &now.packets, &now.bytes) != 2)
			continue;
		counters->items = grown(counters->items, counters->count, sizeof(*counters->items));
		counters->items[counters->count++] = now;
		now.name[0] = '\0';
	}
}

bool policy_counters(struct counters *counters)
{
	struct nft_ctx *nft = new_context();
	bool loaded = !nft_run_cmd_from_buffer(nft, "list counters table inet netshim");

	*counters = (struct counters){ .items = NULL };
	if (loaded)
		read_counters(nft_ctx_get_output_buffer(nft), counters);
	nft_ctx_free(nft);
	return loaded;
}
