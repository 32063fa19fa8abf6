/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What sudo is told of environments: see sudoers.h. */

#include "conf/command/sudoers.h"

#include "conf/command/edit.h"
#include "conf/command/trial.h"
#include "conf/contract/sys.h"
#include "conf/language/alloc.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/etc/sudoers.d"
#define VISUDO "/usr/sbin/visudo"
#define OPTION "env_file"

bool sudoers_is_there(void)
{
	struct stat st;

	return !stat(FOLDER, &st) && S_ISDIR(st.st_mode) && !access(VISUDO, X_OK);
}

bool sudoers_check(const char *path)
{
	char *wrong = trial_run((const char *const[]){ VISUDO, "-c", "-q", "-f", path, NULL }, NULL, 0);

	if (wrong)
		warnx("sudo does not take " SUDOERS_OURS " (%s)", wrong);
	free(wrong);
	return !wrong;
}

/* restricted_env_file, which env_file leaves as it is, is another option. */
static const char *find_option(const char *line)
{
	const char *found = strstr(line, OPTION);

	while (found && found > line && found[-1] == '_')
		found = strstr(found + 1, OPTION);
	return *line == '#' ? NULL : found;
}

/* Allocated; the last line counts, as for sudo. */
static char *find_in(const char *path, bool *is_environment)
{
	char *text = edit_text(path);
	char *rest = text;
	char *found = NULL;
	char *line;

	for (unsigned number = 1; (line = strsep(&rest, "\n")); number++) {
		const char *option = find_option(line + strspn(line, " \t"));

		if (!option)
			continue;
		free(found);
		str_printable(line);
		*is_environment = strstr(option, "/etc/environment");
		found = printed("%s:%u: %s", path, number, line);
	}
	free(text);
	return found;
}

/* sudo reads no others. */
static int is_read(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return !strchr(entry->d_name, '.') && entry->d_name[length - 1] != '~' &&
	       strcmp(entry->d_name, strrchr(SUDOERS_OURS, '/') + 1) != 0;
}

char *sudoers_others(bool *is_environment)
{
	char *found = find_in("/etc/sudoers", is_environment);
	struct dirent **entries;
	int count = scandir(FOLDER, &entries, is_read, alphasort);

	for (int i = 0; i < count; i++) {
		char *path = printed(FOLDER "/%s", entries[i]->d_name);
		char *later = find_in(path, is_environment);

		if (later) {
			free(found);
			found = later;
		}
		free(entries[i]);
		free(path);
	}
	if (count >= 0)
		free(entries);
	return found;
}
