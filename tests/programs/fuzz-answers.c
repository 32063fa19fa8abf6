/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* libFuzzer's way into the reader of answers for names in allow and deny. An input is a
 * query's size, the query and the answer, which is given the query's number. What is read is
 * within bounds, and whatever the answer says, only what belongs to a name that is listed comes
 * of it. Built and run by fuzz.t. */

#include "conf/kernel/answers.h"

#include <arpa/nameser.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct peer allowed[] = { { .kind = PEER_NAME, .name = "a.test" },
				 { .kind = PEER_NAME, .name = "*.b.test" },
				 { .kind = PEER_LAN } };
static struct peer denied[] = { { .kind = PEER_NAME, .name = "c.test" } };
static const struct verdict verdict = { .allow = { allowed, 3 }, .deny = { denied, 1 }, .has_names = true };

static void check_answer(const struct answer *answer)
{
	for (size_t i = 0; i < answer->allowed_count; i++)
		if (answer->allowed[i] != &allowed[0] && answer->allowed[i] != &allowed[1])
			abort();
	for (size_t i = 0; i < answer->denied_count; i++)
		if (answer->denied[i] != &denied[0])
			abort();
	if (answer->address_count && !answer->allowed_count && !answer->denied_count)
		abort();
	for (size_t i = 0; i < answer->address_count; i++)
		(void)answers_is_special(&answer->addresses[i]);
}

static bool has_address(const struct answer *answer, const unsigned char *bytes)
{
	for (size_t i = 0; i < answer->address_count; i++)
		if (answer->addresses[i].family == AF_INET && !memcmp(answer->addresses[i].bytes, bytes, NS_INADDRSZ))
			return true;
	return false;
}

/* What is denied is closed, or not passed on. */
static void check_closed(const struct answer *answer, const unsigned char *message, size_t size)
{
	ns_msg parsed;
	ns_rr record;

	if (!answer->denied_count || answer->denies_more || ns_initparse(message, (int)size, &parsed))
		return;
	for (int i = 0; i < ns_msg_count(parsed, ns_s_an); i++)
		if (!ns_parserr(&parsed, ns_s_an, i, &record) && ns_rr_type(record) == ns_t_a &&
		    ns_rr_rdlen(record) == NS_INADDRSZ && !has_address(answer, ns_rr_rdata(record)))
			abort();
}

/* Of its own size, too. That there is no answer is an answer. */
static void check_failure(const uint8_t *query, size_t size)
{
	unsigned char *failure = malloc(size);
	size_t written;

	if (!failure)
		return;
	memcpy(failure, query, size);
	written = answers_fail(failure, size);
	if (written > size || (written && !answers_belong(query, size, failure, written)))
		abort();
	free(failure);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct names *names;
	static struct answer answer;
	size_t asked = size ? data[0] : 0;
	unsigned char *message;

	if (!names)
		names = answers_names(&verdict);
	if (size < asked + 1 + 2 || asked < 2)
		return 0;
	size -= asked + 1;
	/* Of its own size, so that what is read behind it is seen. */
	message = malloc(size);
	if (!message)
		return 0;
	memcpy(message, data + 1 + asked, size);
	memcpy(message, data + 1, 2);
	check_failure(data + 1, asked);
	answers_belong(data + 1, asked, message, size);
	answers_read(names, message, size, 300, &answer);
	check_answer(&answer);
	check_closed(&answer, message, size);
	free(message);
	return 0;
}
