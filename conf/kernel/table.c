/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The table that is in force: see table.h.
 *
 * nftables tells of every transaction when it is in force (nf_tables_commit in the
 * kernel's net/netfilter/nf_tables_api.c): of what was taken away and what was added, in
 * this order for a table that is replaced, and at last of the new generation, with the
 * process that has made it. Who flushes the ruleset takes each table away rule by rule. */

#include "conf/kernel/table.h"

#include "conf/contract/rules.h"
#include "conf/kernel/counters.h"
#include "conf/kernel/elements.h"
#include "conf/kernel/handover.h"
#include "conf/kernel/neighbours.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/policy-refuse.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"
#include "conf/language/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/msg.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME "netshim"
#define PATIENCE_MS 1000

/* No class has a name with a point. */
static const char new_path[] = TABLE_KEPT ".new";

const char *table_kept_path(const char *class, char path[TABLE_KEPT_SIZE])
{
	snprintf(path, TABLE_KEPT_SIZE, TABLE_KEPT "%s%s", class ? "-" : "", class ? class : "");
	return path;
}

static void find_number(const char *text, size_t size, char number[TABLE_NUMBER_SIZE])
{
	const char *found = memmem(text, size, TABLE_COMMENT, strlen(TABLE_COMMENT));
	size_t at = found ? (size_t)(found - text) + strlen(TABLE_COMMENT) : size;
	size_t n = 0;

	while (n < TABLE_NUMBER_SIZE - 1 && at < size && strchr("0123456789abcdef", text[at]) && text[at])
		number[n++] = text[at++];
	number[n == TABLE_NUMBER_SIZE - 1 ? n : 0] = '\0';
}

void table_number(const char *text, char number[TABLE_NUMBER_SIZE])
{
	const char *comment = strstr(text, "comment \"" TABLE_COMMENT);

	find_number(comment ? comment : "", comment ? strcspn(comment, "\n") : 0, number);
}

/* Without stdio and memory: it goes back where there is little of either. */
static bool write_new(const char *text)
{
	size_t left = strlen(text);
	ssize_t n = 1;
	int fd;

	unlink(new_path);
	fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	for (; fd >= 0 && left && n > 0; text += n, left -= (size_t)n)
		n = write(fd, text, left);
	if (fd >= 0)
		close(fd);
	return fd >= 0 && !left;
}

char *table_kept(const char *class)
{
	char path[TABLE_KEPT_SIZE];

	return text_plain(table_kept_path(class, path));
}

static struct table_news look(void)
{
	struct table_news news = { .lacking = true };
	int events = table_events();

	table_look(events, &news);
	close(events);
	return news;
}

/* The text that was loaded last, where that is what is loaded; before Linux 5.10, nothing is
 * known to be. */
static char *kept_if_loaded(const char *class, const struct table_news *news)
{
	char *text = table_kept(class);
	char number[TABLE_NUMBER_SIZE];

	table_number(text ? text : "", number);
	if (*number && !strcmp(news->number, number))
		return text;
	free(text);
	return NULL;
}

static char *load_and_keep(const char *class, const char *text, const char *whole)
{
	char path[TABLE_KEPT_SIZE];
	int error = write_new(text) ? 0 : errno;
	char *words = nft_load(whole, false);

	table_kept_path(class, path);
	if (!error && !words && rename(new_path, path))
		error = errno;
	if (error && !words) {
		errno = error; /* nftables' library has its own since */
		warn("cannot write %s, so that nobody puts the table back where others take it away", path);
		unlink(path);
	}
	unlink(new_path);
	return words;
}

/* A second table may be left of a change that has ended half way. */
char *table_load(const char *class, const char *text, const char *whole)
{
	char *alone = printed(NFT_REMOVE_SECOND "%s", whole);
	char *words = load_and_keep(class, text, alone);

	free(alone);
	return words;
}

static char *replace_large(const char *class, const char *text, const char *whole, const struct table_news *news)
{
	char *kept = kept_if_loaded(class, news);
	char *before = kept ? kept : nft_save();
	char *words;

	handover_ahead(before);
	words = table_load(class, text, whole);
	if (words)
		handover_ahead_undo(before);
	free(before);
	return words;
}

static bool replace_small(const char *class, const char *text, const char *whole)
{
	char *both = handover_second(whole);
	char *words;

	if (!both)
		return false;
	words = load_and_keep(class, text, both);
	if (!handover_second_done())
		warnx("nftables does not let go of table netshim_handover, which goes on refusing what these rules "
		      "do; run 'netshim reload'");
	free(both);
	free(words);
	return !words;
}

/* What nftables does not take twice, it may take once. */
static char *replace(const char *class, const char *text, const char *whole, const struct table_news *news)
{
	return replace_small(class, text, whole) ? NULL : replace_large(class, text, whole, news);
}

char *table_replace(const char *class, const char *text, const char *whole)
{
	struct table_news news = look();
	char *now;
	char *words;

	if (news.lacking)
		return table_load(class, text, whole);
	now = neighbours_with(whole);
	words = replace(class, text, now, &news);
	free(now);
	return words;
}

static void count_element(struct nlattr *element[], void *with)
{
	(void)element;
	++*(size_t *)with;
}

/* Not what was listed by nft; and nobody listens, for whom chains would have to come back, too. */
static bool is_as_written(const char *text)
{
	size_t listeners = 0;

	elements_each(POLICY_TELL, count_element, &listeners);
	return !listeners && strstr(text, "\tcounter out_unclassified { ");
}

/* Returns false where nft does not list it. */
static bool write_set(FILE *out, const char *set)
{
	size_t count = 0;
	char *listing;

	elements_each(set, count_element, &count);
	if (!count)
		return true;
	listing = nft_list_set(set);
	if (!listing)
		return false;
	fputs(listing, out);
	free(listing);
	return true;
}

/* Where policy.c has anything kept. */
char *table_held(const char *text)
{
	static const char *const sets[] = { POLICY_KEPT_TCP "4", POLICY_KEPT_TCP "6",	POLICY_KEPT_UDP "4",
					    POLICY_KEPT_UDP "6", POLICY_KEPT_OTHER "4", POLICY_KEPT_OTHER "6" };
	bool ok = true;
	char *held = NULL;
	FILE *out = memstream_open(&held, &(size_t){ 0 });

	for (size_t i = 0; ok && strstr(text, "\tset " POLICY_KEPT_TCP) && i < sizeof(sets) / sizeof(*sets); i++)
		ok = write_set(out, sets[i]);
	memstream_close(out);
	if (ok)
		return held;
	free(held);
	return NULL;
}

char *table_now(char **held)
{
	struct table_news news = look();
	char *text = kept_if_loaded(NULL, &news);

	*held = text && is_as_written(text) ? table_held(text) : NULL;
	if (*held)
		return text;
	free(text);
	*held = copied("");
	return nft_save();
}

/* One of policy.c's lines, "COUNTER_LINE NAME { ... }": its name, or false. */
#define COUNTER_LINE "\tcounter "
static bool find_counter(const char *line, size_t size, char name[COUNTER_NAME_SIZE])
{
	const size_t before = strlen(COUNTER_LINE);
	size_t n = size > before ? strcspn(line + before, " \n") : COUNTER_NAME_SIZE;

	if (n >= COUNTER_NAME_SIZE || strncmp(line, COUNTER_LINE, before) != 0 || line[size - 2] != '}')
		return false;
	memcpy(name, line + before, n);
	name[n] = '\0';
	return true;
}

char *table_counted(const char *text)
{
	char name[COUNTER_NAME_SIZE];
	struct counters counters;
	char *counted = NULL;
	FILE *out = memstream_open(&counted, &(size_t){ 0 });
	size_t size;

	counters_read(&counters);
	for (; *text; text += size) {
		size = strcspn(text, "\n");
		size += text[size] == '\n';
		if (find_counter(text, size, name))
			counters_write(out, &counters, name);
		else
			fwrite(text, 1, size, out);
	}
	free(counters.items);
	memstream_close(out);
	return counted;
}

void table_forget(const char *class)
{
	char path[TABLE_KEPT_SIZE];

	unlink(table_kept_path(class, path));
	unlink(new_path);
}

int table_events(void)
{
	struct sockaddr_nl groups = { .nl_family = AF_NETLINK, .nl_groups = 1U << (NFNLGRP_NFTABLES - 1) };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);

	if (fd < 0 || bind(fd, (struct sockaddr *)&groups, sizeof(groups)))
		err(EXIT_FAILURE, "cannot be told of nftables' tables (nfnetlink)");
	return fd;
}

/* The first attribute of all that belongs to a table is its name. */
_Static_assert((int)NFTA_TABLE_NAME == (int)NFTA_CHAIN_TABLE && (int)NFTA_TABLE_NAME == (int)NFTA_RULE_TABLE &&
		       (int)NFTA_TABLE_NAME == (int)NFTA_SET_TABLE && (int)NFTA_TABLE_NAME == (int)NFTA_OBJ_TABLE &&
		       (int)NFTA_TABLE_NAME == (int)NFTA_SET_ELEM_LIST_TABLE,
	       "the kernel's headers");

static bool is_about_it(struct nlmsghdr *message, struct nlattr **attributes, int max)
{
	const struct nfgenmsg *head = nlmsg_data(message);

	return nlmsg_valid_hdr(message, sizeof(*head)) && head->nfgen_family == NFPROTO_INET &&
	       !nlmsg_parse(message, sizeof(*head), attributes, max, NULL) && attributes[NFTA_TABLE_NAME] &&
	       !nla_strcmp(attributes[NFTA_TABLE_NAME], NAME);
}

static void hear_generation(struct nlmsghdr *message, struct table_news *news)
{
	struct nlattr *attributes[NFTA_GEN_MAX + 1];

	if (!news->changed || nlmsg_parse(message, sizeof(struct nfgenmsg), attributes, NFTA_GEN_MAX, NULL))
		return;
	news->changed = false;
	if (attributes[NFTA_GEN_PROC_PID])
		news->process = ntohl(nla_get_u32(attributes[NFTA_GEN_PROC_PID]));
	if (attributes[NFTA_GEN_PROC_NAME])
		nla_strlcpy(news->by, attributes[NFTA_GEN_PROC_NAME], sizeof(news->by));
}

/* A dormant table is there, but none of its rules is in force. */
static void hear_table(struct nlattr **attributes, struct table_news *news)
{
	const struct nlattr *comment = attributes[NFTA_TABLE_USERDATA];

	news->lacking = attributes[NFTA_TABLE_FLAGS] &&
			(ntohl(nla_get_u32(attributes[NFTA_TABLE_FLAGS])) & NFT_TABLE_F_DORMANT);
	find_number(comment ? nla_data(comment) : "", comment ? (size_t)nla_len(comment) : 0, news->number);
}

static bool name_begins(const struct nlattr *name, const char *with)
{
	return name && begins(nla_data(name), with);
}

/* A reload that nftables has refused takes its chains away again. A set without a name of its own
 * goes with its rule. */
static bool is_of_handover(int type, struct nlattr **attributes)
{
	return (type == NFT_MSG_DELCHAIN && name_begins(attributes[NFTA_CHAIN_NAME], HANDOVER_AHEAD)) ||
	       (type == NFT_MSG_DELRULE && name_begins(attributes[NFTA_RULE_CHAIN], HANDOVER_AHEAD)) ||
	       (type == NFT_MSG_DELSET && name_begins(attributes[NFTA_SET_NAME], "__"));
}

static void hear_change(struct nlmsghdr *message, int type, struct table_news *news)
{
	struct nlattr *attributes[NFTA_CHAIN_MAX + 1];

	if (!is_about_it(message, attributes, NFTA_CHAIN_MAX) || is_of_handover(type, attributes))
		return;
	news->heard = news->changed = true;
	if (type == NFT_MSG_NEWTABLE)
		hear_table(attributes, news);
	else
		news->lacking = true;
}

struct heard {
	const struct table_news *news;
	const char *set;
	bool there;
};

static void hear_element(struct nlattr *element[], void *with)
{
	const struct heard *heard = with;

	heard->news->element(heard->set, element, heard->there);
}

static void hear_elements(struct nlmsghdr *message, int type, const struct table_news *news)
{
	struct nlattr *attributes[NFTA_SET_ELEM_LIST_MAX + 1];
	struct heard heard = { .news = news, .there = type == NFT_MSG_NEWSETELEM };

	if (!news->element || !is_about_it(message, attributes, NFTA_SET_ELEM_LIST_MAX) ||
	    !attributes[NFTA_SET_ELEM_LIST_SET] || !attributes[NFTA_SET_ELEM_LIST_ELEMENTS])
		return;
	heard.set = nla_get_string(attributes[NFTA_SET_ELEM_LIST_SET]);
	elements_in(attributes[NFTA_SET_ELEM_LIST_ELEMENTS], hear_element, &heard);
}

static void hear_message(struct nlmsghdr *message, struct table_news *news)
{
	/* To table_look: there is none. */
	if (message->nlmsg_type == NLMSG_ERROR)
		news->heard = news->lacking = true;
	if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES)
		return;
	switch (NFNL_MSG_TYPE(message->nlmsg_type)) {
	case NFT_MSG_NEWGEN:
		hear_generation(message, news);
		break;
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_DELTABLE:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_DELRULE:
	case NFT_MSG_DELSET:
	case NFT_MSG_DELOBJ:
		hear_change(message, NFNL_MSG_TYPE(message->nlmsg_type), news);
		break;
	case NFT_MSG_NEWSETELEM:
	case NFT_MSG_DELSETELEM:
		hear_elements(message, NFNL_MSG_TYPE(message->nlmsg_type), news);
		break;
	default:
		break;
	}
}

/* Returns false where some of it is lost, for want of room (ENOBUFS). */
static bool hear_all(int events, struct table_news *news)
{
	static _Alignas(struct nlmsghdr) char buffer[1 << 16];
	bool whole = true;
	ssize_t size;

	while ((size = recv(events, buffer, sizeof(buffer), 0)) >= 0 || errno == ENOBUFS) {
		int left = (int)size;

		whole = whole && size >= 0;
		for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; left > 0 && nlmsg_ok(m, left);
		     m = nlmsg_next(m, &left))
			hear_message(m, news);
	}
	return whole;
}

/* Who it was is told last. Until then the transaction keeps others from theirs (commit_mutex),
 * so that nothing is put back any later for waiting. */
static bool hear_to_the_end(int events, struct table_news *news)
{
	bool whole = hear_all(events, news);

	while (whole && news->changed && poll(&(struct pollfd){ .fd = events, .events = POLLIN }, 1, PATIENCE_MS) > 0)
		whole = hear_all(events, news);
	return whole;
}

void table_hear(int events, struct table_news *news)
{
	if (hear_to_the_end(events, news))
		return;
	*news->by = '\0';
	table_look(events, news);
}

/* The kernel has answered when send returns (nfnetlink_rcv). */
void table_look(int events, struct table_news *news)
{
	struct nfgenmsg head = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };
	struct nl_msg *message = nlmsg_alloc_simple(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_REQUEST);
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (!message || nlmsg_append(message, &head, sizeof(head), NLMSG_ALIGNTO) < 0 ||
	    nla_put_string(message, NFTA_TABLE_NAME, NAME) < 0)
		err(EXIT_FAILURE, "out of memory");
	news->lacking = true;
	if (sendto(events, nlmsg_hdr(message), nlmsg_hdr(message)->nlmsg_len, 0, (struct sockaddr *)&kernel,
		   sizeof(kernel)) >= 0)
		hear_all(events, news);
	news->changed = false; /* an answer is no transaction */
	nlmsg_free(message);
}
