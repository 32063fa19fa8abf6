/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The files that a pattern names: see pattern.h. The rules file, which everybody may
 * read, has each of their names. So it is with nobody's rights that they are looked
 * for. And because the rules are everybody's, no user can take the room of others: each
 * has a share of what a pattern may match. */

#include "conf/language/pattern.h"

#include "conf/contract/sys.h"
#include "conf/language/alloc.h"
#include "conf/language/folders.h"
#include "conf/language/rights.h"
#include "conf/language/trust.h"

#include <errno.h>
#include <fnmatch.h>
#include <unistd.h>

/* Of one user's, and one pattern. */
#define FOUND_MAX 4096
#define LOOKED_AT_MAX 65536

/* Who may add to the names beneath some folder. */
struct owner {
	uid_t user;
	char *where;
	size_t found;
	size_t looked_at;
	struct owner *next;
};

struct search {
	struct ruleset *set;
	const char *pattern;
	struct place_in_file at;
	void (*found)(const char *path, bool by_others, const void *with);
	const void *with;
	struct owner *owners;
	struct owner *last_owner;
	char *last_folder; /* whose that one is */
	bool last_shared;
	bool any;
	char path[RULE_PATH_MAX];
	char *hidden; /* a folder that not everybody can look into */
	bool more_hidden;
};

bool pattern_is_one(const char *path)
{
	return strpbrk(path, "*?[") != NULL;
}

/* The folder that the path so far leads to. */
static const char *folder(const struct search *s)
{
	return *s->path ? s->path : "/";
}

static struct owner *owner_named(struct search *s, uid_t user, char *where)
{
	struct owner *owner = s->owners;

	while (owner && owner->user != user)
		owner = owner->next;
	if (owner) {
		free(where);
		return owner;
	}
	owner = zalloc(sizeof(*owner));
	*owner = (struct owner){ .user = user, .where = where, .next = s->owners };
	return s->owners = owner;
}

/* Who may add to that folder; NULL where only root can. Where all of a group or everybody
 * can, they share what is root's. Most names share a folder, so the last is remembered. */
static struct owner *owner_of_folder(struct search *s)
{
	struct sys_file file = { .uid = 0 };
	char *where;

	if (s->last_folder && !strcmp(s->last_folder, folder(s)))
		return s->last_owner;
	free(s->last_folder);
	s->last_folder = copied(folder(s));
	where = trust_changeable(folder(s));
	if (where)
		sys_stat(AT_FDCWD, where, AT_SYMLINK_NOFOLLOW, &file);
	s->last_owner = where ? owner_named(s, file.uid, where) : NULL;
	s->last_shared = trust_is_shared(folder(s));
	return s->last_owner;
}

/* Who may have put that name into the folder of the path so far. In a sticky folder, each name
 * is its owner's. Others may have moved there what is root's, so that has a share too. */
static struct owner *owner_of_name(struct search *s, const char *name)
{
	struct owner *owner = owner_of_folder(s);
	struct sys_file file;
	char *path;

	if (owner || !s->last_shared)
		return owner;
	path = printed("%s/%s", s->path, name);
	if (sys_stat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &file))
		file.uid = 0;
	free(path);
	return owner_named(s, file.uid, copied(folder(s)));
}

static bool is_full(const struct owner *owner)
{
	return owner && (owner->found > FOUND_MAX || owner->looked_at > LOOKED_AT_MAX);
}

/* Returns false where that is one more than the owner's share. */
static bool may_look_at(struct owner *owner)
{
	if (owner)
		owner->looked_at++;
	return !is_full(owner);
}

/* Where nobody may not look, in a folder whose name is that long. Only of what is there
 * is it told. */
static void note_hidden(struct search *s, size_t size)
{
	rights_give_back();
	if (!access(folder(s), F_OK)) {
		s->more_hidden = s->hidden;
		s->hidden = s->hidden ? s->hidden : printed("%.*s", (int)size, s->path);
	}
	if (!rights_take(RIGHTS_NOBODY))
		err(EXIT_FAILURE, "cannot look for files with the rights of all users");
}

/* Others must not keep a configuration from being loaded: a user's file system may fail at will. */
static void note_failure(struct search *s, int error, size_t size)
{
	char *changeable = folders_lack(error) ? NULL : trust_changeable(folder(s));

	if (error == EACCES)
		note_hidden(s, size);
	else if (changeable)
		ruleset_warning(s->set, s->at,
				"cannot look into '%.*s/': %s; what '%s' matches there has no rule, as others than "
				"root can change '%s'",
				(int)size, s->path, strerror(error), s->pattern, changeable);
	else if (!folders_lack(error))
		ruleset_problem(
			s->set, s->at,
			"cannot look into '%.*s/': %s; mend that, as what '%s' matches there would have no rule",
			(int)size, s->path, strerror(error), s->pattern);
	free(changeable);
}

static void found(struct search *s, size_t size, bool tree)
{
	char *slash = strrchr(s->path, '/');
	struct sys_file file;
	int error = sys_stat(AT_FDCWD, s->path, tree ? 0 : AT_SYMLINK_NOFOLLOW, &file);
	struct owner *owner;

	if (error)
		note_failure(s, -error, (size_t)(slash - s->path));
	if (error || (tree && !S_ISDIR(file.mode)))
		return;
	s->any = true;
	*slash = '\0';
	owner = owner_of_name(s, slash + 1);
	*slash = '/';
	if (owner)
		owner->found++;
	if (is_full(owner))
		return;
	if (tree)
		memcpy(s->path + size, "/", 2);
	s->found(s->path, owner, s->with);
	s->path[size] = '\0';
}

static void search_from(struct search *s, size_t size, const char *rest);

/* Goes on with a name at the end of the path so far. What is too long for a rule cannot
 * be started by that name either. */
static void search_name(struct search *s, size_t size, const char *name, size_t name_size, const char *rest)
{
	if (size + 1 + name_size + sizeof("/") > sizeof(s->path))
		return;
	s->path[size] = '/';
	memcpy(s->path + size + 1, name, name_size);
	s->path[size + 1 + name_size] = '\0';
	search_from(s, size + 1 + name_size, rest);
	s->path[size] = '\0';
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static void search_folder(struct search *s, size_t size, const char *names, const char *rest)
{
	DIR *dir = opendir(folder(s));
	struct owner *owner;
	const struct dirent *entry;
	int error;

	if (!dir) {
		note_failure(s, errno, size);
		return;
	}
	owner = owner_of_folder(s);
	while ((entry = folders_next(dir, &error))) {
		if (!may_look_at(owner))
			break;
		if (!is_dots(entry->d_name) && !fnmatch(names, entry->d_name, FNM_PERIOD) &&
		    (owner || may_look_at(owner_of_name(s, entry->d_name))))
			search_name(s, size, entry->d_name, strlen(entry->d_name), rest);
	}
	if (!entry && error)
		note_failure(s, error, size);
	closedir(dir);
}

static void search_from(struct search *s, size_t size, const char *rest)
{
	const char *component = rest + strspn(rest, "/");
	size_t component_size = strcspn(component, "/");
	char *names;

	if (!*component) {
		found(s, size, component > rest);
		return;
	}
	names = or_out_of_memory(strndup(component, component_size));
	if (pattern_is_one(names))
		search_folder(s, size, names, component + component_size);
	else
		search_name(s, size, names, component_size, component + component_size);
	free(names);
}

static void warn_of_left_out(const struct search *s)
{
	if (s->hidden)
		ruleset_warning(
			s->set, s->at,
			"not every user can look into '%s/'%s: what '%s' matches there has no rule, as the "
			"rules would show its name to all; name the programs, or the whole folder with its slash",
			s->hidden, s->more_hidden ? " and others" : "", s->pattern);
	for (const struct owner *o = s->owners; o; o = o->next)
		if (is_full(o))
			ruleset_warning(s->set, s->at,
					"'%s' matches more than %d names, or %d were looked at, where others than root "
					"can change '%s': the rest have no rule; name the programs, or the whole "
					"folder with its slash",
					s->pattern, FOUND_MAX, LOOKED_AT_MAX, o->where);
}

void pattern_warn_of_name(struct ruleset *set, const char *pattern, struct place_in_file at)
{
	struct sys_file file;

	if (strchr(pattern, '[') && !sys_stat(AT_FDCWD, pattern, AT_SYMLINK_NOFOLLOW, &file))
		ruleset_warning(set, at,
				"'%s' is a pattern that matches nothing, though this very path is there; write \\[ for "
				"each [ in it",
				pattern);
}

void pattern_expand(struct ruleset *set, const char *pattern, struct place_in_file at,
		    void (*found_one)(const char *path, bool by_others, const void *with), const void *with)
{
	struct search s = { .set = set, .pattern = pattern, .at = at, .found = found_one, .with = with };

	if (!rights_take(RIGHTS_NOBODY)) {
		ruleset_problem(set, at, "cannot look for '%s' with the rights of all users: %s", pattern,
				strerror(errno));
		return;
	}
	search_from(&s, 0, pattern);
	if (!s.any)
		pattern_warn_of_name(set, pattern, at);
	rights_give_back();
	warn_of_left_out(&s);
	free(s.hidden);
	free(s.last_folder);
	while (s.owners) {
		struct owner *next = s.owners->next;

		free(s.owners->where);
		free(s.owners);
		s.owners = next;
	}
}
