/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The rules file where it lies: written, read back, replaced, and opened for the command. */

#include "conf/language/compile.h"

#include "conf/contract/netns.h"
#include "conf/contract/siphash.h"
#include "conf/contract/sys.h"
#include "conf/contract/with.h"
#include "conf/language/alloc.h"
#include "conf/language/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static const char new_path[] = RULES_PATH ".new";
static const char old_path[] = RULES_PATH ".old";
static bool replaced; /* the rules file was replaced or taken away */

static bool body_is_intact(const struct rules *rules)
{
	uint64_t at = sizeof(rules->header);
	struct siphash hash;
	char piece[65536];
	ssize_t n;

	siphash_start(&hash, rules->header.key);
	for (; (n = pread(rules->fd, piece, sizeof(piece), (off_t)at)) == sizeof(piece); at += sizeof(piece))
		siphash_part(&hash, piece, sizeof(piece));
	return n >= 0 && at + (uint64_t)n == rules->header.file_size &&
	       siphash_end(&hash, piece, (size_t)n) == rules->header.body_hash;
}

/* Goes round them from where compile_names has put it: in another file, it may have another place. */
bool compile_find(struct rules *rules, const struct app *app, struct rules_slot *rule)
{
	struct rules_with with;

	if (!rules_find(rules, app->canonical, strlen(app->canonical), rule))
		return false;
	if (rule->flags != RULE_WITH)
		return app->kind == WITH_ANY;
	for (uint32_t i = 0; i < rule->with_count; i++) {
		if (!rules_with(rules, rule->with + (app->place + i) % rule->with_count, &with))
			return false;
		if (with.kind != app->kind ||
		    (app->kind != WITH_ANY && !rules_with_is(rules, &with, app->text, strlen(app->text))))
			continue;
		with_put(rule, &with);
		return true;
	}
	return false;
}

/* Where it is the path itself, that has been compared. */
static bool written_reads_back(struct rules *rules, const struct rules_slot *rule, const struct app *app)
{
	const char *written = app_written(app);
	char text[RULE_PATH_MAX];
	size_t size = strnlen(written, sizeof(text) - 1) + 1;

	if (rule->written == rule->path)
		return !strcmp(app->canonical, written);
	return rules_string(rules, rule->written, text, size) && !strcmp(text, written);
}

static bool reads_back(struct rules *rules, const struct ruleset *set, const struct app *app)
{
	char name[CLASS_NAME_MAX + 1] = "none";
	struct rules_class class;
	struct rules_slot rule;

	return compile_find(rules, app, &rule) && rule.line == (uint32_t)app->at.line &&
	       rule.users.count == app->users.count && written_reads_back(rules, &rule, app) &&
	       (rule.class_index == RULES_CLASS_NONE || rules_class(rules, rule.class_index, &class, name)) &&
	       !strcmp(name, app_class_name(set, app)) && !rules->damaged;
}

/* Asks the readers' own code for every rule: whatever is wrong with the file, no
 * program is to find it out. */
static bool all_read_back(const struct ruleset *set)
{
	struct rules rules;
	bool intact = !rules_open_file(&rules, new_path, true);
	size_t i = 0;

	if (!intact || !body_is_intact(&rules)) {
		if (intact)
			rules_close(&rules);
		warnx("%s is not what was written there; try again", new_path);
		return false;
	}
	while (i < set->app_count && (set->apps[i].left_out || reads_back(&rules, set, &set->apps[i])))
		i++;
	rules_close(&rules);
	if (i < set->app_count)
		warnx("%s:%d: the rule for '%s' cannot be read back from %s; try again", set->apps[i].at.file,
		      set->apps[i].at.line, set->apps[i].path, new_path);
	return i == set->app_count;
}

/* The text that the rules are from, beside them. */
static bool write_text(const struct ruleset *set, FILE *rules)
{
	struct stat st;

	return !fstat(fileno(rules), &st) && text_write(set, st.st_ino);
}

static bool write_for(const struct ruleset *set, const struct rules_header *place)
{
	FILE *file;
	int fd;
	bool ok;

	/* What a command that was killed has left. */
	compile_done();
	fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file) {
		warn("cannot write %s", new_path);
		return false;
	}
	ok = compile_to(file, set, place);
	if (!ok)
		warn("cannot write %s", new_path);
	ok = ok && write_text(set, file);
	if (fclose(file) && ok) {
		warn("cannot write %s", new_path);
		return false;
	}
	return ok && all_read_back(set);
}

bool compile_write(const struct ruleset *set)
{
	return write_for(set, NULL);
}

bool compile_write_programs(const struct ruleset *set, const struct rules *rules)
{
	return write_for(set, &rules->header);
}

bool compile_has_programs(const struct ruleset *set, struct rules *rules)
{
	for (size_t i = 0; i < set->app_count; i++)
		if (!set->apps[i].left_out && !reads_back(rules, set, &set->apps[i]))
			return false;
	return ruleset_rule_count(set) == rules->header.rule_count;
}

bool compile_commit(void)
{
	/* The old file stays within reach, as the same inode. ENOENT: there was none. */
	replaced = (!link(RULES_PATH, old_path) || errno == ENOENT) && !rename(new_path, RULES_PATH);
	if (!replaced)
		warn("cannot replace %s", RULES_PATH);
	return replaced;
}

bool compile_withdraw(void)
{
	/* Of two links to one file, rename would leave both (POSIX). */
	unlink(old_path);
	replaced = !rename(RULES_PATH, old_path) || errno == ENOENT;
	if (!replaced)
		warn("cannot remove %s", RULES_PATH);
	return replaced;
}

void compile_undo(void)
{
	if (replaced && rename(old_path, RULES_PATH) && errno == ENOENT)
		unlink(RULES_PATH);
}

void compile_done(void)
{
	text_settle();
	unlink(new_path);
	unlink(old_path);
	replaced = false;
}

uint64_t compile_elsewhere(void)
{
	struct rules rules;
	uint64_t there;

	if (rules_open(&rules, true))
		return 0;
	there = rules.header.network_namespace;
	rules_close(&rules);
	return there == netns_own() ? 0 : there;
}

char *compile_config(void)
{
	char path[PATH_MAX];
	struct rules rules;
	bool known;

	if (rules_open(&rules, true))
		return NULL;
	known = body_is_intact(&rules) && rules_string(&rules, rules.header.config, path, sizeof(path));
	rules_close(&rules);
	return known ? copied(path) : NULL;
}

char *compile_wrong(const struct rules *rules, int error)
{
	switch (error) {
	case EPROTO:
		return printed("%s was made by %s netshim", RULES_PATH,
			       rules->header.version < RULES_OLDEST ? "an older" : "a newer");
	case EBADMSG:
		return printed("%s is damaged", RULES_PATH);
	case EACCES:
		return printed("this user may not read %s", RULES_PATH);
	case EOVERFLOW:
		return printed("%s does not belong to root here (is this a user namespace?)", RULES_PATH);
	case ETXTBSY:
		return printed("others than root may write to %s", RULES_PATH);
	default:
		return printed("cannot open %s: %s", RULES_PATH, strerror(error));
	}
}

bool compile_open(struct rules *rules, bool trusted)
{
	int error = rules_open(rules, trusted);
	char *wrong;

	if (!error && !body_is_intact(rules)) {
		rules_close(rules);
		error = -EBADMSG;
	}
	if (!error && !rules_readable(&rules->header)) {
		rules_close(rules);
		error = -EPROTO;
	}
	wrong = error && error != -ENOENT ? compile_wrong(rules, -error) : NULL;
	if (wrong)
		warnx("%s%s", wrong, no_descriptor_free(error) ? "" : "; run 'netshim reload' as root");
	free(wrong);
	errno = -error;
	return !error;
}
