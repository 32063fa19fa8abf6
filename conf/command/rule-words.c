/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A rule in force, in the words of the configuration: see rule-words.h. */

#include "conf/command/rule-words.h"

#include "conf/language/alloc.h"

bool rule_words_read(struct rules *rules, uint32_t written, uint32_t with, uint32_t file, uint32_t line,
		     struct rule_words *words)
{
	words->line = line;
	return rules_string(rules, written, words->written, sizeof(words->written)) &&
	       rules_string(rules, with, words->with, sizeof(words->with)) &&
	       rules_string(rules, file, words->file, sizeof(words->file));
}

char *rule_words_text(const struct rule_words *words)
{
	const char *with = *words->with ? " with '" : "";
	const char *end = *words->with ? "'" : "";

	return printed("'%s'%s%s%s at %s:%u", words->written, with, words->with, end, words->file, words->line);
}
