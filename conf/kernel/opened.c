/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What is open by a name: see opened.h.
 *
 * To add an element that is there leaves it the time that it has (before Linux 6.12, and
 * always where the time is the set's). So it is taken away and added in one transaction, by
 * which no packet finds it missing. What is not there cannot be taken away: so it is added
 * before that, too. The word by which it is there is its comment, as nft shows it. */

#include "conf/kernel/opened.h"

#include "conf/kernel/elements.h"
#include "conf/kernel/policy-names.h"
#include "conf/language/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

/* nftables' own format of a comment: a kind (0), its size, and the text, with a NUL. nft
 * shows so much of it at most. */
#define COMMENT_MAX 128

static size_t write_comment(unsigned char comment[COMMENT_MAX + 2], const char *text)
{
	size_t size = strlen(text) < COMMENT_MAX ? strlen(text) : COMMENT_MAX - 1;

	comment[0] = 0;
	comment[1] = (unsigned char)(size + 1);
	memcpy(comment + 2, text, size);
	comment[2 + size] = '\0';
	return size + 3;
}

const char *opened_comment(struct nlattr *element[])
{
	const struct nlattr *data = element[NFTA_SET_ELEM_USERDATA];
	const unsigned char *comment = data ? nla_data(data) : NULL;
	int size = data ? nla_len(data) : 0;
	bool whole = size > 2 && !comment[0] && comment[1] == size - 2 && !comment[size - 1];

	return whole ? (const char *)comment + 2 : NULL;
}

static size_t size_of(int family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

/* --- adding */

/* Of one answer, all that it may need: a transaction is one datagram. */
#define BATCH_SIZE (1 << 22)

static unsigned char *batch;
static size_t batch_size;
static bool batch_full;
static uint32_t sequence;

static void add_message(struct nl_msg *message)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	size_t size = NLMSG_ALIGN(header->nlmsg_len);

	header->nlmsg_seq = ++sequence;
	if (batch_size + size > BATCH_SIZE) {
		batch_full = true;
	} else {
		memcpy(batch + batch_size, header, header->nlmsg_len);
		batch_size += size;
	}
	nlmsg_free(message);
}

static struct nl_msg *new_message(int type, int flags, const struct nfgenmsg *head)
{
	struct nl_msg *message = nlmsg_alloc_size(1 << 15);

	if (!message || !nlmsg_put(message, 0, 0, type, 0, NLM_F_REQUEST | flags) ||
	    nlmsg_append(message, (void *)(uintptr_t)head, sizeof(*head), NLMSG_ALIGNTO) < 0)
		err(EXIT_FAILURE, "out of memory");
	return message;
}

static void add_bound(int type)
{
	const struct nfgenmsg head = { .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	add_message(new_message(type, 0, &head));
}

static void put_element(struct nl_msg *message, const struct answer_address *address, const char *word)
{
	unsigned char comment[COMMENT_MAX + 2];
	struct nlattr *element = nla_nest_start(message, NFTA_LIST_ELEM);
	struct nlattr *key = element ? nla_nest_start(message, NFTA_SET_ELEM_KEY) : NULL;

	if (!key || nla_put(message, NFTA_DATA_VALUE, (int)size_of(address->family), address->bytes) < 0)
		err(EXIT_FAILURE, "out of memory");
	nla_nest_end(message, key);
	if (word && nla_put(message, NFTA_SET_ELEM_USERDATA, (int)write_comment(comment, word), comment) < 0)
		err(EXIT_FAILURE, "out of memory");
	nla_nest_end(message, element);
}

/* Which addresses of an answer are to be in a set. */
struct part {
	const struct answer *answer;
	int family;
	bool special; /* those, too */
};

static bool is_in_part(const struct part *part, const struct answer_address *address)
{
	return address->family == part->family && (part->special || !answers_is_special(address));
}

static void add_elements(int type, int flags, const char *set, const struct part *part, const char *word)
{
	const struct nfgenmsg head = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };
	struct nl_msg *message = new_message(NFNL_SUBSYS_NFTABLES << 8 | type, flags, &head);
	struct nlattr *elements;

	if (nla_put_string(message, NFTA_SET_ELEM_LIST_TABLE, "netshim") < 0 ||
	    nla_put_string(message, NFTA_SET_ELEM_LIST_SET, set) < 0 ||
	    !(elements = nla_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS)))
		err(EXIT_FAILURE, "out of memory");
	for (size_t i = 0; i < part->answer->address_count; i++)
		if (is_in_part(part, &part->answer->addresses[i]))
			put_element(message, &part->answer->addresses[i], word);
	nla_nest_end(message, elements);
	add_message(message);
}

static void renew(enum names_set kind, const struct part *part, const struct peer *word, const char *whose)
{
	char set[NAMES_SET_SIZE];

	policy_names_set(set, kind, part->family, word, whose);
	add_elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, part, word->name);
	add_elements(NFT_MSG_DELSETELEM, 0, set, part, NULL);
	add_elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_ACK, set, part, word->name);
}

static bool any_in_part(const struct part *part)
{
	for (size_t i = 0; i < part->answer->address_count; i++)
		if (is_in_part(part, &part->answer->addresses[i]))
			return true;
	return false;
}

static void add_family(const struct answer *answer, int family, const char *whose)
{
	struct part part = { answer, family, false };

	for (size_t i = 0; any_in_part(&part) && i < answer->allowed_count; i++) {
		renew(NAMES_SET_OPEN, &part, answer->allowed[i], whose);
		renew(NAMES_SET_KNOWN, &part, answer->allowed[i], whose);
	}
	part.special = true;
	for (size_t i = 0; any_in_part(&part) && i < answer->denied_count; i++)
		renew(NAMES_SET_DENY, &part, answer->denied[i], whose);
}

static int connected(void)
{
	static int fd = -1;
	const int room = BATCH_SIZE * 2;

	if (fd >= 0)
		return fd;
	batch = zalloc(BATCH_SIZE);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	/* More than a socket has by default; it takes CAP_NET_ADMIN. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	return fd;
}

/* The kernel has answered, to each that asks for it or is wrong, when send returns
 * (nfnetlink_rcv). */
static int hear_answers(int fd)
{
	static _Alignas(struct nlmsghdr) char buffer[1 << 16];
	int wrong = 0;
	ssize_t size;

	while ((size = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
		int left = (int)size;

		for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; nlmsg_ok(m, left); m = nlmsg_next(m, &left)) {
			const struct nlmsgerr *e = nlmsg_data(m);

			if (m->nlmsg_type == NLMSG_ERROR && nlmsg_valid_hdr(m, sizeof(*e)) && e->error)
				wrong = -e->error;
		}
	}
	return wrong;
}

bool opened_add(const struct answer *answer, const char *whose)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = connected();

	batch_size = 0;
	batch_full = false;
	add_bound(NFNL_MSG_BATCH_BEGIN);
	add_family(answer, AF_INET, whose);
	add_family(answer, AF_INET6, whose);
	add_bound(NFNL_MSG_BATCH_END);
	errno = EMSGSIZE;
	if (batch_full || sendto(fd, batch, batch_size, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return false;
	errno = hear_answers(fd);
	return !errno;
}

/* --- carrying over */

struct carrying {
	FILE *out;
	const char *set;
	int family;
	const struct peer_list *list;
	const struct peer *word; /* with the ports of the set */
};

/* The name by which an element is in the set of a word, where the list still has it. */
static const struct peer *word_of(const struct peer_list *list, const struct peer *word, struct nlattr *element[])
{
	const char *comment = opened_comment(element);

	for (size_t i = 0; comment && i < list->count; i++) {
		const struct peer *a = &list->items[i];

		if (policy_names_in_one_set(a, word) && !strncmp(a->name, comment, COMMENT_MAX - 1))
			return a;
	}
	return NULL;
}

void opened_write_element(FILE *out, const char *set, int family, const unsigned char *key, int64_t left,
			  const char *name)
{
	char text[INET6_ADDRSTRLEN];

	if (left >= ELEMENTS_LEAST)
		fprintf(out, "add element inet netshim %s { %s expires %" PRId64 "ms comment \"%.*s\" }\n", set,
			inet_ntop(family, key, text, sizeof(text)), left, COMMENT_MAX - 1, name);
}

static void carry_element(struct nlattr *element[], void *with)
{
	const struct carrying *c = with;
	const unsigned char *key = elements_key(element, size_of(c->family));
	const struct peer *word = key ? word_of(c->list, c->word, element) : NULL;

	if (word)
		opened_write_element(c->out, c->set, c->family, key, elements_left(element), word->name);
}

static void carry_set(FILE *out, enum names_set kind, const struct peer_list *list, const struct peer *word,
		      const char *whose)
{
	static const int families[] = { AF_INET, AF_INET6 };
	char set[NAMES_SET_SIZE];

	for (size_t f = 0; f < 2; f++) {
		struct carrying carrying = { out, set, families[f], list, word };

		policy_names_set(set, kind, families[f], word, whose);
		elements_each(set, carry_element, &carrying);
	}
}

static void carry_verdict(FILE *out, const struct verdict *verdict, const char *whose)
{
	for (size_t i = 0; i < verdict->allow.count; i++)
		if (policy_names_is_first(&verdict->allow, &verdict->allow.items[i])) {
			carry_set(out, NAMES_SET_OPEN, &verdict->allow, &verdict->allow.items[i], whose);
			carry_set(out, NAMES_SET_KNOWN, &verdict->allow, &verdict->allow.items[i], whose);
		}
	for (size_t i = 0; i < verdict->deny.count; i++)
		if (policy_names_is_first(&verdict->deny, &verdict->deny.items[i]))
			carry_set(out, NAMES_SET_DENY, &verdict->deny, &verdict->deny.items[i], whose);
}

void opened_write(FILE *out, const struct ruleset *set)
{
	for (size_t i = 0; i < set->class_count; i++)
		carry_verdict(out, &set->classes[i].verdict, set->classes[i].name);
	carry_verdict(out, &set->unclassified, UNCLASSIFIED);
}

/* --- looking */

struct looking {
	const struct packet_end *to;
	const struct peer_list *list;
	const struct peer *word;
	const struct peer *found;
};

static void look_at_element(struct nlattr *element[], void *with)
{
	struct looking *l = with;
	const unsigned char *key = elements_key(element, size_of(l->to->family));

	if (key && !memcmp(key, &l->to->address, size_of(l->to->family)))
		l->found = word_of(l->list, l->word, element);
}

const struct peer *opened_word(const struct peer_list *list, enum names_set kind, const struct packet_end *to,
			       const char *whose)
{
	struct looking looking = { to, list, NULL, NULL };
	char set[NAMES_SET_SIZE];

	for (size_t i = 0; i < list->count && !looking.found; i++) {
		const struct peer *a = looking.word = &list->items[i];

		if (!policy_names_is_first(list, a) ||
		    (a->first_port &&
		     (a->protocol != to->protocol || to->port < a->first_port || to->port > a->last_port)))
			continue;
		policy_names_set(set, kind, to->family, a, whose);
		elements_each(set, look_at_element, &looking);
	}
	return looking.found;
}
