/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The counters: see counters.h. */

#include "conf/kernel/counters.h"

#include "conf/kernel/dump.h"
#include "conf/language/alloc.h"

#include <endian.h>
#include <inttypes.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#define TRIES_MAX 20

static uint64_t number(struct nlattr *attribute)
{
	uint64_t n = 0;

	if (attribute)
		nla_memcpy(&n, attribute, sizeof(n));
	return be64toh(n);
}

static int hear_counter(struct nl_msg *answer, void *with)
{
	struct counters *counters = with;
	struct nlattr *object[NFTA_OBJ_MAX + 1];
	struct nlattr *counts[NFTA_COUNTER_MAX + 1];
	struct counter *next;

	if (nlmsg_parse(nlmsg_hdr(answer), sizeof(struct nfgenmsg), object, NFTA_OBJ_MAX, NULL) ||
	    !object[NFTA_OBJ_NAME] || !object[NFTA_OBJ_DATA] ||
	    nla_parse_nested(counts, NFTA_COUNTER_MAX, object[NFTA_OBJ_DATA], NULL))
		return NL_OK;
	counters->items = grown(counters->items, counters->count, sizeof(*counters->items));
	next = &counters->items[counters->count++];
	*next = (struct counter){ .packets = number(counts[NFTA_COUNTER_PACKETS]),
				  .bytes = number(counts[NFTA_COUNTER_BYTES]) };
	nla_strlcpy(next->name, object[NFTA_OBJ_NAME], sizeof(next->name));
	return NL_OK;
}

static bool read_all(struct counters *counters)
{
	struct nl_msg *request = dump_request(NFT_MSG_GETOBJ, NFTA_OBJ_TABLE);

	counters->count = 0;
	if (request && nla_put_u32(request, NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_COUNTER)) >= 0)
		return dump(request, hear_counter, counters);
	nlmsg_free(request);
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct counter *)a)->name, ((const struct counter *)b)->name);
}

/* The kernel says where the ruleset has changed meanwhile. A table of netshim's is never
 * without counters. */
bool counters_read(struct counters *counters)
{
	*counters = (struct counters){ .items = NULL };
	for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
		if (!read_all(counters))
			continue;
		if (counters->count)
			qsort(counters->items, counters->count, sizeof(*counters->items), by_name);
		return counters->count;
	}
	return false;
}

void counters_write(FILE *out, const struct counters *from, const char *name)
{
	struct counter wanted = { .packets = 0 };
	const struct counter *found = NULL;

	snprintf(wanted.name, sizeof(wanted.name), "%s", name);
	if (from && from->count)
		found = bsearch(&wanted, from->items, from->count, sizeof(wanted), by_name);
	if (found)
		fprintf(out, "\tcounter %s { packets %" PRIu64 " bytes %" PRIu64 " }\n", name, found->packets,
			found->bytes);
	else
		fprintf(out, "\tcounter %s { }\n", name);
}
