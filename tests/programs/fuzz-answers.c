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

static struct allowance allowed[] = { { .kind = ALLOW_NAME, .name = "a.test" },
				      { .kind = ALLOW_NAME, .name = "*.b.test" },
				      { .kind = ALLOW_LAN } };
static struct allowance denied[] = { { .kind = ALLOW_NAME, .name = "c.test" } };
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
	free(message);
	return 0;
}
