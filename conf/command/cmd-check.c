/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim check: every mistake in a configuration; netshim ruleset: what it would
 * load. Neither changes anything. */

#include "conf/command/answerers.h"
#include "conf/command/load.h"
#include "conf/command/services.h"
#include "conf/command/verbs.h"
#include "conf/kernel/features.h"
#include "conf/kernel/marks.h"
#include "conf/kernel/nft.h"
#include "conf/kernel/policy.h"
#include "conf/kernel/routing.h"
#include "conf/kernel/ways.h"
#include "conf/language/alloc.h"
#include "conf/language/ruleset.h"
#include "conf/language/say.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* What would be loaded, as the machine is now. Allocated. */
static char *text_of(struct ruleset *set, bool tell)
{
	struct network_list networks;
	struct routing *routing = routing_read();
	char *text;

	marks_allot(set, routing);
	networks_read(&networks);
	ways_find(set, routing, &networks);
	if (tell)
		ways_tell(set, &networks);
	text = policy_text(set, NULL, NULL, NULL, &networks);
	ways_free(set, &networks);
	networks_free(&networks);
	routing_free(routing);
	return text;
}

/* A rule may come before its package; so only who asks is told. */
static void warn_of_packages(struct ruleset *set)
{
	for (size_t i = 0; i < set->package_count; i++) {
		const struct package *p = &set->packages[i];

		if (!p->programs)
			ruleset_warning(set, p->at, "package '%s' %s", p->name,
					p->installed ? "has no programs; this rule has no effect until it has"
						     : "is not installed; this rule has no effect until it is");
	}
}

static bool is_file(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode);
}

/* Why that is perhaps no path, which is not there. Allocated. */
static char *not_a_path(const char *path)
{
	if (strchr(path, '{') && strchr(path, '}'))
		return copied(" (braces are not expanded: write a rule for each path)");
	for (const char *blank = path; (blank = strchr(blank, ' ')); blank++) {
		char *before = printed("%.*s", (int)(blank - path), path);

		if (is_file(before))
			return printed(" (if it is '%s' with arguments, they go into 'with')", before);
		free(before);
	}
	return copied("");
}

/* By one of the first problems. */
static bool is_told(const struct ruleset *set, size_t problems, const struct app *app)
{
	for (size_t i = 0; i < problems; i++)
		if (set->problems[i].at.line == app->at.line && !strcmp(set->problems[i].at.file, app->at.file))
			return true;
	return false;
}

static bool is_written_path(const struct app *app)
{
	return !app->unit && !app->package && app->class_index != CLASS_INDEX_NONE && !app_is_ready(app);
}

static void warn_of_path(struct ruleset *set, const struct app *app)
{
	char *file = printed("%.*s", (int)(strlen(app->path) - 1), app->path);
	char *why = not_a_path(app->path);

	if (app->path[strlen(app->path) - 1] == '/' && is_file(file))
		ruleset_warning(set, app->at, "'%s' is no folder, and this rule has no effect; write '%s' for the file",
				app->path, file);
	else
		ruleset_warning(set, app->at, "'%s' is not there%s; this rule has no effect until it is", app->path,
				why);
	free(file);
	free(why);
}

/* As with packages. An exception needs nothing to be there, and policies that are ready to be
 * included name what few have. */
static void warn_of_paths(struct ruleset *set)
{
	const size_t problems = set->problem_count;

	for (size_t i = 0; i < set->app_count; i++) {
		const struct app *app = &set->apps[i];
		struct stat st;

		if (is_written_path(app) && lstat(app->path, &st) && (errno == ENOENT || errno == ENOTDIR) &&
		    !is_told(set, problems, app))
			warn_of_path(set, app);
	}
}

/* As text_of; tells it where nftables does not take it. */
static bool try_inside(const struct class *class)
{
	char *text = policy_inside(class, NULL, NULL);
	char *words = nft_load(text, true);
	bool ok = !words;

	if (words)
		nft_tell_inside(class->name, words);
	free(words);
	free(text);
	return ok;
}

int cmd_check(const struct command *command)
{
	static struct ruleset set;
	const char *path = command->argc ? command->argv[0] : command->config;
	char *words = NULL;
	char *text;
	size_t rules;
	bool ok;

	load_ruleset(&set, path);
	text = text_of(&set, true);
	/* nftables answers only to root. */
	if (geteuid() == 0) {
		features_check(&set);
		words = nft_load(text, true);
	}
	warn_of_packages(&set);
	warn_of_paths(&set);
	services_check(&set);
	ok = !ruleset_report(&set);
	if (ok && words)
		nft_tell(words);
	ok = ok && !words;
	for (size_t i = 0; ok && geteuid() == 0 && i < set.class_count; i++)
		ok = !class_has_inside(&set.classes[i]) || try_inside(&set.classes[i]);
	free(text);
	rules = ruleset_rule_count(&set);
	if (ok)
		say(stdout, "%s: ok, %zu class%s, %zu rule%s", path, set.class_count, set.class_count == 1 ? "" : "es",
		    rules, rules == 1 ? "" : "s");
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static const struct class *class_inside(const struct ruleset *set, const char *name)
{
	for (size_t i = 0; i < set->class_count; i++) {
		if (strcmp(set->classes[i].name, name) != 0)
			continue;
		if (class_has_inside(&set->classes[i]))
			return &set->classes[i];
		errx(EXIT_FAILURE, "class %s has no rules in a network namespace; 'netshim ruleset' has its rules",
		     name);
	}
	errx(EXIT_FAILURE, "there is no class '%s' in the configuration", name);
}

/* As comments, which nft reads over. */
static void tell_insides(const struct ruleset *set)
{
	for (size_t i = 0; i < set->class_count; i++)
		if (class_has_inside(&set->classes[i]))
			printf("# the network namespace of class %s has a table of its own: netshim ruleset %s\n",
			       set->classes[i].name, set->classes[i].name);
}

int cmd_ruleset(const struct command *command)
{
	static struct ruleset set;
	const char *class = command->argv[0];
	char *text;

	load_ruleset(&set, command->config);
	if (!answerers_make(&set, NULL))
		return EXIT_FAILURE;
	text = class ? policy_inside(class_inside(&set, class), NULL, NULL) : text_of(&set, false);
	fputs(text, stdout);
	if (!class)
		tell_insides(&set);
	free(text);
	return EXIT_SUCCESS;
}
