/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What sudo is told of environments: see sudoers.h. */

#include "conf/command/sudoers.h"

#include "conf/command/edit.h"
#include "conf/command/trial.h"
#include "conf/contract/sys.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"

#include <ctype.h>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/etc/sudoers.d"
#define VISUDO "/usr/sbin/visudo"
#define DEFAULTS "Defaults"

/* What sudo is told of an option; allocated, or NULL. */
struct setting {
	const char *option;
	char *line; /* with its place */
	char *value;
};

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

/* How long a parameter of a line is: up to a comma or a comment, which a value has in quotes or
 * behind a backslash only. */
static size_t parameter_length(const char *text)
{
	bool quoted = false;
	const char *p;

	for (p = text; *p && (quoted || (*p != ',' && *p != '#')); p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (*p == '\\' && p[1])
			p++;
	}
	return (size_t)(p - text);
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

/* The value that a parameter gives to the option, from there on: its name, where that is all; "" is none
 * any more, and NULL that it is about another one. */
static const char *value_in(const char *parameter, const char *option)
{
	bool none = *parameter == '!';
	const char *name = skip_blanks(parameter + none);
	const char *behind;

	if (!begins(name, option))
		return NULL;
	behind = skip_blanks(name + strlen(option));
	if (!none && *behind == '=')
		return skip_blanks(behind + 1);
	if (*behind && !strchr(",#\\", *behind))
		return NULL;
	return none ? "" : name;
}

static bool is_value(const char *value, const char *wanted)
{
	bool quoted = *value == '"';
	size_t length = strcspn(value + quoted, quoted ? "\"" : " \t,#\\");

	return length == strlen(wanted) && !strncmp(value + quoted, wanted, length);
}

/* The last one of a line's parameters counts. */
static const char *last_value(const char *parameters, const char *option)
{
	const char *last = NULL;

	while (*parameters && *parameters != '#') {
		const char *value = value_in(skip_blanks(parameters), option);

		last = value ? value : last;
		parameters += parameter_length(parameters);
		parameters += *parameters == ',';
	}
	return last;
}

/* Where the parameters of a line for all users begin, or NULL. A line that ends in a backslash goes
 * on in the next one. */
static const char *parameters_of(const char *line, bool goes_on)
{
	const char *word = skip_blanks(line);
	const size_t length = strlen(DEFAULTS);

	if (goes_on)
		return word;
	return !strncmp(word, DEFAULTS, length) && isblank((unsigned char)word[length]) ? word + length : NULL;
}

/* The last line counts, as for sudo. */
static void take_up(struct setting *set, const char *value, const char *path, unsigned number, const char *line)
{
	free(set->line);
	free(set->value);
	set->line = *value ? printed("%s:%u: %s", path, number, line) : NULL;
	set->value = *value ? copied(value) : NULL;
	if (set->line)
		str_printable(set->line);
}

static void look_in(const char *path, struct setting *settings, size_t count)
{
	char *text = edit_text(path);
	char *rest = text;
	bool goes_on = false;
	char *line;

	for (unsigned number = 1; (line = strsep(&rest, "\n")); number++) {
		const char *parameters = parameters_of(line, goes_on);

		goes_on = parameters && *line && line[strlen(line) - 1] == '\\';
		for (size_t i = 0; parameters && i < count; i++) {
			const char *value = last_value(parameters, settings[i].option);

			if (value)
				take_up(&settings[i], value, path, number, line);
		}
	}
	free(text);
}

/* sudo reads no others. */
static int is_read(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return !strchr(entry->d_name, '.') && entry->d_name[length - 1] != '~' &&
	       strcmp(entry->d_name, strrchr(SUDOERS_OURS, '/') + 1) != 0;
}

static void look_everywhere(struct setting *settings, size_t count)
{
	struct dirent **entries;
	int found;

	look_in("/etc/sudoers", settings, count);
	found = scandir(FOLDER, &entries, is_read, alphasort);
	for (int i = 0; i < found; i++) {
		char *path = printed(FOLDER "/%s", entries[i]->d_name);

		look_in(path, settings, count);
		free(entries[i]);
		free(path);
	}
	if (found >= 0)
		free(entries);
}

char *sudoers_others(bool *is_environment)
{
	struct setting set = { .option = "env_file" };

	look_everywhere(&set, 1);
	*is_environment = set.value && is_value(set.value, "/etc/environment");
	free(set.value);
	return set.line;
}

char *sudoers_traces(void)
{
	struct setting settings[] = { { .option = "intercept_type" },
				      { .option = "log_subcmds" },
				      { .option = "intercept" } };

	look_everywhere(settings, sizeof(settings) / sizeof(*settings));
	if (settings[0].value && is_value(settings[0].value, "dso"))
		return NULL;
	return settings[1].line ? settings[1].line : settings[2].line;
}
