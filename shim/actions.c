/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* What file actions make of a spawned child: see actions.h. POSIX gives nobody a way
 * to ask what they hold, so they are read as libc has written them; but first a few
 * that are known are written and read, and where that libc keeps them in another way,
 * nothing is believed. */

#include "shim/actions.h"

#include "conf/contract/rules.h"
#include "conf/contract/sys.h"
#include "shim/next.h"

/* How many folders may be opened one within the other. */
#define DEPTH 4

struct action {
	enum { OTHER, DUP2, OPEN, CHDIR, FCHDIR, CLOSE, CLOSEFROM } what;
	int fd;
	int from; /* DUP2 */
	int flags;
	const char *path;
};

/* glibc has an array of these. */
struct glibc_action {
	int what;
	union {
		struct {
			int fd;
			int to;
		} dup2;
		struct {
			int fd;
			const char *path;
			int flags;
			mode_t mode;
		} open;
		const char *chdir;
		int only;
	};
};

/* musl a list, the newest first. */
struct musl_action {
	struct musl_action *older;
	struct musl_action *newer;
	int what;
	int fd;
	int from;
	int flags;
	mode_t mode;
	char path[];
};

/* Both libcs' objects have their pointer at the same place. */
static bool read_glibc(const posix_spawn_file_actions_t *list, int index, struct action *a)
{
	static const int names[] = { CLOSE, DUP2, OPEN, CHDIR, FCHDIR, CLOSEFROM };
	const struct glibc_action *from = (const void *)list->__actions;

	if (index >= list->__used)
		return false;
	from += index;
	*a = (struct action){ .what = (unsigned)from->what < 6 ? names[from->what] : OTHER };
	if (a->what == DUP2)
		a->fd = from->dup2.to, a->from = from->dup2.fd;
	if (a->what == OPEN)
		a->fd = from->open.fd, a->path = from->open.path, a->flags = from->open.flags;
	if (a->what == CHDIR)
		a->path = from->chdir;
	if (a->what == FCHDIR || a->what == CLOSE || a->what == CLOSEFROM)
		a->fd = from->only;
	return true;
}

static bool read_musl(const posix_spawn_file_actions_t *list, int index, struct action *a)
{
	static const int names[] = { OTHER, CLOSE, DUP2, OPEN, CHDIR, FCHDIR };
	const struct musl_action *from = (const void *)list->__actions;

	while (from && from->older)
		from = from->older;
	while (from && index--)
		from = from->newer;
	if (!from)
		return false;
	*a = (struct action){
		.what = (unsigned)from->what < 6 ? names[from->what] : OTHER,
		.fd = from->fd,
		.from = from->from,
		.flags = from->flags,
		.path = from->path,
	};
	return true;
}

/* false behind the last one. */
static bool read_action(const posix_spawn_file_actions_t *list, int index, struct action *a)
{
	return next_is_glibc() ? read_glibc(list, index, a) : read_musl(list, index, a);
}

static bool is_as_written(const posix_spawn_file_actions_t *list)
{
	struct action a;

	return read_action(list, 0, &a) && a.what == OPEN && a.fd == 11 && a.flags == O_NOFOLLOW &&
	       str_equal(a.path, "a") && read_action(list, 1, &a) && a.what == DUP2 && a.from == 12 && a.fd == 13 &&
	       read_action(list, 2, &a) && a.what == CHDIR && str_equal(a.path, "b") && read_action(list, 3, &a) &&
	       a.what == FCHDIR && a.fd == 14 && read_action(list, 4, &a) && a.what == CLOSE && a.fd == 15 &&
	       !read_action(list, 5, &a);
}

#define FIND(name) __typeof__(posix_spawn_file_actions_##name) *name = NEXT_LOOK(posix_spawn_file_actions_##name)

static bool write_and_read(void)
{
	FIND(init);
	FIND(destroy);
	FIND(addopen);
	FIND(adddup2);
	FIND(addclose);
	FIND(addchdir_np);
	FIND(addfchdir_np);
	posix_spawn_file_actions_t list;
	bool answer;

	if (!init || !destroy || !addopen || !adddup2 || !addclose || !addchdir_np || !addfchdir_np || init(&list))
		return false;
	answer = !addopen(&list, 11, "a", O_NOFOLLOW, 0) && !adddup2(&list, 12, 13) && !addchdir_np(&list, "b") &&
		 !addfchdir_np(&list, 14) && !addclose(&list, 15) && is_as_written(&list);
	destroy(&list);
	return answer;
}

bool actions_readable(const posix_spawn_file_actions_t *actions)
{
	return actions && write_and_read();
}

static void close_folder(int folder)
{
	if (folder != AT_FDCWD)
		sys_close(folder);
}

static int open_folder(int in, const char *path, int flags)
{
	return sys_openat(in, path, O_PATH | O_DIRECTORY | O_CLOEXEC | (flags & O_NOFOLLOW));
}

static int folder_before(const posix_spawn_file_actions_t *list, int end, int depth, int *folder);

/* Opens what the child has as fd when it comes to the action at index. */
static int open_descriptor(const posix_spawn_file_actions_t *list, int index, int fd, int depth)
{
	struct action a;
	int folder;
	int ret;

	while (index--) {
		read_action(list, index, &a);
		if (a.what == DUP2 && a.fd == fd)
			fd = a.from;
		if (a.what != OPEN || a.fd != fd)
			continue;
		ret = depth ? folder_before(list, index, depth - 1, &folder) : -ELOOP;
		if (ret)
			return ret;
		ret = open_folder(folder, a.path, a.flags);
		close_folder(folder);
		return ret;
	}
	return (int)SYS(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0, 0, 0);
}

/* As actions_folder, for the first `end` actions. */
static int folder_before(const posix_spawn_file_actions_t *list, int end, int depth, int *folder)
{
	struct action a;

	*folder = AT_FDCWD;
	for (int i = 0; i != end && read_action(list, i, &a); i++) {
		int before = *folder;

		if (a.what == CHDIR)
			*folder = open_folder(before, a.path, 0);
		else if (a.what == FCHDIR)
			*folder = open_descriptor(list, i, a.fd, depth);
		else
			continue;
		close_folder(before);
		if (*folder < 0)
			return *folder;
	}
	return 0;
}

/* By what no check has shown yet: it says "perhaps". */
static bool may_change_folder(const posix_spawn_file_actions_t *list)
{
	struct action a;

	for (int i = 0; read_action(list, i, &a); i++)
		if (a.what == CHDIR || a.what == FCHDIR)
			return true;
	return false;
}

/* The check uses malloc: not where nothing depends on it. */
int actions_folder(const posix_spawn_file_actions_t *actions, int *folder)
{
	struct sys_file rules;

	*folder = AT_FDCWD;
	if (!may_change_folder(actions) || sys_stat(AT_FDCWD, RULES_PATH, 0, &rules) == -ENOENT)
		return 0;
	return actions_readable(actions) ? folder_before(actions, -1, DEPTH, folder) : 0;
}

bool actions_close(const posix_spawn_file_actions_t *actions, int fd, bool closed)
{
	struct action a;

	for (int i = 0; read_action(actions, i, &a); i++) {
		if ((a.what == DUP2 || a.what == OPEN) && a.fd == fd)
			closed = false;
		if ((a.what == CLOSE && a.fd == fd) || (a.what == CLOSEFROM && a.fd <= fd))
			closed = true;
	}
	return closed;
}
