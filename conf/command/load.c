/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Reads, checks and reports: see load.h. */

#include "conf/command/load.h"

#include "conf/kernel/nft.h"
#include "conf/language/check.h"
#include "conf/language/compile.h"
#include "conf/language/grammar.h"

#include <stdlib.h>
#include <unistd.h>

void load_ruleset(struct ruleset *set, const char *path)
{
	grammar_read(set, path);
	check_whole(set);
	compile_names(set);
	/* nftables answers to nobody else. */
	if (geteuid() == 0)
		nft_check_statements(set);
	if (ruleset_report(set))
		exit(EXIT_FAILURE);
}
