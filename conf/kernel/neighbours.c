/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Who is on the link: see neighbours.h. */

#include "conf/kernel/neighbours.h"

#include "conf/kernel/elements.h"
#include "conf/kernel/nft.h"
#include "conf/language/alloc.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <sys/socket.h>

struct set {
	const char *name;
	int family;
	socklen_t size; /* of an address, in bytes */
};

static const struct set sets[] = {
	{ "neighbours4", AF_INET, sizeof(struct in_addr) },
	{ "neighbours6", AF_INET6, sizeof(struct in6_addr) },
	{ "others4", AF_INET, sizeof(struct in_addr) },
	{ "others6", AF_INET6, sizeof(struct in6_addr) },
};

struct carrying {
	FILE *out;
	const struct set *set;
};

static void carry(struct nlattr *element[], void *with)
{
	const struct carrying *c = with;
	const unsigned char *address = elements_key(element, c->set->size);
	int64_t left = elements_left(element);
	char text[INET6_ADDRSTRLEN];

	if (address && left >= ELEMENTS_LEAST)
		fprintf(c->out, "add element inet netshim %s { %s expires %" PRId64 "ms }\n", c->set->name,
			inet_ntop(c->set->family, address, text, sizeof(text)), left);
}

char *neighbours_with(const char *text)
{
	char *whole = NULL;
	FILE *out = memstream_open(&whole, &(size_t){ 0 });

	fprintf(out, "%s", text);
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		struct carrying carrying = { out, &sets[i] };

		if (nft_has_set(text, sets[i].name))
			elements_each(sets[i].name, carry, &carrying);
	}
	memstream_close(out);
	return whole;
}
