/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The sections app, package and unit: the rules that lead to the classes. */

#include "conf/language/grammar-parts.h"
#include "conf/language/alloc.h"
#include "conf/language/packages.h"
#include "conf/language/pattern.h"
#include "conf/language/trust.h"
#include "conf/language/unit.h"
#include "conf/language/value.h"

#include <sys/stat.h>

static void add_app(const struct app *app, const char *path)
{
	struct ruleset *set = reading.set;

	set->apps = grown(set->apps, set->app_count, sizeof(*set->apps));
	set->apps[set->app_count] = *app;
	set->apps[set->app_count++].path = copied(path);
}

static void add_matching_app(const char *path, bool by_others, const void *with)
{
	struct app app = *(const struct app *)with;

	app.matched = by_others;
	app.pattern = by_others ? NULL : app.path;
	add_app(&app, path);
}

/* If others than root decide whether it is a folder, it is no mistake in the
 * configuration. */
static bool is_folder(const char *path)
{
	size_t size = strlen(path);
	struct stat st;
	char *changeable;

	if (path[size - 1] == '/' || stat(path, &st) || !S_ISDIR(st.st_mode))
		return false;
	changeable = trust_changeable(path);
	free(changeable);
	return !changeable;
}

/* What an app, a package and a unit say alike. */
static struct app read_rule(cfg_t *section)
{
	struct app app = { .at = section_at(), .class_index = CLASS_INDEX_NONE, .kind = WITH_ANY };

	if (cfg_size(section, "class"))
		app.class_name = copied(cfg_getstr(section, "class"));
	else
		ruleset_problem(reading.set, app.at, "%s '%s' has no class; add class = NAME, or class = none",
				section->name, cfg_title(section));
	app.class_at = value_at("class", 0);
	return app;
}

static int compare_users(const void *a, const void *b)
{
	const struct rules_user *x = a;
	const struct rules_user *y = b;

	if (x->is_group != y->is_group)
		return x->is_group ? 1 : -1;
	return (x->id > y->id) - (x->id < y->id);
}

/* The same users make the same list, however they are written. */
static void read_users(cfg_t *section, struct user_list *list)
{
	size_t count = 0;

	READ_VALUES(section, "users", value_user, list);
	if (list->count)
		qsort(list->users, list->count, sizeof(*list->users), compare_users);
	for (size_t i = 0; i < list->count; i++)
		if (!count || compare_users(&list->users[count - 1], &list->users[i]))
			list->users[count++] = list->users[i];
	list->count = count;
}

static void add_rule(const struct app *app)
{
	if (pattern_is_one(app->path))
		pattern_expand(reading.set, app->path, app->at, add_matching_app, app);
	else
		add_app(app, app->path);
}

/* One for each argument that it lists. */
static void add_rules(cfg_t *section, struct app *app)
{
	unsigned count = cfg_size(section, "with");

	READ_VALUES(section, "with", value_with, &app->kind);
	if (!count)
		add_rule(app);
	for (unsigned i = 0; i < count; i++) {
		app->with = copied(cfg_getnstr(section, "with", i));
		if (!value_with(app->with, &app->kind))
			add_rule(app);
	}
}

static void read_app(cfg_t *section)
{
	struct app app = read_rule(section);

	read_users(section, &app.users);
	app.path = copied(cfg_title(section));
	if (unit_name_valid(app.path))
		ruleset_problem(reading.set, app.at, "'%s' is a service's name; write unit '%s'", app.path, app.path);
	else if (app.path[0] != '/')
		ruleset_problem(reading.set, app.at, "path '%s' is not absolute; begin it with a slash", app.path);
	else if (strlen(app.path) >= RULE_PATH_MAX || strchr(app.path, '\n'))
		ruleset_problem(
			reading.set, app.at,
			"the path of this app is too long or has a line break in it; put it in 'single quotes'");
	else if (path_ends_in_dots(app.path))
		ruleset_problem(reading.set, app.at, "'%s' ends in '.' or '..'; write the path without it", app.path);
	else if (is_folder(app.path))
		ruleset_problem(reading.set, app.at, "'%s' is a folder; write '%s/' for the whole tree beneath it",
				app.path, app.path);
	else
		add_rules(section, &app);
}

int grammar_app_ended(cfg_t *cfg, cfg_opt_t *option)
{
	(void)cfg;
	if (!reading.no_apps)
		read_app(cfg_opt_getnsec(option, 0));
	end_section(option);
	return 0;
}

static void add_program(const char *path, bool coming, const void *with)
{
	struct ruleset *set = reading.set;
	struct app app = *(const struct app *)with;

	app.coming = coming;
	add_app(&app, path);
	set->packages[set->package_count - 1].programs += !coming;
}

static void read_package(cfg_t *section)
{
	struct ruleset *set = reading.set;
	struct app app = read_rule(section);
	char *wrong;

	read_users(section, &app.users);
	app.package = copied(cfg_title(section));
	if (!packages_name_valid(app.package)) {
		ruleset_problem(
			set, app.at,
			"bad package name '%s'; it begins with a letter or digit and is made of those and + - . _, "
			"without version and architecture",
			app.package);
		return;
	}
	set->packages = grown(set->packages, set->package_count, sizeof(*set->packages));
	set->packages[set->package_count++] = (struct package){ .name = app.package, .at = app.at };
	if (packages_find(app.package, add_program, &app, &wrong))
		set->packages[set->package_count - 1].installed = true;
	if (wrong)
		ruleset_problem(set, app.at, "%s; mend that, as programs of package '%s' would have no rule", wrong,
				app.package);
	free(wrong);
}

int grammar_package_ended(cfg_t *cfg, cfg_opt_t *option)
{
	(void)cfg;
	if (!reading.no_apps)
		read_package(cfg_opt_getnsec(option, 0));
	end_section(option);
	return 0;
}

static void read_unit(cfg_t *section)
{
	struct app app = read_rule(section);
	const char *name = cfg_title(section);

	app.unit = true;
	if (unit_name_valid(name))
		add_app(&app, name);
	else
		ruleset_problem(
			reading.set, app.at,
			"bad unit name '%s'; it is that of a service, with all of it: NAME.service, or NAME@.service "
			"for all instances of a template",
			name);
}

int grammar_unit_ended(cfg_t *cfg, cfg_opt_t *option)
{
	(void)cfg;
	if (!reading.no_apps)
		read_unit(cfg_opt_getnsec(option, 0));
	end_section(option);
	return 0;
}
