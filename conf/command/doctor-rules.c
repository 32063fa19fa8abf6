/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* doctor: the rules in force, the configuration that they are from, and the programs that
 * they name. */

#include "conf/command/child.h"
#include "conf/command/doctor.h"
#include "conf/command/last.h"
#include "conf/command/services.h"
#include "conf/command/wanted.h"
#include "conf/contract/match.h"
#include "conf/contract/sys.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"
#include "conf/language/check.h"
#include "conf/language/compile.h"
#include "conf/language/grammar.h"
#include "conf/language/rights.h"
#include "conf/language/trust.h"
#include "conf/language/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#define RELOAD "run 'netshim reload' as root"

static void look_at_force(struct doctor *d)
{
	const char *words = last_words();
	char *closed = trust_closed(RULES_PATH, TRUST_READ);

	if (d->rules_wrong)
		doctor_tell(d, RESULT_FAULT, RELOAD, "%s: programs that have a class are not started, or are in none",
			    d->rules_wrong);
	else if (!d->rules)
		doctor_tell(d, RESULT_FAULT, "run 'netshim up' as root", "netshim is not up: no program has a class");
	else if (closed)
		doctor_tell(d, RESULT_FAULT, RELOAD,
			    "users may not read " RULES_PATH ": what they start is in no class");
	else
		doctor_tell(d, RESULT_OK, NULL, "%u rule%s, %u class%s", d->rules->header.rule_count,
			    d->rules->header.rule_count == 1 ? "" : "s", d->rules->header.class_count,
			    d->rules->header.class_count == 1 ? "" : "es");
	free(closed);
	if (words)
		doctor_tell(d, RESULT_FAULT, NULL,
			    "the configuration could not be put into force when the machine "
			    "started: %s",
			    words);
	if (d->rules && compile_elsewhere())
		doctor_tell(d, RESULT_FAULT, "look there: nsenter --net=... netshim doctor",
			    "netshim is up in another network namespace than this one: here, nothing is filtered");
}

/* --- the configuration, as its files are now */

static bool is_in_force(const struct doctor *d, const struct app *app)
{
	struct rules_slot rule;

	return compile_find(d->rules, app, &rule);
}

/* What patterns match now, and did not then, or the other way round. */
static void compare_rules(struct doctor *d, const struct ruleset *now)
{
	struct named missing = { .count = 0 };
	size_t count = 0;

	for (size_t i = 0; i < now->app_count; i++) {
		const struct app *app = &now->apps[i];

		if (app->left_out)
			continue;
		count++;
		if (!is_in_force(d, app))
			named_add(&missing, app->path);
	}
	if (missing.count)
		doctor_tell(
			d, RESULT_FAULT, RELOAD,
			"the configuration names programs that no rule in force is for, as they were not there when it "
			"was loaded: %s",
			missing.text);
	else if (count != d->rules->header.rule_count)
		doctor_tell(d, RESULT_NOTE, RELOAD,
			    "the configuration makes %zu rules now, and %u are in force: files that patterns name have "
			    "gone",
			    count, d->rules->header.rule_count);
}

static bool tell_silent(struct doctor *d);

static void look_at_freshness(struct doctor *d)
{
	const char *path = d->rules ? compile_config() : NULL;
	struct ruleset *now = zalloc(sizeof(*now));
	size_t mistakes = 0;

	if (!path || doctor_is_blind(d, "whether the configuration has been changed since")) {
		if (!path)
			doctor_tell(d, RESULT_OK, NULL, "nothing to compare: netshim is not up");
		return;
	}
	/* They would be waited for here. */
	if (tell_silent(d))
		return;
	grammar_read(now, path);
	check_whole(now);
	compile_names(now);
	for (size_t i = 0; i < now->problem_count; i++)
		mistakes += !now->problems[i].warning;
	if (mistakes)
		doctor_tell(
			d, RESULT_FAULT, "run 'netshim check', which names them",
			"%s has %zu mistake%s by now: it cannot be put into force, neither now nor at the next boot",
			path, mistakes, mistakes == 1 ? "" : "s");
	else if (d->set &&
		 (now->text_size != d->set->text_size || memcmp(now->text, d->set->text, now->text_size) != 0))
		doctor_tell(d, RESULT_FAULT, RELOAD,
			    "%s, or what it includes, has been changed since it was put into force", path);
	if (!mistakes)
		compare_rules(d, now);
	if (!d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "%s is as it is in force", path);
}

/* --- the programs */

/* A rule's path: what netshim has found, and what is written. */
struct named_program {
	char path[RULE_PATH_MAX];
	struct stat st;
	bool there;
	bool tree;
};

static bool is_beneath(const char *path, const char *const *folders)
{
	for (; *folders; folders++)
		if (strstr(path, *folders))
			return true;
	return false;
}

static bool is_missing(const struct named_program *p)
{
	return !p->there;
}

/* A user's own file may be a script, and name anything: so it is looked at as that user. */
static uid_t looks_as(const struct named_program *p)
{
	char *changeable = trust_changeable(p->path);
	bool users = changeable || trust_is_others(&p->st);

	free(changeable);
	return !users ? 0 : p->st.st_uid ? p->st.st_uid : RIGHTS_NOBODY;
}

static bool is_static(const struct named_program *p)
{
	bool found;

	if (!p->there || p->tree || !S_ISREG(p->st.st_mode) || !rights_take(looks_as(p)))
		return false;
	found = match_is_static(AT_FDCWD, p->path);
	rights_give_back();
	return found;
}

static bool is_setuid(const struct named_program *p)
{
	return p->there && !p->tree && (p->st.st_mode & (S_ISUID | S_ISGID));
}

static bool is_of_others(const struct named_program *p)
{
	return p->there && trust_changeable(p->path);
}

/* But for what starts these, from outside. */
static bool is_in_box(const struct named_program *p)
{
	static const char *const folders[] = { "/snap/", "/snapd/", "/flatpak/", "/.mount_", NULL };
	static const char *const starters[] = { "/snap/bin/", "/flatpak/exports/bin/", NULL };

	return is_beneath(p->path, folders) && !is_beneath(p->path, starters);
}

static bool is_of_container(const struct named_program *p)
{
	static const char *const folders[] = { "/var/lib/docker/",
					       "/var/lib/containers/",
					       "/var/lib/lxc/",
					       "/var/lib/lxd/",
					       "/var/lib/machines/",
					       "/.local/share/containers/",
					       NULL };

	return is_beneath(p->path, folders);
}

/* What is worth telling of a rule's program. */
static const struct kind {
	bool (*is)(const struct named_program *program);
	enum result result;
	const char *text; /* before the names */
	const char *to_do;
} kinds[] = {
	{ is_missing, RESULT_NOTE, "rules are for what is not there (or not for this user to see)",
	  "nothing, if it is still to be installed; else mend the path" },
	{ is_static, RESULT_NOTE,
	  "rules are for static programs: one whose launcher has not the library in itself starts them in no class",
	  "have the launcher load it ('netshim doctor', shell), or use 'netshim run'" },
	{ is_setuid, RESULT_NOTE,
	  "rules are for setuid or setgid programs: what they start is in their class, whatever its own rule says",
	  "'netshim enable --system', if that is not meant" },
	{ is_of_others, RESULT_NOTE,
	  "rules are for what others than root can replace: such a user decides what runs in the class", NULL },
	{ is_in_box, RESULT_NOTE,
	  "rules are for programs in flatpaks, snaps or AppImages, whose files and names are not seen outside",
	  "write them for what starts these: netshim.conf(5), FLATPAKS, SNAPS AND APPIMAGES" },
	{ is_of_container, RESULT_NOTE,
	  "rules are for programs in containers, which a daemon starts, in other namespaces",
	  "the container's own network, or 'netshim run' within a class for what starts it" },
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

_Static_assert(1 << KINDS < CHILD_SILENT, "an answer has a bit for each kind");

/* What rules name. A user's file system may never answer, and nothing ends who waits for it: so a child looks,
 * once for all checks. */
struct named_programs {
	char **paths;
	size_t count;
	uint8_t *kinds; /* of each, bits, or CHILD_SILENT */
	struct named silent;
	int error; /* why nobody could look, or 0 */
};

static uint8_t kinds_of(size_t question, const void *with)
{
	const struct named_programs *all = with;
	struct named_program p = { .there = false };
	uint8_t found = 0;

	strcpy(p.path, all->paths[question]);
	p.tree = p.path[strlen(p.path) - 1] == '/';
	p.there = !stat(p.path, &p.st);
	for (size_t i = 0; i < KINDS; i++)
		found |= (uint8_t)(kinds[i].is(&p) << i);
	return found;
}

static void read_paths(struct rules *rules, struct named_programs *all)
{
	struct rules_slot slot;
	char path[RULE_PATH_MAX];

	for (uint64_t i = 0; i < rules->header.slot_count; i++) {
		if (sys_pread(rules->fd, &slot, sizeof(slot), rules->header.slots + i * sizeof(slot)) != sizeof(slot) ||
		    !slot.path || !rules_string(rules, slot.path, path, sizeof(path)) || begins(path, UNIT_KEY))
			continue;
		all->paths = grown(all->paths, all->count, sizeof(*all->paths));
		all->paths[all->count++] = copied(path);
	}
}

static const struct named_programs *look_at_all(const struct doctor *d)
{
	static struct named_programs all;

	if (all.kinds)
		return &all;
	if (d->rules)
		read_paths(d->rules, &all);
	all.kinds = zalloc(all.count + 1);
	all.error = child_ask(all.kinds, all.count, kinds_of, &all);
	for (size_t i = 0; i < all.count; i++)
		if (all.kinds[i] == CHILD_SILENT)
			named_add(&all.silent, all.paths[i]);
	return &all;
}

/* Whether there are any that could not be looked at. */
static bool tell_silent(struct doctor *d)
{
	const struct named_programs *all = look_at_all(d);

	if (all->error)
		doctor_tell(d, RESULT_NOTE, DOCTOR_DESCRIPTORS, "could not look at what rules name: %s",
			    strerror(all->error));
	else if (all->silent.count)
		doctor_tell(d, RESULT_NOTE, DOCTOR_SILENT_FILES,
			    "could not look at what rules name, as a file system does not answer: %s",
			    all->silent.text);
	return all->error || all->silent.count;
}

static void look_at_programs(struct doctor *d)
{
	const struct named_programs *all = look_at_all(d);

	for (size_t i = 0; i < KINDS; i++) {
		struct named named = { .count = 0 };

		for (size_t j = 0; j < all->count; j++)
			if (all->kinds[j] != CHILD_SILENT && all->kinds[j] >> i & 1)
				named_add(&named, all->paths[j]);
		if (named.count)
			doctor_tell(d, kinds[i].result, kinds[i].to_do, "%s: %s", kinds[i].text, named.text);
	}
	if (!tell_silent(d) && !d->finding_count)
		doctor_tell(d, RESULT_OK, NULL, "what the rules name is there, and can be told when it is started");
}

static void look_at_services(struct doctor *d)
{
	const struct app *app;

	if (doctor_is_blind(d, "which services have a rule"))
		return;
	app = d->set ? services_unfollowed(d->set) : NULL;
	if (app && access(UNIT_SYSTEMD_RUNS, F_OK))
		doctor_tell(d, RESULT_NOTE, NULL, "rules are for units, but systemd does not start services here: %s",
			    app->path);
	else if (app)
		doctor_tell(d, RESULT_FAULT, "run 'systemctl daemon-reload'; its log says whether the generator fails",
			    "systemd starts a service that has a rule, at %s:%d, in no class: %s", app->at.file,
			    app->at.line, app->path);
	else
		doctor_tell(d, RESULT_OK, NULL, "systemd knows of every service that has a rule");
}

static void look_at_running(struct doctor *d)
{
	struct process_names names = { .count = 0 };
	struct outside *outside;
	size_t count = 0;

	if (!d->rules) {
		doctor_tell(d, RESULT_OK, NULL, "nothing to compare: netshim is not up");
		return;
	}
	if (doctor_is_blind(d, "what runs outside the class of its rule"))
		return;
	outside = wanted_outside(d->rules, &count);
	for (size_t i = 0; i < count; i++)
		process_names_add(&names, outside[i].process.name, outside[i].process.pid);
	free(outside);
	if (count)
		doctor_tell(d, RESULT_FAULT,
			    "restart them, or run 'netshim move CLASS PID'; 'netshim ps' has all of them",
			    "%zu running program%s in another class than the rule names, or in none: %s", count,
			    count == 1 ? " is" : "s are", names.text);
	else
		doctor_tell(d, RESULT_OK, NULL, "every running program is where its rule says");
}

const struct check checks_rules[] = {
	{ "in force", look_at_force },	  { "fresh", look_at_freshness }, { "programs", look_at_programs },
	{ "services", look_at_services }, { "running", look_at_running }, { NULL, NULL },
};
