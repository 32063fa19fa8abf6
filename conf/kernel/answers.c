/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What a resolver's answer says: see answers.h. Its text is a stranger's: libresolv reads
 * it, within its bounds. */

#include "conf/kernel/answers.h"

#include "conf/language/alloc.h"

#include <arpa/nameser.h>

struct named {
	const char *name;
	const struct peer *word;
	bool beneath; /* it is for what is beneath that name, and not for itself */
	bool denied;
};

struct names {
	struct named *items;
	size_t count;
	bool any_denied;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static void add_list(struct names *names, const struct peer_list *list, bool denied)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct peer *word = &list->items[i];
		bool beneath = word->kind == PEER_NAME && !strncmp(word->name, "*.", 2);

		if (word->kind == PEER_NAME)
			names->items[names->count++] =
				(struct named){ word->name + (beneath ? 2 : 0), word, beneath, denied };
		names->any_denied = names->any_denied || (denied && word->kind == PEER_NAME);
	}
}

struct names *answers_names(const struct verdict *verdict)
{
	struct names *names = zalloc(sizeof(*names));

	names->items = zalloc((verdict->allow.count + verdict->deny.count + 1) * sizeof(*names->items));
	add_list(names, &verdict->allow, false);
	add_list(names, &verdict->deny, true);
	qsort(names->items, names->count, sizeof(*names->items), by_name);
	return names;
}

/* The first that is not before name. */
static size_t find_first(const struct names *names, const char *name)
{
	size_t from = 0;
	size_t to = names->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (strcmp(names->items[middle].name, name) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Returns false where there is no room. */
static bool add_word(const struct peer *word, const struct peer **words, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		if (words[i] == word)
			return true;
	if (*count == ANSWER_WORDS)
		return false;
	words[(*count)++] = word;
	return true;
}

static void find_words(const struct names *names, const char *name, bool beneath, bool asked, struct answer *answer)
{
	for (size_t i = find_first(names, name); i < names->count && !strcmp(names->items[i].name, name); i++) {
		const struct named *n = &names->items[i];

		if (n->beneath == beneath && n->denied && !add_word(n->word, answer->denied, &answer->denied_count))
			answer->denies_more = true;
		else if (n->beneath == beneath && !n->denied && asked)
			add_word(n->word, answer->allowed, &answer->allowed_count);
	}
}

/* A dot within a label is written behind a backslash (ns_name_ntop). */
static const char *behind_label(const char *name)
{
	for (; *name && *name != '.'; name++)
		if (*name == '\\' && name[1])
			name++;
	return *name ? name + 1 : NULL;
}

/* asked: it is the name that was asked for. */
static void look_up(const struct names *names, const char *name, bool asked, struct answer *answer)
{
	find_words(names, name, false, asked, answer);
	while ((name = behind_label(name)))
		find_words(names, name, true, asked, answer);
}

/* The name that a record, which is a CNAME, leads to. */
static bool read_target(const ns_msg *message, const ns_rr *record, char name[NS_MAXDNAME])
{
	return ns_rr_type(*record) == ns_t_cname && ns_rr_class(*record) == ns_c_in &&
	       ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), ns_rr_rdata(*record), name,
				  NS_MAXDNAME) >= 0;
}

/* By which names one comes from the first to the addresses. A resolver may send its records
 * in any order. */
#define CHAIN 17
struct chain {
	char names[CHAIN][NS_MAXDNAME];
	size_t count;
};

static bool chain_has(const struct chain *chain, const char *name)
{
	for (size_t i = 0; i < chain->count; i++)
		if (!strcasecmp(chain->names[i], name))
			return true;
	return false;
}

static bool extend(struct chain *chain, ns_msg *message)
{
	ns_rr record;
	char *next = chain->names[chain->count];

	for (int i = 0; i < ns_msg_count(*message, ns_s_an); i++)
		if (!ns_parserr(message, ns_s_an, i, &record) &&
		    !strcasecmp(ns_rr_name(record), chain->names[chain->count - 1]) &&
		    read_target(message, &record, next) && !chain_has(chain, next)) {
			chain->count++;
			return true;
		}
	return false;
}

static void in_small_letters(char *name)
{
	for (; *name; name++)
		if (*name >= 'A' && *name <= 'Z')
			*name = (char)(*name - 'A' + 'a');
}

static bool read_chain(struct chain *chain, ns_msg *message)
{
	ns_rr question;

	if (ns_msg_count(*message, ns_s_qd) != 1 || ns_parserr(message, ns_s_qd, 0, &question) ||
	    ns_rr_class(question) != ns_c_in)
		return false;
	snprintf(chain->names[0], NS_MAXDNAME, "%s", ns_rr_name(question));
	chain->count = 1;
	while (chain->count < CHAIN && extend(chain, message))
		;
	for (size_t i = 0; i < chain->count; i++)
		in_small_letters(chain->names[i]);
	return true;
}

/* A program may find an address in the answer that this does not tell. */
static void leave_out(struct answer *answer)
{
	answer->denies_more = answer->denies_more || answer->denied_count;
}

static void add_address(struct answer *answer, int family, const unsigned char *bytes, size_t size)
{
	struct answer_address address = { .family = family };

	memcpy(address.bytes, bytes, size);
	for (size_t i = 0; i < answer->address_count; i++)
		if (answer->addresses[i].family == family &&
		    !memcmp(answer->addresses[i].bytes, address.bytes, sizeof(address.bytes)))
			return;
	if (answer->address_count < ANSWER_ADDRESSES)
		answer->addresses[answer->address_count++] = address;
	else
		leave_out(answer);
}

/* SVCB and HTTPS (RFC 9460): a priority, whose service it is (".": the record's own name), and
 * parameters, each a key, a size and a value. Of two, the value is addresses. */
#define TYPE_SVCB 64
#define TYPE_HTTPS 65
#define IPV4_HINT 4
#define IPV6_HINT 6

static bool is_service(const ns_rr *record)
{
	int type = (int)ns_rr_type(*record);

	return (type == TYPE_SVCB || type == TYPE_HTTPS) && ns_rr_rdlen(*record) > NS_INT16SZ;
}

/* Returns the parameters, or NULL. */
static const unsigned char *read_service(const ns_msg *message, const ns_rr *record, char name[NS_MAXDNAME])
{
	const unsigned char *target = ns_rr_rdata(*record) + NS_INT16SZ;
	int size;

	if (!is_service(record))
		return NULL;
	size = ns_name_uncompress(ns_msg_base(*message), ns_rr_rdata(*record) + ns_rr_rdlen(*record), target, name,
				  NS_MAXDNAME);
	return size > 0 ? target + size : NULL;
}

static size_t size_of_hint(unsigned key)
{
	return key == IPV4_HINT ? NS_INADDRSZ : key == IPV6_HINT ? NS_IN6ADDRSZ : 0;
}

static void read_hints(struct answer *answer, const unsigned char *at, const unsigned char *end)
{
	const size_t before = NS_INT16SZ + NS_INT16SZ;

	while ((size_t)(end - at) >= before && (size_t)(end - at) - before >= ns_get16(at + NS_INT16SZ)) {
		const unsigned char *next = at + before + ns_get16(at + NS_INT16SZ);
		size_t size = size_of_hint(ns_get16(at));

		for (at += before; size && (size_t)(next - at) >= size; at += size)
			add_address(answer, size == NS_INADDRSZ ? AF_INET : AF_INET6, at, size);
		at = next;
	}
}

static bool is_in_chain(const struct chain *chain, const ns_rr *record)
{
	return ns_rr_class(*record) == ns_c_in && chain_has(chain, ns_rr_name(*record));
}

/* What is denied is closed by whatever name one comes to it. */
static void look_up_services(const struct names *names, const struct chain *chain, ns_msg *message,
			     struct answer *answer)
{
	char name[NS_MAXDNAME];
	ns_rr record;

	for (int i = 0; i < ns_msg_count(*message, ns_s_an); i++)
		if (!ns_parserr(message, ns_s_an, i, &record) && is_in_chain(chain, &record) &&
		    read_service(message, &record, name)) {
			in_small_letters(name);
			look_up(names, name, false, answer);
		}
}

/* 0: the record is none. */
static size_t size_of_address(const ns_rr *record)
{
	size_t size = ns_rr_type(*record) == ns_t_a ? NS_INADDRSZ : ns_rr_type(*record) == ns_t_aaaa ? NS_IN6ADDRSZ : 0;

	return ns_rr_rdlen(*record) == size ? size : 0;
}

static void read_record(struct answer *answer, const struct chain *chain, const ns_msg *message, const ns_rr *record)
{
	char name[NS_MAXDNAME];
	const unsigned char *parameters = read_service(message, record, name);
	size_t size = size_of_address(record);

	if (size && is_in_chain(chain, record))
		add_address(answer, size == NS_INADDRSZ ? AF_INET : AF_INET6, ns_rr_rdata(*record), size);
	else if (size)
		leave_out(answer); /* musl takes it, whatever name it is of (dns_parse_callback) */
	else if (parameters && is_in_chain(chain, record))
		read_hints(answer, parameters, ns_rr_rdata(*record) + ns_rr_rdlen(*record));
}

/* A record's data comes behind its time and its size. */
static void shorten(unsigned char *message, const ns_rr *record, unsigned valid)
{
	unsigned char *time = message + (ns_rr_rdata(*record) - message) - NS_INT16SZ - NS_INT32SZ;

	if (ns_rr_ttl(*record) > valid)
		ns_put32(valid, time);
}

void answers_read(const struct names *names, unsigned char *message, size_t size, unsigned valid, struct answer *answer)
{
	static struct chain chain;
	ns_msg parsed;
	ns_rr record;

	answer->address_count = answer->allowed_count = answer->denied_count = 0;
	answer->denies_more = false;
	if (size > NS_MAXMSG || ns_initparse(message, (int)size, &parsed) || !read_chain(&chain, &parsed))
		return;
	for (size_t i = 0; i < chain.count; i++)
		look_up(names, chain.names[i], !i, answer);
	look_up_services(names, &chain, &parsed, answer);
	/* There may be more names, and one of these denied. */
	if (chain.count == CHAIN && names->any_denied)
		answer->denies_more = true;
	if (!answer->allowed_count && !answer->denied_count)
		return;
	for (int i = 0; i < ns_msg_count(parsed, ns_s_an); i++)
		if (!ns_parserr(&parsed, ns_s_an, i, &record)) {
			read_record(answer, &chain, &parsed, &record);
			shorten(message, &record, valid);
		} else {
			leave_out(answer);
		}
}

/* What asks may write a name in letters of any size (0x20), and a server answers so. */
static bool same_question(ns_msg *query, ns_msg *message)
{
	ns_rr asked;
	ns_rr answered;

	return ns_msg_count(*query, ns_s_qd) == 1 && ns_msg_count(*message, ns_s_qd) == 1 &&
	       !ns_parserr(query, ns_s_qd, 0, &asked) && !ns_parserr(message, ns_s_qd, 0, &answered) &&
	       ns_rr_type(asked) == ns_rr_type(answered) && ns_rr_class(asked) == ns_rr_class(answered) &&
	       !strcasecmp(ns_rr_name(asked), ns_rr_name(answered));
}

/* A server that understands no word of a query repeats none (RFC 1035, format error). */
static bool is_empty(const ns_msg *message)
{
	return !ns_msg_count(*message, ns_s_qd) && !ns_msg_count(*message, ns_s_an);
}

bool answers_belong(const unsigned char *query, size_t query_size, const unsigned char *message, size_t size)
{
	ns_msg asked;
	ns_msg answered;

	return query_size <= NS_MAXMSG && size <= NS_MAXMSG && !ns_initparse(query, (int)query_size, &asked) &&
	       !ns_initparse(message, (int)size, &answered) && ns_msg_id(asked) == ns_msg_id(answered) &&
	       ns_msg_getflag(answered, ns_f_qr) && (is_empty(&answered) || same_question(&asked, &answered));
}

static bool has_options(ns_msg *query)
{
	ns_rr record;

	for (int i = 0; i < ns_msg_count(*query, ns_s_ar); i++)
		if (!ns_parserr(query, ns_s_ar, i, &record) && ns_rr_type(record) == ns_t_opt)
			return true;
	return false;
}

/* A question's name is written out, as there is none before it to point to. One that points into
 * the message's head would be another one in the answer, which has another head. */
static const unsigned char *behind_name(const unsigned char *at, const unsigned char *end)
{
	while (at < end && *at && *at <= NS_MAXLABEL)
		at += 1 + *at;
	return at < end && !*at ? at + 1 : NULL;
}

/* A query's own bytes, up to the end of its question, and no option but that there may be some:
 * who sends that record gets one (RFC 6891, 7). */
size_t answers_fail(unsigned char *query, size_t size)
{
	static const unsigned char options[] = { 0, 0, ns_t_opt, NS_MAXMSG >> 8, NS_MAXMSG & 255, 0, 0, 0, 0, 0, 0 };
	const unsigned char *at;
	ns_msg asked;
	ns_rr question;
	bool optional;

	if (size > NS_MAXMSG || ns_initparse(query, (int)size, &asked) || ns_msg_getflag(asked, ns_f_qr) ||
	    ns_msg_count(asked, ns_s_qd) != 1 || ns_parserr(&asked, ns_s_qd, 0, &question) ||
	    !(at = behind_name(query + NS_HFIXEDSZ, query + size)))
		return 0;
	optional = has_options(&asked);
	size = (size_t)(at - query) + NS_QFIXEDSZ;
	query[2] = (unsigned char)((query[2] & 0x79) | 0x80); /* opcode and RD stay; QR */
	query[3] = (query[3] & 0x10) | 0x80 | ns_r_servfail;  /* CD stays; RA */
	ns_put32(0, query + 6);
	ns_put16(optional, query + 10);
	if (optional)
		memcpy(query + size, options, sizeof(options));
	return size + (optional ? sizeof(options) : 0);
}

/* --- addresses that are nobody's on the Internet (IANA's special-purpose registries) */

struct range {
	unsigned char bytes[2];
	unsigned bits;
};

static bool is_in(const unsigned char *bytes, const struct range *ranges, size_t count)
{
	unsigned start = (unsigned)bytes[0] << 8 | bytes[1];

	for (size_t i = 0; i < count; i++) {
		unsigned range = (unsigned)ranges[i].bytes[0] << 8 | ranges[i].bytes[1];

		if (!((start ^ range) >> (16 - ranges[i].bits)))
			return true;
	}
	return false;
}

#define IN(bytes, ranges) is_in(bytes, ranges, sizeof(ranges) / sizeof(*(ranges)))

static bool is_special4(const unsigned char *bytes)
{
	static const struct range ranges[] = {
		{ { 0, 0 }, 8 },      { { 10, 0 }, 8 },	   { { 100, 64 }, 10 },	 { { 127, 0 }, 8 },
		{ { 169, 254 }, 16 }, { { 172, 16 }, 12 }, { { 192, 168 }, 16 }, { { 224, 0 }, 3 },
	};

	return IN(bytes, ranges);
}

/* Of the first 16 bits, all zero: loopback, none, and IPv4's in other clothes; fc00::/7,
 * fe80::/10, fec0::/10 and ff00::/8. Behind 64:ff9b::/96 (NAT64) and 2002::/16 (6to4) is an
 * IPv4 address; 64:ff9b:1::/48 is a network's own NAT64 (RFC 8215). */
bool answers_is_special(const struct answer_address *address)
{
	static const struct range ranges[] = {
		{ { 0, 0 }, 16 },
		{ { 0xfc, 0 }, 7 },
		{ { 0xfe, 0x80 }, 9 },
		{ { 0xff, 0 }, 8 },
	};
	static const unsigned char nat64[12] = { 0, 0x64, 0xff, 0x9b };
	static const unsigned char local_nat64[6] = { 0, 0x64, 0xff, 0x9b, 0, 1 };
	static const unsigned char six_to_four[2] = { 0x20, 0x02 };

	if (address->family == AF_INET)
		return is_special4(address->bytes);
	if (!memcmp(address->bytes, nat64, sizeof(nat64)))
		return is_special4(address->bytes + sizeof(nat64));
	if (!memcmp(address->bytes, local_nat64, sizeof(local_nat64)))
		return true;
	if (!memcmp(address->bytes, six_to_four, sizeof(six_to_four)))
		return is_special4(address->bytes + sizeof(six_to_four));
	return IN(address->bytes, ranges);
}
