/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What is in folders: see folders.h. */

#include "conf/language/folders.h"

#include "conf/language/alloc.h"
#include "conf/language/trust.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

bool folders_lack(int error)
{
	return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP || error == ENAMETOOLONG;
}

const struct dirent *folders_next(DIR *dir, int *error)
{
	const struct dirent *entry;

	errno = 0;
	entry = readdir(dir);
	*error = errno;
	return entry;
}

/* Of the pattern that is looked for: glob's callbacks take no argument of the caller's. It has one
 * folder open at a time, and glibc's does not tell the end of that from an error. */
static char *opened;
static int failure;

static int noted(const char *path, int result)
{
	int error = errno;
	char *changeable = result && !folders_lack(error) ? trust_changeable(path) : NULL;

	if (result && !folders_lack(error) && !changeable)
		failure = error;
	free(changeable);
	errno = error;
	return result;
}

static void *open_folder(const char *path)
{
	DIR *dir = opendir(path);

	noted(path, dir ? 0 : -1);
	free(opened);
	opened = copied(path);
	return dir;
}

static struct dirent *next_entry(void *dir)
{
	struct dirent *entry;

	errno = 0;
	entry = readdir(dir);
	noted(opened, entry || !errno ? 0 : -1);
	return entry;
}

static void close_folder(void *dir)
{
	closedir(dir);
}

static int look(const char *path, struct stat *st)
{
	return noted(path, stat(path, st));
}

static int look_at_link(const char *path, struct stat *st)
{
	return noted(path, lstat(path, st));
}

int folders_match(const char *pattern, glob_t *found)
{
	*found = (glob_t){
		.gl_opendir = open_folder,
		.gl_readdir = next_entry,
		.gl_closedir = close_folder,
		.gl_stat = look,
		.gl_lstat = look_at_link,
	};
	failure = 0;
	if (glob(pattern, GLOB_ALTDIRFUNC, NULL, found) == GLOB_NOSPACE)
		failure = ENOMEM;
	return failure;
}
