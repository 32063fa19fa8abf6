/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim check: every mistake in a configuration; netshim ruleset: what it would
 * load. Neither changes anything. */

#include "conf/command/load.h"
#include "conf/command/verbs.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/policy.h"
#include "conf/kernel/routing.h"
#include "conf/language/alloc.h"
#include "conf/language/ruleset.h"

#include <unistd.h>

int cmd_check(const struct command *command)
{
	static struct ruleset set;
	const char *path = command->argc ? command->argv[0] : command->config;
	struct network_list networks;
	char *text;
	bool ok;

	load_ruleset(&set, path);
	routing_read_networks(&networks);
	text = policy_text(&set, NULL, NULL, NULL, &networks);
	/* nftables answers only to root. */
	ok = geteuid() != 0 || nft_load(text, true);
	free(text);
	routing_free_networks(&networks);
	if (ok)
		printf("%s: ok, %zu class%s, %zu rule%s\n", path, set.class_count, set.class_count == 1 ? "" : "es",
		       set.app_count, set.app_count == 1 ? "" : "s");
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int cmd_ruleset(const struct command *command)
{
	static struct ruleset set;
	struct network_list networks;
	char *text;

	load_ruleset(&set, command->config);
	routing_read_networks(&networks);
	text = policy_text(&set, NULL, NULL, NULL, &networks);
	fputs(text, stdout);
	free(text);
	routing_free_networks(&networks);
	return EXIT_SUCCESS;
}
