/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* libFuzzer's way into the reader of the configuration. An input is a file. Where
 * nothing is wrong with it, the rules file is compiled from it and every rule has
 * to be found in that again. Built and run by fuzz.t. */

#include "conf/contract/sys.h"
#include "conf/kernel/marks.h"
#include "conf/kernel/policy.h"
#include "conf/kernel/ways.h"
#include "conf/language/check.h"
#include "conf/language/compile.h"
#include "conf/language/grammar.h"

#include <dirent.h>
#include <err.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONFIG_PATH NETSHIM_RUNDIR "/conf"

static int config;

/* The linker puts these in the place of what they are named after: inputs name
 * files, folders to list and users, and those of this machine are not theirs to
 * try out. */
int __wrap_open(const char *path, int flags, ...);
int __real_open(const char *path, int flags, ...);
int __wrap_glob(const char *pattern, int flags, int (*error)(const char *, int), glob_t *found);
struct passwd *__wrap_getpwnam(const char *name);
struct group *__wrap_getgrnam(const char *name);

int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (!strncmp(path, NETSHIM_RUNDIR "/", strlen(NETSHIM_RUNDIR "/")) && !strstr(path, ".."))
		return __real_open(path, flags, mode);
	errno = ENOENT;
	return -1;
}

/* This one the preprocessor: libFuzzer opens folders too. */
#undef opendir
DIR *opendir(const char *path);
DIR *fuzz_opendir(const char *path);

DIR *fuzz_opendir(const char *path)
{
	if (!strcmp(path, NETSHIM_RUNDIR))
		return opendir(path);
	errno = EACCES;
	return NULL;
}

int __wrap_glob(const char *pattern, int flags, int (*error)(const char *, int), glob_t *found)
{
	static char first[] = CONFIG_PATH;
	static char *all[] = { first, NULL };

	(void)flags;
	(void)error;
	if (strlen(pattern) % 2)
		return GLOB_NOMATCH;
	*found = (glob_t){ .gl_pathc = 1, .gl_pathv = all };
	return 0;
}

void __wrap_globfree(glob_t *found);
void __wrap_globfree(glob_t *found)
{
	(void)found;
}

struct passwd *__wrap_getpwnam(const char *name)
{
	static struct passwd root = { .pw_uid = 0 };

	return strcmp(name, "root") ? NULL : &root;
}

struct group *__wrap_getgrnam(const char *name)
{
	static struct group root = { .gr_gid = 0 };

	return strcmp(name, "root") ? NULL : &root;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	config = __real_open(CONFIG_PATH, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	if (config < 0)
		err(EXIT_FAILURE, CONFIG_PATH);
	return 0;
}

static void check(bool good, const char *what, const char *which)
{
	if (good)
		return;
	fprintf(stderr, "fuzz-conf: %s: '%s'\n", what, which);
	abort();
}

static void find_again(const struct ruleset *set, const struct app *app, struct rules *rules)
{
	char name[CLASS_NAME_MAX + 1];
	char written[RULE_PATH_MAX];
	struct rules_class class;
	struct rules_slot rule;

	check(compile_find(rules, app, &rule), "rule not found", app->path);
	check(rule.class_index == app->class_index, "rule of another class", app->path);
	check(rule.users.count == app->users.count, "rule for other users", app->path);
	check(rules_string(rules, rule.written, written, sizeof(written)) && !strcmp(written, app->path),
	      "rule written otherwise", app->path);
	if (app->class_index == CLASS_INDEX_NONE)
		return;
	check(rules_class(rules, rule.class_index, &class, name), "class not found", app->class_name);
	check(!strcmp(name, app->class_name) && class.classid == set->classes[app->class_index].classid,
	      "another class", app->class_name);
}

static void compile(const struct ruleset *set)
{
	struct rules rules;

	check(compile_write(set) && compile_commit() && !rules_open(&rules, true), "no rules file", RULES_PATH);
	for (size_t i = 0; i < set->app_count; i++)
		if (!set->apps[i].left_out)
			find_again(set, &set->apps[i], &rules);
	rules_close(&rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ruleset set = { .classes = NULL };
	struct network_list networks = { .items = NULL };

	if (pwrite(config, data, size, 0) != (ssize_t)size || ftruncate(config, (off_t)size))
		err(EXIT_FAILURE, CONFIG_PATH);
	grammar_read(&set, CONFIG_PATH);
	check_whole(&set);
	compile_names(&set);
	if (ruleset_report(&set))
		return 0;
	marks_allot(&set, NULL);
	ways_find(&set, NULL, &networks);
	free(policy_text(&set, NULL, NULL, NULL, &networks));
	ways_free(&set, &networks);
	compile(&set);
	return 0;
}
