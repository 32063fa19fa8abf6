/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Reads systemd's units: see unit.h.
 *
 * systemd is not asked. Who asks this may be a generator, which systemd waits for, and may
 * want to know what a unit is without netshim. What is read is what systemd.unit(5) and
 * systemd.syntax(7) say. */

#include "conf/language/unit.h"

#include "conf/language/alloc.h"

#include <ctype.h>
#include <dirent.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVICE ".service"
#define ALIASES_MAX 8

/* The first that has a file has the unit. Not /run/systemd/transient: what one says is gone
 * with it, while the next one of its name reads the drop-ins that are there by then, and those
 * come after its own settings (unit_load_dropin in systemd's src/core/load-dropin.c). */
static const char *const folders[] = {
	"/etc/systemd/system.control",	 "/run/systemd/system.control", "/etc/systemd/system",
	"/etc/systemd/system.attached",	 "/run/systemd/system",		"/run/systemd/system.attached",
	"/usr/local/lib/systemd/system", "/usr/lib/systemd/system",	"/lib/systemd/system",
};

#define FOLDER_COUNT (sizeof(folders) / sizeof(folders[0]))

bool unit_name_valid(const char *name)
{
	size_t size = strlen(name);
	const char *end = name + size - strlen(SERVICE);

	return size > strlen(SERVICE) && size <= UNIT_NAME_MAX && !strcmp(end, SERVICE) && *name != '@' &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@") == size;
}

char *unit_template(const char *name)
{
	const char *at = strchr(name, '@');

	return at && strcmp(at + 1, SERVICE) ? printed("%.*s@" SERVICE, (int)(at - name), name) : NULL;
}

/* Allocated; NULL where there is none. */
static char *find_file(const char *name)
{
	for (size_t i = 0; i < FOLDER_COUNT; i++) {
		char *path = printed("%s/%s", folders[i], name);
		struct stat st;

		if (!lstat(path, &st))
			return path;
		free(path);
	}
	return NULL;
}

/* An instance has the file of its template, unless it has one of its own. */
static char *find_fragment(const char *name)
{
	char *path = find_file(name);
	char *template = path ? NULL : unit_template(name);

	if (template)
		path = find_file(template);
	free(template);
	return path;
}

/* "b@x.service" where b@.service is the name of a file that a@x.service leads to. */
static char *renamed(const char *name, const char *file)
{
	const char *instance = strchr(name, '@');
	const char *template = strchr(file, '@');

	if (!instance || !template || strcmp(template + 1, SERVICE))
		return copied(file);
	return printed("%.*s%s", (int)(template - file), file, instance);
}

/* Where the unit's file is a link to that of another one; NULL: it is not. */
static char *alias_of(const char *name)
{
	char *path = find_fragment(name);
	char *real = path ? realpath(path, NULL) : NULL;
	char *other = NULL;

	if (real && unit_name_valid(basename(real)))
		other = renamed(name, basename(real));
	if (other && !strcmp(other, name)) {
		free(other);
		other = NULL;
	}
	free(real);
	free(path);
	return other;
}

char *unit_own_name(const char *name)
{
	char *own = copied(name);
	char *other;

	for (unsigned i = 0; i < ALIASES_MAX && (other = alias_of(own)); i++) {
		free(own);
		own = other;
	}
	return own;
}

/* --- the files */

static char *trimmed(char *text)
{
	char *end = text + strlen(text);

	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

static void read_setting(struct unit *unit, char *line, bool *in_service)
{
	char *value;

	line = trimmed(line);
	if (*line == '[')
		*in_service = !strcmp(line, "[Service]");
	value = strchr(line, '=');
	if (!*in_service || !value)
		return;
	*value++ = '\0';
	unit->settings = grown(unit->settings, unit->setting_count, sizeof(*unit->settings));
	unit->settings[unit->setting_count++] = (struct unit_setting){ copied(trimmed(line)), copied(trimmed(value)) };
}

static bool is_comment(const char *line)
{
	line += strspn(line, " \t");
	return *line == '#' || *line == ';';
}

/* Puts a blank for a backslash with which the line goes on in the next one. */
static bool goes_on(char *line)
{
	size_t size = strcspn(line, "\n");
	size_t slashes = 0;

	line[size] = '\0';
	while (slashes < size && line[size - 1 - slashes] == '\\')
		slashes++;
	if (slashes % 2)
		line[size - 1] = ' ';
	return slashes % 2;
}

static void read_file(struct unit *unit, const char *path)
{
	FILE *file = fopen(path, "re");
	char *whole = copied("");
	char *line = NULL;
	size_t room = 0;
	bool in_service = false;

	while (file && getline(&line, &room, file) > 0) {
		bool more;
		char *longer;

		if (is_comment(line))
			continue;
		more = goes_on(line);
		longer = printed("%s%s", whole, line);
		free(whole);
		whole = longer;
		if (more)
			continue;
		read_setting(unit, whole, &in_service);
		*whole = '\0';
	}
	read_setting(unit, whole, &in_service);
	free(whole);
	free(line);
	if (file)
		fclose(file);
}

/* --- drop-ins */

struct files {
	char **paths;
	size_t count;
};

static const char *last_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

static void add_dropin(struct files *files, const char *path)
{
	for (size_t i = 0; i < files->count; i++)
		if (!strcmp(last_name(files->paths[i]), last_name(path)))
			return;
	files->paths = grown(files->paths, files->count, sizeof(*files->paths));
	files->paths[files->count++] = copied(path);
}

static void add_dropins(struct files *files, const char *folder, const char *unit)
{
	char *path = printed("%s/%s.d", folder, unit);
	DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *end = strrchr(entry->d_name, '.');
		char *file = printed("%s/%s", path, entry->d_name);

		if (end && entry->d_name[0] != '.' && !strcmp(end, ".conf"))
			add_dropin(files, file);
		free(file);
	}
	if (dir)
		closedir(dir);
	free(path);
}

static int by_last_name(const void *a, const void *b)
{
	return strcmp(last_name(*(char *const *)a), last_name(*(char *const *)b));
}

/* The folders of all "a-b-c.service", beginning with the most special: a-b-c, a-b-, a-. */
static void add_all_of(struct files *files, const char *folder, const char *name)
{
	char *template = unit_template(name);
	size_t prefix = strcspn(name, "@");

	add_dropins(files, folder, name);
	if (template)
		add_dropins(files, folder, template);
	if (!name[prefix])
		prefix -= strlen(SERVICE);
	while (prefix-- > 1) {
		char *shorter = name[prefix] == '-' ? printed("%.*s" SERVICE, (int)prefix + 1, name) : NULL;

		if (shorter)
			add_dropins(files, folder, shorter);
		free(shorter);
	}
	free(template);
}

static void read_dropins(struct unit *unit, const char *asked)
{
	struct files files = { .count = 0 };

	for (size_t i = 0; i < FOLDER_COUNT; i++) {
		add_all_of(&files, folders[i], unit->name);
		if (strcmp(asked, unit->name) != 0)
			add_all_of(&files, folders[i], asked);
	}
	for (size_t i = 0; i < FOLDER_COUNT; i++)
		add_dropins(&files, folders[i], "service");
	if (files.count)
		qsort(files.paths, files.count, sizeof(*files.paths), by_last_name);
	for (size_t i = 0; i < files.count; i++)
		read_file(unit, files.paths[i]);
}

void unit_read(struct unit *unit, const char *name)
{
	char *path;
	struct stat st;

	*unit = (struct unit){ .name = unit_own_name(name) };
	path = find_fragment(unit->name);
	/* A masked one is a link to /dev/null, or an empty file. */
	unit->found = path && !stat(path, &st) && S_ISREG(st.st_mode) && st.st_size;
	if (unit->found) {
		read_file(unit, path);
		read_dropins(unit, name);
	}
	free(path);
}

const char *unit_value(const struct unit *unit, const char *key)
{
	for (size_t i = unit->setting_count; i-- > 0;)
		if (!strcmp(unit->settings[i].key, key))
			return *unit->settings[i].value ? unit->settings[i].value : NULL;
	return NULL;
}
