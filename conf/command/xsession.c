/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* X11 sessions: see xsession.h. */

#include "conf/command/xsession.h"

#include "conf/command/edit.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTION "use-ssh-agent"

static bool begins_with(const char *line, const char *word)
{
	size_t length = strlen(word);

	return !strncmp(line, word, length) && (!line[length] || strchr(" \t\n", line[length]));
}

/* Of all files, the last line about it counts. */
static bool has_option(void)
{
	bool has = false;
	glob_t files;

	if (glob("/etc/X11/Xsession.options{,.d/*.conf}", GLOB_BRACE, NULL, &files))
		return false;
	for (size_t i = 0; i < files.gl_pathc; i++) {
		char *text = edit_text(files.gl_pathv[i]);
		char *rest = text;
		char *line;

		while ((line = strsep(&rest, "\n")))
			has = begins_with(line, OPTION) || (has && !begins_with(line, "no-" OPTION));
		free(text);
	}
	globfree(&files);
	return has;
}

bool xsession_drops_variable(void)
{
	struct stat agent;

	return access(XSESSION_OURS, F_OK) && !access(XSESSION_FOLDER "/90x11-common_ssh-agent", F_OK) &&
	       !stat("/usr/bin/ssh-agent", &agent) && agent.st_mode & S_ISGID && has_option();
}
