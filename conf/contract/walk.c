/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* The walk along the names of a path: see walk.h. */

#include "conf/contract/walk.h"

#include "conf/contract/process.h"
#include "conf/contract/sys.h"

#include <string.h>

/* Puts size bytes in front of the unresolved part. */
static int push_back(struct walk *w, const char *from, size_t size)
{
	if (size + w->done + 1 > w->rest)
		return -ENAMETOOLONG;
	w->rest -= size;
	memmove(w->buf + w->rest, from, size);
	return 0;
}

/* EPERM is what a sandbox says to a system call. What is said about this file, by a
 * security module for instance, is that the way ends there. */
static int walk_error(int err, bool refused)
{
	return refused ? -EPERM : err == -EPERM ? -EACCES : err;
}

/* A sandbox that lets no link be read says so about the root, too, which is none. */
static int link_error(int err)
{
	char none[1];

	return walk_error(err, err != -EINVAL && err != -ENOENT && sys_readlink("/", none, sizeof(none)) == err);
}

static int start_at_fd(struct walk *w, int fd)
{
	char link[PROCESS_FD_LINK_MAX];
	long n = sys_readlink(process_fd_link(link, fd), w->buf, w->rest);

	if (n < 0)
		return link_error((int)n);
	if ((size_t)n == w->rest)
		return -ENAMETOOLONG;
	if (w->buf[0] != '/')
		return -ENOENT;
	w->done = n == 1 ? 0 : (size_t)n;
	w->buf[w->done] = '\0';
	return 0;
}

static int start_at_cwd(struct walk *w)
{
	long n = SYS(SYS_getcwd, w->buf, w->rest, 0, 0, 0);

	/* The kernel has no other errors but for want of memory. */
	if (n < 0)
		return n == -ERANGE ? -ENAMETOOLONG : n == -ENOENT ? -ENOENT : -EPERM;
	/* "(unreachable)/…": the current directory is outside the root. */
	if (w->buf[0] != '/')
		return -ENOENT;
	w->done = n <= 2 ? 0 : (size_t)n - 1;
	return 0;
}

int walk_start(struct walk *w, int dirfd, const char *path, size_t size)
{
	int err;

	w->done = 0;
	w->rest = w->end;
	w->buf[w->end] = '\0';
	err = size < RULE_PATH_MAX ? push_back(w, path, size) : -ENAMETOOLONG;
	if (err || w->buf[w->rest] == '/')
		return err;
	if (dirfd != AT_FDCWD)
		err = start_at_fd(w, dirfd);
	else
		err = start_at_cwd(w);
	return err ? err : w->done + 1 > w->rest ? -ENAMETOOLONG : 0;
}

int walk_start_with_fd(struct walk *w, int fd)
{
	size_t size;
	int err;

	w->rest = w->end;
	w->buf[w->end] = '\0';
	err = start_at_fd(w, fd);
	size = w->done;
	w->done = 0;
	return err ? err : push_back(w, w->buf, size);
}

static void pop_component(struct walk *w)
{
	while (w->done && w->buf[--w->done] != '/')
		;
	w->buf[w->done] = '\0';
}

/* Replaces the resolved part's last component by what the symlink holds. */
static int follow_link(struct walk *w)
{
	size_t gap = w->done + 1;
	long n;

	if (++w->links > WALK_LINKS_MAX)
		return -ELOOP;
	if (str_after(w->buf, "/proc/"))
		w->through_proc = true;
	if (gap >= w->rest)
		return -ENAMETOOLONG;
	n = sys_readlink(w->buf, w->buf + gap, w->rest - gap);
	if (n <= 0)
		return n ? link_error((int)n) : -ENOENT;
	if ((size_t)n == w->rest - gap)
		return -ENAMETOOLONG;
	w->rest -= (size_t)n;
	memmove(w->buf + w->rest, w->buf + gap, (size_t)n);
	pop_component(w);
	if (w->buf[w->rest] == '/')
		w->done = 0;
	return 0;
}

static bool is_last(const struct walk *w, size_t after)
{
	while (w->buf[after] == '/')
		after++;
	return !w->buf[after];
}

/* Moves the next component to the resolved part. Returns 1 where it is the last
 * one, 0 where more follow, -ENAMETOOLONG. */
static int next_component(struct walk *w)
{
	size_t from = w->rest;
	size_t size = 0;

	while (w->buf[from + size] && w->buf[from + size] != '/')
		size++;
	w->rest += size;
	if (size == 1 && w->buf[from] == '.')
		return 0;
	if (size == 2 && w->buf[from] == '.' && w->buf[from + 1] == '.') {
		pop_component(w);
		return 0;
	}
	if (w->done + 1 + size >= w->rest)
		return -ENAMETOOLONG;
	memmove(w->buf + w->done + 1, w->buf + from, size);
	w->buf[w->done] = '/';
	w->done += 1 + size;
	w->buf[w->done] = '\0';
	return is_last(w, w->rest);
}

int walk_next(struct walk *w)
{
	while (w->buf[w->rest] == '/')
		w->rest++;
	return w->buf[w->rest] ? next_component(w) : WALK_END;
}

int walk_look(struct walk *w)
{
	struct sys_file file;
	int err = sys_stat(AT_FDCWD, w->done ? w->buf : "/", AT_SYMLINK_NOFOLLOW, &file);

	if (err)
		return walk_error(err, sys_stat_refused(err));
	if (file_others_may_change(&file))
		w->changeable = true;
	w->mode = file.mode;
	return 0;
}

int walk_enter(struct walk *w)
{
	return S_ISLNK(w->mode) ? follow_link(w) : 0;
}

bool walk_leaves(const struct walk *w)
{
	const char *c = w->buf + w->rest;
	long depth = 0;

	while (*c && depth >= 0) {
		const char *name = c;

		while (*c && *c != '/')
			c++;
		if (c - name == 2 && name[0] == '.' && name[1] == '.')
			depth--;
		else if (c > name && (c - name != 1 || *name != '.'))
			depth++;
		while (*c == '/')
			c++;
	}
	return depth < 0;
}
