/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A rule in force, in the words of the configuration: see rule-words.h. */

#include "conf/command/rule-words.h"

#include "conf/language/alloc.h"
#include "conf/language/begins.h"
#include "conf/language/unit.h"

bool rule_words_read(struct rules *rules, const struct rules_slot *rule, struct rule_words *words)
{
	char path[RULE_PATH_MAX];

	if (!rules_string(rules, rule->path, path, sizeof(path)) ||
	    !rules_string(rules, rule->written, words->written, sizeof(words->written)) ||
	    !rules_string(rules, rule->with_count ? 0 : rule->with, words->with, sizeof(words->with)) ||
	    !rules_string(rules, rule->file, words->file, sizeof(words->file)))
		return false;
	words->kind = *words->written == '/' ? "" : "for package ";
	if (begins(path, UNIT_KEY))
		words->kind = "for unit ";
	words->line = rule->line;
	return true;
}

char *rule_words_text(const struct rule_words *words)
{
	const char *with = *words->with ? " with '" : "";
	const char *end = *words->with ? "'" : "";

	return printed("%s'%s'%s%s%s at %s:%u", words->kind, words->written, with, words->with, end, words->file,
		       words->line);
}
