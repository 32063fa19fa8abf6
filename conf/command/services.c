/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Services: see services.h. */

#include "conf/command/services.h"

#include "conf/command/verbs.h"
#include "conf/language/alloc.h"
#include "conf/language/dropin.h"
#include "conf/language/text.h"
#include "conf/language/trust.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEW_PATH SERVICES_PATH ".new"
#define UNTOLD_PATH SERVICES_PATH ".untold" /* there as long as systemd is to be told */

/* --- what is in force */

static void write_services(FILE *out, const struct ruleset *set)
{
	for (size_t i = 0; i < set->app_count; i++) {
		const struct app *app = &set->apps[i];
		const struct class *class =
			app->class_index == CLASS_INDEX_NONE ? NULL : &set->classes[app->class_index];

		if (app->unit && !app->left_out)
			fprintf(out, "%s %s%s%s\n", app->path, class ? class->name : "none",
				class && class->lock ? "/locked" : "", class && class->on_error_allow ? "?" : "");
	}
}

static char *services_of(const struct ruleset *set)
{
	char *text = NULL;
	size_t size;
	FILE *out = memstream_open(&text, &size);

	write_services(out, set);
	memstream_close(out);
	return text;
}

static bool is_in_force(const char *text)
{
	char *now = text_plain(SERVICES_PATH);
	bool same = !strcmp(now ? now : "", text);

	free(now);
	return same;
}

static bool write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	bool ok = file && fputs(text, file) >= 0;

	return file && !fclose(file) && ok;
}

static bool replace(const char *text)
{
	if (*text)
		return write_text(NEW_PATH, text) && !rename(NEW_PATH, SERVICES_PATH);
	return !unlink(SERVICES_PATH) || errno == ENOENT;
}

/* A command holds signals while it changes what is in force; but it would wait for ever for
 * what ^Z has stopped. */
_Noreturn static void become_systemctl(void)
{
	char *arguments[] = { copied("systemctl"), copied("daemon-reload"), NULL };
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGTSTP);
	sigprocmask(SIG_SETMASK, &held, NULL);
	execv("/usr/bin/systemctl", arguments);
	execv("/bin/systemctl", arguments);
	_exit(EXIT_FAILURE);
}

static bool reload_systemd(void)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (!child)
		become_systemctl();
	return child > 0 && waitpid(child, &status, 0) == child && !status;
}

static bool has_dropin(const char *unit)
{
	char *path = printed("/run/systemd/generator/%s.d/" DROPIN_FILE, unit);
	bool has = !access(path, F_OK);

	free(path);
	return has;
}

const struct app *services_unfollowed(const struct ruleset *set)
{
	const struct app *found = NULL;

	for (size_t i = 0; i < set->app_count && !found; i++) {
		const struct app *app = &set->apps[i];
		struct unit unit;

		if (!app->unit || app->left_out || app->class_index == CLASS_INDEX_NONE ||
		    set->classes[app->class_index].on_error_allow)
			continue;
		unit_read(&unit, app->path);
		if (unit.found && !has_dropin(unit.name))
			found = app;
	}
	return found;
}

bool services_has_dropin(const char *unit)
{
	char *template = unit_template(unit);
	bool has = has_dropin(unit) || (template && has_dropin(template));

	free(template);
	return has;
}

bool services_rule(struct rules *rules, const char *name, struct rules_slot *rule)
{
	char *own = unit_own_name(name);
	char *template = unit_template(own);
	char *key = printed(UNIT_KEY "%s", own);
	bool found = rules_find(rules, key, strlen(key), rule);

	free(key);
	key = printed(UNIT_KEY "%s", template ? template : own);
	found = found || rules_find(rules, key, strlen(key), rule);
	free(key);
	free(template);
	free(own);
	return found;
}

/* Where a builder has put the generator elsewhere, say, systemd does not run it. */
static bool is_followed(const struct ruleset *set)
{
	const struct app *app = services_unfollowed(set);

	if (app)
		warnx("%s:%d: systemd has not made a drop-in for '%s', so it is started in no class: is netshim's "
		      "generator where systemd looks for those?",
		      app->at.file, app->at.line, app->path);
	return !app;
}

/* The note comes first, as a command may be killed in between. */
bool services_follow(const struct ruleset *set)
{
	char *text = services_of(set);
	bool changed = !is_in_force(text) || !access(UNTOLD_PATH, F_OK);
	bool systemd = !access(UNIT_SYSTEMD_RUNS, F_OK);
	bool ok;

	if (changed)
		write_text(UNTOLD_PATH, "");
	ok = !changed || replace(text);
	free(text);
	if (!ok)
		warn("cannot write %s", SERVICES_PATH);
	if (!ok || !changed)
		return ok;
	if (systemd && !reload_systemd()) {
		warnx("systemd does not know of it yet, and starts services as before: run 'systemctl daemon-reload'");
		return false;
	}
	unlink(UNTOLD_PATH);
	return !systemd || is_followed(set);
}

void services_forget(void)
{
	glob_t links;

	if (!glob(DROPIN_LINKS "/*", 0, NULL, &links)) {
		for (size_t i = 0; i < links.gl_pathc; i++)
			unlink(links.gl_pathv[i]);
		globfree(&links);
	}
	rmdir(DROPIN_LINKS);
	unlink(SERVICES_PATH);
	unlink(NEW_PATH);
	unlink(UNTOLD_PATH);
}

/* --- whether it can be */

static void check_service(struct ruleset *set, const struct app *app)
{
	struct dropin dropin = { .text = NULL };
	struct unit unit;

	unit_read(&unit, app->path);
	if (unit.found)
		dropin = dropin_for(&unit, "");
	else if (!strchr(app->path, '@') || unit_template(app->path))
		ruleset_warning(set, app->at, "there is no unit '%s'; this rule has no effect until there is",
				app->path);
	if (dropin.wrong)
		ruleset_problem(set, app->at,
				"unit '%s' cannot be started in a class: %s; change that by a drop-in of your own, or "
				"remove this rule",
				app->path, dropin.wrong);
}

void services_check(struct ruleset *set)
{
	for (size_t i = 0; i < set->app_count; i++)
		if (set->apps[i].unit && !set->apps[i].left_out) {
			if (access(UNIT_SYSTEMD_RUNS, F_OK))
				ruleset_warning(set, set->apps[i].at,
						"systemd does not start services here, so this rule has no effect");
			else if (set->apps[i].class_index != CLASS_INDEX_NONE)
				check_service(set, &set->apps[i]);
		}
}

/* --- the drop-ins */

/* What the generator is told: a line of SERVICES_PATH. */
struct service {
	char *name;
	char *class; /* with "/locked", if so; "none" */
	bool may_be_without;
};

static struct service read_service(char *line)
{
	char *class = strchr(line, ' ');
	char *end;

	if (!class)
		return (struct service){ .name = NULL };
	*class ++ = '\0';
	end = class + strlen(class) - 1;
	if (*end != '?')
		return (struct service){ line, class, false };
	*end = '\0';
	return (struct service){ line, class, true };
}

/* Where a generator could say so, nobody would look. So 'systemctl status' shows it as what
 * has kept the unit from being started. */
static char *refusal(const struct service *service, const char *wrong)
{
	char *text = printed("# Made by netshim.\n[Unit]\nAssertPathExists=" NETSHIM_RUNDIR
			     "/cannot be started in class %s: %s\n",
			     service->class, wrong);
	char *doubled = zalloc(2 * strlen(text) + 1);
	char *to = doubled;

	for (const char *at = text; *at; at++) {
		*to++ = *at;
		if (*at == '%')
			*to++ = *at;
	}
	free(text);
	return doubled;
}

static void make_links(const struct dropin *dropin)
{
	mkdir(DROPIN_LINKS, 0755);
	for (size_t i = 0; i < dropin->link_count; i++) {
		char *link = printed(DROPIN_LINKS "/%s", dropin->links[i]);

		if (symlink(NETSHIM_UNIT, link) && errno != EEXIST)
			warn("cannot make %s", link);
		free(link);
	}
}

/* The text of its drop-in; NULL: there is to be none. What cannot be started in its class
 * is not to be started at all. */
static char *text_for(const struct service *service, const struct unit *unit, bool put)
{
	struct dropin dropin;
	char *tasks;
	bool wanted;

	if (!strcmp(service->class, "none"))
		return copied("# Made by netshim: this instance of the template is in no class.\n");
	tasks = printed(CGROUP_MOUNT "/" NETSHIM_GROUP "/%s/tasks", service->class);
	wanted = unit->found && !(service->may_be_without && access(tasks, F_OK));
	if (wanted)
		dropin = dropin_for(unit, tasks);
	free(tasks);
	if (!wanted)
		return NULL;
	if (put && dropin.text)
		make_links(&dropin);
	if (dropin.text)
		return dropin.text;
	warnx("unit '%s' cannot be started in class %s: %s", unit->name, service->class, dropin.wrong);
	return service->may_be_without ? NULL : refusal(service, dropin.wrong);
}

static bool put_dropin(const struct service *service, const char *folder)
{
	struct unit unit;
	char *text;
	char *path;
	bool ok = true;

	unit_read(&unit, service->name);
	text = text_for(service, &unit, folder);
	path = printed("%s/%s.d/" DROPIN_FILE, folder ? folder : "", unit.name);
	if (text && !folder) {
		printf("# %s\n%s\n", path + 1, text);
	} else if (text) {
		*strrchr(path, '/') = '\0';
		ok = !mkdir(path, 0755) || errno == EEXIST;
		path[strlen(path)] = '/';
		ok = ok && write_text(path, text);
	}
	if (!ok)
		warn("cannot write %s", path);
	free(path);
	free(text);
	return ok;
}

/* What is in it may lead elsewhere. */
static void check_folder(const char *folder)
{
	char *changeable = geteuid() == 0 ? trust_changeable(folder) : NULL;

	if (changeable || (geteuid() == 0 && trust_is_shared(folder)))
		errx(EXIT_FAILURE,
		     "nothing is written, as others than root can change %s; name a folder that is root's, and "
		     "writable by nobody else",
		     changeable ? changeable : folder);
}

int cmd_units(const struct command *command)
{
	const char *folder = command->argc ? command->argv[0] : NULL;
	FILE *file = fopen(SERVICES_PATH, "re");
	char *line = NULL;
	size_t room = 0;
	bool ok = true;

	if (folder)
		check_folder(folder);
	while (file && getline(&line, &room, file) > 0) {
		struct service service;

		line[strcspn(line, "\n")] = '\0';
		service = read_service(line);
		ok = service.name && put_dropin(&service, folder) && ok;
	}
	free(line);
	if (file)
		fclose(file);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
