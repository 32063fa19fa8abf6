/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What a script has env start: see env-script.h. */

#include "conf/command/env-script.h"

#include "conf/command/search.h"
#include "conf/contract/match.h"
#include "conf/language/alloc.h"
#include "conf/language/begins.h"

static bool is_kept(struct rules *rules, const struct rules_slot *rule)
{
	char name[CLASS_NAME_MAX + 1];
	struct rules_class class;

	if (rule->class_index == RULES_CLASS_NONE || !rules_class(rules, rule->class_index, &class, name))
		return false;
	return class.flags & CLASS_LOCK ||
	       (!rules_users_include_caller(rules, &class.users) && !(class.flags & CLASS_ON_ERROR_ALLOW));
}

/* Returns what is behind env in a script's head, without the blanks around it, or NULL. */
static char *behind_env(char *head)
{
	char *end = head + strcspn(head, "\n");
	char *interpreter;
	char *words;
	const char *slash;

	while (end > head && strchr(" \t", end[-1]))
		end--;
	*end = '\0';
	interpreter = match_interpreter(head);
	slash = interpreter ? strrchr(interpreter, '/') : NULL;
	if (!interpreter || strcmp(slash ? slash + 1 : interpreter, "env"))
		return NULL;
	words = interpreter + strlen(interpreter);
	return words < end ? words + 1 + strspn(words + 1, " \t") : NULL;
}

/* The kernel gives env all of the line as one argument, which -S has it split. Returns the words
 * from NAME on, in argv, and how many; 0 where more than this could change them, or PATH. */
static size_t split(char *words, char **argv)
{
	size_t count = 0;
	char *word;

	if (*words != '-') {
		argv[0] = words;
		return !strchr(words, '=');
	}
	if (!begins(words, "-S") || strpbrk(words, "\\\"'$#"))
		return 0;
	words += strlen("-S");
	while ((word = strsep(&words, " \t"))) {
		bool setting = !count && strchr(word, '=');

		if ((setting && begins(word, "PATH=")) || (!count && *word == '-'))
			return 0;
		if (*word && !setting)
			argv[count++] = word;
	}
	return count;
}

/* As the kernel and env put them: what the line has, the script, its own arguments. */
static char **start_of(char *words, const char *path, char **argv, const char **why)
{
	size_t given = 0;
	size_t count;
	char **start;

	while (argv && argv[given])
		given++;
	start = zalloc((MATCH_HEAD + given + 2) * sizeof(*start));
	count = split(copied(words), start);
	if (!count) {
		*why = printed("only env can tell what it starts by '%s'", words);
		return NULL;
	}
	start[count] = copied(path);
	for (size_t i = 1; i < given; i++)
		start[count + i] = argv[i];
	words = start[0];
	start[0] = (char *)search_command(words);
	if (!start[0])
		*why = printed("env starts '%s', which is not on PATH", words);
	return start[0] ? start : NULL;
}

/* Goes on to what env starts, if the program is such a script. */
static bool go_on(struct env_script *s)
{
	char head[MATCH_HEAD] = "";
	char *words;

	if (is_kept(s->rules, s->rule) || match_read_regular(s->program, head, sizeof(head)) <= 0)
		return false;
	words = behind_env(head);
	s->argv = words ? start_of(words, s->program, s->argv, &s->why) : NULL;
	s->program = s->argv ? s->argv[0] : NULL;
	return s->argv;
}

bool env_script_next(struct env_script *s)
{
	while (s->depth++ < MATCH_SCRIPTS_MAX && go_on(s)) {
		struct rules_slot rule;

		if (search_rule(s->rules, s->program, s->argv, &rule) <= 0)
			continue;
		*s->rule = rule;
		return true;
	}
	return false;
}
