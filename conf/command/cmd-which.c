/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim which: the class that a program started by this user would get, and
 * why. It asks the same code as the shim and the helper do. */

#include "conf/command/env-script.h"
#include "conf/command/rule-words.h"
#include "conf/command/search.h"
#include "conf/command/services.h"
#include "conf/command/verbs.h"
#include "conf/contract/match.h"
#include "conf/contract/netns.h"
#include "conf/contract/sys.h"
#include "conf/language/alloc.h"
#include "conf/language/compile.h"
#include "conf/language/ruleset.h"
#include "conf/language/say.h"
#include "conf/language/unit.h"

#include <unistd.h>

/* Where a program of the class would be started. */
static void explain_netns(struct rules *rules, const char *path, const struct rules_class *class)
{
	char name[NETNS_NAME_MAX + 1];
	int fd;

	if (!rules_string(rules, class->netns, name, sizeof(name)))
		return;
	if (!strcmp(name, NETNS_PRIVATE)) {
		say(stdout, "%s: in an empty network namespace of its own", path);
		return;
	}
	say(stdout, "%s: in network namespace %s", path, name);
	fd = netns_open(name);
	if (fd < 0)
		say(stdout, "%s: but that cannot be entered: %s", path,
		    fd == -ENOENT ? "it " NETNS_MISSING : strerror(-fd));
	else
		close(fd);
}

static const char *why_no_rule(struct rules *rules, const char *path, bool unit)
{
	struct rules_slot rule;

	if (unit)
		return "no rule names it";
	if (match_program(rules, AT_FDCWD, path, 0, true, &rule, NULL) > 0)
		return "its rules are for other arguments";
	return "no rule names it, a folder above it or, if it is a script, its interpreter";
}

static void explain_rule(struct rules *rules, const char *path, const struct rules_slot *rule, const char *class)
{
	struct rule_words words;
	char *text;

	if (!rule_words_read(rules, rule, &words))
		errx(EXIT_FAILURE, "%s is damaged; run 'netshim reload' as root", RULES_PATH);
	text = rule_words_text(&words);
	say(stdout, "%s: class %s, by rule %s", path, class, text);
	free(text);
}

/* Returns whether it has a class. */
static bool explain_class(struct rules *rules, const char *path, const struct rules_slot *rule, bool unit)
{
	char class[CLASS_NAME_MAX + 1] = "none";
	struct rules_class record = { .flags = 0 };

	if (rule->class_index != RULES_CLASS_NONE && !rules_class(rules, rule->class_index, &record, class))
		errx(EXIT_FAILURE, "%s is damaged; run 'netshim reload' as root", RULES_PATH);
	explain_rule(rules, path, rule, class);
	if (!rules_understood(rule->flags, record.flags))
		say(stdout,
		    "%s: but a newer netshim has made this rule, and this one does not understand it; run 'netshim "
		    "reload' as root",
		    path);
	if (rule->class_index == RULES_CLASS_NONE)
		return false;
	if (record.flags & CLASS_NETNS)
		explain_netns(rules, path, &record);
	if (!unit && !rules_users_include_caller(rules, &record.users))
		say(stdout, "%s: but this user is not among the users of class %s, so it is %s", path, class,
		    record.flags & CLASS_ON_ERROR_ALLOW ? "started unclassified" : "not started");
	return true;
}

/* Tells what a script with that rule has env start. Returns whether it has a class then. */
static bool explain_env(struct rules *rules, struct rules_slot *rule, const char *path, char **argv, bool has)
{
	struct env_script script = { .rules = rules, .rule = rule, .program = path, .argv = argv };

	while (env_script_next(&script))
		has = explain_class(rules, printed("%s: then env starts %s", path, script.program), rule, false);
	if (script.why)
		say(stdout, "%s: then %s", path, script.why);
	return has;
}

/* Prints the lines of one program with its arguments. Returns whether it has a class. */
static bool explain(struct rules *rules, char **argv)
{
	const char *program = argv[0];
	bool unit = unit_name_valid(program);
	const char *path = unit ? program : search_command(program);
	struct rules_slot rule = { .class_index = RULES_CLASS_NONE };
	int found = -ENOENT;
	bool has;

	if (path)
		found = unit ? services_rule(rules, path, &rule) : search_rule(rules, path, argv, &rule);
	if (found < 0)
		say(stdout, "%s: no class: %s", program, path ? strerror(-found) : "there is no such command on PATH");
	else if (!found)
		say(stdout, "%s: no class: %s", path, why_no_rule(rules, path, unit));
	if (found <= 0)
		rule.class_index = RULES_CLASS_NONE;
	has = found > 0 && explain_class(rules, path, &rule, unit);
	return unit || found < 0 ? has : explain_env(rules, &rule, path, argv, has);
}

/* They begin the arguments, and are none. */
static char **without_dashes(char **argv)
{
	if (!argv[1] || strcmp(argv[1], "--"))
		return argv;
	argv[1] = argv[0];
	return argv + 1;
}

/* Where the next program is: what begins with a dash, and all behind that, are arguments. */
static char **end_of_program(char **argv)
{
	argv++;
	if (*argv && **argv == '-')
		while (*argv)
			argv++;
	return argv;
}

int cmd_which(const struct command *command)
{
	char **argv = command->argv;
	struct rules rules;
	bool all = true;

	if (!compile_open(&rules, false)) {
		if (errno == ENOENT)
			printf("no program has a class: netshim is not up\n");
		return EXIT_FAILURE;
	}
	while (*argv) {
		char **next = end_of_program(argv);
		char *after = *next;

		*next = NULL;
		all = explain(&rules, without_dashes(argv)) && all;
		*next = after;
		argv = next;
	}
	rules_close(&rules);
	return all ? EXIT_SUCCESS : EXIT_FAILURE;
}
