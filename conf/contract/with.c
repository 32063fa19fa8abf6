/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Rules by argument: see with.h. */

#include "conf/contract/with.h"

#include "conf/contract/sys.h"
#include "conf/contract/walk.h"

/* Tells whether a set, behind its [, has the character, and moves *pattern behind its ].
 * One without an end is none: its [ is a character. */
static bool set_has(const char **pattern, char c)
{
	const char *p = *pattern;
	bool negated = *p == '!' || *p == '^';
	bool has = false;
	const char *first = p += negated;

	for (; *p && (*p != ']' || p == first); p++) {
		unsigned char low = (unsigned char)*p;
		bool range = p[1] == '-' && p[2] && p[2] != ']';

		if (range)
			p += 2;
		has = has || (low <= (unsigned char)c && (unsigned char)c <= (unsigned char)*p);
	}
	if (!*p)
		return c == '[';
	*pattern = p + 1;
	return has != negated;
}

/* Tells whether the pattern begins with what can be that character, and moves *pattern on. */
static bool takes(const char **pattern, char c)
{
	char first = *(*pattern)++;

	return first == '?' || (first == '[' ? set_has(pattern, c) : first == c);
}

/* Tells whether a text matches a pattern: * is any characters, ? is one, [a-c] and [!a-c] are some.
 * Whatever has been taken for one *, more can only be needed for the last: so no start is
 * tried twice, and nothing is tried for long. */
static bool matches(const char *pattern, const char *text, size_t size)
{
	const char *star = NULL;
	size_t taken = 0;

	for (size_t i = 0; i < size;) {
		if (*pattern == '*') {
			star = ++pattern;
			taken = i;
		} else if (*pattern && takes(&pattern, text[i])) {
			i++;
		} else if (star) {
			pattern = star;
			i = ++taken;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* Walks to the file that an argument names. Returns 1 where one of the names that lead to
 * it is that of the rule, 0, or -errno. */
static int walk_to_file(struct walk *w, struct rules *rules, const struct rules_with *with,
			const struct with_argument *a)
{
	int err = a->size ? walk_start(w, a->folder, a->text, a->size) : walk_start_with_fd(w, a->folder);

	while (!err) {
		int next = walk_next(w);

		if (next < 0 || next == WALK_END)
			return next < 0 ? next : 0;
		if (next == WALK_LAST && rules_with_is(rules, with, w->buf, w->done))
			return 1;
		err = walk_look(w);
		if (!err)
			err = walk_enter(w);
	}
	return err;
}

__attribute__((noinline)) static int walk_small(struct rules *rules, const struct rules_with *with,
						const struct with_argument *a)
{
	char buf[WALK_SMALL];
	struct walk w = { .buf = buf, .end = sizeof(buf) - 1 };

	return walk_to_file(&w, rules, with, a);
}

__attribute__((noinline)) static int walk_large(struct rules *rules, const struct rules_with *with,
						const struct with_argument *a)
{
	char buf[WALK_LARGE];
	struct walk w = { .buf = buf, .end = sizeof(buf) - 1 };

	return walk_to_file(&w, rules, with, a);
}

/* Tells whether a walk may come to the file: by another last name, only a symlink leads
 * there. There may be many thousands of arguments. */
static bool may_name(const struct rules_with *with, const struct with_argument *a)
{
	struct sys_file file;
	int err;

	if (!a->size)
		return a->folder != AT_FDCWD;
	if (a->size - rules_name_at(a->text, a->size) == with->name_size)
		return true;
	err = sys_stat(a->folder, a->text, AT_SYMLINK_NOFOLLOW, &file);
	return err ? err != -ENOENT && sys_stat_refused(err) : S_ISLNK(file.mode);
}

static bool names_file(struct rules *rules, const struct rules_with *with, const struct with_argument *a)
{
	int found = may_name(with, a) ? walk_small(rules, with, a) : 0;

	if (found == -ENAMETOOLONG)
		found = walk_large(rules, with, a);
	/* A sandbox refuses the system calls that it takes to tell. */
	if (found == -EPERM)
		rules->damaged = rules->refused = true;
	return found > 0;
}

static bool holds(struct rules *rules, const struct rules_with *with, const char *pattern,
		  const struct with_argument *a)
{
	if (with->kind == WITH_PATTERN)
		return matches(pattern, a->text, a->size);
	return with->kind == WITH_FILE ? names_file(rules, with, a) : rules_with_is(rules, with, a->text, a->size);
}

static int read_own(char *const *list, struct with_argument *argument)
{
	argument->text = *list;
	argument->size = *list ? str_len(*list) : 0;
	return *list != NULL;
}

#define NONE (-ENOENT)

/* Returns the number of the first argument before that of number end for which the rule
 * holds, NONE, or -EFAULT. */
static long first_argument(struct rules *rules, const struct with_arguments *a, const struct rules_with *with, long end)
{
	struct with_argument argument = { .folder = a->folder };
	char pattern[WITH_PATTERN_MAX] = "";
	long leads = a->lead_count;
	int there = 1;

	if (with->kind == WITH_PATTERN && !rules_string(rules, with->text, pattern, sizeof(pattern)))
		return NONE;
	for (long i = 0; i < leads && i < end; i++)
		if (holds(rules, with, pattern, &a->leads[i]))
			return i;
	for (long i = 0; a->list && leads + i < end; i++) {
		there = (a->read ? a->read : read_own)(a->list + i, &argument);
		if (there <= 0)
			return there ? there : NONE;
		if (i && holds(rules, with, pattern, &argument))
			return leads + i;
	}
	return NONE;
}

static bool ranks_alike(const struct rules_with *a, const struct rules_with *b)
{
	return a->kind == b->kind && (a->kind != WITH_PATTERN || a->text_size == b->text_size);
}

void with_put(struct rules_slot *rule, const struct rules_with *with)
{
	rule->class_index = with->class_index;
	rule->users = with->users;
	rule->written = with->written;
	rule->file = with->file;
	rule->line = with->line;
	rule->flags &= ~RULE_WITH;
	rule->with = with->given;
	rule->with_count = 0;
}

bool with_choose(struct rules *rules, const struct with_arguments *arguments, struct rules_slot *rule)
{
	const bool understood = rule->flags == RULE_WITH;
	struct rules_with best = { .kind = WITH_ANY };
	struct rules_with with;
	long at = NONE;

	if (!understood)
		return true;
	for (uint32_t i = 0; i < rule->with_count && at; i++) {
		long first = 0;

		if (!rules_with(rules, rule->with + i, &with))
			return false;
		if (at >= 0 && !ranks_alike(&best, &with))
			break;
		if (with.kind > WITH_ANY)
			return true;
		if (!rules_users_include_caller(rules, &with.users))
			continue;
		if (with.kind != WITH_ANY)
			first = first_argument(rules, arguments, &with, at < 0 ? INT32_MAX : at);
		if (first == -EFAULT)
			return true;
		if (first >= 0) {
			best = with;
			at = first;
		}
	}
	if (at >= 0)
		with_put(rule, &best);
	return at >= 0;
}
