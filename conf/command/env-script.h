/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What a script with `#!/usr/bin/env NAME` has env start: that program's rule has the last word. */

#ifndef NETSHIM_COMMAND_ENV_SCRIPT_H
#define NETSHIM_COMMAND_ENV_SCRIPT_H

#include "conf/contract/rules.h"

/* A program, as it is started, and its rule. The first is the script itself. */
struct env_script {
	struct rules *rules;
	struct rules_slot *rule;
	const char *program;
	char **argv;	 /* begins with the program; what env starts has them allocated */
	const char *why; /* it cannot be told, or NULL */
	unsigned depth;
};

/* Goes on to the next program with a rule of its own that env starts, by a script in between, too. false where there
 * is none: where the program is no such script, a class keeps what it starts, or it cannot be told. */
bool env_script_next(struct env_script *script);

#endif
