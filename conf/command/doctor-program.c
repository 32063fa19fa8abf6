/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* doctor PROGRAM: one program's way, from the shell to its class; or a unit's, from systemd. */

#include "conf/command/child.h"
#include "conf/command/doctor.h"
#include "conf/command/env-script.h"
#include "conf/command/rule-words.h"
#include "conf/command/search.h"
#include "conf/command/services.h"
#include "conf/contract/match.h"
#include "conf/contract/sys.h"
#include "conf/kernel/cgroup.h"
#include "conf/kernel/nft.h"
#include "conf/language/alloc.h"
#include "conf/language/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#define RELOAD "run 'netshim reload' as root"

static void tell_no_rule(struct doctor *d, int found)
{
	struct rules_slot rule;

	if (!d->rules)
		doctor_tell(d, RESULT_FAULT, "run 'netshim up' as root", "netshim is not up: no program has a class");
	else if (d->unit)
		doctor_tell(d, RESULT_FAULT, "write one into the configuration, then 'netshim reload'",
			    "no rule names the unit %s: it is started in no class", d->program);
	else if (found == -ETIMEDOUT)
		doctor_tell(d, RESULT_FAULT, DOCTOR_SILENT_FILES,
			    "%s could not be looked at: the file system does not answer", d->program);
	else if (no_descriptor_free(found))
		doctor_tell(d, RESULT_FAULT, DOCTOR_DESCRIPTORS, "%s could not be looked at: %s", d->program,
			    strerror(-found));
	else if (found == -EACCES)
		doctor_tell(d, RESULT_FAULT,
			    d->root ? "ask as the user who has mounted that file system, which is closed to root too"
				    : "ask as root, or as a user who may look there",
			    "%s could not be looked at: %s", d->program, strerror(-found));
	else if (found < 0)
		doctor_tell(d, RESULT_FAULT, "mend the path", "%s: %s", d->program, strerror(-found));
	else if (match_program(d->rules, AT_FDCWD, d->program, 0, true, &rule, NULL) > 0)
		doctor_tell(d, RESULT_FAULT, "give them behind --, or write a rule for them",
			    "the rules of %s are for other arguments: it is started in the class of who starts it",
			    d->program);
	else
		doctor_tell(
			d, RESULT_FAULT, "write one into the configuration, then 'netshim reload'",
			"no rule names %s, a folder above it or, if it is a script, its interpreter: it is started in "
			"the class of who starts it",
			d->program);
}

/* In a child, which has neither the rules open nor this folder. What is read is what env-script.c reads. */
static uint8_t try_to_find(size_t question, const void *path)
{
	struct rules_slot rule;
	struct rules rules;
	char head[MATCH_HEAD];
	int found = rules_open(&rules, true);

	(void)question;
	if (!found)
		found = search_rule(&rules, path, NULL, &rule);
	match_read_regular(path, head, sizeof(head));
	return (uint8_t)(found < 0 ? -found : 0);
}

/* It may lie on a file system that never answers, and nothing ends who waits for it: so a child looks first. */
static int find_rule(struct doctor *d)
{
	char folder[PATH_MAX];
	uint8_t wrong;
	char *path;
	int error;

	if (!d->rules)
		return 0;
	if (d->unit)
		return services_rule(d->rules, d->program, &d->rule);
	path = *d->program == '/' || !getcwd(folder, sizeof(folder)) ? copied(d->program)
								     : printed("%s/%s", folder, d->program);
	error = child_ask(&wrong, 1, try_to_find, path);
	free(path);
	if (error || wrong)
		return error ? -error : wrong == CHILD_SILENT ? -ETIMEDOUT : -wrong;
	return search_rule(d->rules, d->program, d->arguments, &d->rule);
}

static void tell_rule(struct doctor *d, const char *program)
{
	struct rule_words words;
	char *rule = rule_words_read(d->rules, &d->rule, &words) ? rule_words_text(&words) : copied("?");

	*d->class = '\0';
	if (d->rule.class_index == RULES_CLASS_NONE)
		doctor_tell(d, RESULT_NOTE, NULL, "%s is in no class, by rule %s", program, rule);
	else if (!rules_class(d->rules, d->rule.class_index, &d->record, d->class))
		doctor_tell(d, RESULT_FAULT, RELOAD, RULES_PATH " is damaged");
	else
		doctor_tell(d, RESULT_OK, NULL, "%s: class %s, by rule %s", program, d->class, rule);
	free(rule);
	if (*d->class && !d->unit && !rules_users_include_caller(d->rules, &d->record.users))
		doctor_tell(d, RESULT_FAULT, "add the user to 'users' of the class, or start it as another user",
			    "this user is not among the users of class %s: the program is %s", d->class,
			    d->record.flags & CLASS_ON_ERROR_ALLOW ? "started in no class" : "not started");
}

/* Returns whether the program that a script has env start has a rule. */
static bool look_at_env(struct doctor *d)
{
	struct env_script script = { .rules = d->rules, .rule = &d->rule, .program = d->program, .argv = d->arguments };
	bool found = false;

	for (; env_script_next(&script); found = true)
		tell_rule(d, printed("%s, which env starts", script.program));
	if (script.why)
		doctor_tell(d, RESULT_NOTE, NULL, "%s", script.why);
	return found;
}

static void look_at_rule(struct doctor *d)
{
	int found = find_rule(d);

	*d->class = '\0';
	d->unseen = found < 0 && found != -ENOENT && found != -ENOTDIR;
	if (found > 0)
		tell_rule(d, d->program);
	else
		d->rule = (struct rules_slot){ .class_index = RULES_CLASS_NONE };
	if ((!d->rules || d->unit || found < 0 || !look_at_env(d)) && found <= 0)
		tell_no_rule(d, found);
}

bool doctor_class_is_unknown(struct doctor *d)
{
	if (d->unseen)
		doctor_tell(d, RESULT_NOTE, NULL,
			    "nobody can tell: %s could not be looked at, so its class is not known", d->program);
	return d->unseen;
}

static bool has_no_class(struct doctor *d)
{
	if (doctor_class_is_unknown(d))
		return true;
	if (!*d->class)
		doctor_tell(d, RESULT_OK, NULL, "nothing to look at: it has no class");
	return !*d->class;
}

static void look_at_dropin(struct doctor *d)
{
	struct unit unit;

	if (has_no_class(d))
		return;
	unit_read(&unit, d->program);
	if (access(UNIT_SYSTEMD_RUNS, F_OK))
		doctor_tell(d, RESULT_NOTE, NULL, "systemd does not start services here");
	else if (!unit.found)
		doctor_tell(d, RESULT_NOTE, NULL, "systemd has no such unit, or it is masked");
	else if (!services_has_dropin(unit.name))
		doctor_tell(d, RESULT_FAULT, "run 'systemctl daemon-reload'; its log says whether the generator fails",
			    "systemd has not been told of its rule, and starts it in no class");
	else
		doctor_tell(d, RESULT_OK, NULL, "systemd starts it as its rule says");
}

static void look_at_group(struct doctor *d)
{
	char *wrong;

	if (has_no_class(d))
		return;
	wrong = cgroup_wrong(d->class, d->record.classid);
	if (wrong)
		doctor_tell(d, RESULT_FAULT, RELOAD, "%s", wrong);
	else
		doctor_tell(d, RESULT_OK, NULL, "its group has the classid %x:%x", d->record.classid >> 16,
			    d->record.classid & 0xffff);
	free(wrong);
}

static void look_at_chain(struct doctor *d)
{
	char *chain;
	char *loaded;

	if (has_no_class(d) || doctor_is_blind(d, "what is loaded into nftables"))
		return;
	chain = printed("\tchain class_%s {\n", d->class);
	loaded = nft_listing();
	if (!loaded)
		doctor_tell(d, RESULT_FAULT, RELOAD, "nftables has lost netshim's table: nothing is filtered");
	else if (!strstr(loaded, chain))
		doctor_tell(d, RESULT_FAULT, RELOAD, "nftables has no chain class_%s: the class is not filtered",
			    d->class);
	else
		doctor_tell(d, RESULT_OK, NULL, "nftables has the chain class_%s", d->class);
	free(loaded);
	free(chain);
}

const struct check checks_program[] = {
	{ "shell", look_at_shell },	      { "rule", look_at_rule },
	{ "helper", look_at_helper },	      { "capability", look_at_capability },
	{ "privileges", look_at_privileges }, { "hierarchy", look_at_hierarchy },
	{ "group", look_at_group },	      { "chain", look_at_chain },
	{ "packet", look_at_packet },	      { NULL, NULL },
};

const struct check checks_unit[] = {
	{ "rule", look_at_rule },
	{ "drop-in", look_at_dropin },
	{ "hierarchy", look_at_hierarchy },
	{ "group", look_at_group },
	{ "chain", look_at_chain },
	{ "packet", look_at_packet },
	{ NULL, NULL },
};
