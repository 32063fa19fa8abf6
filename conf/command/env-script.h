/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What a script with `#!/usr/bin/env NAME` has env start: that program's rule has the last word. */

#ifndef NETSHIM_COMMAND_ENV_SCRIPT_H
#define NETSHIM_COMMAND_ENV_SCRIPT_H

#include "conf/contract/rules.h"

/* Finds what env starts when the program at path is started with argv under that rule. Returns its path and its
 * arguments (allocated); NULL where path is no such script, or a class keeps what it starts; and where it cannot be
 * told, *why says so (else it is NULL). */
char **env_script_start(struct rules *rules, const struct rules_slot *rule, const char *path, char **argv,
			const char **why);

#endif
