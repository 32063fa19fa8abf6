/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Files as a user may see them: see rights.h. It is setfsuid that is used, because with
 * it nothing else is the user's: not this process, for one. */

#include "conf/language/rights.h"

#include "conf/language/alloc.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

/* Root's own. */
static gid_t *own_groups;
static int own_count;

static bool note_own_groups(void)
{
	if (own_groups)
		return true;
	own_count = getgroups(0, NULL);
	own_groups = zalloc(((size_t)own_count + 1) * sizeof(*own_groups));
	return own_count >= 0 && getgroups(own_count, own_groups) == own_count;
}

/* A user whom nobody knows, and nobody, are in a group of as many. */
static bool take_groups(uid_t user, gid_t *group)
{
	const struct passwd *known = user == RIGHTS_NOBODY ? NULL : getpwuid(user);
	gid_t *groups = NULL;
	int count = 0;
	bool ok;

	*group = known ? known->pw_gid : (gid_t)RIGHTS_NOBODY;
	if (known) {
		getgrouplist(known->pw_name, known->pw_gid, NULL, &count);
		groups = zalloc(((size_t)count + 1) * sizeof(*groups));
		count = getgrouplist(known->pw_name, known->pw_gid, groups, &count);
	}
	ok = count >= 0 && !setgroups((size_t)count, groups);
	free(groups);
	return ok;
}

/* They return what was before, whether or not it has changed. */
static bool set(uid_t user, gid_t group)
{
	setfsgid(group);
	setfsuid(user);
	return setfsgid((gid_t)-1) == (int)group && setfsuid((uid_t)-1) == (int)user;
}

bool rights_take(uid_t user)
{
	gid_t group;

	if (geteuid() != 0 || user == 0)
		return true;
	if (note_own_groups() && take_groups(user, &group) && set(user, group))
		return true;
	rights_give_back();
	errno = EPERM;
	return false;
}

void rights_give_back(void)
{
	if (geteuid() == 0 && own_groups && (!set(0, getegid()) || setgroups((size_t)own_count, own_groups)))
		err(EXIT_FAILURE, "cannot be root again");
}

uid_t rights_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) || !st.st_uid ? RIGHTS_NOBODY : st.st_uid;
}
