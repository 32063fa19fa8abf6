/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Who decides what a path leads to: see trust.h. */

#include "conf/language/trust.h"

#include "conf/contract/sys.h"
#include "conf/language/alloc.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* the kernel's MAXSYMLINKS */

static char *look_along(const char *path, unsigned links);

static char *look_behind(const char *link, unsigned links)
{
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	char *path;
	char *found;

	if (n <= 0 || links == LINKS_MAX)
		return NULL;
	target[n] = '\0';
	path = *target == '/' ? copied(target) : printed("%.*s/%s", (int)(strrchr(link, '/') - link), link, target);
	found = look_along(path, links + 1);
	free(path);
	return found;
}

char *trust_shared_above(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == path ? copied("/") : printed("%.*s", (int)(slash - path), path);

	if (trust_is_shared(folder))
		return folder;
	free(folder);
	return NULL;
}

/* What is not there cannot be led elsewhere. */
static char *look_along(const char *path, unsigned links)
{
	char *part = copied(path);
	char *found = NULL;
	struct sys_file file;
	char *end = part;
	int error;

	while (!found && end) {
		end = strchr(end, '/');
		if (end)
			*end = '\0';
		error = sys_stat(AT_FDCWD, *part ? part : "/", AT_SYMLINK_NOFOLLOW, &file);
		if (error && error != -ENOENT && error != -ENOTDIR && *part)
			found = trust_shared_above(part); /* others may have put it there */
		if (error)
			break;
		if (file_others_may_change(&file))
			found = copied(*part ? part : "/");
		else if (S_ISLNK(file.mode))
			found = look_behind(part, links);
		if (end)
			*end++ = '/';
	}
	free(part);
	return found;
}

bool trust_is_others(const struct stat *st)
{
	return st->st_uid != 0 || (st->st_mode & (S_IWGRP | S_IWOTH));
}

bool trust_is_shared(const char *folder)
{
	struct sys_file file;

	return !sys_stat(AT_FDCWD, folder, 0, &file) && S_ISDIR(file.mode) &&
	       (file.uid != 0 || (file.mode & (S_IWGRP | S_IWOTH)));
}

/* Who has given it a group says thereby which users may. */
static bool is_closed(const struct stat *st, mode_t needed)
{
	mode_t asked = st->st_gid ? S_IRWXU | S_IRWXG : S_IRWXU | S_IRWXG | S_IRWXO;

	return ~st->st_mode & needed & asked;
}

char *trust_closed(const char *path, mode_t needed)
{
	char *real = realpath(path, NULL);
	char *part = copied(real ? real : path);
	char *found = NULL;
	struct stat st;

	for (char *end = part; !found && end;) {
		end = strchr(end + 1, '/');
		if (end)
			*end = '\0';
		if (stat(part, &st))
			break;
		if (is_closed(&st, S_ISDIR(st.st_mode) ? TRUST_EXECUTE : needed))
			found = copied(part);
		if (end)
			*end = '/';
	}
	free(part);
	free(real);
	return found;
}

char *trust_changeable(const char *path)
{
	char folder[PATH_MAX];
	char *full;
	char *found;

	if (*path != '/' && !getcwd(folder, sizeof(folder)))
		return NULL;
	full = *path == '/' ? copied(path) : printed("%s/%s", folder, path);
	found = look_along(full, 0);
	free(full);
	return found;
}
