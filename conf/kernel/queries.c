/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What resolvers answer: see queries.h.
 *
 * A packet that comes in tells no class where its socket is connected to nobody, or to
 * another address than it comes from (dns, policy-dns.c). So the query is logged, which tells
 * its sender's class, and then the answer, which belongs to a query as for the program that
 * has asked: by both addresses, the port, the number and the name. Whoever can forge one for
 * that program can for us, and no others. Both are seen where they have the program's own
 * addresses: the query before the stand-in for 127.0.0.1 (-250), the answer behind it (110).
 *
 * The text of an answer is a stranger's: libresolv reads it, within its bounds. */

#include "conf/kernel/queries.h"

#include "conf/contract/sys.h"
#include "conf/kernel/nft.h"
#include "conf/language/alloc.h"

#include <arpa/nameser.h>
#include <inttypes.h>
#include <sys/socket.h>

#define TABLE "netshim-names"
#define ASKED '?'
#define ANSWERED '!'

static struct query {
	uint32_t classid;
	struct in6_addr local, remote;
	unsigned local_port; /* 0: it has been answered */
	unsigned number;
	char name[QUERIES_NAME_SIZE];
} queries[256];

static struct answer {
	uint32_t classid;
	int family;
	struct in6_addr address;
	char name[QUERIES_NAME_SIZE];
} answers[1024];

#define QUERY_COUNT (sizeof(queries) / sizeof(*queries))
#define ANSWER_COUNT (sizeof(answers) / sizeof(*answers))

/* One resolver is not to put all others' out of the table at once. */
#define MOST_OF_ONE 16

/* --- what is logged */

#define LOG "limit rate 100/second burst 200 packets log prefix \"%c"

static void write_log_end(FILE *out)
{
	fprintf(out, "\" group %d snaplen %d queue-threshold 1\n", REFUSALS_GROUP, REFUSALS_COPIED);
}

static void write_class(FILE *out, const struct asked *class)
{
	fprintf(out, "\tchain of_%s {\n\t\t" LOG "%08" PRIx32, class->name, ASKED, class->classid);
	write_log_end(out);
	fprintf(out, "\t}\n");
}

static void write_table(FILE *out, const struct asked *classes, size_t count)
{
	fprintf(out, "table inet " TABLE " { flags owner; }\ndelete table inet " TABLE "\ntable inet " TABLE
		     " {\n\tflags owner\n");
	for (size_t i = 0; i < count; i++) {
		const struct asked *c = &classes[i];

		if (c->wanted)
			write_class(out, c);
	}
	fprintf(out, "\tchain queries {\n\t\ttype filter hook output priority -310; policy accept;\n"
		     "\t\tudp dport 53 meta cgroup vmap {\n");
	for (size_t i = 0; i < count; i++) {
		const struct asked *c = &classes[i];

		if (c->wanted)
			fprintf(out, "\t\t\t0x%08" PRIx32 " : jump of_%s,\n", c->classid, c->name);
	}
	fprintf(out,
		"\t\t}\n\t}\n\tchain answers {\n\t\ttype filter hook input priority 200; policy accept;\n"
		"\t\tudp sport 53 " LOG,
		ANSWERED);
	write_log_end(out);
	fprintf(out, "\t}\n}\n");
}

/* Whoever asks again with the same classes has what there is. */
char *queries_ask(const struct asked *classes, size_t count)
{
	static char *asked;
	char *before = asked;
	FILE *out = memstream_open(&asked, &(size_t){ 0 });
	bool same;

	write_table(out, classes, count);
	memstream_close(out);
	same = before && !strcmp(asked, before);
	free(before);
	return same ? NULL : nft_own(asked);
}

/* --- what is heard */

/* The one name that is asked for; where it is too long for anybody to read, none. */
static bool read_question(ns_msg *message, char name[QUERIES_NAME_SIZE])
{
	ns_rr question;
	size_t size;

	if (ns_msg_count(*message, ns_s_qd) != 1 || ns_parserr(message, ns_s_qd, 0, &question) < 0)
		return false;
	size = strlen(ns_rr_name(question)) + 1;
	if (size > QUERIES_NAME_SIZE)
		return false;
	memcpy(name, ns_rr_name(question), size);
	str_printable(name);
	return true;
}

static void take_query(uint32_t classid, const struct refusal *packet, ns_msg *message)
{
	static size_t next;
	struct query *q = &queries[next];

	q->local_port = 0;
	if (!read_question(message, q->name))
		return;
	next = (next + 1) % QUERY_COUNT;
	q->classid = classid;
	q->local = packet->local;
	q->remote = packet->remote;
	q->local_port = packet->local_port;
	q->number = ns_msg_id(*message);
}

/* An answer comes from where the query went. */
static struct query *find_query(const struct refusal *packet, unsigned number, const char *name)
{
	for (struct query *q = queries; q < queries + QUERY_COUNT; q++)
		if (q->local_port && q->local_port == packet->remote_port && q->number == number &&
		    !memcmp(&q->local, &packet->remote, sizeof(q->local)) &&
		    !memcmp(&q->remote, &packet->local, sizeof(q->remote)) && !strcasecmp(q->name, name))
			return q;
	return NULL;
}

static struct answer *find_answer(uint32_t classid, int family, const struct in6_addr *address)
{
	for (struct answer *a = answers; a < answers + ANSWER_COUNT; a++)
		if (a->family == family && a->classid == classid && !memcmp(&a->address, address, sizeof(*address)))
			return a;
	return NULL;
}

/* By whatever other names (CNAME) the resolver has come to the address: it is what it was
 * asked for. */
static void keep_address(const struct query *query, int family, const unsigned char *bytes, size_t size)
{
	static size_t next;
	struct in6_addr address = { .s6_addr = { 0 } };
	struct answer *a;

	memcpy(&address, bytes, size);
	a = find_answer(query->classid, family, &address);
	if (!a) {
		a = &answers[next];
		next = (next + 1) % ANSWER_COUNT;
	}
	*a = (struct answer){ .classid = query->classid, .family = family, .address = address };
	memcpy(a->name, query->name, sizeof(a->name));
}

static void keep_record(const struct query *query, const ns_rr *record)
{
	if (ns_rr_class(*record) != ns_c_in)
		return;
	if (ns_rr_type(*record) == ns_t_a && ns_rr_rdlen(*record) == NS_INADDRSZ)
		keep_address(query, AF_INET, ns_rr_rdata(*record), NS_INADDRSZ);
	else if (ns_rr_type(*record) == ns_t_aaaa && ns_rr_rdlen(*record) == NS_IN6ADDRSZ)
		keep_address(query, AF_INET6, ns_rr_rdata(*record), NS_IN6ADDRSZ);
}

static void take_answer(const struct refusal *packet, ns_msg *message)
{
	char name[QUERIES_NAME_SIZE];
	struct query *query = read_question(message, name) ? find_query(packet, ns_msg_id(*message), name) : NULL;
	ns_rr record;

	if (!query)
		return;
	for (int i = 0; i < MOST_OF_ONE && i < ns_msg_count(*message, ns_s_an); i++)
		if (!ns_parserr(message, ns_s_an, i, &record))
			keep_record(query, &record);
	query->local_port = 0;
}

/* ns_initparse looks through the whole message, and takes none that ends too soon. */
void queries_hear(const char *prefix, const struct refusal *packet, const unsigned char *content, size_t size)
{
	uint32_t classid;
	ns_msg message;

	if (size > REFUSALS_COPIED || ns_initparse(content, (int)size, &message) < 0)
		return;
	if (*prefix == ANSWERED && ns_msg_getflag(message, ns_f_qr))
		take_answer(packet, &message);
	else if (*prefix == ASKED && sscanf(prefix + 1, "%" SCNx32, &classid) == 1)
		take_query(classid, packet, &message);
}

const char *queries_name(uint32_t classid, int family, const struct in6_addr *address)
{
	const struct answer *a = find_answer(classid, family, address);

	return a ? a->name : NULL;
}
