/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The command's verbs, which the cmd-*.c have, each one or a few that belong together. They
 * return the exit code: 0 ok, 1 no or failed, 2 wrong usage. */

#ifndef NETSHIM_VERBS_H
#define NETSHIM_VERBS_H

enum { EXIT_USAGE = 2 };

#ifndef NETSHIM_CONFIG
#define NETSHIM_CONFIG "/etc/netshim.conf"
#endif

/* What the verbs are given: the configuration's path (for reload NULL where none is
 * named) and the words after the verb, with NULL behind them. */
struct command {
	const char *config;
	int argc;
	char **argv;
};

int cmd_blocked(const struct command *command);
int cmd_check(const struct command *command);
int cmd_confirm(const struct command *command);
int cmd_disable(const struct command *command);
int cmd_doctor(const struct command *command);
int cmd_down(const struct command *command);
int cmd_enable(const struct command *command);
int cmd_grant(const struct command *command);
int cmd_lift(const struct command *command);
int cmd_move(const struct command *command);
int cmd_ps(const struct command *command);
int cmd_ruleset(const struct command *command);
int cmd_run(const struct command *command);
int cmd_status(const struct command *command);
int cmd_suggest(const struct command *command);
int cmd_top(const struct command *command);
int cmd_trace(const struct command *command);
int cmd_up(const struct command *command);
int cmd_reload(const struct command *command);
int cmd_units(const struct command *command);
int cmd_watch(const struct command *command);
int cmd_which(const struct command *command);

#endif
