/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim check: every mistake in a configuration; netshim ruleset: what it would
 * load. Neither changes anything. */

#include "conf/alloc.h"
#include "conf/netshim.h"
#include "conf/ruleset.h"

#include <unistd.h>

int cmd_check(const struct command *command)
{
	static struct ruleset set;
	const char *path = command->argc ? command->argv[0] : command->config;
	char *text;
	bool ok;

	ruleset_load(&set, path);
	text = policy_text(&set, NULL, NULL);
	/* nftables answers only to root. */
	ok = geteuid() != 0 || policy_load(text, true);
	free(text);
	if (ok)
		printf("%s: ok, %zu classes, %zu rules\n", path, set.class_count, set.app_count);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int cmd_ruleset(const struct command *command)
{
	static struct ruleset set;
	char *text;

	ruleset_load(&set, command->config);
	text = policy_text(&set, NULL, NULL);
	fputs(text, stdout);
	free(text);
	return EXIT_SUCCESS;
}
