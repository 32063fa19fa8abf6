/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* From a unit to its drop-in: see dropin.h.
 *
 * Nothing of a unit says in which net_cls group it is. But systemd opens the files that a
 * service's standard output or error is to go to as root, before it gives up anything. So
 * one of these becomes the class's tasks file, and all that the unit executes is started by
 * way of netshim-unit, which puts back what the service would have had there: its standard
 * error is nearly always another descriptor of its standard output. It takes nothing but
 * what systemd has had since 240, and also holds for what a unit does before and after its
 * main process.
 *
 * Command lines are copied as they are written: what systemd makes of quotes, specifiers
 * and variables, it makes of the copy. */

#include "conf/language/dropin.h"

#include "conf/contract/rules.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"

#include <ctype.h>
#include <unistd.h>

#define BLANKS " \t\n\r"

/* Where systemd looks for what has no slash (systemd.exec(5), ExecSearchPath=). */
#define SEARCH_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct writing {
	const struct unit *unit;
	struct dropin *dropin;
	FILE *out;
};

__attribute__((format(printf, 2, 3))) static void refuse(struct dropin *dropin, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!dropin->wrong)
		dropin->wrong = vprinted(format, args);
	va_end(args);
}

static const char *value_or(const struct unit *unit, const char *key, const char *otherwise)
{
	const char *value = unit_value(unit, key);

	return value ? value : otherwise;
}

/* --- descriptors */

static const char *default_output(const char *input)
{
	return begins(input, "tty") || begins(input, "fd") || !strcmp(input, "socket") ? "inherit" : "journal";
}

/* Commands beside the main one have no socket and no terminal to read from. */
static const char *from_input(const char *input, bool main)
{
	if (!strcmp(input, "socket"))
		return main ? "10" : "1n";
	return !strcmp(input, "null") || !strcmp(input, "data") ? "1n" : NULL;
}

/* What netshim-unit is told: which descriptor is the tasks file, and what is to be there.
 * This follows setup_output() in systemd's src/core. NULL: there is no way back. */
static const char *how(const struct unit *unit, bool main)
{
	const char *input = value_or(unit, "StandardInput", "null");
	const char *output = value_or(unit, "StandardOutput", default_output(input));
	const char *error = value_or(unit, "StandardError", "inherit");

	if (!strcmp(error, "inherit") || (!strcmp(error, output) && !begins(error, "fd")))
		return "21";
	if (!strcmp(error, "null"))
		return "2n";
	if (!strcmp(output, "null"))
		return "1n";
	return !strcmp(output, "inherit") ? from_input(input, main) : NULL;
}

/* --- command lines */

/* Where a word ends: see extract_first_word() of systemd's. */
static const char *word_end(const char *at)
{
	char quote = '\0';

	for (; *at && (quote || !strchr(BLANKS, *at)); at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (*at == quote)
			quote = '\0';
		else if (!quote && (*at == '"' || *at == '\''))
			quote = *at;
	}
	return at;
}

/* Several commands may stand in one line, with ';' between them. */
static const char *command_end(const char *at)
{
	const char *end = at;

	while (*at) {
		const char *word = at + strspn(at, BLANKS);

		at = word_end(word);
		if (at == word + 1 && *word == ';')
			break;
		end = at;
	}
	return end;
}

/* The first word is "PREFIXES PATH", perhaps quoted as one. */
struct command {
	char *prefixes; /* but '@' */
	bool named;	/* '@': what the program is told to be called comes next */
	char *path;	/* as it is written */
	const char *rest;
	size_t rest_size;
};

static bool split(const char *at, const char *end, struct command *c)
{
	const char *after = word_end(at);
	const char *mark = *at == '"' ? "\"" : *at == '\'' ? "'" : "";
	char *prefixes = zalloc((size_t)(after - at) + 1);
	size_t count = 0;
	const char *written;

	*c = (struct command){ .prefixes = prefixes };
	for (at += strlen(mark); at < after && strchr("@-:+!", *at); at++) {
		c->named = c->named || *at == '@';
		if (*at != '@')
			prefixes[count++] = *at;
	}
	c->path = printed("%s%.*s", mark, (int)(after - at), at);
	written = c->path + strlen(mark);
	c->rest = after + strspn(after, BLANKS);
	c->rest_size = c->rest < end ? (size_t)(end - c->rest) : 0;
	return *written && (strchr("/%", *written) || isalnum((unsigned char)*written));
}

/* What has no slash: systemd would look for it when it starts it. */
static char *searched(const struct unit *unit, const char *name)
{
	char *folders = copied(value_or(unit, "ExecSearchPath", SEARCH_PATH));
	char *left = folders;
	char *path = NULL;
	const char *folder;

	while (!path && (folder = strsep(&left, ":"))) {
		path = printed("%s/%s", folder, name);
		if (access(path, X_OK)) {
			free(path);
			path = NULL;
		}
	}
	free(folders);
	return path;
}

/* In a path, systemd takes '$' as it is; in an argument, only where it is told so. */
static char *as_argument(const char *path, bool literal)
{
	char *text = zalloc(2 * strlen(path) + 1);

	for (char *to = text; *path; path++) {
		*to++ = *path;
		if (*path == '$' && !literal)
			*to++ = '$';
	}
	return text;
}

/* Of what has a specifier, a quote or a blank in its last name, that is not known here. */
static char *link_for(struct dropin *dropin, const char *path)
{
	char *name = copied(strrchr(path, '/') + 1);

	if (strchr("\"'", *path) && *name)
		name[strlen(name) - 1] = '\0';
	if (!*name || strlen(name) > 255 || strpbrk(name, "%\\\"'$ \t")) {
		free(name);
		return copied(NETSHIM_UNIT);
	}
	dropin->links = grown(dropin->links, dropin->link_count, sizeof(*dropin->links));
	dropin->links[dropin->link_count++] = name;
	return printed(DROPIN_LINKS "/%s", name);
}

static void write_started(struct writing *w, const char *key, const struct command *c, const char *path)
{
	char *link = link_for(w->dropin, path);
	char *argument = as_argument(path, strchr(c->prefixes, ':'));

	fprintf(w->out, "%s=%s@%s %s %s", key, c->prefixes, link, how(w->unit, !strcmp(key, "ExecStart")), argument);
	if (!c->named)
		fprintf(w->out, " %s", c->path);
	fprintf(w->out, "%s%.*s\n", c->rest_size ? " " : "", (int)c->rest_size, c->rest);
	free(argument);
	free(link);
}

static void write_command(struct writing *w, const char *key, const char *at, const char *end)
{
	struct command c;
	char *path;

	if (!split(at, end, &c)) {
		refuse(w->dropin, "%s= has '%.*s', which netshim does not understand", key, (int)(end - at), at);
		return;
	}
	path = strchr(c.path, '/') ? copied(c.path) : searched(w->unit, c.path);
	if (path)
		write_started(w, key, &c, path);
	else
		refuse(w->dropin, "%s= has '%s', which is not in any folder of programs", key, c.path);
	free(path);
	free(c.path);
	free(c.prefixes);
}

static void write_line(struct writing *w, const char *key, const char *at)
{
	while (*(at += strspn(at, BLANKS))) {
		const char *end = command_end(at);

		if (end > at)
			write_command(w, key, at, end);
		at = end + strspn(end, BLANKS);
		at += *at == ';';
	}
}

/* --- the drop-in */

/* Whatever else systemd comes to execute, its standard error is the same. */
static bool is_command(const char *key)
{
	return begins(key, "Exec") && strcmp(key, "ExecSearchPath") != 0 && strcmp(key, "ExecPaths") != 0;
}

static bool is_first(const struct unit *unit, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (!strcmp(unit->settings[i].key, unit->settings[at].key))
			return false;
	return true;
}

/* After the last empty one. */
static void write_commands(struct writing *w, const char *key)
{
	const struct unit *unit = w->unit;
	size_t from = 0;

	for (size_t i = 0; i < unit->setting_count; i++)
		if (!strcmp(unit->settings[i].key, key) && !*unit->settings[i].value)
			from = i + 1;
	fprintf(w->out, "%s=\n", key);
	for (size_t i = from; i < unit->setting_count; i++)
		if (!strcmp(unit->settings[i].key, key))
			write_line(w, key, unit->settings[i].value);
}

/* They apply to the first program that systemd executes, which is netshim-unit; or it would
 * not be found. */
static void check_settings(const struct unit *unit, struct dropin *dropin)
{
	static const char *const settings[] = { "AppArmorProfile", "RootDirectory", "RootImage", "SELinuxContext",
						"SmackProcessLabel" };

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (unit_value(unit, settings[i]))
			refuse(dropin, "it has %s=, which does not let another program be started first", settings[i]);
}

/* Where the unit sees a part of the file system only, or may execute only some of it. */
static void write_sight(const struct writing *w)
{
	if (unit_value(w->unit, "TemporaryFileSystem") || unit_value(w->unit, "InaccessiblePaths"))
		fprintf(w->out, "BindReadOnlyPaths=" DROPIN_LINKS " " NETSHIM_UNIT "\n");
	if (unit_value(w->unit, "NoExecPaths"))
		fprintf(w->out, "ExecPaths=" NETSHIM_UNIT "\n");
}

static void write_service(struct writing *w, const char *stream, const char *tasks)
{
	const struct unit *unit = w->unit;

	fprintf(w->out,
		"# Made by netshim, for a rule of its configuration: netshim.conf(5).\n[Service]\n%s=append:%s\n",
		stream, tasks);
	write_sight(w);
	for (size_t i = 0; i < unit->setting_count; i++)
		if (is_command(unit->settings[i].key) && is_first(unit, i))
			write_commands(w, unit->settings[i].key);
}

struct dropin dropin_for(const struct unit *unit, const char *tasks)
{
	struct dropin dropin = { .text = NULL };
	struct writing w = { unit, &dropin, NULL };
	const char *main_how = how(unit, true);
	size_t size;

	check_settings(unit, &dropin);
	if (!main_how)
		refuse(&dropin,
		       "its standard output and its standard error go to two places, and StandardError=%s is "
		       "none of inherit and null",
		       unit_value(unit, "StandardError"));
	if (!main_how || dropin.wrong)
		return dropin;
	w.out = memstream_open(&dropin.text, &size);
	write_service(&w, *main_how == '1' ? "StandardOutput" : "StandardError", tasks);
	memstream_close(w.out);
	if (dropin.wrong) {
		free(dropin.text);
		dropin.text = NULL;
	}
	return dropin;
}
