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
#include "conf/language/text.h"

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

/* As it was when it was put into force, whatever its files say by now. */
static void load_in_force(struct ruleset *set)
{
	const char *text = text_in_force();

	if (!text)
		load_ruleset(set, config_in_force());
	else if (!load_text(set, text))
		exit(EXIT_FAILURE);
}

static void load_for_hook(struct ruleset *set)
{
	be_impatient(STATE_GAVE_UP "the configuration could not be read, users and groups looked up\n");
	load_in_force(set);
	be_patient();
}

/* With --hook, for scripts that interfaces, the boot and a login may wait for: nothing
 * is waited for without limit, not even a name service, and an interface that comes up puts
 * nobody's half-edited file into force. */
int cmd_reload(const struct command *command)
{
	static struct ruleset set;
	bool for_hook = command->argc;
	int result;

	if (for_hook && strcmp(command->argv[0], "--hook")) {
		warnx("reload: what is '%s'? usage: netshim reload [--hook]", command->argv[0]);
		return EXIT_USAGE;
	}
	if (for_hook && command->config) {
		warnx("reload: --hook goes by what is in force and reads no file; leave out -c");
		return EXIT_USAGE;
	}
	if (state_is_up())
		state_lock(for_hook);
	if (!state_is_up() && for_hook)
		return EXIT_SUCCESS;
	if (!state_is_up())
		errx(EXIT_FAILURE, "netshim is not up; run 'netshim up'");
	if (for_hook)
		load_for_hook(&set);
	else
		load_ruleset(&set, command->config ? command->config : config_in_force());
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
