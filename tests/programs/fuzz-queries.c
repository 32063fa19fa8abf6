/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* libFuzzer's way into the reader of queries and answers. An input is a query's size, the
 * query and the answer, which is given the query's number. A name that comes of it is
 * printable, whatever they hold. Built and run by fuzz.t. */

#include "conf/kernel/nft.h"
#include "conf/kernel/queries.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

char *nft_own(const char *text)
{
	(void)text;
	return NULL;
}

static void check_name(const unsigned char *bytes)
{
	struct in6_addr address = { .s6_addr = { 0 } };
	const char *name;

	memcpy(&address, bytes, 4);
	name = queries_name(1, AF_INET, &address);
	for (; name && *name; name++)
		if (!isgraph((unsigned char)*name))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct refusal packet = { .family = AF_INET, .local_port = 7, .remote_port = 7 };
	size_t asked = size ? data[0] : 0;
	unsigned char *answer;

	if (size < asked + 1 + 4 || asked < 2)
		return 0;
	size -= asked + 1;
	/* Of its own size, so that what is read behind it is seen. */
	answer = malloc(size);
	if (!answer)
		return 0;
	memcpy(answer, data + 1 + asked, size);
	memcpy(answer, data + 1, 2);
	queries_hear("?00000001", &packet, data + 1, asked);
	queries_hear("!", &packet, answer, size);
	check_name(answer + size - 4);
	free(answer);
	return 0;
}
