/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim run: becomes the helper, which enters the class and becomes the
 * command. No privilege is used here. */

#include "conf/command/verbs.h"
#include "conf/command/search.h"
#include "conf/contract/process.h"
#include "conf/contract/rules.h"
#include "conf/language/alloc.h"

#include <fcntl.h>
#include <unistd.h>

int cmd_run(const struct command *command)
{
	const char *class = command->argv[0];
	char **argv = command->argv + 1;
	struct request request = { .run = class, .dirfd = AT_FDCWD };
	char text[REQUEST_MAX];
	const char *path;
	const char **env;
	size_t count = 0;

	if (*argv && !strcmp(*argv, "--"))
		argv++;
	if (!*argv) {
		warnx("run: which command? usage: netshim run CLASS [--] COMMAND...");
		return EXIT_USAGE;
	}
	if (!class_name_valid(class))
		errx(EXIT_REFUSED, "bad class name '%s'; 'netshim status' lists the classes", class);
	if (process_has_ambient())
		errx(EXIT_REFUSED, "%s: not started (class %s): the helper would take its ambient capabilities away",
		     *argv, class);
	path = search_command(*argv);
	if (!path)
		errx(EXIT_NOT_FOUND, "%s: not found on PATH", *argv);
	while (environ[count])
		count++;
	env = zalloc((count + REQUEST_STRINGS + 1) * sizeof(*env));
	request_state(&request);
	request_write(&request, text);
	env[0] = text;
	env[1] = path;
	memcpy(env + REQUEST_STRINGS, environ, count * sizeof(*env));
	execve(NETSHIM_HELPER, argv, (char *const *)env);
	err(EXIT_REFUSED, "cannot execute %s (reinstall netshim)", NETSHIM_HELPER);
}
