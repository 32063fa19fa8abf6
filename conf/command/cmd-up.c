/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim up, reload and down. */

#include "conf/command/change.h"
#include "conf/command/load.h"
#include "conf/command/state.h"
#include "conf/command/verbs.h"
#include "conf/kernel/routing.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"

#include <unistd.h>

/* Nothing that is there could leak by it. */
static void tell_what_is_lacking(int result)
{
	if (result == EXIT_SUCCESS && routing_lacks_ipv6())
		warnx("this kernel has no IPv6: of the classes with an interface, what is about IPv4 is in force");
}

int cmd_up(const struct command *command)
{
	static struct ruleset set;
	int result;

	load_ruleset(&set, command->config);
	state_lock(false);
	result = change_to(&set);
	tell_what_is_lacking(result);
	return result;
}

static const char *config_in_force(void)
{
	const char *path = compile_config();

	if (path)
		return path;
	warnx("%s is damaged or of another version, so it does not tell which configuration is in force; "
	      "taking " NETSHIM_CONFIG,
	      RULES_PATH);
	return NETSHIM_CONFIG;
}

/* With --hook, for scripts that interfaces, the boot and a login may wait for: nothing
 * is waited for without limit, not even a name service. */
int cmd_reload(const struct command *command)
{
	static struct ruleset set;
	bool for_hook = command->argc;
	int result;

	if (for_hook && strcmp(command->argv[0], "--hook")) {
		warnx("reload: what is '%s'? usage: netshim reload [--hook]", command->argv[0]);
		return EXIT_USAGE;
	}
	if (state_is_up())
		state_lock(for_hook);
	if (!state_is_up() && for_hook)
		return EXIT_SUCCESS;
	if (!state_is_up())
		errx(EXIT_FAILURE, "netshim is not up; run 'netshim up'");
	if (for_hook)
		be_impatient(STATE_GAVE_UP "the configuration could not be read, users and groups looked up\n");
	load_ruleset(&set, command->config ? command->config : config_in_force());
	be_patient();
	result = change_to(&set);
	if (!for_hook)
		tell_what_is_lacking(result);
	return result;
}

int cmd_down(const struct command *command)
{
	(void)command;
	if (access(NETSHIM_RUNDIR, F_OK))
		return EXIT_SUCCESS;
	state_lock(false);
	return change_to_nothing();
}
