/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* From a ruleset to nftables, through libnftables: one table, replaced in one
 * transaction.
 *
 * The way of a packet: its sending socket's classid is looked up in one map, so
 * the number of classes costs nothing. Packets of a socket in no class go to the
 * chain `unclassified`. The kernel's own packets (resets, what follows a close,
 * ICMP, neighbour discovery) have no socket or one of the kernel's, whose classid
 * is 0; they are told from those by `meta skuid`, which matches only a socket that
 * a process has open. */

#include "conf/kernel/policy.h"

#include "conf/language/alloc.h"
#include "conf/kernel/sysctl.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

/* Adding it first makes the deletion succeed where there is none. */
#define REMOVE "table inet netshim\ndelete table inet netshim\n"

/* What "lan" means: the private, link-local, multicast and broadcast networks. */
#define LAN_IPV4 "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255"
#define LAN_IPV6 "fc00::/7, fe80::/10, ff00::/8"

void policy_write_map(FILE *out, const struct ruleset *set, const uint32_t *live, const char *map, const char *then,
		      bool (*wants)(const struct class *))
{
	bool any = false;

	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *class = &set->classes[i];

		if (!wants(class))
			continue;
		if (!any)
			fprintf(out, "\t\t%s {\n", map);
		fprintf(out, "\t\t\t0x%08x : %s%s,\n", class->classid, then, class->name);
		if (live && live[i] && live[i] != class->classid)
			fprintf(out, "\t\t\t0x%08x : %s%s,\n", live[i], then, class->name);
		any = true;
	}
	if (any)
		fprintf(out, "\t\t}\n");
}

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

static void write_allowance(FILE *out, const struct allowance *a, const char *then)
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

static const char *refusal(const struct verdict *verdict)
{
	return verdict->action == ACTION_DROP ? "drop" : "goto refuse";
}

static void write_denials(FILE *out, const struct verdict *verdict)
{
	for (size_t i = 0; i < verdict->deny.count; i++)
		write_allowance(out, &verdict->deny.items[i], refusal(verdict));
}

static void write_verdict(FILE *out, const struct verdict *verdict)
{
	for (size_t i = 0; i < verdict->allow.count; i++)
		write_allowance(out, &verdict->allow.items[i], "accept");
	fprintf(out, "\t\t%s\n", verdict->action == ACTION_ACCEPT ? "accept" : refusal(verdict));
}

/* So that connect() fails at once: a SYN's own EPERM is lost on TCP, which would
 * try it again for minutes. */
static void write_refuse(FILE *out)
{
	fprintf(out, "\n\t# action = reject: the program is told at once\n\tchain refuse {\n"
		     "\t\tmeta l4proto tcp reject with tcp reset\n"
		     "\t\treject with icmpx admin-prohibited\n"
		     "\t}\n");
}

/* Packets over the rate are dropped, which is what TCP slows down for. A quarter of
 * a second of traffic may come at once: the shortest time that TCP waits before it
 * sends again what was dropped (RTO_MIN is 200 ms), in which the rate would be lost.
 * And always two large segments. */
static void write_rate(FILE *out, uint64_t rate)
{
	uint64_t burst = rate / 4 > UINT64_C(131072) ? rate / 4 : UINT64_C(131072);

	/* nftables keeps it in 32 bits. */
	burst = burst > UINT32_MAX ? UINT32_MAX : burst;

	fprintf(out, "\t\tlimit rate over %" PRIu64 " bytes/second burst %" PRIu64 " bytes drop\n", rate, burst);
}

/* A line feed in a file's name would end the comment. */
static void write_place(FILE *out, struct place_in_file at)
{
	for (const char *c = at.file; *c; c++)
		fputc(iscntrl((unsigned char)*c) ? '?' : *c, out);
	fprintf(out, ":%d", at.line);
}

static void write_class(FILE *out, const struct class *class)
{
	fprintf(out, "\n\t# class %s, ", class->name);
	write_place(out, class->at);
	fprintf(out, "\n\tchain class_%s {\n", class->name);
	fprintf(out, "\t\tcounter name out_%s\n", class->name);
	if (class->log)
		fprintf(out, "\t\tct state new limit rate 10/second burst 20 packets log prefix \"netshim %s: \"\n",
			class->name);
	for (size_t i = 0; i < class->nft.count; i++)
		fprintf(out, "\t\t%s\n", class->nft.items[i].text);
	policy_write_vpn_guard(out, class);
	if (class->no_ipv6)
		fprintf(out, "\t\tmeta nfproto ipv6 %s\n", refusal(&class->verdict));
	write_denials(out, &class->verdict);
	if (class->rate)
		write_rate(out, class->rate);
	if (class->priority)
		fprintf(out, "\t\tmeta priority set %x:%x\n", class->priority >> 16, class->priority & 0xffff);
	policy_write_dns_guard(out, class);
	write_verdict(out, &class->verdict);
	fprintf(out, "\t}\n");
}

static bool is_class(const struct class *class)
{
	return class->name;
}

/* What comes in for a class: by the socket that the kernel has found for it by
 * then (early demux), which it has for connections. */
static void write_input(FILE *out, const struct ruleset *set, const uint32_t *live)
{
	if (!set->class_count)
		return;
	fprintf(out, "\n\t# what comes in, by the class that it is for\n\tchain input {\n\t\ttype filter hook input "
		     "priority filter; policy accept;\n");
	policy_write_map(out, set, live, "counter name meta cgroup map", "in_", is_class);
	fprintf(out, "\t}\n");
}

static void write_except_users(FILE *out, const struct user_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		fprintf(out, "\t\tmeta %s %" PRIu32 " accept\n", list->users[i].is_group ? "skgid" : "skuid",
			list->users[i].id);
}

static bool refuses_unclassified(const struct ruleset *set)
{
	return set->unclassified.action != ACTION_ACCEPT || set->unclassified.deny.count;
}

/* What no machine can be without goes on under a default deny: answers to what
 * came in, the kernel's part of connections that were let through, finding one's
 * IPv6 neighbours and joining multicast groups. */
static void write_unclassified(FILE *out, const struct ruleset *set)
{
	fprintf(out, "\n\t# what is in no class\n\tchain unclassified {\n");
	fprintf(out, "\t\tcounter name out_unclassified\n");
	if (refuses_unclassified(set)) {
		fprintf(out, "\t\tct direction reply accept\n");
		fprintf(out, "\t\tct state related accept\n");
		fprintf(out, "\t\ticmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, "
			     "mld-listener-report, mld-listener-done, mld2-listener-report } accept\n");
		fprintf(out, "\t\tip protocol igmp accept\n");
		write_except_users(out, &set->except_users);
	}
	write_denials(out, &set->unclassified);
	write_verdict(out, &set->unclassified);
	fprintf(out, "\t}\n");
}

/* A tunnel of the kernel's sends the packets that it wraps in the name of the socket
 * of what is in them (since Linux 4.19, skb_scrub_packet). They belong to no class. */
static void write_tunnels(FILE *out, const struct ruleset *set, const char *then)
{
	for (size_t i = 0; i < set->tunnels.count; i++)
		write_allowance(out, &set->tunnels.items[i], then);
}

static bool has_mark(const struct class *class)
{
	return class->mark;
}

static void write_marks_set(FILE *out, const struct ruleset *set)
{
	fprintf(out, " {");
	for (size_t i = 0; i < set->class_count; i++)
		if (has_mark(&set->classes[i]))
			fprintf(out, " 0x%08x,", set->classes[i].mark);
	fprintf(out, " }");
}

/* In a chain of type route, so that policy routing sees the mark; after others'
 * at the usual priority, mangle. The connection gets it too: the kernel's own
 * packets of it are marked by that. */
static void write_marks(FILE *out, const struct ruleset *set, const uint32_t *live, const struct network_list *networks)
{
	bool any = false;

	for (size_t i = 0; i < set->class_count; i++) {
		const struct class *class = &set->classes[i];

		if (!has_mark(class))
			continue;
		fprintf(out, "\tchain mark_%s {\n\t\tmeta mark set 0x%08x ct mark set 0x%08x\n\t}\n", class->name,
			class->mark, class->mark);
		any = true;
	}
	if (!any)
		return;
	fprintf(out, "\tchain tunnel {\n\t\tmeta mark");
	write_marks_set(out, set);
	fprintf(out, " meta mark set 0\n\t\tct mark");
	write_marks_set(out, set);
	fprintf(out, " ct mark set 0\n\t}\n");
	fprintf(out, "\n\t# mark: before the packet is routed\n\tchain marks {\n\t\ttype route hook output priority "
		     "-140; policy accept;\n");
	write_tunnels(out, set, "goto tunnel");
	policy_write_map(out, set, live, "meta cgroup vmap", "goto mark_", has_mark);
	fprintf(out, "\t\tmeta skuid >= 0 accept\n\t\tct mark");
	write_marks_set(out, set);
	fprintf(out, " meta mark set ct mark accept\n");
	policy_write_own_addresses(out, set, networks);
	fprintf(out, "\t}\n");
}

#define NO_SOCKETS "\t\tmeta skuid >= 0 goto unclassified\n"

/* The kernel's own packets, which no socket of a process sends: those of a class's
 * connections go by the class's rules too where the connection's mark tells it. */
static void write_kernel_packets(FILE *out, const struct ruleset *set)
{
	bool any = false;

	for (size_t i = 0; i < set->class_count; i++) {
		if (!has_mark(&set->classes[i]) || set->classes[i].mark_shared)
			continue;
		fprintf(out, "%s\t\t\t0x%08x : goto class_%s,\n",
			any ? "" : NO_SOCKETS "\t\tct direction original ct mark vmap {\n", set->classes[i].mark,
			set->classes[i].name);
		any = true;
	}
	if (any)
		fprintf(out, "\t\t}\n");
	if (refuses_unclassified(set))
		fprintf(out, "%s\t\tct state established,related accept\n", any ? "" : NO_SOCKETS);
}

static void write_gone(FILE *out, const uint32_t *gone)
{
	if (!gone || !*gone)
		return;
	fprintf(out, "\t\tmeta cgroup {");
	for (; *gone; gone++)
		fprintf(out, " 0x%08x,", *gone);
	fprintf(out, " } drop\n");
}

static void write_output(FILE *out, const struct ruleset *set, const uint32_t *live, const uint32_t *gone)
{
	fprintf(out, "\n\t# what is sent, by the class of the sender\n\tchain output {\n\t\ttype filter hook output "
		     "priority filter; policy accept;\n");
	write_tunnels(out, set, "counter name out_unclassified accept");
	policy_write_map(out, set, live, "meta cgroup vmap", "goto class_", is_class);
	write_gone(out, gone);
	write_kernel_packets(out, set);
	fprintf(out, "\t\tgoto unclassified\n\t}\n");
}

char *policy_text(const struct ruleset *set, const struct counters *counters, const uint32_t *live,
		  const uint32_t *gone, const struct network_list *networks)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	char name[sizeof(counters->items->name)];

	if (!out)
		err(EXIT_FAILURE, "out of memory");
	fprintf(out, REMOVE "table inet netshim {\n");
	write_counter(out, counters, "out_unclassified");
	for (size_t i = 0; i < set->class_count; i++) {
		snprintf(name, sizeof(name), "out_%s", set->classes[i].name);
		write_counter(out, counters, name);
		snprintf(name, sizeof(name), "in_%s", set->classes[i].name);
		write_counter(out, counters, name);
	}
	write_refuse(out);
	for (size_t i = 0; i < set->class_count; i++)
		write_class(out, &set->classes[i]);
	write_unclassified(out, set);
	write_marks(out, set, live, networks);
	policy_write_dns(out, set, live);
	policy_write_vpn(out, set, networks);
	write_output(out, set, live, gone);
	write_input(out, set, live);
	fprintf(out, "}\n");
	if (fclose(out))
		err(EXIT_FAILURE, "out of memory");
	return text;
}

bool policy_make_settings(const struct ruleset *set)
{
	return (!policy_needs_route_localnet(set) || sysctl_set("all", "route_localnet", '1')) &&
	       policy_loosen_rp_filter(set);
}

bool policy_needs_setting(const char *interface, const char *name, const void *with)
{
	return strcmp(name, "route_localnet") ? policy_needs_rp_filter(with, interface)
					      : policy_needs_route_localnet(with);
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

/* nftables' own words: the first line without the place in a text that nobody has
 * written ("<cmdline>:3:5-9: Error: ..."). */
static char *nft_words(const char *error)
{
	const char *words = strstr(error, "Error: ");

	words = words ? words + strlen("Error: ") : error;
	return printed("%.*s", (int)strcspn(words, "\n"), words);
}

/* Where nftables does not take a statement, returns what it says (allocated). */
static char *refusal_words(struct nft_ctx *nft, const struct statement *s)
{
	/* As a command and not in a block, so that it can be nothing but a rule. */
	char *text = printed("table inet netshim-check {\nchain c {\ntype filter hook output priority 0;\n}\n}\n"
			     "add rule inet netshim-check c %s\n",
			     s->text);
	char *words = nft_run_cmd_from_buffer(nft, text) ? nft_words(nft_ctx_get_error_buffer(nft)) : NULL;

	free(text);
	return words;
}

/* Returns what puts a table back as it is now, or away where there is none (allocated).
 * Adding it first makes the deletion succeed then. */
static char *save_table(const char *name)
{
	struct nft_ctx *nft = new_context();
	char *list = printed("list table inet %s", name);
	bool loaded = !nft_run_cmd_from_buffer(nft, list);
	char *text = printed("table inet %s\ndelete table inet %s\n%s", name, name,
			     loaded ? nft_ctx_get_output_buffer(nft) : "");

	free(list);
	nft_ctx_free(nft);
	return text;
}

/* A failed reload puts back what nft has listed, and nft does not read all that it
 * lists: writes what is wrong with a statement that has been loaded, or nothing. */
static void try_listing(FILE *out)
{
	struct nft_ctx *nft = new_context();
	char *text = save_table("netshim-check");

	if (nft_run_cmd_from_buffer(nft, text))
		fprintf(out, "nft lists it in a way that it does not read again, so that a failed reload could not "
			     "put it back; say it in another way");
	free(text);
	nft_ctx_free(nft);
}

static struct statement *next_statement(const struct ruleset *set, size_t *class, size_t *index)
{
	for (; *class < set->class_count; ++*class, *index = 0)
		if (*index < set->classes[*class].nft.count)
			return &set->classes[*class].nft.items[(*index)++];
	return NULL;
}

/* Writes what is wrong with the statement, or nothing. */
static void try_statement(struct nft_ctx *nft, const struct statement *s, FILE *out)
{
	char *words = refusal_words(nft, s);

	if (!words)
		try_listing(out);
	/* What else nftables may say: that interfaces are not there. */
	else if (!strncmp(words, "Could not process rule", strlen("Could not process rule")))
		fprintf(out, "%s; it is to be one for chains of type filter, hook output", words);
	nft_run_cmd_from_buffer(nft, "delete table inet netshim-check");
	free(words);
}

/* Writes a line on each statement. */
static void try_statements(const struct ruleset *set, FILE *out)
{
	struct nft_ctx *nft = new_context();
	const struct statement *s;

	for (size_t i = 0, j = 0; (s = next_statement(set, &i, &j));) {
		if (!s->refused)
			try_statement(nft, s, out);
		putc('\n', out);
	}
	fflush(out);
}

static void read_refusals(struct ruleset *set, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	const struct statement *s;

	for (size_t i = 0, j = 0; (s = next_statement(set, &i, &j)) && getline(&line, &size, in) > 0;) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			ruleset_problem(set, s->at, "nft statement '%s': %s", s->text, line);
	}
	free(line);
}

/* What depends on a chain's hook, the kernel looks at only when it puts a rule into
 * force: so that is done, in a network namespace that ends with a child process. In a
 * user namespace it takes no privilege; where neither can be had, nothing is tried. */
static void try_in_namespace(struct ruleset *set)
{
	int ends[2];
	FILE *in;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC))
		return;
	child = fork();
	if (!child) {
		FILE *out = fdopen(ends[1], "w");

		if (out && (!unshare(CLONE_NEWNET) || !unshare(CLONE_NEWUSER | CLONE_NEWNET)))
			try_statements(set, out);
		_exit(EXIT_SUCCESS);
	}
	close(ends[1]);
	in = fdopen(ends[0], "r");
	if (in) {
		read_refusals(set, in);
		fclose(in);
	}
	waitpid(child, NULL, 0);
}

void policy_check_statements(struct ruleset *set)
{
	struct nft_ctx *nft = new_context();
	struct statement *s;
	bool any = false;

	nft_ctx_set_dry_run(nft, true);
	for (size_t i = 0, j = 0; (s = next_statement(set, &i, &j));) {
		char *words = refusal_words(nft, s);

		s->refused = words;
		if (words)
			ruleset_problem(set, s->at, "nft statement '%s': %s", s->text, words);
		free(words);
		any = true;
	}
	nft_ctx_free(nft);
	if (any)
		try_in_namespace(set);
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

char *policy_save(void)
{
	return save_table("netshim");
}

bool policy_unload(void)
{
	struct nft_ctx *nft = new_context();
	bool ok = run(nft, REMOVE);

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
