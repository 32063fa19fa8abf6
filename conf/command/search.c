/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Finding a command on PATH, and its rule: see search.h. */

#include "conf/command/search.h"

#include "conf/contract/match.h"
#include "conf/language/alloc.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

const char *search_command(const char *name)
{
	const char *path = getenv("PATH");
	char *list = copied(path ? path : "/bin:/usr/bin");
	char *rest = list;
	char *dir;

	if (strchr(name, '/'))
		return name;
	while ((dir = strsep(&rest, ":"))) {
		char *candidate = printed("%s%s%s", dir, *dir ? "/" : "", name);

		if (is_program(candidate)) {
			free(list);
			return candidate;
		}
		free(candidate);
	}
	free(list);
	return NULL;
}

int search_rule(struct rules *rules, const char *path, char **argv, struct rules_slot *rule)
{
	const struct match_start start = { AT_FDCWD, path, { .list = argv, .folder = AT_FDCWD } };

	return match_with(rules, AT_FDCWD, path, 0, &start, rule, NULL);
}
