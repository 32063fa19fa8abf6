/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What a resolver's answer, one message of DNS, says of the names in allow and deny. */

#ifndef NETSHIM_ANSWERS_H
#define NETSHIM_ANSWERS_H

#include "conf/language/ruleset.h"

/* The names of a verdict, ready to be looked up. Both lists have to stay. */
struct names;
struct names *answers_names(const struct verdict *verdict);

/* An address that an answer has for a name. */
struct answer_address {
	int family; /* AF_INET or AF_INET6 */
	unsigned char bytes[sizeof(struct in6_addr)];
};

#define ANSWER_ADDRESSES 64
#define ANSWER_WORDS 32
struct answer {
	struct answer_address addresses[ANSWER_ADDRESSES]; /* each once */
	size_t address_count;
	/* The words of allow that are for the name that was asked for; those of deny also where
	 * they are for another one by which (CNAME) it came to its addresses. */
	const struct peer *allowed[ANSWER_WORDS];
	const struct peer *denied[ANSWER_WORDS];
	size_t allowed_count, denied_count;
	bool denies_more; /* it leads to more that is denied than is told here, or may do so */
};

/* Tells whether a message is the answer to a query. */
bool answers_belong(const unsigned char *query, size_t query_size, const unsigned char *message, size_t size);

/* Makes a query the answer that there is none (SERVFAIL), and returns its size; 0 where it is no
 * query. */
size_t answers_fail(unsigned char *query, size_t size);

/* Reads an answer. Where there are words for its name, none of it is to be valid for longer
 * than so many seconds afterwards. */
void answers_read(const struct names *names, unsigned char *message, size_t size, unsigned valid,
		  struct answer *answer);

/* Tells an address that a stranger's name must not open: one that is this machine's own, or
 * that of a network that is nobody's on the Internet. */
bool answers_is_special(const struct answer_address *address);

#endif
