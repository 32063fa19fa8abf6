/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* A rule in force, in the words of the configuration. */

#ifndef NETSHIM_RULE_WORDS_H
#define NETSHIM_RULE_WORDS_H

#include "conf/contract/rules.h"

struct rule_words {
	const char *kind;	     /* "", "for package " or "for unit " */
	char written[RULE_PATH_MAX]; /* a path, a pattern, or the name of a package or unit */
	char with[RULE_PATH_MAX];    /* "": for no argument */
	char file[RULE_PATH_MAX];
	uint32_t line;
};

/* false where it cannot be read. */
bool rule_words_read(struct rules *rules, const struct rules_slot *rule, struct rule_words *words);

/* "'/usr/bin/curl' with '--fast' at /etc/netshim.conf:12", "for package 'curl' at ..."; allocated. */
char *rule_words_text(const struct rule_words *words);

#endif
