/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What is refused: see refusals.h.
 *
 * A packet that is refused looks its classid up in a map, which is empty (policy-refuse.c).
 * Who asks puts elements there that lead to a rule that logs, to the group that is listened
 * to; they have a timeout, so that all is as before when nobody asks any more, whatever has
 * become of who did. The rules stay until the table is replaced: to take them away would be
 * a loss that `netshim watch` makes good. */

#include "conf/kernel/refusals.h"

#include "conf/kernel/elements.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/policy-map.h"
#include "conf/kernel/policy-refuse.h"
#include "conf/language/alloc.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libnetfilter_log/libnetfilter_log.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <time.h>

/* Of a header and what may be before it, the ports at least. */
#define COPIED 128

int64_t refusals_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* --- what is kept */

struct kept {
	int family;
	int protocol; /* 0: it is in the element */
	void (*visit)(const struct refusal *refusal, void *with);
	void *with;
};

/* The parts of a key are padded to 32 bits each, and what is not of the packet is in this
 * machine's byte order. */
static bool read_key(struct nlattr *element[], const struct kept *kept, struct refusal *refusal)
{
	size_t size = kept->family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	const unsigned char *key = elements_key(element, size + 12);
	uint16_t port;

	if (!key)
		return false;
	*refusal = (struct refusal){ .family = kept->family, .protocol = kept->protocol };
	memcpy(&refusal->classid, key, 4);
	memcpy(&refusal->user, key + 4, 4);
	memcpy(&refusal->remote, key + 8, size);
	memcpy(&port, key + 8 + size, sizeof(port));
	if (kept->protocol)
		refusal->remote_port = ntohs(port);
	else
		refusal->protocol = key[8 + size];
	return true;
}

static uint64_t read_packets(struct nlattr *expression)
{
	struct nlattr *in[NFTA_EXPR_MAX + 1];
	struct nlattr *counter[NFTA_COUNTER_MAX + 1];
	uint64_t packets = 0;

	if (expression && !nla_parse_nested(in, NFTA_EXPR_MAX, expression, NULL) && in[NFTA_EXPR_DATA] &&
	    !nla_parse_nested(counter, NFTA_COUNTER_MAX, in[NFTA_EXPR_DATA], NULL) && counter[NFTA_COUNTER_PACKETS])
		nla_memcpy(&packets, counter[NFTA_COUNTER_PACKETS], sizeof(packets));
	return be64toh(packets);
}

static void read_element(struct nlattr *element[], void *with)
{
	const struct kept *kept = with;
	struct refusal refusal;

	if (!read_key(element, kept, &refusal))
		return;
	refusal.last = refusals_now() - (POLICY_KEPT_SECONDS * INT64_C(1000) - elements_left(element));
	refusal.packets = read_packets(element[NFTA_SET_ELEM_EXPR]);
	kept->visit(&refusal, kept->with);
}

bool refusals_kept(void (*visit)(const struct refusal *refusal, void *with), void *with)
{
	static const struct {
		const char *name;
		struct kept kept;
	} sets[] = {
		{ POLICY_KEPT_TCP "4", { AF_INET, IPPROTO_TCP, NULL, NULL } },
		{ POLICY_KEPT_TCP "6", { AF_INET6, IPPROTO_TCP, NULL, NULL } },
		{ POLICY_KEPT_UDP "4", { AF_INET, IPPROTO_UDP, NULL, NULL } },
		{ POLICY_KEPT_UDP "6", { AF_INET6, IPPROTO_UDP, NULL, NULL } },
		{ POLICY_KEPT_OTHER "4", { AF_INET, 0, NULL, NULL } },
		{ POLICY_KEPT_OTHER "6", { AF_INET6, 0, NULL, NULL } },
	};
	bool any = false;

	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		struct kept kept = sets[i].kept;

		kept.visit = visit;
		kept.with = with;
		any = elements_each(sets[i].name, read_element, &kept) || any;
	}
	return any;
}

/* --- what happens */

static struct nflog_handle *log_handle;

static void read_addresses(struct refusal *refusal, const unsigned char *packet)
{
	bool four = refusal->family == AF_INET;
	size_t size = four ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	size_t at = four ? offsetof(struct iphdr, saddr) : offsetof(struct ip6_hdr, ip6_src);

	memcpy(&refusal->local, packet + at, size);
	memcpy(&refusal->remote, packet + at + size, size);
}

/* Returns where the header of the protocol begins, behind IPv6's own extensions. */
static size_t find_protocol(struct refusal *refusal, const unsigned char *packet, size_t size)
{
	size_t at = sizeof(struct ip6_hdr);

	if (refusal->family == AF_INET) {
		refusal->protocol = packet[offsetof(struct iphdr, protocol)];
		return (size_t)(packet[0] & 0xf) * 4;
	}
	refusal->protocol = packet[offsetof(struct ip6_hdr, ip6_nxt)];
	while (at + 2 <= size && (refusal->protocol == IPPROTO_HOPOPTS || refusal->protocol == IPPROTO_DSTOPTS ||
				  refusal->protocol == IPPROTO_ROUTING)) {
		refusal->protocol = packet[at];
		at += ((size_t)packet[at + 1] + 1) * 8;
	}
	return at;
}

/* at is where the header of the protocol begins. */
static bool read_packet(struct refusal *refusal, const unsigned char *packet, size_t size, size_t *at)
{
	refusal->family = size && packet[0] >> 4 == 6 ? AF_INET6 : AF_INET;
	if (size < (refusal->family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ip6_hdr)))
		return false;
	read_addresses(refusal, packet);
	*at = find_protocol(refusal, packet, size);
	if ((refusal->protocol == IPPROTO_TCP || refusal->protocol == IPPROTO_UDP) && *at + 4 <= size) {
		refusal->local_port = (unsigned)packet[*at] << 8 | packet[*at + 1];
		refusal->remote_port = (unsigned)packet[*at + 2] << 8 | packet[*at + 3];
	}
	return true;
}

struct visit {
	void (*call)(const struct refusal *refusal, void *with);
	void *with;
	void (*others)(const char *prefix, const struct refusal *packet, const unsigned char *content, size_t size);
};

static void visit_packet(const struct visit *visit, const char *prefix, struct refusal *refusal,
			 const unsigned char *packet, size_t size)
{
	size_t at;

	if (!read_packet(refusal, packet, size, &at))
		return;
	if (sscanf(prefix, "%" SCNx32, &refusal->classid) == 1)
		visit->call(refusal, visit->with);
	else if ((at += sizeof(struct udphdr)) <= size)
		visit->others(prefix, refusal, packet + at, size - at);
}

/* The prefix is the classid, or another's. */
static int hear_packet(struct nflog_g_handle *group, struct nfgenmsg *head, struct nflog_data *data, void *with)
{
	const struct visit *visit = with;
	struct refusal refusal = { .packets = 1, .last = refusals_now(), .user = (uid_t)-1 };
	const char *prefix = nflog_get_prefix(data);
	char *packet;
	int size = nflog_get_payload(data, &packet);

	(void)group;
	(void)head;
	nflog_get_uid(data, &refusal.user);
	if (prefix && size > 0)
		visit_packet(visit, prefix, &refusal, (const unsigned char *)packet, (size_t)size);
	return 0;
}

static struct visit visit;

int refusals_listen(void (*others)(const char *prefix, const struct refusal *packet, const unsigned char *content,
				   size_t size))
{
	struct nflog_g_handle *group;

	visit.others = others;
	log_handle = nflog_open();
	group = log_handle ? nflog_bind_group(log_handle, REFUSALS_GROUP) : NULL;
	if (!group && (errno == EPERM || errno == EBUSY))
		errx(EXIT_FAILURE, "another process listens to what is refused already (group %d of nfnetlink_log)",
		     REFUSALS_GROUP);
	if (!group || nflog_set_mode(group, NFULNL_COPY_PACKET, REFUSALS_COPIED) < 0)
		err(EXIT_FAILURE, "this kernel cannot tell what it refuses (nfnetlink_log)");
	/* One is not to wait for others. */
	nflog_set_qthresh(group, 1);
	nflog_callback_register(group, hear_packet, &visit);
	fcntl(nflog_fd(log_handle), F_SETFL, O_NONBLOCK);
	return nflog_fd(log_handle);
}

/* What is lost for want of room (ENOBUFS) was too much to be told. */
void refusals_hear(void (*call)(const struct refusal *refusal, void *with), void *with)
{
	static _Alignas(struct nlmsghdr) char buffer[1 << 16];
	ssize_t size;

	visit.call = call;
	visit.with = with;
	while ((size = recv(nflog_fd(log_handle), buffer, sizeof(buffer), 0)) >= 0 || errno == ENOBUFS)
		if (size > 0)
			nflog_handle_packet(log_handle, buffer, (int)size);
}

/* A packet of no class is told where a process has sent it. The map may have led another class's
 * here (write_elements); what comes out of a class's namespace is of none. */
static void write_whose(FILE *out, const struct asked *class)
{
	if (!class->classid)
		fprintf(out, "meta skuid >= 0 ");
	else if (!*class->link)
		fprintf(out, "meta cgroup 0x%08" PRIx32 " ", class->classid);
}

/* People cannot read more; and of a flood, the others are to notice nothing. */
static void write_rules(FILE *out, const struct asked *classes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct asked *c = &classes[i];

		fprintf(out, "add chain inet netshim tell_%s\nadd rule inet netshim tell_%s ", c->name, c->name);
		write_whose(out, c);
		fprintf(out,
			"limit rate 20/second burst 40 packets log prefix \"%08" PRIx32
			"\" group %d snaplen %d queue-threshold 1\n",
			c->classid, REFUSALS_GROUP, COPIED);
	}
}

/* While a reload is under way, the table may not have the map yet. */
static void write_links(FILE *out, const struct asked *classes, size_t count)
{
	static const char map[] = "map inet netshim " POLICY_TELL_LINKS;
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (!classes[i].wanted || !*classes[i].link)
			continue;
		if (!any)
			fprintf(out, "add %s { " POLICY_TELL_LINKS_TYPE " }\nflush %s\n", map, map);
		any = true;
		fprintf(out, "add element inet netshim " POLICY_TELL_LINKS " { \"%s\" timeout %ds : jump tell_%s }\n",
			classes[i].link, REFUSALS_ASKED, classes[i].name);
	}
}

static bool is_one_of(const struct asked *classes, size_t count, uint32_t classid)
{
	bool is = false;

	for (size_t i = 0; i < count; i++)
		is = is || classes[i].classid == classid;
	return is;
}

static void write_element(FILE *out, uint32_t classid, const char *name)
{
	fprintf(out, "add element inet netshim " POLICY_TELL " { 0x%08" PRIx32 " timeout %ds : jump tell_%s }\n",
		classid, REFUSALS_ASKED, name);
}

/* Each key both ways (policy_turned), but where that would be another class. */
static void write_elements(FILE *out, const struct asked *classes, size_t count)
{
	fprintf(out, "flush map inet netshim " POLICY_TELL "\n");
	for (size_t i = 0; i < count; i++) {
		const struct asked *c = &classes[i];
		uint32_t turned = policy_turned(c->classid);

		if (!c->wanted)
			continue;
		write_element(out, c->classid, c->name);
		if (!is_one_of(classes, count, turned))
			write_element(out, turned, c->name);
	}
}

static char *load(const struct asked *classes, size_t count, bool with_rules)
{
	char *text = NULL;
	char *words;
	FILE *out = memstream_open(&text, &(size_t){ 0 });

	if (with_rules)
		write_rules(out, classes, count);
	write_elements(out, classes, count);
	write_links(out, classes, count);
	memstream_close(out);
	words = nft_load(text, false);
	free(text);
	return words;
}

/* Where the rules are there, they are not added once more: each packet would be told
 * twice. */
char *refusals_ask(const struct asked *classes, size_t count)
{
	char *words = load(classes, count, false);

	if (!words)
		return NULL;
	free(words);
	return load(classes, count, true);
}
