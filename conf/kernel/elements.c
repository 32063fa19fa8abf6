/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The elements of sets: see elements.h. */

#include "conf/kernel/elements.h"

#include "conf/kernel/dump.h"

#include <endian.h>
#include <linux/netfilter/nfnetlink.h>

struct visit {
	void (*call)(struct nlattr *element[], void *with);
	void *with;
};

const unsigned char *elements_key(struct nlattr *element[], size_t size)
{
	struct nlattr *key[NFTA_DATA_MAX + 1];

	if (!element[NFTA_SET_ELEM_KEY] || nla_parse_nested(key, NFTA_DATA_MAX, element[NFTA_SET_ELEM_KEY], NULL) ||
	    !key[NFTA_DATA_VALUE] || (size_t)nla_len(key[NFTA_DATA_VALUE]) != size)
		return NULL;
	return nla_data(key[NFTA_DATA_VALUE]);
}

int64_t elements_left(struct nlattr *element[])
{
	uint64_t left = 0;

	if (element[NFTA_SET_ELEM_EXPIRATION])
		nla_memcpy(&left, element[NFTA_SET_ELEM_EXPIRATION], sizeof(left));
	return (int64_t)be64toh(left);
}

void elements_in(struct nlattr *list, void (*visit)(struct nlattr *element[], void *with), void *with)
{
	struct nlattr *element[NFTA_SET_ELEM_MAX + 1];
	int left = nla_len(list);

	for (struct nlattr *next = nla_data(list); nla_ok(next, left); next = nla_next(next, &left))
		if (!nla_parse_nested(element, NFTA_SET_ELEM_MAX, next, NULL))
			visit(element, with);
}

static int hear_elements(struct nl_msg *message, void *with)
{
	const struct visit *visit = with;
	struct nlattr *in[NFTA_SET_ELEM_LIST_MAX + 1];

	if (!nlmsg_parse(nlmsg_hdr(message), sizeof(struct nfgenmsg), in, NFTA_SET_ELEM_LIST_MAX, NULL) &&
	    in[NFTA_SET_ELEM_LIST_ELEMENTS])
		elements_in(in[NFTA_SET_ELEM_LIST_ELEMENTS], visit->call, visit->with);
	return NL_OK;
}

bool elements_each(const char *set, void (*visit)(struct nlattr *element[], void *with), void *with)
{
	struct nl_msg *request = dump_request(NFT_MSG_GETSETELEM, NFTA_SET_ELEM_LIST_TABLE);
	struct visit call = { visit, with };

	if (request && nla_put_string(request, NFTA_SET_ELEM_LIST_SET, set) >= 0)
		return dump(request, hear_elements, &call);
	nlmsg_free(request);
	return false;
}
