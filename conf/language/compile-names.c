/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What each app is looked up by, and which of two for the same program counts. */

#include "conf/language/compile.h"

#include "conf/contract/sys.h"
#include "conf/language/alloc.h"
#include "conf/language/trust.h"
#include "conf/language/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <sys/stat.h>

static bool is_missing(const char *path)
{
	struct sys_file file;

	return sys_stat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &file) == -ENOENT;
}

/* A folder's path, with its slash, where ".." behind what is not there leads back: the kernel
 * would find nothing. Behind a link that leads nowhere, the dots stay, and no program's path has
 * them. Allocated. */
static char *lead_back(const char *written)
{
	char *copy = copied(written);
	char *path = zalloc(strlen(written) + 2);
	char *rest = copy;
	const char *name;

	while ((name = strsep(&rest, "/"))) {
		char *last = strrchr(path, '/');

		if (!*name || !strcmp(name, "."))
			continue;
		if (!strcmp(name, "..") && last && strcmp(last, "/..") != 0 && is_missing(path))
			*last = '\0';
		else
			stpcpy(stpcpy(path + strlen(path), "/"), name);
	}
	strcat(path, "/");
	free(copy);
	return path;
}

/* The canonical form of a directory that may not exist yet: without symlinks, as far
 * as it exists. Allocated, without a trailing slash ("" is the root). */
static char *canonical_directory(const char *path)
{
	char *real = realpath(path, NULL);
	char *above = copied(path);
	char *slash;
	char *joined;

	if (real) {
		free(above);
		if (!strcmp(real, "/"))
			*real = '\0';
		return real;
	}
	while (*above && above[strlen(above) - 1] == '/')
		above[strlen(above) - 1] = '\0';
	slash = strrchr(above, '/');
	if (!slash)
		return above;
	*slash = '\0';
	real = canonical_directory(slash == above ? "/" : above);
	joined = printed("%s/%s", real, slash + 1);
	free(real);
	free(above);
	return joined;
}

/* A user's link may lead a rule to what is that user's, not to others' programs. */
static bool leads_astray(const char *changeable, const char *real)
{
	struct sys_file link;
	struct sys_file there;

	return sys_stat(AT_FDCWD, changeable, AT_SYMLINK_NOFOLLOW, &link) || !link.uid ||
	       sys_stat(AT_FDCWD, *real ? real : "/", 0, &there) || there.uid != link.uid;
}

/* The folder of some rules. */
struct folder {
	char *written; /* with its slash */
	char *canonical;
	char *changeable; /* where others than root may have it lead elsewhere, or NULL */
	char *astray;	  /* where it leads, which is not theirs, or NULL */
};

static struct folder *find_folder(const char *written)
{
	struct folder *f = zalloc(sizeof(*f));
	char *path = lead_back(written);
	char *plain = printed("%.*s", (int)strlen(path) - 1, path);

	*f = (struct folder){ .written = copied(written), .canonical = canonical_directory(path) };
	if (strcmp(plain, f->canonical))
		f->changeable = trust_changeable(path);
	free(path);
	if (f->changeable && leads_astray(f->changeable, f->canonical)) {
		f->astray = f->canonical;
		f->canonical = plain;
	} else {
		free(plain);
	}
	return f;
}

static void free_folder(void *folder)
{
	struct folder *f = folder;

	free(f->written);
	free(f->canonical);
	free(f->changeable);
	free(f->astray);
	free(f);
}

static int by_written(const void *a, const void *b)
{
	const struct folder *x = a;
	const struct folder *y = b;

	return strcmp(x->written, y->written);
}

/* That of a path. Many rules share one, and which folders have been found stays known in
 * folders, a tree of tsearch's. */
static const struct folder *folder_of(const char *path, size_t size, void **folders)
{
	struct folder sought = { .written = or_out_of_memory(strndup(path, size)) };
	struct folder **found = or_out_of_memory(tsearch(&sought, folders, by_written));

	if (*found == &sought)
		*found = find_folder(sought.written);
	free(sought.written);
	return *found;
}

static bool is_too_deep(const char *canonical)
{
	size_t size = strlen(canonical);

	return size >= RULE_PATH_MAX || (canonical[size - 1] == '/' && compile_slashes(canonical) > TREE_SLASHES_MAX);
}

/* What a file is looked up by: its directory without symlinks, and its name; for a
 * tree, the directory and a slash. */
static const char *find_canonical(struct ruleset *set, struct app *app, const char *path, void **folders)
{
	const char *slash = strrchr(path, '/');
	const struct folder *folder = folder_of(path, (size_t)(slash - path) + 1, folders);
	const char *canonical = printed("%s/%s", folder->canonical, slash + 1);

	app->by_others = app->by_others || folder->changeable;
	if (folder->astray) {
		ruleset_warning(set, app->at,
				"'%s' leads to '%s' by '%s', which others than root can change; this rule has no "
				"effect: write the folder's own path",
				folder->written, folder->astray, folder->changeable);
		/* Its name may be one that not everybody can find. */
		app->left_out = app->left_out || app->matched || is_too_deep(canonical);
	} else if (is_too_deep(canonical) && app->by_others) {
		ruleset_warning(set, app->at, "'%s' leads too deep; this rule has no effect", path);
		app->left_out = true;
	} else if (strlen(canonical) >= RULE_PATH_MAX) {
		ruleset_problem(set, app->at, "path '%s' is too long", path);
	} else if (is_too_deep(canonical)) {
		ruleset_problem(set, app->at,
				"'%s' is too deep for a tree, which has at most %d slashes, links followed; name a "
				"folder above it, or its programs",
				path, TREE_SLASHES_MAX);
	}
	return canonical;
}

static void find_names(struct ruleset *set, struct app *app, void **folders)
{
	app->by_others = app->matched;
	app->canonical = find_canonical(set, app, app->path, folders);
	app->text = app->kind == WITH_FILE ? find_canonical(set, app, app->with, folders) : app->with;
}

/* Its own name, by which its processes tell it. */
static void find_unit(struct app *app)
{
	char *name = unit_own_name(app->path);

	app->canonical = printed(UNIT_KEY "%s", name);
	free(name);
}

/* What the administrator has written comes before a policy that is ready, what root has before
 * what others can bring about, a program that is named before a pattern, and that before a
 * package, and what is there before what is about to be. */
static int rank(const struct app *app)
{
	int kind = app->package ? 2 + app->coming : app->pattern != NULL;

	return 8 * app->by_others + 4 * app_is_ready(app) + kind;
}

/* By which of the rules for one program comes first. */
static int by_argument(const struct app *x, const struct app *y)
{
	if (x->kind != y->kind || x->kind == WITH_ANY)
		return (x->kind > y->kind) - (x->kind < y->kind);
	if (x->kind == WITH_PATTERN && strlen(x->text) != strlen(y->text))
		return strlen(x->text) < strlen(y->text) ? 1 : -1;
	return strcmp(x->text, y->text);
}

static int by_canonical(const void *a, const void *b)
{
	const struct app *x = *(const struct app *const *)a;
	const struct app *y = *(const struct app *const *)b;
	int order = strcmp(x->canonical, y->canonical);

	if (!order)
		order = by_argument(x, y);
	if (!order)
		order = rank(x) - rank(y);
	return order ? order : (x > y) - (x < y);
}

static bool same_users(const struct user_list *a, const struct user_list *b)
{
	return a->count == b->count && (!a->count || !memcmp(a->users, b->users, a->count * sizeof(*a->users)));
}

/* What the first of two rules is an exception from, or NULL. */
static const char *excepted(const struct app *app, const struct app *first)
{
	if (app_is_ready(app) && !app_is_ready(first) && !first->by_others)
		return "policy";
	if (app->package && !first->package)
		return "package";
	return app->pattern && !first->pattern && !first->package ? "pattern" : NULL;
}

/* For some users alone, it is none: the rest would have no rule. Of what is about to be
 * installed, it is seen when it is. */
static bool gives_way(const struct app *app, const struct app *first)
{
	return app->coming || (!first->users.count && excepted(app, first));
}

/* As the configuration has it; allocated. */
static char *described(const struct app *app)
{
	if (app->package)
		return printed("'%s' of package '%s'", app->path, app->package);
	if (app->pattern)
		return printed("'%s' by pattern '%s'", app->path, app->pattern);
	return app->with ? printed("'%s' with '%s'", app->path, app->with) : printed("'%s'", app->path);
}

/* Allocated. */
static char *way_out(const struct app *app, const struct app *first, const char *otherwise)
{
	const char *from = excepted(app, first);

	if (from)
		return printed("remove users there, so that it is an exception from the %s", from);
	return copied(app->pattern && first->pattern ? "name it in a rule of its own, which comes before both"
						     : otherwise);
}

/* The second of two rules for one path is for nothing. Where others than root cannot have
 * brought that about, the two must say the same. */
static void compare_rules(struct ruleset *set, const struct app *first, const struct app *app)
{
	bool other_class = first->class_index != app->class_index;
	char *rule;
	char *before;
	char *hint;

	if (gives_way(app, first) || (!other_class && same_users(&first->users, &app->users)))
		return;
	rule = described(app);
	before = described(first);
	hint = way_out(app, first, other_class ? "a file has one class" : "make one rule of the two");
	if (app->by_others)
		ruleset_warning(set, app->at, "%s has a rule already, as %s at %s:%d: this one has no effect", rule,
				before, first->at.file, first->at.line);
	else if (other_class)
		ruleset_problem(set, app->at, "%s is in class %s here and, as %s, in class %s at %s:%d; %s", rule,
				app_class_name(set, app), before, app_class_name(set, first), first->at.file,
				first->at.line, hint);
	else
		ruleset_problem(set, app->at, "%s has a rule for other users, as %s at %s:%d; %s", rule, before,
				first->at.file, first->at.line, hint);
	free(rule);
	free(before);
	free(hint);
}

void compile_names(struct ruleset *set)
{
	struct app **list = zalloc((set->app_count + 1) * sizeof(struct app *));
	struct app *first = NULL;
	void *folders = NULL;
	size_t count = 0;

	for (size_t i = 0; i < set->app_count; i++) {
		if (set->apps[i].unit)
			find_unit(&set->apps[i]);
		else
			find_names(set, &set->apps[i], &folders);
		if (!set->apps[i].left_out)
			list[count++] = &set->apps[i];
	}
	tdestroy(folders, free_folder);
	qsort(list, count, sizeof(struct app *), by_canonical);
	for (size_t i = 0; i < count; i++) {
		bool same = first && !strcmp(first->canonical, list[i]->canonical);

		if (same && !by_argument(first, list[i])) {
			list[i]->left_out = true;
			compare_rules(set, first, list[i]);
			continue;
		}
		if (same)
			first->next = list[i];
		list[i]->place = same ? first->place + 1 : 0;
		first = list[i];
	}
	free(list);
}
